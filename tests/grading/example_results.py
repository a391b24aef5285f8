"""Results of grading, made by hand: real reports of the checks on answers of the bank, in the notebook of a3_vae."""

import functools
import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_output
from nbgrader import api
from nbgrader.api import Gradebook

from course_utils import checks
from course_utils.grading.pipeline import Course
from course_utils.grading.results import CellResult, Note, NotebookResult, SubmissionResult
from course_utils.grading.store import ResultStore
from course_utils.notebooks import ROOT
from tests.answers.bank import answers

ASSIGNMENT = "a3_vae"
SOLUTION = ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
DEATH = "your code ended the process (os._exit)"


def hidden_lines() -> list[str]:
    """The lines between BEGIN and END HIDDEN TESTS of the solution."""
    lines, inside = [], False
    for line in "\n".join(cell.source for cell in nbformat.read(SOLUTION, as_version=4).cells).splitlines():
        if "HIDDEN TESTS" in line:
            inside = "BEGIN" in line
        elif inside and line.strip():
            lines.append(line.strip())
    return lines


@functools.cache
def verdict(exercise: str, answer: str, points: float):
    """The score of an answer of the bank such as "right_paper", or of an untouched stub ("untouched")."""
    right, wrong = answers(ASSIGNMENT, exercise)

    def untouched(*_):
        raise NotImplementedError

    function = {**right, **wrong, "untouched": untouched}[answer]
    return checks.find(ASSIGNMENT, exercise)(function, seed=1).score(points)


def first_right(exercise: str) -> str:
    return next(iter(answers(ASSIGNMENT, exercise)[0]))


def graded(student: str, notes: tuple[Note, ...] = (), sources: dict | None = None, **chosen: str) -> SubmissionResult:
    """A result in which every exercise is right but those of `chosen`: an answer's name, "error", "crash", "untouched".

    Args:
        sources: code of solution cells.
    """
    nb = nbformat.read(SOLUTION, as_version=4)
    result = NotebookResult(ASSIGNMENT, "", notes=list(notes))
    for index, cell in enumerate(nb.cells):
        mark = cell.metadata.get("nbgrader", {})
        name = mark.get("grade_id", "").rsplit("-", 1)[0]
        if mark.get("solution"):
            cell.source = (sources or {}).get(mark["grade_id"], f"def {mark['grade_id']}(*arguments):\n    return 1")
        if not mark.get("grade"):
            continue
        points, answer = mark["points"], chosen.get(name, first_right(name))
        graded_cell = CellResult(mark["grade_id"], 0.0, points)
        if answer == "crash":
            graded_cell.error = f"{DEATH}."
            result.notes.append(Note("crash", f"In {mark['grade_id']}, {DEATH}", mark["grade_id"]))
            trace = [f"{index} | {cell.source}", DEATH]
            cell.outputs = [new_output("error", ename="crash", evalue=DEATH, traceback=trace)]
        elif answer == "error":
            graded_cell.error = "RuntimeError: no"
            trace = [f"----> {line}" for line in cell.source.splitlines()]
            cell.outputs = [new_output("error", ename="RuntimeError", evalue="no", traceback=trace)]
        else:
            score = verdict(name, answer, points)
            graded_cell.points, graded_cell.report = float(score), score.report.to_dict()
            data = score._repr_mimebundle_()
            cell.outputs = [new_output("execute_result", data, execution_count=index)]
        result.cells.append(graded_cell)
    result.ipynb = nbformat.writes(nb)
    return SubmissionResult(ASSIGNMENT, student, "digest", [result], seconds=1.5)


def empty_course(folder: Path) -> Course:
    """A course folder whose gradebook knows the cells of a3_vae."""
    folder.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    course = Course(folder)
    with course.gradebook() as gradebook:
        gradebook.add_assignment(ASSIGNMENT)
        gradebook.add_notebook(ASSIGNMENT, ASSIGNMENT)
        for cell in nbformat.read(SOLUTION, as_version=4).cells:
            mark = cell.metadata.get("nbgrader", {})
            place = (mark.get("grade_id"), ASSIGNMENT, ASSIGNMENT)
            if mark.get("grade"):
                gradebook.add_grade_cell(*place, max_score=mark["points"], cell_type="code")
            elif mark.get("solution"):
                gradebook.add_solution_cell(*place)
    return course


def copy_of(template: Course, folder: Path) -> Course:
    """A course of its own for a test: nbgrader takes seconds to make a gradebook."""
    shutil.copytree(template.root, folder)
    return Course(folder)


def enter(course: Course, results: list[SubmissionResult], files: bool = True) -> None:
    """Put results in the gradebook, with all cells as they are, and their files in their place."""
    with course.gradebook() as gradebook:
        (notebook,) = gradebook.find_assignment(ASSIGNMENT).notebooks
        cells = {cell.name: cell.id for cell in gradebook.db.query(api.BaseCell)}
        solutions = [cell.id for cell in notebook.solution_cells]
        tables = {
            kind: [] for kind in (api.Student, api.SubmittedAssignment, api.SubmittedNotebook, api.Grade, api.Comment)
        }
        for result in results:
            a, b = api.new_uuid(), api.new_uuid()
            tables[api.Student].append({"id": result.student})
            tables[api.SubmittedAssignment].append(
                {"id": a, "assignment_id": notebook.assignment_id, "student_id": result.student}
            )
            tables[api.SubmittedNotebook].append({"id": b, "assignment_id": a, "notebook_id": notebook.id})
            for cell in result.notebooks[0].cells:
                tables[api.Grade].append(
                    {
                        "id": api.new_uuid(),
                        "notebook_id": b,
                        "cell_id": cells[cell.grade_id],
                        "auto_score": cell.points,
                        "needs_manual_grade": cell.points is None,
                    }
                )
            tables[api.Comment] += [{"id": api.new_uuid(), "notebook_id": b, "cell_id": cell} for cell in solutions]
            if files:
                write_files(course, result)
        for kind, values in tables.items():
            gradebook.db.execute(kind.__table__.insert(), values)
        gradebook.db.commit()


def write_files(course: Course, result: SubmissionResult) -> None:
    ResultStore(course.root, ASSIGNMENT).write(result)
    folder = course.root / "autograded" / result.student / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / f"{ASSIGNMENT}.ipynb").write_text(result.notebooks[0].ipynb)
    (folder / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    (course.root / "submitted" / result.student / ASSIGNMENT).mkdir(parents=True)


def change_grade(gradebook: Gradebook, student: str, grade_id: str, **values) -> None:
    grade = gradebook.find_grade(grade_id, ASSIGNMENT, ASSIGNMENT, student)
    for name, value in values.items():
        setattr(grade, name, value)
    gradebook.db.commit()
