import math
import warnings

import torch
import torch.nn.functional as F
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from tests.answers.bank import wrong


def joint_of(x, log_weights, mu, cov):
    return log_weights + MultivariateNormal(mu, cov).log_prob(x[:, None])


def shares_of(x, log_weights, mu, cov):
    return joint_of(x, log_weights, mu, cov).softmax(1)


def scatter(x, shares, mu):
    diff = x[:, None] - mu
    return torch.einsum("nk,nki,nkj->kij", shares, diff, diff)


def updated(x, shares):
    counts = shares.sum(0)
    mu = shares.T @ x / counts[:, None]
    return counts.log() - math.log(len(x)), mu, scatter(x, shares, mu) / counts[:, None, None]


def right_library_density(x, log_weights, mu, cov):
    shares = torch.softmax(log_weights + MultivariateNormal(mu, cov).log_prob(x.unsqueeze(1)), dim=1)
    counts = shares.sum(dim=0)
    new_mu = (shares.T @ x) / counts.unsqueeze(1)
    diff = x.unsqueeze(1) - new_mu
    new_cov = torch.einsum("nk,nki,nkj->kij", shares, diff, diff) / counts[:, None, None]
    return torch.log(counts / x.shape[0]), new_mu, new_cov


def right_with_jitter(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov + 1e-6 * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)


def right_loop_over_components(x, log_weights, mu, cov):
    shares = joint_of(x, log_weights, mu, cov).log_softmax(1).exp()
    weights, means, covs = [], [], []
    for k in range(len(mu)):
        share = shares[:, k : k + 1]
        count = share.sum()
        mean = (share * x).sum(0) / count
        weights.append((count / len(x)).log())
        means.append(mean)
        covs.append(((share * (x - mean)).T @ (x - mean)) / count)
    return torch.stack(weights), torch.stack(means), torch.stack(covs)


def right_loops_over_points(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    counts = shares.sum(0)
    means, covs = torch.zeros_like(mu), torch.zeros_like(cov)
    for k in range(len(mu)):
        for n in range(len(x)):
            means[k] += shares[n, k] / counts[k] * x[n]
        for n in range(len(x)):
            covs[k] += shares[n, k] / counts[k] * torch.outer(x[n] - means[k], x[n] - means[k])
    return (counts / counts.sum()).log(), means, covs


def right_second_moment(x, log_weights, mu, cov):
    shares = shares_of(x.double(), log_weights.double(), mu.double(), cov.double())
    x = x.double()
    counts = shares.sum(0)
    new_mu = shares.T @ x / counts[:, None]
    moment = torch.einsum("nk,ni,nj->kij", shares, x, x) / counts[:, None, None]
    return counts.log() - math.log(len(x)), new_mu, moment - new_mu[:, :, None] * new_mu[:, None, :]


def right_list_and_noise(x, log_weights, mu, cov):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    return list(updated(x, shares_of(x, log_weights, mu, cov)))


def right_cholesky(x, log_weights, mu, cov):
    scale = torch.linalg.cholesky(cov)
    white = torch.linalg.solve_triangular(scale, (x[:, None] - mu).unsqueeze(-1), upper=False).squeeze(-1)
    log_probs = -0.5 * white.square().sum(-1) - scale.diagonal(dim1=1, dim2=2).log().sum(1)
    joint = log_weights + log_probs
    log_shares = joint - joint.logsumexp(1, keepdim=True)
    new_log_weights = log_shares.logsumexp(0) - math.log(len(x))
    weights = (log_shares - log_shares.logsumexp(0)).exp()
    new_mu = weights.T @ x
    return new_log_weights, new_mu, scatter(x, weights, new_mu)


def right_inverse(x, log_weights, mu, cov):
    diff = x[:, None] - mu
    form = torch.einsum("nki,kij,nkj->nk", diff, torch.linalg.inv(cov), diff)
    shares = (log_weights - 0.5 * form - 0.5 * torch.linalg.slogdet(cov)[1]).softmax(-1)
    return updated(x, shares)


def right_posterior_of_the_library(x, log_weights, mu, cov):
    mixture = MixtureSameFamily(Categorical(logits=log_weights), MultivariateNormal(mu, cov))
    joint = mixture.mixture_distribution.logits + mixture.component_distribution.log_prob(x[:, None])
    return updated(x, torch.exp(joint - mixture.log_prob(x)[:, None]))


def right_tiny_eps(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    counts = shares.sum(0) + 1e-10
    new_mu = shares.T @ x / counts[:, None]
    new_cov = scatter(x, shares, new_mu) / counts[:, None, None]
    return (counts / len(x)).log(), new_mu, (new_cov + new_cov.mT) / 2


def right_numpy_style_covariance(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_mu = torch.stack([(s[:, None] * x).sum(0) / s.sum() for s in shares.T])
    covs = []
    for s in shares.T:
        covs.append(torch.cov(x.T, correction=0, aweights=s).reshape(x.shape[1], x.shape[1]))
    return shares.mean(0).log(), new_mu, torch.stack(covs)


def right_without_gradient(x, log_weights, mu, cov):
    with torch.no_grad():
        return updated(x, shares_of(x, log_weights, mu, cov))


def right_component_without_points_stays(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    used = shares.sum(0) > 0
    new_log_weights, new_mu, new_cov = updated(x, shares)
    return new_log_weights, new_mu.where(used[:, None], mu), new_cov.where(used[:, None, None], cov)


@wrong("shares-without-weights")
def wrong_shares_without_weights(x, log_weights, mu, cov):
    return updated(x, joint_of(x, 0 * log_weights, mu, cov).softmax(1))


@wrong("shares-weights-twice")
def wrong_shares_weights_twice(x, log_weights, mu, cov):
    return updated(x, joint_of(x, 2 * log_weights, mu, cov).softmax(1))


@wrong("shares-weights-not-logged")
def wrong_shares_weights_not_logged(x, log_weights, mu, cov):
    return updated(x, joint_of(x, log_weights.exp(), mu, cov).softmax(1))


@wrong("hard-shares")
def wrong_hard(x, log_weights, mu, cov):
    return updated(x, F.one_hot(joint_of(x, log_weights, mu, cov).argmax(1), len(mu)).to(x.dtype))


@wrong("shares-over-points")
def wrong_shares_axis(x, log_weights, mu, cov):
    return updated(x, joint_of(x, log_weights, mu, cov).softmax(0))


@wrong("shares-not-normalised")
def wrong_shares_not_normalised(x, log_weights, mu, cov):
    return updated(x, joint_of(x, log_weights, mu, cov).exp())


@wrong("log-shares")
def wrong_log_shares(x, log_weights, mu, cov):
    return updated(x, joint_of(x, log_weights, mu, cov).log_softmax(1))


@wrong("shares-squared")
def wrong_shares_squared(x, log_weights, mu, cov):
    return updated(x, shares_of(x, log_weights, mu, cov) ** 2)


@wrong("equal-shares")
def wrong_equal_shares(x, log_weights, mu, cov):
    return updated(x, torch.full_like(x[:, :1], 1 / len(mu)).repeat(1, len(mu)))


@wrong("wrong-density")
def wrong_density_without_determinant(x, log_weights, mu, cov):
    diff = x[:, None] - mu
    form = torch.einsum("nki,kij,nkj->nk", diff, torch.linalg.inv(cov), diff)
    return updated(x, (log_weights - 0.5 * form).softmax(1))


@wrong("wrong-density")
def wrong_density_of_precision(x, log_weights, mu, cov):
    log_probs = MultivariateNormal(mu, precision_matrix=cov).log_prob(x[:, None])
    return updated(x, (log_weights + log_probs).softmax(1))


@wrong("wrong-density")
def wrong_density_without_covariance(x, log_weights, mu, cov):
    return updated(x, (log_weights - 0.5 * (x[:, None] - mu).square().sum(2)).softmax(1))


@wrong("weights-not-logged")
def wrong_weights_not_logged(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights.exp(), new_mu, new_cov


@wrong("weights-not-divided")
def wrong_weights_not_divided(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    return shares.sum(0).log(), *updated(x, shares)[1:]


@wrong("weights-kept")
def wrong_weights_kept(x, log_weights, mu, cov):
    return log_weights.clone(), *updated(x, shares_of(x, log_weights, mu, cov))[1:]


@wrong("weights-divided-by-k")
def wrong_weights_divided_by_k(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    return (shares.sum(0) / len(mu)).log(), *updated(x, shares)[1:]


@wrong("weights-old-too")
def wrong_weights_old_too(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights + log_weights, new_mu, new_cov


@wrong("weights-equal")
def wrong_weights_equal(x, log_weights, mu, cov):
    equal = torch.full_like(log_weights, -math.log(len(mu)))
    return equal, *updated(x, shares_of(x, log_weights, mu, cov))[1:]


@wrong("mean-of-log-shares")
def wrong_mean_of_log_shares(x, log_weights, mu, cov):
    log_shares = joint_of(x, log_weights, mu, cov).log_softmax(1)
    return log_shares.mean(0), *updated(x, log_shares.exp())[1:]


@wrong("means-kept")
def wrong_means_kept(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    return updated(x, shares)[0], mu.clone(), scatter(x, shares, mu) / shares.sum(0)[:, None, None]


@wrong("means-not-divided")
def wrong_means_not_divided(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_mu = shares.T @ x
    return updated(x, shares)[0], new_mu, scatter(x, shares, new_mu) / shares.sum(0)[:, None, None]


@wrong("means-divided-by-n")
def wrong_means_divided_by_n(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_mu = shares.T @ x / len(x)
    return updated(x, shares)[0], new_mu, scatter(x, shares, new_mu) / shares.sum(0)[:, None, None]


@wrong("means-unweighted")
def wrong_means_unweighted(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_mu = x.mean(0).repeat(len(mu), 1)
    return updated(x, shares)[0], new_mu, scatter(x, shares, new_mu) / shares.sum(0)[:, None, None]


@wrong("old-means")
def wrong_old_means(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, mu) / shares.sum(0)[:, None, None]


@wrong("covariance-kept")
def wrong_covariance_kept(x, log_weights, mu, cov):
    return *updated(x, shares_of(x, log_weights, mu, cov))[:2], cov.clone()


@wrong("covariance-unweighted")
def wrong_covariance_unweighted(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, torch.ones_like(shares), new_mu) / len(x)


@wrong("covariance-not-divided")
def wrong_covariance_not_divided(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, new_mu)


@wrong("covariance-divided-by-n")
def wrong_covariance_divided_by_n(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, new_mu) / len(x)


@wrong("covariance-divided-by-k")
def wrong_covariance_divided_by_k(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, new_mu) / len(mu)


@wrong("covariance-minus-one")
def wrong_covariance_minus_one(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, new_mu) / (shares.sum(0) - 1)[:, None, None]


@wrong("covariance-uncentred")
def wrong_covariance_uncentred(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    moment = torch.einsum("nk,ni,nj->kij", shares, x, x) / shares.sum(0)[:, None, None]
    return new_log_weights, new_mu, moment


@wrong("covariance-overall-mean")
def wrong_covariance_overall_mean(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, x.mean(0)) / shares.sum(0)[:, None, None]


@wrong("covariance-diagonal")
def wrong_covariance_diagonal(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov.diagonal(dim1=1, dim2=2).diag_embed()


@wrong("diagonal-covariance")
def wrong_variances(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    squares = (x[:, None] - new_mu) ** 2
    return new_log_weights, new_mu, (shares[:, :, None] * squares).sum(0) / shares.sum(0)[:, None]


@wrong("covariance-spherical")
def wrong_covariance_spherical(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    variance = new_cov.diagonal(dim1=1, dim2=2).mean(1)
    return new_log_weights, new_mu, variance[:, None, None] * torch.eye(x.shape[1], dtype=x.dtype)


@wrong("covariance-shared")
def wrong_covariance_shared(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    shared = scatter(x, shares, new_mu).sum(0) / len(x)
    return new_log_weights, new_mu, shared.repeat(len(mu), 1, 1)


@wrong("one-covariance")
def wrong_one_covariance(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    return new_log_weights, new_mu, scatter(x, shares, new_mu).sum(0) / len(x)


@wrong("covariance-inverted")
def wrong_covariance_inverted(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, torch.linalg.inv_ex(new_cov).inverse


@wrong("covariance-root")
def wrong_covariance_root(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, torch.linalg.cholesky_ex(new_cov).L


@wrong("covariance-elementwise")
def wrong_covariance_of_squares(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, new_cov = updated(x, shares)
    return new_log_weights, new_mu, new_cov.diagonal(dim1=1, dim2=2)[:, :, None].expand_as(new_cov)


@wrong("big-jitter")
def wrong_big_jitter(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov + 1e-2 * torch.eye(x.shape[1], dtype=x.dtype)


@wrong("big-jitter")
def wrong_jitter_of_a_thousandth(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov + 1e-3 * torch.eye(x.shape[1], dtype=x.dtype)


@wrong("shares-again")
def wrong_shares_again(x, log_weights, mu, cov):
    new_log_weights, new_mu, _ = updated(x, shares_of(x, log_weights, mu, cov))
    shares = shares_of(x, new_log_weights, new_mu, cov)
    return new_log_weights, new_mu, scatter(x, shares, new_mu) / shares.sum(0)[:, None, None]


@wrong("two-steps")
def wrong_two_steps(x, log_weights, mu, cov):
    eye = 1e-9 * torch.eye(x.shape[1], dtype=torch.float64)
    first = updated(x.double(), shares_of(x.double(), log_weights.double(), mu.double(), cov.double()))
    return updated(x.double(), shares_of(x.double(), first[0], first[1], first[2] + eye))


@wrong("half-way")
def wrong_half_way(x, log_weights, mu, cov):
    new = updated(x, shares_of(x, log_weights, mu, cov))
    return tuple(0.5 * a + 0.5 * b for a, b in zip((log_weights, mu, cov), new, strict=True))


@wrong("nothing-done")
def wrong_nothing_done(x, log_weights, mu, cov):
    return log_weights.clone(), mu.clone(), cov.clone()


@wrong("likelihood-falls")
def wrong_away_from_the_data(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu + 3.0, new_cov


@wrong("likelihood-falls")
def wrong_covariances_far_too_wide(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, 100 * new_cov


@wrong("wrong-order")
def wrong_order(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_mu, new_cov, new_log_weights


@wrong("weights-kept-axis")
def wrong_weights_as_a_row(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights[None], new_mu, new_cov


@wrong("returns-shares")
def wrong_returns_shares(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    return shares.log(), *updated(x, shares)[1:]


@wrong("not-summed-over-points")
def wrong_not_summed(x, log_weights, mu, cov):
    shares = shares_of(x, log_weights, mu, cov)
    new_log_weights, new_mu, _ = updated(x, shares)
    diff = x[:, None] - new_mu
    return new_log_weights, new_mu, shares[:, :, None, None] * diff[..., None] * diff[:, :, None]


@wrong("not-a-tuple")
def wrong_only_means(x, log_weights, mu, cov):
    return updated(x, shares_of(x, log_weights, mu, cov))[1]


@wrong("wrong-count")
def wrong_likelihood_too(x, log_weights, mu, cov):
    joint = joint_of(x, log_weights, mu, cov)
    return *updated(x, joint.softmax(1)), joint.logsumexp(1).mean()


@wrong("not-finite", credit=0.8)
def wrong_shares_of_densities(x, log_weights, mu, cov):
    densities = joint_of(x, log_weights, mu, cov).exp()
    return updated(x, densities / densities.sum(1, keepdim=True))


@wrong("not-finite", credit=0.8)
def wrong_shares_of_densities_float64(x, log_weights, mu, cov):
    densities = joint_of(x.double(), log_weights.double(), mu.double(), cov.double()).exp()
    return updated(x.double(), densities / densities.sum(1, keepdim=True))


@wrong("lost-points", credit=0.8)
def wrong_eps_beside_the_densities(x, log_weights, mu, cov):
    densities = joint_of(x.double(), log_weights.double(), mu.double(), cov.double()).exp()
    return updated(x.double(), densities / (densities.sum(1, keepdim=True) + 1e-200))


@wrong("changes-arguments", credit=0.9)
def wrong_in_place(x, log_weights, mu, cov):
    new = updated(x, shares_of(x, log_weights, mu, cov))
    for old, value in zip((log_weights, mu, cov), new, strict=True):
        old.copy_(value)
    return log_weights, mu, cov


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, log_weights, mu, cov):
    return tuple(part.float() for part in updated(x, shares_of(x, log_weights, mu, cov)))


@wrong("fixed-dtype", credit=0.9)
def wrong_one_part_in_float32(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov.float()


@wrong("random-result")
def wrong_random_shares(x, log_weights, mu, cov):
    return updated(x, torch.rand(len(x), len(mu), dtype=x.dtype).softmax(1))


@wrong("single-example", credit=0.8)
def wrong_spread_of_the_points(x, log_weights, mu, cov):
    new_log_weights, new_mu, new_cov = updated(x, shares_of(x, log_weights, mu, cov))
    return new_log_weights, new_mu, new_cov + 0 * x.std(0).sum()


@wrong("hard-shares")
def wrong_weights_not_logged_and_hard(x, log_weights, mu, cov):
    new = updated(x, F.one_hot(joint_of(x, log_weights, mu, cov).argmax(1), len(mu)).to(x.dtype))
    return new[0].exp(), *new[1:]


@wrong(None)
def wrong_last_point_ignored(x, log_weights, mu, cov):
    return updated(x[:-1], shares_of(x, log_weights, mu, cov)[:-1])
