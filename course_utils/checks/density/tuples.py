"""Checks of functions that return several tensors: judged part by part, compared as one flat vector."""

import math

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck, Result
from course_utils.checks.tensors import as_double, doubles, require_tensor, shapes


def flat(parts):
    """One vector of all parts, in float64."""
    return torch.cat([part.flatten().double() for part in parts])


class TupleCheck(OracleCheck):
    """The check of a function whose result is a tuple (or list) of tensors, named by `parts`, some of them integers.

    `oracle` gives the tuple that is due, and `guesses` compare vectors made by `flat`.
    """

    parts = ()
    integers = ()  # names of the parts that hold integers

    def explain_parts(self, case, values, due):
        """The id of the mistake behind parts (float64) of wrong shapes, or None."""
        return None

    def explain_type(self, case, output):
        """The id of the mistake behind parts of wrong type, or None; the parts may be anything."""
        return None

    def require_type(self, output, where):
        due = f"a tuple ({', '.join(self.parts)})"
        if output is None:
            raise Failure(mistake="returns-nothing", where=where, got="None", expected=due)
        if not isinstance(output, tuple | list):
            raise Failure(mistake="not-a-tuple", where=where, got=f"a {type(output).__name__}", expected=due)
        if len(output) != len(self.parts):
            raise Failure(mistake="wrong-count", where=where, got=f"{len(output)} of them", expected=due)
        for name, part in zip(self.parts, output, strict=True):
            try:
                require_tensor(part, f"{name}, {where}", number_allowed=name in self.integers)
            except Failure as failure:
                failure.mistake = None if failure.mistake == "returns-tuple" else failure.mistake
                failure.message = f"{name}: {failure.message or self.sentence(failure.mistake)}"
                raise
            if name in self.integers:
                self._require_integers(name, part, where)

    def _require_integers(self, name, part, where):
        got = str(part.dtype) if isinstance(part, torch.Tensor) else type(part).__name__
        if not isinstance(part, torch.Tensor) or part.is_floating_point() or part.dtype == torch.bool:
            raise Failure(mistake="not-integers", where=f"{name}, {where}", got=got, expected="torch.int64")

    def float_parts(self, output):
        return [part for name, part in zip(self.parts, output, strict=True) if name not in self.integers]

    def result(self, case, output):
        self.require_type(output, shapes(case))
        due = self.oracle(**doubles(case))
        values = [as_double(part) for part in output]
        for name, value, expected in zip(self.parts, values, due, strict=True):
            if value.shape != expected.shape:
                mistake = self.explain_parts(case, values, due)
                got, shape = tuple(value.shape), tuple(expected.shape)
                message = "" if mistake else f"{name} has shape {got}, but {shape} is due."
                raise Failure(message, mistake, f"{name}, input {shapes(case)}", f"shape {got}", f"shape {shape}")
        return Result(case, flat(values), flat(due))

    def judge_shape(self, trial):
        trial.results = [self.result(case, output) for case, output in trial.outputs]

    def split(self, result):
        """For each part its name, what came and what was due, as vectors."""
        sizes = [part.numel() for part in self.oracle(**doubles(result.case))]
        return list(zip(self.parts, result.value.split(sizes), result.expected.split(sizes), strict=True))

    def hint(self, results):
        """Which of the parts are wrong."""
        wrong = {
            name
            for result in results
            for name, value, due in self.split(result)
            if not torch.allclose(value, due, self.rtol, self.atol)
        }
        right = [name for name in self.parts if name not in wrong]
        return f" Right: {', '.join(right)}; look at {', '.join(p for p in self.parts if p in wrong)}." if right else ""

    def where(self, case, index):
        place = index[0]
        for name, part in zip(self.parts, self.oracle(**doubles(case)), strict=True):
            if place < part.numel():
                sizes = [math.prod(part.shape[axis + 1 :]) for axis in range(part.ndim)]
                axes = [place // size % side for size, side in zip(sizes, part.shape, strict=True)]
                return f"{name}{axes} for {shapes(case)}"
            place -= part.numel()
        return shapes(case)
