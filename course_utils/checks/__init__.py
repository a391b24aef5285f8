"""Checks of the students' functions: a callable in, a report out; one module for each assignment.

report = checks.vae.gaussian_kl(student_function)    # in a notebook: a short coloured report
report.assert_passed()                               # in pytest
checks.vae.gaussian_kl(student_function).score(2)    # in nbgrader: partial credit
"""

from course_utils.checks import vae
from course_utils.checks.report import Finding, Report, Score

ASSIGNMENTS = {"a3_vae": vae}

__all__ = ["ASSIGNMENTS", "Finding", "Report", "Score", "find", "vae"]


def find(assignment, function):
    """The check of a function of an assignment, such as find("a3_vae", "gaussian_kl"). Raises KeyError."""
    if assignment not in ASSIGNMENTS:
        raise KeyError(f"no checks for assignment {assignment!r}, only for {', '.join(ASSIGNMENTS)}")
    checks = ASSIGNMENTS[assignment].CHECKS
    if function not in checks:
        raise KeyError(f"{assignment} has no function {function!r}, only {', '.join(checks)}")
    return checks[function]
