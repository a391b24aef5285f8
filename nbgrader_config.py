"""nbgrader's settings for this course; read by every `nbgrader` command that is started in this folder."""

import os
import sys
from pathlib import Path

c = get_config()

# nbgrader starts `alembic` by name when it makes a gradebook, and finds none if the environment was not activated.
programs = str(Path(sys.executable).parent)
if programs not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = programs + os.pathsep + os.environ.get("PATH", "")

c.CourseDirectory.course_id = "dgm"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"
# nbgrader's default, "solution", is one letter from our masters; generate_solution must never write over them.
c.CourseDirectory.solution_directory = "solutions_executed"
# nbgrader copies every file beside an instructor's notebook into the release. The .py sources hold the answers.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py", "*.pyc", "README.md", "feedback", ".*"]
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}

# Grading: the student's code runs in a sandbox and the tests outside of it; points come from there, not from outputs.
c.Autograde.exporter_class = "course_utils.grading.plugin.GradingExporter"
c.Autograde.pre_convert_hook = "course_utils.grading.plugin.add_missing_notebooks"
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "course_utils.grading.plugin.SaveTrustedGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# Feedback shows verdicts, never the source of a hidden test.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "course_utils.grading.exporter.HideTests",
]
c.GenerateFeedback.exporter_class = "course_utils.grading.exporter.FeedbackExporter"
# `nbgrader validate` runs notebooks in an ordinary kernel: there, too, a warning is no failure.
c.Execute.timeout = 30
c.Execute.kernel_name = "python3"
c.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
# Where the system cannot isolate the students' code, grading stops. This lets `nbgrader autograde` go on all the same:
# c.GradingExporter.unsafe = True
