"""Stand-ins for a student's functions and classes: they are called, differentiated and trained like local ones.

A call that returns tensors with a gradient is a `torch.autograd.Function`: its backward pass asks the student's process
for the vector-Jacobian product, which is again such a call, so that gradients of gradients come out right.
"""

import contextlib
import functools
import inspect
import math
import time
import weakref

import torch
from torch import nn

from course_utils.checks.failures import Failure, failure_of
from course_utils.checks.patience import patient
from course_utils.checks.raised import Raised
from course_utils.checks.stubs import Stub
from course_utils.grading.sandbox import RemoteRaised, Sandbox, SandboxDied
from course_utils.grading.twins import load_state, module_state, replace_tensors
from course_utils.grading.wire import Decoder, Encoder, WireError

KINDS = {kind.name: kind for kind in inspect._ParameterKind}


SLOW = 6  # so many times the limit of one call may the calls of a check take together


class RemoteCalls:
    """How a check calls functions that live in a student's process; the counterpart of `checks.local.LocalCalls`."""

    def __init__(self, names: "Names"):
        self.names = names
        self._deadline = math.inf

    def __enter__(self):
        self._deadline = time.monotonic() + patient(SLOW * self.names.seconds)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(SandboxDied, RemoteRaised):
            self.names.request("forget_graphs")

    def run(self, action, what):
        """The result of `action`. Raises Failure for whatever goes wrong in the student's process."""
        if time.monotonic() > self._deadline:
            text = f"all calls together took more than {SLOW * self.names.seconds:g} s: too slow, or an endless loop?"
            raise Failure(text, mistake="endless", last=True)
        try:
            with torch.enable_grad():
                return action()
        except RemoteRaised as error:
            raise failure_of(error.raised, what) from None
        except SandboxDied as death:
            raise death_failure(death) from None

    def seed(self, seed):
        self.names.reseed = {"reseed": seed}  # it goes along with the next request

    def generator_states(self):
        if self.names.reseed or self.names.states is None:
            self.run(lambda: self.names.request("generator_states"), "asking for the state of the random generators")
        return self.names.states


def death_failure(death: SandboxDied) -> Failure:
    mistake = "endless" if death.kind == "timeout" else death.kind
    return Failure(f"{death.text}{'' if death.text[-1] in '.?!' else '.'}", mistake=mistake, last=True)


class Undefined:
    """A name that the notebook does not define, or whose cell failed; `raised` is what it failed with."""

    def __init__(self, remote_calls: RemoteCalls, name: str, raised: Raised | None):
        self.remote_calls, self.name, self.raised = remote_calls, name, raised

    def __str__(self):
        return f"{self.name} is not defined" + (f": its cell failed with {self.raised}" if self.raised else "")


class Names:
    """The names of a student's notebook: `look_up` turns each into a value or a stand-in.

    Args:
        sandbox: the student's process.
        seconds: the time limit of one call; the calls of a check together may take `SLOW` times as long.
    """

    def __init__(self, sandbox: Sandbox, seconds: float):
        self.sandbox, self.seconds = sandbox, seconds
        self.calls = RemoteCalls(self)
        self.modules = weakref.WeakKeyDictionary()  # module here -> number of its twin there
        self.optimizers = weakref.WeakKeyDictionary()
        self.forgotten: list = []  # graphs there that nothing here needs any more
        self.reseed: dict = {}  # the seed of the global generators there, if it is still to be told
        self.states: tuple | None = None  # of those generators after the last request, if it told them

    def request(self, op, buffers=(), **fields):
        forget = [self.forgotten.pop() for _ in range(len(self.forgotten))]
        reseed, self.reseed, self.states = self.reseed, {}, None
        answer, out = self.sandbox.request(op, seconds=self.seconds, buffers=buffers, forget=forget, **reseed, **fields)
        if "states" in answer:
            self.states = self.sandbox.valid(lambda: tuple(map(str, answer["states"])))
        return answer, out

    def look_up(self, name: str, raised: Raised | None = None):
        """The student's `name`: a stand-in for a function, a class or a network, a value, or `Undefined`."""
        answer, buffers = self.request("describe", name=name)
        return self.sandbox.valid(self._described, name, answer, buffers, raised)

    def _described(self, name, answer, buffers, raised):
        match answer["kind"]:
            case "undefined":
                return Undefined(self.calls, name, raised)
            case "value":
                return Decoder(buffers).decode(answer["value"])
            case "class":
                return RemoteClass(self, name, answer["is_module"] is True, signature_of(answer, buffers))
            case "module":
                return RemoteModule(self, answer["object"], answer["state"], Decoder(buffers))
            case "function":
                return RemoteFunction(self, name, name, signature_of(answer, buffers))
        raise WireError("a name of unknown kind")

    def call(self, target, args, kwargs, own: nn.Module | None = None):
        """Call `target` there; `own` is the module that it belongs to."""
        modules = dict.fromkeys([own] if own is not None else [])
        encoder = _Arguments(functools.partial(self._stays, modules))
        for value in (*args, *kwargs.values()):
            if isinstance(value, nn.Module):
                self._stays(modules, value)  # before the optimisers of their parameters
        fields = {"target": target, "args": encoder.encode(list(args)), "kwargs": encoder.encode(kwargs)}
        given = list(encoder.tensors)
        fields["leaf"] = [tensor.is_leaf for tensor in given]
        fields["modules"] = [[self.modules[module], module_state(module, encoder)] for module in modules]
        inputs = [tensor for tensor in given if tensor.requires_grad]
        inputs += [p for module in modules for p in module.parameters() if p.requires_grad]

        answer, buffers = self.request("call", encoder.buffers, **fields)
        called = self.sandbox.valid(self._called, answer, buffers, given, list(modules), encoder.generators)
        return self._tied(called, inputs)

    def _called(self, answer, buffers, given, modules, generators):
        decoder = Decoder(buffers)
        value = decoder.decode(answer["value"])
        carrying = [tensor for tensor in decoder.tensors if tensor.requires_grad]
        for tensor in carrying:
            tensor.requires_grad_(False)
        for n, changed in answer["changed"]:
            old, new = given[n].data, decoder.decode(changed)
            if (new.shape, new.dtype) == (old.shape, old.dtype):
                old.copy_(new)
            else:
                given[n].data = new
        for module, state in zip(modules, answer["modules"], strict=True):
            load_state(module, state, decoder)
        for generator, state in zip(generators, answer["generators"], strict=True):
            generator.set_state(decoder.decode(state).get_state())
        return value, carrying, _Graph(self, answer.get("graph"))

    def _tied(self, answer, inputs):
        """The value of `answer` (value, tensors in it that carry a gradient, their graph), tied to `inputs`."""
        value, carrying, graph = answer
        if not carrying:
            return value
        results = _Call.apply(self, graph, carrying, *inputs) if inputs else [t.requires_grad_() for t in carrying]
        return replace_tensors(value, {id(old): new for old, new in zip(carrying, results, strict=True)})

    def vjp(self, graph, weights, inputs, create_graph):
        """Gradients for `inputs` of the results of a call, each weighted; None where there is none."""
        if all(weight is None for weight in weights):
            return [None] * len(inputs)
        encoder = Encoder()
        fields = {"graph": graph.number, "weights": encoder.encode(list(weights)), "create_graph": create_graph}

        answer, buffers = self.request("vjp", encoder.buffers, **fields)
        pulled = self.sandbox.valid(self._pulled_back, answer, buffers, inputs)
        return self._tied(pulled, [*inputs, *(weight for weight in weights if weight is not None)])

    def _pulled_back(self, answer, buffers, inputs):
        decoder = Decoder(buffers)
        gradients = decoder.decode(answer["value"])
        if len(gradients) != len(inputs) or not all(
            gradient is None
            or (isinstance(gradient, torch.Tensor) and (gradient.shape, gradient.dtype) == (tensor.shape, tensor.dtype))
            for gradient, tensor in zip(gradients, inputs, strict=True)
        ):
            raise WireError("gradients of other shapes than their inputs")
        carrying = [tensor for tensor in decoder.tensors if tensor.requires_grad]
        for tensor in carrying:
            tensor.requires_grad_(False)
        return gradients, carrying, _Graph(self, answer.get("graph"))

    def _stays(self, modules: dict, value):
        """The number of the twin of a network or an optimiser; `modules` collects the networks that are touched."""
        if isinstance(value, nn.Module):
            if value not in self.modules:
                self.modules[value] = self._new_stub(value)
            modules[value] = None
            return self.modules[value]
        if isinstance(value, torch.optim.Optimizer):
            if value not in self.optimizers:
                self.optimizers[value] = self._new_optimizer(value)
            owned = {id(p) for group in value.param_groups for p in group["params"]}
            modules.update(dict.fromkeys(m for m in self.modules if any(id(p) in owned for p in m.parameters())))
            return self.optimizers[value]
        return None

    def _new_stub(self, module):
        if not isinstance(module, Stub):
            raise TypeError(f"a {type(module).__name__} cannot be handed to a student's function: write a Stub")
        encoder = _Arguments()
        config = encoder.encode(module.config)
        answer, _ = self.request("stub", encoder.buffers, name=type(module).__name__, config=config)
        return self.sandbox.valid(lambda: answer["object"])

    def _new_optimizer(self, optimizer):
        places = {
            id(parameter): [number, name]
            for module, number in self.modules.items()
            for name, parameter in module.named_parameters()
        }
        try:
            groups = [{**group, "params": [places[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
        except KeyError:
            raise TypeError("the optimiser has parameters of a network that no student's function was given") from None
        encoder = _Arguments()
        name = type(optimizer).__name__
        answer, _ = self.request("optimizer", encoder.buffers, name=name, groups=encoder.encode(groups))
        return self.sandbox.valid(lambda: answer["object"])


class _Arguments(Encoder):
    """Encodes arguments. Raises TypeError for what cannot travel."""

    def _opaque(self, value):
        raise TypeError(f"a {type(value).__name__} cannot be handed to a student's function")


class _Graph:
    """The graph of a call in the other process, which forgets it when nothing here refers to it any more."""

    def __init__(self, names, number):
        self.names, self.number = names, number

    def __del__(self):
        if self.number is not None:
            self.names.forgotten.append(self.number)


class _Call(torch.autograd.Function):
    """Ties the results of a call to its inputs."""

    @staticmethod
    def forward(ctx, names, graph, results, *inputs):
        ctx.names, ctx.graph = names, graph
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    def backward(ctx, *weights):
        return None, None, None, *ctx.names.vjp(ctx.graph, weights, ctx.saved_tensors, torch.is_grad_enabled())


def signature_of(answer: dict, buffers) -> inspect.Signature | None:
    """The signature that the other process describes, or None if it has none."""
    if answer["signature"] is None:
        return None
    decoder = Decoder(buffers)
    parameters = []
    for name, kind, has_default, default in answer["signature"]:
        default = decoder.decode(default) if has_default is True else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, KINDS[kind], default=default))
    return inspect.Signature(parameters)


class RemoteFunction:
    """A function of the student's."""

    def __init__(self, names: Names, name: str, target, signature, own: nn.Module | None = None):
        self.remote_calls, self.__name__ = names.calls, name
        self._names, self._target, self._own = names, target, own
        if signature is not None:
            self.__signature__ = signature

    def __call__(self, *args, **kwargs):
        return self._names.call(self._target, args, kwargs, self._own)


class RemoteClass:
    """A class of the student's; called, it gives a `RemoteModule` if it is a module, else a `RemoteObject`."""

    def __init__(self, names: Names, name: str, is_module: bool, signature):
        self.remote_calls, self.__name__, self.is_module = names.calls, name, is_module
        self._names = names
        if signature is not None:
            self.__signature__ = signature

    def __call__(self, *args, **kwargs):
        names, encoder = self._names, _Arguments()
        fields = {"target": self.__name__, "args": encoder.encode(list(args)), "kwargs": encoder.encode(kwargs)}
        answer, buffers = names.request("new", encoder.buffers, **fields)
        return names.sandbox.valid(self._made, answer, buffers)

    def _made(self, answer, buffers):
        if "state" in answer:
            return RemoteModule(self._names, answer["object"], answer["state"], Decoder(buffers))
        return RemoteObject(self._names, answer["object"])


class RemoteObject:
    """An instance of a class of the student's: its methods and its values by name."""

    def __init__(self, names: Names, number: int):
        self.remote_calls = names.calls
        self._names, self._number = names, number

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _attribute(self._names, self._number, name, None)

    def __call__(self, *args, **kwargs):
        return self._names.call([self._number, None], args, kwargs)


def _attribute(names, number, name, own):
    try:
        answer, buffers = names.request("attribute", object=number, name=name)
    except RemoteRaised as error:
        if error.raised.kind == "AttributeError":
            raise AttributeError(error.raised.text) from None
        raise
    return names.sandbox.valid(_attribute_of, names, number, name, own, answer, buffers)


def _attribute_of(names, number, name, own, answer, buffers):
    if answer["kind"] == "function":
        return RemoteFunction(names, name, [number, name], signature_of(answer, buffers), own)
    return Decoder(buffers).decode(answer["value"])


class RemoteModule(nn.Module):
    """An instance of a module class of the student's.

    Its parameters and buffers are mirrored here, so that optimisers, `state_dict` and `load_state_dict` work as ever:
    they go to the twin before each call and come back after it, as do gradients and the training mode.
    """

    def __init__(self, names: Names, number: int, state, decoder: Decoder):
        super().__init__()
        self.__dict__.update(remote_calls=names.calls, _names=names, _number=number)
        load_state(self, state, decoder)
        names.modules[self] = number

    def forward(self, *args, **kwargs):
        return self._names.call([self._number, None], args, kwargs, self)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or "_names" not in self.__dict__:
                raise
            return _attribute(self._names, self._number, name, self)
