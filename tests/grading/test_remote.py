"""A student's functions called, differentiated and judged from another process: all as with local ones."""

import importlib
import inspect
import math
import random

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.checks.core import Trial
from course_utils.checks.failures import Failure
from course_utils.grading.remote import Undefined
from course_utils.grading.sandbox import RemoteRaised, SandboxDied
from course_utils.grading.wire import Opaque
from tests.answers.bank import answers
from tests.grading.student_process import Student

pytestmark = pytest.mark.usefixtures("seed")


def pair(dtype=torch.float64, shape=(3, 4)):
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(2)]


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors_in(item)]
    return []


def assert_same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        assert_same(list(got.values()), list(expected.values()))
    elif isinstance(expected, torch.Tensor):
        assert (got.dtype, got.requires_grad) == (expected.dtype, expected.requires_grad)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
    elif isinstance(expected, np.ndarray | np.generic):
        np.testing.assert_array_equal(got, expected, strict=True)
    else:
        assert got == expected or (got != got and expected != expected)


def gradients(value, inputs):
    """Of a weighted sum of all tensors in `value` that carry a gradient."""
    carrying = [tensor for tensor in tensors_in(value) if tensor.requires_grad]
    total = sum(
        (tensor * (n + 1) * torch.arange(1, tensor.numel() + 1).reshape(tensor.shape)).sum()
        for n, tensor in enumerate(carrying)
    )
    return torch.autograd.grad(total, inputs, allow_unused=True)


# Values and gradients.

FUNCTIONS = {
    "product": "return x**3 * y",
    "unused": "return x * 2",
    "reduced": "return (x * y).sum(-1)",
    "scalar": "return torch.logsumexp(x - y, (0, 1))",
    "itself": "return x",
    "views": "return x[1:], y.mT, x.expand(2, *x.shape)",
    "nested": "return [x * y, (y.exp(), 3, [x]), {'a': x.sum(), 2: (y,)}]",
    "twice": "z = x * y; return z, z",
    "partly detached": "return x.detach() * y, x.sign().detach()",
    "other types": "return x * y, x > 0, (10 * x).long(), torch.tensor([True])",
    "mixed precision": "return x.float() * y.double()",
    "own leaf beside": "return x * torch.ones(x.shape[-1], requires_grad=True)",
    "in place": "z = x * 1; z *= y; z[0] = 0; return z",
    "not finite": "return (x / 0) * y, torch.full((2,), math.nan)",
    "library": "return F.layer_norm(x, x.shape[-1:]) @ y.mT",
    "complex": "return torch.fft.fft(x * y).abs()",
    "custom": "return Clamped.apply(x) * y",
}  # fmt: skip


SOURCE = """
import math

class Clamped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, weights):
        return 3 * weights

def f(x, y):
"""


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
def test_value_and_gradients_equal_the_local_ones(student, text, dtype, shape):
    remote, local = student.define(f"{SOURCE}    {text}", "f")
    inputs = pair(dtype, shape)
    got, expected = remote(*inputs), local(*inputs)
    assert_same(got, expected)
    if any(tensor.requires_grad for tensor in tensors_in(expected)):
        assert_same(gradients(got, inputs), gradients(expected, inputs))


@pytest.mark.parametrize(
    "result",
    [
        *("None", "True", "3", "-2.5", "float('nan')", "float('inf')", "'text'", "[]", "()", "{}", "(1, [2, (None,)])"),
        *("np.float64(2.5)", "np.int32(3)", "np.arange(6.0).reshape(2, 3)", "np.array(1.5)", "torch.Size([2])"),
        *(
            "torch.tensor(3)",
            "torch.zeros(0, 3)",
            "torch.ones(2, dtype=torch.bfloat16)",
            "{1: [1.5], 'a': (), None: 2}",
        ),
    ],
)
def test_other_results_arrive_as_they_are(student, result):
    remote, local = student.define(f"def f():\n    return {result}", "f")
    expected = local()
    assert_same(remote(), tuple(expected) if isinstance(expected, torch.Size) else expected)


def test_arguments_of_all_kinds_arrive(student):
    remote, _ = student.define("def f(*args, **kwargs):\n    return repr((args, kwargs))", "f")
    args = (1, 2.5, None, "a", [1, (2,)], torch.tensor([1, 2]), np.array([1.0]), math.inf)
    assert remote(*args, key={"a": True}) == repr((args, {"key": {"a": True}}))


def test_what_cannot_be_handed_over_is_an_error_of_the_check(student):
    remote, _ = student.define("def f(*args):\n    return args", "f")
    for argument, name in (
        (object(), "object"),
        (len, "builtin_function_or_method"),
        (torch.nn.Linear(2, 2), "Linear"),
    ):
        with pytest.raises(TypeError, match=f"a {name} cannot be handed to a student's function"):
            remote(argument)
    assert remote(1) == (1,)


def test_an_input_that_is_not_used_has_no_gradient(student):
    remote, _ = student.define("def f(x, y):\n    return x * 2", "f")
    x, y = pair()
    dx, dy = torch.autograd.grad(remote(x, y).sum(), [x, y], allow_unused=True)
    assert torch.equal(dx, torch.full_like(x, 2))
    assert dy is None


@pytest.mark.parametrize("text", ["x**3 * y", "torch.sin(x * y)", "torch.exp(x) / (1 + y**2)", "x**3 * y.detach()"])
def test_second_and_third_derivatives_equal_the_local_ones(student, text):
    remote, local = student.define(f"def f(x, y):\n    return {text}", "f")
    x, y = pair()

    def derivatives(f):
        first = torch.autograd.grad(f(x, y).sum(), [x, y], create_graph=True, allow_unused=True)
        total = sum((n + 1) * (g**2).sum() for n, g in enumerate(first) if g is not None)
        second = torch.autograd.grad(total, [x, y], create_graph=True, allow_unused=True)
        total = sum((n + 1) * (g * x).sum() for n, g in enumerate(second) if g is not None)
        return [*first, *second, *torch.autograd.grad(total, [x, y], allow_unused=True)]

    got, expected = derivatives(remote), derivatives(local)
    assert [g is None for g in got] == [g is None for g in expected]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradcheck_and_gradgradcheck(student):
    remote, _ = student.define("def f(x, y):\n    return x**3 * y, torch.tanh(x @ y.mT)", "f")
    inputs = pair(shape=(2, 3))
    assert torch.autograd.gradcheck(remote, inputs)
    assert torch.autograd.gradgradcheck(remote, inputs)


def test_a_call_without_inputs_that_carry_a_gradient(student):
    remote, _ = student.define("def f(x):\n    return x * torch.ones(3, requires_grad=True)", "f")
    assert remote(torch.ones(3)).requires_grad


def test_a_chain_of_remote_and_local_functions(student):
    remote, local = student.define("def f(x):\n    return torch.sin(x) * x", "f")
    x, _ = pair()
    chains = [f(f(x.exp()) * 2).sum() for f in (remote, local)]
    got, expected = (torch.autograd.grad(chain, x)[0] for chain in chains)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_graphs_are_forgotten_with_what_they_belong_to(student):
    remote, _ = student.define("def f(x):\n    return x * 2", "f")
    x, _ = pair()
    kept = remote(x)
    for _ in range(50):
        remote(x).sum().backward()
    count = "import gc\n[len(thing.graphs) for thing in gc.get_objects() if type(thing).__name__ == 'Agent'][0]"
    (output,) = student.run(count)["outputs"]
    assert int(output["data"]["text/plain"]) < 10
    assert torch.equal(torch.autograd.grad(kept.sum(), x)[0], torch.full_like(x, 2))


# Side effects.


def test_arguments_changed_in_place_are_seen(student):
    remote, local = student.define(
        "def f(x, y, z):\n    x *= 2\n    y[0] = math.nan\n    z.data = z.data.double()\n    return x.sum()", "f"
    )
    student.run("import math")
    local.__globals__["math"] = math
    base = torch.arange(12.0).reshape(3, 4)
    mine, theirs = base.clone(), base.clone()
    args = [(values[:, 1], torch.ones(2), torch.ones(1)) for values in (mine, theirs)]
    assert_same(remote(*args[0]), local(*args[1]))
    assert_same(args[0], args[1])
    assert torch.equal(mine, theirs)  # the tensor that the first argument is a view of


def test_a_leaf_cannot_be_changed_in_place_and_a_copy_can(student):
    remote, _ = student.define("def f(x):\n    return x.mul_(2) ** 2", "f")
    x, _ = pair()
    with pytest.raises(RemoteRaised, match=r"RuntimeError.*leaf Variable"):
        remote(x)
    copy = x.clone()
    result = remote(copy)
    assert torch.equal(copy, 2 * x)
    torch.testing.assert_close(torch.autograd.grad(result.sum(), x)[0], 8 * x, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("text", "touched"),
    [
        *(("pass", False), ("torch.rand(1)", True), ("np.random.rand()", True), ("random.random()", True)),
        *(("torch.manual_seed(3)", True), ("torch.rand(1, generator=torch.Generator())", False)),
        ("np.random.default_rng().normal()", False),
    ],
)
def test_touching_the_global_generators_is_seen(student, text, touched):
    remote, _ = student.define(f"import random\ndef f():\n    {text}", "f")
    calls = remote.remote_calls
    calls.seed(5)
    before = calls.generator_states()
    assert before == calls.generator_states()
    remote()
    assert (calls.generator_states() != before) is touched


def test_the_seed_decides_what_the_function_draws(student):
    remote, _ = student.define(
        "import random\ndef f():\n    return torch.rand(2), np.random.rand(), random.random()", "f"
    )
    drawn = []
    for seed in (1, 1, 2):
        remote.remote_calls.seed(seed)
        drawn.append(remote())
    assert_same(drawn[0], drawn[1])
    assert not torch.equal(drawn[0][0], drawn[2][0])
    assert drawn[0][1:] != drawn[2][1:]


def test_a_generator_is_advanced_as_by_a_local_function(student):
    remote, local = student.define("def f(n, generator):\n    return torch.randn(n, generator=generator)", "f")
    mine, theirs = (torch.Generator().manual_seed(4) for _ in range(2))
    for _ in range(3):
        assert_same(remote(3, generator=mine), local(3, generator=theirs))
    assert torch.equal(mine.get_state(), theirs.get_state())


def test_the_settings_of_the_notebook_do_not_reach_the_calls(student):
    student.run("torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)")
    remote, _ = student.define("def f(x):\n    return x * torch.ones(2)", "f")
    result = remote(torch.ones(2, requires_grad=True))
    student.run("torch.set_grad_enabled(True); torch.set_default_dtype(torch.float32)")
    assert result.requires_grad
    assert result.dtype == torch.float32


# Names.


def test_signatures_are_told_with_defaults(student):
    source = "def f(a, b, /, c=1.5, *rest, d, e='x', g=None, h=(1, 2), i=print, **more):\n    return a"
    remote, local = student.define(source, "f")
    got, expected = inspect.signature(remote), inspect.signature(local)
    assert [(p.name, p.kind) for p in got.parameters.values()] == [
        (p.name, p.kind) for p in expected.parameters.values()
    ]
    assert {name: got.parameters[name].default for name in "abcdegh"} == {
        name: expected.parameters[name].default for name in "abcdegh"
    }
    assert str(got) == str(expected)
    assert remote(1, 2, d=3) == 1
    with pytest.raises(RemoteRaised, match="missing 1 required keyword-only argument: 'd'"):
        remote(1, 2)


@pytest.mark.parametrize(
    "source",
    [
        "from functools import partial\nf = partial(lambda a, b: a + b, 1)",
        "class Adder:\n    def __call__(self, b):\n        return 1 + b\nf = Adder()",
        "f = lambda b: 1 + b",
        "f = (1).__add__",
    ],
)
def test_everything_that_can_be_called_is_a_function(student, source):
    remote, local = student.define(source, "f")
    assert remote(2) == local(2) == 3
    assert list(inspect.signature(remote).parameters) == list(inspect.signature(local).parameters)


def test_values_and_missing_names(student):
    student.run("answer = [1, torch.ones(2)]; odd = {1, 2}; f = dict.fromkeys")
    assert_same(student.look_up("answer"), [1, torch.ones(2)])
    assert isinstance(student.look_up("odd"), Opaque)
    missing = student.look_up("not_there_at_all")
    assert isinstance(missing, Undefined)
    assert not callable(missing)


def test_an_object_whose_every_operator_is_true_is_no_tensor(student):
    source = """
    class Yes:
        def __getattr__(self, name):
            return lambda *_, **__: True
        __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __ne__ = lambda self, other: True
        __add__ = __sub__ = __mul__ = __abs__ = __bool__ = __float__ = lambda self, *_: True
        __hash__ = None
        __torch_function__ = classmethod(lambda *_, **__: True)
    def gaussian_kl(mu, logvar):
        return Yes()
    """
    remote, _ = student.define(source, "gaussian_kl")
    assert isinstance(remote(1, 2), Opaque)
    report = checks.vae.gaussian_kl.at_grading(remote)
    assert report.fraction == 0
    assert "Yes" in str(report.findings)


# What goes wrong there.


def failure_of_call(function, *args):
    with Trial(checks.vae.gaussian_kl, function, 0) as trial, pytest.raises(Failure) as caught:
        trial.call(*args)
    return caught.value


def test_an_exception_tells_its_line(student):
    remote, _ = student.define("def g(x):\n    return x / 0\n\ndef f(x):\n    return g(int(x))", "f")
    with pytest.raises(RemoteRaised) as caught:
        remote(1.0)
    raised = caught.value.raised
    assert str(raised) == "ZeroDivisionError: division by zero"
    assert str(raised.first) == "line 5 of f: return g(int(x))"
    assert str(raised.last) == "line 2 of g: return x / 0"
    failure = failure_of_call(remote, 1.0)
    assert failure.message == "your function raised ZeroDivisionError: division by zero."
    assert failure.where == "line 2 of g: return x / 0"


@pytest.mark.parametrize(
    ("text", "mistake", "message"),
    [
        ("raise NotImplementedError()", "not-attempted", ""),
        ("later()", "not-attempted", "f calls later, which is still to be written."),
        (
            "raise SystemExit(3)",
            None,
            "your function stops the program with SystemExit: a function ends with `return`.",
        ),
        ("exit_now()", None, "your function stops the program with SystemExit: a function ends with `return`."),
        ("raise KeyboardInterrupt", None, "your function stops the program with KeyboardInterrupt"),
        ("raise MemoryError", None, "your function raised MemoryError."),
        ("raise GeneratorExit", None, "your function raised GeneratorExit."),
        ("x + 'a'", None, "your function raised TypeError: "),
        ("raise Dumb", None, "your function raised Dumb: <Dumb whose text fails with ValueError>."),
        ("torch.empty(2**50)", None, "your function raised RuntimeError: "),
        ("import course_utils.models.latent", "uses-reference", ""),
        ("from course_utils import models", "uses-reference", ""),
        ("import importlib; importlib.import_module('course_utils.checks.vae')", "uses-reference", ""),
        ("from course_utils.grading import judge", "uses-reference", ""),
    ],
)
def test_exceptions_are_failures_that_explain(student, text, mistake, message):
    source = f"""
    def later():
        raise NotImplementedError()

    def exit_now():
        import sys
        sys.exit()

    class Dumb(BaseException):
        def __str__(self):
            raise ValueError

    def f(x):
        {text}
    """
    remote, _ = student.define(source, "f")
    failure = failure_of_call(remote, torch.ones(1))
    assert failure.mistake == mistake
    assert failure.message.startswith(message)
    assert student.sandbox.dead is None


def test_an_exception_in_the_backward_pass(student):
    source = """
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2
        @staticmethod
        def backward(ctx, g):
            raise ValueError("no way back")
    def f(x):
        return Broken.apply(x)
    """
    remote, _ = student.define(source, "f")
    x = torch.ones(2, requires_grad=True)
    with Trial(checks.vae.gaussian_kl, remote, 0) as trial:
        output = trial.call(x)
        with pytest.raises(Failure, match=r"the backward pass of your result raised ValueError: no way back\."):
            trial.gradient(output, [x], torch.ones(2))


def test_a_function_that_never_ends_is_ended_and_fails_at_once_from_then_on():
    with Student(seconds=1.0) as student:
        source = (
            "def f(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass"
        )
        student.run(source)
        remote = student.look_up("f")
        for _ in range(2):
            failure = failure_of_call(remote, 1)
            assert failure.mistake == "endless"
            assert failure.message == "it did not finish within 1 s: an endless loop?"
            assert failure.last
        assert student.sandbox.dead.kind == "timeout"


def test_all_calls_of_a_check_share_one_limit(monkeypatch):
    monkeypatch.setattr("course_utils.grading.remote.SLOW", 1)
    monkeypatch.setattr("course_utils.grading.remote.patient", lambda seconds: seconds)  # whatever else is running
    with Student(seconds=1.0) as student:
        student.run("import time\ndef f(x):\n    time.sleep(0.4)\n    return x")
        remote = student.look_up("f")
        with Trial(checks.vae.gaussian_kl, remote, 0) as trial:
            assert [trial.call(1) for _ in range(3)] == [1, 1, 1]
            with pytest.raises(Failure) as caught:
                trial.call(1)
        assert caught.value.mistake == "endless"
        assert student.sandbox.dead is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import os; os._exit(0)", "crash"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash"),
        ("import ctypes; ctypes.string_at(0)", "crash"),
        ("return torch.zeros(1024, 1024, 128, dtype=torch.float64)", "output"),
        ("return ['x' * 1_000_000] * 100", "output"),
    ],
)
def test_a_process_that_ends_is_a_failure(text, kind):
    with Student() as student:
        student.run(f"def f(x):\n    {text}")
        remote = student.look_up("f")
        failure = failure_of_call(remote, 1)
        assert failure.mistake == kind
        assert failure.last
        with pytest.raises(SandboxDied):
            remote(1)
        report = checks.vae.gaussian_kl.at_grading(remote)
        assert report.fraction == 0


# The checks.


EXERCISES = [(assignment, name) for assignment in checks.ASSIGNMENTS for name in checks.of_assignment(assignment)]


def verdict(report):
    return report.passed, report.fraction, report.mistake, [vars(finding) for finding in report.findings]


@pytest.mark.parametrize(
    ("assignment", "name"),
    [(assignment, name) for assignment in checks.ASSIGNMENTS for name in checks.of_assignment(assignment)],
)
def test_a_check_says_the_same_of_a_function_here_and_there(assignment, name):
    right, wrong = answers(assignment, name)
    rng = random.Random(name)
    sample = rng.sample(sorted(right), 3) + rng.sample(sorted(wrong), 6)
    source = inspect.getsource(importlib.import_module(f"tests.answers.{assignment}.{name}"))
    source = source.replace(
        "from tests.answers.bank import wrong", "wrong = lambda *_, **__: lambda function: function"
    )
    check = checks.find(assignment, name)
    with Student() as student:
        assert student.run(source)["error"] is None
        for answer in sample:
            function = {**right, **wrong}[answer]
            local, remote = check(function, 7), check(student.look_up(answer), 7)
            assert verdict(remote) == verdict(local), answer
            assert remote.passed is (answer in right)
