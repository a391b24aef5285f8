"""The check of `em_step`: shares of the components in each point, then weights, means and covariances made of them."""

# ruff: noqa: E501

import math
from typing import ClassVar

import torch

from course_utils.checks.density.maximisation import update, wrong_shares, wrong_updates
from course_utils.checks.density.mixture import component_log_probs, mixture, wrong_component_log_probs
from course_utils.checks.density.tuples import TupleCheck, flat

# Mistakes in the density that the E step may hold.
WRONG_DENSITIES = (
    *("precision-for-covariance", "covariance-not-inverted", "diagonal-only", "covariance-ignored", "log-det-missing"),
    *("log-det-sign", "log-det-factor", "half-missing", "one-covariance", "mean-ignored"),
)


def step(x, log_weights, mu, cov):
    return update(x, (log_weights + component_log_probs(x, mu, cov)).softmax(1))


def log_likelihood(x, log_weights, mu, cov):
    return (log_weights + component_log_probs(x, mu, cov)).logsumexp(1).mean().item()


class EmStep(TupleCheck):
    name = "em_step"
    arguments = ("x", "log_weights", "mu", "cov")
    parts = ("log_weights", "mu", "cov")
    rtol, atol, far_rtol = 2e-4, 4e-5, 1e-3
    weights: ClassVar = {"value": 8.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "old-means"
    mistakes: ClassVar = {
        "not-a-tuple": "a tuple of three is due: log_weights, mu and cov.",
        "wrong-count": "exactly three tensors are due: log_weights, mu and cov.",
        "wrong-order": "the results come in another order: log_weights, mu, cov.",
        "weights-kept-axis": "log_weights has the wrong shape: one number for each component, (K,).",
        "diagonal-covariance": "cov holds variances only: due are full covariances (K, D, D), from the outer products of x - mu.",
        "one-covariance": "there is one covariance for all: each component has its own, (K, D, D).",
        "not-summed-over-points": "a sum over the points is missing: the results have an axis of length N.",
        "returns-shares": "you return the shares (responsibilities): due are log_weights, mu and cov made of them.",
        "shares-without-weights": "the E step lacks the weights: a share is w_k N(x; mu_k, cov_k), divided by the sum over k.",
        "shares-weights-twice": "the E step has the weights twice: a share is w_k N(x; mu_k, cov_k), divided by the sum over k.",
        "shares-weights-not-logged": "the E step adds the weights to logs: log_weights is a log already, add it as it is.",
        "hard-shares": "every point belongs to one component only, as in k-means: EM shares it, by softmax instead of argmax.",
        "shares-over-points": "the shares sum to 1 over the points: for each point they sum to 1 over the components, softmax over axis 1.",
        "shares-not-normalised": "the shares are not normalised: for each point they sum to 1 over the components.",
        "log-shares": "the M step takes logs of shares: take exp of them first.",
        "shares-squared": "the shares are squared: each point counts with its share itself.",
        "equal-shares": "all components get equal shares: a share is w_k N(x; mu_k, cov_k), divided by the sum over k.",
        "wrong-density": "the E step uses a wrong Gaussian density, with a wrong exponent or determinant: gmm_log_prob has the same log N(x; mu_k, cov_k).",
        "weights-not-logged": "you return the weights: their logs are due, log(N_k / N).",
        "weights-not-divided": "you return the log of N_k: divide by the number of points N, so that the weights sum to 1.",
        "weights-kept": "the weights did not change: they become N_k / N.",
        "weights-divided-by-k": "the weights are divided by the number of components: N_k / N, with N points.",
        "weights-old-too": "the old weights enter the new ones twice: they become N_k / N.",
        "weights-equal": "the new weights are all equal: they become N_k / N.",
        "mean-of-log-shares": "you average the logs of the shares: average the shares, then take the log.",
        "means-kept": "the means did not change: they become the share-weighted mean of the points.",
        "means-not-divided": "the means are sums: divide the weighted sum of the points by N_k, the sum of the shares.",
        "means-divided-by-n": "the means are divided by N: divide the weighted sum of the points by N_k, the sum of the shares.",
        "means-unweighted": "the means are not weighted by the shares: each component has its own.",
        "old-means": "the covariances are taken about the old means: use the new ones.",
        "covariance-kept": "the covariances did not change: they become the share-weighted mean of the outer products of x - mu.",
        "covariance-unweighted": "the covariances are not weighted by the shares: each point counts with its share.",
        "covariance-not-divided": "the covariances are sums: divide by N_k, the sum of the shares.",
        "covariance-divided-by-n": "the covariances are divided by N: divide by N_k, the sum of the shares.",
        "covariance-divided-by-k": "the covariances are divided by the number of components: divide by N_k, the sum of the shares.",
        "covariance-minus-one": "you divide by N_k - 1: the likelihood is greatest with N_k itself.",
        "covariance-uncentred": "the mean is not subtracted: the covariance is made of outer products of x - mu.",
        "covariance-overall-mean": "you subtract the mean of all points: each component has its own mean.",
        "covariance-diagonal": "the covariances have lost what is beside the diagonal: take outer products, not squares.",
        "covariance-spherical": "the covariances are multiples of the identity: due are full ones, from outer products.",
        "covariance-shared": "all components got the same covariance: each has its own.",
        "covariance-inverted": "you return the inverse, the precision: due is the covariance.",
        "covariance-root": "you return a root or the Cholesky factor: due is the covariance.",
        "covariance-elementwise": "off the diagonal your covariance does not hold products of two different dimensions: take outer products.",
        "big-jitter": "too much is added to the diagonal: at most 1e-6 keeps the likelihood from falling.",
        "shares-again": "you compute the shares again in the midst of the M step: all three updates use the same shares.",
        "two-steps": "you took more than one step: one E step, then one M step.",
        "half-way": "the parameters move only a part of the way: replace the old ones by the new ones.",
        "nothing-done": "you return the parameters as they came.",
        "likelihood-falls": "the likelihood of the data falls after your step: EM never lets it fall, so the E step or the M step is wrong.",
        "not-finite": "far out the result is not finite: densities vanish before you divide; take the softmax of their logs.",
        "lost-points": "far out the weights do not sum to 1: an eps swallows the share of distant points; take the softmax of the logs.",
    }  # fmt: skip

    def cases(self, rng):
        return [mixture(rng, *shape) for shape in ((24, 3, 2), (15, 2, 3), (12, 3, 1), (20, 4, 2))]

    def far_cases(self, rng):
        """Points 60 deviations from every component, each clearly nearer to one; and many dimensions."""
        mu = torch.tensor([[-3.0, 1.0], [4.0, 0.0]]) + 0.3 * rng.normal(2, 2)
        cov = torch.stack([torch.eye(2), torch.tensor([[1.5, 0.5], [0.5, 1.0]])])
        x = torch.cat([mu.repeat(4, 1), 18 * mu.repeat(3, 1)]) + rng.normal(14, 2)
        even = torch.tensor([0.3, 0.7]).log()
        wide = {"x": x, "log_weights": even, "mu": mu, "cov": cov}
        bits = rng.bits(2, 300)
        small = 0.01 * torch.eye(300).repeat(2, 1, 1) * torch.tensor([1.0, 1.3])[:, None, None]
        many = {"x": bits.repeat(4, 1) + 0.1 * rng.normal(8, 300), "log_weights": even, "mu": bits, "cov": small}
        return [wide, many]

    def single_case(self, rng):
        """A point of which every component has a share that no eps beside it changes."""
        case = mixture(rng, 1, 3, 2)
        mu = 0.3 * case["mu"]
        return {**case, "mu": mu, "x": mu.mean(0, keepdim=True) + 0.2}

    def oracle(self, x, log_weights, mu, cov):
        return step(x, log_weights, mu, cov)

    def guesses(self, x, log_weights, mu, cov):
        components = component_log_probs(x, mu, cov)
        joint = log_weights + components
        shares = joint.softmax(1)
        guesses = [
            *(((name,), update(x, other)) for name, other in wrong_shares(log_weights, components)),
            *wrong_updates(x, shares, log_weights, mu, cov),
            *(
                (("wrong-density",), update(x, (log_weights + values).softmax(1)))
                for name, values in wrong_component_log_probs(x, mu, cov)
                if name in WRONG_DENSITIES
            ),
        ]
        return [(ids, flat(parts)) for ids, parts in guesses]

    def double_guesses(self, x, log_weights, mu, cov):
        components = component_log_probs(x, mu, cov)
        return [
            ((name, *ids), flat(parts))
            for name, shares in wrong_shares(log_weights, components)
            for ids, parts in wrong_updates(x, shares, log_weights, mu, cov)
        ]

    def explain_parts(self, case, values, due):
        got, right = [tuple(value.shape) for value in values], [tuple(part.shape) for part in due]
        (num_points, num_dims), num_components = case["x"].shape, len(case["mu"])
        if sorted(got) == sorted(right):
            return "wrong-order"
        if (num_points, num_components) in got:
            return "returns-shares"
        if any(num_points in shape for shape in got):
            return "not-summed-over-points"
        if got[2] == (num_components, num_dims):
            return "diagonal-covariance"
        if got[2] == (num_dims, num_dims):
            return "one-covariance"
        return "weights-kept-axis" if got[0] != right[0] and math.prod(got[0]) == num_components else None

    def name_mistake(self, results):
        ids = super().name_mistake(results)
        return ids or (("likelihood-falls",) if all(self._falls(result) for result in results) else ())

    def _falls(self, result):
        if not result.value.isfinite().all():
            return False
        case = {name: value.double() for name, value in result.case.items()}
        vectors = [value for _, value, _ in self.split(result)]
        parameters = [vector.reshape(case[name].shape) for name, vector in zip(self.parts, vectors, strict=True)]
        before = log_likelihood(**case)
        try:
            after = log_likelihood(case["x"], *parameters)
        except torch.linalg.LinAlgError:
            return False
        return not after >= before - 1e-3

    def explain_far(self, trial, result):
        if not result.value.isfinite().all():
            return "not-finite"
        log_weights = self.split(result)[0][1]
        return "lost-points" if abs(log_weights.exp().sum() - 1) > 1e-3 else None

    def right_canary(self, x, log_weights, mu, cov):
        return self._canary(x, log_weights, mu, cov, new=True)

    def wrong_canary(self, x, log_weights, mu, cov):
        return self._canary(x, log_weights, mu, cov, new=False)

    @staticmethod
    def _canary(x, log_weights, mu, cov, new):
        """One step, with the covariance about the new means or about the old ones."""
        diff = x[:, None] - mu
        quadratic = torch.einsum("nki,kij,nkj->nk", diff, torch.linalg.inv(cov), diff)
        shares = torch.softmax(log_weights - 0.5 * quadratic - 0.5 * torch.logdet(cov), 1)
        counts = shares.sum(0)
        means = shares.T @ x / counts[:, None]
        diff = x[:, None] - means if new else diff
        covs = torch.einsum("nk,nki,nkj->kij", shares / counts, diff, diff)
        return counts.log() - math.log(len(x)), means, covs
