"""An IPython shell that keeps what a cell shows as notebook outputs; it runs in the student's process."""

import codecs
import io
import subprocess
import sys
from types import TracebackType

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from course_utils.grading.wire import MIME_TYPES

ITEM = 200  # bytes that an output takes beside its text
MOST_FRAMES = 20  # of a traceback: IPython takes seconds for the thousand of an endless recursion
MOST_ERRORS = 5  # of one cell: more come only from code that shows tracebacks itself


class Outputs:
    """The outputs of one cell, as nbformat has them; what comes after `limit` bytes is dropped."""

    def __init__(self, limit: int):
        self.limit, self.size, self.truncated = limit, 0, False
        self.items: list[dict] = []
        self.displays: dict[str, dict] = {}  # those that may be updated
        self._clear_first = False

    def text(self, name: str, text: str) -> None:
        """More text on the stream `name`."""
        self._before_next()
        last = self.items[-1] if self.items else {}
        follows = last.get("name") == name
        room = self.limit - self.size - (0 if follows else ITEM)
        if len(text) > room:
            text, self.truncated = text[: max(room, 0)], True
        if not text:
            return
        self.size += len(text) + (0 if follows else ITEM)
        if follows:
            last["parts"].append(text)
        else:
            self.items.append({"output_type": "stream", "name": name, "parts": [text]})

    def rich(self, output_type: str, data: dict, *, display_id: str | None = None, update=False, **more) -> None:
        """A picture, a table or a result; with `update` it takes the place of the one with the same `display_id`."""
        data = {
            kind: value if isinstance(value, str) else _base64(value)
            for kind, value in data.items()
            if kind in MIME_TYPES and isinstance(value, str | bytes)
        }
        size = _size(data)
        if update:
            shown = self.displays.get(display_id)
            if shown is not None and self._takes(size - _size(shown["data"])):
                shown["data"] = data
            return
        self._before_next()
        if self._takes(size + ITEM):
            self.items.append({"output_type": output_type, "data": data, "metadata": {}, **more})
            if display_id is not None:
                self.displays[display_id] = self.items[-1]

    def error(self, name: str, text: str, traceback: list[str]) -> None:
        """An exception. There is room for a few of them after all the rest."""
        self._before_next()
        if sum(item["output_type"] == "error" for item in self.items) >= MOST_ERRORS:
            self.truncated = True
            return
        lines = [line[:1000] for line in traceback[-50:]]
        self.items.append({"output_type": "error", "ename": name[:100], "evalue": text[:2000], "traceback": lines})

    def clear(self, wait: bool) -> None:
        """Drop all so far, or with `wait` as soon as there is more."""
        self._clear_first = True
        if not wait:
            self._before_next()

    def _before_next(self) -> None:
        if self._clear_first:
            self.items.clear()
            self.displays.clear()
            self.size, self._clear_first = 0, False

    def _takes(self, size: int) -> bool:
        if self.size + size > self.limit:
            self.truncated = True
            return False
        self.size += size
        return True

    def finish(self) -> list[dict]:
        """All of them, to be sent."""
        for item in self.items:
            if "parts" in item:
                item["text"] = "".join(item.pop("parts"))
        return self.items


def _shortened(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames in the middle of a long one."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    if len(frames) > MOST_FRAMES:
        frames = frames[: MOST_FRAMES // 2] + frames[-MOST_FRAMES // 2 :]
    for frame in reversed(frames):
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return trace


def _size(data: dict) -> int:
    return sum(map(len, data.values()))


def _base64(data: bytes) -> str:
    return codecs.encode(data, "base64").decode()


class Sink(io.RawIOBase):
    """The bytes below `sys.stdout` or `sys.stderr`: they go to the outputs of the cell that runs now."""

    def __init__(self, shell, name: str):
        self.shell, self.stream = shell, name
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def write(self, data):
        self.shell.outputs.text(self.stream, self.decoder.decode(bytes(data)))
        return len(data)


class Stream(io.TextIOWrapper):
    """`sys.stdout` or `sys.stderr`. It has no buffer, so that text, pictures and errors come in their order."""

    def __init__(self, shell, name: str):
        super().__init__(Sink(shell, name), encoding="utf-8", errors="replace", write_through=True)
        self.shell = shell

    def write(self, text):
        super().write(text[: self.shell.outputs.limit + 1])  # a huge text would take its size in memory again
        return len(text)


class _Display(DisplayPublisher):
    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        display_id = (transient or {}).get("display_id")
        self.shell.outputs.rich("display_data", data, display_id=display_id, update=update)

    def clear_output(self, wait=False):
        self.shell.outputs.clear(wait)


class _Result(DisplayHook):
    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.outputs.rich("execute_result", format_dict, execution_count=self.prompt_count)

    def finish_displayhook(self):
        pass


class Shell(InteractiveShell):
    """Runs cells as a notebook does, without a terminal, a history file or a kernel's sockets."""

    displayhook_class = Type(_Result)
    display_pub_class = Type(_Display)

    def __init__(self):
        self.outputs = Outputs(0)
        options = {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
        super().__init__(config=Config(options))

    def system(self, command):
        """`!command`: os.system would write past the outputs."""
        command = self.var_expand(command, depth=1)
        done = subprocess.run(command, shell=True, capture_output=True, encoding="utf-8", errors="replace")
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        self.user_ns["_exit_code"] = done.returncode

    def showtraceback(self, exc_tuple=None, *args, **kwargs):
        kind, value, trace = self._get_exc_info(exc_tuple)
        super().showtraceback((kind, value, _shortened(trace)), *args, **kwargs)

    def _format_exception_for_storage(self, *args, **kwargs):
        """Nothing: every traceback would be formatted twice, for a history that ends with the process."""
        return []

    def _showtraceback(self, kind, value, lines):
        try:
            text = str(value)
        except Exception:
            text = ""
        self.outputs.error(kind.__name__, text, [line for part in lines for line in part.split("\n")])

    def enable_gui(self, gui=None):
        pass

    def ask_exit(self):
        """`exit()`: the cells after it are graded all the same."""
