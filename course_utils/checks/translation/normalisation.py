"""The check of `adain`: every channel of every example takes on a mean and a deviation of its own."""

# ruff: noqa: E501

from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from course_utils.checks.core import Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies, shapes

PIXELS = (2, 3)
# Axes that statistics may be taken over by mistake.
OTHER_AXES = {
    "batch-norm": (0, 2, 3),
    "layer-norm": (1, 2, 3),
    "pixel-norm": (1,),
    "over-everything": (0, 1, 2, 3),
    "one-axis": (3,),
    "one-axis-too": (2,),
    "batch-axis": (0,),
}
SMALL = (0.0, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)  # what an eps is where it does not follow the argument


def moments(x, axes=PIXELS, correction=0):
    """Mean and variance over `axes`, which stay with length 1."""
    return x.mean(axes, keepdim=True), x.var(axes, correction=correction, keepdim=True)


def normalised(x, eps, correction=0, beside=False):
    mean, variance = moments(x, correction=correction)
    return (x - mean) / (variance.sqrt() + eps if beside else (variance + eps).sqrt())


def styled(normal, scale, bias):
    return scale[:, :, None, None] * normal + bias[:, :, None, None]


def wrongly_normalised(x, eps, correction):
    """Guesses at what came in place of the normalised features: (id, features)."""
    mean, variance = moments(x, correction=correction)
    std, centred = (variance + eps).sqrt(), x - mean
    square_sum = centred.square().sum(PIXELS, keepdim=True)
    root_mean_square = (x.square().mean(PIXELS, keepdim=True) + eps).sqrt()
    smallest, largest = x.amin(PIXELS, keepdim=True), x.amax(PIXELS, keepdim=True)
    guesses = [
        ("variance-not-rooted", centred / (variance + eps)),
        ("no-mean", x / std),
        ("mean-added", (x + mean) / std),
        ("no-deviation", centred),
        ("deviation-multiplied", centred * std),
        ("not-normalised", x),
        ("sum-of-squares", centred / (square_sum + eps).sqrt()),
        ("sum-of-squares", centred / square_sum),
        ("second-moment", centred / root_mean_square),
        ("second-moment", x / root_mean_square),
        ("absolute-deviation", centred / centred.abs().mean(PIXELS, keepdim=True)),
        ("range", (x - smallest) / (largest - smallest)),
        ("range", centred / (largest - smallest)),
        ("range", 2 * (x - smallest) / (largest - smallest) - 1),
        ("sign", -centred / std),
        ("std-without-mean", x - mean / std),
    ]
    others = {name: moments(x, axes, correction) for name, axes in OTHER_AXES.items()}
    for name, (other_mean, other_variance) in others.items():
        guesses.append((name.removesuffix("-too"), (x - other_mean) / (other_variance + eps).sqrt()))
    for other_mean, other_variance in others.values():
        guesses.append(("mixed-axes", (x - other_mean) / std))
        guesses.append(("mixed-axes", centred / (other_variance + eps).sqrt()))
        away = x - other_mean
        guesses.append(("mixed-axes", away / (away.square().mean(PIXELS, keepdim=True) + eps).sqrt()))
    return guesses


def wrongly_styled(x, normal, mean, scale, bias):
    """Guesses at what came of the normalised features: (id, result)."""
    s, b = scale[:, :, None, None], bias[:, :, None, None]
    return [
        ("swapped", b * normal + s),
        ("one-plus-scale", (1 + s) * normal + b),
        ("bias-first", s * (normal + b)),
        ("no-scale", normal + b),
        ("no-bias", s * normal),
        ("no-style", normal),
        ("style-before", s.sign() * normal + b),
        ("style-before", s.sign() * normal),
        ("bias-subtracted", s * normal - b),
        ("divided-by-scale", normal / s + b),
        ("mean-kept", s * normal + b + mean),
        ("mean-kept", s * normal + mean),
        ("x-added", s * normal + b + x),
        ("scale-transformed", s.abs() * normal + b),
        ("scale-transformed", s.square() * normal + b),
        ("scale-transformed", s.sqrt() * normal + b),
        ("scale-transformed", s.abs().sqrt() * normal + b),
        ("scale-transformed", s.exp() * normal + b),
        ("scale-transformed", (s / 2).exp() * normal + b),
        ("scale-transformed", s.sigmoid() * normal + b),
        ("scale-transformed", F.softplus(s) * normal + b),
        ("scale-added", normal + s + b),
        ("shared-style", s[:1] * normal + b[:1]),
        ("shared-style", s.mean(0, keepdim=True) * normal + b.mean(0, keepdim=True)),
        ("shared-style", s.mean(1, keepdim=True) * normal + b.mean(1, keepdim=True)),
        ("shared-style", s[:, :1] * normal + b[:, :1]),
        ("only-style", b + 0 * normal),
        ("flattened", (s * normal + b).flatten(2)),
        ("flattened", (s * normal + b).flatten(1)),
        ("pixels-reduced", (s * normal + b).mean(PIXELS)),
        ("pixels-reduced", (s * normal + b).mean(PIXELS, keepdim=True)),
    ]


class AdainReading(OracleCheck):
    """The check under one reading of "deviation", by `correction`: 0 for the biased variance, 1 for the unbiased.

    Where eps stands does not show in `cases`, whose deviations are at least 1; `judge_eps` accepts both places.
    """

    name = "adain"
    arguments = ("x", "style_scale", "style_bias", "eps")
    differentiable = ("x", "style_scale", "style_bias")
    defaults: ClassVar = {"eps": 1e-5}
    scalars = ("eps",)
    atol = 1e-4  # so much does a style of 3 make of eps
    weights: ClassVar = {"value": 5.0, "gradient": 2.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "swapped"
    mistakes: ClassVar = {
        "batch-norm": "you take mean and deviation over the batch as well (batch normalisation): each example has its own, over H and W only.",
        "layer-norm": "you take mean and deviation over the channels as well (layer normalisation): each channel has its own, over H and W only.",
        "pixel-norm": "you take mean and deviation over the channels of each pixel: take them over the pixels of each channel, axes 2 and 3.",
        "over-everything": "you take one mean and one deviation of all numbers: each example's channel has its own, over H and W only.",
        "one-axis": "you take mean and deviation over one axis of the image only: take them over H and W together, axes 2 and 3.",
        "batch-axis": "you take mean and deviation over the batch: take them over H and W, axes 2 and 3.",
        "mixed-axes": "mean and deviation are taken over different axes: take both over H and W, axes 2 and 3.",
        "variance-not-rooted": "you divide by the variance: divide by its root, the standard deviation.",
        "no-mean": "the mean is not subtracted: (x - mean) / deviation.",
        "mean-added": "the mean is added: subtract it.",
        "no-deviation": "you do not divide by the standard deviation, or you multiply by it again.",
        "deviation-multiplied": "you multiply by the standard deviation: divide by it.",
        "not-normalised": "the features are not normalised at all: first subtract their mean and divide by their deviation.",
        "sum-of-squares": "you divide by the length of the channel, a root of a sum: the variance is the mean of the squares.",
        "second-moment": "you divide by the root of the mean of x^2: the variance is the mean of (x - mean)^2.",
        "absolute-deviation": "you divide by the mean absolute deviation: due is the standard deviation, a root of a mean of squares.",
        "range": "you scale by the range from the smallest to the largest value: divide by the standard deviation.",
        "std-without-mean": "parentheses are missing: (x - mean) / deviation, not x - mean / deviation.",
        "sign": "the normalised features have the opposite sign: x - mean, not mean - x.",
        "swapped": "style_scale and style_bias are swapped: the scale multiplies, the bias is added.",
        "one-plus-scale": "you multiply by 1 + style_scale: here the scale itself multiplies.",
        "bias-first": "you add the bias before you multiply by the scale: scale first, then add the bias as it is.",
        "no-scale": "style_scale has no effect: multiply the normalised features by it.",
        "no-bias": "style_bias has no effect: add it at the end, since a normalisation after it takes it away.",
        "no-style": "neither style_scale nor style_bias has an effect: you return the normalised features.",
        "style-before": "you apply the style before you normalise, which takes it away again (but for a sign): normalise x, then scale and shift.",
        "bias-subtracted": "style_bias is subtracted: add it.",
        "divided-by-scale": "you divide by style_scale: multiply by it.",
        "mean-kept": "you add the mean of x again: the mean of the result is style_bias.",
        "x-added": "you add x itself to the result: AdaIN replaces the old statistics.",
        "scale-transformed": "style_scale is transformed (an absolute value, a root, a square, an exponential): it multiplies as it is, and may be negative.",
        "scale-added": "style_scale is added: multiply by it.",
        "shared-style": "several examples or channels share one style: every channel of every example has its own scale and bias.",
        "only-style": "x has no effect: the result is style_scale times the normalised x, plus style_bias.",
        "style-axes": "style_scale and style_bias are (B, C), x is (B, C, H, W): give them two more axes at the end, `style_scale[:, :, None, None]`.",
        "statistics-axes": "mean and deviation have lost their axes: keep them with `keepdim=True`, so that they fit x.",
        "flattened": "the result has lost its axes H and W: it is (B, C, H, W), like x.",
        "pixels-reduced": "you average over the pixels at the end: the result is (B, C, H, W), like x.",
        "detached-statistics": "the mean or the deviation is cut off from the gradient: they depend on x, too, and the gradient flows through them.",
        "constant-channel": "a constant channel makes the result NaN or infinite: its deviation is 0, so add eps before you divide.",
        "constant-amplified": "a constant channel does not become its style_bias: there x - mean is 0, whatever eps is.",
        "eps-ignored": "eps has no effect: add it to the variance (or to the deviation), whatever its value.",
        "eps-as-floor": "you use eps as a lower limit: add it to the variance, or to the deviation.",
        "eps-twice": "eps is there twice: add it to the variance or to the deviation, not to both.",
        "eps-squared": "you add the square or the root of eps: add eps itself, to the variance or to the deviation.",
        "eps-elsewhere": "eps is added in the wrong place: add it to the variance or to the deviation that you divide by.",
        "cancellation": "where the mean is far from 0, your variance is wrong: E[x^2] - (E[x])^2 subtracts two large, nearly equal numbers; average (x - mean)^2.",
    }  # fmt: skip

    def __init__(self, correction=0):
        self.correction = correction

    def criteria(self):
        *first, far, contract = super().criteria()
        return [*first, Criterion("eps", self.judge_eps, 1.0), far, contract]

    # The inputs.

    def cases(self, rng):
        return [self.draw(rng, *shape) for shape in ((3, 4, 4, 5), (2, 3, 1, 2), (2, 1, 3, 4), (3, 3, 2, 6))]

    def draw(self, rng, *shape, level=4.0, low=1.0, high=4.0, eps=1e-5):
        """Features of which every channel has a mean (of the size of `level` deviations) and a deviation of its own."""
        x = rng.normal(*shape)
        x = x + 0.05 * torch.linspace(-1, 1, x[0, 0].numel()).reshape(shape[2:])  # so that no channel is constant
        mean, variance = moments(x)
        deviation = rng.uniform(*shape[:2], 1, 1, low=low, high=high)
        centre = level * rng.uniform(*shape[:2], 1, 1, low=0.3) * (2 * rng.bits(*shape[:2], 1, 1) - 1)
        signs = 2 * rng.bits(*shape[:2]) - 1
        return {
            "x": deviation * ((x - mean) / variance.sqrt() + centre),
            "style_scale": signs * rng.uniform(*shape[:2], low=0.3, high=3.0),
            "style_bias": rng.normal(*shape[:2], scale=2.0),
            "eps": eps,
        }

    def constant_cases(self, rng):
        """Some channels are constant, at values that float32 adds up without rounding."""
        cases = [self.draw(rng, *shape) for shape in ((2, 3, 2, 4), (3, 2, 4, 4))]
        for case, values in zip(cases, ((0.0, 3.75), (-2.5, 0.0)), strict=True):
            case["x"][0, 0], case["x"][1, 1] = values
        return cases

    def eps_cases(self, rng):
        """An eps above all variances and deviations, then one below most of them."""
        return [
            self.draw(rng, 2, 3, 4, 5, low=0.2, high=0.45, eps=0.5),
            self.draw(rng, 3, 2, 3, 3, low=0.1, high=0.4, eps=0.07),
        ]

    def far_cases(self, rng):
        bright = self.draw(rng, 2, 2, 8, 10)
        bright["x"][:, :, 3, 4] += 200.0  # one pixel, almost nine deviations from the mean
        return [
            bright,
            {**self.draw(rng, 2, 3, 3, 4, low=1e3, high=1e4), "style_bias": 300 * rng.normal(2, 3)},
            self.draw(rng, 2, 300, 2, 3),
        ]

    def single_case(self, rng):
        return self.draw(rng, 1, 1, 3, 5)

    # The value.

    def explains(self, outputs):
        """Whether all results are right under this reading."""
        return all(self.is_close(self.result(case, output)) for case, output in outputs)

    def oracle(self, x, style_scale, style_bias, eps, beside=False):
        return styled(normalised(x, eps, self.correction, beside), style_scale, style_bias)

    def guesses(self, x, style_scale, style_bias, eps):
        guesses = []
        for correction in (0, 1):
            mean, _ = moments(x)
            right = normalised(x, eps, correction)
            guesses += wrongly_styled(x, right, mean, style_scale, style_bias)
            wrong = wrongly_normalised(x, eps, correction)
            guesses += [(name, styled(features, style_scale, style_bias)) for name, features in wrong]
        return [((name,), value) for name, value in guesses]

    def double_guesses(self, x, style_scale, style_bias, eps):
        mean, _ = moments(x)
        return [
            ((first, second), value)
            for correction in (0, 1)
            for first, features in wrongly_normalised(x, eps, correction)
            for second, value in wrongly_styled(x, features, mean, style_scale, style_bias)
        ]

    def explain_error(self, trial, case, failure):
        """Sizes that do not fit: those of the style, or those of the statistics?"""
        if "must match the size" not in failure.got and "broadcast" not in failure.got:
            return None
        ones = torch.ones(5, 4, 5, 4)  # here a style (B, C) fits the pixels, and so do statistics without their axes
        ramp = torch.arange(400.0).reshape(5, 4, 5, 4) + ones
        style = torch.arange(20.0).reshape(5, 4)
        try:
            output = trial.call(ramp, style, style, 1e-5)
        except Failure:
            return "statistics-axes"
        mean, variance = moments(ramp)
        guess = style * (ramp - mean) / variance.sqrt() + style
        close = isinstance(output, torch.Tensor) and output.shape == guess.shape
        return "style-axes" if close and (output - guess).abs().max() < 0.5 * guess.abs().max() else "statistics-axes"

    # The gradient.

    def _compare_gradients(self, trial, case, weights, got, where, rtol):
        trial.gradient_weights = weights
        super()._compare_gradients(trial, case, weights, got, where, rtol)

    def explain_gradient(self, trial, case, name, got, expected):
        if name != "x":
            return None
        scale = case["style_scale"].double()[:, :, None, None]
        for detached in ((True, True), (True, False), (False, True)):
            with torch.enable_grad():
                x = case["x"].double().requires_grad_()
                mean, variance = (
                    moment.detach() if cut else moment
                    for moment, cut in zip(moments(x, correction=self.correction), detached, strict=True)
                )
                value = scale * (x - mean) / (variance + case["eps"]).sqrt()
                (gradient,) = torch.autograd.grad((value * trial.gradient_weights).sum(), x)
            if torch.allclose(got, gradient, 1e-3, 1e-3):
                return "detached-statistics"
        return None

    # What eps is there for.

    def judge_eps(self, trial):
        for case in self.constant_cases(trial.rng):
            result = self.checked(trial, case)
            if not result.value.isfinite().all():
                raise self.difference(result, mistake="constant-channel")
            # Coarsely, since float32 may leave a trace of x - mean, which a small eps makes large.
            if not torch.allclose(result.value, result.expected, self.rtol, 1e-2):
                raise self.difference(result, mistake="constant-amplified")
        for case in self.eps_cases(trial.rng):
            self._require_eps(trial, case, case)
        narrow = self.draw(trial.rng, 2, 3, 4, 4, level=1.0, low=2e-3, high=5e-3)
        given = {name: value for name, value in narrow.items() if name != "eps"}
        self._require_eps(trial, narrow, given)

    def _require_eps(self, trial, case, given):
        """The result for the arguments `given` is that of `case`, wherever eps stands."""
        value = trial.call(*copies(given).values())
        self.require_type(value, shapes(given))
        result = self.result(case, value)
        beside = replace(result, expected=self._at(case, beside=True))
        if self.is_close(result) or self.is_close(beside):
            return
        if len(given) < len(case):
            raise self.difference(result, mistake="wrong-default")
        message = "eps is not used as it should be: add it to the variance, or to the deviation."
        mistake = next((name for name, guess in self._eps_guesses(case) if self._matches(result.value, guess)), None)
        raise self.difference(result, "" if mistake else message, mistake)

    def _at(self, case, **changes):
        arguments = {name: value.double() for name, value in case.items() if isinstance(value, torch.Tensor)}
        return self.oracle(**{**arguments, "eps": case["eps"], **changes})

    def _eps_guesses(self, case):
        x, eps = case["x"].double(), case["eps"]
        mean, variance = moments(x, correction=self.correction)
        std, centred = variance.sqrt(), x - mean
        features = [
            *(("eps-ignored", centred / (variance + small).sqrt()) for small in SMALL),
            *(("eps-ignored", centred / (std + small)) for small in SMALL),
            ("eps-as-floor", centred / std.clamp(min=eps)),
            ("eps-as-floor", centred / variance.clamp(min=eps).sqrt()),
            ("eps-twice", centred / ((variance + eps).sqrt() + eps)),
            ("eps-twice", centred / (variance + 2 * eps).sqrt()),
            ("eps-squared", centred / (variance + eps**2).sqrt()),
            ("eps-squared", centred / (std + eps**0.5)),
            ("eps-elsewhere", centred / (variance + eps)),
            ("eps-elsewhere", (centred + eps) / std),
            ("eps-elsewhere", centred / std + eps),
            ("eps-elsewhere", (centred + eps) / (variance + eps).sqrt()),
            ("eps-elsewhere", centred / (variance - eps).sqrt()),
            ("eps-elsewhere", centred / (std - eps)),
        ]
        style = case["style_scale"].double(), case["style_bias"].double()
        return [
            *((name, styled(values, *style)) for name, values in features),
            ("eps-elsewhere", styled(centred / std, *style) + eps),
        ]

    def judge_far(self, trial):
        """Means a thousand deviations from 0, coarsely, since float32 does not give more there; then the rest."""
        case = self.draw(trial.rng, 2, 3, 8, 6, level=1000.0)
        result = self.checked(trial, case)
        if not torch.allclose(result.value, result.expected, 1e-3, 1e-2):
            near = {**case, "x": case["x"] - moments(case["x"])[0]}
            mistake = "cancellation" if self.is_close(self.checked(trial, near)) else None
            raise self.difference(result, "" if mistake else "far out, the values are wrong.", mistake)
        super().judge_far(trial)

    def right_canary(self, x, style_scale, style_bias, eps=1e-5):
        std = x.std((2, 3), keepdim=True) + eps
        return (x - x.mean((2, 3), keepdim=True)) / std * style_scale[..., None, None] + style_bias[..., None, None]

    def wrong_canary(self, x, style_scale, style_bias, eps=1e-5):
        return F.instance_norm(x, eps=eps) * style_bias[..., None, None] + style_scale[..., None, None]


class Adain(AdainReading):
    """Judges under the reading that the results show, the biased variance where they show none."""

    readings = (AdainReading(0), AdainReading(1))

    def criteria(self):
        signature, runs, kind, *rest = super().criteria()
        return [signature, runs, kind, *(replace(criterion, judge=self._as_read(criterion)) for criterion in rest)]

    def _as_read(self, criterion):
        """The criterion's judge, of the reading that explains what came."""
        method = criterion.judge.__name__

        def judge(trial):
            if criterion.name == "shape":
                trial.reading = next((r for r in self.readings if r.explains(trial.outputs)), self.readings[0])
            getattr(trial.reading, method)(trial)

        return judge
