"""Code that breaks things and files that are broken cost their author what they spoil, and nobody else anything."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import nbformat
import psutil
import pytest

from course_utils.grading import intake, judge, pipeline, spec
from course_utils.grading.limits import MIB, Limits
from course_utils.grading.store import ResultStore
from course_utils.notebooks import ROOT
from tests.grading.cases import ASSIGNMENT, FULL, Case, breaking, files, points, surprises

CASES = {**breaking.CASES, **files.CASES}
HONEST = Case("Everything is right.")
LIMITS = Limits(memory=1024 * MIB, processes=16, cell_seconds=4.0, call_seconds=2.0)

# Grades all who handed in, and prints whom it could not grade.
GRADE = """
import json, pathlib, sys
from course_utils.grading import pipeline
from course_utils.grading.limits import Limits

if __name__ == "__main__":
    course, assignment, limits = pipeline.Course(pathlib.Path(sys.argv[1])), sys.argv[2], json.loads(sys.argv[3])
    print(json.dumps(pipeline.grade(course, assignment, num_workers=2, limits=Limits(**limits))))
"""


def graded(case: Case, release: spec.AssignmentSpec):
    return judge.grade(case.submission("ada"), release, secret="of the tests", limits=LIMITS)


def test_no_two_cases_share_a_name():
    assert len(CASES) == len(breaking.CASES) + len(files.CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_costs_its_author_what_it_spoils(name, vae_release):
    result = graded(CASES[name], vae_release)
    assert surprises(CASES[name], result) == []
    nbformat.validate(nbformat.reads(result.notebooks[0].ipynb, as_version=4))


def test_a_surprise_is_reported(vae_release):
    result = graded(HONEST, vae_release)
    assert surprises(HONEST, result) == []
    case = Case(
        "Not what it is.",
        due=breaking.LOST,
        mistakes={"elbo": "kl-added"},
        notes=("crash",),
        says="words that nobody says",
    )
    assert [text.split(":")[0] for text in surprises(case, result)] == [
        "importance_weighted_bound got 3 points, 0 were due",
        "elbo",
        "the notes were of the kinds [], due were ['crash']",
        "nothing says 'words that nobody says'",
    ]


def test_a_link_to_somebody_elses_notebook_is_not_followed(vae_course, vae_release, tmp_path):
    course = pipeline.Course(tmp_path / "course")
    hand_in(course, "honest", HONEST)
    folder = course.root / "submitted" / "linker" / ASSIGNMENT
    folder.mkdir(parents=True)
    (folder / files.NAME).symlink_to(course.root / "submitted" / "honest" / ASSIGNMENT / files.NAME)
    submission, notes = intake.collect(course, ASSIGNMENT, "linker")
    assert [note.kind for note in notes] == ["unreadable"]
    result = judge.grade(submission, vae_release, secret="of the tests", limits=LIMITS)
    assert set(points(result).values()) == {0.0}
    assert [note.kind for note in result.notes] == ["missing"]


def test_in_a_class_nobodys_score_differs(vae_course, tmp_path):
    course = pipeline.Course(tmp_path / "course")
    shutil.copytree(vae_course.root, course.root)
    (tmp_path / "grade.py").write_text(GRADE)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    students = {**CASES, "a_honest": HONEST, "zz_honest": HONEST}
    for student, case in students.items():
        hand_in(course, student, case)

    grader = subprocess.Popen(
        [sys.executable, str(tmp_path / "grade.py"), str(course.root), ASSIGNMENT, json.dumps(asdict(LIMITS))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    family: set[psutil.Process] = set()
    while grader.poll() is None:
        family.update(psutil.Process(grader.pid).children(recursive=True))
        time.sleep(0.2)
    output, errors = grader.communicate()

    assert (grader.returncode, output, errors) == (0, "{}\n", "")
    results = ResultStore(course.root, ASSIGNMENT)
    assert {name: text for name, case in students.items() if (text := surprises(case, results.read(name)))} == {}
    with course.gradebook() as gradebook:
        scores = {student: gradebook.find_submission(ASSIGNMENT, student).score for student in students}
    assert scores == pytest.approx({student: total(case) for student, case in students.items()})
    assert scores["a_honest"] == scores["zz_honest"] == 24
    assert len(family) > 5
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    assert list(temporary.iterdir()) == []


def total(case: Case) -> float:
    return 24 - sum(FULL - due for due in case.due.values())


def hand_in(course: pipeline.Course, student: str, case: Case) -> None:
    folder = course.root / "submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True)
    for name, content in case.submission(student).files.items():
        path = folder / Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
