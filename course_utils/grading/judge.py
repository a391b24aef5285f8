"""Grade one submission: its cells run in a sandbox, its tests here, on stand-ins for its functions.

A test's source comes from the release. It is trusted, and runs in this process; names that the release does not import
are looked up in the student's notebook. When the student's process dies, a new one runs the cells before again, without
the fatal ones and without tests, and the rest is graded.
"""

import ast
import builtins
import hmac
import math
import re
import time
from contextlib import redirect_stderr, redirect_stdout, suppress

import nbformat
from nbformat.v4 import new_output

from course_utils.checks.core import grading_seed
from course_utils.checks.failures import NO_GPU
from course_utils.checks.local import nowhere
from course_utils.checks.raised import Raised
from course_utils.checks.report import Report, Score, cut
from course_utils.grading.isolation import IsolationError, require
from course_utils.grading.limits import Limits
from course_utils.grading.remote import Names, Undefined
from course_utils.grading.repair import repair
from course_utils.grading.results import CellResult, Note, NotebookResult, Submission, SubmissionResult
from course_utils.grading.sandbox import RemoteRaised, Sandbox, SandboxDied, SandboxLostError, raised_from
from course_utils.grading.spec import AssignmentSpec, NotebookSpec, SourceCell, exercise_of
from course_utils.grading.wire import MIME_TYPES

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
        result.peak_memory = max(result.peak_memory, run.peak_memory)
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
        self.peak_memory = 0
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
            cell.outputs = [_error(death.kind, death.text)]
            self._note(death.kind, f"In {self._place(index, name)}, {death.text}", name)
            return
        except RemoteRaised as error:  # a shell that the student has broken
            outputs = [_error(error.raised.kind, str(error.raised))]
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
        return sandbox.valid(_valid_answer, answer, self.limits.output)

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
            self.peak_memory = max(self.peak_memory, self.sandbox.peak_memory)

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
            cell.outputs = [_error(death.kind, death.text)]
            self._note(death.kind, f"In {exercise}, {death.text}", exercise)
            return
        except (IsolationError, SandboxLostError):
            raise
        except Exception as error:  # an assertion that fails, or a test that trips over what came
            raised = error.raised if isinstance(error, RemoteRaised) else Raised.of(error)
            graded.error = cut(undefined[0] if undefined else raised)
            cell.outputs = [_error(raised.kind, graded.error)]
            return
        if graded.report is not None and graded.report["mistake"] in ALARMING:
            self._note(ALARMING[graded.report["mistake"]], f"In {exercise}, {graded.report['message']}", exercise)
        elif graded.report is not None:
            self._note_lack(exercise, graded.report["message"], exercise)
        cell.outputs = [_verdict(value, index)] if value is not None else []

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


def trusted_imports(spec: NotebookSpec) -> dict:
    """What the import statements of the release's locked cells define: the names that tests may take for granted."""
    namespace: dict = {}
    for cell in spec.cells:
        if cell.cell_type != "code" or not cell.locked or cell.is_test:
            continue
        with suppress(SyntaxError):  # a cell with magics imports nothing here
            statements = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(statements, []), f"<{cell.grade_id}>", "exec"), namespace)
    namespace.pop("__builtins__", None)
    return namespace


def free_names(tree: ast.AST) -> set[str]:
    """The names that a piece of code reads and does not itself define, without Python's own."""
    nodes = list(ast.walk(tree))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return read - made - set(dir(builtins))


def points_of(value, most: float) -> tuple[float, dict | None]:
    """Points and report for the value of a test: a `Score`, a number, True, False, or nothing, which gives all points.

    Raises ValueError for anything else; a test must not end in a value that a student chose.
    """
    if isinstance(value, Score):
        return min(float(value), most), value.report.to_dict()
    if value is None or value is True:
        return most, None
    if value is False:
        return 0.0, None
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= most:
        return float(value), None
    raise ValueError(f"the test gave {cut(repr(value), 60)}, and no score from 0 to {most:g}")


def _verdict(value, index: int):
    """The output that shows a verdict."""
    data = value._repr_mimebundle_() if isinstance(value, Score) else {"text/plain": cut(repr(value))}
    return new_output("execute_result", data, execution_count=index + 1)


def _error(kind: str, text: str):
    return new_output("error", ename=kind, evalue=text, traceback=[f"{kind}: {text}"])


def _valid_answer(answer: dict, limit: int) -> dict:
    """The answer to `run`, with everything in it of the kind that a notebook may hold. Raises ValueError and others."""
    outputs, size = [], 0
    for item in answer["outputs"]:
        match item:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                outputs.append(new_output("stream", name=name, text=text))
                size += len(text)
            case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
                if not all(mime in MIME_TYPES and isinstance(value, str) for mime, value in data.items()):
                    raise ValueError("an output of another kind")
                more = {"execution_count": None} if kind == "execute_result" else {}
                outputs.append(new_output(kind, data, **more))
                size += sum(map(len, data.values()))
            case {"output_type": "error", "ename": str(name), "evalue": str(text), "traceback": list(lines)}:
                if not all(isinstance(line, str) for line in lines):
                    raise ValueError("an error of another kind")
                outputs.append(new_output("error", ename=name, evalue=text, traceback=lines))
                size += sum(map(len, lines))
            case _:
                raise ValueError("an output of another kind")
    if size > limit + 500_000:
        raise ValueError("outputs beyond their limit")
    error = answer["error"]
    return {
        "outputs": outputs,
        "truncated": answer["truncated"] is True,
        "error": None if error is None else raised_from(error),
    }
