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

# %% [markdown] slideshow={"slide_type": "slide"}
# # Lecture 10: Variational autoencoders
#
# **You will**
#
# - derive the bound that a variational autoencoder (VAE) maximises, and check it against exact likelihoods;
# - pass a gradient through a random draw, and measure why one way of doing so beats the other;
# - write a VAE in 25 lines, train it, and draw new digits with it;
# - steer it: by $\beta$, by a label, by one latent variable at a time;
# - see why its images are blurry, and try four remedies.
#
# **You need** lecture 9 (autoencoders); probability: expectation, Gaussian, Bayes' rule; PyTorch: a module and its gradient.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two minutes on a laptop's processor. The images are
# real handwriting that comes with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=74)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. A smile: a value, or a distribution?
#
# An autoencoder describes a face by a few numbers, $z$. Say one of them is the smile, from $-1$ to $1$. Such a number that we never
# see, but that explains what we see, is called a **latent factor**.
#
# What is the smile of somebody who wears a mask? An autoencoder must still name one value. A *variational* autoencoder answers
# with a **distribution** over values: narrow where the image tells, wide where it does not.


# %% slideshow={"slide_type": "fragment"}
def draw_face(ax, smile, mask):
    ax.add_patch(plt.Circle((0, 0), 1, fill=False, linewidth=2))
    ax.plot([-0.35, 0.35], [0.3, 0.3], "ko", markersize=4)
    mouth = torch.linspace(-0.5, 0.5, 30)
    ax.plot(mouth, smile * (mouth**2 - 0.12) * 1.5 - 0.45, "k", linewidth=2)
    if mask:
        ax.add_patch(plt.Rectangle((-0.8, -0.8), 1.6, 0.75, color="#56B4E9", zorder=3))
    ax.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    ax.axis("off")


fig, axes = plt.subplots(2, 3, figsize=(6, 3), height_ratios=[1.3, 1])
for column, (smile, spread, mask) in enumerate([(-0.7, 0.12, False), (0.1, 0.5, True), (0.8, 0.12, False)]):
    draw_face(axes[0, column], smile, mask)
    values = torch.linspace(-1.6, 1.6, 200)
    axes[1, column].fill_between(
        values, torch.exp(-0.5 * ((values - smile) / spread) ** 2) / spread, alpha=0.4, label="a distribution"
    )
    axes[1, column].axvline(smile, color="C1", label="a value")
    axes[1, column].set(xlabel="smile $z$", yticks=[], ylim=(0, 9))
axes[1, 2].legend(loc="upper left", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The line in the middle is a guess that looks as sure as its neighbours. The curve says how sure it is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The model: draw a cause, then draw an image
#
# A VAE first tells a story of how images come about.
#
# 1. Draw the latent factors from a **prior**, usually a unit Gaussian: $z \sim p(z) = \mathcal N(0, I)$.
# 2. Draw the image given the factors: $x \sim p_\theta(x \mid z)$. This is a **probabilistic decoder**: a network with weights $\theta$ does not
#    return an image but the parameters of a distribution over images.
#
# How probable is an image under this story? Add up all the causes that might have led to it:
#
# $$ p_\theta(x) = \int p_\theta(x \mid z)\, p(z)\, dz . $$
#
# Here is a world so small that we can draw everything: one latent factor, and "images" of two pixels. The decoder bends the line of
# all $z$ into a curve and adds a little Gaussian noise.


# %% slideshow={"slide_type": "fragment"}
def bend(z):  # the decoder's mean: (N,) -> (N, 2)
    return torch.stack([1.2 * torch.sin(1.2 * z), 0.6 * z + 0.4 * torch.cos(2 * z)], dim=1)


noise_scale = 0.15
z = torch.linspace(-5, 5, 1001)
prior = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
side = torch.linspace(-2, 2, 120)
pixels = torch.cartesian_prod(side, side)
squared = torch.cdist(pixels, bend(z)) ** 2
likelihood = torch.exp(-0.5 * squared / noise_scale**2) / (2 * math.pi * noise_scale**2)  # p(x | z)
density = (likelihood * prior).sum(1) * (z[1] - z[0])  # the integral, as a sum over a grid of z

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(7, 2.5))
torch.manual_seed(0)
drawn = torch.randn(150)
axes[0].plot(z, prior, color="black")
axes[0].scatter(drawn, torch.zeros(150), c=drawn, cmap="viridis", s=6)
axes[0].set(title="prior $p(z)$", xlabel="$z$", xlim=(-3.5, 3.5), yticks=[])
x_drawn = bend(drawn) + noise_scale * torch.randn(150, 2)
axes[1].plot(*bend(z).T, color="black", linewidth=1)
axes[1].scatter(*x_drawn.T, c=drawn, cmap="viridis", s=6)
axes[1].set(title="draws of $p(x | z)$", xlabel="pixel 1", ylabel="pixel 2", xlim=(-2, 2), ylim=(-2, 2))
axes[2].contourf(side, side, density.view(120, 120).T, levels=12, cmap="Blues")
axes[2].set(title="$p(x)$", xlabel="pixel 1", xlim=(-2, 2), ylim=(-2, 2))
plt.show()
print(f"over the square drawn, p(x) integrates to {density.sum() * (side[1] - side[0]) ** 2:.4f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Colour is $z$. A simple prior and a simple noise give a density that is not simple at all: the work is done by the decoder.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why not just compute the integral?
#
# With one factor we summed over a grid of 1001 values. With eight factors the same grid has $1001^8$ points. Then sample! The integral
# is an expectation over the prior, so draw $z_1 \dots z_K$ from it and average:
#
# $$ p(x) \approx \frac1K \sum_{k=1}^K p(x \mid z_k), \qquad z_k \sim p(z). $$
#
# This is right on average. To see how well it does with a finite $K$, we want real images and a decoder so simple that the exact
# answer is known: a **linear** one, $x = Wz + m + \sigma\,\text{noise}$. Then $x$ is itself Gaussian, with covariance $WW^\top + \sigma^2 I$, and the most likely $W$
# comes from PCA: the directions of largest variance $\lambda_i$, each times $\sqrt{\lambda_i - \sigma^2}$, where $\sigma^2$ is the mean of the variances left over (*probabilistic PCA*, Tipping & Bishop 1999).

# %% slideshow={"slide_type": "fragment"}
digits = data.load("digits")
print(digits.description)
grey, grey_test = digits.train.x.flatten(1).double(), digits.test.x.flatten(1).double()


def fit_linear(x, latent_dim):
    """The best W (D, Z), m (D,) and variance of the noise, for x (N, D)."""
    mean = x.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov(x.T, correction=0))
    variances, directions = variances.flip(0), directions.flip(1)
    noise_variance = variances[latent_dim:].mean()
    W = directions[:, :latent_dim] * (variances[:latent_dim] - noise_variance).sqrt()
    return W, mean, noise_variance


def exact_log_prob(x, W, mean, noise_variance):
    covariance = W @ W.T + noise_variance * torch.eye(len(mean), dtype=x.dtype)
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


# %% slideshow={"slide_type": "fragment"}
def log_px_given_z(x, z, W, mean, noise_variance):
    """log p(x | z) of every image with every z: (N, K), in nats."""
    squared = torch.cdist(x, z @ W.T + mean) ** 2
    return -0.5 * squared / noise_variance - 0.5 * x.shape[1] * torch.log(2 * math.pi * noise_variance)


latent_dims, numbers = [1, 2, 4, 8, 16, 32], [100, 1000, 20_000]
errors = torch.zeros(len(numbers), len(latent_dims))
torch.manual_seed(0)
for column, latent_dim in enumerate(latent_dims):
    linear = fit_linear(grey, latent_dim)
    z = torch.randn(numbers[-1], latent_dim, dtype=torch.float64)
    log_terms = log_px_given_z(grey_test[:50], z, *linear)
    for row, K in enumerate(numbers):
        estimate = log_terms[:, :K].logsumexp(1) - math.log(K)
        errors[row, column] = (estimate - exact_log_prob(grey_test[:50], *linear)).mean()

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5, 2.6))
for K, error in zip(numbers, errors, strict=True):
    ax.plot(latent_dims, error, "o-", label=f"K = {K:,}")
ax.axhline(0, color="black", linewidth=1)
ax.set_xscale("log", base=2)
ax.set(
    xlabel="number of latent factors $Z$",
    ylabel="estimate less exact\n$\\log p(x)$, nats",
    xticks=latent_dims,
    xticklabels=latent_dims,
)
ax.legend()
plt.show()
share = log_terms.softmax(1).max(1).values.mean()
print(f"With {latent_dims[-1]} factors the best of {numbers[-1]:,} draws carries {share:.0%} of the sum, on average,")
print(f"and the estimate is {-errors[-1, -1]:.0f} nats too low: a factor of 10^{-errors[-1, -1] / math.log(10):.0f}.")

# %% [markdown] slideshow={"slide_type": "slide"}
# Almost every draw from the prior is a cause that has nothing to do with *this* image. The few that matter are hardly ever hit, and with more
# factors it gets hopeless: $p(x)$ is **intractable**.
#
# If only we knew which $z$ go with this image! Bayes' rule names them, the **posterior**
#
# $$ p_\theta(z \mid x) = \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(x)}, $$
#
# but there stands $p_\theta(x)$ again: intractable too. So we train a second network to guess: the **encoder** $q_\phi(z \mid x)$, which looks at an image
# and returns a distribution over its causes, close to $p_\theta(z \mid x)$. It is the distribution over smiles of section 1. We take a
# Gaussian with a mean and a variance for each factor:
#
# $$ q_\phi(z \mid x) = \mathcal N\big(\mu(x), \operatorname{diag} \sigma^2(x)\big). $$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The evidence lower bound
#
# How far a distribution $q$ is from a distribution $p$ is told by the **Kullback-Leibler divergence**,
# $\mathrm{KL}(q \,\|\, p) = \mathbb E_{q}\big[\log \tfrac{q(z)}{p(z)}\big]$. It is never negative, and 0 only if $q = p$. (Since $\log t \le t - 1$:
# $-\mathrm{KL} = \mathbb E_q[\log \tfrac pq] \le \mathbb E_q[\tfrac pq - 1] = \int p - \int q = 0$.)
#
# Now one line at a time. We start from what we want, $\log p_\theta(x)$, and never change its value.

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 1.** $\log p_\theta(x)$ does not depend on $z$, so its mean over any distribution of $z$ is itself. Take $q = q_\phi(z \mid x)$:
#
# $$ \log p_\theta(x) = \mathbb E_{q}\big[\log p_\theta(x)\big] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 2.** Bayes' rule, solved for $p_\theta(x)$. It holds for every $z$:
#
# $$ = \mathbb E_{q}\left[\log \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(z \mid x)}\right] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 3.** Multiply by one, $q_\phi(z \mid x) / q_\phi(z \mid x)$:
#
# $$ = \mathbb E_{q}\left[\log \frac{p_\theta(x \mid z)\, p(z)}{p_\theta(z \mid x)} \cdot \frac{q_\phi(z \mid x)}{q_\phi(z \mid x)}\right] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 4.** The logarithm of a product is a sum, and the mean of a sum is the sum of the means:
#
# $$ = \mathbb E_{q}\big[\log p_\theta(x \mid z)\big] - \mathbb E_{q}\left[\log \frac{q_\phi(z \mid x)}{p(z)}\right] + \mathbb E_{q}\left[\log \frac{q_\phi(z \mid x)}{p_\theta(z \mid x)}\right] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 5.** The last two are divergences:
#
# $$ \log p_\theta(x) = \underbrace{\mathbb E_{q}\big[\log p_\theta(x \mid z)\big]}_{\text{reconstruction}} - \underbrace{\mathrm{KL}\big(q_\phi(z \mid x) \,\|\, p(z)\big)}_{\text{distance to the prior}} + \underbrace{\mathrm{KL}\big(q_\phi(z \mid x) \,\|\, p_\theta(z \mid x)\big)}_{\text{distance to the posterior}} $$

# %% [markdown] slideshow={"slide_type": "slide"}
# | term | what it asks for | can we compute it? |
# |---|---|---|
# | reconstruction | encode, draw a $z$, decode: the image should be probable | yes: draw a $z$ |
# | distance to the prior | codes that look like draws from $p(z)$, so that draws from $p(z)$ look like codes | yes: a formula |
# | distance to the posterior | a good encoder | **no**: it holds $p_\theta(z \mid x)$ |
#
# The third cannot be computed, but it is never negative. Drop it, and what is left can only be too small: the **evidence lower bound**
# (*evidence* is an old name for $p(x)$),
#
# $$ \mathrm{ELBO}(x) = \mathbb E_{q}\big[\log p_\theta(x \mid z)\big] - \mathrm{KL}\big(q_\phi(z \mid x) \,\|\, p(z)\big) \;\le\; \log p_\theta(x). $$
#
# Maximise it in $\theta$ and $\phi$ together: the decoder pushes $\log p_\theta(x)$ up, the encoder closes the gap.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does it hold? A check where everything is known
#
# For the linear decoder, the posterior is known too: a Gaussian with mean $\Lambda^{-1} W^\top (x - m)$ and variances $\sigma^2 / \lambda_i$, where $\Lambda = W^\top W + \sigma^2 I$ is diagonal. We take one digit and
# a whole family of guesses $q$: the right posterior, shifted more and more, and the right posterior, made narrower or wider. For each we
# estimate the ELBO from draws, and compare it with the exact $\log p(x)$ less the exact divergence.

# %% slideshow={"slide_type": "fragment"}
from torch.distributions import Normal, kl_divergence

W, mean, noise_variance = linear = fit_linear(grey, 2)
x = grey_test[:1]
eigenvalues = (W**2).sum(0) + noise_variance
posterior = Normal((x - mean) @ W / eigenvalues, (noise_variance / eigenvalues).sqrt())
log_px = exact_log_prob(x, *linear).item()


def elbo_by_sampling(q, num_samples=2000):
    """The ELBO of the image x under q, and the standard error of this estimate."""
    z = q.sample((num_samples,)).squeeze(1)
    draws = log_px_given_z(x, z, *linear)[0] - kl_divergence(q, Normal(0.0, 1.0)).sum()
    return draws.mean().item(), draws.std().item() / math.sqrt(num_samples)


# %% slideshow={"slide_type": "fragment"}
shifts, widths = torch.linspace(-2.5, 2.5, 15), torch.logspace(-1.5, 0.7, 15)
families = {
    "mean of $q$: posterior's, plus ... of its $\\sigma$": [
        (s, Normal(posterior.loc + s * posterior.scale, posterior.scale)) for s in shifts
    ],
    "$\\sigma$ of $q$: posterior's, times ...": [(w, Normal(posterior.loc, w * posterior.scale)) for w in widths],
}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.5), sharey=True)
for ax, (label, family) in zip(axes, families.items(), strict=True):
    values = torch.tensor([value for value, _ in family])
    estimates, errors = torch.tensor([elbo_by_sampling(q) for _, q in family]).T
    exact = torch.tensor([log_px - kl_divergence(q, posterior).sum() for _, q in family])
    ax.errorbar(values, estimates, 3 * errors, fmt="o", markersize=4, label="ELBO, from draws")
    ax.plot(values, exact, color="C0", linewidth=1)
    ax.axhline(log_px, color="black", label="$\\log p(x)$, exact")
    ax.fill_between(values, exact, log_px, alpha=0.15, color="C1", label="KL$(q \\| p(z|x))$, exact")
    ax.set(xlabel=label, ylim=(log_px - 8, log_px + 1))
    assert ((estimates - exact).abs() < 6 * errors + 1e-6).all()
axes[1].set_xscale("log")
axes[0].set_ylabel("nats")
axes[0].legend(loc="lower center", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Every dot lies under the black line; the shaded gap is, to the accuracy of the estimate, exactly the divergence that was dropped; and it closes where $q$ is the posterior. The `assert` says so for all 30 guesses.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. How to differentiate through a random draw
#
# To train the encoder we need the gradient of $\mathbb E_{q_\phi}[f(z)]$ with respect to $\phi$, where $f(z) = \log p_\theta(x \mid z)$. But $\phi$ sits in the
# *distribution* that $z$ is drawn from. A draw is a number that the computer has looked up: ask autograd how it depends on $\mu$, and there is no answer.

# %% slideshow={"slide_type": "fragment"}
mu, sigma = torch.tensor(0.5, requires_grad=True), torch.tensor(2.0, requires_grad=True)
z = Normal(mu, sigma).sample()
print("a plain draw:              z.requires_grad =", z.requires_grad)

noise = torch.randn(())
z = mu + sigma * noise
z.backward()
print("mu + sigma * noise:        z.requires_grad =", z.requires_grad)
print(f"dz/dmu = {mu.grad:.3f}, dz/dsigma = {sigma.grad:.3f}, and noise = {noise:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# **The reparameterisation trick** (Kingma & Welling 2013; Rezende et al. 2014): draw the randomness first, from a distribution without parameters, and
# make $z$ from it by a formula that can be differentiated:
#
# $$ z = \mu + \sigma \cdot \text{noise}, \quad \text{noise} \sim \mathcal N(0, I) \qquad\Longrightarrow\qquad \nabla_\mu \mathbb E[f(z)] = \mathbb E\big[\nabla_z f(z)\big]. $$
#
# **The other way** is older and needs no derivative of $f$ at all, the *score-function estimator* (REINFORCE, Williams 1992). Because
# $\nabla q = q\, \nabla \log q$,
#
# $$ \nabla_\mu \mathbb E_{q}[f(z)] = \mathbb E_{q}\big[f(z)\, \nabla_\mu \log q(z)\big] = \mathbb E_q\big[f(z)\,(z - \mu)/\sigma^2\big]. $$
#
# One may subtract a constant from $f$, a *baseline* such as its mean: that changes nothing on average. All three are right on average. How much do they scatter?


# %% slideshow={"slide_type": "fragment"}
def gradient_estimates(latent_dim, num_samples=4000):
    """Three one-draw estimates of the gradient in mu at q = N(0, I), (num_samples, Z) each, and the exact one."""
    W, mean, noise_variance = linear = fit_linear(grey, latent_dim)
    noise = torch.randn(num_samples, latent_dim, dtype=torch.float64)
    z = noise.clone().requires_grad_()  # mu = 0, sigma = 1
    f = log_px_given_z(x, z, *linear)[0]
    (by_reparameterization,) = torch.autograd.grad(f.sum(), z)
    f = f.detach().unsqueeze(1)
    exact = (x - mean) @ W / noise_variance
    return {
        "score function": f * noise,
        "with baseline": (f - f.mean()) * noise,
        "reparameterised": by_reparameterization,
    }, exact


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
variances = {}
for latent_dim in latent_dims:
    estimates, exact = gradient_estimates(latent_dim)
    for name, draws in estimates.items():
        standard_error = draws.std(0) / math.sqrt(len(draws))
        assert ((draws.mean(0) - exact).abs() < 6 * standard_error).all()  # right on average
        variances.setdefault(name, []).append(draws.var(0).mean().item())

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.5))
estimates, exact = gradient_estimates(2)
for position, (name, draws) in enumerate(estimates.items()):
    axes[0].scatter(position + 0.3 * torch.rand(60) - 0.15, draws[:60, 0], s=6, color=f"C{position}")
    axes[1].semilogy(latent_dims, variances[name], "o-", color=f"C{position}", label=name)
axes[0].axhline(exact[0, 0], color="black", linewidth=1)
axes[0].set(
    xticks=range(3), xticklabels=["score", "baseline", "repar."], title="60 estimates of one gradient ($Z$ = 2)"
)
axes[1].set_xscale("log", base=2)
axes[1].set(
    xlabel="number of latent factors $Z$", title="variance of an estimate", xticks=latent_dims, xticklabels=latent_dims
)
axes[1].legend(fontsize=8)
plt.show()
ratios = [score / ours for score, ours in zip(variances["score function"], variances["reparameterised"], strict=True)]
print(
    "variance of the score function over that of reparameterisation:",
    *(f"Z={d}: {r:,.0f}" for d, r in zip(latent_dims, ratios, strict=True)),
)

# %% [markdown] slideshow={"slide_type": "notes"}
# The black line is the exact gradient. A ratio of $R$ means: the score function needs $R$ times as many draws for the same accuracy. It has a use where $f$ cannot be differentiated, or $z$ is discrete; with a
# Gaussian $z$ and a network for $f$, one reparameterised draw for each image is enough.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. A VAE by hand
#
# Everything is there. For an image $x$:
#
# 1. the encoder returns $\mu$ and $\log \sigma^2$ (`logvar`: any real number will do, so the network needs no constraint);
# 2. $z = \mu + \sigma \cdot \text{noise}$;
# 3. the decoder returns logits, one a pixel; we threshold the digits at half grey, so a pixel is 0 or 1 and $p(x \mid z)$ is a product of coins (Bernoulli);
# 4. the distance to the prior has a closed form, $\ \mathrm{KL} = \frac12 \sum_i \big(\mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2\big)$.
#
# The loss is the negative ELBO. `train` is the loop of lecture 9: shuffled batches, gradient, one step of Adam, `epochs` times through the data.

# %% slideshow={"slide_type": "fragment"}
from functools import partial

import torch.nn.functional as F
from torch import nn

from course_utils.training import fit

train = partial(fit, device="cpu", batch_size=64, lr=2e-3)
x_train, x_test = data.threshold(digits.train.x), data.threshold(digits.test.x)
y_train, y_test = digits.train.y, digits.test.y
if FAST:
    x_train, y_train, x_test, y_test = x_train[:256], y_train[:256], x_test[:100], y_test[:100]


# %% slideshow={"slide_type": "fragment"}
class SmallVAE(nn.Module):
    def __init__(self, latent_dim=2, hidden_dim=128):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(64, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 2 * latent_dim)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 64), nn.Unflatten(1, (1, 8, 8))
        )

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=1)

    def terms(self, x):
        """log p(x | z) for one draw of z, and KL(q(z | x) || p(z)): (B,) each, in nats."""
        mu, logvar = self.encode(x)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        log_px_given_z = -F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").flatten(1).sum(1)
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
        return log_px_given_z, kl

    def loss(self, x):
        log_px_given_z, kl = self.terms(x)
        return -(log_px_given_z - kl).mean()


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
epochs = 2 if FAST else 60
vae = SmallVAE()
record = []


@torch.no_grad()
def remember(model, epoch):
    record.append([term.mean().item() for term in model.terms(x_test)])


train(vae, x_train, epochs=epochs, on_epoch=remember)
log_px_given_z_test, kl_test = torch.tensor(record).T
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4))
axes[0].plot(log_px_given_z_test, label="reconstruction, $E_q[\\log p(x|z)]$")
axes[0].plot(log_px_given_z_test - kl_test, color="black", label="ELBO")
axes[1].plot(kl_test, color="C1", label="KL$(q(z|x) \\| p(z))$")
for ax in axes:
    ax.set(xlabel="epoch", ylabel="nats, test images")
    ax.legend(loc="center right")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The vertical distance of the two curves on the left is the curve on the right. In the first epochs the KL falls: the decoder does not listen yet, so a message is wasted. Then it *rises* while the bound improves: the encoder spends nats to
# tell images apart, and is repaid with more by the reconstruction.


# %% slideshow={"slide_type": "subslide"}
@torch.no_grad()
def decode_mean(z):
    return vae.decoder(z).sigmoid()


with torch.no_grad():
    mu, logvar = vae.encode(x_test)
fig, axes = plt.subplots(1, 2, figsize=(6, 2.9))
plotting.latent_scatter(mu[:150], y_test[:150], axes[0])
plotting.latent_grid(decode_mean, axes[1], num_per_side=8)
for ax in axes:
    ax.set_box_aspect(1)
axes[0].set_title("means of $q(z|x)$, by digit")
axes[1].set_title("decoded: $z$ at quantiles of the prior")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: nobody told the network about classes, and yet they part. Right: wherever the prior puts mass, the decoder has an answer, and neighbours look alike.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The bound on a trained network
#
# With two factors we can still integrate on a grid, as in section 2, and get the exact $\log p(x)$ of this network. So the gap is known, image by image.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def log_prob_by_grid(decoder, x, num_per_side=150, limit=5.0):
    """log p(x) of a Bernoulli decoder with two latents, by the midpoint rule: (B,), in nats."""
    step = 2 * limit / num_per_side
    points = -limit + step * (torch.arange(num_per_side) + 0.5)
    z = torch.cartesian_prod(points, points)
    logits = decoder(z).flatten(1)
    log_px_given_z = x.flatten(1) @ logits.T - F.softplus(logits).sum(1)
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(1)
    return (log_px_given_z + log_prior).logsumexp(1) + 2 * math.log(step)


log_px = log_prob_by_grid(vae.decoder, x_test)
with torch.no_grad():
    elbos = torch.stack([log_px_given_z - kl for log_px_given_z, kl in (vae.terms(x_test) for _ in range(200))])
bound, standard_error = elbos.mean(0), elbos.std(0) / math.sqrt(len(elbos))
assert (bound < log_px + 6 * standard_error).all()  # the bound holds for every test image
print(f"mean log p(x) {log_px.mean():.2f}, mean ELBO {bound.mean():.2f}, mean gap {(log_px - bound).mean():.2f} nats")

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(3.6, 3))
ax.scatter(log_px, bound, s=8, alpha=0.6, linewidths=0)
ends = [bound.min().item() - 1, log_px.max().item() + 1]
ax.plot(ends, ends, color="black", linewidth=1)
ax.set(xlabel="$\\log p(x)$ on a grid, nats", ylabel="ELBO, nats", aspect="equal")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# One dot for each test image, none above the diagonal. How far it lies below is KL$(q(z|x) \| p(z|x))$: what it costs that $q$ must be a Gaussian with axes along $z_1$ and $z_2$, and that one network guesses it for all images.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Half a bound: only reconstruction, only KL
#
# What does each term do? Train three times: on the reconstruction alone, on the KL alone, on both. The points are draws $z \sim q(z \mid x)$, the circle
# holds 95 % of the prior.

# %% slideshow={"slide_type": "fragment"}
weights = {"only reconstruction": (1, 0), "only KL": (0, 1), "both": (1, 1)}
halves = {}
for name, (weight_reconstruction, weight_kl) in weights.items():

    def loss(model, x, step, a=weight_reconstruction, b=weight_kl):
        log_px_given_z, kl = model.terms(x)
        return (-a * log_px_given_z + b * kl).mean()

    torch.manual_seed(0)
    halves[name] = SmallVAE()
    train(halves[name], x_train, epochs=2 if FAST else 30, loss=loss)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(2, 3, figsize=(6, 3.1), height_ratios=[3, 1])
for column, (name, model) in enumerate(halves.items()):
    with torch.no_grad():
        mu, logvar = model.encode(x_test)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        samples = model.decoder(torch.randn(16, 2)).sigmoid()
        reconstruction, kl = model.terms(x_test)
    plotting.latent_scatter(z[:150], y_test[:150], axes[0, column])
    axes[0, column].add_patch(plt.Circle((0, 0), math.sqrt(-2 * math.log(0.05)), fill=False, linewidth=1.5))
    axes[0, column].set(title=name, aspect="equal", ylabel="$z_2$" if column == 0 else "")
    plotting.image_grid(samples, axes[1, column], num_columns=8)
    print(
        f"{name:20}  log p(x|z) {reconstruction.mean():7.2f}   KL {kl.mean():6.2f}   ELBO {(reconstruction - kl).mean():7.2f}   spread of z {z.std():.2f}"
    )
axes[1, 0].set_title("decoded draws of the prior", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *Only reconstruction*: the codes run far away from the prior, each image to a spot of its own; look at the axes. The prior meets only a small part of them. *Only KL*: every image gets the prior itself, nothing about $x$ is left in
# $z$, and the decoder has learned nothing. *Both*: the codes fill the prior, without holes, and still tell the digits apart.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. The latent space of an autoencoder, and of a VAE
#
# The plain autoencoder of lecture 9 has no prior. To draw new images from it, one must guess where its codes lie, say in the smallest box that holds them all.
# How often does such a draw land in a **hole**? Let us call it one if no code lies nearer than (for 95 % of the codes) the next code does.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.autoencoder import Autoencoder

torch.manual_seed(0)
autoencoder = Autoencoder((1, 8, 8), latent_dim=2, hidden_dim=128)
train(autoencoder, x_train, epochs=epochs)


def share_in_holes(draws, codes):
    to_next = torch.cdist(codes, codes).topk(2, largest=False).values[:, 1]  # the nearest code is the code itself
    to_code = torch.cdist(draws, codes).min(1).values
    return (to_code > to_next.quantile(0.95)).float().mean().item()


# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    codes = {"autoencoder": autoencoder.encode(x_test), "VAE": vae.encode(x_test)[0]}
    low, high = codes["autoencoder"].aminmax(dim=0)
    draws = {"autoencoder": low + (high - low) * torch.rand(300, 2), "VAE": torch.randn(300, 2)}
    images = {"autoencoder": autoencoder.decode(draws["autoencoder"]).clamp(0, 1), "VAE": decode_mean(draws["VAE"])}
fig, axes = plt.subplots(2, 2, figsize=(5.4, 3.2), height_ratios=[2.6, 1])
for column, name in enumerate(codes):
    axes[0, column].scatter(*draws[name][:150].T, s=4, color="lightgrey", zorder=0)
    plotting.latent_scatter(codes[name][:150], y_test[:150], axes[0, column])
    axes[0, column].set_title(f"{name}: codes; draws (grey)")
    plotting.image_grid(images[name][:16], axes[1, column], num_columns=8)
    print(f"{name}: {share_in_holes(draws[name], codes[name]):.0%} of the new draws land in a hole")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: the codes make an odd shape with arms and empty corners, and many grey dots lie far from any of them. The decoder has never been asked there; what it answers is sharp, but a fragment, or the same digit again and again. Right: the grey dots and
# the codes have nearly the same distribution; that is what the KL bought.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. beta-VAE: how much may a code say?
#
# From here on the course's own `VAE` replaces the one by hand. It has the same formulas, and `elbo`, `reconstruct`, `sample` and `decode_mean` besides.
#
# Weigh the KL by a factor $\beta$ (Higgins et al. 2017):
#
# $$ \mathcal L_\beta(x) = \mathbb E_q[\log p_\theta(x \mid z)] - \beta\, \mathrm{KL}(q_\phi(z \mid x) \,\|\, p(z)). $$
#
# Think of $z$ as a message about $x$. The KL is its length in nats, the **rate**; $-\mathbb E_q[\log p(x \mid z)]$ is what is lost, the **distortion**. A small $\beta$ buys detail with a long message,
# a large one saves rate and blurs. Only at $\beta = 1$ is it the bound.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.beta_vae import beta_schedule
from course_utils.models.latent.vae import dense_vae, gaussian_kl


def train_with_beta(beta, warmup_steps=200, latent_dim=8, on_epoch=None):
    torch.manual_seed(0)
    model = dense_vae((1, 8, 8), latent_dim, hidden_dim=128, num_layers=1)

    def loss(model, x, step):
        return model.loss(x, beta_schedule(step, warmup_steps, beta) if warmup_steps else beta)

    train(model, x_train, epochs=2 if FAST else 40, loss=loss, on_epoch=on_epoch)
    return model


betas = [0.1, 0.5, 1.0, 2.0, 6.0]
models = {beta: train_with_beta(beta) for beta in betas}

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(4.6, 2.8))
with torch.no_grad():
    points = {
        beta: (kl.mean().item(), -log_p.mean().item())
        for beta, (log_p, kl) in ((b, m.terms(x_test)) for b, m in models.items())
    }
rates, distortions = zip(*points.values(), strict=True)
ax.plot(rates, distortions, "o-")
for beta, (rate, distortion) in points.items():
    ax.annotate(rf"$\beta$ = {beta:g}", (rate, distortion), xytext=(5, 4), textcoords="offset points")
best = min(rate + distortion for rate, distortion in points.values())
ax.plot([0, best], [best, 0], color="black", linewidth=1, linestyle="--", label=f"rate + distortion = {best:.1f}")
ax.set(
    xlabel="rate: KL, nats",
    ylabel="distortion:\n$-E_q[\\log p(x|z)]$, nats",
    xlim=(0, 1.25 * max(rates)),
    ylim=(0, 1.15 * max(distortions)),
)
ax.legend(loc="upper right")
plt.show()
print("ELBO on test images:", *(f"beta {beta:g}: {-sum(point):.2f}" for beta, point in points.items()))

# %% [markdown] slideshow={"slide_type": "notes"}
# On the dashed line the sum of the two, the negative ELBO, is constant. The curve touches it near $\beta = 1$, where the slope is $-1$: one nat of rate buys one nat of distortion.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Drag $\beta$.** What changes in the latent space, in the reconstructions, in the new images? (Where no notebook runs, you see all five.)

# %% slideshow={"slide_type": "fragment"}
widgets.beta_slider(models, x_test[:150], y_test[:150])

# %% [markdown] slideshow={"slide_type": "notes"}
# Small $\beta$: codes that stand apart and outside the prior, sharp reconstructions, strange new images. Large $\beta$: all codes near the middle, and all images alike.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A schedule for beta
#
# At the start the decoder ignores $z$, so a code costs rate and gives nothing back; the KL drives it to zero before the decoder has learned to listen. The cure: let $\beta$ grow from 0,
# the **warm-up** that `beta_schedule` gave the models above. Here with and without, at $\beta = 2$.


# %% slideshow={"slide_type": "fragment"}
def kl_per_latent(model):
    with torch.no_grad():
        mu, logvar = model.encode(x_test)
    return gaussian_kl(mu.unsqueeze(-1), logvar.unsqueeze(-1)).mean(0)


# %% slideshow={"slide_type": "fragment"}
steps = 2 * 21 if FAST else 40 * 21
schedules = {"from the start": 0, "warm-up": steps // 2}
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4))
for color, (name, warmup_steps) in zip(["C0", "C1"], schedules.items(), strict=True):
    rates = []
    model = train_with_beta(
        2.0, warmup_steps, on_epoch=lambda model, epoch, rates=rates: rates.append(kl_per_latent(model).sum().item())
    )
    axes[0].plot(
        [beta_schedule(step, warmup_steps, 2.0) if warmup_steps else 2.0 for step in range(steps)],
        color=color,
        label=name,
    )
    axes[1].plot(rates, color=color, label=name)
    used = (kl_per_latent(model) > 0.05).sum()
    print(
        f"{name:15} ELBO {model.elbo(x_test).mean():.2f}, rate {rates[-1]:.2f} nats, {used} of 8 latents in use (KL above 0.05)"
    )
axes[0].set(xlabel="step", ylabel=r"$\beta$", ylim=(0, 2.2))
axes[1].set(xlabel="epoch", ylabel="KL, nats", ylim=(0, None))
axes[0].legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# With the warm-up the code first says much and is then cut back; without, it comes up from nothing. On this small problem both end close together; the printed lines say how close. On texts and on deep stacks of latents, the first way often
# never recovers: *posterior collapse*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Conditional VAE: a digit of your choice
#
# Tell encoder and decoder the label $y$ (joined to their inputs as a one-hot vector):
#
# $$ \log p(x \mid y) \ge \mathbb E_{q(z \mid x, y)}[\log p(x \mid z, y)] - \mathrm{KL}(q(z \mid x, y) \,\|\, p(z)). $$
#
# Since $y$ already says which digit it is, $z$ is left with what $y$ does not say: slant, width, weight of the stroke. That is *style*. A small
# digit classifier, trained beside it, shall say whether we get what we ask for.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.cvae import ConditionalVAE
from course_utils.models.latent.perceptual_vae import FeatureNet

torch.manual_seed(0)
classifier = FeatureNet((1, 8, 8))
train(classifier, (x_train, y_train), epochs=2 if FAST else 15)
conditional = ConditionalVAE((1, 8, 8), num_classes=10, latent_dim=8, hidden_dim=128, num_layers=1)
train(conditional, (x_train, y_train), epochs=epochs)
torch.manual_seed(1)
styles, labels = torch.randn(5, 8), torch.arange(10)
rows = {f"style {row + 1}": conditional.decode_mean(style.expand(10, 8), labels) for row, style in enumerate(styles)}
plotting.compare_rows(rows, titles=labels.tolist())
plt.show()
y = torch.randint(0, 10, (500,))
with torch.no_grad():
    hit = (classifier(conditional.decode_mean(torch.randn(500, 8), y)).argmax(1) == y).float().mean()
    right = (classifier(x_test).argmax(1) == y_test).float().mean()
print(
    f"the classifier is right for {right:.0%} of the test images, and reads the digit that was asked for in {hit:.0%} of 500 draws"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# One column a label, one row a style: the same $z$ all along a row.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. One latent up and down
#
# **Latent perturbation**: encode an image, move one latent from low to high, leave the others where they are, decode. This shows what the decoder hears in that latent. We use the model with $\beta = 2$ and its four
# latents with the largest KL, and for comparison the one with the smallest.

# %% slideshow={"slide_type": "fragment"}
model = models[2.0]
kl = kl_per_latent(model)
order = kl.argsort(descending=True)
start = model.encode(x_test[y_test == 3][:1])[0].detach()
values = torch.linspace(-2.5, 2.5, 11)
rows = {}
for index in [*order[:4].tolist(), order[-1].item()]:
    z = start.repeat(len(values), 1)
    z[:, index] = values
    rows[f"$z_{index + 1}$, KL {kl[index]:.2f}"] = model.decode_mean(z)
plotting.compare_rows(rows, titles=[f"{value:g}" for value in values])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Each of the first four turns the 3 gradually into something else. If the last row hardly changes, its latent is not in use: its KL is near 0, so $q$ is the prior and carries no message.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Does each latent find one factor?
#
# It would be fine if $z_1$ were the position, $z_2$ the size, and so on: a **disentangled** code. The prior and $q$ are *diagonal* (the latents are independent in each), and with a large $\beta$ every nat must pay. Does that make the latents find the factors?
#
# Digits cannot tell, since nobody knows their true factors. **Sprites** can: the course draws them from five known numbers.

# %% slideshow={"slide_type": "fragment"}
sprite_x, factors = data.sprites(300 if FAST else 3000, size=16, colour=False)
factors = factors[:, :5]  # the sixth, colour, is switched off
names = data.FACTOR_NAMES[:5]
sprite_vaes = {}
for beta in (1.0, 4.0):
    torch.manual_seed(0)
    sprite_vaes[beta] = dense_vae((1, 16, 16), latent_dim=6, hidden_dim=128, num_layers=2)

    def loss(model, x, step, beta=beta):
        return model.loss(x, beta_schedule(step, 600, beta))

    train(sprite_vaes[beta], sprite_x, epochs=2 if FAST else 28, lr=1e-3, loss=loss)
plotting.compare_rows(
    {"sprites": sprite_x[:10], **{rf"$\beta$ = {b:g}": m.reconstruct(sprite_x[:10]) for b, m in sprite_vaes.items()}}
)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# How much does latent $i$ tell about factor $k$? Cut both into bins, count, and compute their **mutual information**,
# $I = \sum p(a, b) \log \frac{p(a, b)}{p(a)\, p(b)}$, as a share of what there is to know about the factor. For each factor, the **gap** between the best latent
# and the second best says whether *one* latent holds it (the mutual information gap of Chen et al. 2018). Counting has a floor: with 20 bins each and $N = 3000$ sprites, even two unrelated numbers share about
# $(20 - 1)^2 / (2 N \log 20) = 0.02$ by chance.


# %% slideshow={"slide_type": "fragment"}
def bins(values, num_bins=20):
    if values.unique().numel() <= num_bins:  # shape: 0, 1, 2
        return values.long()
    edges = values.quantile(torch.linspace(0, 1, num_bins + 1)[1:-1])
    return torch.bucketize(values.contiguous(), edges)


def shared_information(latent, factor, num_bins=20):
    joint = torch.zeros(num_bins, num_bins)
    joint.index_put_((bins(latent), bins(factor)), torch.ones(len(latent)), accumulate=True)
    joint /= joint.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    entropy = -torch.special.xlogy(joint.sum(0), joint.sum(0)).sum()
    return (torch.special.xlogy(joint, joint / independent.clamp(min=1e-12)).sum() / entropy).item()


tables = {}
for beta, model in sprite_vaes.items():
    with torch.no_grad():
        mu, logvar = model.encode(sprite_x)
    order = gaussian_kl(mu.unsqueeze(-1), logvar.unsqueeze(-1)).mean(0).argsort(descending=True)
    tables[beta] = torch.tensor([[shared_information(mu[:, i], factor) for factor in factors.T] for i in order])

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7, 2.9))
for ax, (beta, table) in zip(axes, tables.items(), strict=True):
    picture = ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=0.8)
    for (row, column), value in [((r, c), table[r, c].item()) for r in range(6) for c in range(5)]:
        ax.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.4 else "black"
        )
    ax.set(
        title=rf"$\beta$ = {beta:g}",
        xticks=range(5),
        xticklabels=names,
        yticks=range(6),
        ylabel="latents, most used first",
    )
plt.show()
for beta, table in tables.items():
    best = table.sort(dim=0, descending=True).values
    gaps = best[0] - best[1]
    print(
        f"beta {beta:g}: gap of",
        ", ".join(f"{name} {gap:.2f}" for name, gap in zip(names, gaps, strict=True)),
        f"; mean {gaps.mean():.2f}",
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# Read the columns. A column with one dark cell is a factor with a latent of its own. The larger $\beta$ brings the position nearer to that, and pays with the size. Shape and angle are in no latent at all, as the blobs above
# already showed: they change few pixels, and a circle of directions does not fit on one axis.
#
# So, honestly: *somewhat, for some factors, depending on seed and $\beta$*. There is a reason. Rotate the latent space: the prior $\mathcal N(0, I)$ looks the same from all sides, and a decoder that undoes the rotation gives the same $p(x)$. The likelihood cannot prefer
# our axes (Locatello et al. 2019); whatever preference there is comes from the diagonal $q$ (Rolinek et al. 2019).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Blurry images
#
# New images from a VAE are soft. Why? Fix a $z$. Many images may have led to it, and the decoder must give one answer for all of them. For a pixel that is 1 in a share $s$ of them, the expected log-likelihood is $s \log p + (1 - s) \log (1 - p)$, and its
# derivative $s/p - (1-s)/(1-p)$ vanishes at $p = s$: **the best answer is the average** (with a Gaussian likelihood too: the mean has the least squared error). And the average of sharp images is not sharp.
#
# Let us look. We pick a $z$ in the VAE by hand, and the training images whose codes lie nearest to it.

# %% slideshow={"slide_type": "fragment"}
z = torch.tensor([[0.0, 0.0], [-1.0, 0.5], [1.0, 1.0]])
with torch.no_grad():
    codes = vae.encode(x_train)[0]
nearest = torch.cdist(z, codes).topk(12, largest=False).indices
fig, axes = plt.subplots(3, 1, figsize=(6.4, 2.2))
for ax, neighbours, decoded in zip(axes, nearest, decode_mean(z), strict=True):
    average = x_train[neighbours].mean(0)
    titles = [*[""] * 12, "mean", "net"] if ax is axes[0] else None
    plotting.image_grid(torch.stack([*x_train[neighbours], average, decoded]), ax, num_columns=14, titles=titles)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Twelve neighbours in latent space, each sharp; their mean; and what the decoder network (*net*) says at that $z$. The last two are alike: the decoder is no bad painter, it is a good statistician.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Four remedies
#
# | remedy | idea | source |
# |---|---|---|
# | **perceptual** term | compare features of a fixed network instead of pixels: the features of an average are those of no digit | Hou et al. 2017; Dosovitskiy & Brox 2016 |
# | **adversarial** term | a second network, the *discriminator*, learns to tell real from decoded; the decoder learns to fool it (lecture 11) | Larsen et al. 2016 |
# | **hierarchical** VAE | a stack of latents, each with a prior learned from the one above: more said by $z$, hence less to average over | Sønderby et al. 2016 |
# | **pyramid** | a VAE of the coarse image; then, scale by scale, a conditional VAE of the missing detail | after Denton et al. 2015 |
#
# To see more of the blur we enlarge the digits to 16x16 pixels before the threshold. A plain VAE first, and a digit classifier, whose hidden layers are the fixed features.

# %% slideshow={"slide_type": "fragment"}
large = data.load("digits", size=16)
x_large, x_large_test = data.threshold(large.train.x)[: len(x_train)], data.threshold(large.test.x)[: len(x_test)]
settings = {"latent_dim": 8, "hidden_dim": 128, "num_layers": 1}
epochs_large = 2 if FAST else 40

torch.manual_seed(0)
judge = FeatureNet((1, 16, 16), hidden_dim=8)
train(judge, (x_large, y_train), epochs=2 if FAST else 12)
remedies = {"VAE": dense_vae((1, 16, 16), **settings)}
history = train(remedies["VAE"], x_large, epochs=epochs_large)

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.latent.hvae import HierarchicalVAE
from course_utils.models.latent.perceptual_vae import PerceptualVAE
from course_utils.models.latent.pyramid_vae import PyramidVAE

torch.manual_seed(0)
remedies["perceptual"] = dense_vae(
    (1, 16, 16), **settings, model=PerceptualVAE, feature_net=judge, feature_weight=1000.0, pixel_weight=0.0
)
train(remedies["perceptual"], x_large, epochs=epochs_large)
remedies["hierarchical"] = HierarchicalVAE((1, 16, 16), latent_dims=(12, 6), hidden_dim=128)
train(
    remedies["hierarchical"],
    x_large,
    epochs=epochs,
    loss=lambda model, x, step: model.loss(x, beta_schedule(step, 400)),
)
remedies["pyramid"] = PyramidVAE((1, 16, 16), num_levels=3, **settings)
history = train(remedies["pyramid"], x_large, epochs=epochs)

# %% [markdown] slideshow={"slide_type": "subslide"}
# The VAE-GAN has three networks that pull in different directions, so one loss will not do: in each step, encoder, decoder and discriminator take turns, and `train_step` moves one at a time.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.vae_gan import VAEGAN, make_optimizers, train_step

torch.manual_seed(0)
remedies["VAE-GAN"] = VAEGAN((1, 16, 16), **settings, discriminator_dim=8)
optimizers = make_optimizers(remedies["VAE-GAN"])
for _ in range(2 if FAST else 35):
    for batch in x_large[torch.randperm(len(x_large))].split(64):
        losses = train_step(remedies["VAE-GAN"], batch, optimizers)
print("losses of the last step:", {name: round(loss, 2) for name, loss in losses.items()})
print(f"a discriminator that cannot tell would have 3 log 2 = {3 * math.log(2):.2f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# We measure **sharpness**: the mean square of each pixel's difference from its four neighbours (the discrete Laplacian), as a share of that of real images; for new images and for reconstructions of test images. And, since noise is sharp too, the **certainty** of the classifier:
# the probability that it gives to its favourite class.


# %% slideshow={"slide_type": "fragment"}
def sharpness(x):
    laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).view(1, 1, 3, 3)
    return (F.conv2d(x, laplacian).pow(2).mean() / F.conv2d(x_large_test, laplacian).pow(2).mean()).item()


@torch.no_grad()
def certainty(x):
    return judge(x).softmax(1).max(1).values.mean().item()


torch.manual_seed(2)
new = {name: remedies[name].decode_mean(torch.randn(500, 8)) for name in ("VAE", "perceptual", "VAE-GAN")}
new["hierarchical"] = remedies["hierarchical"].descend(torch.randn(500, 6))
new["pyramid"] = remedies["pyramid"].sample(500, noise=False)
fig, ax = plt.subplots(figsize=(4.2, 2.6))
plotting.compare_rows({"real": x_large_test[:9], **{name: images[:9] for name, images in new.items()}}, ax)
plt.show()
print(f"{'':14}{'new images':>12}{'reconstructions':>17}{'certainty':>11}")
for name, images in {"real": x_large_test, **new}.items():
    x_hat = remedies[name].reconstruct(x_large_test) if name in remedies else x_large_test
    print(f"{name:14}{sharpness(images):12.0%}{sharpness(x_hat):17.0%}{certainty(images):11.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# All rows but the first show mean images, without the pixel noise of the likelihood. The adversarial term changes most: an average is easily told from a real image, so the decoder must commit itself. The price: the VAE-GAN has no bound on $\log p(x)$ any more, and its two sides must be kept in balance; the discriminator's loss above, against that of one that cannot tell, shows who was ahead. The stack of latents comes next, and keeps its bound. The perceptual term and the pyramid do more for reconstructions than for new images; on images this small a feature is hardly more than a pixel.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Inside two of them
#
# The pyramid takes an image apart without loss: the coarse image, and the detail of each scale. It draws from coarse to fine, and each finer image keeps the coarser one: average its 2x2 blocks, and you have it back.
# The hierarchical VAE keeps what is common in the upper layer: hold it fixed (a row), and draw the lower one again and again.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.pyramid_vae import build_pyramid, collapse_pyramid, downsample, upsample

assert torch.allclose(collapse_pyramid(build_pyramid(x_large_test, 3)), x_large_test, atol=1e-6)
torch.manual_seed(3)
coarse, middle, fine = remedies["pyramid"].sample_levels(9, noise=False)
assert torch.allclose(downsample(fine), middle, atol=1e-5)
rows = {"pyramid: 4x4": upsample(upsample(coarse)), "8x8": upsample(middle), "16x16": fine}
for row in range(3):
    rows[f"hierarchical: top {row + 1}"] = remedies["hierarchical"].descend(torch.randn(1, 6).expand(9, 6))
fig, ax = plt.subplots(figsize=(4.2, 2.6))
plotting.compare_rows({name: images.clamp(0, 1) for name, images in rows.items()}, ax)
plt.show()
with torch.no_grad():
    kls = remedies["hierarchical"].kl_per_layer(x_large_test).mean(0)
print(f"KL of the hierarchical VAE: {kls[0]:.2f} nats in the lower layer, {kls[1]:.2f} in the upper")
for name in ("VAE", "hierarchical"):
    log_px = remedies[name].importance_log_prob(x_large_test[:100], 200).mean()
    print(f"{name:13} log p(x) of 100 test images, estimated with 200 draws (section 13): {log_px:.2f} nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13. A tighter bound: more than one draw
#
# In section 2, draws from the *prior* failed. Draw from the *encoder* instead, and correct for it by a weight: $w_k = p(x, z_k) / q(z_k \mid x)$, whose mean is $p(x)$. By Jensen's inequality ($\mathbb E \log \le \log \mathbb E$),
#
# $$ \mathcal L_K(x) = \mathbb E_{z_1 \dots z_K \sim q}\left[\log \frac1K \sum_{k=1}^K \frac{p_\theta(x \mid z_k)\, p(z_k)}{q_\phi(z_k \mid x)}\right] \le \log p_\theta(x). $$
#
# $\mathcal L_1$ is the ELBO. More draws never lower the bound, and as $K \to \infty$ it reaches $\log p(x)$ (Burda et al. 2015). One may use it to *measure* a model, or to *train* one, the **importance-weighted autoencoder**.
# With two latents, the grid of section 5 tells the truth.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.iwae import IWAE

two = {"latent_dim": 2, "hidden_dim": 128, "num_layers": 1}
trained = {}
for K in (1, 10):
    torch.manual_seed(0)
    trained[K] = dense_vae((1, 8, 8), **two, model=IWAE, num_samples=K)
    train(trained[K], x_train, epochs=2 if FAST else 40)

fig, ax = plt.subplots(figsize=(5, 2.8))
numbers = [1, 3, 10, 30, 100, 300]
for color, (K, model) in zip(["C0", "C1"], trained.items(), strict=True):
    exact = log_prob_by_grid(model.decoder, x_test).mean().item()
    bounds = [model.importance_log_prob(x_test, number).mean().item() for number in numbers]
    ax.semilogx(numbers, bounds, "o-", color=color, label=rf"trained on $\mathcal{{L}}_{{{K}}}$")
    ax.axhline(exact, color=color, linewidth=1, linestyle="--")
    print(
        f"trained with K = {K:2}: ELBO {bounds[0]:.2f}, L_300 {bounds[-1]:.2f}, log p(x) on the grid {exact:.2f} nats"
    )
    assert abs(bounds[-1] - exact) < 0.1
ax.set(xlabel="draws $K$ in the bound $\\mathcal{L}_K$", ylabel="nats, test images")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Dashed: the exact $\log p(x)$ of each model. Both curves climb to theirs. Training with ten draws gives the better model and the worse ELBO: its encoder need not be right with *one* draw, only useful with *ten*, so it spreads wider; and the decoder is no longer bent to suit a $q$ that is too simple. The price is $K$ times the work.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A VAE is a story, $z \sim p(z)$, $x \sim p_\theta(x \mid z)$, and a guess at its causes, $q_\phi(z \mid x)$. Both $p(x)$ and $p(z \mid x)$ are intractable.
# - $\log p(x) = \mathbb E_q[\log p(x \mid z)] - \mathrm{KL}(q \| p(z)) + \mathrm{KL}(q \| p(z \mid x))$. Drop the last: the ELBO. The gap *is* the last.
# - $z = \mu + \sigma \cdot \text{noise}$ lets the gradient through, with far less variance than the score function.
# - Reconstruction alone scatters the codes, KL alone erases them; $\beta$ sets the exchange rate; a label or one latent steers the image.
# - A diagonal prior does not by itself disentangle.
# - Blur is averaging. Perceptual and adversarial terms punish averages; hierarchies and pyramids leave less to average.
# - More draws give a tighter bound, for measuring and for training.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) In section 2, the posterior of the two-pixel world is a row of `likelihood * prior`, divided by its sum. Plot it for the pixel pairs $(0, 0.4)$ and $(1.1, 0.1)$. Would a Gaussian $q$ do?
# 2. (10 min, easy) Train `SmallVAE` with `latent_dim` 1, 2, 4, 8 and 16. Plot ELBO and KL. From where on do more latents not help?
# 3. (10 min, medium) Show that $\beta > 1$ still gives a lower bound on $\log p(x)$, and that $\beta < 1$ need not.
# 4. (15 min, medium) Give `SmallVAE` a Gaussian likelihood with a fixed $\sigma$ on grey digits. Show on paper that the choice of $\sigma$ is the choice of a $\beta$.
# 5. (15 min, medium) Derive $\mathrm{KL} = \frac12 \sum_i (\mu_i^2 + \sigma_i^2 - 1 - \log \sigma_i^2)$, and check it by sampling.
# 6. (20 min, hard) In section 4, which constant baseline has the least variance? Derive it, and measure what it gains over the mean.
# 7. (20 min, hard) Train the VAE-GAN with `gamma` 0.1 and 10. What happens to sharpness, and to the distance of `reconstruct(x)` from $x$?
#
# Assignment 3 lets you write the heart of all this yourself.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - D. P. Kingma, M. Welling: Auto-encoding variational Bayes, 2013. arXiv 1312.6114.
# - D. J. Rezende, S. Mohamed, D. Wierstra: Stochastic backpropagation and approximate inference in deep generative models, 2014. arXiv 1401.4082.
# - M. E. Tipping, C. M. Bishop: Probabilistic principal component analysis, J. R. Stat. Soc. B 61, 1999.
# - R. J. Williams: Simple statistical gradient-following algorithms for connectionist reinforcement learning, Machine Learning 8, 1992.
# - I. Higgins et al.: beta-VAE: learning basic visual concepts with a constrained variational framework, ICLR 2017.
# - S. R. Bowman et al.: Generating sentences from a continuous space, 2016. arXiv 1511.06349 (warm-up, posterior collapse).
# - A. A. Alemi et al.: Fixing a broken ELBO, 2018. arXiv 1711.00464 (rate and distortion).
# - K. Sohn, H. Lee, X. Yan: Learning structured output representation using deep conditional generative models, NeurIPS 2015.
# - R. T. Q. Chen et al.: Isolating sources of disentanglement in VAEs, 2018. arXiv 1802.04942 (mutual information gap).
# - F. Locatello et al.: Challenging common assumptions in the unsupervised learning of disentangled representations, 2019. arXiv 1811.12359.
# - M. Rolinek, D. Zietlow, G. Martius: Variational autoencoders pursue PCA directions (by accident), 2019. arXiv 1812.06775.
# - X. Hou et al.: Deep feature consistent variational autoencoder, 2017. arXiv 1610.00291.
# - A. Dosovitskiy, T. Brox: Generating images with perceptual similarity metrics based on deep networks, 2016. arXiv 1602.02644.
# - A. B. L. Larsen et al.: Autoencoding beyond pixels using a learned similarity metric, 2016. arXiv 1512.09300.
# - C. K. Sønderby et al.: Ladder variational autoencoders, 2016. arXiv 1602.02282.
# - E. Denton et al.: Deep generative image models using a Laplacian pyramid of adversarial networks, 2015. arXiv 1506.05751.
# - Y. Burda, R. Grosse, R. Salakhutdinov: Importance weighted autoencoders, 2015. arXiv 1509.00519.
