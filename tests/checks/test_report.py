"""Reports and scores: what readers, JSON, IPython and nbgrader see of them."""

import json
import pickle

import pytest
import torch

from course_utils import checks
from course_utils.checks import Finding, Report, Score
from course_utils.checks.report import MIME_TYPE


def formula(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


RIGHT = checks.vae.gaussian_kl(formula)
PARTLY = checks.vae.gaussian_kl(lambda mu, logvar: formula(mu, logvar).detach())
WRONG = checks.vae.gaussian_kl(lambda mu, logvar: -formula(mu, logvar))


def test_fractions():
    assert (RIGHT.fraction, PARTLY.fraction, WRONG.fraction) == (1.0, pytest.approx(0.8), 0.0)
    assert (RIGHT.passed, PARTLY.passed, WRONG.passed) == (True, False, False)
    assert [finding.name for finding in RIGHT.findings] == [
        *("signature", "runs", "type", "shape", "finite", "value", "gradient", "far out", "contract")
    ]
    assert [finding.passed for finding in WRONG.findings] == [True] * 5 + [False] + [None] * 3
    assert Report("empty").fraction == 0
    assert not Report("empty").passed
    assert Report("light", [Finding("a", True, 0.0), Finding("b", False, 0.0)]).fraction == 0


def test_texts():
    assert RIGHT.message == "gaussian_kl is right in every point."
    assert str(RIGHT) == "✓ gaussian_kl: right"
    assert WRONG.message.startswith("your KL has the opposite sign")
    assert "not judged yet: gradient, far out, contract" in str(WRONG)
    assert "got: -" in str(WRONG)
    assert "right in part (80%)" in str(PARTLY)
    RIGHT.assert_passed()
    with pytest.raises(AssertionError, match="opposite sign"):
        WRONG.assert_passed()


@pytest.mark.parametrize("report", [RIGHT, PARTLY, WRONG])
def test_json_round_trip(report):
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    again = Report.from_dict(values)
    assert again == report
    assert again.to_dict() == report.to_dict()
    assert (values["passed"], values["mistake"], values["message"]) == (report.passed, report.mistake, report.message)
    assert again._repr_html_() == report._repr_html_()


@pytest.mark.parametrize(("report", "points", "score"), [(RIGHT, 2, 2.0), (PARTLY, 2, 1.6), (WRONG, 2, 0.0)])
def test_score(report, points, score):
    given = report.score(points)
    assert isinstance(given, Score)
    assert given == score
    assert repr(given) == str(given) == repr(score)
    bundle = given._repr_mimebundle_()
    assert bundle["text/plain"] == repr(score)
    assert f"{score:g} of 2 points" in bundle["text/html"]
    assert bundle[MIME_TYPE]["score"] == score
    assert bundle[MIME_TYPE]["points"] == 2
    json.dumps(bundle, allow_nan=False)
    assert pickle.loads(pickle.dumps(given)).to_dict() == given.to_dict()


def test_score_stays_within_its_points():
    for points in (0, 0.005, 0.126, 1, 1 / 3, 2.5, 1e-9):
        for report in (RIGHT, PARTLY, WRONG):
            score = report.score(points)
            assert 0 <= score <= points
            assert (score == points) == (report.passed or points == 0)
    assert RIGHT.score(1 / 3) == 1 / 3
    assert PARTLY.score(1 / 3) == 0.27
    assert "1 of 1 point<" in RIGHT.score(1)._repr_html_().replace(")", "<")
    for points in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="points"):
            RIGHT.score(points)


@pytest.mark.parametrize("report", [RIGHT, PARTLY, WRONG])
def test_nbgrader_reads_the_score(report):
    nbformat = pytest.importorskip("nbformat")
    utils = pytest.importorskip("nbgrader.utils")
    from IPython.core.interactiveshell import InteractiveShell

    score = report.score(3)
    data, metadata = InteractiveShell.instance().display_formatter.format(score)
    cell = nbformat.v4.new_code_cell("checks...")
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "points": 3, "grade_id": "test", "locked": True}
    cell.outputs = [nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)]
    assert set(data) == {"text/plain", "text/html", MIME_TYPE}
    assert utils.determine_grade(cell) == (float(score), 3)


def test_html_escapes_and_cuts_what_came_from_a_student():
    class Script(str):
        pass

    def answer(mu, logvar):
        raise ValueError("<script>alert(1)</script> & \x1b[31m \n" + "long " * 10_000)

    report = checks.vae.gaussian_kl(answer)
    html = report._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert len(html) < 5_000
    assert len(str(report)) < 3_000
    assert len(json.dumps(report.to_dict())) < 5_000

    attribute = Report("f", [Finding("value", False, 1.0, "\" onmouseover='x'", None, "<b>", "<i>", "'")])
    html = attribute._repr_html_()
    assert "<b>&" not in html
    assert "<i>" not in html
    assert "&quot; onmouseover=&#x27;" in html


def test_html_shows_symbols_besides_colours():
    assert "✓" in RIGHT._repr_html_()
    assert "✗" in WRONG._repr_html_()
    assert "–" in WRONG._repr_html_()
    assert "style=" in WRONG._repr_html_()
    assert len(RIGHT._repr_html_()) < 3_000


def test_type_names_of_students_are_escaped():
    strange = type("<img src=x onerror=alert(1)>", (), {})
    report = checks.vae.gaussian_kl(lambda mu, logvar: strange())
    assert "<img" not in report._repr_html_()
    assert "it returns a" in report.message
    error = type("<img src=x>", (Exception,), {})

    def answer(mu, logvar):
        raise error("text")

    assert "<img" not in checks.vae.gaussian_kl(answer)._repr_html_()


def test_a_tensor_subclass_cannot_speak_for_itself():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return torch.tensor(True)

    report = checks.vae.gaussian_kl(lambda mu, logvar: torch.zeros(len(mu)).as_subclass(Liar))
    assert not report.passed
    assert report.fraction == 0
