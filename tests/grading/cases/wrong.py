"""The wrong answer that most of the forging submissions defend.

`importance_weighted_bound` averages the log-weights, which is wrong. Nothing else depends on this function, so the
other exercises keep their points unless the student's own process can no longer answer for them.
"""

from tests.grading.cases import Case

TARGET = "importance_weighted_bound"
MISTAKE = "mean-of-logs"
LAST = "condition_on_label"  # the only exercise after TARGET
WRONG = f"def {TARGET}(log_weights):\n    return log_weights.mean(0)\n"
RIGHT = "torch.logsumexp(log_weights, 0) - math.log(len(log_weights))"


def forged(story: str, trick: str, **more) -> Case:
    """The wrong function, and after it a trick in the same cell."""
    return Case(story, {TARGET: f"{WRONG}\n{trick}"}, **{"due": {TARGET: 0.0}, "mistakes": {TARGET: MISTAKE}, **more})


def returning(story: str, lines: str, before: str = "", mistake: str | None = None, **more) -> Case:
    """A function with this body; `before` stands before it."""
    body = "".join(f"    {line}\n" for line in lines.strip().splitlines())
    answer = f"{before}\ndef {TARGET}(log_weights):\n{body}"
    mistakes = {} if mistake is None else {TARGET: mistake}
    return Case(story, {TARGET: answer}, **{"due": {TARGET: 0.0}, "mistakes": mistakes, **more})
