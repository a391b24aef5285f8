"""The instructor's steps, release, grade, feedback, export, through nbgrader's own API and our configuration."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins.export import CsvExportPlugin
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader


class GradingError(RuntimeError):
    """nbgrader could not do a step; the message holds the end of its log."""


@dataclass(frozen=True)
class Course:
    """A course folder: `nbgrader_config.py`, `solutions/`, and what the steps make beside them."""

    root: Path

    def config(self) -> Config:
        path = self.root / "nbgrader_config.py"
        if not path.is_file():
            raise FileNotFoundError(f"{self.root} is not a course folder: it holds no nbgrader_config.py")
        config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
        config.CourseDirectory.root = str(self.root)
        return config

    def api(self) -> NbGraderAPI:
        config = self.config()
        return NbGraderAPI(coursedir=CourseDirectory(config=config), config=config)

    def gradebook(self) -> Gradebook:
        coursedir = CourseDirectory(config=self.config())
        return Gradebook(coursedir.db_url, coursedir.course_id)

    def students(self, assignment: str) -> list[str]:
        """Who has handed in a folder for the assignment, in alphabetical order."""
        return sorted(path.parent.name for path in self.root.glob(f"submitted/*/{assignment}") if path.is_dir())


def release(course: Course, assignment: str) -> Path:
    """Make the students' version from `solutions/` and enter the assignment in the gradebook; return its folder."""
    _demand(course.api().generate_assignment(assignment), f"the release of {assignment}")
    return course.root / "assignments" / assignment


def grade(
    course: Course,
    assignment: str,
    students: Iterable[str] | None = None,
    done: Callable[[str, str], None] | None = None,
) -> dict[str, str]:
    """Autograde submissions and write their feedback; one that fails stops none of the others.

    Args:
        students: whom to grade; by default all who have handed in.
        done: called as `done(student, error)` after each, with an empty error when all went well.

    Returns:
        The students whose submission could not be graded, each with the reason.
    """
    api, failures = course.api(), {}
    for student in course.students(assignment) if students is None else students:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own queries
                _demand(api.autograde(assignment, student), f"grading {student}")
                _demand(api.generate_feedback(assignment, student), f"the feedback of {student}")
            error = ""
        except GradingError as problem:
            error = failures[student] = str(problem)
        if done is not None:
            done(student, error)
    return failures


def export(course: Course, path: Path) -> Path:
    """All grades as comma-separated values, written by nbgrader's exporter."""
    plugin = CsvExportPlugin()
    plugin.to = str(path)
    with course.gradebook() as gradebook:
        plugin.export(gradebook)
    return path


def _demand(result: dict, step: str) -> None:
    if not result["success"]:
        log = (result.get("log") or result.get("error") or "").strip()
        raise GradingError(f"{step} failed; the end of nbgrader's log:\n{log[-2000:]}")
