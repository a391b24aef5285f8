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
# # Assignment 3: the variational autoencoder
#
# You will write the eight functions that a variational autoencoder is made of, and then train one on handwritten digits
# with nothing but your own functions. Lectures 9 and 10 hold all the mathematics that you need.
#
# **How it works.** Each exercise has a statement, a function to fill in, and a check. Replace `raise NotImplementedError()`
# by your code and run the check below it: it tells you what is wrong and, where it recognises the mistake, which idea
# went astray. You may run it as often as you like. The check draws its inputs at random; for the grade, the same check
# runs again on inputs that nobody has seen, in the cell marked *hidden test*.
#
# **Ground rules for every function**
#
# - Any correct formula counts, and so do library calls such as `torch.distributions`, but not a call of the course's own
#   reference implementation.
# - Log-probabilities are in nats (natural logarithm).
# - Inputs may be `float32` or `float64`, on any device, and batches may hold one example.
# - Leave the arguments unchanged, set no random seed, and let gradients flow.
#
# **Points.** 24: for each function 1 for the check that you see and 2 for the hidden test. **Time.** About two hours.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import checks

# %% [markdown] nbgrader={"grade": false, "grade_id": "reconstruction_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1. How far is the reconstruction? (5 minutes, easy)
#
# An autoencoder squeezes an image $x$ through a few numbers and rebuilds it as $\hat x$. Its loss is the squared
# Euclidean distance between the two, one number for each example:
#
# $$ \ell(\hat x, x) = \lVert \hat x - x \rVert_2^2 = \sum_{d} (\hat x_d - x_d)^2 . $$
#
# The sum runs over everything but the batch: over pixels, and over channels if there are any.


# %% nbgrader={"grade": false, "grade_id": "reconstruction_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reconstruction_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared L2 distance of each example, summed over all but the batch axis.

    Args:
        x_hat: reconstructions, (B, D) or (B, C, H, W); images need not be square.
        x: data, of the same shape.

    Returns:
        (B,). Where `x_hat` equals `x`, both the loss and its gradient are zero.
    """
    ### BEGIN SOLUTION
    return (x_hat - x).square().flatten(1).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reconstruction_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.reconstruction_loss(reconstruction_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "reconstruction_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.reconstruction_loss.at_grading(reconstruction_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "reparameterize-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2. Sampling that gradients can pass (10 minutes, medium)
#
# The encoder of a VAE does not name a point but a Gaussian, $q(z \mid x) = \mathcal N(\mu, \operatorname{diag}(\sigma^2))$, and
# the decoder gets a sample of it. A draw from a random number generator has no derivative with respect to $\mu$ and
# $\sigma$. The *reparameterisation trick* moves the randomness aside: draw standard normal noise $\epsilon$, which depends
# on nothing, and shift and scale it,
#
# $$ z = \mu + \sigma \epsilon, \qquad \epsilon \sim \mathcal N(0, I) . $$
#
# Networks that must output a positive number had better output its logarithm. Here that is the log *variance*:
# $\texttt{logvar} = \log \sigma^2$. What, then, is $\sigma$?


# %% nbgrader={"grade": false, "grade_id": "reparameterize", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """A sample of N(mu, exp(logvar)), differentiable in both arguments.

    Args:
        mu: means, (..., Z).
        logvar: logarithms of the variances, of the same shape.

    Returns:
        A sample, shaped like `mu`; the noise is fresh and independent for every element and every call.
    """
    ### BEGIN SOLUTION
    noise = torch.randn_like(mu)
    return mu + torch.exp(0.5 * logvar) * noise
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reparameterize-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.reparameterize(reparameterize).score(1)

# %% nbgrader={"grade": true, "grade_id": "reparameterize-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.reparameterize.at_grading(reparameterize).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "gaussian_kl-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3. How far is the posterior from the prior? (15 minutes, medium)
#
# The price that a VAE pays for information in $z$ is the Kullback-Leibler divergence from the prior $\mathcal N(0, I)$ to
# the encoder's Gaussian $q$. It has a closed form. Derive it for one dimension from
#
# $$ \mathrm{KL}\left(q \,\Vert\, p\right) = \mathbb E_{z \sim q}\left[\log q(z) - \log p(z)\right] , $$
#
# with $\mathbb E_q[(z - \mu)^2] = \sigma^2$ and $\mathbb E_q[z^2] = \mu^2 + \sigma^2$, and sum over the dimensions, since both
# Gaussians factorise. Two checks that you can do in your head: the result is never negative, and it is zero for $\mu = 0$,
# $\sigma = 1$.


# %% nbgrader={"grade": false, "grade_id": "gaussian_kl", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag exp(logvar)) || N(0, I)) of each example, in nats.

    Args:
        mu: means, (B, Z).
        logvar: logarithms of the variances, (B, Z).

    Returns:
        (B,), never negative.
    """
    ### BEGIN SOLUTION
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gaussian_kl-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.gaussian_kl(gaussian_kl).score(1)

# %% nbgrader={"grade": true, "grade_id": "gaussian_kl-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.gaussian_kl.at_grading(gaussian_kl).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "bernoulli_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4. A decoder for black and white (15 minutes, medium)
#
# For binary images the decoder gives each pixel its own coin: the pixel is 1 with probability $p_d = \mathrm{sigmoid}(l_d)$, where
# the *logit* $l_d$ is any real number. Given $z$, the coins are independent:
#
# $$ \log p(x \mid z) = \sum_d \left[ x_d \log p_d + (1 - x_d) \log (1 - p_d) \right] . $$
#
# Computing $p_d$ first is a trap. In floating point, $\mathrm{sigmoid}(200)$ is exactly 1, the logarithm of $1 - p_d$ is
# minus infinity, and training is over. Write the sum in terms of the logits, so that it stays exact when they reach
# $\pm 1000$. PyTorch has functions for that; mind their sign and how they reduce.


# %% nbgrader={"grade": false, "grade_id": "bernoulli_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x | z) of each example under independent Bernoulli pixels, in nats.

    Args:
        logits: log-odds that a pixel is 1, (B, D) or (B, C, H, W), exact as far out as +-1000.
        x: binary data, zeros and ones in floating point, of the same shape.

    Returns:
        (B,), summed over all but the batch axis; never positive.
    """
    ### BEGIN SOLUTION
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bernoulli_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.bernoulli_log_prob(bernoulli_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "bernoulli_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.bernoulli_log_prob.at_grading(bernoulli_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "elbo-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5. The evidence lower bound (10 minutes, medium)
#
# Put the two halves together. For one sample $z \sim q(z \mid x)$, which the decoder turned into `logits`, the *evidence lower
# bound* (ELBO) of each example is estimated by
#
# $$ \log p(x \mid z) - \beta \, \mathrm{KL}\left(q(z \mid x) \,\Vert\, \mathcal N(0, I)\right) . $$
#
# With $\beta = 1$ its expectation is at most $\log p(x)$, whence the name. It is *maximised*. Other values of $\beta$ trade
# reconstruction against a tidy latent space (the $\beta$-VAE). You may call your functions from above, but then their
# mistakes come along.


# %% nbgrader={"grade": false, "grade_id": "elbo", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elbo(logits: Tensor, x: Tensor, mu: Tensor, logvar: Tensor, beta: float | Tensor = 1.0) -> Tensor:
    """Bernoulli log-likelihood minus beta times the KL divergence from the prior, of each example, in nats.

    Args:
        logits: the decoder's output for a sample z, (B, D) or (B, C, H, W).
        x: binary data, of the same shape.
        mu: means of q(z | x), (B, Z).
        logvar: logarithms of its variances, (B, Z).
        beta: weight of the KL term, a number or a tensor of shape ().

    Returns:
        (B,), to be maximised.
    """
    ### BEGIN SOLUTION
    log_px_given_z = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
    return log_px_given_z - beta * kl
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "elbo-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.elbo(elbo).score(1)

# %% nbgrader={"grade": true, "grade_id": "elbo-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.elbo.at_grading(elbo).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "beta_schedule-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6. Warming up (5 minutes, easy)
#
# Early in training the decoder is useless, so the quickest way to a better bound is to make the KL term zero and
# ignore $z$ altogether; some models never recover from that. The remedy is to let $\beta$ grow: 0 at step 0, in a straight line to
# `beta_max` at step `warmup_steps`, and constant from there on.


# %% nbgrader={"grade": false, "grade_id": "beta_schedule", "locked": false, "schema_version": 3, "solution": true, "task": false}
def beta_schedule(step: int, warmup_steps: int, beta_max: float = 1.0) -> float:
    """The weight of the KL term at a training step: linear from 0 to `beta_max`, then constant.

    Args:
        step: number of steps done, from 0.
        warmup_steps: the step at which `beta_max` is reached, greater than 0.
        beta_max: the final value.

    Returns:
        A number in [0, beta_max].
    """
    ### BEGIN SOLUTION
    return beta_max * min(1.0, step / warmup_steps)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "beta_schedule-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.beta_schedule(beta_schedule).score(1)

# %% nbgrader={"grade": true, "grade_id": "beta_schedule-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.beta_schedule.at_grading(beta_schedule).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "importance_weighted_bound-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7. A tighter bound from more samples (15 minutes, medium)
#
# Draw $K$ samples $z_k \sim q(z \mid x)$ instead of one and weigh each by how much more likely it is under the model than under $q$,
# $w_k = p(x, z_k) / q(z_k \mid x)$. The mean of the weights is an unbiased estimate of $p(x)$, and its logarithm
#
# $$ \log \frac{1}{K} \sum_{k=1}^{K} w_k $$
#
# is, in expectation, a lower bound on $\log p(x)$ that only gets tighter as $K$ grows (Burda et al., 2015). The weights themselves
# are numbers like $e^{-10000}$, far below anything that a computer can hold: you are given their logarithms, and
# must never leave them.


# %% nbgrader={"grade": false, "grade_id": "importance_weighted_bound", "locked": false, "schema_version": 3, "solution": true, "task": false}
def importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """The logarithm of the mean weight of each example, in nats.

    Args:
        log_weights: log w_k, (K, B): K samples of each of B examples; values near -10000 occur.

    Returns:
        (B,).
    """
    ### BEGIN SOLUTION
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "importance_weighted_bound-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.importance_weighted_bound(importance_weighted_bound).score(1)

# %% nbgrader={"grade": true, "grade_id": "importance_weighted_bound-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.importance_weighted_bound.at_grading(importance_weighted_bound).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "condition_on_label-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8. Telling the decoder which digit (10 minutes, easy)
#
# A conditional VAE draws the digit that you ask for. All it takes is to tell encoder and decoder the label $y$: as a *one-hot*
# vector, which has a 1 at place $y$ and zeros elsewhere, appended to $z$.


# %% nbgrader={"grade": false, "grade_id": "condition_on_label", "locked": false, "schema_version": 3, "solution": true, "task": false}
def condition_on_label(z: Tensor, y: Tensor, num_classes: int) -> Tensor:
    """`z` with the one-hot label appended.

    Args:
        z: latent codes, (B, Z), in floating point.
        y: labels from 0 to num_classes - 1, (B,), int64.
        num_classes: the number of classes.

    Returns:
        (B, Z + num_classes), in the dtype of `z`: first `z`, then the one-hot label.
    """
    ### BEGIN SOLUTION
    return torch.cat([z, F.one_hot(y, num_classes).to(z.dtype)], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "condition_on_label-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.vae.condition_on_label(condition_on_label).score(1)

# %% nbgrader={"grade": true, "grade_id": "condition_on_label-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.vae.condition_on_label.at_grading(condition_on_label).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "together-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## All together: your own conditional VAE (no points)
#
# The model below consists of two small networks and your functions, and of nothing else. It trains in about ten
# seconds on real handwriting of 8 by 8 pixels. Then it writes the digits 0 to 9, each in a column of its own, from
# noise. If the digits can be read, all eight functions work together. Change `beta_max`, the size of the latent space, or the
# length of the warm-up, and see what happens.


# %% nbgrader={"grade": false, "grade_id": "together-model", "locked": true, "schema_version": 3, "solution": false, "task": false}
class MyVAE(nn.Module):
    def __init__(self, num_pixels=64, latent_dim=8, num_classes=10, hidden_dim=256):
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.encoder = nn.Sequential(
            nn.Linear(num_pixels + num_classes, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 2 * latent_dim)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim + num_classes, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, num_pixels)
        )

    def loss(self, x, y, beta):
        mu, logvar = self.encoder(condition_on_label(x, y, self.num_classes)).chunk(2, dim=1)
        z = reparameterize(mu, logvar)
        logits = self.decoder(condition_on_label(z, y, self.num_classes))
        return -elbo(logits, x, mu, logvar, beta).mean()

    @torch.no_grad()
    def sample(self, y):
        z = torch.randn(len(y), self.latent_dim)
        return torch.sigmoid(self.decoder(condition_on_label(z, y, self.num_classes)))


# %% nbgrader={"grade": false, "grade_id": "together-train", "locked": true, "schema_version": 3, "solution": false, "task": false}
if not os.environ.get("NBGRADER_EXECUTION"):  # at grading there is nothing to look at
    from course_utils.data import load
    from course_utils.plotting import image_grid
    from course_utils.training import fit

    digits = load("digits").train
    model = MyVAE()
    history = fit(
        model,
        ((digits.x.flatten(1) > 0.5).float(), digits.y),
        epochs=120,
        batch_size=64,
        loss=lambda model, x, y, step: model.loss(x, y, beta_schedule(step, 500)),
        description="your VAE",
    )
    print(
        f"negative ELBO: {history.epoch_loss[0]:.1f} nats after the first epoch, {history.epoch_loss[-1]:.1f} after the last"
    )
    image_grid(model.sample(torch.arange(10).repeat(6)).view(-1, 1, 8, 8), num_columns=10)
