"""The `course` command: build notebooks, train the reference models, release and grade assignments."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

CourseRoot = Annotated[Path, typer.Option(help="The course folder, which holds nbgrader_config.py.")]


@app.command()
def build(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Sources (.py); by default all lectures and solutions.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Build nothing; exit 1 if a notebook is stale.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Build fresh notebooks again, too.")] = False,
) -> None:
    """Build notebooks from their py:percent sources; lectures are executed."""
    from course_utils import notebooks

    sources = [path.resolve() for path in paths] if paths else notebooks.sources()
    for source in sources:
        if not source.is_file() or source.suffix != ".py":
            _stop(f"{source} is not a notebook source: give a .py file in lectures/ or solutions/")
    if check:
        stale = notebooks.stale(sources)
        for source, reason in stale.items():
            typer.echo(f"stale: {source.with_suffix('.ipynb')} {reason}")
        typer.echo(f"{len(sources) - len(stale)} of {len(sources)} notebooks are fresh")
        raise typer.Exit(1 if stale else 0)
    for source in sources:
        try:
            written = notebooks.build(source, force=force)
        except ValueError as error:
            _stop(str(error))
        typer.echo(f"{'built' if written else 'fresh'}  {source.with_suffix('.ipynb').name}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="The model: see `course models`.")],
    data: Annotated[str, typer.Option(help="The data set: digits, mnist, binarized_mnist ...")] = "digits",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data; by default the model's own setting.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop training after this much time.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the weights, the order and the noise.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed, 16-mixed or 64-true.")] = "32-true",
    devices: Annotated[int, typer.Option(help="How many devices train together.")] = 1,
    samples: Annotated[int, typer.Option(help="Importance samples for the estimate on the test set.")] = 500,
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/MODEL-DATA.")] = None,
) -> None:
    """Train a reference model and report its likelihood on the test set. The same command resumes a stopped run."""
    from course_utils import recipes
    from course_utils.data import DamagedDataError, DataNotFoundError

    try:
        recipes.train(
            model,
            data,
            folder=folder or Path("runs") / f"{model}-{data}",
            epochs=epochs,
            max_minutes=minutes,
            batch_size=batch_size,
            lr=lr,
            seed=seed,
            device=device,
            precision=precision,
            num_devices=devices,
            num_samples=samples,
        )
    except (ValueError, DataNotFoundError, DamagedDataError, FloatingPointError) as error:
        _stop(str(error))
    except KeyboardInterrupt:
        _stop("interrupted; the same command goes on from here")


@app.command()
def models() -> None:
    """List the models that `course train` knows."""
    from course_utils import recipes

    for name, recipe in recipes.RECIPES.items():
        typer.echo(f"{name:<22} {recipe.summary}")


@app.command()
def release(
    assignment: Annotated[str, typer.Argument(help="Its name, a3_vae for example.")], root: CourseRoot = Path(".")
) -> None:
    """Make the students' version of an assignment from its solution."""
    from course_utils.grading import pipeline

    try:
        folder = pipeline.release(pipeline.Course(root.resolve()), assignment)
    except (pipeline.GradingError, FileNotFoundError) as error:
        _stop(str(error))
    typer.echo(f"released {assignment} to {folder}")


@app.command()
def grade(
    assignment: Annotated[str, typer.Argument(help="Its name, a3_vae for example.")],
    student: Annotated[list[str] | None, typer.Option(help="Grade these only; by default all who handed in.")] = None,
    root: CourseRoot = Path("."),
) -> None:
    """Grade the submissions of an assignment, write feedback and grades.csv, and print the gradebook."""
    from course_utils.grading import pipeline
    from course_utils.grading.session import grade_class

    course = pipeline.Course(root.resolve())
    try:
        failures = grade_class(course, assignment, student)
    except (pipeline.GradingError, FileNotFoundError) as error:
        _stop(str(error))
    raise typer.Exit(1 if failures else 0)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where to set up the example course; emptied first.")] = Path(
        "build/demo"
    ),
) -> None:
    """Grade a small example class: release, nine submissions, feedback, grades, gradebook."""
    from course_utils.grading import demo as example

    try:
        went_well = example.run(folder.resolve())
    except FileExistsError as error:
        _stop(str(error))
    raise typer.Exit(0 if went_well else 1)


def _stop(message: str) -> None:
    """End with one sentence instead of a traceback."""
    typer.echo(f"course: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    app()
