"""What a check says: findings, one for each criterion, in a report, and the report as a score."""

import html
import math
from dataclasses import asdict, dataclass, field

MIME_TYPE = "application/vnd.course.report+json"
LONGEST_TEXT = 400  # what came from a student is cut to this many characters
COLOURS = {True: "#2e9e5b", False: "#d9534f", None: "#8a8f98"}
SYMBOLS = {True: "✓", False: "✗", None: "–"}


def cut(text, length=LONGEST_TEXT):
    """`text` on one line without control characters, cut to `length` characters."""
    text = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * length])
    return text if len(text) <= length else text[: length - 1] + "…"


@dataclass
class Finding:
    """One criterion's verdict: `passed` is None where an earlier failure left it unjudged."""

    name: str
    passed: bool | None
    weight: float
    message: str = ""
    mistake: str | None = None
    where: str = ""
    got: str = ""
    expected: str = ""

    def __str__(self):
        lines = [f"{SYMBOLS[self.passed]} {self.name}" + (f": {self.message}" if self.message else "")]
        lines += [f"    {label}: {text}" for label, text in self.details()]
        return "\n".join(lines)

    def details(self):
        """The pairs (label, text) that show a failure: where it was, what came, what was due."""
        pairs = (("where", self.where), ("got", self.got), ("expected", self.expected))
        return [(label, text) for label, text in pairs if text]


@dataclass
class Report:
    """The verdict on one function; `fraction`, in [0, 1], is the share of the weight that the passed criteria have."""

    function: str
    findings: list[Finding] = field(default_factory=list)
    seed: int = 0
    note: str = ""

    @property
    def passed(self):
        return bool(self.findings) and all(finding.passed is True for finding in self.findings)

    @property
    def fraction(self):
        if self.passed:
            return 1.0
        total = sum(finding.weight for finding in self.findings)
        return sum(f.weight for f in self.findings if f.passed is True) / total if total > 0 else 0.0

    @property
    def failures(self):
        return [finding for finding in self.findings if finding.passed is False]

    @property
    def mistake(self):
        """The id of the first misconception that has a name, or None."""
        return next((finding.mistake for finding in self.failures if finding.mistake), None)

    @property
    def message(self):
        """One sentence: the most important failure, or praise."""
        if self.passed:
            return f"{self.function} is right in every point."
        return self.failures[0].message if self.failures else f"{self.function} was not judged."

    def score(self, points):
        return Score(self, points)

    def assert_passed(self):
        if not self.passed:
            raise AssertionError(str(self))

    def to_dict(self):
        """The report as JSON-able values, with the derived ones for readers that only print."""
        return {
            "function": self.function,
            "passed": self.passed,
            "fraction": self.fraction,
            "mistake": self.mistake,
            "message": self.message,
            "seed": self.seed,
            "note": self.note,
            "findings": [asdict(finding) for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, values):
        findings = [Finding(**finding) for finding in values["findings"]]
        return cls(values["function"], findings, values.get("seed", 0), values.get("note", ""))

    def __str__(self):
        lines = [f"{SYMBOLS[self.passed]} {self.function}: {'right' if self.passed else self._verdict()}"]
        lines += [str(finding) for finding in self.failures] or ([] if self.passed else [self.message])
        if self.failures:
            lines.append(self._summary())
        return "\n".join([*lines, self.note] if self.note else lines)

    __repr__ = __str__

    def _verdict(self):
        return "not right yet" if self.fraction == 0 else f"right in part ({self.fraction:.0%})"

    def _summary(self):
        right = [finding.name for finding in self.findings if finding.passed is True]
        unjudged = [finding.name for finding in self.findings if finding.passed is None]
        parts = [f"passed: {', '.join(right)}"] if right else []
        parts += [f"not judged yet: {', '.join(unjudged)}"] if unjudged else []
        return "; ".join(parts)

    def _repr_html_(self, points_text=""):
        """A short report whose colours are borders and symbols, so that it reads on light and on dark pages."""

        def escape(text):
            return html.escape(cut(text))

        colour = COLOURS[self.passed]
        title = "right" if self.passed else self._verdict()
        rows = [
            f'<div><b style="color:{colour}">{SYMBOLS[self.passed]} {escape(self.function)}: {escape(title)}</b>'
            + (f' <span style="opacity:.8">({escape(points_text)})</span>' if points_text else "")
            + "</div>"
        ]
        for finding in self.failures:
            rows.append(f"<div style='margin-top:4px'><b>{escape(finding.name)}</b>: {escape(finding.message)}</div>")
            for label, text in finding.details():
                rows.append(
                    f'<div style="margin-left:1.5em;font-size:92%"><span style="opacity:.7">{label}</span> '
                    f'<code style="background:transparent;color:inherit">{escape(text)}</code></div>'
                )
        if not self.failures and not self.passed:
            rows.append(f"<div>{escape(self.message)}</div>")
        marks = " ".join(
            f'<span style="white-space:nowrap"><span style="color:{COLOURS[f.passed]}">{SYMBOLS[f.passed]}</span>'
            f"&nbsp;{escape(f.name)}</span>"
            for f in self.findings
        )
        rows.append(f'<div style="margin-top:4px;font-size:88%;opacity:.85">{marks}</div>')
        if self.note:
            rows.append(f'<div style="font-size:82%;opacity:.7">{escape(self.note)}</div>')
        return (
            f'<div style="border-left:4px solid {colour};padding:4px 10px;margin:4px 0;color:inherit;'
            f'background:transparent;overflow-wrap:anywhere">{"".join(rows)}</div>'
        )


class Score(float):
    """Points for a report, in [0, points]: a number to nbgrader, a coloured report to a reader."""

    def __new__(cls, report, points):
        points = float(points)
        if not (math.isfinite(points) and points >= 0):
            raise ValueError(f"points must be a finite number of at least 0, not {points}")
        value = points if report.passed else round(points * report.fraction, 2)
        score = super().__new__(cls, min(max(value, 0.0), points))
        score.report = report
        score.points = points
        return score

    def __repr__(self):
        return float.__repr__(self)

    __str__ = __repr__

    def __reduce__(self):
        return Score, (self.report, self.points)

    @property
    def text(self):
        return f"{float(self):g} of {self.points:g} point" + ("" if self.points == 1 else "s")

    def to_dict(self):
        return {**self.report.to_dict(), "score": float(self), "points": self.points}

    def _repr_html_(self):
        return self.report._repr_html_(self.text)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(self), "text/html": self._repr_html_(), MIME_TYPE: self.to_dict()}
