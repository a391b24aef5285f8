"""The check of `reparameterize`: a draw of N(mu, exp(logvar)), judged by its statistics and by its gradients."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.core import Check, Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.tensors import copies, identical, number, require_tensor, shapes


def gaussian(rng, *shape):
    """mu and logvar away from 0 within +-2; the first examples have logvar above 0, where wrong logs are finite."""
    logvar = rng.uniform(*shape, low=-1.6, high=1.6)
    logvar[: shape[0] // 2] = logvar[: shape[0] // 2].abs() + 0.1
    return {"mu": rng.normal(*shape, scale=1.2), "logvar": logvar}


def dependence_scores(noise):
    """Correlations at some distances and of mirrored elements along each axis, in standard errors under independence."""
    scores = []
    for axis, size in enumerate(noise.shape):
        pairs = [
            noise.narrow(axis, 0, size - lag) * noise.narrow(axis, lag, size - lag)
            for lag in {1, 2, size // 2, size - 1}
        ]
        half = size // 2  # one of the two halves: each pair once, and no middle element with itself
        pairs.append(noise.narrow(axis, 0, half) * noise.flip(axis).narrow(axis, 0, half))
        scores += [product.mean() * product.numel() ** 0.5 for product in pairs]
    return scores


class Reparameterize(Check):
    """z is random, so its noise (z - mu) / exp(logvar / 2) is judged: by statistics with bounds of six standard errors,
    by its independence, and by dz/dmu = 1 and dz/dlogvar = (z - mu) / 2, which hold for every draw."""

    name = "reparameterize"
    arguments = ("mu", "logvar")
    wrong_canary_mistake = "exp-logvar-as-std"
    sigmas = 6.0
    num_calls = 12
    mistakes: ClassVar = {
        "no-noise": "z is no random draw: add noise times the standard deviation.",
        "fixed-seed": "you set a seed inside the function: each call is to draw fresh noise, so set none.",
        "same-noise": "two calls gave the same noise: draw it inside the function, afresh in each call.",
        "shared-over-batch": "all examples share the same noise: draw it in the shape of mu (`torch.randn_like(mu)`).",
        "shared-over-dims": "all dimensions of an example share the same noise: draw it in the shape of mu (`torch.randn_like(mu)`).",
        "one-noise": "one random number serves all elements: draw noise in the shape of mu (`torch.randn_like(mu)`).",
        "exp-logvar-as-std": "the noise is multiplied by the variance exp(logvar): the standard deviation is exp(logvar / 2).",
        "logvar-as-std": "the noise is multiplied by logvar: the standard deviation is exp(logvar / 2).",
        "logvar-as-variance": "you take the root of logvar: the variance is exp(logvar), the standard deviation exp(logvar / 2).",
        "no-scale": "the noise is not scaled: multiply it by the standard deviation exp(logvar / 2).",
        "quarter": "the standard deviation is exp(logvar / 4): you took the root twice; exp(logvar / 2) is due.",
        "inverse-std": "the sign of logvar is wrong: the standard deviation is exp(logvar / 2), it grows with logvar.",
        "no-mean": "mu is missing: z is mu plus scaled noise.",
        "mean-sign": "mu has the opposite sign: z is mu plus scaled noise.",
        "roles-swapped": "mu and the standard deviation have changed places: z is mu + std * noise.",
        "mean-scaled": "mu is multiplied by the standard deviation too: only the noise is.",
        "uniform-noise": "the noise is uniform (`torch.rand`): a normal draw is due (`torch.randn_like`).",
        "not-normal": "the noise is not standard normal: draw it by `torch.randn_like(mu)`.",
        "dependent-noise": "the noise of different elements or calls is related: draw independent noise for every element.",
        "wrong-shape": "z has not the shape of mu: draw noise in the shape of mu (`torch.randn_like(mu)`).",
        "zero-gradient": "gradients arrive as zeros: `torch.normal(mu, std)` passes none; write mu + std * noise.",
        "mu-detached": "no gradient reaches mu: it was cut off (`.detach()`, `.data`, `no_grad`?); dz/dmu = 1.",
        "std-detached": "no gradient reaches logvar: the standard deviation was cut off; dz/dlogvar = (z - mu) / 2.",
        "detached": "no gradient flows through z: `.sample()`, `.detach()`, `.data` or `no_grad` cut it; write mu + std * noise (or `rsample`).",
        "clamped": "far out the standard deviation stops changing: logvar is clamped too tightly (beyond +-20 would do).",
    }  # fmt: skip

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("finite", self.judge_finite, needed=True),
            Criterion("value", self.judge_value, 4.0, needed=True),
            Criterion("gradient", self.judge_gradient, 4.0),  # what the trick is for
            Criterion("far out", self.judge_far, 1.0),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    def judge_runs(self, trial):
        trial.case = gaussian(trial.rng, 50, 37)
        try:
            trial.outputs = [trial.call(*copies(trial.case).values()) for _ in range(self.num_calls)]
        except Failure as failure:
            failure.where = "; ".join(part for part in (failure.where, f"input {shapes(trial.case)}") if part)
            if "GreaterThan" in failure.got or "std >= 0" in failure.got or "negative" in failure.got:
                failure.mistake = "logvar-as-variance" if self._roots_logvar(trial) else "logvar-as-std"
                failure.message = self.sentence(failure.mistake)
            raise

    def _roots_logvar(self, trial):
        """Whether a negative logvar has become NaN where a distribution's scale is due."""
        try:
            trial.call(torch.zeros(1, 1), torch.full((1, 1), -1.0))
        except Failure as failure:
            return "nan" in failure.got
        return False

    def judge_type(self, trial):
        for output in trial.outputs:
            require_tensor(output, f"input {shapes(trial.case)}")

    def judge_shape(self, trial):
        for output in trial.outputs:
            self._require_shape(output, trial.case)
        trial.z = torch.stack([plain(output) for output in trial.outputs])

    def _require_shape(self, output, case):
        got, due = tuple(output.shape), tuple(case["mu"].shape)
        if got != due:
            raise Failure(
                mistake="wrong-shape", where=f"input {shapes(case)}", got=f"shape {got}", expected=f"shape {due}"
            )

    def judge_finite(self, trial):
        bad = ~trial.z.isfinite()
        if bad.any():
            negative = (trial.case["logvar"] < 0).expand_as(bad)
            mistake = "logvar-as-variance" if torch.equal(bad, negative) else None
            message = "" if mistake else "z is not finite here: it has NaN or infinities."
            raise Failure(message, mistake, where=f"input {shapes(trial.case)}", got=number(trial.z[bad][0]))

    def judge_value(self, trial):
        mu, logvar = trial.case["mu"].double(), trial.case["logvar"].double()
        std = torch.exp(logvar / 2)
        noise = (trial.z - mu) / std
        low = logvar < 0
        ids = self._constant(trial, noise)
        for mistake, mean, scale in ((None, mu, std), *self._hypotheses(mu, logvar)):
            if ids:
                break
            standardised = (trial.z - mean) / scale
            shared = self._shared(standardised)
            if shared:
                ids = shared
            elif all(self._is_standard(part) for part in (standardised, standardised[:, low], standardised[:, ~low])):
                ids = mistake or self._not_independent_normal(noise)
                break
            elif mistake is None and noise.abs().max() < 1.8:
                ids = "uniform-noise"
        else:
            ids = ids or self._wrong_law(noise[:, low], noise[:, ~low])
        if ids:
            unknown = ids == "unknown"
            raise Failure(
                "z is no draw of N(mu, exp(logvar))." if unknown else "",
                None if unknown else ids,
                where=f"(z - mu) / exp(logvar / 2) over {self.num_calls} calls, input {shapes(trial.case)}",
                got="; ".join(
                    f"mean {number(part.mean())}, standard deviation {number(part.std())} where logvar {sign} 0"
                    for sign, part in (("<", noise[:, low]), (">=", noise[:, ~low]))
                ),
                expected="mean 0, standard deviation 1, independent for every element and call",
            )

    def _wrong_law(self, low, high):
        """Noise whose mean and variance are wrong but do not depend on logvar is noise of a wrong law."""
        error = self.sigmas * (low.var() / low.numel() + high.var() / high.numel()) ** 0.5
        alike = (low.mean() - high.mean()).abs() < error and 0.9 < low.std() / high.std() < 1.1
        return "not-normal" if alike else "unknown"

    def _constant(self, trial, noise):
        """The mistake of noise that is the same in every call, or None."""
        if (noise[0] - noise[1:]).abs().max() > 1e-4:
            return None
        if noise[0].std() < 1e-4:
            return "no-noise"
        return "fixed-seed" if self._sets_seed(trial) else "same-noise"

    def _sets_seed(self, trial):
        """Whether a call leaves a global generator in the same state, from wherever it started."""
        states = []
        for start in (trial.seed + 10_007, trial.seed + 20_011):
            trial.seed_generators(start % 2**32)
            before = trial.generator_states()
            trial.call(*copies(trial.case).values())
            states.append((before, trial.generator_states()))
        (before, after), (other_before, other_after) = states
        return any(a == b and a0 != b0 for a0, a, b0, b in zip(before, after, other_before, other_after, strict=True))

    def _hypotheses(self, mu, logvar):
        """Wrong readings: (id, mean of z, standard deviation of z)."""
        std, zero = torch.exp(logvar / 2), torch.zeros_like(mu)
        return [
            ("exp-logvar-as-std", mu, std**2),
            ("logvar-as-std", mu, logvar),
            ("logvar-as-variance", mu, logvar.abs().sqrt()),
            ("no-scale", mu, torch.ones_like(mu)),
            ("quarter", mu, std.sqrt()),
            ("exp-logvar-as-std", mu, std**4),
            ("inverse-std", mu, 1 / std),
            ("inverse-std", mu, 1 / std**2),
            ("no-mean", zero, std),
            ("mean-sign", -mu, std),
            ("roles-swapped", std, mu),
            ("mean-scaled", mu * std, std),
            ("no-mean", zero, std**2),
            ("no-mean", zero, torch.ones_like(mu)),
            ("roles-swapped", logvar, mu),
        ]

    def _shared(self, noise):
        """The mistake of noise that is equal along the batch or the dimensions, or None."""
        over_batch = (noise - noise[:, :1]).abs().max() < 1e-3
        over_dims = (noise - noise[:, :, :1]).abs().max() < 1e-3
        if over_batch and over_dims:
            return "one-noise"
        return "shared-over-batch" if over_batch else "shared-over-dims" if over_dims else None

    def _is_standard(self, noise, slack=0.0):
        """Whether mean and variance are 0 and 1 within the error of this many normal draws."""
        count = noise.numel()
        mean, variance = noise.mean().abs(), (noise.var() - 1).abs()
        return bool(mean < self.sigmas / count**0.5 + slack and variance < self.sigmas * (2 / count) ** 0.5 + slack)

    def _not_independent_normal(self, noise):
        """The mistake of noise with the right mean and variance but a wrong law, or None."""
        count = noise.numel()
        for bound, share in ((0.6745, 0.5), (2.0, 0.9545), (3.0, 0.9973)):
            error = (noise.abs() < bound).double().mean() - share
            if error.abs() > self.sigmas * (share * (1 - share) / count) ** 0.5 + 1e-4:
                return "not-normal"
        if ((noise < 0).double().mean() - 0.5).abs() > self.sigmas * 0.5 / count**0.5:
            return "not-normal"
        if any(score.abs() > self.sigmas for score in dependence_scores(noise)):
            return "dependent-noise"
        return None

    def judge_gradient(self, trial):
        self._require_gradient(trial, gaussian(trial.rng, 6, 5))

    def _require_gradient(self, trial, case):
        where = f"input {shapes(case)}"
        leaves = {name: value.clone().requires_grad_() for name, value in case.items()}
        arguments = {name: leaf.clone() for name, leaf in leaves.items()}
        output = trial.call(*arguments.values())
        require_tensor(output, where)
        self._require_shape(output, case)
        if not output.requires_grad:
            raise Failure(mistake="detached", where=where, got="a result that carries no gradient")
        weights = trial.rng.uniform(*output.shape, low=0.5, high=1.5)
        got = trial.gradient(output, list(leaves.values()), weights.to(output.dtype))
        expected = {"mu": weights.double(), "logvar": weights * (plain(output) - case["mu"]) / 2}
        missing = [gradient is None or not gradient.any() for gradient in got]
        if all(missing):
            mistake = "detached" if all(gradient is None for gradient in got) else "zero-gradient"
            raise Failure(
                mistake=mistake, where=where, got="only zeros" if mistake == "zero-gradient" else "no gradient"
            )
        if any(missing):
            raise Failure(mistake="mu-detached" if missing[0] else "std-detached", where=where, got="no gradient")
        for name, gradient in zip(leaves, got, strict=True):
            gradient = gradient.double()
            if not torch.allclose(gradient, expected[name], 1e-3, 1e-4 * (1 + case["mu"].abs().max().item())):
                index = (gradient - expected[name]).abs().nan_to_num(nan=math.inf).argmax().item()
                raise Failure(
                    f"z is right, but its gradient for {name} is wrong: dz/dmu = 1 and dz/dlogvar = (z - mu) / 2.",
                    where=f"gradient for {name}, {where}",
                    got=number(gradient.flatten()[index]),
                    expected=number(expected[name].flatten()[index]),
                )

    def judge_far(self, trial):
        for mean, logvar in ((0.0, -19.9), (0.0, 19.9), (0.0, -6.0), (60.0, 4.0), (-60.0, 0.0)):
            case = {"mu": torch.full((60, 50), mean), "logvar": torch.full((60, 50), logvar)}
            where = f"mu {mean:g}, logvar {logvar:g}, shape (60, 50)"
            z = self._draw(trial, case)
            noise = (z - mean) / math.exp(logvar / 2)
            # A little slack: an eps of 1e-6 beside the standard deviation is no mistake.
            if not z.isfinite().all() or not self._is_standard(noise, slack=0.05):
                mistake = "clamped" if self._clamps(trial, case) else None
                message = "" if mistake else "far out, z is no draw of N(mu, exp(logvar))."
                expected = f"{mean:g} and {number(math.exp(logvar / 2))}"
                got = f"mean {number(z.mean())}, standard deviation {number(z.std())}"
                raise Failure(message, mistake, where=where, got=got, expected=expected)
            if "gradient" in trial.passed:
                self._require_gradient(trial, {name: value[:3] for name, value in case.items()})

    def _clamps(self, trial, case):
        stds = []
        for logvar in (16.0, 19.9, -16.0, -19.9):
            stds.append(self._draw(trial, {"mu": case["mu"] * 0, "logvar": torch.full_like(case["mu"], logvar)}).std())
        return stds[1] < 2 * stds[0] or stds[2] < 2 * stds[3]

    def _draw(self, trial, case):
        output = trial.call(*copies(case).values())
        require_tensor(output, f"input {shapes(case)}")
        self._require_shape(output, case)
        return plain(output)

    def judge_contract(self, trial):
        if self._sets_seed(trial):
            raise Failure(mistake="fixed-seed", where=f"input {shapes(trial.case)}")
        arguments = copies(trial.case)
        trial.call(*arguments.values())
        for name, value in arguments.items():
            if not identical(value, trial.case[name]):
                raise Failure(mistake="changes-arguments", where=f"argument {name}, input {shapes(trial.case)}")
        single = gaussian(trial.rng, 1, 7)
        try:
            self._draw(trial, single)
        except Failure as failure:
            raise Failure(mistake="single-example", where=f"input {shapes(single)}", got=failure.got) from None
        double = {name: value.double() for name, value in single.items()}
        try:
            output = trial.call(*copies(double).values())
            require_tensor(output, shapes(double))
        except Failure as failure:
            raise Failure(mistake="fixed-dtype", where="input in float64", got=failure.got) from None
        if output.dtype != torch.float64:
            raise Failure(
                mistake="fixed-dtype", where="input in float64", got=str(output.dtype), expected="torch.float64"
            )
        try:
            trial.call(**copies(single))
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            raise

    def right_canary(self, mu, logvar):
        return mu + torch.exp(logvar / 2) * torch.randn_like(mu)

    def wrong_canary(self, mu, logvar):
        return mu + torch.exp(logvar) * torch.randn_like(mu)


def plain(output):
    """A float64 copy on the CPU, without gradient or subclass."""
    with torch._C.DisableTorchFunctionSubclass():
        return output.detach().as_subclass(torch.Tensor).to("cpu", torch.float64, copy=True)
