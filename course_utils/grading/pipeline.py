"""The instructor's steps, release, grade, feedback, export, on nbgrader's gradebook and with our configuration."""

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins.export import CsvExportPlugin
from sqlalchemy import make_url
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from course_utils.grading import cluster as dask_workers
from course_utils.grading import spec, store, workers
from course_utils.grading.cluster import ClusterError
from course_utils.grading.commit import CommitError, Committer
from course_utils.grading.limits import Limits
from course_utils.grading.results import SubmissionResult

BUSY_SECONDS = 60


class GradingError(RuntimeError):
    """A step could not be done. The message says why; where nbgrader did the step, it holds the end of its log."""


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
        """nbgrader's gradebook; with SQLite, it waits while another program, formgrader for example, writes to it."""
        coursedir = CourseDirectory(config=self.config())
        url = make_url(coursedir.db_url)
        if url.get_backend_name() == "sqlite" and "timeout" not in url.query:
            url = url.update_query_dict({"timeout": str(BUSY_SECONDS)})
        return Gradebook(url.render_as_string(hide_password=False), coursedir.course_id)

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
    done: Callable[[str, str, bool], None] = lambda student, error, fresh: None,
    *,
    num_workers: int | None = None,
    cluster: str | None = None,
    unsafe: bool = False,
    again: bool = False,
    limits: Limits | None = None,
    started: Callable[[str], None] = lambda student: None,
    say: Callable[[str], None] = lambda text: None,
    judge: str = workers.JUDGE,
    write_feedback: Callable[[Course, SubmissionResult], object] | None = None,
) -> dict[str, str]:
    """Grade submissions, enter them in the gradebook and write their feedback; one that fails stops none of the others.

    Killed at any moment and started again, it goes on from there: a result that was written is not made again.

    Args:
        students: whom to grade; by default all who have handed in.
        done: called as `done(student, error, fresh)` after each, with an empty error when all went well; `fresh` is
            False for a result that an earlier run had made.
        num_workers: processes that grade side by side; by default one for each processor.
        cluster: address of a Dask scheduler, to grade there instead (see `cluster`).
        unsafe: grade even where the system cannot isolate the students' code.
        again: grade those, too, whose submission was graded before and has not changed since.
        limits: what a submission may use; by default `Limits.from_environment()`.
        started: called with the student's name when the grading of a submission begins.
        say: called with a sentence when something keeps us waiting.
        judge: see `workers.answer`.
        write_feedback: called with the course and each result; by default `feedback.write`.

    Returns:
        The students whose submission could not be graded, each with the reason.

    Raises:
        GradingError: the assignment was never released, a run is at work already, the system cannot isolate the
            students' code, or the cluster is not there.
    """
    if write_feedback is None:
        from course_utils.grading.feedback import write as write_feedback
    try:
        if cluster is None and judge == workers.JUDGE:
            _require_isolation(unsafe)
        with store.locked(course.root), course.gradebook() as gradebook:
            common = {
                "spec": spec.read(course, assignment),
                "secret": store.course_secret(course.root),
                "limits": limits or Limits.from_environment(),
                "unsafe": unsafe,
            }
            committer = Committer(gradebook, course.config(), assignment, say)
            run = _Run(course, assignment, committer, common, write_feedback, done)
            chosen = course.students(assignment) if students is None else list(students)
            units = run.units(chosen if again else run.resume(chosen))
            if cluster is not None:
                outcomes = dask_workers.run(units, cluster, judge=judge, started=started)
            else:
                num_workers = num_workers or workers.usable_cpus()
                outcomes = workers.run(units, num_workers, judge=judge, started=started)
            with contextlib.closing(outcomes):
                for outcome in outcomes:
                    run.receive(outcome)
            return run.failures
    except (store.LockedError, CommitError, ClusterError) as error:
        raise GradingError(str(error)) from error


def _require_isolation(unsafe: bool) -> None:
    from course_utils.grading.isolation import IsolationError, require

    try:
        require(unsafe)
    except IsolationError as error:
        raise GradingError(str(error)) from error


class _Run:
    """What one run of `grade` does with each student."""

    def __init__(self, course, assignment, committer, common, write_feedback, done):
        self.course, self.assignment, self.committer, self.common = course, assignment, committer, common
        self.write_feedback, self.done = write_feedback, done
        self.store = store.ResultStore(course.root, assignment)
        self.failures: dict[str, str] = {}

    def resume(self, students: Iterable[str]) -> list[str]:
        """Commit what an earlier run left; return those whose submission is still to be graded."""
        in_gradebook, due = self.committer.students(), []
        for student in students:
            try:
                unit = self._unit(student)
                if student in in_gradebook and self.store.is_committed(student, unit.digest):
                    self.done(student, "", False)
                elif (result := self.store.read(student, unit.digest)) is not None:
                    self._commit(unit, result)
                    self.done(student, "", False)
                else:
                    due.append(student)
            except Exception as error:  # whatever is wrong with it, the others go on
                self._fail(student, _reason(error), False)
        return due

    def units(self, students: Iterable[str]) -> Iterator[workers.Unit]:
        """What the workers need, read when one of them is free; a submission that cannot be read is left out."""
        for student in students:
            try:
                unit = self._unit(student)
            except Exception as error:
                self._fail(student, _reason(error), True)
            else:
                yield unit

    def receive(self, outcome: workers.Outcome) -> None:
        """Keep a result, then commit it."""
        try:
            if outcome.result is None:
                self._fail(outcome.unit.student, outcome.error, True)
                return
            self.store.write(outcome.result)
            self._commit(outcome.unit, outcome.result)
            self.done(outcome.unit.student, "", True)
        except Exception as error:
            self._fail(outcome.unit.student, _reason(error), True)

    def _unit(self, student: str) -> workers.Unit:
        from course_utils.grading.intake import collect

        submission, notes = collect(self.course, self.assignment, student)
        return workers.Unit(submission, notes=tuple(notes), **self.common)

    def _commit(self, unit: workers.Unit, result: SubmissionResult) -> None:
        self.committer.commit(unit.submission, result)
        self.write_feedback(self.course, result)
        self.store.mark_committed(result)

    def _fail(self, student: str, error: str, fresh: bool) -> None:
        self.failures[student] = error
        self.store.write_error(student, error)
        self.done(student, error, fresh)


def export(course: Course, path: Path) -> Path:
    """All grades as comma-separated values, written by nbgrader's exporter."""
    plugin = CsvExportPlugin()
    plugin.to = str(path)
    with course.gradebook() as gradebook:
        plugin.export(gradebook)
    return path


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, CommitError) else "".join(traceback.format_exception(error)).strip()


def _demand(result: dict, step: str) -> None:
    if not result["success"]:
        log = (result.get("log") or result.get("error") or "").strip()
        raise GradingError(f"{step} failed; the end of nbgrader's log:\n{log[-2000:]}")
