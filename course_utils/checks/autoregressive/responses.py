"""Which input each output of a student's layer responds to, found by changing one input at a time.

The response J[n, o, i, j] of output channel o at pixel (i, j) to input n, one of all channels and pixels, is a
difference of two forward passes: how the layer masks need not be known, nor is its backward pass trusted.
"""

import functools
import re

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.checks.autoregressive.patterns import causal
from course_utils.checks.core import Check
from course_utils.checks.failures import Failure
from course_utils.checks.tensors import require_tensor, shapes

NAMES = ("mask_type", "in_channels", "out_channels", "kernel_size", "num_colors")
STEP = 4.0  # by how much an input is changed
SMALL = 1e-3  # a response below this share of the largest is none


class LayerCheck(Check):
    """A check of a class of layers: makes them, calls them, gives them weights."""

    def make(self, trial, case, **options):
        layer = trial.call(*case.values(), **options)
        due = "class MaskedConv2d(nn.Conv2d)"
        if not (isinstance(trial.function, type) or hasattr(trial.function, "is_module")):  # here or a stand-in
            raise Failure(mistake="not-a-class", got="a function", expected=due)
        if not isinstance(layer, nn.Module):
            raise Failure(mistake="not-a-layer", got="an object that is no nn.Module", expected=due)
        return layer

    def forward(self, trial, layer, x):
        output = trial.guard(functools.partial(layer, x), "calling your layer")
        require_tensor(output, f"input {tuple(x.shape)}")
        return output

    def output(self, trial, layer, x):
        """The output without its graph, as a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return self.forward(trial, layer, x).detach().as_subclass(torch.Tensor).cpu().clone()

    def load(self, trial, layer, state):
        try:
            trial.guard(functools.partial(layer.load_state_dict, state), "load_state_dict of your layer")
        except (RuntimeError, Failure) as error:  # the stand-in of a layer in another process loads here
            text = error.got if isinstance(error, Failure) else str(error)
            text = re.sub(r"^.*loading state_dict for \w+:\s*", "", text)
            raise Failure(mistake="loading-breaks", got=text) from None

    def state(self, trial, layer):
        return {name: value.clone() for name, value in trial.guard(layer.state_dict).items()}

    def other_weights(self, trial, layer):
        """The layer's state with everything that is trained replaced: none of it is near 0."""
        state = self.state(trial, layer)
        for name, parameter in layer.named_parameters():
            if parameter.requires_grad and name in state:
                sign = 2 * trial.rng.bits(*parameter.shape) - 1
                state[name] = (sign * trial.rng.uniform(*parameter.shape, low=0.5, high=1.5)).to(parameter.dtype)
        return state

    def response(self, trial, layer, case, dtype=torch.float32):
        """How every output responds to every input: (inputs, out, H, W)."""
        shape = (case["in_channels"], *size_of(case))
        base = trial.rng.normal(*shape, scale=0.5).to(dtype)
        changes = STEP * torch.eye(base.numel(), dtype=dtype).view(-1, *shape)
        output = self.output(trial, layer, torch.cat([base.unsqueeze(0), base + changes]))
        if len(output) != len(changes) + 1 or output.ndim != 4 or output.shape[1] != case["out_channels"]:
            raise Failure(
                "the result has another shape than for other inputs.", where=shapes(case), got=str(tuple(output.shape))
            )
        return (output[1:] - output[:1]).double() / STEP

    def awake(self, trial, layer, case, dtype=torch.float32):
        """The response of a fresh layer, with other weights if it starts with zeros."""
        response = self.response(trial, layer, case, dtype)
        if not response.any():
            self.load(trial, layer, self.other_weights(trial, layer))
            response = self.response(trial, layer, case, dtype)
        return response

    def train(self, trial, layer, case, steps=2):
        """Steps of gradient descent on all that the layer has to train."""
        parameters = [p for p in layer.parameters() if p.requires_grad]
        x = trial.rng.normal(3, case["in_channels"], *size_of(case))
        for _ in range(steps if parameters else 0):
            output = self.forward(trial, layer, x)
            if not output.requires_grad:
                return
            weights = trial.rng.normal(*output.shape).to(output.dtype)
            gradients = trial.gradient(output, parameters, weights)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        parameter.sub_(0.1 * gradient)


def size_of(case):
    """Height and width of an image whose middle sees a whole kernel."""
    return case["kernel_size"] + 1, case["kernel_size"] + 2


def place(case):
    return f"type {case['mask_type']}, {shapes({name: case[name] for name in NAMES[1:]})}, size {size_of(case)}"


def support(case, padding=None, stride=1, dilation=1, bias=True):
    """Which responses are due: (inputs, out, H, W), booleans."""
    height, width = size_of(case)
    inputs = torch.eye(case["in_channels"] * height * width).view(-1, case["in_channels"], height, width)
    padding = case["kernel_size"] // 2 if padding is None else padding
    return F.conv2d(inputs, causal(**case).float(), None, stride, padding, dilation) > 0.5


def is_seen(response):
    largest = response.abs().max().item()
    return response.abs() > SMALL * largest if largest > 0 else torch.zeros_like(response, dtype=torch.bool)


def alike(one, other):
    return one.shape == other.shape and bool((one - other).abs().max() <= SMALL * one.abs().max())


def fits(response, due):
    """Whether nothing is seen that is not due, and most of what is: a first weight may be close to 0."""
    seen = is_seen(response)
    return seen.shape == due.shape and not (seen & ~due).any() and (seen & due).sum() > 0.8 * due.sum()


def central(seen, case):
    """The mask that the pixel in the middle shows: (out, in, k, k)."""
    height, width = size_of(case)
    side, row, column = case["kernel_size"], height // 2, width // 2
    inputs = seen[:, :, row, column].mT.view(-1, case["in_channels"], height, width)
    top, left = row - side // 2, column - side // 2
    return inputs[:, :, top : top + side, left : left + side]
