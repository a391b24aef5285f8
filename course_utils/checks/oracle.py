"""Checks of functions that have one right answer: an oracle in float64, and guesses at what a student got wrong."""

import contextlib
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from course_utils.checks.contract import judge_contract
from course_utils.checks.core import Check, Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.reductions import REDUCTIONS
from course_utils.checks.tensors import (
    as_double,
    axes,
    copies,
    doubles,
    identical,
    number,
    require_tensor,
    same,
    shapes,
    worst,
)

IMAGE_SHAPES = ((5, 6), (3, 2, 4, 5))  # (B, D) and (B, C, H, W): unequal batches, images that are not square


@dataclass
class Result:
    """What came for one input, as a float64 tensor on the CPU, and what was due."""

    case: dict
    value: torch.Tensor
    expected: torch.Tensor


class OracleCheck(Check):
    """The check of a deterministic function of tensors and numbers against `oracle`, in float64.

    Subclasses give the inputs (`cases`, `far_cases`, `single_case`, `flat_cases`), the `oracle`, and `guesses`: pairs
    (ids of mistakes, what the function would return with them), the most specific first. A mistake is named where one
    guess explains what came for every input.
    """

    differentiable = ()  # arguments that gradients must reach
    defaults: ClassVar = {}
    scalars = ()  # numbers that may also come as 0-dim tensors
    number_allowed = False  # the result may be a Python number
    rtol, atol, far_rtol, far_gradient_rtol = 1e-4, 2e-5, 1e-4, 1e-3
    weights: ClassVar = {"value": 6.0, "gradient": 2.0, "far out": 1.0, "contract": 1.0}

    def cases(self, rng):
        raise NotImplementedError

    def far_cases(self, rng):
        return []

    def flat_cases(self, rng):
        """Further points at which the gradient is checked."""
        return []

    def single_case(self, rng):
        """A batch of one example, or None."""
        return

    def oracle(self, **arguments):
        raise NotImplementedError

    def guesses(self, **arguments):
        return []

    def double_guesses(self, **arguments):
        """Guesses of two mistakes at once, tried where one does not explain what came."""
        return []

    def explain_error(self, trial, case, failure):
        """The id of the mistake behind an exception, or None."""
        return None

    def explain_far(self, trial, result):
        """The id of the mistake behind a wrong value far out, or None."""
        return None

    def explain_gradient(self, trial, case, name, got, expected):
        """The id of the mistake behind a wrong gradient, or None."""
        return None

    def sentence(self, mistake):
        if mistake in self.mistakes or mistake not in REDUCTIONS:
            return super().sentence(mistake)
        return REDUCTIONS[mistake][0]

    def criteria(self):
        weights = self.weights
        criteria = [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("finite", self.judge_finite, needed=True),
            Criterion("value", self.judge_value, weights["value"], needed=True),
        ]
        if self.differentiable:
            criteria.append(Criterion("gradient", self.judge_gradient, weights["gradient"]))
        return [
            *criteria,
            Criterion("far out", self.judge_far, weights["far out"]),
            Criterion("contract", self.judge_contract, weights["contract"]),
        ]

    # The needed criteria, on the same calls.

    def judge_runs(self, trial):
        trial.outputs = []
        for case in self.cases(trial.rng):
            try:
                trial.outputs.append((case, trial.call(*copies(case).values())))
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, f"input {shapes(case)}") if part)
                if failure.mistake is None:
                    self._name_error(trial, case, failure)
                raise

    def _name_error(self, trial, case, failure):
        failure.mistake = self.explain_error(trial, case, failure)
        if failure.mistake:
            failure.message = self.sentence(failure.mistake)
            return
        for other in self.cases(trial.rng):
            if axes(other) != axes(case):
                with contextlib.suppress(Failure):
                    trial.call(*copies(other).values())
                    failure.mistake, failure.message = "one-layout-only", self.sentence("one-layout-only")
                    return
        if trial.outputs:
            failure.message = f"it works for some inputs and fails for others: {failure.message}"

    def judge_type(self, trial):
        for case, output in trial.outputs:
            self.require_type(output, shapes(case))

    def judge_shape(self, trial):
        trial.results = [self.result(case, output) for case, output in trial.outputs]
        for result in trial.results:
            if result.value.shape != result.expected.shape:
                raise self._shape_failure(trial, result)

    def _shape_failure(self, trial, result):
        got, due = tuple(result.value.shape), tuple(result.expected.shape)
        ids = self.name_mistake(trial.results)
        if not ids and got in ((), (1,)) and len(due) == 1:
            ids = ("one-number",)
        if not ids and len(due) == 1 and got == (*due, *due):
            ids = ("broadcast-square",)
        return Failure(
            self._sentences(ids) or f"the result has shape {got}, but {due} is due.",
            mistake=ids[0] if ids else None,
            where=f"input {shapes(result.case)}",
            got=f"shape {got}",
            expected=f"shape {due}",
        )

    def judge_finite(self, trial):
        for result in trial.results:
            if not result.value.isfinite().all():
                raise self._value_failure(trial, result, "the result is not finite here: it has NaN or infinities.")

    def judge_value(self, trial):
        for result in trial.results:
            if not self.is_close(result):
                raise self._value_failure(trial, result, "the values are wrong.")

    def _value_failure(self, trial, result, fallback):
        ids = self._unsteady(trial) or self.name_mistake(trial.results)
        message = self._sentences(ids) or f"{fallback}{self.hint(trial.results)}"
        return self.difference(result, message, ids[0] if ids else None)

    def hint(self, results):
        """A sentence for values that no guess explains, beginning with a space, or nothing."""
        return ""

    def _unsteady(self, trial):
        """The mistake of a function that does not repeat its first result."""
        result = trial.results[0]
        before = trial.generator_states()
        again = self.result(result.case, trial.call(*copies(result.case).values()))
        if same(again.value, result.value):
            return ()
        return ("random-result",) if trial.generator_states() != before else ("keeps-state",)

    def name_mistake(self, results):
        """The ids of the first guess that explains every result, or ()."""
        return self._first_guess(results, self.guesses) or self._first_guess(results, self.double_guesses)

    def _first_guess(self, results, make_guesses):
        alive = None  # numbers of the guesses that explain all results so far
        differs = set()  # those that are not the right answer itself
        for result in reversed(results):
            guesses = make_guesses(**doubles(result.case))
            alive = range(len(guesses)) if alive is None else alive
            alive = [n for n in alive if self._matches(result.value, guesses[n][1])]
            differs |= {n for n in alive if not self._matches(result.expected, guesses[n][1])}
        return next((guesses[n][0] for n in alive if n in differs), ())

    def _matches(self, value, guess):
        if value.shape != guess.shape or value.numel() == 0:
            return False
        first, guessed = (tensor[(0,) * tensor.ndim].item() for tensor in (value, guess))
        if math.isfinite(first) and not math.isclose(first, guessed, rel_tol=0.1, abs_tol=0.1):
            return False  # a quick no, for the many guesses
        return torch.allclose(value, guess.double(), self.rtol, self.atol, equal_nan=True)

    def _sentences(self, ids):
        if not ids:
            return ""
        first, *more = (self.sentence(mistake) for mistake in ids)
        return first + "".join(f" Besides, {sentence}" for sentence in more)

    # The criteria that give partial credit.

    def judge_gradient(self, trial):
        for case in [*self.cases(trial.rng), *self.flat_cases(trial.rng)]:
            self.require_gradient(trial, case)

    def require_gradient(self, trial, case, rtol=2e-4):
        where = f"input {shapes(case)}"
        leaves = {name: case[name].clone().requires_grad_() for name in self.differentiable}
        arguments = {**copies(case), **{name: leaf.clone() for name, leaf in leaves.items()}}
        originals = {name: value for name, value in arguments.items() if isinstance(value, torch.Tensor)}
        try:
            output = trial.call(*arguments.values())
            self.require_type(output, where)
            if not (isinstance(output, torch.Tensor) and output.requires_grad):
                raise Failure(mistake="detached", where=where, got="a result that carries no gradient")
            due = self.oracle(**doubles(case)).shape
            if output.numel() != due.numel():
                raise Failure(f"the result has shape {tuple(output.shape)}, but {tuple(due)} is due.", where=where)
            value = output.reshape(due)
            weights = trial.rng.uniform(*value.shape, low=0.5, high=1.5) * (2 * trial.rng.bits(*value.shape) - 1)
            got = trial.gradient(value, list(leaves.values()), weights.to(value.dtype))
        except Failure as failure:
            changed = any(not identical(originals[name], case[name]) for name in originals)
            if failure.mistake is None and changed:
                raise Failure(mistake="changes-arguments", where=where, got=failure.got) from None
            failure.where = failure.where or where
            raise
        self._compare_gradients(trial, case, weights, dict(zip(leaves, got, strict=True)), where, rtol)

    def _compare_gradients(self, trial, case, weights, got, where, rtol):
        expected = self.oracle_gradients(case, weights)
        missing = [
            name for name in got if expected[name].abs().max() > 1e-5 and (got[name] is None or not got[name].any())
        ]
        if missing:
            mistake = "detached" if len(missing) == len(got) else "partly-detached"
            raise Failure(mistake=mistake, where=where, got=f"no gradient for {', '.join(missing)}, or only zeros")
        for name, gradient in got.items():
            gradient = torch.zeros_like(expected[name]) if gradient is None else gradient.detach().double().cpu()
            if gradient.isfinite().all() and torch.allclose(
                gradient, expected[name], rtol, self.atol * (1 + expected[name].abs().max().item())
            ):
                continue
            mistake = self.explain_gradient(trial, case, name, gradient, expected[name])
            index = worst(gradient, expected[name])
            finite = "is wrong" if gradient.isfinite().all() else "is not finite (NaN or infinite)"
            raise Failure(
                self.sentence(mistake) if mistake else f"the value is right, but its gradient for {name} {finite}.",
                mistake,
                where=f"gradient for {name}{list(index)}, {where}",
                got=number(gradient[index]),
                expected=number(expected[name][index]),
            )

    def oracle_gradients(self, case, weights):
        with torch.enable_grad():
            leaves = {name: case[name].double().requires_grad_() for name in self.differentiable}
            value = self.oracle(**{**doubles(case), **leaves})
            gradients = torch.autograd.grad((value * weights).sum(), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if gradient is None else gradient
            for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
        }

    def judge_far(self, trial):
        for case in self.far_cases(trial.rng):
            result = self.checked(trial, case)
            finite = result.value.isfinite().all()
            if not (finite and self.is_close(result, self.far_rtol)):
                mistake = self.explain_far(trial, result)
                fallback = "far out, the values are wrong." if finite else "far out, the result is not finite."
                raise self.difference(result, self.sentence(mistake) if mistake else fallback, mistake)
            if "gradient" in trial.passed:
                try:
                    self.require_gradient(trial, case, self.far_gradient_rtol)
                except Failure as failure:
                    failure.message = f"far out, {failure.message or self.sentence(failure.mistake)}"
                    raise

    def judge_contract(self, trial):
        judge_contract(self, trial)

    # Tools.

    def checked(self, trial, case):
        """The result of one more call, of the right type and shape."""
        try:
            output = trial.call(*copies(case).values())
            self.require_type(output, shapes(case))
        except Failure as failure:
            failure.where = "; ".join(part for part in (failure.where, f"input {shapes(case)}") if part)
            raise
        result = self.result(case, output)
        if result.value.shape != result.expected.shape:
            got, due = tuple(result.value.shape), tuple(result.expected.shape)
            message = f"the result has shape {got}, but {due} is due."
            raise Failure(message, where=f"input {shapes(case)}", got=f"shape {got}", expected=f"shape {due}")
        return result

    def require_type(self, output, where):
        require_tensor(output, where, self.number_allowed)

    def float_parts(self, output):
        """The tensors of the result that come in the type of the input."""
        return [output]

    def result(self, case, output):
        self.require_type(output, shapes(case))
        expected = self.oracle(**doubles(case)).detach()
        if isinstance(output, torch.Tensor):
            value = as_double(output)
        else:
            value = torch.as_tensor(np.asarray(output, dtype=np.float64)).clone()
        if expected.ndim == 0 and value.shape == (1,):
            value = value.reshape(())
        return Result(case, value, expected)

    def is_close(self, result, rtol=None):
        return result.value.shape == result.expected.shape and torch.allclose(
            result.value, result.expected, rtol or self.rtol, self.atol
        )

    def difference(self, result, message="", mistake=None):
        """The failure that shows the worst element."""
        if result.value.shape != result.expected.shape:
            got, due = f"shape {tuple(result.value.shape)}", f"shape {tuple(result.expected.shape)}"
            return Failure(message, mistake, where=f"input {shapes(result.case)}", got=got, expected=due)
        index = worst(result.value, result.expected)
        error = (result.value - result.expected).abs().max().item()
        expected = number(result.expected[index]) + (
            f" (largest error {number(error)})" if math.isfinite(error) else ""
        )
        return Failure(message, mistake, self.where(result.case, index), number(result.value[index]), expected)

    def where(self, case, index):
        """The place of one element of the result, with the numbers of that example where they are few."""
        if not index:
            return shapes(case)
        values = [
            f"{name}[{index[0]}] = {[float(f'{v:.4g}') for v in value[index[0]].flatten().tolist()]}"
            for name, value in case.items()
            if isinstance(value, torch.Tensor) and value.ndim and len(value) > index[0] and value[index[0]].numel() <= 6
        ]
        return "; ".join([f"result{list(index)} for {shapes(case)}", *values])
