"""The builder: one source, one notebook, byte for byte; what is stale is named."""

import json
import textwrap

import nbformat
import pytest

from course_utils import notebooks

LECTURE = """
# %% [markdown]
# # Lecture 99: addition

# %% slideshow={"slide_type": "slide"}
import os, sys
print("one")
print("two", file=sys.stderr)
print("three")

# %% [markdown]
# The end.

# %%
object()

# %%
print(os.environ["COURSE_STATIC"], os.path.basename(os.getcwd()))
"""

SOLUTION = """
# %% [markdown] nbgrader={"grade": false, "grade_id": "title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # An assignment

# %% nbgrader={"grade": false, "grade_id": "add", "locked": false, "schema_version": 3, "solution": true, "task": false}
def add(a, b):
    ### BEGIN SOLUTION
    return a + b
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "add-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert add(1, 2) == 3
"""


@pytest.fixture
def course(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/someone/somewhere/"\n')
    (tmp_path / "lectures").mkdir()
    (tmp_path / "solutions" / "a0").mkdir(parents=True)
    (tmp_path / "lectures" / "99_addition.py").write_text(textwrap.dedent(LECTURE).lstrip())
    (tmp_path / "solutions" / "a0" / "a0.py").write_text(textwrap.dedent(SOLUTION).lstrip())
    return tmp_path


def test_a_lecture_is_executed_and_rebuilt_byte_for_byte(course):
    source = course / "lectures" / "99_addition.py"
    assert notebooks.stale(root=course)[source] == "has not been built"
    assert notebooks.build(source, root=course)
    first = source.with_suffix(".ipynb").read_bytes()
    assert not notebooks.build(source, root=course), "a fresh notebook is not built again"
    assert notebooks.build(source, root=course, force=True)
    assert source.with_suffix(".ipynb").read_bytes() == first
    assert sorted(p.name for p in source.parent.iterdir()) == ["99_addition.ipynb", "99_addition.py"]

    notebook = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor == 5
    ids = [cell.id for cell in notebook.cells]
    assert ids[:3] == ["cell-000", "colab-badge", "colab-setup"]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    streams = {output.name: output.text for output in code[1].outputs}
    assert streams == {"stdout": "one\nthree\n", "stderr": "two\n"}
    assert code[1].metadata == {"slideshow": {"slide_type": "slide"}}
    assert code[2].outputs[0].data["text/plain"] == "<object>"  # without its address
    assert code[3].outputs[0].text == "1 lectures\n"


def test_the_address_of_the_repository_reaches_badge_and_setup(course):
    lecture = notebooks.from_source(course / "lectures" / "99_addition.py", course)
    assert "/github/someone/somewhere/blob/main/lectures/99_addition.ipynb" in lecture.cells[1].source
    assert "git+https://github.com/someone/somewhere\n" in lecture.cells[2].source + "\n"
    solution = notebooks.from_source(course / "solutions" / "a0" / "a0.py", course)
    assert "blob/main/assignments/a0/a0.ipynb" in solution.cells[1].source
    assert all(cell.metadata.nbgrader.locked for cell in solution.cells[1:3])


def test_a_solution_keeps_its_metadata_and_carries_no_output(course):
    source = course / "solutions" / "a0" / "a0.py"
    assert notebooks.build(source, root=course)
    assert notebooks.reason_stale(source, course) is None
    cells = {cell.id: cell for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells}
    assert cells["add"].metadata.nbgrader == {
        "grade": False,
        "grade_id": "add",
        "locked": False,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }
    assert cells["add-test"].metadata.nbgrader.points == 2
    assert cells["add-test"].outputs == []
    assert cells["add-test"].execution_count is None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda nb: nb["cells"][3]["source"].append("x"), "differs from its source"),
        (lambda nb: nb["cells"].pop(), "differs from its source"),
        (lambda nb: nb["cells"][3]["metadata"].clear(), "differs from its source"),
        (lambda nb: nb["cells"][3].update(execution_count=7), "has not been executed in order"),
        (lambda nb: nb["cells"][3].update(execution_count=None), "has not been executed in order"),
        (
            lambda nb: nb["cells"][3]["outputs"].append(
                {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
            ),
            "holds an error",
        ),
    ],
)
def test_what_is_stale_is_named(course, spoil, reason):
    source = course / "lectures" / "99_addition.py"
    notebooks.build(source, root=course)
    target = source.with_suffix(".ipynb")
    content = json.loads(target.read_text())
    spoil(content)
    target.write_text(json.dumps(content, indent=1))
    assert notebooks.reason_stale(source, course) == reason
    target.write_text("{ not json")
    assert notebooks.reason_stale(source, course).startswith("cannot be read")


def test_a_solution_with_outputs_is_stale(course):
    source = course / "solutions" / "a0" / "a0.py"
    notebooks.build(source, root=course)
    content = json.loads(source.with_suffix(".ipynb").read_text())
    content["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    source.with_suffix(".ipynb").write_text(json.dumps(content))
    assert notebooks.reason_stale(source, course) == "holds outputs, and a solution is committed without"


def test_a_lecture_that_fails_or_grows_too_large_replaces_nothing(course):
    source = course / "lectures" / "99_addition.py"
    notebooks.build(source, root=course)
    good = source.with_suffix(".ipynb").read_bytes()
    source.write_text("# %% [markdown]\n# # Title\n\n# %%\n1 / 0\n")
    with pytest.raises(ValueError, match=r"99_addition.py does not run: [\s\S]*ZeroDivisionError"):
        notebooks.build(source, root=course)
    source.write_text("# %% [markdown]\n# # Title\n\n# %%\nprint('x' * 400_000)\n")
    with pytest.raises(ValueError, match="300,000 are allowed"):
        notebooks.build(source, root=course)
    assert source.with_suffix(".ipynb").read_bytes() == good
    source.write_text("# %%\nprint(1)\n")
    with pytest.raises(ValueError, match="must be markdown and start with the title"):
        notebooks.build(source, root=course)
