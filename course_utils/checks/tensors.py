"""Small questions about what a student's function got and what it returned."""

import contextlib
import copy
import math
import numbers

import numpy as np
import torch

from course_utils.checks.failures import Failure


def require_tensor(output, where, number_allowed=False):
    """Raise `Failure` unless `output` is a float32 or float64 tensor (or a number, where that is allowed)."""
    kind = type(output).__name__
    if isinstance(output, torch.Tensor):
        if output.layout != torch.strided or output.is_complex():
            raise Failure(f"the result is a {output.layout} tensor of {output.dtype}.", where=where, got=kind)
        if not output.is_floating_point() and not number_allowed:
            raise Failure(mistake="integer-result", where=where, got=str(output.dtype), expected="torch.float32")
        if output.dtype in (torch.float16, torch.bfloat16):
            raise Failure(mistake="half-precision", where=where, got=str(output.dtype), expected="torch.float32")
        return
    if output is None:
        raise Failure(mistake="returns-nothing", where=where, got="None", expected="a tensor")
    if isinstance(output, numbers.Number):  # NumPy's numbers are numbers too
        if number_allowed and is_real(output):
            return
        raise Failure(mistake="returns-number", where=where, got=kind, expected="a tensor")
    if isinstance(output, np.ndarray):
        if number_allowed and output.size == 1 and output.dtype.kind in "fiu":
            return
        raise Failure(mistake="returns-array", where=where, got=kind, expected="a tensor")
    if isinstance(output, tuple | list):
        raise Failure(mistake="returns-tuple", where=where, got=f"a {kind} of {len(output)}", expected="a tensor")
    raise Failure(f"it returns a {kind}, but a tensor is due.", "no-tensor", where, got=kind, expected="a tensor")


def copies(case):
    """The case with tensors and lists of its own."""
    return {
        name: value.clone() if isinstance(value, torch.Tensor) else copy.copy(value) for name, value in case.items()
    }


def doubles(case):
    """The case with its float tensors in float64, and the rest as it is."""
    return {
        name: value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in case.items()
    }


def as_double(tensor):
    """A copy in float64 on the CPU, cut from its graph."""
    with torch._C.DisableTorchFunctionSubclass():  # a subclass may redefine what we are about to ask
        return tensor.detach().as_subclass(torch.Tensor).to("cpu", torch.float64, copy=True)


def axes(case):
    return tuple(value.ndim for value in case.values() if isinstance(value, torch.Tensor))


def shapes(case):
    """A text such as `mu (5, 3), beta 4.0`."""
    return ", ".join(
        f"{name} {tuple(value.shape)}" if isinstance(value, torch.Tensor) and value.ndim else f"{name} {value}"
        for name, value in case.items()
    )


def identical(a, b):
    """Whether two tensors hold the same bits of information, NaN included."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | ((a != a) & (b != b))).all())


def same(a, b):
    """Whether two tensors agree, NaN included, to the last digits (threads may add in another order)."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.allclose(a, b, 1e-6, 1e-7, equal_nan=True)


def worst(got, expected):
    """The index of the largest error; what is not finite counts as the largest."""
    error = (got - expected).abs().nan_to_num(nan=math.inf, posinf=math.inf)
    return tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape)) if error.ndim else ()


def number(value):
    return f"{float(value):.6g}"


def is_real(value):
    with contextlib.suppress(TypeError, ValueError):
        float(value)
        return True
    return False
