"""The check of `MaskedConv2d`: it judges which input each output responds to, and never how."""

import functools

import torch
from torch import nn

from course_utils.checks.autoregressive.masks import CausalMask
from course_utils.checks.autoregressive.patterns import CAUSAL_MISTAKES, causal
from course_utils.checks.autoregressive.responses import (
    NAMES,
    SMALL,
    LayerCheck,
    alike,
    central,
    fits,
    is_seen,
    place,
    size_of,
    support,
)
from course_utils.checks.autoregressive.sentences import LAYER_MISTAKES
from course_utils.checks.core import Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.oracle import Result
from course_utils.checks.randomness import derive_seed
from course_utils.checks.tensors import identical, require_tensor, same, shapes, worst


class RightConv2d(nn.Conv2d):
    """The planted right answer."""

    def __init__(self, mask_type, in_channels, out_channels, kernel_size, num_colors=1, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **{"padding": kernel_size // 2, **kwargs})
        self.register_buffer("mask", causal(mask_type, in_channels, out_channels, kernel_size, num_colors))

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.mask, self.bias)


class WrongConv2d(RightConv2d):
    """The planted wrong answer: its mask is never used."""

    def forward(self, x):
        return self._conv_forward(x, self.weight, self.bias)


class MaskedConvolution(LayerCheck):
    name = "MaskedConv2d"
    arguments = NAMES
    mistakes = CAUSAL_MISTAKES | LAYER_MISTAKES
    right_canary, wrong_canary, wrong_canary_mistake = RightConv2d, WrongConv2d, "not-masked"

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("mask", self.judge_mask, 5.0, needed=True),
            Criterion("weights", self.judge_weights, 2.0),
            Criterion("gradient", self.judge_gradient, 1.0),
            Criterion("options", self.judge_options, 1.0),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    def cases(self, rng):
        few = 2 + int(rng.integers(3))
        inputs = [
            *(("A", 1, few, 5, 1), ("B", few, 2, 3, 1), ("A", 3, 6, 3, 3)),
            *(("B", 6, 9, 3, 3), ("A", 2, 1, 7, 1), ("B", 3, 3, 5, 3)),
        ]
        return [dict(zip(NAMES, values, strict=True)) for values in inputs]

    # The needed criteria.

    def judge_runs(self, trial):
        trial.layers, trial.outputs = [], []
        cases = self.cases(trial.rng)
        for case in cases:  # all layers before the first is called: they must not share anything
            try:
                trial.layers.append((case, self.make(trial, case)))
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, f"{self.name}({shapes(case)})") if part)
                raise
        for case, layer in trial.layers:
            x = trial.rng.normal(2, case["in_channels"], *size_of(case))
            try:
                trial.outputs.append((case, x, trial.guard(functools.partial(layer, x), "calling your layer")))
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, place(case)) if part)
                raise

    def judge_type(self, trial):
        for case, _, output in trial.outputs:
            require_tensor(output, place(case))

    def judge_shape(self, trial):
        wrong = [(c, x, o) for c, x, o in trial.outputs if o.shape != (len(x), c["out_channels"], *x.shape[2:])]
        if not wrong:
            return
        case, x, output = wrong[0]
        unpadded = all(
            o.shape[2:] == tuple(side - c["kernel_size"] + 1 for side in x.shape[2:]) for c, x, o in trial.outputs
        )
        for_3_only = all(c["kernel_size"] != 3 for c, _, _ in wrong) and output.ndim == 4
        raise Failure(
            mistake="no-padding" if unpadded else "padding-of-one" if for_3_only else "other-shape",
            where=place(case),
            got=f"shape {tuple(output.shape)}",
            expected=f"shape {(len(x), case['out_channels'], *x.shape[2:])}",
        )

    def judge_mask(self, trial):
        """What the fresh layers see: nothing later, and all that is earlier."""
        unsteady = self.name_unsteady(trial)
        if unsteady:
            raise Failure(mistake=unsteady, where=place(trial.layers[1][0]), got="another result in the second call")
        found = []
        for case, layer in trial.layers:
            seen, due = is_seen(self.response(trial, layer, case)), support(case)
            if not (seen & ~due).any() and (due & ~seen).any():
                seen = self.seen_by_any(trial, case, seen)  # a first weight may be close to 0
                if (due & ~seen).any():  # or all of them are
                    layer = self.make(trial, case)
                    self.load(trial, layer, self.other_weights(trial, layer))
                    seen = is_seen(self.response(trial, layer, case))
            found.append((case, seen, due))
        for case, seen, due in found:
            if (seen != due).any():
                raise self.misplaced(trial, case, seen, due, self.name_pattern(trial, found))

    def seen_by_any(self, trial, case, seen):
        for _ in range(2):
            seen = seen | is_seen(self.response(trial, self.make(trial, case), case))
        return seen

    def name_pattern(self, trial, found):
        """The id of the mistake behind what the fresh layers see, or None."""
        if self.is_shared(trial, [(case, due) for case, seen, due in found if (seen != due).any()]):
            return "mask-shared"
        results = [
            Result(case, central(self.seen_by_any(trial, case, seen), case).double(), causal(**case).double())
            for case, seen, _ in found
        ]
        if all(torch.equal(result.value, result.expected) for result in results):
            return "border"
        ids = CausalMask().name_mistake(results)
        if ids == ("all-ones",):
            return self.name_unmasked(trial)
        return ids[0] if ids else None

    def name_unsteady(self, trial):
        """The id of the mistake of a layer whose response changes from call to call, or None."""
        case = trial.layers[1][0]
        layer = self.make(trial, case)
        before = trial.generator_states()
        first = self.response(trial, layer, case)
        drawn = trial.generator_states() != before
        last = self.response(trial, layer, case)
        if alike(first, last):
            return None
        if drawn:
            return "random-result"
        return "weights-erased" if last.abs().sum() < first.abs().sum() else "keeps-state"

    def is_shared(self, trial, wrong):
        """Whether layers that are wrong are right as long as no other has been made."""
        return all(fits(self.response(trial, self.make(trial, case), case), due) for case, due in wrong)

    def name_unmasked(self, trial):
        """The id of the mistake of a layer that sees everything."""
        case, layer = trial.layers[-1]
        eyes = ~support(case)
        layer.eval()
        asleep = is_seen(self.response(trial, layer, case))
        layer.train()
        if not (asleep & eyes).any():
            return "only-in-eval"
        before = self.response(trial, layer, case)
        self.train(trial, layer, case)
        after = self.response(trial, layer, case)
        moved = (after - before).abs() > SMALL * before.abs().max()
        return "gradient-masked-only" if moved[~eyes].any() and not moved[eyes].any() else "not-masked"

    def misplaced(self, trial, case, seen, due, mistake=None, when=""):
        """The failure that shows one response that should not be, or one that is missing."""
        leaks = seen & ~due
        wrong = leaks if leaks.any() else due & ~seen
        number, out, row, column = wrong.nonzero()[0].tolist()
        channel, up, left = (
            torch.arange(seen.shape[0]).view(case["in_channels"], *size_of(case)).eq(number).nonzero()[0].tolist()
        )
        text = "it sees what it must not see." if leaks.any() else "it does not see all that it may see."
        return Failure(
            "" if mistake else f"{when}{text}",
            mistake,
            where=f"{place(case)}; output channel {out} at row {row}, column {column}",
            got=f"{'depends' if leaks.any() else 'does not depend'} on input channel {channel} "
            f"at row {up}, column {left}",
            expected="no dependence" if leaks.any() else "a dependence",
        )

    # The criteria that give partial credit.

    def judge_weights(self, trial):
        """What the layers see after repeated calls, training, loading, and in eval mode."""
        for case, layer in trial.layers[2:4]:  # with colours, and small
            due = support(case)
            before = self.response(trial, layer, case)
            self.train(trial, layer, case)
            trained = self.response(trial, layer, case)
            seen = is_seen(trained)
            if (seen & ~due).any():
                mistake = "mask-trained" if self.trains_a_mask(layer, case) else "masked-once"
                raise self.misplaced(trial, case, seen, due, mistake)
            state = self.other_weights(trial, layer)
            self.load(trial, layer, state)
            loaded = self.response(trial, layer, case)
            seen = is_seen(loaded)
            if alike(loaded, before):
                raise Failure(mistake="weights-ignored", where=place(case))
            if (seen & ~due).any():
                raise self.misplaced(trial, case, seen, due, "leaks-after-loading")
            if (seen != due).any():
                raise self.misplaced(trial, case, seen, due, when="after loading weights, ")
            x = trial.rng.normal(2, case["in_channels"], *size_of(case))
            outputs = [self.output(trial, layer, x) for _ in range(3)]
            if not alike(outputs[0], outputs[2]):
                raise Failure(mistake="keeps-state", where=place(case), got="another result in the third call")
            self._judge_eval(trial, layer, case, x, outputs[0])
            self._judge_reloading(trial, layer, case, x, outputs[0])

    def trains_a_mask(self, layer, case):
        """Whether something that is trained began as a mask."""
        return sum(p.requires_grad and p.shape[-2:] == (case["kernel_size"],) * 2 for p in layer.parameters()) > 1

    def _judge_eval(self, trial, layer, case, x, expected):
        trial.guard(layer.eval)
        output = self.output(trial, layer, x)
        if not alike(output, expected):
            seen, due = is_seen(self.response(trial, layer, case)), support(case)
            if (seen & ~due).any():
                raise self.misplaced(trial, case, seen, due, "leaks-in-eval")
            raise Failure(mistake="other-in-eval", where=place(case))
        trial.guard(layer.train)

    def _judge_reloading(self, trial, layer, case, x, expected):
        """The same weights in another layer give the same outputs."""
        other = self.make(trial, case)
        self.load(trial, other, self.state(trial, layer))
        output = self.output(trial, other, x)
        if not alike(output, expected):
            raise Failure(mistake="loading-breaks", where=place(case), got="another result with the same state_dict")

    def judge_gradient(self, trial):
        for case, layer in trial.layers[2:4]:
            where = place(case)
            x = trial.rng.normal(2, case["in_channels"], *size_of(case)).requires_grad_()
            parameters = [p for p in layer.parameters() if p.requires_grad]
            output = self.forward(trial, layer, x)
            weights = trial.rng.normal(*output.shape).to(output.dtype)
            got = trial.gradient(output, [x, *parameters], weights) if output.requires_grad else [None]
            if got[0] is None or not got[0].any():
                raise Failure(mistake="detached", where=where, got="no gradient for the input")
            if not any(gradient is not None and gradient.any() for gradient in got[1:]):
                raise Failure(mistake="weights-detached", where=where, got="no gradient for the weights")
            response = self.response(trial, layer, case)
            due = torch.einsum("noij,boij->bn", response, weights.double()).view_as(x)
            if not torch.allclose(got[0].double(), due, 1e-2, 1e-2 * due.abs().max().item()):
                raise self.wrong_gradient("the input", got[0].double(), due, where)
            self._judge_weight_gradient(trial, layer, x.detach(), parameters, got[1:], weights, where)

    def _judge_weight_gradient(self, trial, layer, x, parameters, gradients, weights, where):
        """The derivative along a direction that is 0 where a weight is: forbidden ones may have been set to 0."""
        slope, losses = 0.0, []
        directions = [p.detach() * trial.rng.uniform(*p.shape, low=0.5, high=1.5).to(p) for p in parameters]
        for gradient, direction in zip(gradients, directions, strict=True):
            slope += 0.0 if gradient is None else (gradient.double() * direction).sum().item()
        for step in (0.05, -0.1, 0.05):  # forth, back, and to where it was
            with torch.no_grad():
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.add_(step * direction)
            losses.append((self.output(trial, layer, x).double() * weights).sum().item())
        due = (losses[0] - losses[1]) / 0.1
        scale = (weights.double() ** 2).sum().item() ** 0.5 + abs(due)
        if abs(slope - due) > 1e-2 * scale:
            raise self.wrong_gradient("the weights", torch.tensor(slope), torch.tensor(due), where)

    def wrong_gradient(self, name, got, due, where):
        index = worst(got, due)
        return Failure(
            f"the gradient for {name} is wrong.", where=where, got=f"{got[index]:.4g}", expected=f"{due[index]:.4g}"
        )

    def judge_options(self, trial):
        """What else nn.Conv2d takes: padding, stride, dilation, bias."""
        case = dict(zip(NAMES, ("B", 2, 3, 3, 1), strict=True))
        for mistake, options in (
            ("ignores-padding", {"padding": 0}),
            ("ignores-padding", {"padding": (2, 3)}),
            ("ignores-stride", {"padding": 1, "stride": 2}),
            ("ignores-dilation", {"padding": 2, "dilation": 2}),
            ("ignores-bias", {"bias": False}),
        ):
            where = f"{place(case)}, {', '.join(f'{name}={value}' for name, value in options.items())}"
            try:
                layer = self.make(trial, case, **options)
                response = self.awake(trial, layer, case)
            except Failure as failure:
                failure.where = "; ".join(part for part in (failure.where, where) if part)
                if failure.got.startswith("TypeError"):
                    failure.mistake, failure.message = "no-options", self.sentence("no-options")
                raise
            due = support(case, **options)
            if response.shape != due.shape:
                got, expected = f"size {tuple(response.shape[2:])}", f"size {tuple(due.shape[2:])}"
                raise Failure(mistake=mistake, where=where, got=got, expected=expected)
            if not fits(response, due):
                raise Failure(mistake=mistake, where=where, got="other pixels are seen")
        self._judge_bias(trial, layer, case, False, where)
        layer = self.make(trial, case)
        self._judge_bias(trial, layer, case, True, place(case))

    def _judge_bias(self, trial, layer, case, has_bias, where):
        self.load(trial, layer, self.other_weights(trial, layer))
        output = self.output(trial, layer, torch.zeros(1, case["in_channels"], *size_of(case)))
        if has_bias and not output.abs().gt(SMALL).all():
            raise Failure(mistake="no-bias", where=where, got="0 for an input of zeros")
        if not has_bias and output.any():
            raise Failure(mistake="ignores-bias", where=where, got="not 0 for an input of zeros")

    def judge_contract(self, trial):
        self._judge_calling(trial)
        case, layer = trial.layers[3]
        for count, size in enumerate(((7, 4), (5, 9), (7, 4))):
            x = trial.rng.normal(1 + count % 2, case["in_channels"], *size)
            given = x.clone()
            trial.seed_generators(derive_seed(trial.seed, count))
            before = trial.generator_states()
            try:
                output = self.output(trial, layer, given)
            except Failure as failure:
                failure.mistake, failure.message = "one-size-only", self.sentence("one-size-only")
                raise
            if trial.generator_states() != before:
                raise Failure(mistake="touches-rng", where=place(case))
            if not identical(given, x):
                raise Failure(mistake="changes-arguments", where=place(case))
            if output.shape != (len(x), case["out_channels"], *size):
                raise Failure(mistake="one-size-only", where=f"input {tuple(x.shape)}", got=str(tuple(output.shape)))
            if not same(self.output(trial, layer, x), output):
                raise Failure(mistake="keeps-state", where=place(case))
        self._judge_seed(trial, case)
        self._judge_float64(trial, case, layer)

    def _judge_calling(self, trial):
        """Arguments by name, and without the last."""
        case = dict(zip(NAMES, ("A", 3, 3, 3, 1), strict=True))
        shorter = {name: value for name, value in case.items() if name != "num_colors"}
        try:
            layer = trial.call(**shorter)
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            raise
        if not fits(self.awake(trial, layer, case), support(case)):
            raise Failure(mistake="wrong-default", where=shapes(shorter), expected="num_colors=1")
        layer = trial.call(**(case | {"num_colors": 3}))
        if not fits(self.awake(trial, layer, case), support(case | {"num_colors": 3})):
            raise Failure(mistake="wrong-names", where=shapes(case | {"num_colors": 3}))

    def _judge_seed(self, trial, case):
        """A layer draws its first weights, but sets no seed."""
        states = []
        for seed in (trial.seed + 10_007, trial.seed + 20_011):
            trial.seed_generators(seed % 2**32)
            before = trial.generator_states()
            self.make(trial, case)
            states.append((before, trial.generator_states()))
        (before, after), (other_before, other_after) = states
        if any(a == b and x != y for x, a, y, b in zip(before, after, other_before, other_after, strict=True)):
            raise Failure(mistake="sets-seed", where=f"{self.name}({shapes(case)})")

    def _judge_float64(self, trial, case, layer):
        try:
            layer = layer.double()
            output = self.output(trial, layer, trial.rng.normal(2, case["in_channels"], *size_of(case)).double())
            response = self.awake(trial, layer, case, torch.float64)
        except Failure as failure:
            raise Failure(
                mistake=failure.mistake or "fixed-dtype", where=f"{place(case)} in float64", got=failure.got
            ) from None
        if output.dtype != torch.float64 or not fits(response, support(case)):
            raise Failure(mistake="fixed-dtype", where=f"{place(case)} in float64", got=str(output.dtype))
