"""Networks that live in two processes: what one has and how the other takes it over."""

import torch
from torch import nn

from course_utils.grading.wire import DEEPEST, Decoder, Encoder, WireError

MOST_MODULES = 5_000


def module_state(module: nn.Module, encoder: Encoder) -> dict:
    """The parameters, gradients, buffers and training modes of a network, for its twin in the other process."""
    first = {id(p): path for path, p in module.named_parameters()}
    return {
        "parameters": [
            [path, encoder.encode(p.detach()), encoder.encode(p.grad), p.requires_grad]
            for path, p in module.named_parameters()
        ],
        "tied": [
            [path, first[id(p)]] for path, p in module.named_parameters(remove_duplicate=False) if path != first[id(p)]
        ],
        "buffers": [[path, encoder.encode(buffer)] for path, buffer in module.named_buffers()],
        "training": [[path, child.training] for path, child in module.named_modules()],
    }


def load_state(module: nn.Module, state: dict, decoder: Decoder) -> None:
    """Give a network what its twin has. What has not changed is left alone, and what is new is added.

    Raises WireError and errors of torch and Python if `state` is none; it may have been taken over in part by then.
    """
    if len(state["training"]) > MOST_MODULES or any(path.count(".") > DEEPEST for path, _ in state["training"]):
        raise WireError("a network of too many parts")
    for path, training in state["training"]:
        _submodule(module, path).training = training is True
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    for path, encoded, gradient, requires_grad in state["parameters"]:
        new = decoder.decode(encoded)
        if path not in parameters:
            parameters[path] = nn.Parameter(new, requires_grad=False)
            _put(module, "_parameters", path, parameters[path])
        parameter = parameters[path]
        _set(parameter, new)
        parameter.requires_grad_(requires_grad is True)
        new = decoder.decode(gradient)
        if new is None or parameter.grad is None or not torch.equal(new, parameter.grad):
            parameter.grad = new
    for path, other in state["tied"]:
        _put(module, "_parameters", path, parameters[other])
    for path, encoded in state["buffers"]:
        new = decoder.decode(encoded)
        if path in buffers:
            _set(buffers[path], new)
        else:
            _put(module, "_buffers", path, new)


def _put(module: nn.Module, table: str, path: str, tensor: torch.Tensor) -> None:
    """Add a parameter or a buffer; `register_parameter` would ask a stand-in, and so its twin, for the attribute."""
    parent, _, leaf = path.rpartition(".")
    getattr(module.get_submodule(parent), table)[leaf] = tensor


def _set(tensor: torch.Tensor, new: torch.Tensor) -> None:
    """Give a tensor new values, unless they are its own; changes count as made in place."""
    if (tensor.shape, tensor.dtype) != (new.shape, new.dtype):
        tensor.data = new
    elif not torch.equal(tensor.detach(), new):
        with torch.no_grad():
            tensor.copy_(new)


def _submodule(module: nn.Module, path: str) -> nn.Module:
    """The submodule at `path`; an empty one is put where there is none."""
    for name in path.split(".") if path else ():
        if name not in module._modules:
            module._modules[name] = nn.Module()
        module = module._modules[name]
    return module


def replace_tensors(value, stand_ins: dict):
    """`value` with the tensors in it replaced by those of `stand_ins` (id of the old one -> new one)."""
    if isinstance(value, torch.Tensor):
        return stand_ins.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)(replace_tensors(item, stand_ins) for item in value)
    if isinstance(value, dict):
        return {key: replace_tensors(item, stand_ins) for key, item in value.items()}
    return value
