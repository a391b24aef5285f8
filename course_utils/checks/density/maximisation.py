"""The M step of EM, and what goes wrong with shares and with the parameters made of them."""

import math

import torch

from course_utils.checks.density.mixture import component_log_probs


def scatter(x, shares, mu):
    """Sums of the outer products of x - mu_k, weighted by the shares (N, K): (K, D, D)."""
    diff = x[:, None] - mu
    return torch.einsum("nk,nki,nkj->kij", shares, diff, diff)


def update(x, shares):
    """The M step: (log_weights, mu, cov)."""
    counts = shares.sum(0)
    mu = shares.T @ x / counts[:, None]
    return (counts / len(x)).log(), mu, scatter(x, shares, mu) / counts[:, None, None]


def wrong_shares(log_weights, components):
    """Guesses at the shares of the components in each point (N, K): (id, shares), the most specific first."""
    joint = log_weights + components
    num_components = len(log_weights)
    return [
        ("shares-without-weights", components.softmax(1)),
        ("shares-weights-twice", (joint + log_weights).softmax(1)),
        ("shares-weights-not-logged", (components + log_weights.exp()).softmax(1)),
        ("hard-shares", torch.nn.functional.one_hot(joint.argmax(1), num_components).double()),
        ("hard-shares", torch.nn.functional.one_hot(components.argmax(1), num_components).double()),
        ("shares-over-points", joint.softmax(0)),
        ("shares-over-points", components.softmax(0)),
        ("shares-not-normalised", joint.exp()),
        ("shares-not-normalised", components.exp()),
        ("log-shares", joint.log_softmax(1)),
        ("shares-squared", joint.softmax(1) ** 2),
        ("equal-shares", torch.full_like(joint, 1 / num_components)),
    ]


def wrong_updates(x, shares, log_weights, mu, cov):
    """Guesses at the parameters made of shares (N, K): (ids, (log_weights, mu, cov)), the most specific first."""
    lw, means, covs = update(x, shares)
    num_points, num_dims, num_components = len(x), x.shape[1], len(mu)
    counts = shares.sum(0)
    per_count = counts[:, None, None]
    spread, ones = scatter(x, shares, means), torch.ones_like(shares)
    eye = torch.eye(num_dims, dtype=x.dtype)
    sums = shares.T @ x
    root, variance = torch.linalg.cholesky_ex(covs).L, covs.diagonal(dim1=1, dim2=2)
    changed = (lw + component_log_probs_or_nan(x, means, cov)).softmax(1)
    mixed = (log_weights + component_log_probs_or_nan(x, means, cov)).softmax(1)
    again = (lw + component_log_probs_or_nan(x, means, covs)).softmax(1)
    shifts = {"unweighted": x.mean(0).expand_as(means), "sums": sums, "by-n": sums / num_points}

    def about(centre, weight=shares, count=per_count):
        return scatter(x, weight, centre) / count

    guesses = [
        ("weights-not-logged", (lw.exp(), means, covs)),
        ("weights-not-divided", (counts.log(), means, covs)),
        ("weights-not-divided", (counts, means, covs)),
        ("weights-kept", (log_weights, means, covs)),
        ("weights-divided-by-k", ((counts / num_components).log(), means, covs)),
        ("weights-old-too", ((lw + log_weights), means, covs)),
        ("weights-old-too", ((lw + log_weights).log_softmax(0), means, covs)),
        ("weights-equal", (torch.full_like(lw, -math.log(num_components)), means, covs)),
        ("mean-of-log-shares", (shares.log().mean(0), means, covs)),
        ("means-kept", (lw, mu, about(mu))),
        ("means-kept", (lw, mu, covs)),
        ("means-not-divided", (lw, shifts["sums"], covs)),
        ("means-not-divided", (lw, shifts["sums"], about(shifts["sums"]))),
        ("means-divided-by-n", (lw, shifts["by-n"], covs)),
        ("means-divided-by-n", (lw, shifts["by-n"], about(shifts["by-n"]))),
        ("means-unweighted", (lw, shifts["unweighted"], covs)),
        ("means-unweighted", (lw, shifts["unweighted"], about(shifts["unweighted"]))),
        ("old-means", (lw, means, about(mu))),
        ("covariance-kept", (lw, means, cov)),
        ("covariance-unweighted", (lw, means, about(means, ones, num_points))),
        ("covariance-unweighted", (lw, means, about(means, ones))),
        ("covariance-not-divided", (lw, means, spread)),
        ("covariance-divided-by-n", (lw, means, spread / num_points)),
        ("covariance-divided-by-k", (lw, means, spread / num_components)),
        ("covariance-minus-one", (lw, means, spread / (per_count - 1))),
        ("covariance-minus-one", (lw, means, spread / (num_points - 1))),
        ("covariance-uncentred", (lw, means, about(torch.zeros_like(means)))),
        ("covariance-overall-mean", (lw, means, about(x.mean(0).expand_as(means)))),
        ("covariance-diagonal", (lw, means, covs * eye)),
        ("covariance-spherical", (lw, means, variance.mean(1)[:, None, None] * eye)),
        ("covariance-spherical", (lw, means, variance.sum(1)[:, None, None] * eye)),
        ("covariance-shared", (lw, means, (spread.sum(0) / num_points).expand_as(covs))),
        ("covariance-shared", (lw, means, covs.mean(0).expand_as(covs))),
        ("covariance-inverted", (lw, means, torch.linalg.inv_ex(covs).inverse)),
        ("covariance-root", (lw, means, root)),
        ("covariance-root", (lw, means, covs.sqrt())),
        ("covariance-root", (lw, means, variance.sqrt()[:, :, None] * eye)),
        ("covariance-elementwise", (lw, means, variance[:, :, None].expand_as(covs))),
        ("covariance-elementwise", (lw, means, variance[:, None].expand_as(covs))),
        ("covariance-elementwise", (lw, means, about(means, shares**2))),
        *(("big-jitter", (lw, means, covs + jitter * eye)) for jitter in (1e-4, 1e-3, 1e-2, 0.1, 1.0)),
        ("shares-again", (lw, means, scatter(x, mixed, means) / mixed.sum(0)[:, None, None])),
        ("shares-again", (lw, means, scatter(x, changed, means) / changed.sum(0)[:, None, None])),
        ("shares-again", (lw, means, scatter(x, mixed, means) / per_count)),
        ("shares-again", (lw, means, scatter(x, changed, means) / per_count)),
        ("two-steps", update(x, again)),
        ("half-way", ((log_weights + lw) / 2, (mu + means) / 2, (cov + covs) / 2)),
        ("nothing-done", (log_weights, mu, cov)),
    ]  # fmt: skip
    return [((name,), parts) for name, parts in guesses]


def component_log_probs_or_nan(x, mu, cov):
    """Guesses may be made of covariances that are not positive definite."""
    try:
        return component_log_probs(x, mu, cov)
    except torch.linalg.LinAlgError:
        return torch.full((len(x), len(mu)), torch.nan, dtype=x.dtype)
