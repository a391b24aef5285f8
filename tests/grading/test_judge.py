"""How tests are evaluated, and what their values are worth; on notebooks small enough to be written out here."""

import ast
import math

import nbformat
import pytest

from course_utils.checks import Finding, Report, Score
from course_utils.grading import judge, trusted
from course_utils.grading.limits import Limits
from course_utils.grading.results import Submission
from course_utils.grading.spec import AssignmentSpec, NotebookSpec, SourceCell

LIMITS = Limits(cell_seconds=5, call_seconds=2)


def code(grade_id: str, source: str, **flags) -> SourceCell:
    return SourceCell(grade_id, "code", source, **flags)


def check_cell(grade_id: str, source: str, points: float = 2.0) -> SourceCell:
    return code(grade_id, source, locked=True, grade=True, points=points)


def grade(cells: list[SourceCell], answers: dict[str, str], extra: dict[int, str] | None = None, **options):
    """The result for a notebook of these cells with some of them replaced, and plain cells put in at some places."""
    spec = AssignmentSpec("tiny", (NotebookSpec("tiny", tuple(cells)),))
    nodes = []
    for cell in cells:
        mark = {"grade_id": cell.grade_id, "schema_version": 3, "grade": cell.grade, "solution": cell.solution}
        mark |= {"locked": cell.locked, "task": cell.task, "points": cell.points}
        make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        nodes.append(make(answers.get(cell.grade_id, cell.source), metadata={"nbgrader": mark}))
    for place, source in (extra or {}).items():
        nodes.insert(place, nbformat.v4.new_code_cell(source))
    for number, node in enumerate(nodes):
        node.id = f"cell{number}"  # nbformat would draw one
    text = nbformat.writes(nbformat.v4.new_notebook(cells=nodes))
    submission = Submission("tiny", "ada", {"tiny.ipynb": text.encode(), **options.pop("files", {})})
    (notebook,) = judge.grade(submission, spec, secret="secret", limits=LIMITS, **options).notebooks
    return notebook


def points(notebook) -> dict[str, float]:
    return {cell.grade_id: cell.points for cell in notebook.cells}


SOLUTION = code("f", "def f(x):\n    raise NotImplementedError()", solution=True)


def report(passed: bool, weight: float = 1.0) -> Report:
    return Report("f", [Finding("value", passed, weight), Finding("gradient", True, 1.0)])


@pytest.mark.parametrize(
    ("value", "due"),
    [
        (None, 2.0),
        (True, 2.0),
        (False, 0.0),
        (0, 0.0),
        (1.5, 1.5),
        (2, 2.0),
        (Score(report(True), 2), 2.0),
        (Score(report(False), 2), 1.0),
        (Score(report(True), 3), 2.0),
    ],
)
def test_what_a_value_is_worth(value, due):
    assert trusted.points_of(value, 2.0)[0] == due


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, -0.01, 2.01, 1e9, "2.0", [2.0], object()])
def test_a_value_that_is_no_score_is_refused(value):
    with pytest.raises(ValueError, match="no score from 0 to 2"):
        trusted.points_of(value, 2.0)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("f(2) == 3", {"f"}),
        ("import math as m\nassert m.isclose(f(2), g)", {"f", "g"}),
        ("x = 3\n[f(y) for y in range(x)]", {"f"}),
        ("def helper(a, b=1):\n    return f(a + b)\nhelper(1)", {"f"}),
        ("(lambda f: f(1))(abs)", set()),
    ],
)
def test_names_that_a_test_takes_from_the_notebook(source, names):
    assert trusted.free_names(ast.parse(source)) == names


def test_tests_run_on_values_functions_and_classes_of_the_notebook():
    cells = [
        code("setup", "import math, torch\nbase = 40", locked=True),
        SOLUTION,
        check_cell("f-check", "assert f(2) == 42 and base == 40"),
        check_cell("f-partial", "1.5 if math.isclose(f(0), 40) else 0"),
        check_cell("f-object", "counter = Counter(5)\ncounter.add(2)\nassert counter.total == 7 and counter(1) == 8"),
        check_cell("f-gradient", "x = torch.tensor(3.0, requires_grad=True)\nf(x * x).backward()\nassert x.grad == 6"),
        check_cell("f-wrong", "assert f(1) == 0, 'f(1) should be 0'"),
    ]
    answer = """def f(x):
    return base + x

class Counter:
    def __init__(self, total):
        self.total = total

    def add(self, number):
        self.total += number

    def __call__(self, number):
        return self.total + number
"""
    notebook = grade(cells, {"f": answer})
    due = {"f-check": 2.0, "f-partial": 1.5, "f-object": 2.0, "f-gradient": 2.0, "f-wrong": 0.0}
    assert points(notebook) == due
    assert notebook.cells[-1].error == "AssertionError: f(1) should be 0"
    assert notebook.notes == []


def test_a_missing_name_is_named_and_why():
    cells = [SOLUTION, check_cell("f-check", "assert f(2) == 42"), check_cell("f-other", "assert nothing_here == 1")]
    notebook = grade(cells, {"f": "def f(x:"})
    first, second = notebook.cells
    assert first.error.startswith("f is not defined: its cell failed with SyntaxError")
    assert second.error == "nothing_here is not defined"
    assert points(notebook) == {"f-check": 0.0, "f-other": 0.0}


def test_a_test_is_judged_at_its_place():
    """A name that a later cell takes for something else counts as it stood when its test came."""
    cells = [SOLUTION, check_cell("f-check", "assert f(2) == 4"), code("later", "f = 'scratch'", locked=True)]
    assert points(grade(cells, {"f": "def f(x):\n    return 2 * x"})) == {"f-check": 2.0}


def test_imports_of_the_release_are_the_graders_own():
    """A test means the real module, whatever the notebook made of the name."""
    cells = [
        code("setup", "import math", locked=True),
        SOLUTION,
        check_cell("f-check", "assert math.isclose(f(0), 1)"),
    ]
    forged = "class math:\n    isclose = staticmethod(lambda *_: True)\nabs = lambda x: 0\ndef f(x):\n    return 7"
    assert points(grade(cells, {"f": forged})) == {"f-check": 0.0}


def test_manual_cells_wait_for_a_person_unless_nothing_was_written():
    essay = SourceCell("essay", "markdown", "YOUR ANSWER HERE", grade=True, solution=True, points=5.0, checksum="x")
    notebook = grade([essay], {"essay": "The prior is a standard normal."})
    assert points(notebook) == {"essay": None}


def test_files_beside_the_notebook_are_there_and_stay_outside_of_it():
    cells = [SOLUTION, check_cell("f-check", "assert f(0) == 'data' and helper.g() == 3")]
    answer = "import helper\ndef f(x):\n    return open('folder/data.txt').read()"
    cells.append(check_cell("f-value", "assert value == 3"))
    files = {"folder/data.txt": b"data", "helper.py": b"def g():\n    return 3"}
    notebook = grade(cells, {"f": answer + "\nvalue = helper.g()"}, files=files)
    assert points(notebook) == {"f-check": 0.0, "f-value": 2.0}  # a module does not travel, its values do
    assert "helper" in notebook.cells[0].error or "object" in notebook.cells[0].error


def test_the_same_submission_draws_the_same_inputs_and_any_other_draws_others():
    """So that no later submission can know the inputs that an earlier one has shown."""
    source = "from course_utils.checks.core import GRADING_SEED\nf(GRADING_SEED.get())"
    cells = [SOLUTION, check_cell("f-check", source), check_cell("f-test", source)]
    answers = ["def f(seed):\n    return seed"] * 2 + ["def f(seed):\n    return seed + 0"]
    seen = [[cell.error for cell in grade(cells, {"f": answer}).cells] for answer in answers]
    assert all(error.startswith("ValueError: the test gave ") for errors in seen for error in errors)
    assert seen[0] == seen[1]
    assert len({*seen[0], *seen[2]}) == 4


def test_a_death_between_tests_costs_only_the_cell_that_caused_it():
    cells = [SOLUTION, check_cell("f-check", "assert f(2) == 4"), check_cell("f-test", "assert f(3) == 6")]
    extra = {1: "import os\nos._exit(7)", 3: "import ctypes\nctypes.string_at(0)"}
    notebook = grade(cells, {"f": "def f(x):\n    return 2 * x"}, extra)
    assert points(notebook) == {"f-check": 2.0, "f-test": 2.0}
    assert [note.kind for note in notebook.notes] == ["crash", "crash"]
    assert "exit code 7" in notebook.notes[0].text
    assert "SIGSEGV" in notebook.notes[1].text
