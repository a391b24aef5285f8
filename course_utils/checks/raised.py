"""What is worth telling of an exception that a student's code raised; plain values, which can also travel."""

import linecache
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from course_utils.checks.report import cut

COURSE = Path(__file__).resolve().parents[1]
LIBRARIES = tuple({sysconfig.get_paths()[key] + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")})


class HiddenModuleError(ImportError):
    """Raised at grading where a submission imports the course's own answers."""


@dataclass(frozen=True)
class Line:
    """A line of the student's code on the way to the exception."""

    number: int
    function: str
    source: str

    def __str__(self):
        return f"line {self.number} of {self.function}: {self.source}"


@dataclass(frozen=True)
class Raised:
    """An exception: its type's name and text, and the first and the last line of the student's on its way."""

    kind: str
    text: str
    first: Line | None = None
    last: Line | None = None
    not_implemented: bool = False
    leaves: bool = False  # SystemExit or KeyboardInterrupt
    hidden: bool = False  # an import of the course's own answers

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        lines, text = student_lines(error), safe_text(error)
        return cls(
            cut(type(error).__name__, 100),
            text,
            lines[0] if lines else None,
            lines[-1] if lines else None,
            # torch raises it too, with a text, for what a type of tensor cannot do, such as 1 - mask of booleans.
            isinstance(error, NotImplementedError) and (not text or any("raise" in line.source for line in lines[-1:])),
            isinstance(error, SystemExit | KeyboardInterrupt),
            isinstance(error, HiddenModuleError),
        )

    def __str__(self):
        return f"{self.kind}: {self.text}" if self.text else self.kind


def student_lines(error: BaseException) -> list[Line]:
    """The lines of the traceback that are neither a library's nor the course's."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith((*LIBRARIES, str(COURSE) + os.sep, "<frozen")):
            source = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            lines.append(Line(trace.tb_lineno, cut(code.co_name, 100), cut(source)))
        trace = trace.tb_next
    return lines


def safe_text(value) -> str:
    """str(value), for values whose own str may fail."""
    try:
        return cut(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text fails with {type(error).__name__}>"
