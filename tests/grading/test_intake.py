"""Reading the folder that a student handed in: what is taken, what is left out, and what is said of it."""

import os
import socket

import pytest

from course_utils.grading import intake, pipeline

NAME = "tiny"


@pytest.fixture
def course(tmp_path):
    return pipeline.Course(tmp_path)


@pytest.fixture
def folder(course):
    path = course.root / "submitted" / "ada" / NAME
    path.mkdir(parents=True)
    return path


def taken(course) -> tuple[list[str], list[str]]:
    """The names of the files that were taken, and the kinds of the notes."""
    submission, notes = intake.collect(course, NAME, "ada")
    return sorted(submission.files), [note.kind for note in notes]


def write(path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_all_regular_files_with_their_folders(course, folder):
    write(folder / "tiny.ipynb", b"{}")
    write(folder / "data" / "points.csv", b"1,2")
    submission, notes = intake.collect(course, NAME, "ada")
    assert submission.files == {"tiny.ipynb": b"{}", "data/points.csv": b"1,2"}
    assert (submission.assignment, submission.student, submission.timestamp) == (NAME, "ada", None)
    assert notes == []


def test_hidden_files_and_caches_are_left_out_silently(course, folder):
    for name in (".DS_Store", ".git/config", "__pycache__/a.pyc", "__MACOSX/._tiny.ipynb", "a/.ipynb_checkpoints/b"):
        write(folder / name)
    assert taken(course) == ([], [])


def test_links_are_not_followed(course, folder):
    other = course.root / "submitted" / "bob" / NAME / "tiny.ipynb"
    write(other, b"somebody else's")
    (folder / "tiny.ipynb").symlink_to(other)
    (folder / "more").symlink_to(other.parent)
    (folder / "gone").symlink_to(folder / "nowhere")
    write(folder / "mine.txt")
    submission, notes = intake.collect(course, NAME, "ada")
    assert list(submission.files) == ["mine.txt"]
    (note,) = notes
    assert note.kind == "unreadable"
    assert "'gone', 'more', 'tiny.ipynb'" in note.text


def test_a_folder_that_is_a_link_is_not_followed(course, folder):
    other = course.root / "submitted" / "bob" / NAME
    write(other / "tiny.ipynb")
    folder.rmdir()
    folder.symlink_to(other)
    assert taken(course) == ([], ["unreadable"])


def test_a_file_that_becomes_a_link_or_a_pipe_after_the_listing(course, folder, monkeypatch):
    write(course.root / "gradebook.db", b"secret")
    link, pipe = folder / "link", folder / "pipe"
    link.symlink_to(course.root / "gradebook.db")
    os.mkfifo(pipe)
    monkeypatch.setattr(intake, "_walk", lambda folder: iter([(link, ""), (pipe, "")]))
    assert taken(course) == ([], ["unreadable", "unreadable"])


def test_pipes_and_sockets_do_not_stop_the_grader(course, folder):
    os.mkfifo(folder / "tiny.ipynb")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket"))
        assert taken(course) == ([], ["unreadable"])


def test_a_folder_named_like_the_notebook(course, folder):
    write(folder / "tiny.ipynb" / "tiny.ipynb")
    assert taken(course) == (["tiny.ipynb/tiny.ipynb"], [])


def test_what_may_not_be_read_is_named(course, folder, monkeypatch):
    write(folder / "tiny.ipynb")
    write(folder / "b.txt")
    write(folder / "locked" / "c.txt")
    opened, listed = os.open, os.scandir

    def refuse(path, *arguments, **options):
        if str(path).endswith(("tiny.ipynb", "locked")):
            raise PermissionError(13, "Permission denied", str(path))
        return (listed if os.path.isdir(path) else opened)(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    submission, notes = intake.collect(course, NAME, "ada")
    assert list(submission.files) == ["b.txt"]
    assert [note.kind for note in notes] == ["unreadable"]
    assert "'locked', 'tiny.ipynb'" in notes[0].text


def test_files_beyond_the_limits_are_left_out(course, folder, monkeypatch):
    monkeypatch.setattr(intake, "MAX_FILE", 100)
    monkeypatch.setattr(intake, "MAX_TOTAL", 300)
    write(folder / "a.bin", b"a" * 101)
    write(folder / "b.bin", b"b" * 100)
    write(folder / "c.bin", b"c" * 100)
    write(folder / "tiny.ipynb", b"{" * 150)  # figures may make it larger than other files, and it comes first
    submission, notes = intake.collect(course, NAME, "ada")
    assert sorted(submission.files) == ["b.bin", "tiny.ipynb"]
    assert [note.kind for note in notes] == ["too-large"]
    assert "'a.bin', 'c.bin'" in notes[0].text
    assert notes[0].is_alarm


def test_a_file_that_grows_while_it_is_read(course, folder, monkeypatch):
    write(folder / "a.bin", b"a" * 101)
    monkeypatch.setattr(intake, "MAX_FILE", 100)
    size = os.fstat

    def as_it_was(descriptor):
        return os.stat_result((*size(descriptor)[:6], 100, 0, 0, 0))

    monkeypatch.setattr(os, "fstat", as_it_was)
    assert taken(course) == ([], ["too-large"])


def test_too_many_files_and_folders(course, folder, monkeypatch):
    monkeypatch.setattr(intake, "MAX_FILES", 3)
    monkeypatch.setattr(intake, "MAX_DEPTH", 2)
    write(folder / "x" / "y" / "z" / "deep.txt")
    for number in range(9):
        write(folder / "x" / f"{number}.txt")
    write(folder / "tiny.ipynb")
    submission, notes = intake.collect(course, NAME, "ada")
    assert sorted(submission.files) == ["tiny.ipynb", "x/0.txt", "x/1.txt"]
    (note,) = notes
    assert note.kind == "too-large"
    assert note.text.endswith("'x/2.txt', 'x/3.txt', 'x/4.txt' and 5 more.")


def test_names_that_are_no_utf8(course, folder):
    write(folder / os.fsdecode(b"gr\xf6sse.txt"))
    submission, notes = intake.collect(course, NAME, "ada")
    assert list(submission.files) == ["gr\ufffdsse.txt"]
    assert notes == []
    assert len(submission.digest()) == 64


@pytest.mark.parametrize(
    ("content", "due"),
    [
        (b"2026-11-02 15:58:23.948203 UTC\n", "2026-11-02 15:58:23.948203 UTC"),
        (b"2026-11-02 15:58:23 +0100", "2026-11-02 15:58:23 +0100"),
        (b"2026-11-02T15:58:23Z", "2026-11-02T15:58:23Z"),
        (b"", None),
    ],
)
def test_the_time_of_handing_in(course, folder, content, due):
    write(folder / "timestamp.txt", content)
    submission, notes = intake.collect(course, NAME, "ada")
    assert submission.timestamp == due
    assert submission.files["timestamp.txt"] == content
    assert notes == []


@pytest.mark.parametrize(
    "content",
    [
        b"yesterday",
        b"\xff\xfe",
        b"9" * 59,
        b"1 " * 10**6,
        b"2026-01-01 00:00:00 /etc/passwd",
        b"2026-13-01 00:00:00 UTC",
        b"2026-01-01 00:00:00 ..",
    ],
)
def test_a_time_that_cannot_be_read_is_named(course, folder, content):
    write(folder / "timestamp.txt", content)
    submission, notes = intake.collect(course, NAME, "ada")
    assert submission.timestamp is None
    assert [note.kind for note in notes] == ["unreadable"]


@pytest.mark.parametrize("name", ["", ".", "..", "../ada", "a/b", "a\0b"])
def test_names_that_leave_the_folder_are_refused(course, folder, name):
    with pytest.raises(ValueError, match="name of one folder"):
        intake.collect(course, NAME, name)
    with pytest.raises(ValueError, match="name of one folder"):
        intake.collect(course, name, "ada")


def test_who_has_not_handed_in(course, folder):
    with pytest.raises(FileNotFoundError, match="bob has not handed in tiny"):
        intake.collect(course, NAME, "bob")
    write(course.root / "submitted" / "eve" / NAME)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        intake.collect(course, NAME, "eve")
