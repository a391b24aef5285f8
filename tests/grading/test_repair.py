"""What students do to notebooks, and that their answers come through it."""

import copy
import json

import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum

from course_utils.grading import repair as repairing
from course_utils.grading.intake import repair
from course_utils.grading.spec import NotebookSpec, SourceCell
from tests.grading.handed_in import (
    EXERCISES,
    FILE,
    NAME,
    RELEASE,
    answer,
    answered,
    answers_kept,
    cell_of,
    code,
    kinds,
    own_sources,
    repaired,
    source_of,
    spec,
    submission,
)

FIRST, SECOND = EXERCISES[:2]


def test_an_honest_notebook_needs_no_note():
    result = repaired(answered())
    assert result.notes == []
    assert answers_kept(result)
    assert own_sources(result) == []


def test_an_untouched_notebook_is_unanswered_as_nbgrader_sees_it():
    result = repaired(RELEASE)
    assert result.notes == []
    assert result.unanswered == list(EXERCISES)
    by_checksum = [
        cell.metadata.nbgrader.grade_id
        for cell in result.nb.cells
        if cell.metadata.nbgrader.solution and compute_checksum(cell) == cell.metadata.nbgrader.checksum
    ]
    assert result.unanswered == by_checksum


def test_the_marks_are_what_nbgrader_accepts():
    nb = repaired(answered()).nb
    MetadataValidator().validate_nb(nb)
    test = next(cell for cell in nb.cells if cell.metadata.nbgrader.grade_id == f"{FIRST}-test")
    due = spec().cell(f"{FIRST}-test")
    assert test.metadata.nbgrader == {
        "schema_version": 3,
        "grade_id": due.grade_id,
        "grade": True,
        "solution": False,
        "locked": True,
        "task": False,
        "cell_type": "code",
        "points": 2.0,
        "checksum": due.checksum,
    }


def test_a_copied_answer_counts_once_and_the_one_that_differs_wins():
    notebook = answered()
    stub = cell_of(json.loads(RELEASE), FIRST)
    for place in (0, len(notebook["cells"])):
        copied = copy.deepcopy(notebook)
        copied["cells"].insert(place, stub)
        result = repaired(copied)
        assert kinds(result)[0] == "duplicate"
        assert result.notes[0].grade_id == FIRST
        assert answers_kept(result)
        assert own_sources(result) == []


def test_of_several_answers_all_are_kept_and_the_last_counts():
    notebook = answered()
    place = notebook["cells"].index(cell_of(notebook, FIRST))
    drafts = [dict(cell_of(notebook, FIRST), source=source) for source in ("draft = 1", "draft = 2", "  ")]
    notebook["cells"][place:place] = drafts
    result = repaired(notebook)
    assert kinds(result) == ["duplicate"]
    assert own_sources(result) == ["draft = 1", "draft = 2"]
    sources = [cell.source for cell in result.nb.cells]
    assert sources.index("draft = 1") + 2 == sources.index("draft = 2") + 1 == sources.index(answer(FIRST))


def test_copied_tests_are_dropped():
    notebook = answered()
    notebook["cells"] += [copy.deepcopy(cell_of(notebook, f"{FIRST}-{kind}")) for kind in ("check", "test")]
    result = repaired(notebook)
    assert kinds(result) == ["duplicate", "duplicate"]
    assert own_sources(result) == []
    assert answers_kept(result)


def test_deleted_cells_come_back_where_they_were():
    notebook = answered()
    gone = {FIRST, f"{SECOND}-check", f"{SECOND}-test", "title"}
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["metadata"]["nbgrader"]["grade_id"] not in gone]
    place = notebook["cells"].index(cell_of(notebook, SECOND))
    notebook["cells"].insert(place + 1, code("after = 'the answer'"))
    result = repaired(notebook)
    assert kinds(result) == ["missing"]
    assert all(name in result.notes[0].text for name in gone)
    assert result.unanswered == [FIRST]
    assert source_of(result, FIRST) == spec().cell(FIRST).source
    sources = [cell.source for cell in result.nb.cells]
    check = spec().cell(f"{SECOND}-check").source
    assert sources.index(answer(SECOND)) < sources.index("after = 'the answer'") < sources.index(check)


def test_a_stub_that_comes_back_stands_before_what_the_student_wrote_in_its_place():
    notebook = answered()
    place = notebook["cells"].index(cell_of(notebook, FIRST))
    notebook["cells"][place] = code(f"{FIRST} = lambda *tensors: 1")
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("missing", FIRST)]
    sources = [cell.source for cell in result.nb.cells]
    assert sources[place : place + 2] == [spec().cell(FIRST).source, f"{FIRST} = lambda *tensors: 1"]


def test_a_merged_cell_is_not_undone_by_the_stub_that_comes_back():
    """Merging cells keeps the first one's metadata: the second answer now stands in the first one's cell."""
    notebook = answered()
    notebook["cells"].remove(cell_of(notebook, SECOND))
    merged = f"{answer(FIRST)}\n\n\n{answer(SECOND)}"
    cell_of(notebook, FIRST)["source"] = merged
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("missing", SECOND)]
    assert source_of(result, FIRST) == merged
    assert source_of(result, SECOND) == f"# {SECOND} is defined in another cell."
    assert result.unanswered == []


def test_cells_that_changed_places_go_back_and_the_students_own_stay():
    notebook = answered()
    notebook["cells"].reverse()
    notebook["cells"].insert(3, code("mine = 1"))
    result = repaired(notebook)
    assert kinds(result) == ["reordered"]
    assert result.nb.cells[3].source == "mine = 1"
    assert answers_kept(result)


def test_an_emptied_answer_stays_empty():
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = ""
    result = repaired(notebook)
    assert result.notes == []
    assert source_of(result, FIRST) == ""
    assert result.unanswered == []


@pytest.mark.parametrize("kind", ["markdown", "raw", "heading", "nonsense", None, 3, []])
def test_a_changed_type_is_changed_back(kind):
    notebook = answered()
    cell_of(notebook, SECOND)["cell_type"] = kind
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("metadata", SECOND)]
    assert answers_kept(result, *([SECOND] if kind == "heading" else []))


def test_edited_tests_are_put_back_and_white_space_is_let_pass():
    notebook = answered()
    check = cell_of(notebook, f"{FIRST}-check")
    check["source"] = "checks.vae.reconstruction_loss = lambda answer: 1"
    setup = cell_of(notebook, "setup")
    setup["source"] = "".join(setup["source"]).replace("\n", "  \r\n") + "\n\n"
    hidden = cell_of(notebook, f"{SECOND}-test")
    hidden["source"] = spec().cell(f"{SECOND}-test").source
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("restored", f"{FIRST}-check")]
    assert answers_kept(result)


def test_hidden_tests_of_a_students_own_are_text_like_any_other():
    own = f"{answer(FIRST)}\n### BEGIN HIDDEN TESTS\nassert True\n### END HIDDEN TESTS\n### BEGIN SOLUTION"
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = own
    cell_of(notebook, f"{FIRST}-test")["source"] = "### BEGIN HIDDEN TESTS\n2\n### END HIDDEN TESTS"
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("restored", f"{FIRST}-test")]
    assert source_of(result, FIRST) == own


def test_many_edited_cells_make_one_note():
    notebook = answered()
    for name in EXERCISES:
        cell_of(notebook, f"{name}-test")["source"] = "2"
    result = repaired(notebook)
    assert kinds(result) == ["restored"]
    assert all(f"{name}-test" in result.notes[0].text for name in EXERCISES)


@pytest.mark.parametrize("keep_ids", [True, False])
def test_lost_metadata_is_made_up_for_by_ids_text_and_names(keep_ids):
    notebook = answered()
    for position, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {}
        if not keep_ids:
            cell["id"] = f"other-{position}"
    notebook["cells"].insert(8, code("mine = 1"))
    result = repaired(notebook)
    assert kinds(result) == ["metadata"]
    assert str(len(spec().cells)) in result.notes[0].text
    assert own_sources(result) == ["mine = 1"]
    assert answers_kept(result)


def test_a_stub_left_beside_the_answer_does_not_undo_it():
    notebook = answered()
    for cell in notebook["cells"]:
        cell["metadata"], cell["id"] = {}, ""
    notebook["cells"].append(code("".join(cell_of(json.loads(RELEASE), FIRST)["source"])))
    result = repaired(notebook)
    assert kinds(result) == ["metadata", "duplicate"]
    assert answers_kept(result)
    assert own_sources(result) == []


@pytest.mark.parametrize(
    "mark",
    [
        {},
        [],
        3,
        None,
        "solution",
        {"grade_id": None},
        {"grade_id": ["title"]},
        {"grade_id": "", "solution": True},
        {"grade_id": "no such cell", "grade": True, "points": 1e9, "locked": True, "schema_version": 3},
    ],
)
def test_marks_of_no_use_are_left_aside(mark):
    notebook = answered()
    cell_of(notebook, FIRST)["metadata"]["nbgrader"] = mark
    notebook["cells"].append(code("mine = 1", metadata={"nbgrader": mark}))
    result = repaired(notebook)
    assert kinds(result) == ["metadata"]
    assert answers_kept(result)
    assert own_sources(result) == ["mine = 1"]


@pytest.mark.parametrize("version", [0, 1, 2, 4, 99, "3", None])
def test_any_version_of_nbgraders_marks_will_do(version):
    notebook = answered()
    for cell in notebook["cells"]:
        cell["metadata"]["nbgrader"] = {"grade_id": cell["metadata"]["nbgrader"]["grade_id"], "schema_version": version}
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


@pytest.mark.parametrize("metadata", [[], "x", 1, None, {"tags": 3, "name": "", "execution": [], "collapsed": "no"}])
def test_metadata_of_any_shape(metadata):
    notebook = answered()
    cell_of(notebook, SECOND)["metadata"] = metadata
    notebook["metadata"] = metadata
    result = repaired(notebook)
    assert kinds(result) == ["metadata"]
    assert answers_kept(result)


@pytest.mark.parametrize("ids", [["same"] * 60, ["no blanks, please", "", "x" * 65, 7, None, [], {}, "\ud800"] * 10])
def test_ids_of_any_shape_become_unique(ids):
    notebook = answered()
    notebook["cells"] += [code(f"mine = {number}") for number in range(5)]
    for cell, identity in zip(notebook["cells"], ids, strict=False):
        cell["id"] = identity
    result = repaired(notebook)
    assert answers_kept(result)
    identities = [cell.id for cell in result.nb.cells]
    assert len(set(identities)) == len(identities)


def test_marks_that_differ_only_in_what_ids_cannot_hold_get_ids_of_their_own():
    cells = [SourceCell(name, "code", name, locked=True) for name in ("a" * 64, "a" * 65)]
    result = repair(submission(), NotebookSpec(NAME, tuple(cells)))
    assert [cell.id for cell in result.nb.cells] == ["a" * 64, "cell-1"]


@pytest.mark.parametrize("source", [None, 3, {"a": 1}])
def test_a_source_that_is_no_text_counts_as_empty(source):
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = source
    del cell_of(notebook, SECOND)["source"]
    notebook["cells"] += [code(source), code(source)]
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [
        ("unreadable", FIRST),
        ("unreadable", SECOND),
        ("unreadable", ""),
    ]
    assert "2 cells" in result.notes[2].text
    assert answers_kept(result, FIRST, SECOND)


def test_a_source_may_be_a_list_of_lines():
    notebook = answered()
    for cell in notebook["cells"]:
        if isinstance(cell["source"], str):
            cell["source"] = [*cell["source"].splitlines(keepends=True), 3, None]
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


def test_a_huge_source_is_left_out_and_costs_only_its_exercise():
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = "x = 1\n" * 200_000
    notebook["cells"].append(code("y" * 1_000_001))
    result = repaired(notebook)
    assert [(note.kind, note.grade_id) for note in result.notes] == [("too-large", FIRST), ("too-large", "")]
    assert source_of(result, FIRST) == ""
    assert answers_kept(result, FIRST)


def test_more_cells_than_anyone_writes(monkeypatch):
    monkeypatch.setattr(repairing, "MAX_OWN_CELLS", 50)
    notebook = answered()
    extra = [code(f"x = {number}") for number in range(100_000)]
    notebook["cells"] = extra[:50_000] + notebook["cells"] + extra[50_000:]
    result = repaired(notebook)
    assert kinds(result) == ["too-large"]
    assert "99,950" in result.notes[0].text
    assert len(own_sources(result)) == 50
    assert answers_kept(result)


def test_images_in_prose_stay_unless_they_are_huge():
    notebook = answered()
    image = {"cell_type": "markdown", "metadata": {}, "source": "![](attachment:a.png)"}
    shapes = [{"a.png": {"image/png": "iVBOR"}, "b": 3}, {"a.png": {"image/png": "i" * 6_000_000}}, [], {"a": {"b": 1}}]
    notebook["cells"] += [{**image, "attachments": shape} for shape in shapes]
    result = repaired(notebook)
    assert kinds(result) == ["too-large"]
    kept = [cell.get("attachments") for cell in result.nb.cells[-4:]]
    assert kept == [{"a.png": {"image/png": "iVBOR"}}, None, None, {"a": {}}]


@pytest.mark.parametrize(
    ("kernelspec", "due"),
    [
        ({"name": "ir", "display_name": "R", "language": "R"}, ["kernel"]),
        ({"name": "julia-1.9", "display_name": "Julia", "language": "julia"}, ["kernel"]),
        ({"name": "conda-env-dl-py", "display_name": "dl", "language": "python"}, []),
        ({"name": "no_such_kernel"}, []),
        ({"name": 3, "language": []}, []),
        ("python3", []),
    ],
)
def test_only_another_language_is_worth_a_note(kernelspec, due):
    notebook = answered()
    notebook["metadata"] = {"kernelspec": kernelspec}
    result = repaired(notebook)
    assert kinds(result) == due
    assert answers_kept(result)


def test_a_written_answer_keeps_its_text_and_images_and_a_mark_scheme_counts_as_released():
    scheme = "Why?\n### BEGIN MARK SCHEME\nBecause.\n### END MARK SCHEME"
    due = SourceCell("why", "markdown", scheme, grade=True, solution=True, points=2.0)
    task = SourceCell("draw", "markdown", "Draw it.", locked=True, task=True, points=1.0)
    notebook = NotebookSpec(NAME, (due, task))
    cell = {"cell_type": "markdown", "metadata": {"nbgrader": {"grade_id": "why"}}, "source": "Why?"}
    untouched = repair(submission(**{FILE: {"cells": [cell]}}), notebook)
    assert untouched.unanswered == ["why"]
    assert untouched.nb.cells[1].metadata.nbgrader.points == 1.0
    written = {**cell, "source": "So.", "attachments": {"a.png": {"image/png": "iVBOR"}}}
    result = repair(submission(**{FILE: {"cells": [written]}}), notebook)
    assert (result.nb.cells[0].source, result.unanswered) == ("So.", [])
    assert result.nb.cells[0].attachments == {"a.png": {"image/png": "iVBOR"}}
    assert repair(submission(), notebook).nb.cells[0].source == "Why?"
