"""What a check finds wrong: failures, and the misconceptions that any function can show."""

# ruff: noqa: E501

import re
from dataclasses import dataclass

from course_utils.checks.raised import Raised
from course_utils.checks.report import cut

NO_GPU = re.compile("not compiled with CUDA|no NVIDIA driver|No CUDA GPUs|CUDA error", re.IGNORECASE)

# Misconceptions that any function can show: id -> what it is and what to do.
MISTAKES = {
    "not-attempted": "not attempted yet: replace `raise NotImplementedError()` by your code.",
    "not-a-function": "there is no function to check: define it under exactly this name and run its cell.",
    "wrong-arguments": "the function does not take the arguments of the exercise: keep the first line of the stub.",
    "wrong-names": "the arguments have other names than in the exercise: keep the first line of the stub.",
    "wrong-default": "the default value of an argument is not the one in the exercise: keep the first line of the stub.",
    "uses-reference": "your function calls the course's own code for its answer: write the formula yourself.",
    "cuda": "it asks for a GPU (`.cuda()`, `device='cuda'`), which is not there: take the device from the input.",
    "crash": "it ended its own process: os._exit, or a crash in compiled code?",
    "memory": "it took more memory than a submission may use.",
    "output": "its result is far too large.",
    "tampered": "its process answered with something that is no answer.",
    "endless": "it did not finish in time: an endless loop?",
    "returns-nothing": "it returns nothing (None): did you forget `return`?",
    "returns-number": "it returns a Python number, which is cut off from the gradient: return the tensor (no `.item()`).",
    "returns-array": "it returns a NumPy array, which is cut off from the gradient: compute with torch and return the tensor.",
    "no-tensor": "it returns something that is no tensor.",
    "returns-tuple": "it returns a tuple or a list: return the one tensor that is asked for.",
    "integer-result": "it returns integers: the result needs the floating-point type of the input.",
    "half-precision": "it returns half precision: keep the floating-point type of the input.",
    "one-layout-only": "it works for one layout of the input and fails for another: start from `x.shape[0]`, not a fixed number of axes.",
    "broadcast-square": "shapes (B, 1) and (B,) met and made a (B, B) table: check the shape of each term before you combine them.",
    "one-number": "it returns one number for the whole batch: return one per example, shape (B,).",
    "random-result": "two calls with the same input differ: nothing random is asked here.",
    "keeps-state": "the result depends on earlier calls: use no global or remembered value.",
    "detached": "no gradient flows back from the result: something cut it off (`.detach()`, `.data`, `.item()`, `no_grad`, NumPy?).",
    "partly-detached": "no gradient reaches one of the arguments: something cut it off (`.detach()`, `.data`, `.item()`, `no_grad`?).",
    "changes-arguments": "it changes its arguments in place: work on new tensors (`a * b`, not `a *= b` or `a.mul_(b)`).",
    "touches-rng": "it draws from or seeds the global random generator, but nothing random is asked here.",
    "single-example": "it fails for a batch of one example: do not `squeeze()` the batch axis away.",
    "fixed-dtype": "it fails for float64 input or answers in another type: take dtype and device from the input, write no `.float()`.",
}  # fmt: skip


@dataclass
class Failure(Exception):  # noqa: N818
    """A criterion is not met: a verdict on the student's function, no error of ours. `mistake` names the misconception, which supplies the message unless one is given."""

    message: str = ""
    mistake: str | None = None
    where: str = ""
    got: str = ""
    expected: str = ""
    last: bool = False  # nothing more can be judged after this


def failure_of(raised: Raised, what: str) -> Failure:
    """The failure that an exception of the student's code amounts to; `what` names what raised it."""
    where = str(raised.last or "")
    if raised.hidden:
        return Failure(mistake="uses-reference", where=where, got=str(raised), last=True)
    if raised.not_implemented:
        first, last = raised.first, raised.last
        if last and last.function != first.function:
            message = f"{first.function} calls {last.function}, which is still to be written."
            return Failure(message, mistake="not-attempted", where=where)
        return Failure(mistake="not-attempted")
    if NO_GPU.search(raised.text):
        return Failure(mistake="cuda", where=where, got=f"{raised.kind}: {cut(raised.text, 100)}")
    if raised.leaves:
        message = f"{what} stops the program with {raised.kind}: a function ends with `return`."
    else:
        message = f"{what} raised {cut(raised, 200)}"
        message += "" if message[-1] in ".!?" else "."
    return Failure(message, where=where, got=str(raised))
