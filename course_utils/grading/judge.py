"""Grade one submission: its cells run in a sandbox, its tests here, on stand-ins for its functions.

A test's source comes from the release. It is trusted, and runs in this process; names that the release does not import
are looked up in the student's notebook. When the student's process dies, a new one runs the cells before again, without
the fatal ones and without tests, and the rest is graded.
"""

import ast
import hmac
import re
import time
from contextlib import redirect_stderr, redirect_stdout, suppress

import nbformat

from course_utils.checks.core import grading_seed
from course_utils.checks.failures import NO_GPU
from course_utils.checks.local import nowhere
from course_utils.checks.raised import Raised
from course_utils.checks.report import Report, Score, cut
from course_utils.grading.isolation import IsolationError, require
from course_utils.grading.limits import Limits
from course_utils.grading.outputs import error_output, valid_answer, verdict_output
from course_utils.grading.remote import Names, Undefined
from course_utils.grading.repair import repair
from course_utils.grading.results import CellResult, Note, NotebookResult, Submission, SubmissionResult
from course_utils.grading.sandbox import RemoteRaised, Sandbox, SandboxDied, SandboxLostError
from course_utils.grading.spec import AssignmentSpec, NotebookSpec, SourceCell, exercise_of
from course_utils.grading.trusted import free_names, points_of, trusted_imports

# Misconceptions that get a note besides, and its kind.
ALARMING = {
    "tampered": "tampered",
    "uses-reference": "reference",
    "endless": "timeout",
    "crash": "crash",
    "memory": "memory",
    "output": "output",
    "cuda": "cuda",
}

# What exceptions say when something is not there: the kind of note, and what it tells the author.
LACKS = {
    NO_GPU: ("cuda", "it asks for a GPU (.cuda()): take the device from the input"),
    re.compile("MemoryError|can't allocate memory"): ("memory", "it asked for too much memory"),
}

TRIES = 3  # how often a submission is begun, where a process of the grader's is killed meanwhile


def grade(
    submission: Submission,
    spec: AssignmentSpec,
    *,
    secret: str,
    limits: Limits | None = None,
    unsafe: bool = False,
) -> SubmissionResult:
    """Grade a submission against what was released.

    Args:
        secret: what the inputs of the tests are derived from.
        limits: what the submission may use.
        unsafe: grade even where the system cannot isolate the student's code.

    Raises:
        IsolationError: the system cannot isolate it, and `unsafe` is not set.
        SandboxLostError: the grader's own processes were killed time and again.
    """
    require(unsafe)
    limits = limits or Limits.from_environment()
    started = time.monotonic()
    result = SubmissionResult(
        submission.assignment,
        submission.student,
        submission.digest(spec.digest(), secret),
        timestamp=submission.timestamp,
    )
    for notebook in spec.notebooks:
        others = [other.name for other in spec.notebooks if other is not notebook]
        repaired = repair(submission, notebook, others)
        files = {name: data for name, data in submission.files.items() if not name.endswith(".ipynb")}
        key = _key(secret, submission, notebook.name)
        for left in reversed(range(TRIES)):
            run = Run(repaired.nb, notebook, files, key, limits, unsafe)
            try:
                graded = run.grade()
                break
            except SandboxLostError:
                if not left:
                    raise
        graded.notes[:0] = repaired.notes
        graded.unanswered = repaired.unanswered
        for cell in graded.cells:
            if cell.points is None and cell.grade_id in repaired.unanswered:
                cell.points = 0.0  # nothing was written, so nobody needs to read it
        result.notebooks.append(graded)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _key(secret: str, submission: Submission, notebook: str) -> bytes:
    """What inputs are drawn from. A notebook can show inputs that it has seen, so other files get other inputs."""
    return hmac.digest(secret.encode(), submission.digest(notebook).encode(), "sha256")


class Run:
    """One run through a repaired notebook."""

    def __init__(self, nb, spec: NotebookSpec, files: dict[str, bytes], key: bytes, limits: Limits, unsafe: bool):
        self.nb, self.spec, self.files, self.key, self.limits, self.unsafe = nb, spec, files, key, limits, unsafe
        self.result = NotebookResult(spec.name, "")
        self.sandbox: Sandbox | None = None
        self.fatal: set[int] = set()  # cells that ended a process: they do not run again
        self.failed: dict[str, Raised] = {}  # the exceptions of solution cells
        self.killed: set[int] = set()  # cells that were killed when they ran again
        self.died: dict[str, SandboxDied] = {}  # the ends that they brought about
        self.hung: dict[frozenset[str], Report] = {}  # names whose check did not end: nobody waits for them again
        self.deadline = time.monotonic() + limits.total_seconds
        self.imports = trusted_imports(spec)

    def grade(self) -> NotebookResult:
        try:
            for index, cell in enumerate(self.nb.cells):
                if cell.cell_type != "code":
                    continue
                test = self._test(cell)
                if test is None:
                    self._run_cell(index, cell)
                else:
                    self._judge(index, cell, test)
        finally:
            self._end_sandbox()
        for cell in self.spec.cells:
            if cell.has_points and not cell.is_test:  # a person reads it; left as released, it is worth nothing
                self.result.cells.append(CellResult(cell.grade_id, None, cell.points))
        self.result.ipynb = nbformat.writes(self.nb)
        return self.result

    def _tracked(self, cell) -> SourceCell | None:
        return self.spec.cell(cell.metadata.get("nbgrader", {}).get("grade_id", ""))

    def _test(self, cell) -> SourceCell | None:
        tracked = self._tracked(cell)
        return tracked if tracked is not None and tracked.is_test else None

    def _source(self, cell) -> dict:
        """What to run for a cell, and whether the release wrote it."""
        tracked = self._tracked(cell)
        released = tracked is not None and tracked.locked
        return {"source": tracked.source if released else cell.source, "released": released}

    # The student's cells.

    def _run_cell(self, index: int, cell) -> None:
        """Run a cell in the sandbox, and put what it shows into the notebook."""
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        try:
            answer = self._again_if_killed(lambda: self._execute(index))
        except SandboxDied as death:
            self.fatal.add(index)
            self.died[name] = death
            cell.outputs = [error_output(death.kind, death.text)]
            self._note(death.kind, f"In {self._place(index, name)}, {death.text}", name)
            return
        except RemoteRaised as error:  # a shell that the student has broken
            outputs = [error_output(error.raised.kind, str(error.raised))]
            answer = {"outputs": outputs, "truncated": False, "error": error.raised}
        cell.outputs = answer["outputs"]
        cell.execution_count = index + 1
        if answer["truncated"]:
            self._note("output", f"In {self._place(index, name)}, what it shows was cut off: it is too long.", name)
        raised = answer["error"]
        if raised is not None:
            self.failed[name] = raised
            if raised.hidden:
                self._note("reference", f"In {self._place(index, name)}, it asks for hidden answers: {raised}.", name)
            else:
                self._note_lack(self._place(index, name), str(raised), name)

    def _execute(self, index: int) -> dict:
        """The outputs of a cell and how it ended. Raises SandboxDied."""
        seconds = min(self.limits.cell_seconds, self.deadline - time.monotonic())
        if seconds <= 0:
            raise SandboxDied("timeout", f"the notebook as a whole took more than {self.limits.total_seconds:g} s")
        sandbox = self._living_sandbox(index)
        answer, _ = sandbox.request(
            "run", seconds=seconds, limit=self.limits.output, **self._source(self.nb.cells[index])
        )
        return sandbox.valid(valid_answer, answer, self.limits.output)

    def _living_sandbox(self, index: int) -> Sandbox:
        """The student's process; if there is none, a new one in which the cells before `index` have run."""
        while self.sandbox is None or self.sandbox.dead:
            self._end_sandbox()
            seed = self._seed("sandbox")
            self.sandbox = Sandbox(self.limits, unsafe=self.unsafe, seed=seed)
            if self.files:
                names = list(self.files)
                try:
                    self.sandbox.request("files", seconds=30, buffers=[self.files[n] for n in names], names=names)
                except RemoteRaised as error:
                    text = f"Files that were handed in could not be put beside the notebook: {error.raised}."
                    self._note("too-large", text, "")
            for before, cell in enumerate(self.nb.cells[:index]):
                if cell.cell_type == "code" and before not in self.fatal and self._test(cell) is None:
                    seconds = min(self.limits.cell_seconds, self.deadline - time.monotonic())
                    try:
                        with suppress(RemoteRaised):
                            self.sandbox.request("run", seconds=max(seconds, 0.01), limit=0, **self._source(cell))
                    except SandboxDied as death:
                        # What ran the first time kills the second time: leave it out, too, and start again.
                        if not death.killed or before in self.killed:
                            self.fatal.add(before)
                        self.killed.add(before)
                        break
        return self.sandbox

    def _end_sandbox(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()

    def _again_if_killed(self, action):
        """The result of `action`; it is done once more if the process was killed, which may have come from outside."""
        try:
            result = action()
            if not (self.sandbox.dead and self.sandbox.dead.killed):
                return result
        except SandboxDied as death:
            if not death.killed:
                raise
        return action()

    # The tests.

    def _judge(self, index: int, cell, test: SourceCell) -> None:
        """Evaluate a test here, and put its verdict into the notebook."""
        graded = CellResult(test.grade_id, 0.0, test.points)
        self.result.cells.append(graded)
        cell.execution_count = index + 1
        exercise = exercise_of(test.grade_id)
        undefined: list[Undefined] = []
        try:
            value = self._again_if_killed(lambda: self._evaluate(index, test, undefined))
            graded.points, graded.report = points_of(value, test.points)
        except SandboxDied as death:
            graded.error = _sentence(death.text)
            cell.outputs = [error_output(death.kind, death.text)]
            self._note(death.kind, f"In {exercise}, {death.text}", exercise)
            return
        except (IsolationError, SandboxLostError):
            raise
        except Exception as error:  # an assertion that fails, or a test that trips over what came
            raised = error.raised if isinstance(error, RemoteRaised) else Raised.of(error)
            graded.error = cut(undefined[0] if undefined else raised)
            cell.outputs = [error_output(raised.kind, graded.error)]
            return
        if graded.report is not None and graded.report["mistake"] in ALARMING:
            self._note(ALARMING[graded.report["mistake"]], f"In {exercise}, {graded.report['message']}", exercise)
        elif graded.report is not None:
            self._note_lack(exercise, graded.report["message"], exercise)
        cell.outputs = [verdict_output(value, index)] if value is not None else []

    def _evaluate(self, index: int, test: SourceCell, undefined: list[Undefined]):
        """The value of the last expression of a test, or None; names that the notebook lacks go to `undefined`."""
        undefined.clear()
        tree = ast.parse(test.source)
        wanted = frozenset(free_names(tree) - set(self.imports))
        if wanted in self.hung:
            return self.hung[wanted].score(test.points)
        namespace = {"__name__": "__test__", **self.imports}
        names = Names(self._living_sandbox(index), self.limits.call_seconds)
        for name in wanted:
            namespace[name] = names.look_up(name, self.failed.get(name))
            if isinstance(namespace[name], Undefined):
                undefined.append(namespace[name])
                if name in self.died:
                    raise self.died[name]
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        seed = self._seed(test.grade_id)
        with grading_seed(seed), redirect_stdout(nowhere()), redirect_stderr(nowhere()):
            exec(compile(tree, f"<{test.grade_id}>", "exec"), namespace)
            value = last and eval(compile(ast.Expression(last.value), f"<{test.grade_id}>", "eval"), namespace)
        if isinstance(value, Score) and self.sandbox.dead and self.sandbox.dead.kind == "timeout":
            self.hung[wanted] = value.report
        return value

    def _seed(self, name: str) -> int:
        """What the random numbers of one part start from; the student's process may know its own."""
        return int.from_bytes(hmac.digest(self.key, name.encode(), "sha256")[:4], "big")

    def _place(self, index: int, name: str) -> str:
        return name or f"cell {index + 1}"

    def _note_lack(self, place: str, told: str, grade_id: str) -> None:
        """Say so where what is told of an exception means that there was no GPU or too little memory."""
        for sign, (kind, text) in LACKS.items():
            if sign.search(told):
                self._note(kind, f"In {place}, {text}.", grade_id)
                return

    def _note(self, kind: str, text: str, grade_id: str) -> None:
        note = Note(kind, _sentence(text), grade_id)
        if note not in self.result.notes:
            self.result.notes.append(note)


def _sentence(text: str) -> str:
    return text if text[-1] in ".?!" else f"{text}."
