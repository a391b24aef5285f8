"""A tiny course with one assignment, so that most tests of grading need neither torch nor minutes; and a real one."""

import shutil
from pathlib import Path

import nbformat
import pytest

from course_utils import notebooks
from course_utils.grading import demo, pipeline, spec

SOURCE = """\
# %% [markdown] nbgrader={{"grade": false, "grade_id": "title", "locked": true, "schema_version": 3, "solution": false, "task": false}}
# # A tiny assignment

# %% nbgrader={{"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}}
import os, sys, time
base = 40
{exercises}
"""

EXERCISE = """
# %% nbgrader={{"grade": false, "grade_id": "{name}", "locked": false, "schema_version": 3, "solution": true, "task": false}}
def {name}(x):
    ### BEGIN SOLUTION
    return base + x
    ### END SOLUTION

# %% nbgrader={{"grade": true, "grade_id": "{name}-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}}
assert {name}(2) == 42

# %% nbgrader={{"grade": true, "grade_id": "{name}-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}}
### BEGIN HIDDEN TESTS
2.0 if {name}(3) == 43 else 0.5
### END HIDDEN TESTS
"""


class TinyCourse(pipeline.Course):
    assignment = "tiny"
    exercises = ("first", "second", "third")

    def hand_in(self, student: str, change=None, **answers: str) -> Path:
        """Write a submission: right answers but for those given, then `change(notebook)`."""
        notebook = nbformat.read(self.root / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in self.exercises:
                cell.source = answers.get(name, f"def {name}(x):\n    return base + x")
        if change is not None:
            change(notebook)
        path = self.root / "submitted" / student / "tiny" / "tiny.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(notebooks.to_text(notebook))
        return path

    def scores(self, student: str) -> dict[str, float]:
        with self.gradebook() as gradebook:
            (notebook,) = gradebook.find_submission("tiny", student).notebooks
            return {grade.name: grade.score for grade in notebook.grades}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("course")
    shutil.copy(notebooks.ROOT / "nbgrader_config.py", root)
    shutil.copy(notebooks.ROOT / "pyproject.toml", root)
    with (root / "nbgrader_config.py").open("a") as config:  # for `nbgrader validate`
        config.write("\nc.Execute.timeout = 4\n")
    source = root / "solutions" / "tiny" / "tiny.py"
    source.parent.mkdir(parents=True)
    source.write_text(SOURCE.format(exercises="".join(EXERCISE.format(name=name) for name in TinyCourse.exercises)))
    notebooks.build(source, root=root)
    pipeline.release(pipeline.Course(root), "tiny")
    return root


@pytest.fixture
def course(released, tmp_path) -> TinyCourse:
    shutil.copytree(released, tmp_path / "course")
    return TinyCourse(tmp_path / "course")


@pytest.fixture(scope="session")
def vae_course(tmp_path_factory) -> pipeline.Course:
    """A course with a3_vae released, to be left as it is."""
    course = demo.set_up(tmp_path_factory.mktemp("a3_vae") / "course")
    pipeline.release(course, "a3_vae")
    return course


@pytest.fixture(scope="session")
def vae_release(vae_course) -> spec.AssignmentSpec:
    return spec.read(vae_course, "a3_vae")


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A released a3_vae with an empty gradebook, to be copied."""
    from tests.grading.example_results import empty_course

    return empty_course(tmp_path_factory.mktemp("template") / "course")


# What follows imports torch only where a test asks for it.


@pytest.fixture(scope="module")
def student():
    """A student's process that the tests of a module share."""
    from tests.grading.student_process import Student

    with Student() as student:
        yield student


@pytest.fixture
def seed():
    import torch

    torch.manual_seed(0)
