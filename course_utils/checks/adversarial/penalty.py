"""The check of `gradient_penalty`, which is random: alpha is uniform.

Three facts make it exact where it can be. Where real = fake, every alpha gives the same point, so the penalty is known.
Of two images that are constant, every mixture with one alpha is constant. And along a form u with a critic
1/2 <u, x>^2, the norm of the gradient is linear in alpha, so that the penalty of one example tells its alpha.
"""

# ruff: noqa: E501

import copy
from typing import ClassVar

import torch

from course_utils.checks.adversarial.interpolation import InterpolationJudge
from course_utils.checks.core import Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.randomness import derive_seed
from course_utils.checks.stubs import QuadraticCritic, SmoothCritic
from course_utils.checks.tensors import copies, identical, number, require_tensor, shapes, worst


def slopes(critic, x):
    """The gradient of the critic at each image, (B, C, H, W), in float64 and with a graph, and that critic's twin."""
    twin = copy.deepcopy(critic).double()
    with torch.enable_grad():
        x = x.detach().double().requires_grad_()
        return torch.autograd.grad(twin(x).sum(), x, create_graph=True)[0], twin


def norms(gradients):
    return gradients.flatten(1).square().sum(1).sqrt()


def coincident(rng, *shape, num_ones=0):
    """Images that are real and fake alike, and a critic whose gradient norms lie on both sides of 1."""
    critic = SmoothCritic(channels=shape[1], num_ones=num_ones, seed=int(rng.integers(10**6)))
    x = rng.normal(*shape) * torch.logspace(-1, 0.3, shape[0]).view(-1, 1, 1, 1)
    sizes = norms(slopes(critic, x)[0])
    with torch.no_grad():
        critic.head.weight *= 1.1 / sizes.mean().item()
    return {"critic": critic, "real": x, "fake": x.clone()}


def flat_critic(rng, count):
    """Three images, real and fake alike, and a critic whose gradient is exactly 0 at the first `count` of them."""
    critic = QuadraticCritic(shape=(2, 4, 5), num_forms=3, seed=int(rng.integers(10**6)))
    x = rng.normal(3, 2, 4, 5)
    x[:count] = 0.0
    with torch.no_grad():
        critic.slope.zero_()
        critic.forms /= critic.forms.norm()
    return {"critic": critic, "real": x, "fake": x.clone()}


class GradientPenalty(InterpolationJudge, OracleCheck):
    name = "gradient_penalty"
    arguments = ("critic", "real", "fake")
    wrong_canary_mistake = "norm-over-channels"
    mistakes: ClassVar = {
        "norm-over-channels": "the norm runs over the channels only (`dim=1`): take it over all axes of an example, `.flatten(1).norm(dim=1)`.",
        "norm-over-pixels": "the norm runs over some axes of an image only: take it over all of them, `.flatten(1).norm(dim=1)`.",
        "norm-over-batch": "one norm is taken over the whole batch: each example has its own, `.flatten(1).norm(dim=1)`.",
        "per-element": "every element of the gradient is compared with 1: take the norm of each example first.",
        "norm-squared": "the square of the norm is compared with 1: the root is missing.",
        "mean-square": "the norm averages the squares of the elements: it is the root of their sum.",
        "l1-norm": "the norm is the sum of absolute values (L1): the L2 norm is due.",
        "not-squared": "the distance of the norm from 1 is not squared.",
        "one-sided": "only norms above 1 are punished: norms below 1 are, too.",
        "zero-centred": "the norm is pulled to 0: subtract 1 before you square.",
        "sign": "1 is added to the norm (or the penalty is negative): (norm - 1)^2 is due.",
        "mean-before-square": "the norms are averaged first: square (norm - 1) of each example, then average.",
        "summed": "the penalty is summed over the batch: average over the examples.",
        "not-averaged": "one number for each example comes back: return their mean.",
        "factor-lambda": "the penalty carries a factor, such as lambda = 10 or 1/2: return it without.",
        "mean-of-scores": "you differentiate the mean of the scores, so that each gradient is divided by the batch size: differentiate their sum.",
        "not-on-the-line": "where real and fake are the same image, the critic is asked elsewhere: the weights alpha and 1 - alpha must add up to 1, and nothing else is added.",
        "no-input-gradient": "autograd does not know the points as inputs: call `.requires_grad_()` on them before the critic sees them.",
        "scores-not-summed": "the scores are not one number: differentiate their sum, or pass `grad_outputs=torch.ones_like(scores)`.",
        "score-shape": "it expects scores of another shape: they may be (B,), (B, 1) or (B, 1, 1, 1); differentiate `scores.sum()`.",
        "alpha-shape": "two shapes do not fit together: is alpha of shape (B, 1, 1, 1), one number for each example?",
        "alpha-per-pixel": "alpha differs between the pixels of an image: draw one number for each example, of shape (B, 1, 1, 1).",
        "alpha-per-channel": "alpha differs between the channels of an image: draw one number for each example, of shape (B, 1, 1, 1).",
        "alpha-shared": "one alpha serves the whole batch: draw one for each example, of shape (B, 1, 1, 1).",
        "real-only": "the critic is differentiated at the real images: mix them with the fakes, alpha * real + (1 - alpha) * fake.",
        "fake-only": "the critic is differentiated at the fakes: mix them with the real images, alpha * real + (1 - alpha) * fake.",
        "midpoint": "alpha is always 1/2: draw it at random, uniformly between 0 and 1.",
        "same-alpha": "alpha is the same in each call: draw it afresh inside the function.",
        "fixed-seed": "you set a seed inside the function: each call is to draw a fresh alpha, so set none.",
        "coin": "alpha is only ever 0 or 1: draw it uniformly from all numbers between 0 and 1 (`torch.rand`).",
        "alpha-outside": "alpha leaves the interval from 0 to 1: draw it by `torch.rand`, not `torch.randn`.",
        "not-uniform": "alpha is random, but not uniform between 0 and 1: draw it by `torch.rand`.",
        "alpha-evenly-spaced": "the alphas of a batch are no independent draws, always the same set of values: draw each by `torch.rand`.",
        "no-create-graph": "the penalty carries no gradient for the critic: pass `create_graph=True` to `torch.autograd.grad`, and cut nothing off.",
        "eps-too-large": "the number added under the root is too large: 1e-12 is enough.",
        "nan-at-zero": "where the critic is flat, the gradient becomes NaN, since the root is infinitely steep at 0: use `.norm()`, or add 1e-12 under the root.",
        "grads-touched": "the `.grad` of the critic's parameters is not as it was: use `torch.autograd.grad` for the inputs rather than `.backward()`, and clear nothing.",
        "critic-changed": "the critic is not as it was: leave its parameters, their `requires_grad` and its mode (train or eval) alone.",
    }  # fmt: skip

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("finite", self.judge_finite, needed=True),
            Criterion("value", self.judge_value, 4.0, needed=True),
            Criterion("interpolation", self.judge_interpolation, 2.5),
            Criterion("gradient", self.judge_gradient, 2.0),  # what makes it a loss
            Criterion("flat critic", self.judge_flat, 0.5),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    # Where real = fake, nothing is random.

    def cases(self, rng):
        return [
            coincident(rng, 5, 3, 4, 6),
            coincident(rng, 3, 1, 5, 4, num_ones=1),
            coincident(rng, 4, 2, 3, 5, num_ones=3),
        ]

    def single_case(self, rng):
        return coincident(rng, 1, 2, 3, 4)

    def oracle(self, critic, real, fake):
        return (norms(slopes(critic, real)[0]) - 1).square().mean()

    def explain_error(self, trial, case, failure):
        text = failure.got
        if "does not require grad" in text or "have been used in the graph" in text:
            return "no-input-gradient"
        if "implicitly created only for scalar" in text:
            return "scores-not-summed"
        if "Mismatch in shape" in text or "grad_output" in text:
            return "score-shape"
        if "must match the size of tensor" in text or "broadcast" in text:
            return "alpha-shape"
        return None

    def guesses(self, critic, real, fake):
        gradient = slopes(critic, real)[0].detach()
        flat, size = gradient.flatten(1), norms(gradient)
        over_pixels = (gradient.flatten(2).norm(dim=2), gradient.norm(dim=3), gradient.norm(dim=2))
        right = (size - 1).square()
        distance = [
            ("norm-over-channels", (gradient.norm(dim=1) - 1).square().mean()),
            ("norm-over-channels", (gradient.square().sum(1) - 1).square().mean()),
            *(("norm-over-pixels", (part - 1).square().mean()) for part in over_pixels),
            ("norm-over-batch", (gradient.norm() - 1).square()),
            ("norm-over-batch", (gradient.norm(dim=0) - 1).square().mean()),
            ("norm-over-batch", (flat.norm(dim=0) - 1).square().mean()),
            *(("per-element", (part - 1).square().mean()) for part in (gradient, gradient.abs())),
            *(("norm-squared", (size**2 - 1).pow(power).mean()) for power in (1, 2)),
            ("norm-squared", (size**2 - 1).abs().mean()),
            ("mean-square", (flat.square().mean(1).sqrt() - 1).square().mean()),
            ("mean-square", (flat.square().mean(1) - 1).square().mean()),
            ("l1-norm", (flat.abs().sum(1) - 1).square().mean()),
            *(("not-squared", (size - 1).mean() * sign) for sign in (1, -1)),
            ("not-squared", (size - 1).abs().mean()),
            ("not-squared", right.mean().sqrt()),
            ("one-sided", (size - 1).clamp(min=0).square().mean()),
            ("one-sided", (size - 1).clamp(max=0).square().mean()),
            *(("zero-centred", size.pow(power).mean()) for power in (1, 2)),
            ("sign", (size + 1).square().mean()),
            ("sign", -right.mean()),
            ("mean-before-square", (size.mean() - 1).square()),
            ("mean-before-square", (flat.mean(0).norm() - 1).square()),
            ("summed", right.sum()),
            ("not-averaged", right),
            ("not-averaged", right.unsqueeze(1)),
            *(("factor-lambda", right.mean() * factor) for factor in (10, 5, 0.5, 2, 100, 0.1)),
            ("mean-of-scores", (size / len(size) - 1).square().mean()),
        ]
        elsewhere = (norms(slopes(critic, x)[0].detach()) for x in (2 * real, 0 * real, 0.5 * real))
        distance += [("not-on-the-line", (moved - 1).square().mean()) for moved in elsewhere]
        return [((name,), value) for name, value in distance]

    def double_guesses(self, critic, real, fake):
        gradient = slopes(critic, real)[0].detach()
        size, flat = norms(gradient), gradient.flatten(1)
        right, shrunk, squared = (size - 1).square(), size / len(size), (size**2 - 1).square()
        values = [
            (("norm-over-channels", "factor-lambda"), 10 * (gradient.norm(dim=1) - 1).square().mean()),
            (("norm-over-channels", "summed"), (gradient.norm(dim=1) - 1).square().sum()),
            (("norm-over-batch", "factor-lambda"), 10 * (gradient.norm() - 1).square()),
            (("norm-squared", "factor-lambda"), 10 * squared.mean()),
            (("norm-squared", "summed"), squared.sum()),
            (("zero-centred", "factor-lambda"), 10 * size.square().mean()),
            (("zero-centred", "factor-lambda"), 0.5 * size.square().mean()),
            (("one-sided", "factor-lambda"), 10 * (size - 1).clamp(min=0).square().mean()),
            (("mean-of-scores", "factor-lambda"), 10 * (shrunk - 1).square().mean()),
            (("mean-of-scores", "norm-over-batch"), (gradient.norm() / len(size) - 1).square()),
            (("mean-of-scores", "norm-over-channels"), (gradient.norm(dim=1) / len(size) - 1).square().mean()),
            (("mean-of-scores", "summed"), (shrunk - 1).square().sum()),
            (("summed", "factor-lambda"), 10 * right.sum()),
            (("mean-square", "summed"), (flat.square().mean(1).sqrt() - 1).square().sum()),
        ]
        return values

    def _unsteady(self, trial):
        """The mistake of a function that changes the critic, or is random where every alpha gives the same point."""
        case = coincident(trial.rng, 5, 3, 4, 6)
        before = [parameter.detach().clone() for parameter in case["critic"].parameters()]
        values = [self.result(case, trial.call(*copies(case).values())).value for _ in range(3)]
        if any(not identical(p.detach(), old) for p, old in zip(case["critic"].parameters(), before, strict=True)):
            return ("critic-changed",)
        scale = 1e-3 * (1 + values[0].abs().max())
        if all(value.shape == values[0].shape and (value - values[0]).abs().max() < scale for value in values):
            return ()
        return ("not-on-the-line",)

    # The gradient for the critic's parameters.

    def judge_gradient(self, trial):
        for case in self.cases(trial.rng):
            got, due = self._parameter_gradients(trial, case)
            if not any(gradient.any() for gradient in got.values()):
                raise Failure(mistake="no-create-graph", where=f"input {shapes(case)}", got="only zeros")
            for name, gradient in got.items():
                scale = max(value.abs().max().item() for value in due.values())
                if not torch.allclose(gradient, due[name], 1e-3, 1e-4 * scale):
                    index = worst(gradient, due[name])
                    raise Failure(
                        "the value is right, but its gradient for the critic's parameters is wrong: is a part cut off?",
                        where=f"gradient for {name}{list(index)}, input {shapes(case)}",
                        got=number(gradient[index]),
                        expected=number(due[name][index]),
                    )

    def _parameter_gradients(self, trial, case):
        """The gradient for each parameter of the critic: what came, and what is due (None where it is undefined)."""
        where = f"input {shapes(case)}"
        names, parameters = zip(*case["critic"].named_parameters(), strict=True)
        output = trial.call(*copies(case).values())
        require_tensor(output, where)
        if not output.requires_grad:
            raise Failure(mistake="no-create-graph", where=where, got="a result that carries no gradient")
        got = trial.gradient(output, list(parameters), torch.ones_like(output))
        gradient, twin = slopes(case["critic"], case["real"])
        value = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
        due = torch.autograd.grad(value, list(twin.parameters()), allow_unused=True)
        both = [
            {
                name: torch.zeros_like(p).double() if g is None else g.detach().double().cpu()
                for name, p, g in zip(names, parameters, part, strict=True)
            }
            for part in (got, due)
        ]
        return tuple(both)

    def judge_flat(self, trial):
        """A critic that is flat at one of the images, or at all of them."""
        for count in (1, 3):
            case = flat_critic(trial.rng, count)
            where = f"a critic of slope 0 at {count} of 3 images"
            result = self.checked(trial, case)
            if not torch.allclose(result.value, result.expected, 1e-3, 1e-5):
                mistake = "eps-too-large" if result.value.isfinite().all() else "nan-at-zero"
                raise Failure(mistake=mistake, where=where, got=number(result.value), expected=number(result.expected))
            if "gradient" not in trial.passed:
                continue
            got, _ = self._parameter_gradients(trial, case)
            if not all(gradient.isfinite().all() for gradient in got.values()):
                raise Failure(mistake="nan-at-zero", where=where, got="nan", expected="a finite gradient")

    # The contract.

    def judge_contract(self, trial):
        for training in (True, False):
            self._judge_side_effects(trial, training)
        self._judge_seed(trial)
        case = coincident(trial.rng, 3, 2, 4, 5)
        far = {"critic": copy.deepcopy(case["critic"]).double(), **{k: case[k].double() for k in ("real", "fake")}}
        where = f"input {shapes(far)} in float64"
        try:
            output = trial.call(*far.values())
            require_tensor(output, where)
        except Failure as failure:
            raise Failure(mistake="fixed-dtype", where=where, got=failure.got) from None
        result = self.result(far, output)
        if output.dtype != torch.float64 or not self.is_close(result):
            raise Failure(mistake="fixed-dtype", where=where, got=f"{output.dtype}", expected="torch.float64")
        try:
            trial.call(**copies(case))
        except Failure as failure:
            if failure.got.startswith("TypeError"):
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            raise

    def _judge_side_effects(self, trial, training):
        """Arguments, parameters, their gradients and the mode are as they were."""
        case = coincident(trial.rng, 3, 2, 4, 5)
        case["fake"] = trial.rng.normal(*case["fake"].shape)
        critic = case["critic"].train(training)
        for parameter in critic.parameters():
            parameter.grad = trial.rng.normal(*parameter.shape) if training else None
        before = {name: (p.detach().clone(), copy.deepcopy(p.grad)) for name, p in critic.named_parameters()}
        arguments = copies(case)
        trial.call(*arguments.values())
        where = f"input {shapes(case)}"
        for name in ("real", "fake"):
            if not identical(arguments[name], case[name]):
                raise Failure(mistake="changes-arguments", where=f"argument {name}, {where}")
        for name, parameter in critic.named_parameters():
            value, gradient = before[name]
            left = parameter.grad
            if (left is None) != (gradient is None) or (left is not None and not identical(left.detach(), gradient)):
                got = "None" if left is None else "another gradient" if gradient is not None else "a gradient"
                due = "None, as before" if gradient is None else "the gradient that was there before"
                raise Failure(mistake="grads-touched", where=f"{name}.grad, {where}", got=got, expected=due)
            if not identical(parameter.detach(), value) or not parameter.requires_grad:
                got = "other values" if parameter.requires_grad else "requires_grad=False"
                raise Failure(mistake="critic-changed", where=f"{name}, {where}", got=got)
        if any(part.training != training for part in critic.modules()):
            got, due = (f"training={mode}" for mode in (not training, training))
            raise Failure(mistake="critic-changed", where=where, got=got, expected=due)

    def _judge_seed(self, trial):
        if self.sets_seed(trial, coincident(trial.rng, 2, 1, 3, 4)):
            raise Failure(mistake="fixed-seed", got="a global random generator in the same state after each call")

    def sets_seed(self, trial, case):
        """Whether a call leaves a global generator in the same state, from wherever it started."""
        states = []
        for start in ("one", "another"):
            trial.seed_generators(derive_seed(trial.seed, start))
            before = trial.generator_states()
            trial.call(*copies(case).values())
            states.append((before, trial.generator_states()))
        (before, after), (other_before, other_after) = states
        return any(a == b and a0 != b0 for a0, a, b0, b in zip(before, after, other_before, other_after, strict=True))

    def right_canary(self, critic, real, fake):
        alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
        return _penalty(critic, alpha * real + (1 - alpha) * fake, lambda slope: slope.flatten(1).norm(dim=1))

    def wrong_canary(self, critic, real, fake):
        alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
        return _penalty(critic, alpha * real + (1 - alpha) * fake, lambda slope: slope.norm(dim=1))


def _penalty(critic, x, norm):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (norm(slope) - 1).square().mean()
