"""Inside the student's process: runs the notebook's cells, and calls the student's functions when the grader asks.

The grader sends a request and waits for the answer. Nothing here is trusted: whoever takes over this process can only
change what their own functions return. Objects that cannot travel (models, optimisers, instances of the student's
classes) stay here under a number, and so does the graph of a call whose result carries a gradient.
"""

import builtins
import contextlib
import inspect
import os
import socket
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import torch

from course_utils.checks import stubs
from course_utils.checks.raised import Raised
from course_utils.checks.randomness import generator_states, preserve_generators, seed_generators
from course_utils.grading.hiding import hide_course
from course_utils.grading.shell import Outputs, Shell, Stream
from course_utils.grading.twins import load_state, module_state, replace_tensors
from course_utils.grading.wire import ClosedError, Decoder, Encoder, receive, send

SWITCH_SECONDS = 1e-4  # threads that a cell left spinning must not slow the calls that follow: Python's own is 5e-3


class Graph:
    """A differentiable call: its inputs, all leaves, and those of its results that carry a gradient."""

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs = inputs, outputs


class Agent:
    """Answers the grader's requests, one after the other, until the connection ends."""

    def __init__(self, connection: socket.socket, shell: Shell, largest: int):
        self.connection, self.shell, self.largest = connection, shell, largest
        self.objects: dict[int, object] = {}
        self.graphs: dict[int, Graph] = {}
        self.count = 0
        self.modules, self.builtins = dict(sys.modules), dict(vars(builtins))

    def serve(self) -> None:
        process = os.getpid()
        while os.getpid() == process:  # a cell may have forked: the copy must not answer, too
            try:
                request, buffers = receive(self.connection, largest=self.largest)
                for number in request.get("forget", ()):
                    self.graphs.pop(number, None)
                try:
                    if "reseed" in request:
                        seed_generators(request["reseed"])
                    answer, out = getattr(self, f"do_{request['op']}")(request, buffers)
                except BaseException as error:  # the student's code may raise SystemExit, too
                    answer, out = {"raised": asdict(Raised.of(error))}, []
                if os.getpid() == process:
                    send(self.connection, answer, out)
            except ClosedError:
                return

    def _number(self, table, thing):
        self.count += 1
        table[self.count] = thing
        return self.count

    # The notebook.

    def do_files(self, request, buffers):
        """Write the files that were handed in beside the notebook into the working folder."""
        for name, data in zip(request["names"], buffers, strict=True):
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return {}, []

    def do_run(self, request, buffers):
        """Run one cell; the answer holds its outputs and how it ended. Released cells learn that they are graded."""
        outputs = self.shell.outputs = Outputs(request["limit"])
        self._mend()
        if request["released"]:
            os.environ["NBGRADER_EXECUTION"] = "autograde"
        try:
            result = self.shell.run_cell(request["source"], store_history=True)
        finally:
            os.environ.pop("NBGRADER_EXECUTION", None)
        self.shell.outputs = Outputs(0)  # whatever threads write between the cells is dropped
        error = result.error_before_exec or result.error_in_exec
        return {
            "outputs": outputs.finish(),
            "truncated": outputs.truncated,
            "error": asdict(Raised.of(error)) if error is not None else None,
        }, []

    def _mend(self) -> None:
        """Put back what the code before may have taken away: streams, loaded modules, Python's own names."""
        direct_streams(self.shell)
        for name, value in self.builtins.items():
            vars(builtins).setdefault(name, value)
        for name, module in self.modules.items():
            if sys.modules.get(name) is None:
                sys.modules[name] = module

    def do_describe(self, request, buffers):
        """What a name means: nothing, a function or a class with its signature, a network, or a value."""
        if request["name"] not in self.shell.user_ns:
            return {"kind": "undefined"}, []
        value = self.shell.user_ns[request["name"]]
        if isinstance(value, torch.nn.Module):
            answer, buffers = self._added(value)
            return {"kind": "module", **answer}, buffers
        answer, buffers = _described(value)
        if isinstance(value, type):
            answer.update(kind="class", is_module=issubclass(value, torch.nn.Module))
        return answer, buffers

    # Random numbers.

    def do_generator_states(self, request, buffers):
        """Hashes of the states of the global generators, to be compared."""
        return {"states": _state_hashes()}, []

    # Calls.

    def do_call(self, request, buffers):
        """Call a function, an object or its method; keep the graph of results that carry a gradient."""
        decoder = Decoder(buffers, self.objects.__getitem__)
        args, kwargs = decoder.decode(request["args"]), decoder.decode(request["kwargs"])
        modules = [self.objects[number] for number, _ in request["modules"]]
        for module, (_, state) in zip(modules, request["modules"], strict=True):
            load_state(module, state, Decoder(buffers))
        leaves = decoder.tensors
        with _as_in_a_check():
            # The grader's own tensor may have been no leaf, and so free to be changed in place.
            tensors = [leaf if is_leaf else leaf.clone() for leaf, is_leaf in zip(leaves, request["leaf"], strict=True)]
            stand_ins = {id(leaf): tensor for leaf, tensor in zip(leaves, tensors, strict=True)}
            args, kwargs = replace_tensors(args, stand_ins), replace_tensors(kwargs, stand_ins)
            before = [tensor.detach().clone() for tensor in tensors]
            inputs = [leaf for leaf in leaves if leaf.requires_grad]
            inputs += [p for module in modules for p in module.parameters() if p.requires_grad]
            result = self._target(request)(*args, **kwargs)
        encoder = Encoder()
        answer = {"value": encoder.encode(result)}
        carrying = [tensor for tensor in encoder.tensors if tensor.requires_grad]
        if carrying:
            answer["graph"] = self._number(self.graphs, Graph(inputs, carrying))
        answer["changed"] = [
            [n, encoder.encode(tensor.detach())]
            for n, (tensor, old) in enumerate(zip(tensors, before, strict=True))
            if not _identical(tensor, old)
        ]
        answer["modules"] = [module_state(module, encoder) for module in modules]
        answer["generators"] = [encoder.encode(generator) for generator in decoder.generators]
        answer["states"] = _state_hashes()
        return answer, encoder.buffers

    def _target(self, request):
        match request["target"]:
            case str(name):
                return self.shell.user_ns[name]
            case [number, None]:
                return self.objects[number]
            case [number, method]:
                return getattr(self.objects[number], method)

    def do_vjp(self, request, buffers):
        """The vector-Jacobian product of a call; with `create_graph` it is itself a call that can be differentiated."""
        graph, decoder = self.graphs[request["graph"]], Decoder(buffers)
        weights = decoder.decode(request["weights"])
        with _as_in_a_check():
            if request["create_graph"]:
                weights = [weight if weight is None else weight.detach().requires_grad_() for weight in weights]
            pairs = [(o, w) for o, w in zip(graph.outputs, weights, strict=True) if w is not None]
            # A scalar, since `grad_outputs` would make torch import SymPy, which takes seconds.
            total = sum((output * weight).sum() for output, weight in pairs)
            gradients = torch.autograd.grad(
                total, graph.inputs, allow_unused=True, retain_graph=True, create_graph=request["create_graph"]
            )
        encoder = Encoder()
        answer = {"value": [encoder.encode(gradient) for gradient in gradients]}
        carrying = [tensor for tensor in encoder.tensors if tensor.requires_grad]
        if carrying:
            inputs = [*graph.inputs, *(weight for _, weight in pairs)]
            answer["graph"] = self._number(self.graphs, Graph(inputs, carrying))
        return answer, encoder.buffers

    def do_forget_graphs(self, request, buffers):
        """At the end of a check: the results that it still holds may die when no request follows to `forget` them."""
        self.graphs.clear()
        return {}, []

    # Objects.

    def do_new(self, request, buffers):
        """An instance of a class of the student's."""
        decoder = Decoder(buffers, self.objects.__getitem__)
        args, kwargs = decoder.decode(request["args"]), decoder.decode(request["kwargs"])
        with _as_in_a_check():
            return self._added(self._target(request)(*args, **kwargs))

    def do_stub(self, request, buffers):
        """A network of the checks' own, to be handed to the student's functions."""
        config = Decoder(buffers).decode(request["config"])
        with preserve_generators():
            stub = stubs.STUBS[request["name"]](**config)
        return self._added(stub)

    def do_optimizer(self, request, buffers):
        """An optimiser of parameters of objects here."""
        groups = Decoder(buffers).decode(request["groups"])
        for group in groups:
            group["params"] = [self.objects[number].get_parameter(name) for number, name in group["params"]]
        return self._added(getattr(torch.optim, request["name"])(groups))

    def _added(self, thing):
        encoder = Encoder()
        answer = {"object": self._number(self.objects, thing), "type": type(thing).__name__[:100]}
        if isinstance(thing, torch.nn.Module):
            answer["state"] = module_state(thing, encoder)
        return answer, encoder.buffers

    def do_attribute(self, request, buffers):
        """An attribute of an object: a method, or its value."""
        return _described(getattr(self.objects[request["object"]], request["name"]))


def _described(value):
    """The answer that tells of a function with its signature, or of a value."""
    encoder = Encoder()
    if not callable(value) or isinstance(value, torch.nn.Module):
        return {"kind": "value", "value": encoder.encode(value)}, encoder.buffers
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return {"kind": "function", "signature": None}, []
    signature = [
        [p.name, p.kind.name, p.default is not p.empty, encoder.encode(None if p.default is p.empty else p.default)]
        for p in parameters
    ]
    return {"kind": "function", "signature": signature}, encoder.buffers


def _identical(tensor, other):
    """Equal to the last bit, NaN included."""
    if tensor.shape != other.shape or tensor.dtype != other.dtype:
        return False
    a, b = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (tensor, other))
    return torch.equal(a, b)


@contextlib.contextmanager
def _as_in_a_check():
    """The settings under which checks call functions, whatever the notebook has set."""
    dtype = torch.get_default_dtype()
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


def _state_hashes():
    return [f"{hash(state):x}" for state in generator_states()]


def make_shell() -> Shell:
    """The shell that runs the cells."""
    shell = Shell.instance()
    direct_streams(shell)
    return shell


def direct_streams(shell: Shell) -> None:
    """Let the standard streams go to the outputs of the cells, whatever they were before."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, Stream(shell, name))


def serve(connection: socket.socket, shell: Shell, largest: int) -> None:
    """Take the course's answers out of reach, and answer the grader until it hangs up."""
    hide_course()
    sys.setswitchinterval(SWITCH_SECONDS)
    Agent(connection, shell, largest).serve()
