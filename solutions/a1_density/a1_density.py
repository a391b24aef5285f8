# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade": false, "grade_id": "title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # Assignment 1: density, clusters and Bayes' rule
#
# You will write eight short functions of lectures 1 to 4: a Gaussian, a kernel density estimate, a step of k-means, a mixture of
# Gaussians and a step of its training by EM, bits, Bayes' rule, and the rejection of outliers. At the end they work together on
# real handwriting.
#
# **How it works.** Each exercise has a statement, a function to fill in, and a check. Replace `raise NotImplementedError()`
# by your code and run the check below it: it tells you what is wrong and, where it recognises the mistake, which idea
# went astray. You may run it as often as you like. The check draws its inputs at random; for the grade, the same check
# runs again on inputs that nobody has seen, in the cell marked *hidden test*.
#
# **Ground rules for every function**
#
# - Any correct way counts, and so do library calls, but not a call of the course's own reference implementation.
# - A tensor's shape is written in brackets: `(N, D)` is N points of D numbers each, `(…)` is any shape.
# - Logarithms are natural ones, so log-probabilities are in nats. Work with logarithms from the start: far from the data a density is too small for
#   a number on a computer, its logarithm is not.
# - Inputs may be `float32` or `float64`, on any device, and batches may hold one example.
# - Leave the arguments unchanged, set no random seed, and let gradients flow (not needed in exercises 3, 5 and 8).
#
# **Points.** 24: for each function 1 for the check that you see and 2 for the hidden test. **Time.** About two hours.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
import os

import torch
from torch import Tensor

from course_utils import checks

# %% [markdown] nbgrader={"grade": false, "grade_id": "gaussian_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1. The bell (10 minutes, easy, 3 points)
#
# The Gaussian density of one number is $\mathcal N(x; \mu, \sigma^2) = \frac{1}{\sqrt{2 \pi \sigma^2}} \exp\bigl(-\frac{(x - \mu)^2}{2 \sigma^2}\bigr)$. Of D numbers that are
# independent, the density is the product, so its logarithm is a sum,
#
# $$ \log \mathcal N(x; \mu, \operatorname{diag} \sigma^2) = -\frac12 \sum_{j=1}^D \Bigl[ \frac{(x_j - \mu_j)^2}{\sigma_j^2} + \log \sigma_j^2 + \log 2 \pi \Bigr] . $$
#
# The width comes as $\texttt{logvar} = \log \sigma^2$: any real number is a valid one, which suits gradient descent, and a network cannot return a
# negative variance by mistake. None of the three terms is a detail: without the last two the density does not have mass 1.


# %% nbgrader={"grade": false, "grade_id": "gaussian_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_log_prob(x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Log-density of a diagonal Gaussian, log N(x; mu, diag exp(logvar)), summed over the last axis.

    Args:
        x: points, (…, D).
        mu: means, (…, D).
        logvar: logarithms of the variances, (…, D).

    Returns:
        The log-density of each point in nats, (…,); right also 60 standard deviations from the mean, and for hundreds
        of dimensions.
    """
    ### BEGIN SOLUTION
    return -0.5 * ((x - mu).square() * torch.exp(-logvar) + logvar + math.log(2 * math.pi)).sum(-1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gaussian_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.gaussian_log_prob(gaussian_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "gaussian_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.gaussian_log_prob.at_grading(gaussian_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "kde_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2. A bell on every point (15 minutes, medium, 3 points)
#
# The kernel density estimate puts a small Gaussian on each of M data points and averages them:
#
# $$ p(x) = \frac1M \sum_{m=1}^M \mathcal N(x; x_m, h^2 I), \qquad I \text{ of } D \times D . $$
#
# $h$, the *bandwidth*, is one standard deviation, the same in all D dimensions. Where x is far from all data, every term of the sum is so small that a
# computer rounds it to 0, and $\log 0 = -\infty$. The cure is to add up in logarithms: `torch.logsumexp` gives $\log \sum_m e^{a_m}$ from the $a_m$
# without ever leaving them. What is $a_m$ here?


# %% nbgrader={"grade": false, "grade_id": "kde_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kde_log_prob(x: Tensor, data: Tensor, bandwidth: float | Tensor) -> Tensor:
    """Log of the Gaussian kernel density estimate.

    Args:
        x: where to evaluate it, (N, D).
        data: the points that it is made of, (M, D).
        bandwidth: the kernels' standard deviation in every dimension, above 0, a number or a 0-dim tensor.

    Returns:
        The log-density at each x in nats, (N,); right also far from the data, and where all of it lies far from 0
        (subtract before you square). The gradient is right at the data points, too.
    """
    ### BEGIN SOLUTION
    squared_distance = (x[:, None] - data).square().sum(2)  # (N, M)
    log_norm = data.shape[1] * (math.log(bandwidth) + 0.5 * math.log(2 * math.pi))
    return torch.logsumexp(-0.5 * squared_distance / bandwidth**2, dim=1) - log_norm - math.log(len(data))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kde_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.kde_log_prob(kde_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "kde_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.kde_log_prob.at_grading(kde_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "kmeans_step-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3. Join the nearest (15 minutes, medium, 3 points)
#
# k-means looks for K centres $c_1 \ldots c_K$ such that the squared distances of the points to their nearest centre have a small sum. One step does two things, in this order:
#
# 1. every point joins the centre nearest to it;
# 2. every centre moves to the mean of the points that joined it.
#
# A centre that nobody joined has no mean to move to: it stays where it is. (0/0 is `nan`, and a `nan` never goes away.)


# %% nbgrader={"grade": false, "grade_id": "kmeans_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kmeans_step(x: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """One step of k-means.

    Args:
        x: points, (N, D).
        centers: the centres before the step, (K, D).

    Returns:
        assignments: for each point the index of the nearest centre before the step, (N,), integers.
        new_centers: for each centre the mean of its points, (K, D); a centre without points stays where it is.
    """
    ### BEGIN SOLUTION
    assignments = (x[:, None] - centers).square().sum(2).argmin(1)
    new_centers = centers.clone()
    for k in range(len(centers)):
        if (assignments == k).any():
            new_centers[k] = x[assignments == k].mean(0)
    return assignments, new_centers
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "kmeans_step-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.kmeans_step(kmeans_step).score(1)

# %% nbgrader={"grade": true, "grade_id": "kmeans_step-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.kmeans_step.at_grading(kmeans_step).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "gmm_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4. Several bells (20 minutes, harder, 3 points)
#
# A mixture of Gaussians has K components, each with a weight $w_k$ (together 1), a mean and a covariance matrix of its own:
#
# $$ p(x) = \sum_{k=1}^K w_k \, \mathcal N(x; \mu_k, \Sigma_k), \qquad
# \log \mathcal N(x; \mu, \Sigma) = -\frac12 (x - \mu)^\top \Sigma^{-1} (x - \mu) - \frac12 \log \det \Sigma - \frac D2 \log 2 \pi . $$
#
# `torch.distributions.MultivariateNormal` is allowed, and so are `torch.linalg.solve`, `torch.linalg.slogdet` or `torch.linalg.cholesky`. The weights come as
# logarithms. As in exercise 2 the sum needs care.


# %% nbgrader={"grade": false, "grade_id": "gmm_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gmm_log_prob(x: Tensor, log_weights: Tensor, mu: Tensor, cov: Tensor) -> Tensor:
    """Log-density of a mixture of Gaussians with full covariances.

    Args:
        x: points, (N, D).
        log_weights: logarithms of the weights, whose exponentials sum to 1, (K,).
        mu: means, (K, D).
        cov: covariances, symmetric and positive definite, (K, D, D).

    Returns:
        log p(x) of each point in nats, (N,); right also far from all components.
    """
    ### BEGIN SOLUTION
    components = torch.distributions.MultivariateNormal(mu, cov)
    return torch.logsumexp(log_weights + components.log_prob(x[:, None]), dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gmm_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.gmm_log_prob(gmm_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "gmm_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.gmm_log_prob.at_grading(gmm_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "em_step-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5. Shares, then means (25 minutes, harder, 3 points)
#
# EM fits the mixture of exercise 4 without a gradient. Its step asks first which component may have made which point, then fits each component to its share.
#
# - **E step**: the share of component k in point n is $r_{nk} = w_k \mathcal N(x_n; \mu_k, \Sigma_k) / p(x_n)$; over k the shares sum to 1.
# - **M step**: with $N_k = \sum_n r_{nk}$,
#
# $$ w_k = \frac{N_k}{N}, \qquad \mu_k = \frac1{N_k} \sum_n r_{nk} x_n, \qquad
# \Sigma_k = \frac1{N_k} \sum_n r_{nk} (x_n - \mu_k)(x_n - \mu_k)^\top , $$
#
# the covariance around the *new* means. The likelihood of the data cannot fall in such a step: if yours does, something is wrong. Compute the shares in
# logarithms. You may call your `gmm_log_prob`, but then this exercise rests on that one.


# %% nbgrader={"grade": false, "grade_id": "em_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def em_step(x: Tensor, log_weights: Tensor, mu: Tensor, cov: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One step of expectation-maximisation for a mixture of Gaussians.

    Args:
        x: points, (N, D).
        log_weights: logarithms of the weights before the step, (K,).
        mu: means before the step, (K, D).
        cov: covariances before the step, (K, D, D).

    Returns:
        log_weights, mu, cov after the step, in the same shapes. Adding up to 1e-6 to the covariances' diagonal, against
        singular matrices, is accepted.
    """
    ### BEGIN SOLUTION
    log_joint = log_weights + torch.distributions.MultivariateNormal(mu, cov).log_prob(x[:, None])  # (N, K)
    shares = torch.softmax(log_joint, dim=1)
    counts = shares.sum(0)
    new_mu = shares.T @ x / counts[:, None]
    difference = x[:, None] - new_mu  # (N, K, D)
    new_cov = torch.einsum("nk,nki,nkj->kij", shares, difference, difference) / counts[:, None, None]
    return torch.log(counts / len(x)), new_mu, new_cov
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "em_step-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.em_step(em_step).score(1)

# %% nbgrader={"grade": true, "grade_id": "em_step-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.em_step.at_grading(em_step).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "bits_per_dim-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6. Nats to bits (5 minutes, easy, 3 points)
#
# A negative log-likelihood in nats is a number of natural logarithms; divided by $\log 2$ it is in *bits*, the length of the shortest code for the data if the
# model is right. Larger images need more bits, so that papers divide by the number of dimensions, too (for an image $C \cdot H \cdot W$): *bits per dimension*.


# %% nbgrader={"grade": false, "grade_id": "bits_per_dim", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_dim(nll: Tensor, num_dims: int) -> Tensor:
    """Negative log-likelihoods in nats to bits per dimension, elementwise.

    Args:
        nll: negative log-likelihoods in nats, of any shape.
        num_dims: the number of dimensions of one example.

    Returns:
        Bits per dimension, like nll.
    """
    ### BEGIN SOLUTION
    return nll / (num_dims * math.log(2))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bits_per_dim-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.bits_per_dim(bits_per_dim).score(1)

# %% nbgrader={"grade": true, "grade_id": "bits_per_dim-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.bits_per_dim.at_grading(bits_per_dim).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "class_log_posterior-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7. Bayes' rule (15 minutes, medium, 3 points)
#
# For each class y there is a density $p(x \mid y)$, and $p(y)$ tells how frequent the class is. How probable is each class once x has been seen?
#
# $$ p(y \mid x) = \frac{p(x \mid y) \, p(y)}{\sum_{y'} p(x \mid y') \, p(y')} . $$
#
# For images, $\log p(x \mid y)$ may well be $-5000$, for all classes: $e^{-5000}$ is 0 on a computer, and $0 / 0$ is no answer. Stay in logarithms.


# %% nbgrader={"grade": false, "grade_id": "class_log_posterior", "locked": false, "schema_version": 3, "solution": true, "task": false}
def class_log_posterior(log_px_given_y: Tensor, log_py: Tensor) -> Tensor:
    """Log of p(y | x) for every class, by Bayes' rule.

    Args:
        log_px_given_y: log p(x | y) of N examples under each of K classes, (N, K).
        log_py: log p(y), whose exponentials sum to 1, (K,).

    Returns:
        log p(y | x), (N, K): the exponentials of each row sum to 1. Right also where all of a row are near -10000.
    """
    ### BEGIN SOLUTION
    return torch.log_softmax(log_px_given_y + log_py, dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "class_log_posterior-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.class_log_posterior(class_log_posterior).score(1)

# %% nbgrader={"grade": true, "grade_id": "class_log_posterior-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.class_log_posterior.at_grading(class_log_posterior).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "reject_outliers-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8. Not one of ours (5 minutes, easy, 3 points)
#
# A classifier must give every image a label, even noise. A density can refuse: where $\log p(x)$ is *below* a threshold, x is an outlier.


# %% nbgrader={"grade": false, "grade_id": "reject_outliers", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reject_outliers(log_px: Tensor, threshold: float | Tensor) -> Tensor:
    """Which examples are rejected as outliers.

    Args:
        log_px: log p(x) of each example, (N,).
        threshold: a number, or a 0-dim tensor.

    Returns:
        A tensor of booleans, (N,): True where log p(x) is below the threshold. At equality an example is kept.
    """
    ### BEGIN SOLUTION
    return log_px < threshold
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reject_outliers-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.density.reject_outliers(reject_outliers).score(1)

# %% nbgrader={"grade": true, "grade_id": "reject_outliers-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.density.reject_outliers.at_grading(reject_outliers).score(2)
### END HIDDEN TESTS


# %% [markdown] nbgrader={"grade": false, "grade_id": "together-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## All together: a classifier that says no (no points)
#
# Your functions, on real handwriting: each digit class gets a Gaussian (exercise 4 with one component), Bayes' rule turns the ten densities into a
# classifier, and a threshold lets it refuse. It has seen the digits 0 to 8 only, so the nines should be refused, and so should noise. What happens to the nines when the
# threshold goes down? Which digits are refused although they are what they claim to be? Look at them: would you have read them?

# %% nbgrader={"grade": false, "grade_id": "together", "locked": true, "schema_version": 3, "solution": false, "task": false}
if not os.environ.get("NBGRADER_EXECUTION"):  # at grading there is nothing to look at
    import matplotlib.pyplot as plt

    from course_utils.data import load
    from course_utils.plotting import image_grid

    digits = load("digits")
    (x, y), (x_test, y_test) = digits.train, digits.test
    x, x_test = x.flatten(1).double(), x_test.flatten(1).double()
    noise = torch.rand(100, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    try:
        log_px_given_y = []
        for k in range(9):
            mine = x[y == k]
            mu, cov = mine.mean(0), torch.cov(mine.T) + 0.02 * torch.eye(64)  # a floor: some pixels never vary
            candidates = torch.cat([x_test, noise])
            log_px_given_y.append(gmm_log_prob(candidates, torch.zeros(1), mu[None], cov[None].double()))
        log_px_given_y = torch.stack(log_px_given_y, 1)
        log_py = torch.full((9,), -math.log(9))
        posterior = class_log_posterior(log_px_given_y, log_py)
        log_px = torch.logsumexp(log_px_given_y + log_py, 1)
        seen = y_test < 9
        threshold = log_px[:300][seen].quantile(0.05)  # refuses one in twenty of what it should accept
        refused = reject_outliers(log_px, threshold)
    except NotImplementedError:
        print(
            "gmm_log_prob, class_log_posterior and reject_outliers are needed here: one of them is still to be written"
        )
    else:
        right = (posterior[:300].argmax(1) == y_test)[seen].double().mean()
        print(f"digits 0 to 8: {right:.1%} named rightly, {refused[:300][seen].double().mean():.1%} refused")
        print(
            f"nines: {refused[:300][~seen].double().mean():.1%} refused; noise: {refused[300:].double().mean():.1%} refused"
        )
        bits = bits_per_dim(-log_px[:300][seen].mean(), 64)
        print(f"the density of the digits: {bits:.2f} bits per dimension (of real numbers: it may be negative)")
        odd = (refused[:300] & seen).nonzero().squeeze(1)[:10]
        ax = image_grid(x_test[odd].view(-1, 1, 8, 8), num_columns=10, titles=y_test[odd].tolist())
        ax.set_title("refused, though they are digits from 0 to 8", y=1.25)
        plt.show()
