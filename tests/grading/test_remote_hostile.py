"""A student who takes over their own process: the grader refuses what comes, in time, and gives no points for it."""

import contextlib
import time

import pytest
import torch

from course_utils import checks
from course_utils.checks.failures import Failure
from course_utils.grading.sandbox import RemoteRaised, SandboxDied
from tests.grading.student_process import Student

SECONDS = 3.0

WRONG = """
def gaussian_kl(mu, logvar):
    {first}
    return torch.zeros(len(mu))
"""

# The line to the grader, as a student may find it.
LINE = """
import gc, json, os, socket, stat, struct, threading, time

def line():
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return socket.socket(fileno=os.dup(number))
        except OSError:
            pass

def message(header, body=b"", length=None, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(body) if size is None else size
    return struct.pack("!IQ", len(text) if length is None else length, size) + text + body

RIGHT = {"value": None, "changed": [], "modules": [], "generators": [], "buffers": []}
(agent,) = {type(thing) for thing in gc.get_objects() if type(thing).__name__ == "Agent"}
"""


@pytest.fixture
def student():
    with Student(seconds=SECONDS) as student:
        assert student.run(LINE)["error"] is None
        yield student


def judged(student, function):
    """The report on a function, which must come in time."""
    started = time.monotonic()
    report = checks.vae.gaussian_kl.at_grading(function)
    assert time.monotonic() - started < 3 * SECONDS + 10  # the last part is what a busy machine may take
    return report


def test_the_line_can_be_found(student):
    student.run("found = line() is not None")
    assert student.look_up("found") is True


WRITES = {
    "noise": ("os.urandom(100_000)", {"tampered", "output"}),
    "zeros": ("bytes(100_000)", {"tampered"}),
    "no JSON": ('message(b"{")', {"tampered"}),
    "deep JSON": ('message(b"[" * 1_000_000)', {"tampered"}),
    "a list": ('message([])', {"tampered"}),
    "no buffers": ('message({"value": 1})', {"tampered"}),
    "many buffers": ('message(b\'{"buffers": [\' + b"0," * 1_000_000 + b"0]}")', {"tampered"}),
    "sizes that lie": ('message({"buffers": [10]}, b"123")', {"tampered"}),
    "a vast header": ('message({}, length=2**32 - 1)', {"output"}),
    "a vast body": ('message({}, size=2**63)', {"output"}),
    "an empty answer": ('message({"buffers": []})', {"tampered"}),
    "another answer": ('message({"buffers": [], "outputs": [], "error": None})', {"tampered"}),
    "a vast tensor": (
        'message(RIGHT | {"value": {"tensor": 0, "dtype": "float64", "shape": [2**40]}, "buffers": [8]}, bytes(8))',
        {"tampered"},
    ),
    "no such number": ('message(RIGHT | {"value": {"tensor": 7, "dtype": "float64", "shape": [1]}})', {"tampered"}),
    "pickled": ('message(RIGHT | {"value": {"__reduce__": ["os.system", "true"]}})', {"tampered"}),
    "changes that are none": ('message(RIGHT | {"changed": [[99, None]]})', {"tampered"}),
    "an argument of another kind": ('message(RIGHT | {"changed": [[0, "text"]]})', {"tampered"}),
    "networks that are none": ('message(RIGHT | {"modules": [{}]})', {"tampered"}),
    "generators that are none": ('message(RIGHT | {"generators": [3]})', {"tampered"}),
    "an exception that is none": ('message({"raised": 3, "buffers": []})', {"tampered"}),
    "an exception of odd fields": (
        'message({"raised": {"kind": [1], "text": {}, "first": 3, "last": None}, "buffers": []})',
        {"tampered"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "mistakes"), WRITES.values(), ids=WRITES)
def test_what_a_student_writes_on_the_line_is_refused(student, data, mistakes):
    student.run(WRONG.format(first=f"line().sendall({data}); time.sleep(20)"))
    report = judged(student, student.look_up("gaussian_kl"))
    assert report.fraction == 0
    assert report.mistake in mistakes
    assert student.sandbox.dead.kind == report.mistake


def test_answers_that_were_not_asked_for_do_not_help(student):
    student.run(WRONG.format(first="pass"))
    function = student.look_up("gaussian_kl")
    forged = """
    value = {"tensor": 0, "dtype": "float32", "shape": [5], "requires_grad": False}
    for _ in range(1000):
        line().sendall(message(RIGHT | {"value": value, "buffers": [20]}, bytes(20)))
    """
    answer = student.run(forged, seconds=SECONDS)
    assert answer["value"]["shape"] == [5]  # it came before the cell's own: from now on the line is out of step
    report = judged(student, function)
    assert report.fraction == 0


def test_a_line_that_is_closed_is_a_crash(student):
    student.run(WRONG.format(first="line().shutdown(socket.SHUT_RDWR); time.sleep(20)"))
    report = judged(student, student.look_up("gaussian_kl"))
    assert report.fraction == 0
    assert report.mistake == "crash"


def test_an_answer_in_drips_ends_in_time(student):
    drips = "line().sendall(struct.pack('!IQ', 1000, 0)); [line().sendall(b' ') or time.sleep(0.1) for _ in range(999)]"
    student.run(WRONG.format(first=drips))
    report = judged(student, student.look_up("gaussian_kl"))
    assert (report.fraction, report.mistake) == (0, "endless")


def test_a_process_that_does_not_listen_is_given_up(student):
    # It neither reads nor answers, while the grader sends more than the line holds.
    student.run("def f(x):\n    time.sleep(60)")
    function = student.look_up("f")
    with pytest.raises(SandboxDied) as caught:
        function(torch.zeros(4_000_000))
    assert caught.value.kind == "timeout"


PATCHES = {
    "numpy": "torch.Tensor.numpy = lambda *_: 1 / 0",
    "numpy of ones": "import numpy as np\ntorch.Tensor.numpy = lambda self, *_: np.zeros(8)",
    "json.dumps": "json.dumps = lambda *_, **__: 'text'",
    "json.loads": "json.loads = lambda *_, **__: {}",
    "isinstance": "import builtins\nbuiltins.isinstance = lambda *_: True",
    "type": "import builtins\nbuiltins.type = lambda *_: int",
    "len": "import builtins\nbuiltins.len = lambda *_: 0",
    "repr": "import builtins\nbuiltins.repr = None",
    "socket": "socket.socket.sendall = lambda *_: None",
    "struct": "struct.Struct.pack = lambda *_: b''" ,
    "allclose": "torch.allclose = torch.equal = torch.Tensor.allclose = lambda *_, **__: True",
    "comparisons": "torch.Tensor.__eq__ = torch.Tensor.__ne__ = torch.Tensor.__lt__ = lambda *_: True",
    "grad": "torch.autograd.grad = lambda outputs, inputs, **_: inputs",
    "generators": "torch.get_rng_state = lambda: torch.zeros(1, dtype=torch.uint8)",
    "inspect": "import inspect\ninspect.signature = lambda *_: 3",
    "threads": (
        "def shout():\n    while True: line().sendall(message(RIGHT))\n"
        "threading.Thread(target=shout, daemon=True).start()"
    ),
    "profile": "import sys\nsys.setprofile(lambda *_: None); sys.settrace(lambda *_: None)",
    "answer": """
def patched(*_):
    return {"value": 0.0, "changed": [], "modules": [], "generators": []}, []
agent.do_call = patched""",
}  # fmt: skip


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_patches_in_the_students_process_earn_nothing(student, patch):
    student.run(WRONG.format(first="pass"))
    function = student.look_up("gaussian_kl")
    with contextlib.suppress(SandboxDied, RemoteRaised):
        student.run(patch, seconds=SECONDS)
    assert judged(student, function).fraction == 0


@pytest.mark.parametrize("patch", ["allclose", "comparisons", "profile", "inspect"])
def test_a_right_answer_beside_patches_that_do_not_touch_it_counts(student, patch):
    student.run("def gaussian_kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)")
    function = student.look_up("gaussian_kl")
    student.run(PATCHES[patch])
    assert judged(student, function).passed


@pytest.mark.parametrize(
    "answer",
    [
        *('{"kind": "function"}', '{"kind": "surprise"}', "{}", '{"kind": "value"}', '{"kind": "module"}'),
        '{"kind": "function", "signature": [["a b", "VAR_KEYWORD", False, None]]}',
        '{"kind": "function", "signature": [["a", "SURPRISE", False, None]]}',
        '{"kind": "function", "signature": [["a", "VAR_KEYWORD", True, None]]}',
        '{"kind": "function", "signature": [["a", "KEYWORD_ONLY", True, {"odd": 1}]]}',
        '{"kind": "function", "signature": [3]}',
        '{"kind": "class", "signature": None}',
        '{"kind": "value", "value": {"tensor": 0, "dtype": "float64", "shape": [2**40]}}',
    ],
)
def test_lies_about_a_name_are_refused(student, answer):
    student.run(f"agent.do_describe = lambda *_: ({answer}, [])")
    with pytest.raises(SandboxDied) as caught:
        student.look_up("gaussian_kl")
    assert caught.value.kind == "tampered"


TENSOR = '{"tensor": 0, "dtype": %r, "shape": %s}'


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        *(("[]", "tampered"), ("[None, None, None]", "tampered"), ("3", "tampered"), ("{}", "tampered")),
        *(
            (f"[{TENSOR % ('float32', [1])}] * 2", "tampered"),
            (f"[{TENSOR % ('complex64', [5, 3])}, None]", "tampered"),
        ),
        *(("[None, None]", "detached"), ("['a', 'b']", "tampered")),
    ],
)
def test_gradients_that_lie_are_refused_or_wrong(student, value, mistake):
    student.run("def gaussian_kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)")
    student.run(f"agent.do_vjp = lambda *_: ({{'value': {value}}}, [bytes(120 if 'complex64' in {value!r} else 4)])")
    report = judged(student, student.look_up("gaussian_kl"))
    assert report.fraction < 1
    assert report.mistake == mistake


@pytest.mark.parametrize(
    "state",
    [
        *("{}", "3", "{'training': []}"),
        "{'training': [['a.' * 10_000, True]], 'parameters': [], 'tied': [], 'buffers': []}",
        "{'training': [['', True]], 'parameters': [['layer.weight', 3, 3, 3]], 'tied': [], 'buffers': []}",
        "{'training': [['', True]], 'parameters': [], 'tied': [['weight', 'nowhere']], 'buffers': []}",
    ],
)
def test_a_network_that_lies_about_its_state_is_refused(student, state):
    source = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            return self.layer(x)
    """
    student.run(source)
    network = student.look_up("Net")()
    student.run(f"agent.do_call.__globals__['module_state'] = lambda *_: {state}")
    with pytest.raises(SandboxDied) as caught:
        network(torch.ones(1, 2))
    assert caught.value.kind == "tampered"


def test_failures_of_a_dead_process_are_failures_of_the_check(student):
    student.run("import os\ndef f():\n    os._exit(3)")
    function = student.look_up("f")
    calls = function.remote_calls
    with calls, pytest.raises(Failure) as caught:
        calls.run(function, "your function")
    assert caught.value.mistake == "crash"
    calls.seed(3)
    with pytest.raises(Failure):
        calls.generator_states()
