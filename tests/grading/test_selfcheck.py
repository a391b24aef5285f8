"""`course check`: what a student learns before handing in."""

import nbformat
import pytest
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.grading import selfcheck
from course_utils.notebooks import ROOT
from tests.grading.cases import Case

RELEASE = ROOT / "assignments" / "a3_vae" / "a3_vae.ipynb"


@pytest.fixture
def notebook(tmp_path):
    """Writes the notebook of a case under a name, and returns where."""

    def write(case: Case, name: str = "a3_vae.ipynb"):
        path = tmp_path / name
        path.write_bytes(next(iter(case.submission("ada").files.values())))
        return path

    return write


def test_right_answers(notebook):
    result = selfcheck.check(notebook(Case("Does all right.")))
    assert result.passed
    assert [verdict.points for verdict in result.verdicts] == [1.0] * 8
    assert (result.pending, result.pending_points) == (8, 16.0)


def test_wrong_answers_and_damaged_cells_are_named(notebook):
    def damage(nb):
        nb.cells = [cell for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != "elbo-check"]

    answer = "def gaussian_kl(mu, logvar):\n    return 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)"
    case = Case("Has the wrong sign, and lost a cell.", {"gaussian_kl": answer}, damage)
    path = notebook(case, "a3_vae (1).ipynb")
    result = selfcheck.check(path)
    assert not result.passed
    wrong = {verdict.exercise: verdict.message for verdict in result.verdicts if verdict.points == 0}
    assert set(wrong) == {"gaussian_kl", "elbo"}
    assert "opposite sign" in wrong["gaussian_kl"]
    assert [note.kind for note in result.notes] == ["renamed", "missing"]
    shown = CliRunner().invoke(app, ["check", str(path)])
    assert shown.exit_code == 1
    assert "visible: 6 of 8 points; 8 hidden tests, worth 16 points, run when you hand in" in shown.output
    assert "elbo-check" in shown.output


def test_the_release_itself_is_all_open():
    result = selfcheck.check(RELEASE)
    assert {verdict.message.split(":")[0] for verdict in result.verdicts} == {"not attempted yet"}


def test_hidden_tests_do_not_run_and_are_counted():
    spec, pending = selfcheck.read_release(RELEASE)
    assert [cell.grade_id for cell in pending] == [c.grade_id for c in spec.cells if c.grade_id.endswith("-test")]
    assert all(not spec.cell(cell.grade_id).is_test for cell in pending)
    assert sum(cell.is_test for cell in spec.cells) == 8


def test_errors_name_what_is_missing(tmp_path):
    with pytest.raises(selfcheck.SelfCheckError, match="there is no file"):
        selfcheck.check(tmp_path / "nothing.ipynb")
    stray = tmp_path / "my_own.ipynb"
    stray.write_text(nbformat.writes(nbformat.v4.new_notebook()))
    with pytest.raises(selfcheck.SelfCheckError, match=r"no release is known for my_own\.ipynb"):
        selfcheck.check(stray)
    with pytest.raises(selfcheck.SelfCheckError, match="holds no cell that nbgrader tracks"):
        selfcheck.check(stray, stray)
    stray.write_text("{")
    with pytest.raises(selfcheck.SelfCheckError, match="is not a released notebook"):
        selfcheck.check(stray, stray)
