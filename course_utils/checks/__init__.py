"""Checks of the students' functions: a callable in, a report out; one module for each assignment.

report = checks.vae.gaussian_kl(student_function)    # in a notebook: a short coloured report
report.assert_passed()                               # in pytest
checks.vae.gaussian_kl(student_function).score(2)    # in nbgrader: partial credit
"""

import importlib

from course_utils.checks.report import Finding, Report, Score

# Modules load when they are asked for: the process that will run a student's code must not hold them.
ASSIGNMENTS = {
    "a1_density": "density",
    "a2_autoregressive": "autoregressive",
    "a3_vae": "vae",
    "a4_gan": "adversarial",
    "a5_translation": "translation",
}

__all__ = ["ASSIGNMENTS", "Finding", "Report", "Score", "find", "of_assignment"]


def __getattr__(name):
    if name in ASSIGNMENTS.values():
        return importlib.import_module(f"course_utils.checks.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def of_assignment(assignment):
    """All checks of an assignment, by the name of the function. Raises KeyError."""
    if assignment not in ASSIGNMENTS:
        raise KeyError(f"no checks for assignment {assignment!r}, only for {', '.join(ASSIGNMENTS)}")
    return importlib.import_module(f"course_utils.checks.{ASSIGNMENTS[assignment]}").CHECKS


def find(assignment, function):
    """The check of a function of an assignment, such as find("a3_vae", "gaussian_kl"). Raises KeyError."""
    checks = of_assignment(assignment)
    if function not in checks:
        raise KeyError(f"{assignment} has no function {function!r}, only {', '.join(checks)}")
    return checks[function]
