"""nbgrader's own commands, typed by hand in the course folder, without an activated environment."""

import os
import subprocess
import sys


def nbgrader(course, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course.root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_whole_term_by_hand(course):
    course.hand_in("ada")
    course.hand_in("bob", second="def second(x):\n    os._exit(1)")
    (course.root / "gradebook.db").unlink()
    nbgrader(course, "generate_assignment", "tiny", "--force")
    renamed = course.hand_in("eve")
    renamed.rename(renamed.with_name("tiny (1).ipynb"))
    course.hand_in("mallory").write_text("no notebook at all")
    nbgrader(course, "autograde", "tiny")
    assert sum(course.scores("ada").values()) == sum(course.scores("eve").values()) == 9
    assert sum(course.scores("mallory").values()) == 0
    assert sum(course.scores("bob").values()) == 6
    nbgrader(course, "generate_feedback", "tiny")
    feedback = (course.root / "feedback" / "bob" / "tiny" / "tiny.html").read_text()
    assert "== 43" not in feedback  # the hidden test
    nbgrader(course, "export")
    assert len((course.root / "grades.csv").read_text().splitlines()) == 5


def test_validate_tells_a_student_what_is_open(course):
    right = course.hand_in("ada")
    assert "Success! Your notebook passes all the tests." in nbgrader(course, "validate", str(right))
    wrong = course.hand_in("bob", second="def second(x):\n    return 0")
    text = nbgrader(course, "validate", str(wrong))
    assert "VALIDATION FAILED ON 1 CELL(S)!" in text
    assert "assert second(2) == 42" in text
