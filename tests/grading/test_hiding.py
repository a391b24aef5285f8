"""Nothing of the course's answers is in a student's process, and nothing of them can be imported there."""

import pytest

from course_utils import checks, notebooks

PACKAGE = notebooks.ROOT / "course_utils"
SECRET = (
    *("course_utils.models", "course_utils.evaluation", "course_utils.grading.judge", "course_utils.checks.oracle"),
    *(f"course_utils.checks.{name}" for name in checks.ASSIGNMENTS.values()),
)
HIDDEN = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("models", "evaluation", "checks", "grading")
    for path in sorted((PACKAGE / folder).rglob("*.py"))
    if path != PACKAGE / "checks" / "__init__.py"  # of which a placeholder is there
]


def value(student, source: str):
    answer = student.run(source)
    assert answer["error"] is None, answer["error"]
    return student.look_up("result")


def test_no_module_with_answers_is_loaded_when_a_cell_runs(student):
    loaded = value(student, "import sys\nresult = [name for name in sys.modules if name.startswith('course_utils')]")
    assert {"course_utils", "course_utils.plotting"} <= set(loaded)
    answers = ("course_utils.models", "course_utils.evaluation", "course_utils.grading")
    assert [name for name in loaded if name.startswith(answers)] == []
    assert [name for name in loaded if name.startswith("course_utils.checks")] == ["course_utils.checks"]
    assert value(student, "result = repr(sys.modules['course_utils.checks'].vae)") == (
        "checks.vae: judged outside this process"
    )


def test_none_lies_in_its_memory(student):
    """Taken out of `sys.modules` it would still be found: it must never have been loaded before the fork."""
    source = """
    import gc, types
    gc.unfreeze()
    result = [thing.__name__ for thing in gc.get_objects() if type(thing) is types.ModuleType]
    """
    found = value(student, source)
    assert "course_utils.grading.wire" in found  # which it needs: the search finds what is hidden from `sys.modules`
    assert [name for name in found if name.startswith(SECRET)] == []


def test_none_can_be_imported(student):
    assert {"course_utils.checks.vae", "course_utils.grading.judge", "course_utils.models.latent.vae"} <= set(HIDDEN)
    source = f"""
    import importlib
    result = []
    for name in {HIDDEN!r}:
        try:
            importlib.import_module(name)
        except ImportError as error:
            result.append(type(error).__name__)
        else:
            result.append(name)
    """
    assert set(value(student, source)) == {"HiddenModuleError"}


@pytest.mark.parametrize("statement", ["import course_utils.models", "from course_utils.checks.vae import iwae_bound"])
def test_why_is_told(student, statement):
    error = student.run(statement)["error"]
    assert error["hidden"]
    assert "the answer has to be your own" in error["text"]
