"""The `course` command: build notebooks, train the reference models, release and grade assignments."""

import contextlib
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
    data: Annotated[
        str, typer.Option(help="The data: digits, mnist ...; for translation labels_to_facade, facades ...")
    ] = "digits",
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
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the model: faster after a minute; needs a C++ compiler.")
    ] = False,
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
            compiled=compiled,
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
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many to grade side by side; by default one for each processor.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Grade on the Dask cluster with this scheduler address.")] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Grade even where students' code cannot be isolated wholly.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Grade submissions, too, that were graded and have not changed.")
    ] = False,
    root: CourseRoot = Path("."),
) -> None:
    """Grade the submissions of an assignment, write feedback and grades.csv, and print the gradebook.

    Stopped at any moment, the same command goes on from there. The exit code is 1 if somebody could not be graded.
    """
    from course_utils.grading.workers import warmed

    try:
        with contextlib.nullcontext() if cluster else warmed():  # first, since it goes on while nbgrader is imported
            from course_utils.grading import pipeline
            from course_utils.grading.session import grade_class

            course = pipeline.Course(root.resolve())
            try:
                failures = grade_class(
                    course, assignment, student, num_workers=workers, cluster=cluster, unsafe=unsafe, again=again
                )
            except (pipeline.GradingError, FileNotFoundError) as error:
                _stop(str(error))
    except KeyboardInterrupt:
        _stop("interrupted; what was graded is kept, and the same command goes on from here")
    raise typer.Exit(1 if failures else 0)


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="The notebook that you want to hand in.")],
    release: Annotated[Path | None, typer.Option(help="The released notebook; by default found by its name.")] = None,
) -> None:
    """Run the visible checks on your notebook, as the grader will, and name missing or damaged cells."""
    from rich.console import Console

    from course_utils.grading import isolation, selfcheck

    for gap in isolation.survey().gaps:
        typer.echo(f"not isolated here: {gap}", err=True)
    try:
        result = selfcheck.check(notebook, release)
    except (selfcheck.SelfCheckError, isolation.IsolationError) as error:
        _stop(str(error))
    Console().print(result)
    raise typer.Exit(0 if result.passed else 1)


@app.command()
def isolation() -> None:
    """What this machine has to isolate students' code: each protection, and what gives it."""
    from course_utils.grading.isolation import survey

    found = survey()
    typer.echo(str(found))
    for gap in found.gaps:
        typer.echo(f"missing: {gap}")
    raise typer.Exit(1 if found.gaps else 0)


@app.command()
def feedback(
    assignment: Annotated[str, typer.Argument(help="Its name, a3_vae for example.")],
    student: Annotated[list[str] | None, typer.Option(help="Only theirs; by default that of all.")] = None,
    root: CourseRoot = Path("."),
) -> None:
    """Write the feedback of an assignment anew, after manual grading for example."""
    from course_utils.grading import pipeline
    from course_utils.grading.feedback import write_class

    course = pipeline.Course(root.resolve())
    try:
        failures = write_class(course, assignment, student)
    except FileNotFoundError as error:
        _stop(str(error))
    for reason in failures.values():
        typer.echo(f"no feedback: {reason}", err=True)
    typer.echo(f"feedback: {course.root / 'feedback'}")
    raise typer.Exit(1 if failures else 0)


@app.command()
def report(
    assignment: Annotated[str, typer.Argument(help="Its name, a3_vae for example.")],
    csv: Annotated[Path | None, typer.Option(help="Write a table with one line a student, too.")] = None,
    html: Annotated[Path | None, typer.Option(help="The page; by default reports/ASSIGNMENT.html.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Print all submissions to look at, not the first ten.")] = False,
    root: CourseRoot = Path("."),
) -> None:
    """How the class did in an assignment: scores, misconceptions, submissions to look at."""
    from rich.console import Console

    from course_utils.grading import pipeline
    from course_utils.grading import report as class_report

    course = pipeline.Course(root.resolve())
    try:
        found = class_report.collect(course, assignment)
        Console().print(class_report.summary(found, full=full))
        page = class_report.write_html(found, html or course.root / "reports" / f"{assignment}.html")
        typer.echo(f"report: {page}")
        if csv is not None:
            typer.echo(f"table:  {class_report.write_csv(found, csv)}")
    except (pipeline.GradingError, OSError) as error:
        _stop(str(error))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where to set up the example course; emptied first.")] = Path(
        "build/demo"
    ),
) -> None:
    """Grade a small example class: release, ten submissions, feedback, grades, gradebook."""
    from course_utils.grading.workers import warmed

    with warmed():
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
