"""Folders and a local server for the tests of the data sets: no test touches the user's cache or the network."""

import functools
import http.server
import threading
from pathlib import Path

import pytest

from course_utils.data import data_folders


@pytest.fixture
def real_root():
    """A function from a relative path to the first data folder that holds it; skips where none does."""

    folders = data_folders()  # now: another fixture may hide them

    def folder_with(relative: str) -> Path:
        for folder in folders:
            if (folder / relative).exists():
                return folder
        pytest.skip(f"the real data set {relative} is in none of {', '.join(map(str, folders))}")

    return folder_with


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and no other folder to find data in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "nothing-here"))
    return tmp_path / "cache" / "dgm-course"


@pytest.fixture
def server(tmp_path):
    """(folder, url): what is put into the folder is served at the url, on this machine only."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def copyfile(self, source, outputfile):
            """Serve NAME in full, or, where there is a NAME.cut, promise NAME and send NAME.cut."""
            cut = Path(source.name + ".cut")
            outputfile.write(cut.read_bytes() if cut.exists() else source.read())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_address[1]}/"
        httpd.shutdown()
        thread.join()


@pytest.fixture
def snapshot():
    """A function from a folder to the relative path and content of each file in it."""

    def files_of(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return files_of
