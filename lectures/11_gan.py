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
# # Lecture 11: Generative adversarial networks
#
# **You will**
#
# - train a generator that has no density, by letting it play a game against a second network;
# - derive the best reply of that second network, and check what the game then measures;
# - write the loop by hand in 20 lines, and watch it frame by frame;
# - provoke what goes wrong (balance, batches, gradients, collapse, missing context), and cure it;
# - train a DCGAN on real handwriting, walk and calculate in its latent space, and let it grow.
#
# **You need** lecture 10 (latent variables, KL divergence); cross-entropy; PyTorch: a module, its gradient, an optimiser.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two minutes on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=67)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. No density, just samples
#
# Autoregressive models, flows and VAEs all write down $p(x)$, or a bound on it, and pay for it: one pixel at a time, invertible layers, blur. What if we only want to *draw* from $p_{\text{data}}$?
#
# Then all we need is a **generator** $G$: a function that turns noise $z \sim \mathcal N(0, I)$, which is easy to draw, into $x = G(z)$. Think of it as a **distribution transformer**: it moves every point of a noise cloud somewhere else, and the cloud takes the shape of the data. It *implies* a density, $p_G$, but nobody ever computes it: the model is **implicit**.
#
# Here is one made by hand. It keeps the direction of each point and squeezes all lengths towards 2.


# %% slideshow={"slide_type": "fragment"}
def ring_by_hand(z):
    """From a cloud (N, 2) to a ring (N, 2)."""
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    return z / length * (2 + 0.2 * (length - 1.25))


def draw_transport(axes, z, x, title):
    """Noise, arrows from noise to fakes, fakes; the colour of a point is the direction of its noise."""
    color = torch.atan2(z[:, 1], z[:, 0]).tolist()
    axes[0].scatter(*z.T, c=color, cmap="twilight", s=5)
    few = slice(0, 120)
    axes[1].quiver(
        *z[few].T, *(x - z)[few].T, color[few], cmap="twilight", angles="xy", scale_units="xy", scale=1, width=0.004
    )
    axes[2].scatter(*x.T, c=color, cmap="twilight", s=5)
    for ax, name in zip(axes, ["noise $z$", title, "fakes $G(z)$"], strict=True):
        ax.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), aspect="equal", xticks=[], yticks=[], title=name)


torch.manual_seed(0)
z = torch.randn(300, 2)
fig, axes = plt.subplots(1, 3, figsize=(6.6, 2.2))
draw_transport(axes, z, ring_by_hand(z), "by hand")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Neighbours in the noise stay neighbours in the ring: the map is smooth. For a ring we could write the formula. For faces nobody can; we want to *learn* $G$ from examples. But with what loss? There is no pair $(z, x)$ to compare, and no $p_G(x)$ to maximise. All we can do is draw.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The game
#
# Goodfellow et al. (2014) let a second network judge. The **discriminator** $D(x) \in (0, 1)$ says how probable it is that $x$ is real. The two have opposite wishes:
#
# | player | on real $x$ | on fake $G(z)$ |
# |---|---|---|
# | discriminator | $D(x) = 1$ | $D(G(z)) = 0$ |
# | generator | | $D(G(z)) = 1$ |
#
# One number says who is winning, the **value** of the game:
#
# $$ \min_G \max_D V(D, G), \qquad V(D, G) = \mathbb E_{x \sim p_{\text{data}}}[\log D(x)] + \mathbb E_{z}[\log (1 - D(G(z)))]. $$
#
# They play by turns, each along its own gradient, with learning rates $a_D$ and $a_G$:
#
# $$ \theta_D \leftarrow \theta_D + a_D \frac{\partial V}{\partial \theta_D}, \qquad \theta_G \leftarrow \theta_G - a_G \frac{\partial V}{\partial \theta_G}. $$
#
# We begin on a line, where everything can be drawn, and with fakes that stay where they are. Only the discriminator learns; it returns **logits**, $D = \operatorname{sigmoid}(\text{logit})$.


# %% slideshow={"slide_type": "fragment"}
from torch.distributions import Normal

from course_utils.widgets.game import data_density, draw_real  # a mixture of two Gaussians on a line


def make_discriminator(hidden_dim=32):
    inner = nn.Linear(hidden_dim, hidden_dim)
    return nn.Sequential(nn.Linear(1, hidden_dim), nn.Tanh(), inner, nn.Tanh(), nn.Linear(hidden_dim, 1))


def train_discriminator(discriminator, draw_fake, steps, num_real=128, num_fake=128):
    """Climb V in D: the mean of log D over real and of log(1 - D) over fake examples."""
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.01)
    for _ in range(steps):
        log_d_real = F.logsigmoid(discriminator(draw_real(num_real)))
        log_not_d_fake = F.logsigmoid(-discriminator(draw_fake(num_fake)))
        value = torch.cat([log_d_real, log_not_d_fake]).mean()  # half of V, if both are equally many
        optimizer.zero_grad()
        (-value).backward()
        optimizer.step()


# %% slideshow={"slide_type": "fragment"}
line = torch.linspace(-8, 8, 641)
step = line[1] - line[0]
p_data, fakes = data_density(line), Normal(0.5, 1.0)
p_fake = fakes.log_prob(line).exp()
best = p_data / (p_data + p_fake)

torch.manual_seed(0)
discriminator = make_discriminator()
fig, axes = plt.subplots(2, 3, figsize=(7, 2.8), sharex=True, sharey="row", height_ratios=[3, 2])
for column, steps in enumerate([0, 20, 40 if FAST else 400]):
    train_discriminator(discriminator, lambda n: fakes.sample((n, 1)), steps)
    axes[0, column].fill_between(line, p_data, alpha=0.35, linewidth=0, label="real: $p_{data}$")
    axes[0, column].plot(line, p_fake, color="C1", label="fake: $p_G$")
    axes[0, column].plot(draw_real(40), torch.full((40,), -0.05), "|", color="C0", markersize=5)
    axes[0, column].plot(fakes.sample((40,)), torch.full((40,), -0.12), "|", color="C1", markersize=5)
    learned = discriminator(line.view(-1, 1)).sigmoid().flatten().detach()
    axes[1, column].plot(line, learned, color="C2", label="$D(x)$")
    axes[1, column].plot(line, best, ":", color="black", label="$D^*(x)$")
    axes[0, column].set(title=f"after {steps} steps" if steps else "at the start", yticks=[], xlim=(-4.5, 4.5))
for ax in axes[:, 0]:
    ax.legend(fontsize=7, loc="upper left")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Points on the ticks: a few real ones (blue) and fakes (red). Where real points are denser than fakes, $D$ rises above one half. It approaches the dotted curve, which we derive now.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The best reply, and what the game measures
#
# For a fixed generator, write $V$ as one integral: $V = \int p_{\text{data}}(x) \log D(x) + p_G(x) \log(1 - D(x))\, dx$. The value of $D$ at each $x$ may be chosen by itself. The function $a \log y + b \log (1 - y)$ has derivative $a/y - b/(1-y)$, which vanishes at $y = a/(a+b)$. So the **optimal discriminator** is
#
# $$ D^*(x) = \frac{p_{\text{data}}(x)}{p_{\text{data}}(x) + p_G(x)}. $$
#
# Put it back in. With the mean distribution $m = \frac12(p_{\text{data}} + p_G)$,
#
# $$ V(D^*, G) = \mathbb E_{p_{\text{data}}}\Big[\log \frac{p_{\text{data}}}{2m}\Big] + \mathbb E_{p_G}\Big[\log \frac{p_G}{2m}\Big] = 2\, \mathrm{JS}(p_{\text{data}}, p_G) - 2 \log 2, $$
#
# where $\mathrm{JS}(p, q) = \frac12 \mathrm{KL}(p \,\|\, m) + \frac12 \mathrm{KL}(q \,\|\, m)$ is the **Jensen-Shannon divergence**: 0 if and only if $p = q$, and at most $\log 2$. So a generator that minimises $V(D^*, G)$ minimises a distance to the data, and the best it can do is $p_G = p_{\text{data}}$, where $D^* = \frac12$ everywhere.
#
# Does a *trained* discriminator know this number? We move the fakes along the line, and train one against each.


# %% slideshow={"slide_type": "fragment"}
def jensen_shannon(p, q, width):
    """JS of two densities on a grid of this width, in nats."""
    m = (p + q) / 2
    return 0.5 * width * (torch.xlogy(p, p / m).nan_to_num() + torch.xlogy(q, q / m).nan_to_num()).sum()


shifts, exact, learned = torch.linspace(-4, 4, 9), [], []
for shift in shifts:
    fakes = Normal(shift, 0.7)
    p_fake = fakes.log_prob(line).exp()
    torch.manual_seed(0)
    discriminator = make_discriminator()
    train_discriminator(discriminator, lambda n, fakes=fakes: fakes.sample((n, 1)), 20 if FAST else 300)
    logits = discriminator(line.view(-1, 1)).flatten().detach()
    learned.append(((p_data * F.logsigmoid(logits) + p_fake * F.logsigmoid(-logits)).sum() * step).item())
    exact.append((2 * jensen_shannon(p_data, p_fake, step) - 2 * torch.tensor(2.0).log()).item())
assert all(ours <= best + 1e-3 for ours, best in zip(learned, exact, strict=True))  # no D beats D*

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(4.4, 2.3))
ax.plot(shifts, exact, color="black", label=r"$2\,\mathrm{JS} - 2\log 2$, by quadrature")
ax.plot(shifts, learned, "o", color="C2", label="$V$ of the trained $D$")
ax.set(xlabel="mean of the fakes", ylabel="nats")
ax.legend(fontsize=8)
plt.show()
gap = max(best - ours for ours, best in zip(learned, exact, strict=True))
print(f"largest shortfall of a trained discriminator: {gap:.3f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# Every dot lies on or just under the curve: no discriminator beats $D^*$, and a trained one comes close. The dip is where the fakes cover the larger mode of the data.
#
# The proof speaks of functions and of a discriminator that is always at its best. Ours are networks that take a few steps each. That gap is where all the trouble of this lecture lives.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. In practice
#
# Repeat:
#
# 1. **Freeze $G$.** Take a batch of real examples and a batch of fakes; $K$ steps on $D$ with cross-entropy, real labelled 1 and fake 0. (Cross-entropy is $-V$.)
# 2. **Freeze $D$.** Take new fakes, *label them as real*, and let $G$ take a step on the same cross-entropy. The gradient flows through $D$ into $G$.
#
# Here is the whole of it. `detach` freezes $G$ in its turn: the fakes are numbers, not functions of its weights.

# %% slideshow={"slide_type": "fragment"}
cross_entropy = F.binary_cross_entropy_with_logits


def play(generator, discriminator, rounds, K=3, lr_d=0.01, lr_g=0.005, watch=None, batch_size=128):
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=lr_d, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=lr_g, betas=(0.5, 0.999))
    real_label, fake_label = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    for index in range(rounds):
        if watch is not None:
            watch(index)
        for _ in range(K):
            real, fake = draw_real(batch_size), generator(torch.randn(batch_size, 1)).detach()
            loss = cross_entropy(discriminator(real), real_label) + cross_entropy(discriminator(fake), fake_label)
            optimizer_d.zero_grad()
            loss.backward()
            optimizer_d.step()
        fake = generator(torch.randn(batch_size, 1))
        loss = cross_entropy(discriminator(fake), real_label)
        optimizer_g.zero_grad()
        loss.backward()  # D gets a gradient, too, but takes no step, and its turn begins with zero_grad
        optimizer_g.step()


# %% [markdown] slideshow={"slide_type": "fragment"}
# On the line, the fakes' density is a histogram of many $G(z)$ (helper `fake_density`), so we can also draw $D^*$ beside $D$, round after round.

# %% slideshow={"slide_type": "fragment"}
from course_utils.widgets.game import LIMIT, NUM_BINS, fake_density

bins = torch.linspace(-LIMIT, LIMIT, 2 * NUM_BINS + 1)[1::2]  # the middles of the histogram's bins
width = bins[1] - bins[0]


def make_players(seed, hidden_dim=32):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, 1)), make_discriminator()


generator, discriminator = make_players(seed=0)
frames = []


@torch.no_grad()
def film(index):
    if index in (0, 1, 2, 4, 8, 14, 20, 40, 80, 150, 300, 599):
        learned = discriminator(bins.view(-1, 1)).sigmoid().flatten()
        frames.append((index, fake_density(generator), learned, generator(torch.randn(60, 1)).flatten()))


play(generator, discriminator, 30 if FAST else 600, watch=film)

# %% slideshow={"slide_type": "subslide"}
from course_utils.animation import animate


def draw_frame(figure, n):
    index, p_fake, learned, points = frames[n]
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    p_data = data_density(bins)
    above.fill_between(bins, p_data, alpha=0.35, color="C0", linewidth=0)
    above.plot(bins, p_fake, color="C1")
    above.plot(points, torch.full((60,), -0.06), "|", color="C1", markersize=5)
    above.set(ylim=(-0.12, 1), yticks=[], xlim=(-4.5, 4.5))
    above.set_title(f"round {index}", fontsize=8, loc="left")
    below.plot(bins, learned, color="C2")
    below.plot(bins, p_data / (p_data + p_fake), ":", color="black")
    below.axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
    below.set(ylim=(-0.05, 1.05), yticks=[0, 0.5, 1])


alt = "The fakes spread from one spike over both modes of the data while D(x) flattens towards one half."
animate(draw_frame, len(frames), alt=alt, figsize=(3.0, 2.1), num_colors=12, seconds=0.7)

# %% slideshow={"slide_type": "fragment"}
for index, p_fake, *_ in frames[:: len(frames) // 5]:
    print(f"round {index:3}: JS(p_data, p_G) = {jensen_shannon(data_density(bins), p_fake, width):.3f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# Blue: real density; red: fakes; green: $D(x)$; dotted: $D^*(x)$ for the fakes of that round. The generator follows the slope of the green curve: fakes move to where $D$ is higher. As they arrive, the hill sinks under them. $D$ lags behind $D^*$, since it takes only three steps while the fakes move.
#
# **Play it yourself.** Who moves? What if only one does? What happens with $K = 1$ and a fast generator? (Where no notebook runs, you see six moments of one game.)

# %% slideshow={"slide_type": "subslide"}
widgets.gan_game()

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Saturating and non-saturating
#
# In step 2 we did not minimise $V$. The game as written lets the generator minimise $\mathbb E \log (1 - D(G(z)))$, the **saturating** loss; we minimised $-\mathbb E \log D(G(z))$, the **non-saturating** one. Both want $D(G(z))$ to rise. With the logit $l$ of a fake, $D = \operatorname{sigmoid}(l)$, their slopes are
#
# $$ \frac{d}{dl} \log(1 - D) = -D, \qquad \frac{d}{dl} (-\log D) = -(1 - D). $$
#
# Early on, fakes are bad and $D$ knows it: $D \approx 0$. Then the first slope is nearly 0 just where the generator needs it most, and the second nearly 1. The right panel shows it in a game: the generator of the start, and a discriminator that has had more and more steps.

# %% slideshow={"slide_type": "fragment"}
generator, discriminator = make_players(seed=0)
with torch.no_grad():
    generator[-1].bias -= 4  # fakes far from the data
norms = {"saturating": [], "non-saturating": []}
steps_of_d = range(0, 60 if FAST else 400, 20)
for _ in steps_of_d:
    logits = discriminator(generator(torch.randn(1000, 1)))
    for name, loss in {"saturating": F.logsigmoid(-logits), "non-saturating": -F.logsigmoid(logits)}.items():
        gradients = torch.autograd.grad(loss.mean(), list(generator.parameters()), retain_graph=True)
        norms[name].append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())
    train_discriminator(discriminator, lambda n: generator(torch.randn(n, 1)).detach(), 20)
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.2))
logits = torch.linspace(-6, 6, 100)
curves = {"saturating": (F.logsigmoid(-logits), logits.sigmoid()), "non-saturating": None}
curves["non-saturating"] = (-F.logsigmoid(logits), 1 - logits.sigmoid())
for color, (name, (loss, slope)) in zip(["C1", "C0"], curves.items(), strict=True):
    axes[0].plot(logits, loss, color=color, label=name)
    axes[1].plot(logits.sigmoid(), slope, color=color)
    axes[2].semilogy(steps_of_d, norms[name], color=color)
axes[0].set(xlabel="logit of a fake", title="loss of $G$")
axes[1].set(xlabel="$D(G(z))$", title="size of its slope")
axes[2].set(xlabel="steps of $D$", title="gradient norm of $G$")
axes[0].legend(fontsize=7)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left and middle: red is flat where the fakes are bad, blue where they are good. Right, on a logarithmic scale: as $D$ gets sure, the red gradient dies, the blue one does not. From here on, $G$ minimises the blue loss.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What goes wrong: balance, batches, gradients
#
# ### The balance of power, and of steps
#
# No loss falls steadily here: one player's gain is the other's loss, and the learned $D$ is only useful while it is near $D^*$. Learning rates and the number $K$ decide who runs ahead. On the line we can measure the truth, $\mathrm{JS}(p_{\text{data}}, p_G)$. Each setting gets the same number of network updates, three seeds each.

# %% slideshow={"slide_type": "fragment"}
settings = {
    "weak D: $a_D = a_G/10$": {"K": 1, "lr_d": 0.001, "lr_g": 0.01},
    "K = 1, fast $G$": {"K": 1, "lr_d": 0.01, "lr_g": 0.01},
    "K = 3, slower $G$": {"K": 3, "lr_d": 0.01, "lr_g": 0.005},
    "K = 15": {"K": 15, "lr_d": 0.01, "lr_g": 0.005},
}
updates = 96 if FAST else 2400
divergences = {}
for name, setting in settings.items():
    every = max(1, 48 // (setting["K"] + 1))  # rounds between two measurements
    for seed in range(1 if FAST else 3):
        generator, discriminator = make_players(seed)
        record = divergences.setdefault(name, {}).setdefault(seed, [])

        def measure(index, generator=generator, record=record, every=every):
            if index % every == 0:
                record.append(jensen_shannon(data_density(bins), fake_density(generator), width).item())

        play(generator, discriminator, updates // (setting["K"] + 1), watch=measure, **setting)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.1), sharey=True)
for ax, (name, records) in zip(axes, divergences.items(), strict=True):
    for record in records.values():
        ax.plot([48 * index for index in range(len(record))], record, linewidth=1)
    last = torch.tensor([record[-10:] for record in records.values()]).mean(1)
    print(f"{name:24} mean JS at the end of the runs: ", *(f"{value:.3f}" for value in last.tolist()))
    ax.set_title(name, fontsize=8)
    ax.set(xlabel="updates", ylim=(0, 0.7))
axes[0].set_ylabel("JS, nats")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# A weak $D$: the fakes run to wherever it was last seen high, and away again. Equal rates: the two chase each other. A $D$ that is a little ahead is a good teacher. With $K = 15$ the run is the smoothest of all and the slowest: the teacher is excellent, and the pupil hardly gets a turn.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Balanced batches
#
# In the discriminator's turn, real and fake examples must be *equally many*. If a share $\pi$ of a batch is real, the same derivation gives
#
# $$ D^*_\pi(x) = \frac{\pi\, p_{\text{data}}(x)}{\pi\, p_{\text{data}}(x) + (1 - \pi)\, p_G(x)}, $$
#
# and $D = \frac12$ no longer means "cannot tell". With nine real examples for each fake, $D$ calls nearly everything real, and the non-saturating generator, whose slope is $1 - D$, is told that it is doing well.

# %% slideshow={"slide_type": "fragment"}
fakes = Normal(0.5, 1.0)
p_fake = fakes.log_prob(line).exp()
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.1), sharey=True)
for ax, (num_real, num_fake) in zip(axes, [(128, 128), (230, 26)], strict=True):
    torch.manual_seed(0)
    discriminator = make_discriminator()
    train_discriminator(discriminator, lambda n: fakes.sample((n, 1)), 20 if FAST else 500, num_real, num_fake)
    share = num_real / (num_real + num_fake)
    learned = discriminator(line.view(-1, 1)).sigmoid().flatten().detach()
    ax.plot(line, learned, color="C2", label="$D(x)$")
    ax.plot(line, share * p_data / (share * p_data + (1 - share) * p_fake), ":", color="black", label=r"$D^*_\pi(x)$")
    ax.axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
    ax.set(title=f"{num_real} real, {num_fake} fake", xlabel="$x$", xlim=(-4, 4))
    slope = ((1 - learned) * p_fake).sum() * step
    print(f"{num_real} real, {num_fake} fake: mean slope 1 - D(G(z)) of the generator's loss {slope:.2f}")
axes[0].legend(fontsize=8, loc="lower left")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The same fakes, equally bad. Left, a clear signal; right, most of it is gone. Cure: draw as many fakes as there are real examples, as `play` does.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Do gradients get through?
#
# All that the generator ever learns comes through the discriminator. We saw one way to lose it, a saturated loss. Others lie inside the network: activations that are flat (sigmoid: slope at most $\frac14$, layer after layer) or shut (ReLU: slope 0 for half of the inputs, and where all units of a layer are shut, nothing passes). LeakyReLU has slope 1 or 0.2, never 0.
#
# We build narrow discriminators of growing depth, feed them fakes, and ask two things: how large is the gradient that a fake receives, and how many fakes receive *exactly* none?

# %% slideshow={"slide_type": "fragment"}
from itertools import pairwise

activations = {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU, "LeakyReLU": lambda: nn.LeakyReLU(0.2)}
depths, hidden_dim, fakes = [1, 2, 4, 8, 12], 5, torch.randn(200, 64)


def gradient_norms(activation, depth, seed):
    """The size of the gradient that reaches each fake through a fresh discriminator: (200,)."""
    torch.manual_seed(seed)
    layers = []
    for width_in, width_out in pairwise([64] + [hidden_dim] * depth):
        layers += [nn.Linear(width_in, width_out), activation()]
        nn.init.kaiming_normal_(layers[-2].weight, a=0.2)  # keeps the size of signals behind ReLU (He et al. 2015)
    network = nn.Sequential(*layers, nn.Linear(hidden_dim, 1))
    images = fakes.clone().requires_grad_()
    return torch.autograd.grad(network(images).sum(), images)[0].norm(dim=1)


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.1))
for color, (name, activation) in zip(["C1", "C4", "C0"], activations.items(), strict=True):
    sizes, silent = [], []
    for depth in depths:
        norms = torch.cat([gradient_norms(activation, depth, seed) for seed in range(30)])
        sizes.append(norms.mean().item())
        silent.append((norms == 0).float().mean().item())
    axes[0].semilogy(depths, sizes, "o-", color=color, label=name)
    axes[1].plot(depths, silent, "o-", color=color)
    print(f"{name:10} {depths[-1]} layers: gradient {sizes[-1]:.1e}; {silent[-1]:.0%} of the fakes get none")
axes[0].set(xlabel="hidden layers", title="mean gradient norm of a fake")
axes[1].set(xlabel="hidden layers", title="share of fakes without any", ylim=(-0.02, 1))
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# With sigmoids the message fades by a factor at each layer. With narrow ReLU layers, more and more fakes hear nothing at all. LeakyReLU passes something to everyone. (Wide layers hide the second trouble, and do not remove it.) Max pooling is of the same kind as ReLU: it passes the gradient to one input in four. Strided convolution, which has no such gate, is one of the five rules of section 6.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Mode collapse, and other losses
#
# The worst failure looks like success: every fake is good, and all are the same. Nothing in the generator's loss asks for variety; against a *fixed* $D$ the best reply is to put all fakes where $D$ is highest. If $G$ moves faster than $D$, that is what happens: $\max_D \min_G$ in place of $\min_G \max_D$. Then $D$ learns that this place is fake, and the crowd moves on.
#
# The classical test (Metz et al. 2017) is a ring of eight Gaussians. A mode counts as **covered** if it gets at least a tenth of its even share of the samples, within three standard deviations. From here on the course's `GAN` and `fit_adversarial` do what we did by hand; each further loss is a class of its own.

# %% slideshow={"slide_type": "fragment"}
from functools import partial

from course_utils.adversarial_training import fit_adversarial
from course_utils.data.toy import ring_centers, ring_of_gaussians
from course_utils.evaluation import mode_coverage
from course_utils.models.adversarial.gan import GAN
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator

train = partial(fit_adversarial, device="cpu")
ring, centers = ring_of_gaussians(4096, std=0.1, generator=torch.Generator().manual_seed(0)), ring_centers()
torch.manual_seed(0)
collapsed = GAN(mlp_generator(2, 2, 64), mlp_discriminator(2, 64), latent_dim=2)
snapshots = []


def remember(model, epoch):
    snapshots.append((epoch + 1, model.sample(300)))


history = train(collapsed, ring, epochs=2 if FAST else 30, lr=1e-3, discriminator_lr=1e-4, on_epoch=remember)

# %% slideshow={"slide_type": "fragment"}
shown = snapshots[4::5] or snapshots
fig, axes = plt.subplots(1, len(shown), figsize=(7.6, 1.6))
for ax, (epoch, samples) in zip(axes, shown, strict=True):
    ax.scatter(*centers.T, s=40, color="0.8")
    ax.scatter(*samples.T, s=3, color="C1")
    num_modes = mode_coverage(samples, centers, std=0.1).num_modes
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
    ax.set_title(f"epoch {epoch}: {num_modes} modes", fontsize=8)
plt.show()
print("collapsed:", mode_coverage(collapsed.sample(2000), centers, std=0.1))

# %% [markdown] slideshow={"slide_type": "notes"}
# Grey: the eight modes. The discriminator's learning rate is a tenth of the generator's, and the fakes wander about in one clump. (One seed; others wander elsewhere.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why change the loss?
#
# $\mathrm{JS}$ has a flaw. If real and fake do not overlap, it is $\log 2$, *wherever* the fakes are: $D^*$ is exactly 0 on all fakes, and its slope there says nothing about which way to go. The **Wasserstein distance** is the work it takes to carry the fakes' mass to the data: on a line, $W = \int |F_{\text{data}}(x) - F_G(x)|\, dx$ with the cumulative distribution functions $F$. It grows with the way to go.

# %% slideshow={"slide_type": "fragment"}
fine = torch.linspace(-6, 6, 2401, dtype=torch.float64)
apart = torch.linspace(-4, 4, 81, dtype=torch.float64)
narrow = Normal(torch.tensor(0.0, dtype=torch.float64), 0.15)
js, wasserstein = [], []
for shift in apart:
    moved = Normal(shift, 0.15)
    js.append(jensen_shannon(narrow.log_prob(fine).exp(), moved.log_prob(fine).exp(), 12 / 2400).item())
    wasserstein.append(((narrow.cdf(fine) - moved.cdf(fine)).abs().sum() * 12 / 2400).item())
fig, axes = plt.subplots(1, 2, figsize=(5.6, 1.9))
axes[0].plot(apart, js, color="C1")
axes[1].plot(apart, wasserstein, color="C0")
for ax, title in zip(axes, ["JS, nats", "Wasserstein distance"], strict=True):
    ax.set(title=title, xlabel="fakes shifted by")
plt.show()
assert torch.allclose(torch.tensor(wasserstein, dtype=torch.float64), apart.abs(), atol=0.01)  # the shift itself
print(f"JS at shift 2: {js[60]:.6f}, at shift 4: {js[80]:.6f}, log 2 = {torch.tensor(2.0).log():.6f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Three other losses
#
# | | discriminator minimises | generator minimises | idea |
# |---|---|---|---|
# | **least squares** (Mao et al. 2016) | $\frac12\mathbb E(D(x) - 1)^2 + \frac12\mathbb E\, D(G(z))^2$ | $\frac12\mathbb E(D(G(z)) - 1)^2$ | no sigmoid: a parabola is nowhere flat |
# | **Wasserstein, gradient penalty** (Gulrajani et al. 2017) | $\mathbb E f(G(z)) - \mathbb E f(x) + \lambda\, \mathbb E(\lVert\nabla f(u)\rVert - 1)^2$ | $-\mathbb E f(G(z))$ | a *critic* $f$ of slope 1 measures $W$; $u$ lies between real and fake |
# | **hinge, spectral norm** (Miyato et al. 2018) | $\mathbb E \max(0, 1 - D(x)) + \mathbb E \max(0, 1 + D(G(z)))$ | $-\mathbb E D(G(z))$ | every weight matrix divided by its largest singular value: no layer can stretch |
#
# All get the same networks and $a_D = a_G$; $K = 1$, or $K = 3$ for the last two, whose scores are the better the longer they train. Samples come from a moving average of the generator (section 6). And so that we know what cured what, the original game gets all this too.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.lsgan import LSGAN
from course_utils.models.adversarial.sngan import HingeGAN, with_spectral_norm
from course_utils.models.adversarial.wgan_gp import WGANGP

players = {"original game": GAN, "least squares": LSGAN, "Wasserstein + GP": partial(WGANGP, penalty_weight=1.0)}
players["hinge + SN"] = HingeGAN
cured = {}
for name, make in players.items():
    torch.manual_seed(0)
    generator, discriminator = mlp_generator(2, 2, 64), mlp_discriminator(2, 64)
    if name == "hinge + SN":
        discriminator = with_spectral_norm(discriminator)
    with_critic = name in ("Wasserstein + GP", "hinge + SN")
    betas, K, epochs = ((0.0, 0.9), 3, 90) if with_critic else ((0.5, 0.999), 1, 40)
    cured[name] = make(generator, discriminator, 2)
    settings = {"lr": 1e-3, "discriminator_steps": K, "betas": betas, "ema_decay": 0.99}
    train(cured[name], ring, epochs=2 if FAST else epochs, **settings)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 5, figsize=(7.6, 1.8))
for ax, (name, model) in zip(axes, {"provoked": collapsed, **cured}.items(), strict=True):
    samples = model.sample(2000)
    coverage = mode_coverage(samples, centers, std=0.1)
    ax.scatter(*centers.T, s=40, color="0.8")
    ax.scatter(*samples[:400].T, s=2, color="C1" if model is collapsed else "C0")
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=[], yticks=[])
    ax.set_title(f"{name}\n{coverage.num_modes} of 8 modes", fontsize=8)
    print(f"{name:17} {coverage}")
plt.show()


# %% slideshow={"slide_type": "subslide"}
def slopes(discriminator, points):
    points = points.clone().requires_grad_()
    return torch.autograd.grad(discriminator(points).sum(), points)[0].norm(dim=1)


for name, model in cured.items():
    between = torch.lerp(model.sample(500), ring[:500], torch.rand(500, 1))
    norm = slopes(model.discriminator, between)
    print(
        f"{name:17} slope of the discriminator between real and fake: mean {norm.mean():6.2f}, largest {norm.max():6.2f}"
    )
assert slopes(cured["hinge + SN"].discriminator, 3 * torch.randn(2000, 2)).max() < 1.05  # spectral norm: 1-Lipschitz

# %% [markdown] slideshow={"slide_type": "notes"}
# What cured it? On this ring, balance alone is enough: the original game covers all modes, too, once $D$ keeps up (one seed; in some runs one of the four misses a mode). What the other losses change is the discriminator, last cell: the penalty holds its slope near 1, spectral norm holds it below 1 *everywhere*. Such a teacher cannot become too steep or too sure, so one may train it well without losing the gradient. On images, that is what makes them robust.
#
# Here is the distribution transformer of section 1 again, this time learned.

# %% slideshow={"slide_type": "subslide"}
noise = torch.randn(300, 2)
with torch.no_grad():
    moved = cured["Wasserstein + GP"].generate(noise)
fig, axes = plt.subplots(1, 3, figsize=(6.6, 2.2))
draw_transport(axes, noise, moved, "learned")
plt.show()

# %% slideshow={"slide_type": "fragment"}
color = torch.atan2(noise[:, 1], noise[:, 0])[:150].tolist()


def draw_flow(figure, n):
    ax = figure.subplots()
    x = torch.lerp(noise[:150], moved[:150], n / 8)
    ax.scatter(*x.T, c=color, cmap="twilight", s=6)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])


alt = "A round cloud of points flows, each on a straight way, to eight clumps on a ring."
animate(draw_flow, 9, alt=alt, figsize=(2.0, 2.0), num_colors=16, seconds=0.15)

# %% [markdown] slideshow={"slide_type": "notes"}
# Each sector of the noise goes to one mode. A continuous map cannot tear the cloud apart, so bridges of fakes remain between the modes: the samples that are near none.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. DCGAN: the game on images
#
# For a year GANs of images were a matter of luck. Radford et al. (2015) found five rules of architecture that made them train, the **deep convolutional GAN**:
#
# 1. no pooling: strided convolutions in $D$, transposed ones in $G$;
# 2. batch norm in both, except at $G$'s output and $D$'s input;
# 3. no hidden fully connected layers;
# 4. ReLU in $G$, with tanh last (so images lie in $[-1, 1]$);
# 5. LeakyReLU in $D$.
#
# All five can be read off the two networks. The data: 1,297 real handwritten digits, 8x8.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator

digits = data.load("digits")
x_train = 2 * digits.train.x - 1  # from [0, 1] to [-1, 1], the range of tanh
torch.manual_seed(0)
dcgan = GAN(DCGenerator((1, 8, 8), latent_dim=16, hidden_dim=16), DCDiscriminator((1, 8, 8), hidden_dim=16), 16)
print(dcgan.generator.layers, dcgan.discriminator.features, dcgan.discriminator.head, sep="\n")

# %% [markdown] slideshow={"slide_type": "subslide"}
# While it trains we keep an eye on fakes of the *same* noise, and on a number: the **Fréchet distance** between real and fake images in the features of a digit classifier (lecture 4). `ema_decay` keeps a second generator, whose weights are an **exponential moving average** of those of $G$: $\bar\theta \leftarrow 0.99\, \bar\theta + 0.01\, \theta$ after each round. The players circle around each other; their average stands nearer to the middle.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import digit_classifier, frechet_distance_of_images

judge, fixed = digit_classifier(), torch.randn(300, 16)
strip, distances = [], []


@torch.no_grad()
def look(model, epoch):
    if epoch in (0, 1, 3, 7, 15, 31, 59) or epoch % 5 == 4:
        fakes = [(network(fixed) + 1) / 2 for network in (model.generator, model.averaged)]
        distances.append([epoch + 1, *(frechet_distance_of_images(judge, digits.test.x, fake) for fake in fakes)])
        if epoch in (0, 1, 3, 7, 15, 31, 59):
            strip.append((epoch + 1, fakes[0][:10], fakes[1][:10]))


history = train(dcgan, x_train, epochs=2 if FAST else 60, batch_size=64, lr=1e-3, ema_decay=0.99, on_epoch=look)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7.4, 2.4))
for ax, column, title in zip(axes, (1, 2), ("generator", "its moving average"), strict=True):
    plotting.compare_rows({f"epoch {row[0]}": row[column] for row in strip}, ax)
    ax.set_title(title, fontsize=9)
plt.show()


# %% slideshow={"slide_type": "subslide"}
def smooth(values, over=20):
    return F.avg_pool1d(torch.tensor(values).view(1, 1, -1), over, over).flatten()


fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.1))
curves = [("discriminator_loss", "loss of $D$", 0), ("generator_loss", "loss of $G$", 0)]
curves += [("real_score", "$D(x)$", 1), ("fake_score", "$D(G(z))$", 1)]
for name, label, place in curves:
    values = smooth(getattr(history, name))
    axes[place].plot(torch.arange(len(values)) * 20, values, linewidth=1, label=label)
epochs_seen, plain, averaged = torch.tensor(distances, dtype=torch.float64).T
axes[2].semilogy(epochs_seen, plain, "o-", markersize=3, label="generator")
axes[2].semilogy(epochs_seen, averaged, "o-", markersize=3, label="average")
floor = frechet_distance_of_images(judge, digits.test.x, digits.train.x)
axes[2].axhline(floor, color="black", linewidth=1, label="training set")
for ax, label in zip(axes, ["round", "round", "epoch"], strict=True):
    ax.set_xlabel(label)
    ax.legend(fontsize=7)
axes[2].set_title("Fréchet distance to the test set", fontsize=8)
plt.show()
print(
    f"Fréchet distance after training: generator {plain[-1]:.1f}, average {averaged[-1]:.1f}, training set {floor:.1f}"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# The losses tell next to nothing about quality: they measure the players against each other. If $D(x)$ and $D(G(z))$ ran to 1 and 0, the game would be over. The Fréchet distance does fall. In the first epochs the average lags behind, full of old weights; later it is ahead of the generator that it follows, at no cost to the game. (One seed.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. What goes wrong: batch mates, and no awareness of context
#
# ### Batch norm ties a batch together
#
# In training mode, batch norm subtracts the mean *of the batch*. So $G(z)$ is no function of $z$ alone: it depends on which other noises happen to be in the batch. Same $z$, other mates, other image; and what the mates do to one, they do to all.

# %% slideshow={"slide_type": "fragment"}
import copy

tied = copy.deepcopy(dcgan.generator).train()
same = torch.randn(2, 16)
batches = [torch.cat([same, torch.randn(2, 16)]) for _ in range(8)]
with torch.no_grad():
    in_training = torch.stack([tied(z)[:2] for z in batches], dim=1)  # (2, 8, 1, 8, 8)
    in_use = torch.stack([dcgan.generator(z)[:2] for z in batches], dim=1)
    shift = torch.stack([tied(z).mean((1, 2, 3)) - dcgan.generator(z).mean((1, 2, 3)) for z in torch.randn(300, 4, 16)])
fig, axes = plt.subplots(1, 2, figsize=(7, 1.4))
for ax, images, name in zip(axes, (in_training, in_use), ("training mode", "running statistics"), strict=True):
    plotting.compare_rows({f"$z_{i + 1}$": (row + 1) / 2 for i, row in enumerate(images)}, ax)
    ax.set_title(f"{name}: eight batches of 4", fontsize=9)
    print(f"{name:18} standard deviation of a pixel from batch to batch: {images.std(1).mean():.4f}")
plt.show()
mates = torch.corrcoef(shift.T)[~torch.eye(4, dtype=torch.bool)].mean()
print(f"correlation of the shifts in brightness of two batch mates: {mates:.2f}")
assert in_use.std(1).max() < 1e-4 < in_training.std(1).max()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: a row is *one* noise vector. Small batches make it worse. Cures: once trained, fixed running statistics (right: each column alike; `sample` does that); while training, larger batches, statistics of a fixed reference batch (virtual batch norm, Salimans et al. 2016), or a norm that looks at one image alone (layer norm, pixel norm: section 9). The gradient penalty, which wants each example's own gradient, forbids batch norm in $D$. The same tie has a good use: a statistic over the batch, shown to $D$ on purpose, lets it see that all fakes are alike, a remedy for collapse (section 9).

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### No awareness of context
#
# GANs of photographs made animals with three eyes, or a head at either end: every patch plausible, the whole impossible. A network sees only as far as its receptive field. We make **chimeras**, the upper half of one digit on the lower half of another, and train two discriminators to tell them from real digits: one that sees 3x3 patches and averages its verdicts, and one that sees the whole.


# %% slideshow={"slide_type": "fragment"}
def chimeras(x, y):
    """Upper halves on the lower halves of other images, of another digit."""
    order = torch.randperm(len(x))
    mixed = torch.cat([x[:, :, :4], x[order][:, :, 4:]], dim=2)
    return mixed[y != y[order]]


torch.manual_seed(0)
patchwise = nn.Sequential(
    *(nn.Conv2d(1, 32, 3), nn.LeakyReLU(0.2), nn.Conv2d(32, 32, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 1)),
    *(nn.AdaptiveAvgPool2d(1), nn.Flatten(0)),
)
critics = {"3x3 patches": patchwise, "whole image": DCDiscriminator((1, 8, 8), hidden_dim=16, norm=nn.Identity)}
x_test = 2 * digits.test.x - 1
mixed_test = chimeras(x_test, digits.test.y)
for critic in critics.values():
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(1 if FAST else 25):
        for index in torch.randperm(len(x_train)).split(64):
            real, mixed = x_train[index], chimeras(x_train[index], digits.train.y[index])
            loss = F.softplus(-critic(real)).mean() + F.softplus(critic(mixed)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(7.4, 1.9), width_ratios=[1.5, 1, 1])
plotting.compare_rows({"real": (x_test[:7] + 1) / 2, "chimera": (mixed_test[:7] + 1) / 2}, axes[0])
for ax, (name, critic) in zip(axes[1:], critics.items(), strict=True):
    with torch.no_grad():
        real, mixed = critic(x_test), critic(mixed_test)
    ax.hist([real.sigmoid().tolist(), mixed.sigmoid().tolist()], bins=12, range=(0, 1), label=["real", "chimera"])
    ax.set(title=name, xlabel="$D(x)$", yticks=[])
    ordered = (real.view(-1, 1) > mixed).float().mean()
    print(f"{name}: a real digit gets a higher score than a chimera in {ordered:.0%} of the pairs")
axes[2].legend(fontsize=7, loc="upper center")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Unseen digits. The patchwise critic has little but the seam to go by; half the pairs would be guessing. What a discriminator cannot see, no generator learns. Cures: a receptive field as wide as the image, progressive growing (which settles the whole picture at 4x4 first), and attention. Lecture 14 uses the patchwise critic on purpose, where the context comes from elsewhere.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Walks and sums in latent space
#
# Has the DCGAN learned images by heart? Then its latent space would be islands. We **interpolate** between two noises. In many dimensions, draws of $\mathcal N(0, I)$ all have nearly the same length, $\sqrt Z$; a straight line between two of them leaves this sphere, an arc stays on it (White 2016). In the notebook, drag the slider.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def generate(z):
    return (dcgan.averaged(z) + 1) / 2  # images in [0, 1]


torch.manual_seed(4)
z_a, z_b = torch.randn(2, 16)
widgets.latent_walk(generate, z_a, z_b, num_steps=13)

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.latent_space import interpolate_spherical, interpolate_straight, latent_arithmetic

ends = torch.randn(2, 2000, 16)
print(f"mean length of a draw:             {ends.norm(dim=2).mean():.2f}   (sqrt(16) = 4)")
for name, path in {"straight": interpolate_straight, "on the sphere": interpolate_spherical}.items():
    middle = path(*ends, 3)[1]
    sure = judge(generate(middle)).softmax(1).amax(1).mean()
    print(f"halfway, {name:15} mean length {middle.norm(dim=1).mean():.2f}, certainty of the classifier {sure:.2f}")
print(f"certainty for fresh draws {judge(generate(ends[0])).softmax(1).amax(1).mean():.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Every step looks like handwriting, the change is gradual, and on the way there are digits that are neither end. With 16 noises the two paths differ little to the eye.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Arithmetic: with attribute - without + other
#
# Radford et al. wrote *man with glasses - man without + woman*, and got a woman with glasses. They averaged the noises of three examples each, since one noise holds much else besides. Our attribute is **bold** handwriting: bold - thin + a thin something else. We need many fakes, a classifier to say which digit each clearly shows, and a measure of boldness: the ink, the mean grey value. We average over twenty examples of threes, and then over twenty of *each* digit.

# %% slideshow={"slide_type": "fragment"}
z = torch.randn(3000 if FAST else 12_000, 16)
ink, likely = generate(z).mean((1, 2, 3)), judge(generate(z)).softmax(1)


def pick(bold, number=20):
    """The noises of the boldest, or thinnest, among the 200 fakes that show each digit most clearly: (10, number, 16)."""
    clear = likely.topk(200, dim=0).indices.T
    return z[clear.gather(1, ink[clear].argsort(dim=1, descending=bold)[:, :number])]


bold, thin = pick(bold=True), pick(bold=False)
from_threes, from_all = latent_arithmetic(bold[3], thin[3], thin), latent_arithmetic(bold, thin, thin)
chance = F.normalize(torch.randn(10, 20, 16), dim=2) * (from_all - thin).norm(dim=2, keepdim=True)
rows = {"thin": thin, "+ bold 3 - thin 3": from_threes, "+ bold - thin": from_all}
rows |= {"... three times": thin + 3 * (from_all - thin), "three random steps": thin + 3 * chance}
fig, ax = plt.subplots(figsize=(5, 2.7))
plotting.compare_rows({name: generate(codes[:, 0]) for name, codes in rows.items()}, ax)
plt.show()

# %% slideshow={"slide_type": "fragment"}
wanted = (generate(bold.flatten(0, 1)).mean() - generate(thin.flatten(0, 1)).mean()).item()
print(f"bold digits have {wanted:.3f} more ink than thin ones")
for name, codes in {**rows, "one random step": thin + chance}.items():
    images = generate(codes.flatten(0, 1))
    gain = (images.mean() - generate(thin.flatten(0, 1)).mean()).item()
    kept = (judge(images).argmax(1) == torch.arange(10).repeat_interleave(20)).float().mean()
    print(f"{name:18} ink {gain:+.3f}, still the same digit: {kept:.0%}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The sum goes the right way: the ink grows, more than with a random step of the same length, and most digits stay what they were. But one step brings less than half of the wanted ink, and three steps cost some digits their identity. With the average of *all* digits, what is special to threes cancels, and more digits survive. No axis of this space was asked to mean "bold"; lecture 12 asks for such axes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Progressive growing
#
# Large images are hard for both players: $D$ finds some detail that gives every fake away. Karras et al. (2017) start with 4x4 images, where there is little but the layout to learn, and then double: 4, 8, 16, up to 1024. New layers come in gently, by a weight $\alpha$ that grows from 0 to 1,
#
# $$ G(z) = (1 - \alpha)\, \mathrm{up}(\text{image of the stage before}) + \alpha\, (\text{image of the new layers}), $$
#
# and the real images are blended alike. At $\alpha = 0$ nothing has changed; the live check says so. Under it: the Wasserstein loss with gradient penalty, pixel norm in place of batch norm, and a **minibatch standard deviation**, shown to $D$ as one more channel: if all fakes are alike, $D$ sees it.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.progressive import ProgressiveGAN, fit_progressive

sprites, _ = data.sprites(200 if FAST else 1500, size=16)
torch.manual_seed(0)
growing = ProgressiveGAN((3, 16, 16), latent_dim=16, hidden_dim=8 if FAST else 16)
noise = torch.randn(12, 16)
growing.set_stage(1)
before = growing.generate(noise)
growing.grow()  # to stage 2, alpha = 0
assert torch.allclose(growing.generate(noise), F.interpolate(before, scale_factor=2), atol=1e-6)

stages, stage_epochs = [], 1 if FAST else 8


@torch.no_grad()
def keep(model, epoch):
    images = model.averaged(noise, int(model.stage), model.alpha)
    shown = F.interpolate((images + 1) / 2, size=16)
    stages.append((f"{images.shape[-1]}x{images.shape[-1]}, {float(model.alpha):.2f}", shown))


settings = {"batch_size": 48, "lr": 3e-3, "ema_decay": 0.98, "device": "cpu"}
history = fit_progressive(growing, 2 * sprites - 1, stage_epochs=stage_epochs, on_epoch=keep, **settings)

# %% slideshow={"slide_type": "subslide"}
chosen = [0, 1, 2] if FAST else [0, 7, 8, 9, 10, 15, 16, 17, 18, 23]
fig, ax = plt.subplots(figsize=(4.6, 3.6))
plotting.compare_rows({**{stages[n][0]: stages[n][1] for n in chosen}, "real": sprites[:12]}, ax)
ax.set_title(r"size, $\alpha$: the same noise in each row", fontsize=9)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# From top to bottom, the same twelve noises. Place and colour come first, and most are settled by 8x8; the last doubling adds outline. While $\alpha$ is small, the new image is the old one, enlarged. After half a minute of training the shapes are still rough; the paper's networks took days on eight accelerators.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A GAN draws samples and has no density. The discriminator is its loss function, and it learns, too.
# - For a fixed $G$, $D^* = p_{\text{data}} / (p_{\text{data}} + p_G)$, and the value is $2\,\mathrm{JS} - 2 \log 2$. Networks that take turns only approximate this.
# - In practice: freeze $G$, $K$ steps on $D$; freeze $D$, label fakes as real, one step on $G$ (non-saturating).
# - Trouble: power out of balance, unbalanced batches, gradients that do not get through, batch norm's ties, mode collapse, a $D$ that sees no context.
# - Least squares, Wasserstein with gradient penalty, hinge with spectral norm: discriminators that stay useful when they are well trained.
# - DCGAN's five rules; average the generator's weights; noise can be walked and added; large images grow from small ones.
#
# ## Exercises
#
# 1. (5 min, easy) In the widget, let only $D$ move. Then give $G$ ten steps in a row. Which mode do the fakes run to, and why?
# 2. (10 min, easy) Show that $V(D, G) = -2 \log 2$ if $D = \frac12$ everywhere, whatever $G$ is. Why is a loss of $D$ near $2 \log 2$ no proof that $G$ is good?
# 3. (10 min, medium) Write `play` with the saturating loss, and start the fakes four to the left, as in section 3. How many rounds until JS is below 0.2, with each loss?
# 4. (15 min, medium) Derive $D^*_\pi$ of section 4, and the value of that game at $p_G = p_{\text{data}}$.
# 5. (15 min, medium) Show that the least-squares discriminator's best reply is $D^*$ too.
# 6. (20 min, medium) Repeat section 5 with `std=0.02` and with 25 modes on a grid. Who covers how many?
# 7. (20 min, hard) On a line, let $G(z) = z + \theta$ and $p_{\text{data}} = \mathcal N(0, 1)$, $D(x) = \operatorname{sigmoid}(wx)$. Write down the two gradients. Show that the equilibrium $w = \theta = 0$ attracts neither player under small simultaneous steps of equal rates to first order: the pair circles.
#
# ## References
#
# - I. Goodfellow et al.: Generative adversarial networks, 2014. arXiv 1406.2661.
# - A. Radford, L. Metz, S. Chintala: Unsupervised representation learning with deep convolutional generative adversarial networks, 2015. arXiv 1511.06434.
# - T. Salimans et al.: Improved techniques for training GANs, 2016. arXiv 1606.03498 (virtual batch norm, minibatch statistics).
# - X. Mao et al.: Least squares generative adversarial networks, 2016. arXiv 1611.04076.
# - L. Metz et al.: Unrolled generative adversarial networks, 2017. arXiv 1611.02163 (the ring).
# - M. Arjovsky, S. Chintala, L. Bottou: Wasserstein GAN, 2017. arXiv 1701.07875.
# - I. Gulrajani et al.: Improved training of Wasserstein GANs, 2017. arXiv 1704.00028.
# - T. Miyato et al.: Spectral normalization for generative adversarial networks, 2018. arXiv 1802.05957.
# - J. H. Lim, J. C. Ye: Geometric GAN, 2017. arXiv 1705.02894 (the hinge).
# - T. Karras et al.: Progressive growing of GANs for improved quality, stability, and variation, 2017. arXiv 1710.10196.
# - Y. Yazıcı et al.: The unusual effectiveness of averaging in GAN training, 2018. arXiv 1806.04498.
# - M. Heusel et al.: GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017. arXiv 1706.08500 (Fréchet distance).
# - T. White: Sampling generative networks, 2016. arXiv 1609.04468.
# - K. He et al.: Delving deep into rectifiers, 2015. arXiv 1502.01852.
