"""One result into the gradebook and `autograded/`, as `nbgrader autograde` would have left them.

Only one process commits, so nobody waits for a locked database. A submission goes into the gradebook in one
transaction and into `autograded/` by renaming a whole folder; committing the same result again changes nothing.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from nbgrader import utils
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry, SubmittedAssignment, SubmittedNotebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from traitlets.config import Config

from course_utils.grading.results import CellResult, NotebookResult, Submission, SubmissionResult

ATTEMPTS = 5  # each waits for the database's own time-out, a minute with SQLite


class CommitError(RuntimeError):
    """A result does not fit the gradebook; the message is one sentence."""


class Committer:
    """Writes the results of one assignment.

    Args:
        gradebook: an open one; it is used, not closed.
        config: nbgrader's configuration of the course: folders, late penalties, what `autograded/` gets.
        say: called with a sentence when the database keeps us waiting.

    Raises:
        CommitError: the assignment was never released.
    """

    def __init__(
        self, gradebook: Gradebook, config: Config, assignment: str, say: Callable[[str], None] = lambda text: None
    ):
        self._gradebook, self._assignment, self._say = gradebook, assignment, say
        self._coursedir = CourseDirectory(config=config)
        self._autograde = Autograde(coursedir=self._coursedir, config=config)
        self._late = AssignLatePenalties(config=config)
        self._late.init_plugin()
        self._masters = self._master_files()
        try:
            notebooks = gradebook.find_assignment(assignment).notebooks
        except MissingEntry as error:
            raise CommitError(f"the gradebook does not know {assignment}: release it first") from error
        graded = [cell for notebook in notebooks for cell in (*notebook.grade_cells, *notebook.task_cells)]
        answered = [cell for notebook in notebooks for cell in notebook.solution_cells]
        self._notebooks = [notebook.id for notebook in notebooks]
        self._names = {cell.id: cell.name for cell in (*graded, *answered)}
        self._max_points = {cell.id: cell.max_score for cell in graded}
        gradebook.db.rollback()  # ends the transaction of these questions

    def students(self) -> set[str]:
        """Who has a submission in the gradebook and a folder in `autograded/`."""
        submissions = self._gradebook.db.query(SubmittedAssignment.student_id).filter(
            SubmittedAssignment.assignment.has(name=self._assignment)
        )
        return {student for (student,) in submissions if self._folder(student).is_dir()}

    def commit(self, submission: Submission, result: SubmissionResult) -> None:
        """Write a result to the gradebook, then the notebooks and the student's other files to `autograded/`.

        Raises:
            CommitError: the result does not fit the gradebook, or the database could not be written to.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._write_grades(result)
                break
            except OperationalError as error:
                reason = str(error.orig).strip()
                if "locked" not in reason or attempt == ATTEMPTS:
                    raise CommitError(f"the gradebook could not be written to: {reason}") from error
                self._say(f"another program keeps the gradebook locked: waiting for it ({result.student})")
                time.sleep(1.0)
        self._write_files(submission, result)

    def _write_grades(self, result: SubmissionResult) -> None:
        # nbgrader's methods commit one by one. Within an outer transaction of the connection, all of it is written
        # or nothing.
        with (
            self._gradebook.engine.connect() as connection,
            connection.begin(),
            Session(bind=connection, join_transaction_mode="rollback_only", autoflush=False) as session,
        ):
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # wait for other writers here, not halfway
            ours, self._gradebook.db = self._gradebook.db, session
            try:
                self._write_submission(result)
                session.flush()
            finally:
                self._gradebook.db = ours

    def _write_submission(self, result: SubmissionResult) -> None:
        gradebook, student = self._gradebook, result.student
        gradebook.update_or_create_student(student)
        times = {"timestamp": result.timestamp} if result.timestamp else {}
        submission = gradebook.update_or_create_submission(result.assignment, student, **times)
        results = {notebook.name: notebook for notebook in result.notebooks}
        for notebook in self._part(SubmittedNotebook, SubmittedNotebook.assignment_id == submission.id):
            if notebook.name not in results:
                raise CommitError(f"the result lacks the notebook {notebook.name}, which was released")
            self._write_notebook(notebook, results[notebook.name])
            self._write_penalty(submission, notebook)

    def _write_notebook(self, notebook: SubmittedNotebook, result: NotebookResult) -> None:
        """As `nbgrader.preprocessors.SaveAutoGrades`: manual scores stay, and are flagged for another look."""
        cells = {cell.grade_id: cell for cell in result.cells}
        for grade in self._part(Grade, Grade.notebook_id == notebook.id):
            name = self._names[grade.cell_id]
            if name not in cells:
                raise CommitError(f"the result lacks the points of {name}, which was released")
            grade.auto_score = _valid_points(cells[name], self._max_points[grade.cell_id])
            grade.needs_manual_grade = grade.manual_score is not None or grade.auto_score is None
        for comment in self._part(Comment, Comment.notebook_id == notebook.id):
            comment.auto_comment = "No response." if self._names[comment.cell_id] in result.unanswered else None

    def _part(self, table, condition):
        """The rows of a submission. Their masters are named, since the database has an index on both together only."""
        column, masters = (
            (table.notebook_id, self._notebooks) if table is SubmittedNotebook else (table.cell_id, self._names)
        )
        return self._gradebook.db.query(table).filter(condition, column.in_(list(masters)))

    def _write_penalty(self, submission: SubmittedAssignment, notebook: SubmittedNotebook) -> None:
        """As `nbgrader.preprocessors.AssignLatePenalties`, with the plugin that is configured there."""
        notebook.late_submission_penalty = None
        if submission.total_seconds_late > 0:
            self._gradebook.db.flush()
            self._gradebook.db.refresh(notebook, ["score"])
            penalty = self._late.plugin_inst.late_submission_penalty(
                submission.student_id, notebook.score, submission.total_seconds_late
            )
            if penalty is not None:
                notebook.late_submission_penalty = min(max(penalty, 0), notebook.score)

    def _write_files(self, submission: Submission, result: SubmissionResult) -> None:
        target = self._folder(result.student)
        draft, old = (target.with_name(f".{target.name}.{kind}") for kind in ("new", "old"))
        for folder in (draft, old):  # of a run that was killed
            shutil.rmtree(folder, ignore_errors=True)
        permissions = int(str(self._autograde.permissions), 8)
        for name, content in self._files(submission, result).items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(permissions)
        if target.exists():
            target.rename(old)
        draft.rename(target)
        shutil.rmtree(old, ignore_errors=True)

    def _files(self, submission: Submission, result: SubmissionResult) -> dict[str, bytes]:
        """What belongs in the folder: the student's files, but where the course has one of the same name."""
        ours = self._masters | {
            f"{notebook.name}.ipynb": notebook.ipynb.encode("utf-8", "replace") for notebook in result.notebooks
        }
        taken = {str(folder) for name in ours for folder in PurePosixPath(name).parents}
        theirs = {
            name: content
            for name, content in submission.files.items()
            if not _is_ignored(PurePosixPath(name), self._coursedir.ignore)
            and name not in taken
            and not any(str(folder) in ours for folder in PurePosixPath(name).parents)
        }
        return theirs | ours

    def _master_files(self) -> dict[str, bytes]:
        """The files beside the instructor's notebooks, which nbgrader copies over the students' own."""
        source = Path(self._coursedir.format_path(self._coursedir.source_directory, ".", self._assignment))
        kept = self._autograde.exclude_overwriting.get(self._assignment, [])
        found = utils.find_all_files(str(source), [*self._coursedir.ignore, "*.ipynb"])
        names = {Path(path).relative_to(source).as_posix(): Path(path) for path in found}
        return {name: path.read_bytes() for name, path in names.items() if name not in kept}

    def _folder(self, student: str) -> Path:
        return Path(self._coursedir.format_path(self._coursedir.autograded_directory, student, self._assignment))


def _is_ignored(name: PurePosixPath, patterns: list[str]) -> bool:
    """As nbgrader, which leaves out every notebook, and files and folders whose name matches a pattern."""
    parts = (name, *name.parents[:-1])
    return name.match("*.ipynb") or any(part.match(pattern) for part in parts for pattern in patterns)


def _valid_points(cell: CellResult, max_points: float) -> float | None:
    if cell.points is None:
        return None
    if not 0 <= cell.points <= max_points:
        raise CommitError(f"{cell.grade_id} cannot get {cell.points} points: the release gives 0 to {max_points:g}")
    return float(cell.points)
