"""The check of `gmm_log_prob`, and what goes wrong with a mixture of Gaussians with full covariances."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.density.gaussian import LOG_TWO_PI
from course_utils.checks.oracle import OracleCheck


def forms(x, mu, cov):
    """Squared Mahalanobis distances (N, K) and log-determinants (K,)."""
    scale = torch.linalg.cholesky(cov)
    white = torch.linalg.solve_triangular(scale, (x[:, None] - mu).unsqueeze(-1), upper=False).squeeze(-1)
    return white.square().sum(2), 2 * scale.diagonal(dim1=1, dim2=2).log().sum(1)


def component_log_probs(x, mu, cov):
    quadratic, log_det = forms(x, mu, cov)
    return -0.5 * (quadratic + log_det + x.shape[1] * LOG_TWO_PI)


def wrong_component_log_probs(x, mu, cov):
    """Guesses at log N(x_n; mu_k, cov_k), (N, K): (id, values), the most specific first."""
    quadratic, log_det = forms(x, mu, cov)
    right = component_log_probs(x, mu, cov)
    dims, diff, scale = x.shape[1], x[:, None] - mu, torch.linalg.cholesky(cov)
    constant, square = dims * LOG_TWO_PI, diff.square().sum(2)
    variance, inverse = cov.diagonal(dim1=1, dim2=2), torch.linalg.inv(cov)
    scale_of_inverse = torch.linalg.cholesky(inverse)

    def form(matrix):
        """d^T matrix d."""
        return torch.einsum("nki,kij,nkj->nk", diff, matrix, diff)

    def density(quadratic, log_det):
        return -0.5 * (quadratic + log_det + constant)

    return [
        ("precision-for-covariance", density(form(cov), -log_det)),
        ("covariance-not-inverted", density(form(cov), log_det)),
        ("diagonal-only", density((diff.square() / variance).sum(2), variance.log().sum(1))),
        ("diagonal-only", density((diff.square() / variance).sum(2), log_det)),
        ("diagonal-only", density(quadratic, variance.log().sum(1))),
        ("deviation-for-variance", density((diff / variance).square().sum(2), 2 * variance.log().sum(1))),
        ("covariance-as-root", density(form(inverse @ inverse), 2 * log_det)),
        ("covariance-as-root", density(form(inverse @ inverse), log_det)),
        ("root-as-covariance", density(form(torch.linalg.inv(scale)), log_det / 2)),
        ("root-as-covariance", density(form(torch.linalg.inv(scale)), log_det)),
        ("wrong-triangle", density(form(torch.linalg.inv(scale.mT @ scale)), log_det)),
        ("wrong-triangle", density(form(scale_of_inverse.mT @ scale_of_inverse), log_det)),
        ("root-multiplied", density(form(scale.mT @ scale), log_det)),
        ("root-multiplied", density(form(scale @ scale.mT @ inverse @ scale @ scale.mT), log_det)),
        ("covariance-ignored", density(square, torch.zeros_like(log_det))),
        ("covariance-ignored", density(square, log_det)),
        ("covariance-ignored", -0.5 * square),
        ("log-det-missing", density(quadratic, 0 * log_det)),
        ("log-det-sign", density(quadratic, -log_det)),
        ("log-det-factor", density(quadratic, 2 * log_det)),
        ("log-det-factor", density(quadratic, log_det / 2)),
        ("log-det-factor", density(quadratic, 4 * log_det)),
        ("det-not-logged", density(quadratic, log_det.exp())),
        ("det-not-logged", density(quadratic, 2 * log_det.exp())),
        ("trace-for-det", density(quadratic, variance.sum(1))),
        ("trace-for-det", density(quadratic, variance.sum(1).log())),
        ("no-constant", right + 0.5 * constant),
        ("no-constant", -0.5 * quadratic),
        ("constant-once", right + 0.5 * (constant - LOG_TWO_PI)),
        ("constant-without-half", right - 0.5 * constant),
        ("constant-sign", right + constant),
        ("constant-pi", right + 0.5 * dims * math.log(2)),
        ("half-missing", -0.5 * (2 * quadratic + log_det + constant)),
        ("half-missing", 2 * right),
        ("half-twice", -0.5 * (0.5 * quadratic + log_det + constant)),
        ("quadratic-sign", density(-quadratic, log_det)),
        ("not-squared", density(quadratic.sqrt(), log_det)),
        ("mean-ignored", component_log_probs(x, torch.zeros_like(mu), cov)),
        ("mean-ignored", component_log_probs(x, -mu, cov)),
        ("one-covariance", component_log_probs(x, mu, cov[:1].expand_as(cov))),
        ("one-covariance", component_log_probs(x, mu, cov.mean(0).expand_as(cov))),
        ("one-mean", component_log_probs(x, mu[:1].expand_as(mu), cov)),
        ("mean-over-dims", right / dims),
    ]


def wrong_mixtures(log_weights, components):
    """Guesses that mix the components' log-densities (N, K) wrongly: (id, value)."""
    num_points, num_components = components.shape
    joint, weights = log_weights + components, log_weights.exp()
    right = joint.logsumexp(1)
    return [
        ("no-weights", components.logsumexp(1)),
        ("no-weights", components.logsumexp(1) - math.log(num_components)),
        ("weights-not-logged", (weights + components).logsumexp(1)),
        ("log-weights-multiplied", (log_weights * components).logsumexp(1)),
        ("log-weights-multiplied", (log_weights * components.exp()).sum(1)),
        ("log-weights-multiplied", (log_weights * components).sum(1)),
        ("weights-subtracted", (components - log_weights).logsumexp(1)),
        ("mean-of-logs", (weights * components).sum(1)),
        ("mean-of-logs", components.mean(1)),
        ("mean-of-logs", (weights * components).logsumexp(1)),
        ("sum-of-logs", joint.sum(1)),
        ("sum-of-logs", components.sum(1)),
        ("sum-of-logs", joint.mean(1)),
        ("mean-over-components", right - math.log(num_components)),
        ("mean-over-components", right / num_components),
        ("largest-only", joint.amax(1)),
        ("largest-only", components.amax(1)),
        ("no-log", joint.exp().sum(1)),
        ("no-log", components.exp().sum(1)),
        ("log-twice", right.log()),
        ("log-twice", (log_weights.log() + components).logsumexp(1)),
        ("wrong-axis", joint.logsumexp(0)),
        ("wrong-axis", joint.logsumexp(0) - math.log(num_points)),
        ("not-mixed", joint),
        ("not-mixed", components),
        ("shares", joint.log_softmax(1)),
        ("shares", joint.softmax(1)),
        ("one-component", components[:, 0]),
        ("one-component", joint[:, 0]),
        ("one-component", components[:, -1]),
        ("sign", -right),
        ("bits", right / math.log(2)),
        ("mean-over-points", right.mean()),
        ("mean-over-points", -right.mean()),
        ("sum-over-points", right.sum()),
        ("keeps-axis", right[:, None]),
    ]


class GmmLogProb(OracleCheck):
    name = "gmm_log_prob"
    arguments = differentiable = ("x", "log_weights", "mu", "cov")
    rtol, atol, far_gradient_rtol = 2e-4, 5e-5, 5e-3
    wrong_canary_mistake = "no-weights"
    mistakes: ClassVar = {
        "no-weights": "the weights are left out: add log w_k to each component's log-density before you sum.",
        "weights-not-logged": "you add the weights to logs: log_weights is a log already, add it as it is.",
        "log-weights-multiplied": "you multiply by log_weights: a product w_k N_k is a sum of logs.",
        "weights-subtracted": "log_weights is subtracted: a product w_k N_k is a sum of logs.",
        "mean-of-logs": "you average the logs of the components: average the densities, then take the log (logsumexp).",
        "sum-of-logs": "you sum the logs of the components, which multiplies them: a mixture adds up densities (logsumexp).",
        "mean-over-components": "you divide by the number of components: the weights sum to 1 already.",
        "largest-only": "only the largest component counts: a mixture adds up all of them.",
        "no-log": "the final log is missing: you return a density.",
        "log-twice": "you take a log of what is a log already.",
        "wrong-axis": "you sum over the points: sum over the components, and return one number for each point.",
        "not-mixed": "you return one number for each pair of point and component: sum over the components (logsumexp).",
        "shares": "you return the shares (responsibilities) of the components: due is log p(x), their logsumexp.",
        "one-component": "only one component counts: a mixture adds up all of them.",
        "sign": "you return the negative log-density (a loss): due is log p(x) itself.",
        "bits": "your log-density is in bits: use the natural logarithm (nats).",
        "mean-over-points": "you average over the points: return one number for each, and average later.",
        "sum-over-points": "you sum over the points: return one number for each.",
        "keeps-axis": "you keep an axis of length 1: the result is (N,), so leave out `keepdim=True`.",
        "precision-for-covariance": "you take cov for its inverse, the precision: invert it in the exponent, and subtract half its log-determinant.",
        "covariance-not-inverted": "the exponent holds cov itself: due is (x - mu)^T cov^-1 (x - mu).",
        "diagonal-only": "only the variances on the diagonal count: cov is full, so correlations enter the exponent and the determinant.",
        "deviation-for-variance": "you take the variances on the diagonal for standard deviations, and no correlations.",
        "covariance-as-root": "you take cov for a standard deviation (the factor L with L L^T = cov): it is the covariance.",
        "root-as-covariance": "you take the Cholesky factor for the covariance: cov = L L^T.",
        "wrong-triangle": "the Cholesky factor is transposed: with cov = L L^T, solve L z = x - mu; if you factor the inverse, z = L^T (x - mu).",
        "root-multiplied": "you multiply by the Cholesky factor: solve with it, L z = x - mu.",
        "covariance-ignored": "cov has no effect on the distances: the exponent is -1/2 (x - mu)^T cov^-1 (x - mu).",
        "log-det-missing": "the log-determinant is missing: each component has -1/2 log det cov.",
        "log-det-sign": "the log-determinant has the opposite sign: a wide Gaussian has a lower density, -1/2 log det cov.",
        "log-det-factor": "the log-determinant has the wrong factor: -1/2 log det cov, which is minus the sum of the logs of the Cholesky factor's diagonal.",
        "det-not-logged": "you subtract the determinant itself: its log is due, -1/2 log det cov.",
        "trace-for-det": "you take the trace for the determinant: due is -1/2 log det cov.",
        "no-constant": "the constant is missing: each Gaussian has -D/2 log(2 pi).",
        "constant-once": "the constant lacks the number of dimensions: it is -D/2 log(2 pi).",
        "constant-without-half": "the constant lacks its factor 1/2: it is -D/2 log(2 pi).",
        "constant-sign": "the constant has the opposite sign: it is -D/2 log(2 pi).",
        "constant-pi": "the constant has pi where 2 pi is due: it is -D/2 log(2 pi).",
        "half-missing": "the factor 1/2 of the exponent is missing: -1/2 (x - mu)^T cov^-1 (x - mu).",
        "half-twice": "the factor 1/2 of the exponent is there twice.",
        "quadratic-sign": "the exponent has the opposite sign: the density falls as x moves away from mu.",
        "not-squared": "the distance is not squared: the exponent is -1/2 (x - mu)^T cov^-1 (x - mu), without a root.",
        "mean-ignored": "the means have no effect, or the opposite sign: the difference is x - mu.",
        "one-covariance": "all components use one covariance: each has its own, cov[k].",
        "one-mean": "all components use one mean: each has its own, mu[k].",
        "mean-over-dims": "you divide by the number of dimensions: the log of a product is a sum.",
        "not-finite": "far out the result is not finite: densities vanish, or a determinant does, before the log; use logsumexp, and the log-determinant (logdet, slogdet, or a Cholesky factor).",
        "eps-in-log": "far out the result stops falling: an eps or a clamp in the log hides small densities; use logsumexp.",
    }  # fmt: skip

    def cases(self, rng):
        return [mixture(rng, *shape) for shape in ((5, 3, 2), (7, 2, 3), (4, 5, 1), (3, 1, 4), (6, 4, 3))]

    def far_cases(self, rng):
        away = mixture(rng, 4, 3, 2)
        deviation = away["cov"].diagonal(dim1=1, dim2=2).amax().sqrt()
        away["x"] = away["mu"].mean(0) + 60 * deviation * rng.normal(4, 2).sign()
        many = mixture(rng, 3, 2, 300)  # of determinants that not even float64 holds
        many = {**many, "x": 0.05 * many["x"], "mu": 0.05 * many["mu"], "cov": 0.0025 * many["cov"]}
        return [away, many]

    def single_case(self, rng):
        return mixture(rng, 1, 3, 2)

    def oracle(self, x, log_weights, mu, cov):
        return (log_weights + component_log_probs(x, mu, cov)).logsumexp(1)

    def guesses(self, x, log_weights, mu, cov):
        wrong = wrong_component_log_probs(x, mu, cov)
        guesses = [
            *wrong_mixtures(log_weights, component_log_probs(x, mu, cov)),
            *((name, (log_weights + components).logsumexp(1)) for name, components in wrong),
        ]
        return [((name,), value) for name, value in guesses]

    def double_guesses(self, x, log_weights, mu, cov):
        wrong = wrong_component_log_probs(x, mu, cov)
        return [((name, way), value) for name, lp in wrong for way, value in wrong_mixtures(log_weights, lp)]

    def oracle_gradients(self, case, weights):
        return self._project(case, super().oracle_gradients(case, weights))

    def _compare_gradients(self, trial, case, weights, got, where, rtol):
        super()._compare_gradients(trial, case, weights, self._project(case, got), where, rtol)

    def _project(self, case, gradients):
        """What all correct answers share: cov is symmetric, and the weights sum to 1 (a library may normalise again)."""
        gradients = {name: g if g is None else g.detach().double().cpu() for name, g in gradients.items()}
        if case["x"].shape[1] > 100:  # float32 is too coarse for the slopes of eigenvectors that lie close together
            gradients["cov"] = torch.zeros_like(case["cov"], dtype=torch.float64)
        if gradients["cov"] is not None:
            gradients["cov"] = (gradients["cov"] + gradients["cov"].mT) / 2
        share = gradients["log_weights"]
        if share is not None and share.any():
            gradients["log_weights"] = share - case["log_weights"].double().softmax(0) * share.sum()
        return gradients

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "not-finite"
        case = mixture(trial.rng, 2, 2, 2)
        further = [self.checked(trial, {**case, "x": case["x"] + step}).value for step in (300.0, 310.0)]
        return "eps-in-log" if torch.allclose(*further, 1e-4) else None

    def right_canary(self, x, log_weights, mu, cov):
        diff = x[:, None] - mu
        quadratic = torch.einsum("nki,kij,nkj->nk", diff, torch.linalg.inv(cov), diff)
        log_probs = -0.5 * (quadratic + torch.linalg.slogdet(cov).logabsdet + x.shape[1] * math.log(2 * math.pi))
        return torch.logsumexp(log_weights + log_probs, 1)

    def wrong_canary(self, x, log_weights, mu, cov):
        return self.right_canary(x, torch.zeros_like(log_weights), mu, cov)


def mixture(rng, num_points, num_components, num_dims):
    """Unequal weights, correlated covariances of unequal size, and points one or two deviations from some mean."""
    root = rng.normal(num_components, num_dims, num_dims) / math.sqrt(num_dims)
    size = torch.linspace(0.4, 1.6, num_components)[:, None, None]
    cov = size * (root @ root.mT + 0.4 * torch.eye(num_dims))
    cov = (cov + cov.mT) / 2
    mu = rng.normal(num_components, num_dims) + 0.4
    noise = torch.linalg.cholesky(cov) @ rng.normal(num_points, num_components, num_dims, 1)
    chosen = torch.arange(num_points) % num_components  # every component has points
    x = mu[chosen] + 1.2 * noise[torch.arange(num_points), chosen, :, 0]
    log_weights = (0.8 * rng.normal(num_components)).double().log_softmax(0).float()
    return {"x": x, "log_weights": log_weights, "mu": mu, "cov": cov}
