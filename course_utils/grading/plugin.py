"""What nbgrader's own commands need to grade this way: `nbgrader_config.py` names these classes.

`nbgrader autograde`, and with it formgrader and nbgrader's Python API, converts a notebook in two stages. In the first,
`GradingExporter` reads whatever was handed in and grades it; in the second, `SaveTrustedGrades` takes the points
from that result. No output of a notebook is ever read for a score.
"""

from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.preprocessors import SaveAutoGrades
from traitlets import Bool

from course_utils.grading import spec, store, workers
from course_utils.grading.intake import collect
from course_utils.grading.limits import Limits
from course_utils.grading.pipeline import Course, GradingError
from course_utils.grading.results import SubmissionResult


class GradingExporter(NotebookExporter):
    """Grades the notebooks of `submitted/`; reads all others as they are."""

    unsafe = Bool(False, help="Grade even where the system cannot isolate the students' code.").tag(config=True)

    def from_filename(self, filename, resources=None, **options):
        if not getattr(self.parent, "_sanitizing", False):
            return super().from_filename(filename, resources, **options)
        ids = resources["nbgrader"]
        result = _graded(ids["assignment"], ids["student"], self.unsafe)
        graded = next(notebook for notebook in result.notebooks if notebook.name == ids["notebook"])
        for note in graded.notes:
            self.log.warning("%s: %s", ids["student"], note.text)
        nb = nbformat.reads(graded.ipynb, as_version=4)
        return self.from_notebook_node(nb, resources, **options)


def _graded(assignment: str, student: str, unsafe: bool) -> SubmissionResult:
    """The result of a submission: the stored one, if it is of these files and this grader, else a new one."""
    course = Course(Path.cwd())  # nbgrader's converters work in the course folder
    submission, notes = collect(course, assignment, student)
    release, secret = spec.read(course, assignment), store.course_secret(course.root)
    unit = workers.Unit(submission, release, secret, Limits.from_environment(), unsafe, notes=tuple(notes))
    results = store.ResultStore(course.root, assignment)
    result = results.read(student, unit.digest)
    if result is None:
        outcome = workers.outcome(unit, *workers.answer(unit.to_json()))
        if outcome.result is None:
            raise GradingError(outcome.error)
        result = outcome.result
        results.write(result)
    return result


class SaveTrustedGrades(SaveAutoGrades):
    """Takes the points of graded cells from the result of `GradingExporter`, not from outputs."""

    def preprocess(self, nb, resources):
        ids = resources["nbgrader"]
        result = store.ResultStore(Path.cwd(), ids["assignment"]).read(ids["student"])
        notebook = next(notebook for notebook in result.notebooks if notebook.name == ids["notebook"])
        self._points = {cell.grade_id: cell.points for cell in notebook.cells}
        return super().preprocess(nb, resources)

    def _add_score(self, cell, resources):
        name = cell.metadata["nbgrader"]["grade_id"]
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        grade.auto_score = self._points[name]
        grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        self.gradebook.db.commit()


def add_missing_notebooks(assignment: str, student: str, notebooks: list[str]) -> None:
    """Hook before the conversion: notebooks that were renamed, or are missing, are graded under their released name."""
    if not notebooks:
        return
    folder = Path(notebooks[0]).parent
    known = {notebook.name for notebook in spec.read(Course(Path.cwd()), folder.name).notebooks}
    for name in sorted(known - {Path(path).stem for path in notebooks}):
        notebooks.append(str(folder / f"{name}.ipynb"))
