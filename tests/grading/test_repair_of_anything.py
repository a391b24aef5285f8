"""Any file at all becomes a sound notebook, and a repaired one needs no repair."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.notebooks import to_text
from tests.grading.handed_in import (
    EXERCISES,
    FILE,
    answer,
    answered,
    repaired,
    spec,
)

FIRST, SECOND = EXERCISES[:2]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=8), values, max_size=4),
    max_leaves=12,
)
GRADE_IDS = [cell.grade_id for cell in spec().cells]
TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    [answer(FIRST), f"{answer(FIRST)}\n{answer(SECOND)}", "class VAE:\n    pass", ""]
    + [cell.source for cell in spec().cells[:8]]
)
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON,
        "metadata": st.fixed_dictionaries(
            {}, optional={"nbgrader": st.fixed_dictionaries({"grade_id": st.sampled_from(GRADE_IDS) | JSON}) | JSON}
        )
        | JSON,
        "id": st.sampled_from(GRADE_IDS) | JSON,
        "source": TEXTS | st.lists(TEXTS, max_size=3) | JSON,
        "outputs": JSON,
        "attachments": st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2) | JSON, max_size=2) | JSON,
        "execution_count": JSON,
        "level": JSON,
    },
)
NOTEBOOKS = st.fixed_dictionaries(
    {}, optional={"cells": st.lists(CELLS | JSON, max_size=12) | JSON, "worksheets": JSON, "metadata": JSON}
)
RELEASE_BYTES = json.dumps(answered()).encode()


@st.composite
def damaged(draw) -> bytes:
    """An honest notebook out of which a piece was cut and replaced by something else."""
    start, end = sorted((draw(st.integers(0, len(RELEASE_BYTES))), draw(st.integers(0, len(RELEASE_BYTES)))))
    return RELEASE_BYTES[:start] + draw(st.binary(max_size=20)) + RELEASE_BYTES[end:]


def repairs_for_good(content: bytes, name: str) -> None:
    first = repaired(content, name)
    again = repaired(to_text(first.nb))
    assert again.nb == first.nb
    assert again.notes == []
    assert again.unanswered == first.unanswered


@settings(deadline=None, max_examples=200)
@given(NOTEBOOKS | JSON, st.sampled_from([FILE, "a3_vae (1).ipynb", "a3_vae.txt"]))
def test_any_json_is_repaired_once_and_for_all(values, name):
    repairs_for_good(json.dumps(values).encode(), name)


@settings(deadline=None, max_examples=100)
@given(st.binary() | damaged() | st.text().map(str.encode), st.sampled_from([FILE, "a3_vae", "a3_vae.py"]))
def test_any_bytes_are_repaired_once_and_for_all(content, name):
    repairs_for_good(content, name)
