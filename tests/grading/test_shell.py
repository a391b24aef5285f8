"""What cells show at grading is what they show in a notebook, within limits."""

import base64
import json
import socket
import threading

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.grading.limits import Limits
from course_utils.grading.shell import ITEM, MOST_ERRORS, Outputs
from course_utils.grading.wire import receive, send
from tests.grading.student_process import Student


def shown(answer):
    """The outputs, each as (kind, text)."""
    texts = []
    for output in answer["outputs"]:
        match output["output_type"]:
            case "stream":
                texts.append((output["name"], output["text"]))
            case "error":
                texts.append(("error", f"{output['ename']}: {output['evalue']}"))
            case kind:
                data = output["data"]
                texts.append((kind, data.get("text/html") or data["text/plain"]))
    return texts


CELLS = {
    "print": ("print('a'); print('b', end='')", [("stdout", "a\nb")]),
    "result": ("1\n2", [("execute_result", "2")]),
    "no result": ("2;", []),
    "nothing": ("", []),
    "comment": ("# only a comment", []),
    "in their order": (
        "import sys\nprint(1); print(2, file=sys.stderr); print(3); display(4); print(5); 6",
        [
            *(("stdout", "1\n"), ("stderr", "2\n"), ("stdout", "3\n")),
            *(("display_data", "4"), ("stdout", "5\n"), ("execute_result", "6")),
        ],
    ),
    "html": ("from IPython.display import HTML\nHTML('<b>x</b>')", [("execute_result", "<b>x</b>")]),
    "raw": ("display({'text/plain': 'raw', 'application/x-odd': 'no'}, raw=True)", [("display_data", "raw")]),
    "error": ("print(1)\n1 / 0\nprint(2)", [("stdout", "1\n"), ("error", "ZeroDivisionError: division by zero")]),
    "own error": (
        "class Dumb(Exception):\n    def __str__(self): return 'dumb'\nraise Dumb",
        [("error", "Dumb: dumb")],
    ),
    "assertion": ("assert 1 == 2, 'differs'", [("error", "AssertionError: differs")]),
    "keyboard interrupt": ("raise KeyboardInterrupt", [("error", "KeyboardInterrupt: ")]),
    "input": ("input('name? ')", [("stdout", "name? "), ("error", "EOFError: EOF when reading a line")]),
    "shell": ("!echo hi; echo err >&2; exit 3", [("stdout", "hi\n"), ("stderr", "err\n")]),
    "shell with a value": (
        "word = 'hi'\n!echo {word} $word\n_exit_code",
        [("stdout", "hi hi\n"), ("execute_result", "0")],
    ),
    "shell to a name": ("lines = !echo one; echo two\nlines[1]", [("execute_result", "'two'")]),
    "odd bytes of the shell": (r"!printf '\377'", [("stdout", "\ufffd")]),
    "bash": ("%%bash\necho from bash", [("stdout", "from bash\n")]),
    "await": ("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", [("stdout", "awaited\n")]),
    "bytes": (
        "import sys\nsys.stdout.buffer.write(b'a\\xc3'); sys.stdout.buffer.write(b'\\xa4\\xff')\nprint()",
        [("stdout", "aä\ufffd\n")],
    ),
    "lone surrogates": ("print('\\ud800')", [("stdout", "?\n")]),
    "captured": ("%%capture cap\nprint(1)", []),
    "redirected": (
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as f: print(1)\nf.getvalue()",
        [("execute_result", "'1\\n'")],
    ),
    "logging": ("import logging\nlogging.warning('careful')", [("stderr", "WARNING:root:careful\n")]),
    "cleared": (
        "from IPython.display import clear_output\nprint(1); clear_output(); print(2)",
        [("stdout", "2\n")],
    ),
    "cleared when there is more": (
        "from IPython.display import clear_output\nprint(1); clear_output(wait=True)",
        [("stdout", "1\n")],
    ),
    "cleared as there was more": (
        "from IPython.display import clear_output\nprint(1); clear_output(wait=True); print(2); print(3)",
        [("stdout", "2\n3\n")],
    ),
    "updated": (
        "shown = display('one', display_id=True); print('x'); shown.update('two')",
        [("display_data", "'two'"), ("stdout", "x\n")],
    ),
    "updated elsewhere": ("shown.update('three')", []),
    "get_ipython": ("get_ipython().run_cell('print(1)').success", [("stdout", "1\n"), ("execute_result", "True")]),
    "exit": ("exit()", []),
    "quit": ("quit", []),
    "threads": (
        "import threading\nthread = threading.Thread(target=print, args=('there',)); thread.start(); thread.join()",
        [("stdout", "there\n")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), CELLS.values(), ids=CELLS)
def test_a_cell_shows(student, source, expected):
    answer = student.run(source)
    assert shown(answer) == expected
    assert not answer["truncated"]
    notebook = new_notebook(cells=[new_code_cell(source)])
    notebook.cells[0].outputs = [nbformat.from_dict(output) for output in answer["outputs"]]
    nbformat.validate(notebook)


def test_an_error_shows_its_traceback_and_is_told(student):
    answer = student.run("def f(x):\n    return x / 0\n\nf(1)")
    traceback = "\n".join(answer["outputs"][0]["traceback"])
    assert "----> 2     return x / 0" in traceback
    assert "\x1b" not in traceback
    assert answer["error"]["kind"] == "ZeroDivisionError"
    assert answer["error"]["first"] == {"number": 4, "function": "<module>", "source": "f(1)"}
    assert answer["error"]["last"] == {"number": 2, "function": "f", "source": "return x / 0"}


def test_a_syntax_error_is_shown_and_told(student):
    answer = student.run("x = 1\ndef f(:\n    pass")
    assert answer["outputs"][0]["ename"] == "SyntaxError"
    assert "def f(:" in "\n".join(answer["outputs"][0]["traceback"])
    assert answer["error"]["kind"] == "SyntaxError"


def test_leaving_the_program_ends_the_cell_only(student):
    answer = student.run("print(1)\nimport sys\nsys.exit(3)\nprint(2)")
    assert answer["error"]["kind"] == "SystemExit"
    assert answer["error"]["leaves"]
    assert ("stdout", "1\n") in shown(answer)
    assert ("error", "SystemExit: 3") in shown(answer)
    assert shown(student.run("3")) == [("execute_result", "3")]


@pytest.mark.parametrize("source", ["%time sum(range(3))", "%%time\nsum(range(3))"])
def test_timing_shows_time_and_result(student, source):
    answer = student.run(source)
    assert [kind for kind, _ in shown(answer)] == ["stdout", "execute_result"]
    assert "Wall time" in answer["outputs"][0]["text"]


def test_figures_come_as_pictures(student):
    plot = "import matplotlib.pyplot as plt\nplt.figure(); plt.plot([1, 2]); print('drawn')"
    for source in (plot, f"%matplotlib inline\n{plot}\nplt.show()", plot):
        answer = student.run(source)
        assert [output["output_type"] for output in answer["outputs"]] == ["stream", "display_data"]
        picture = base64.b64decode(answer["outputs"][1]["data"]["image/png"])
        assert picture.startswith(b"\x89PNG")
        assert answer["error"] is None
    assert shown(student.run("len(plt.get_fignums())")) == [("execute_result", "0")]


def test_a_progress_bar_goes_to_stderr(student):
    answer = student.run("from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass")
    assert {kind for kind, _ in shown(answer)} == {"stderr"}
    assert "3/3" in answer["outputs"][-1]["text"]


def test_a_warning_goes_to_stderr(student):
    answer = student.run("import warnings\nwarnings.warn('careful')")
    ((kind, text),) = shown(answer)
    assert kind == "stderr"
    assert "UserWarning: careful" in text


def test_the_history_of_results_is_there():
    with Student() as student:  # one in which no cell has used the name `_`
        student.run("6 * 7")
        assert shown(student.run("_ + 1")) == [("execute_result", "43")]
        assert shown(student.run("Out[max(Out)], In[-2]")) == [("execute_result", "(43, '_ + 1')")]


def test_names_survive_from_cell_to_cell_and_files_too(student):
    student.run("%%writefile module.py\nanswer = 42")
    assert shown(student.run("import module\nmodule.answer, __name__")) == [("execute_result", "(42, '__main__')")]


def test_text_between_the_cells_belongs_to_none(student):
    source = """
    import threading
    go, done = threading.Event(), threading.Event()

    def speak():
        go.wait()
        print("between the cells" * 1000)
        done.set()

    threading.Thread(target=speak).start()
    def f():
        go.set()
        return done.wait(30)
    """
    student.run(source)
    assert student.look_up("f")() is True
    assert shown(student.run("print('next')")) == [("stdout", "next\n")]


def test_prints_of_functions_that_a_check_calls_are_dropped(student):
    student.run("def f():\n    print('x' * 10_000_000)\n    return 1")
    assert student.look_up("f")() == 1
    assert student.run("")["outputs"] == []


@pytest.mark.parametrize("source", ["sys.stdout = sys.stderr = None", "sys.stdout.close()", "del sys.stdout"])
def test_a_stream_that_a_cell_broke_is_whole_in_the_next(student, source):
    student.run(f"import sys\n{source}")
    assert shown(student.run("print(1)")) == [("stdout", "1\n")]


# Limits.

FLOODS = {
    "one line": "print('x' * 50_000_000)",
    "many lines": "for _ in range(300_000): print('x' * 100)",
    "two streams": "import sys\nfor n in range(100_000): print(n, file=(sys.stdout, sys.stderr)[n % 2])",
    "displays": "for n in range(20_000): display({'text/plain': ''}, raw=True)",
    "pictures": "for n in range(100): display({'image/png': bytes(10**6)}, raw=True)",
    "a result": "'x' * 10_000_000",
    "updates": "h = display('', display_id=True)\nfor n in range(100): h.update('x' * n * 10_000)",
    "shell": "!head -c 20000000 /dev/zero | tr '\\0' x",
    "tracebacks": "for _ in range(500):\n    try: 1 / 0\n    except Exception: get_ipython().showtraceback()",
    "a long message": "raise ValueError('x' * 10_000_000)",
    "deep recursion": "def f(): f()\nf()",
    "tables": "display({'text/html': '\\x00' * 90_000}, raw=True); display({'text/html': '<b>' * 40_000}, raw=True)",
}  # fmt: skip


@pytest.mark.parametrize("source", FLOODS.values(), ids=FLOODS)
def test_a_flood_is_cut_off(student, source):
    answer = student.run(source, limit=100_000)
    assert answer["truncated"] is (source not in (FLOODS["a long message"], FLOODS["deep recursion"]))
    assert len(json.dumps(answer["outputs"])) < 1_500_000
    assert shown(student.run("print('next')")) == [("stdout", "next\n")]


def test_what_came_before_the_flood_is_kept_and_an_error_after_it_is_shown(student):
    answer = student.run("print('first'); print('x' * 1000)\nprint('more')\n1 / 0", limit=ITEM + 500)
    (_, text), error = shown(answer)
    assert text.startswith("first\nxxx")
    assert len(text) == 500
    assert error == ("error", "ZeroDivisionError: division by zero")
    assert answer["truncated"]


def test_clearing_makes_room_again(student):
    source = "from IPython.display import clear_output\nfor n in range(50):\n    clear_output(); print(n, 'x' * 1000)"
    answer = student.run(source, limit=5_000)
    assert not answer["truncated"]
    assert answer["outputs"][0]["text"].startswith("49 x")


def test_the_usual_limit_fits_into_a_message():
    for character in ("\U0001f600", "\ud800", "\0"):
        outputs = Outputs(Limits().output)
        outputs.text("stdout", character * 2_000_000)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            thread = threading.Thread(target=send, args=(ours, {"outputs": outputs.finish()}))
            thread.start()
            header, _ = receive(theirs, largest=0)
            thread.join()
        assert len(header["outputs"][0]["text"]) == Limits().output - ITEM


def test_errors_are_few_and_short():
    outputs = Outputs(0)
    for n in range(20):
        outputs.error("E" * 1000, "t" * 10_000, [f"{n} " + "x" * 10_000] * 1000)
    errors = outputs.finish()
    assert len(errors) == MOST_ERRORS
    assert outputs.truncated
    assert [len(errors[0][name]) for name in ("ename", "evalue", "traceback")] == [100, 2000, 50]
    assert {len(line) for line in errors[0]["traceback"]} == {1000}
