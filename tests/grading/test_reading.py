"""Files in every state that a notebook reaches on its way to the grader, and what is saved of them."""

import json

import jupytext
import nbformat
import pytest
from nbconvert import PythonExporter

from course_utils.grading import reading
from course_utils.grading.spec import NotebookSpec
from tests.grading.handed_in import (
    EXERCISES,
    FILE,
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
)

FIRST, SECOND, *_, LAST = EXERCISES
TEXT = json.dumps(answered(), ensure_ascii=False)


def test_the_release_serves_as_a_specification():
    assert isinstance(spec(), NotebookSpec)
    assert len(EXERCISES) == 8


@pytest.mark.parametrize(
    ("encoding", "due"),
    [
        ("utf-8", []),
        ("utf-8-sig", []),
        ("utf-16", ["encoding"]),
        ("utf-16-le", ["encoding"]),
        ("utf-16-be", ["encoding"]),
        ("utf-32", ["encoding"]),
        ("cp1252", ["encoding"]),
    ],
)
def test_encodings(encoding, due):
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = "text = 'größer'"
    text = json.dumps(notebook, ensure_ascii=False).encode("cp1252", "ignore").decode("cp1252")
    result = repaired(text.encode(encoding))
    assert [kind for kind in kinds(result) if kind != "restored"] == due
    assert source_of(result, FIRST) == "text = 'größer'"
    assert answers_kept(result, FIRST)


def test_one_wrong_byte_changes_one_character():
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = "text = 'größer, ∫, X'"
    data = json.dumps(notebook, ensure_ascii=False).encode().replace(b", X'", b", \xfc'")
    result = repaired(data)
    assert kinds(result) == ["encoding"]
    assert source_of(result, FIRST) == "text = 'größer, ∫, ü'"


def test_nul_bytes_in_the_file():
    result = repaired(TEXT.encode().replace(b",", b",\0") + b"\0" * 4096)
    assert kinds(result) == ["encoding"]
    assert answers_kept(result)


def test_characters_that_utf8_cannot_hold_are_replaced():
    notebook = answered()
    cell_of(notebook, FIRST)["source"] = "a = 'x\0\ud800y'"
    notebook["cells"].append({"cell_type": "markdown", "source": "", "attachments": {"\udfff": {"a\ud800": "b\udc80"}}})
    result = repaired(notebook)
    assert kinds(result) == ["encoding"]
    assert source_of(result, FIRST) == "a = 'x\ufffdy'"
    assert result.nb.cells[-1].attachments == {"\ufffd": {"a\ufffd": "b\ufffd"}}
    assert nbformat.writes(result.nb).encode()


@pytest.mark.parametrize("content", ["", " \n", b"\xef\xbb\xbf", b"\0\0\0\0"])
def test_empty_files(content):
    result = repaired(content)
    assert kinds(result)[-1] == "unreadable"
    assert "is empty" in result.notes[-1].text
    assert result.unanswered == list(EXERCISES)


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "3", "null", '"cells"', "{}", '{"cells": []}', '{"cells": {"a": 1}}', '{"cells": 3}', "NaN", "{", "]"),
        *('{"worksheets": [1]}', "no notebook", "<html></html>", b"%PDF-1.7\n\xff\xfe", b"PK\x03\x04"),
        *("[" * 100_000, '{"a":' * 100_000, '{"cell_type":' * 10_000, f'{{"cells": [{"9" * 5000}]}}'),
    ],
)
def test_what_is_no_notebook(content):
    result = repaired(content)
    assert kinds(result)[-1] == "unreadable"
    assert FILE in result.notes[-1].text
    assert result.unanswered == list(EXERCISES)
    assert own_sources(result) == []


def test_a_list_of_cells_may_hold_other_things():
    notebook = answered()
    notebook["cells"] = [item for cell in notebook["cells"] for item in (cell, None, 3, [cell], "x")]
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("first_key", ["cell_type", "metadata", "nbformat"])
def test_a_truncated_file_keeps_its_whole_cells(indent, first_key):
    """Jupyter writes its keys sorted and the notebook's own metadata last; Colab puts them first."""
    notebook = answered()
    notebook = {key: notebook[key] for key in sorted(notebook, key=lambda key: key != first_key)}
    cell = next(cell for cell in notebook["cells"] if cell["id"] == LAST)
    cell["source"] += "  # THE END"
    text = json.dumps(notebook, indent=indent)
    result = repaired(text[: text.index("THE END")])
    assert kinds(result) == ["unreadable", "missing"]
    assert "damaged" in result.notes[0].text
    assert result.unanswered == [LAST]
    assert all(source_of(result, name) == answer(name) for name in EXERCISES[:-1])


@pytest.mark.parametrize("damage", ['"code" "x"', "", "{{", '"\\u12"'])
def test_damage_costs_the_cell_that_it_hit(damage):
    head, tail = TEXT.split('"deletable": false, "nbgrader": {"cell_type": "code", "checksum"', 1)
    result = repaired(f"{head}{damage} {tail}")
    assert kinds(result) == ["unreadable", "missing"]
    assert result.unanswered == [FIRST]
    assert source_of(result, SECOND) == answer(SECOND)


def test_what_lies_within_a_broken_cell_is_no_cell():
    inner = json.dumps(code("inner = 1"))
    broken = f'{{"cell_type": "code", "source": "", "outputs": [{inner}] oops}}'
    result = repaired(TEXT.replace('"cells": [', f'"cells": [{broken}, '))
    assert kinds(result) == ["unreadable"]
    assert answers_kept(result)
    assert own_sources(result) == []


def test_a_trailing_comma_costs_nothing():
    result = repaired(json.dumps(answered(), indent=1).replace("\n  }\n ],", "\n  },\n ],"))
    assert kinds(result) == ["unreadable"]
    assert answers_kept(result)


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_an_unfinished_merge_keeps_the_first_side(style):
    lines = json.dumps(answered(), indent=1).split("\n")
    place = next(number for number, line in enumerate(lines) if f"'{FIRST}, answered'" in line)
    base = ["||||||| base", '   "source": "base"'] if style == "diff3" else []
    lines[place : place + 1] = [
        "<<<<<<< HEAD",
        lines[place],
        *base,
        "=======",
        lines[place].replace("answered", "theirs"),
        ">>>>>>> other",
    ]
    result = repaired("\n".join(lines))
    assert kinds(result) == ["unreadable"]
    assert "merge" in result.notes[0].text
    assert answers_kept(result)


def test_a_key_that_is_there_twice():
    """As in every reader of JSON, the last one counts."""
    text = TEXT.replace('"source": "def ', '"source": "draft", "source": "def ')
    result = repaired(text)
    assert result.notes == []
    assert answers_kept(result)


def test_one_cell_nested_beyond_measure_costs_itself():
    text = TEXT.replace(f'"id": "{FIRST}"', f'"id": {"[" * 5000}{"]" * 5000}')
    result = repaired(text)
    assert "unreadable" in kinds(result)
    assert result.unanswered == [FIRST]
    assert source_of(result, SECOND) == answer(SECOND)


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("major", [4, 5])
def test_versions_of_the_format(major, minor):
    notebook = answered() | {"nbformat": major, "nbformat_minor": minor}
    for cell in notebook["cells"]:
        if minor < 5:
            del cell["id"]
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


def test_version_3_with_its_worksheets():
    notebook = nbformat.reads(TEXT, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("## A heading"))
    old = nbformat.convert(notebook, 3)
    heading = {"cell_type": "heading", "level": 2, "metadata": {}, "source": "A heading"}
    assert old.worksheets[0].cells[-1].cell_type in ("markdown", "heading")
    old.worksheets[0].cells[-1] = heading
    old.worksheets = [1, {"cells": 2}, *old.worksheets]
    result = repaired(json.dumps(old))
    assert result.notes == []
    assert answers_kept(result)
    assert own_sources(result) == ["## A heading"]
    assert result.nb.cells[-1].cell_type == "markdown"


@pytest.mark.parametrize("outputs", [None, 3, "text", {}, [None], [{"output_type": "no such"}], [[[]]], [{"data": 1}]])
def test_outputs_and_counts_of_any_shape(outputs):
    notebook = answered()
    for cell in notebook["cells"]:
        cell["outputs"] = outputs
        cell["execution_count"] = ["many", -1, 1e400, {}][len(cell["source"]) % 4]
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


def test_a_notebook_of_50_mb_of_outputs_keeps_its_code():
    notebook = answered()
    notebook["cells"].append(code("mine = 1", outputs=[{"output_type": "stream", "text": "x" * 50_000_000}]))
    result = repaired(notebook)
    assert result.notes == []
    assert answers_kept(result)


def test_a_notebook_of_too_many_values_is_not_read(monkeypatch):
    monkeypatch.setattr(reading, "MAX_ITEMS", 10_000)
    notebook = answered()
    notebook["cells"][0]["outputs"] = [[]] * 10_000
    result = repaired(notebook)
    assert kinds(result) == ["too-large"]
    assert result.unanswered == list(EXERCISES)


def test_a_notebook_of_too_many_cells_is_read_as_far(monkeypatch):
    monkeypatch.setattr(reading, "MAX_CELLS", len(spec().cells))
    notebook = answered()
    notebook["cells"] += [code("mine = 1")] * 3
    result = repaired(notebook)
    assert kinds(result) == ["too-large"]
    assert answers_kept(result)
    assert own_sources(result) == []


def exported(kind: str) -> str:
    notebook = nbformat.reads(TEXT, as_version=4)
    if kind == "nbconvert":
        return PythonExporter().from_notebook_node(notebook)[0]
    if kind == "spyder":
        for cell in notebook.cells:
            cell.metadata = nbformat.NotebookNode()
    return jupytext.writes(notebook, fmt="py:percent")


@pytest.mark.parametrize("name", ["a3_vae.py", FILE])
@pytest.mark.parametrize("kind", ["nbconvert", "jupytext", "spyder"])
def test_a_script_exported_from_the_notebook_keeps_its_answers(kind, name):
    result = repaired(exported(kind), name)
    assert "unreadable" in kinds(result)
    assert result.unanswered == []
    assert all(source_of(result, name).startswith(answer(name)) for name in EXERCISES)


def test_a_script_without_cells_is_refused():
    result = repaired("\n".join(map(answer, EXERCISES)), "a3_vae.py")
    assert kinds(result) == ["renamed", "unreadable"]
    assert "hand in the .ipynb" in result.notes[1].text
    assert result.unanswered == list(EXERCISES)


def test_names_are_shown_short_and_printable():
    assert reading.shown("a\n\x1b[31m\u202eb") == "'a??[31m?b'"
    assert reading.shown("x" * 100) == f"'{'x' * 57}...'"
