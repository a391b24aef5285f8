"""How much one submission may use."""

import os
from dataclasses import asdict, dataclass

MIB = 1024**2


@dataclass(frozen=True)
class Limits:
    """Bytes, counts and seconds; each holds for one submission, unless it says otherwise."""

    memory: int = 4096 * MIB  # of all its processes together, beyond what they start with
    processes: int = 64  # threads count as well
    open_files: int = 256
    file_size: int = 64 * MIB  # of any one file
    disk: int = 256 * MIB  # of all files together
    output: int = 1 * MIB  # of what one cell shows; the rest is cut off
    message: int = 256 * MIB  # of one answer of the student's process to the grader
    cell_seconds: float = 30.0  # one cell
    call_seconds: float = 10.0  # one call of a function by a check
    total_seconds: float = 600.0  # everything, repeated cells included

    @classmethod
    def from_environment(cls) -> "Limits":
        """The usual limits, but for COURSE_CHECK_SECONDS (of a call) and COURSE_CELL_SECONDS, where these are set.

        Raises:
            ValueError: one of them is no number above 0.
        """
        variables = {"call_seconds": "COURSE_CHECK_SECONDS", "cell_seconds": "COURSE_CELL_SECONDS"}
        return cls(**{name: float(os.environ[key]) for name, key in variables.items() if os.environ.get(key)})

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"the limit {name} must be above 0, not {value}")
