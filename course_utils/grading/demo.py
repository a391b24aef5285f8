"""The course's main job on a small scale: release an assignment, grade an example class, write feedback and grades.

`demo/class/` holds the answers of ten students, one of them hostile, and `demo/class.toml` what each deserves. A
student's file gives the cells in which they differ from `1_perfect.py`.
"""

import re
import shutil
import tomllib
from pathlib import Path

import nbformat
from nbgrader import utils
from rich.console import Console

from course_utils.files import write_text
from course_utils.grading import gradebook, pipeline
from course_utils.grading.session import grade_class
from course_utils.notebooks import ROOT, to_text

ASSIGNMENT = "a3_vae"
UNTOUCHED = "2_untouched"


def run(folder: Path) -> bool:
    """Set up a course in `folder`, grade the class there and print the gradebook; return whether all was as due."""
    console = Console(width=None if Console().is_terminal else 140)
    class_folder = ROOT / "demo" / "class"
    if not class_folder.is_dir():
        console.print(
            f"The example class is not here: {class_folder} is missing. `make demo` runs in a clone of the course."
        )
        return False
    course = set_up(folder)
    console.print(f"Example course in {folder}")
    released = pipeline.release(course, ASSIGNMENT)
    console.print(f"Released {ASSIGNMENT} to {released}")
    hand_in(course, released / f"{ASSIGNMENT}.ipynb", class_folder)
    failures = grade_class(course, ASSIGNMENT, console=console)
    surprises = [f"{student} could not be graded" for student in failures]
    surprises += differences(gradebook.rows(course, ASSIGNMENT), ROOT / "demo" / "class.toml")
    for surprise in surprises:
        console.print(f"[red]not as it should be:[/red] {surprise}")
    if not surprises:
        console.print("[green]All students got the score and the verdict that they deserve.[/green]")
    return not surprises


def set_up(folder: Path, assignment: str = ASSIGNMENT) -> pipeline.Course:
    """An empty course folder with this course's configuration and the solution of one assignment."""
    if folder.exists():
        if not (folder / "nbgrader_config.py").is_file() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} holds something else: name an empty folder for the example course")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions" / assignment, folder / "solutions" / assignment)
    return pipeline.Course(folder)


def hand_in(course: pipeline.Course, released: Path, class_folder: Path) -> None:
    """Write each example student's notebook into `submitted/`."""
    perfect = answers(class_folder / "1_perfect.py")
    for path in sorted(class_folder.glob("*.py")):
        notebook = nbformat.read(released, as_version=4)
        if path.stem != UNTOUCHED:
            fill_in(notebook, {**perfect, **answers(path)})
        folder = course.root / "submitted" / path.stem / ASSIGNMENT
        write_text(to_text(notebook), folder / f"{ASSIGNMENT}.ipynb")


def answers(path: Path) -> dict[str, str]:
    """The cells of a student's file: the title of each, which is the exercise's name, and its code."""
    pieces = re.split(r"^# %% (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {name: code.strip() for name, code in zip(pieces[::2], pieces[1::2], strict=True)}


def fill_in(notebook: nbformat.NotebookNode, code: dict[str, str]) -> None:
    """Write answers into the solution cells that bear their names.

    Raises:
        ValueError: an answer to an exercise that the notebook does not have.
    """
    cells = {cell.metadata.nbgrader["grade_id"]: cell for cell in notebook.cells if utils.is_solution(cell)}
    unknown = sorted(set(code) - set(cells))
    if unknown:
        raise ValueError(f"the notebook has no exercise named {', '.join(unknown)}; it has {', '.join(cells)}")
    for name, text in code.items():
        cells[name].source = text


def differences(rows: list[gradebook.Row], deserved_path: Path) -> list[str]:
    """Where points or misconceptions are not what `class.toml` says that the students deserve."""
    deserved = tomllib.loads(deserved_path.read_text(encoding="utf-8"))
    found = {row.student: row for row in rows}
    result = [f"{student} has no result" for student in sorted(set(deserved) - set(found))]
    for student, row in found.items():
        due = deserved.get(student)
        if due is None:
            result.append(f"{student} is not in {deserved_path.name}")
            continue
        if abs(row.points - due["points"]) > 1e-6:
            result.append(f"{student} got {row.points:g} points, {due['points']:g} were due")
        mistakes = {exercise.name: exercise.mistake or "" for exercise in row.exercises if exercise.message}
        if mistakes != due["mistakes"]:
            result.append(f"{student}: the mistakes named were {mistakes}, due were {due['mistakes']}")
        if not row.feedback.is_file():
            result.append(f"{student} got no feedback: {row.feedback} is missing")
    return result
