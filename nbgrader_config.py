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

# Grading: a deleted test cell comes back, a warning is no failure, and a dead kernel costs its own cells only.
c.OverwriteCells.add_missing_cells = True
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"
c.Execute.timeout = 30
c.Execute.kernel_name = "python3"
c.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
c.Autograde.autograde_preprocessors = [
    "course_utils.grading.execute.SurvivingExecute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
