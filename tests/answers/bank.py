"""Banks of answers: for each graded function, right ones that differ in kind and wrong ones with the mistake they show.

A bank is a file `<assignment>/<function>.py` of plain functions: `right_...`, and `wrong_...` decorated with
`@wrong("id of the mistake")`, or with `@wrong(None)` where the mistake has no name. `credit` is the least fraction that
a wrong answer keeps.
"""

import importlib
import inspect


def wrong(mistake, credit=0.0):
    def mark(function):
        function.mistake = mistake
        function.credit = credit
        return function

    return mark


def answers(assignment, function):
    """The bank of one function: (right ones, wrong ones), each a dict from name to function."""
    module = importlib.import_module(f"tests.answers.{assignment}.{function}")
    functions = {
        name: value
        for name, value in inspect.getmembers(module, callable)
        if name.startswith(("right_", "wrong_")) and getattr(value, "__module__", None) == module.__name__
    }
    right = {name: value for name, value in functions.items() if name.startswith("right_")}
    return right, {name: value for name, value in functions.items() if name.startswith("wrong_")}
