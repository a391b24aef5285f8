"""Feedback by `nbgrader generate_feedback`, which formgrader calls as well: the page of `feedback.write`."""

from pathlib import Path

import nbformat
from nbconvert.exporters import Exporter
from nbformat.v4 import new_notebook, new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from course_utils.grading import feedback
from course_utils.grading.gradebook import REPORT_TYPE, cell_results, is_test, read_report, read_result
from course_utils.grading.marks import Marks, read_marks
from course_utils.grading.pipeline import Course
from course_utils.grading.results import NotebookResult

HIDDEN = "# A test of the autograder: its source is not shown."


class HideTests(NbGraderPreprocessor):
    """Take the tests out of an autograded notebook: one line for the source, the verdict for the outputs.

    The verdict is drawn anew from the check's report. It belongs after nbgrader's `GetGrades`.
    """

    def preprocess_cell(self, cell, resources, index):
        if is_test(cell):
            cell.source = HIDDEN
            cell.outputs = self._verdict(cell)
        return cell, resources

    def _verdict(self, cell) -> list:
        (result,) = cell_results(new_notebook(cells=[cell]))
        report = read_report(result.report) if result.report is not None else None
        if report is None:
            return [new_output("stream", text=f"{result.error}\n")] if result.error else []
        mark = cell.metadata.nbgrader
        points = f"{mark.get('score', 0):g} of {mark.get('points', 0):g} points"
        data = {"text/plain": f"{points}\n{report}", "text/html": report._repr_html_(points)}
        return [new_output("execute_result", {**data, REPORT_TYPE: result.report}, execution_count=None)]


class FeedbackExporter(Exporter):
    """For `GenerateFeedback.exporter_class`: the page of `write`, from an autograded notebook and the gradebook."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(self, nb, resources=None, **kw):
        graded = nb
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        place = resources["nbgrader"]
        assignment, student, name = place["assignment"], place["student"], place["notebook"]
        with_notes, _ = read_result(Course(Path(self.parent.coursedir.root)), assignment, student)
        notebook = NotebookResult(name, "", cell_results(graded))
        for candidate in with_notes.notebooks if with_notes else []:
            # The result may be of another grading than this notebook.
            if candidate.name == name and _shown(nbformat.reads(candidate.ipynb, as_version=4)) == _shown(graded):
                notebook = candidate
        gradebook = Gradebook(place["db_url"], self.parent.coursedir.course_id)
        with gradebook:
            marks = read_marks(gradebook, assignment, student).get(student, Marks())
        return feedback.page(nb, notebook, marks, assignment, student), resources


def _shown(nb: nbformat.NotebookNode) -> list:
    """What a reader of the notebook sees; nbgrader adds to the rest."""
    return [(cell.source, cell.get("outputs")) for cell in nb.cells]
