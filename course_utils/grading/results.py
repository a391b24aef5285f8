"""A submission on its way into a worker, and the one JSON result that comes out of it."""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, field

FORMAT = 2  # of the JSON; a result of another format is graded again

# What a note can be about. The second group needs a look by the instructor.
REPAIRS = (
    "cuda",
    "renamed",
    "unreadable",
    "missing",
    "duplicate",
    "reordered",
    "restored",
    "metadata",
    "kernel",
    "encoding",
)
ALARMS = ("crash", "timeout", "memory", "output", "tampered", "reference", "too-large", "internal")


@dataclass(frozen=True)
class Note:
    """Something that happened to a submission, in one sentence for its author."""

    kind: str  # one of REPAIRS or ALARMS
    text: str
    grade_id: str = ""  # the cell that it is about, if any

    @property
    def is_alarm(self) -> bool:
        return self.kind in ALARMS


@dataclass
class CellResult:
    """The points of one graded cell. `points` is None where a person has to give them."""

    grade_id: str
    points: float | None
    max_points: float
    report: dict | None = None  # `Report.to_dict()` of the check
    error: str = ""  # one sentence, where there is no report


@dataclass
class NotebookResult:
    """One notebook after grading: `ipynb` is its text with outputs, as it goes to `autograded/`."""

    name: str
    ipynb: str
    cells: list[CellResult] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    # Solution cells that are still as released, for nbgrader's "No response."
    unanswered: list[str] = field(default_factory=list)


@dataclass
class SubmissionResult:
    """All that a worker found out about a submission: what the committer writes to the gradebook."""

    assignment: str
    student: str
    digest: str  # of submission, release and seed: an equal one need not be graded again
    notebooks: list[NotebookResult] = field(default_factory=list)
    timestamp: str | None = None  # when it was handed in, as nbgrader writes it
    seconds: float = 0.0
    format: int = FORMAT

    @property
    def notes(self) -> list[Note]:
        return [note for notebook in self.notebooks for note in notebook.notes]

    @property
    def points(self) -> float:
        return sum(cell.points or 0.0 for notebook in self.notebooks for cell in notebook.cells)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SubmissionResult":
        """Raises ValueError for what is no result of this format."""
        try:
            values = json.loads(text)
            if values.get("format") != FORMAT:
                raise ValueError(f"a result of format {values.get('format')}, but {FORMAT} is due")
            notebooks = [
                NotebookResult(
                    notebook["name"],
                    notebook["ipynb"],
                    [CellResult(**cell) for cell in notebook["cells"]],
                    [Note(**note) for note in notebook["notes"]],
                    notebook["unanswered"],
                )
                for notebook in values.pop("notebooks")
            ]
            return cls(notebooks=notebooks, **values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no result of a submission: {type(error).__name__} {error}") from error


@dataclass(frozen=True)
class Submission:
    """What a student handed in: the files of their folder, by path relative to it."""

    assignment: str
    student: str
    files: dict[str, bytes]
    timestamp: str | None = None

    def digest(self, *parts: str) -> str:
        """A hash of the files and of all else that the result depends on."""
        hasher = hashlib.sha256()
        for name in sorted(self.files):
            hasher.update(f"{name}\0{len(self.files[name])}\0".encode())
            hasher.update(self.files[name])
        for part in (self.assignment, self.student, *parts):
            hasher.update(b"\0" + part.encode())
        return hasher.hexdigest()

    def to_dict(self) -> dict:
        files = {name: base64.b64encode(content).decode() for name, content in self.files.items()}
        return {**asdict(self), "files": files}

    @classmethod
    def from_dict(cls, values: dict) -> "Submission":
        files = {name: base64.b64decode(content) for name, content in values["files"].items()}
        return cls(values["assignment"], values["student"], files, values["timestamp"])
