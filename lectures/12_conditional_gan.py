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
# # Lecture 12: Conditional and interpretable GANs
#
# **You will**
#
# - tell a GAN *what* to draw: a label, or a number such as a position or a colour, and measure whether it obeys;
# - see what goes wrong when the discriminator is not told;
# - let the discriminator name the label instead (ACGAN), get the signs of its losses right, and change one attribute of an image while the rest stays;
# - derive the mutual information between a code and an image, and the bound with which InfoGAN maximises it;
# - find the ten digits without a single label, and see where this fails.
#
# **You need** lecture 11 (generator, discriminator, the non-saturating loss); probability: conditional distributions, expectation, Bayes' rule; PyTorch.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two minutes on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=74)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. A digit of your choice
#
# The generator $G(z)$ of lecture 11 turns noise into an image. *Which* image, nobody can say beforehand. We want to ask: "a seven, please".
#
# A **conditional GAN** (Mirza & Osindero 2014) hands the wish $y$ to both networks. The generator gets $(z, y)$ and makes a fake; the discriminator gets an image *and* $y$, and must say whether this
# is a real image **that belongs to $y$**:
#
# $$ \min_G \max_D \; \mathbb E_{x, y}\big[\log D(x \mid y)\big] + \mathbb E_{z, y}\big[\log\big(1 - D(G(z \mid y) \mid y)\big)\big]. $$
#
# Pairs $(x, y)$ come from the data; the $y$ of the fakes is drawn as in the data. Write the expectation over $y$ outside, and it is the old game, played once for each label:
#
# $$ \sum_y p(y) \Big\{ \mathbb E_{x \sim p(x \mid y)}\big[\log D(x \mid y)\big] + \mathbb E_{x \sim p_G(x \mid y)}\big[\log(1 - D(x \mid y))\big] \Big\}. $$
#
# So we know the best discriminator already, and what is left for the generator when $D$ is the best (lecture 11, with the Jensen-Shannon divergence JS, which is 0 only for equal distributions):
#
# $$ D^*(x \mid y) = \frac{p(x \mid y)}{p(x \mid y) + p_G(x \mid y)}, \qquad \text{value} = \sum_y p(y)\, 2\, \mathrm{JS}\big(p(\cdot \mid y),\, p_G(\cdot \mid y)\big) - 2 \log 2 . $$
#
# Only a generator that is right **for every $y$** wins.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Both must be told
#
# Why tell the discriminator? Take numbers instead of images: label 0 has $x \sim \mathcal N(-1, 0.5^2)$, label 1 has $x \sim \mathcal N(1, 0.5^2)$. And take a *lazy* generator, which does not listen: whatever the
# label, it draws from both halves. To a discriminator that sees only $x$, this generator is perfect. To one that sees $(x, y)$ it is not. We train both, and compare with the formula.

# %% slideshow={"slide_type": "fragment"}
from torch import nn
from torch.distributions import Normal

means, width = torch.tensor([-1.0, 1.0]), 0.5


def mlp(num_in, num_out, hidden_dim=64):
    hidden = [nn.Linear(num_in, hidden_dim), nn.LeakyReLU(0.2), nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(hidden_dim, num_out))


def train_judge(sees_label, steps, batch_size=1000):
    judge = mlp(2, 1, 32)  # against the lazy generator; gets x and the label, or x and a zero
    optimizer = torch.optim.Adam(judge.parameters(), lr=5e-3)
    for _ in range(steps):
        y, other = torch.randint(0, 2, (2, batch_size))
        noise = width * torch.randn(2, batch_size)
        real, fake = means[y] + noise[0], means[other] + noise[1]  # the fake is asked for y, and ignores it
        told = y * sees_label
        loss = F.softplus(-judge(torch.stack([real, told], 1))).mean()  # -log D
        loss = loss + F.softplus(judge(torch.stack([fake, told], 1))).mean()  # -log(1 - D)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return judge, -loss.item()


# %% slideshow={"slide_type": "fragment"}
x = torch.linspace(-3, 3, 601)
p = Normal(means[:, None], width).log_prob(x).exp()  # p(x | y): (2, 601)
p_lazy = p.mean(0)
best = p / (p + p_lazy)
value = torch.special.xlogy(p, best) + torch.special.xlogy(p_lazy, 1 - best)
value = torch.trapezoid(value, x).mean().item()

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
fig, axes = plt.subplots(1, 2, figsize=(6.6, 2.4), sharey=True)
for ax, sees_label in zip(axes, [False, True], strict=True):
    judge, reached = train_judge(sees_label, steps=30 if FAST else 500)
    for y in (0, 1):
        told = torch.full_like(x, float(y * sees_label))
        ax.plot(
            x,
            judge(torch.stack([x, told], 1)).sigmoid()[:, 0].detach(),
            label=f"$D$, label {y}" if sees_label else "$D$",
        )
        ax.plot(x, best[y] if sees_label else torch.full_like(x, 0.5), "k--", linewidth=1)
        if not sees_label:
            break
    ax.set(title="sees $x$ and $y$" if sees_label else "sees only $x$", xlabel="$x$", ylim=(0, 1))
    ax.legend()
    theory = value if sees_label else -2 * math.log(2)
    print(
        f"{'sees x and y' if sees_label else 'sees only x':13}: value of the game {reached:.3f}, by the formula {theory:.3f}"
    )
axes[0].set_ylabel("$D$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Dashed: the formula. The discriminator on the left cannot tell ($D = 1/2$ everywhere, value $-2 \log 2$), so its generator has nothing to learn from. The one on the right finds out at once: an $x$ on the wrong side of 0 for its label is a fake.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. By hand, on a ring
#
# Eight Gaussians on a ring, each with its label. Noise and one-hot label go into the generator side by side, point and label into the discriminator. In the loop, three lines differ from lecture 11: those where $y$ goes in.

# %% slideshow={"slide_type": "fragment"}
num_modes, latent_dim, ring_std = 8, 4, 0.15
turn = 2 * math.pi * torch.arange(num_modes) / num_modes
centers = 2 * torch.stack([turn.cos(), turn.sin()], dim=1)


def one_hot(y):
    return F.one_hot(y, num_modes).float()


def generate(generator, y):
    return generator(torch.cat([torch.randn(len(y), latent_dim), one_hot(y)], dim=1))


asked = torch.arange(num_modes).repeat(30)  # what we shall look at


def score(discriminator, x, y, sees_label):
    return discriminator(torch.cat([x, one_hot(y) * sees_label], dim=1))  # a logit: positive says "real"


# %% slideshow={"slide_type": "fragment"}
def play(sees_label, steps, every=125, batch_size=128):
    """Play the conditional game; return both networks, and what labels `asked` gave every so many steps."""
    generator, discriminator = mlp(latent_dim + num_modes, 2), mlp(2 + num_modes, 1)
    optimizer_g, optimizer_d = (
        torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999)) for network in (generator, discriminator)
    )
    frames = []
    for step in range(steps):
        if step % every == 0:
            frames.append(generate(generator, asked).detach())
        y = torch.randint(0, num_modes, (batch_size,))
        real, fake = centers[y] + ring_std * torch.randn(batch_size, 2), generate(generator, y)
        loss_d = F.softplus(-score(discriminator, real, y, sees_label)).mean()
        loss_d = loss_d + F.softplus(score(discriminator, fake.detach(), y, sees_label)).mean()
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()

        loss_g = F.softplus(-score(discriminator, generate(generator, y), y, sees_label)).mean()  # non-saturating
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
    return generator, discriminator, [*frames, generate(generator, asked).detach()]


# %% slideshow={"slide_type": "fragment"}
from course_utils.animation import animate

games = {}
for name, sees_label in [("told y", 1.0), ("not told y", 0.0)]:
    torch.manual_seed(0)
    games[name] = play(sees_label, steps=100 if FAST else 1500)


def draw(figure, frame):
    for ax, (name, (_, _, frames)) in zip(figure.subplots(1, 2, sharey=True), games.items(), strict=True):
        for label in range(num_modes):
            color = plotting.CLASS_COLORS[label]
            ax.scatter(*frames[frame][asked == label].T, s=5, color=color, linewidths=0)
            ax.text(*(1.4 * centers[label]).tolist(), str(label), color=color, ha="center", va="center", weight="bold")
        ax.set(title=f"discriminator {name}", xlim=(-3.3, 3.3), ylim=(-3.3, 3.3), aspect="equal", xticks=[], yticks=[])


words = (
    "Points of two generators during training. Told y, each colour moves to its own Gaussian; not told, colours mix."
)
animate(draw, len(games["told y"][2]), alt=words, figsize=(5.2, 2.8), num_colors=24)

# %% [markdown] slideshow={"slide_type": "notes"}
# Colour: the label that was asked for; the number outside says where this label lives. On the left each colour finds its place. On the right the points find the ring, but the colours mean nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Asked and given
#
# We ask for each label 1000 times and look which Gaussian is nearest. And a check: give the fakes each other's labels (shuffle $y$). A discriminator that is not told $y$ cannot notice, to the last digit; its generator may do with $y$ whatever it likes.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import mode_coverage

fig, axes = plt.subplots(1, 2, figsize=(5.4, 2.7), sharey=True)
y = torch.arange(num_modes).repeat_interleave(1000)
shuffled = y[torch.randperm(len(y))]
for ax, (name, (generator, discriminator, _)) in zip(axes, games.items(), strict=True):
    with torch.no_grad():
        fake = generate(generator, y)
        logits, logits_shuffled = (
            score(discriminator, fake, label, float(name == "told y")) for label in (y, shuffled)
        )
    given = torch.cdist(fake, centers).argmin(1)
    table = torch.zeros(num_modes, num_modes).index_put_((y, given), torch.tensor(1e-3), accumulate=True)
    ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1)
    ax.set(title=f"discriminator {name}", xlabel="Gaussian given", xticks=range(num_modes), yticks=range(num_modes))
    change = (F.softplus(logits_shuffled).mean() - F.softplus(logits).mean()).item()
    print(f"{name:11}: right label {(given == y).float().mean():6.1%}; {mode_coverage(fake, centers, ring_std)}")
    print(f"{'':11}  shuffled labels change -E log(1 - D) by {change:.3f} nats")
axes[0].set_ylabel("label asked")
plt.show()
assert change == 0

# %% [markdown] slideshow={"slide_type": "notes"}
# On the right the rows are not all alike: the generator does use $y$, as some more noise. It just has no reason to use it as *we* mean it. By chance one in eight is right.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Digits
#
# The same with images. `ConditionalGAN` in `course_utils/models/adversarial/cgan.py` is the game above; its `condition` says how $y$ becomes numbers (here one-hot), and an image is told its label by ten more channels, one of them all ones.
# Pixels are scaled to $[-1, 1]$. After training, the moving average of the generator takes its place (lecture 11). A classifier that never saw the GAN says whether we get what we asked for.

# %% slideshow={"slide_type": "fragment"}
from course_utils.adversarial_training import fit_adversarial
from course_utils.evaluation import digit_classifier, label_accuracy
from course_utils.models.adversarial.cgan import ConditionalGAN, OneHot
from course_utils.models.adversarial.dense import dense_discriminator, dense_generator

digits = data.load("digits")
print(digits.description)
x_train, y_train = 2 * digits.train.x - 1, digits.train.y
classifier = digit_classifier()


def train(model, data, epochs, **settings):
    """Play, and let the moving average take the generator's place."""
    settings = {"batch_size": 64, "lr": 1e-3, "discriminator_lr": 5e-4, "ema_decay": 0.99, "device": "cpu"} | settings
    history = fit_adversarial(model, data, epochs=1 if FAST else epochs, **settings)
    model.generator.load_state_dict(model.averaged.module.state_dict())
    return history


def to_unit(images):
    return ((images + 1) / 2).clamp(0, 1)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
conditional = ConditionalGAN(
    dense_generator(8 + 10, (1, 8, 8)), dense_discriminator((1 + 10, 8, 8)), latent_dim=8, condition=OneHot(10)
)
history = train(conditional, (x_train, y_train), epochs=75)

labels = torch.arange(10)
rows = {"real": torch.stack([x_train[y_train == label][0] for label in labels])}
for row in range(5):
    noise = torch.randn(1, 8).expand(10, 8)
    with torch.no_grad():
        rows[f"z {row + 1}"] = conditional.generate(noise, labels)
plotting.compare_rows({name: to_unit(images) for name, images in rows.items()}, titles=labels.tolist())
plt.show()
y = labels.repeat(100)
print("label as asked:   ", label_accuracy(classifier, to_unit(conditional.sample(1000, y)), y))
print("real test images: ", label_accuracy(classifier, digits.test.x, digits.test.y))

# %% [markdown] slideshow={"slide_type": "notes"}
# A column is a label, a row is one $z$: what the label does not say, such as slant, width and weight of the stroke. As in the conditional VAE of lecture 10, nobody told the network to put *style* into $z$: it is simply what is left.
#
# In a running notebook, press the buttons and move the sliders: two of the eight noise variables, the other six at 0.


# %% slideshow={"slide_type": "subslide"}
def digit_from(y, values):
    return to_unit(conditional.generate(F.pad(values, (0, 6)), y))


widgets.code_sliders(digit_from, ["$z_1$", "$z_2$"], range(10), limits=(-2.5, 2.5))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. A number instead of a label
#
# $y$ may be continuous: a pose, an angle, a colour. There is no "one game for each $y$" any more, since no two examples have the same $y$. The networks must carry over from neighbours, and as smooth functions of $y$ they do.
#
# Sprites are drawn from known factors, so we can *measure* what was generated. We ask for the horizontal position and the hue. Hue is a circle (after violet comes red again), so it enters as cosine and sine of its angle.
# Everything else (shape, size, angle, height) is left to $z$. And to see whether the network carries over, training has **no sprite in a band** in the middle.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.cgan import Values

sprite_x, factors = data.sprites(500 if FAST else 4000, size=16)
position, hue = factors[:, 3], factors[:, 5]
seen = (position - 0.5).abs() > 0.03


def wish(position, hue):
    """What the networks are told: numbers of size about one. (B,), (B,) -> (B, 3)."""
    angle = 2 * math.pi * hue
    return torch.stack([5 * (position - 0.5), angle.cos(), angle.sin()], dim=1)


torch.manual_seed(0)
painter = ConditionalGAN(
    dense_generator(8 + 3, (3, 16, 16)), dense_discriminator((3 + 3, 16, 16)), latent_dim=8, condition=Values(3)
)
history = train(painter, (2 * sprite_x[seen] - 1, wish(position, hue)[seen]), epochs=22)


# %% [markdown] slideshow={"slide_type": "subslide"}
# The measuring instrument: the centre of the ink, and the angle of the mean colour. First we try it on real sprites, whose factors we know.


# %% slideshow={"slide_type": "fragment"}
def measure(images):
    """Horizontal and vertical centre in [0, 1], hue in [0, 1): three of (N,), of images (N, 3, S, S) in [0, 1]."""
    places = (torch.arange(images.shape[-1]) + 0.5) / images.shape[-1]
    ink = images.sum(1)
    total = ink.sum((1, 2))
    red, green, blue = images.sum((2, 3)).unbind(1)
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    return (ink.sum(1) * places).sum(1) / total, (ink.sum(2) * places).sum(1) / total, angle / (2 * math.pi) % 1


def hue_distance(a, b):
    return ((a - b + 0.5) % 1 - 0.5).abs()


x_real, _, hue_real = measure(sprite_x)
print(f"instrument, largest error on real sprites: position {(x_real - position).abs().max():.4f},", end=" ")
print(f"hue {hue_distance(hue_real, hue).max():.4f}")
assert (x_real - position).abs().max() < 0.01

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(1)
asked_x, asked_hue = 0.3 + 0.4 * torch.rand(800), torch.rand(800)
x_made, y_made, hue_made = measure(to_unit(painter.sample(800, wish(asked_x, asked_hue))))
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.8))
axes[0].axvspan(0.47, 0.53, color="0.85", label="never seen")
axes[0].scatter(asked_x, x_made, c=plt.cm.hsv(asked_hue.numpy()), s=6)
axes[0].plot([0.3, 0.7], [0.3, 0.7], "k--", linewidth=1)
axes[0].set(xlabel="position asked", ylabel="position measured")
axes[0].legend(loc="upper left")
axes[1].scatter(asked_hue, hue_made, c=plt.cm.hsv(asked_hue.numpy()), s=6)
axes[1].plot([0, 1], [0, 1], "k--", linewidth=1)
axes[1].set(xlabel="hue asked", ylabel="hue measured")
plt.show()
band = (asked_x - 0.5).abs() < 0.03
for name, part in [("seen", ~band), ("unseen band", band)]:
    print(f"{name:12} position off by {(x_made - asked_x)[part].abs().mean():.3f} on average,", end=" ")
    print(f"hue by {hue_distance(hue_made, asked_hue)[part].mean():.3f}")
print(
    f"a pixel is {1 / 16:.3f} wide; height was not asked for: its spread is {y_made.std():.3f}, in the data {factors[:, 4].std():.3f}"
)

# %% [markdown] slideshow={"slide_type": "subslide"}
# A table of wishes: across the position, down the hue, and $z$ the same everywhere.

# %% slideshow={"slide_type": "fragment"}
steps = torch.linspace(0.3, 0.7, 9)
noise = torch.randn(1, 8, generator=torch.Generator().manual_seed(3)).expand(9, 8)
rows = {}
for value in (0.0, 0.2, 0.4, 0.6, 0.8):
    with torch.no_grad():
        rows[f"hue {value}"] = to_unit(painter.generate(noise, wish(steps, torch.full_like(steps, value))))
fig, ax = plt.subplots(figsize=(5, 2.8))
plotting.compare_rows(rows, ax, titles=[f"{step:.2f}" for step in steps])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The measured factor follows the wish, in the band that no example showed, too. What this does *not* show: that wishes outside the data (a position of 0.9) would be met. And look at the shapes: blobs, hardly a square or a heart among them. The wishes are met better than the
# rest is drawn: a wish is checked in every example, while a corner is two pixels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. ACGAN: the discriminator names the label
#
# Another way to make the label count (Odena et al. 2017): do not *tell* the discriminator, **ask** it. Beside "real or fake?" it has a second output, a classifier $P(y \mid x)$. With
#
# $$ L_S = \mathbb E\big[\log P(\text{real} \mid x)\big] + \mathbb E\big[\log P(\text{fake} \mid G(z, y))\big], \qquad L_C = \mathbb E\big[\log P(y \mid x)\big] + \mathbb E\big[\log P(y \mid G(z, y))\big], $$
#
# | | maximises | because |
# |---|---|---|
# | discriminator and classifier | $L_S + L_C$ | tell real from fake; name the label of real images *and* of fakes |
# | generator | $L_C - L_S$ | be taken for real; **be given the right name** |
#
# Mind the signs. In $L_S$ the two are opponents: it enters with plus for one and minus for the other. In $L_C$ they are **allies**: plus for both. Each logarithm is at most 0, so code that minimises uses the cross-entropies $-L_C$ with a plus for both, too.
#
# The classifier may **share** its lower layers with the discriminator (two heads on one trunk, as in the paper), or be a **separate** network.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.acgan import ACGAN
from course_utils.models.adversarial.dense import SideBySide, TwoHeaded, dense_trunk


def classifier_net(num_classes, shape):
    return nn.Sequential(dense_trunk(shape), nn.Linear(128, num_classes))


shape = (1, 8, 8)
named = {"told (section 3)": conditional}
for name in ("ACGAN, shared", "ACGAN, separate"):
    torch.manual_seed(0)
    if name == "ACGAN, shared":
        critic = TwoHeaded(dense_trunk(shape), 128, 10)
    else:
        critic = SideBySide(dense_discriminator(shape), classifier_net(10, shape))
    named[name] = ACGAN(dense_generator(8 + 10, shape), critic, latent_dim=8, num_classes=10)
    history = train(named[name], (x_train, y_train), epochs=75)

# %% [markdown] slideshow={"slide_type": "subslide"}
# First the signs, live. We take one batch and ask each loss for its slope in the class logits of the fakes: both turns must push the logit of the *right* label up. And in the logit of the source they must pull in opposite directions.

# %% slideshow={"slide_type": "fragment"}
model = named["ACGAN, shared"]
y = torch.randint(0, 10, (64,))
logits, class_logits = (
    out.detach().requires_grad_() for out in model.discriminator(model.generate(model.noise(64), y))
)
turns = {
    "discriminator": F.softplus(logits).mean() + F.cross_entropy(class_logits, y),  # -L_S - L_C, the part of the fakes
    "generator": F.softplus(-logits).mean() + F.cross_entropy(class_logits, y),  # non-saturating, and -L_C
}
for name, loss in turns.items():
    slope, class_slope = torch.autograd.grad(loss, [logits, class_logits])
    right = class_slope.gather(1, y[:, None])
    print(
        f"{name:14} wants the logit of 'real' {'up' if (slope < 0).all() else 'down'}, that of the right label {'up' if (right < 0).all() else 'down'}"
    )


# %% slideshow={"slide_type": "fragment"}
def spread(images, y):
    """Mean distance of two images of one label, in pixels' units, averaged over the labels."""
    return torch.stack([torch.pdist(images[y == label].flatten(1)).mean() for label in y.unique()]).mean().item()


y = labels.repeat(100)
rows = {}
print(f"{'':18}{'label as asked':>18}{'spread within a label':>24}")
for name, model in named.items():
    torch.manual_seed(1)
    images = to_unit(model.sample(1000, y))
    rows[name] = images[:10]
    print(f"{name:18}{label_accuracy(classifier, images, y)!s:>18}{spread(images, y):24.2f}")
print(
    f"{'real (train)':18}{label_accuracy(classifier, digits.train.x, y_train)!s:>18}{spread(digits.train.x, y_train):24.2f}"
)
fig, ax = plt.subplots(figsize=(5.4, 1.6))
plotting.compare_rows(rows, ax, titles=labels.tolist())
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Asked for the label, the networks obey better than when they are told it: the generator is paid for nothing else but being named right. The second column shows a price. Images of one label lie closer together than those of the conditional GAN, most so with the shared trunk, and all of them closer than real ones:
# an easy case of a digit is named with more ease than an odd one. (One start each; we come back to the price below.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Change the attribute, keep the identity
#
# A label is a one-hot vector, and nothing stops us from giving the generator "half this, half that". Keep $z$ and walk from one label to another: the **attribute** changes, the **identity** (all that the label does not say) should stay. Keep the label and walk in $z$:
# the identity changes, the attribute should stay.
#
# To measure it we need known factors: squares of four colours, 8x8 pixels. The colour is the label; the place is the identity.

# %% slideshow={"slide_type": "fragment"}
square_factors = data.sprites(500 if FAST else 4000, size=8, seed=1).y
square_factors[:, :3] = torch.tensor([0.0, 0.35, 0.0])  # squares of one size, upright
square_factors[:, 5] = (4 * square_factors[:, 5]).floor() / 4  # four hues: 0, 1/4, 1/2, 3/4
square_x, square_y = 2 * data.render_sprites(square_factors, 8) - 1, (4 * square_factors[:, 5]).long()

torch.manual_seed(0)
shape = (3, 8, 8)
chameleon = ACGAN(dense_generator(8 + 4, shape), TwoHeaded(dense_trunk(shape), 128, 4), latent_dim=8, num_classes=4)
history = train(chameleon, (square_x, square_y), epochs=16, discriminator_lr=1e-3)

torch.manual_seed(5)
noise, noise_to = torch.randn(2, 300, 8)
red, cyan = torch.zeros(300, dtype=torch.long), torch.full((300,), 2)
attribute_walk = to_unit(chameleon.change_condition(noise, red, cyan, num_steps=9))  # (steps, 300, 3, 8, 8)
identity_walk = to_unit(chameleon.change_noise(noise, noise_to, red, num_steps=9))

# %% slideshow={"slide_type": "fragment"}
rows = {f"attribute, z {i + 1}": attribute_walk[:, i] for i in range(3)}
rows |= {f"identity, z {i + 1}": identity_walk[:, i] for i in range(3)}
fig, ax = plt.subplots(figsize=(5.4, 3.1))
plotting.compare_rows(rows, ax, titles=["start", *[""] * 7, "end"])
plt.show()
print(f"{'':16}{'place moved by':>16}{'hue moved by':>16}")
for name, walk in {"attribute walk": attribute_walk, "identity walk": identity_walk}.items():
    (x_0, y_0, hue_0), (x_1, y_1, hue_1) = measure(walk[0]), measure(walk[-1])
    moved = torch.hypot(x_1 - x_0, y_1 - y_0).mean()
    print(f"{name:16}{moved:16.3f}{hue_distance(hue_0, hue_1).mean():16.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Above, the colour changes and the square stays nearly where it was; below, the square moves and stays red. The printed lines say it in numbers: hue is half a circle (0.5) away at the end of the attribute walk and hardly moves on the other, and the place moves several times less. (A pixel is 1/8 wide.)
#
# In the middle of the attribute walk stands a greyish square. "Half red, half cyan" is a code that training never used, and no data say what it should look like; between two *hues asked as an angle* (section 4) lies a hue.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A limit of ACGAN: it likes the easy cases
#
# The generator is paid for images that the classifier *names with ease*. If labels overlap, the data near the border are hard to name, and a generator that leaves them out earns more. Two labels in 1-D, $p(x \mid y) = \mathcal N(\pm 1, 1)$, show it: here the conditional game
# has its best answer at $p_G(x \mid y) = p(x \mid y)$, and ACGAN's game does not.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.networks import mlp_discriminator, mlp_generator

y = torch.randint(0, 2, (4000,), generator=torch.Generator().manual_seed(0))
pairs = (means[y] + torch.randn(4000, generator=torch.Generator().manual_seed(1))).unsqueeze(1), y
torch.manual_seed(0)
overlap = {
    "conditional GAN": ConditionalGAN(mlp_generator(1 + 2, 1, 64), mlp_discriminator(1 + 2, 64), 1, OneHot(2)),
    "ACGAN": ACGAN(mlp_generator(1 + 2, 1, 64), TwoHeaded(mlp_discriminator(1, 64)[:-2], 64, 2), 1, 2),
}
grid = torch.linspace(-4.5, 4.5, 200)
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.4), sharey=True)
for ax, (name, model) in zip(axes, overlap.items(), strict=True):
    history = train(model, pairs, epochs=40, batch_size=128, discriminator_lr=2e-3)
    for label, color in [(0, "C0"), (1, "C1")]:
        drawn = model.sample(5000, label)[:, 0]
        ax.hist(drawn.tolist(), bins=60, range=(-4.5, 4.5), density=True, alpha=0.5, color=color)
        ax.plot(grid, Normal(means[label], 1.0).log_prob(grid).exp(), color=color)
        print(
            f"{name:16} label {label}: mean {drawn.mean():5.2f} (data {means[label]:5.2f}), spread {drawn.std():.2f} (data 1.00)"
        )
    ax.set(title=name, xlabel="$x$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left, both histograms follow their curves, through the region where the labels overlap. Right, there is a gap around 0, and the mass that is missing stands beside it: means too far out, spread too small. The same force made the digits above alike. It shows up more, the more the labels overlap, and the larger the weight of $L_C$ (Shu et al. 2017; Gong et al. 2019 propose a cure).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Close codes, similar images
#
# So far somebody had to write down the labels. Could a GAN find the factors by itself? First, what is there to find in its noise $z$?
#
# A generator is a continuous function, so **close codes give similar images**. That is a property of the network, not of the data: a lookup table from codes to training images would draw perfect samples without it. We measure both. For pairs of codes
# at a chosen distance (on the arc $\cos t\, z + \sin t\, z'$, which keeps the norm as the prior has it), how far are the images apart?

# %% slideshow={"slide_type": "fragment"}
angles = torch.linspace(0, math.pi / 2, 10)
torch.manual_seed(2)
noise, other = torch.randn(2, 400, 8)
y = torch.randint(0, 10, (400,))
codebook = torch.randn(300, 8)  # the table: the training image of the nearest entry, for 300 threes
threes = x_train[y_train == 3]
entries = threes[torch.randint(0, len(threes), (300,))]
curves = {"generator": [], "lookup table": []}
for angle in angles:
    near = angle.cos() * noise + angle.sin() * other
    with torch.no_grad():
        curves["generator"].append(
            (conditional.generate(noise, y) - conditional.generate(near, y)).flatten(1).norm(dim=1)
        )
    looked_up = [entries[torch.cdist(z, codebook).argmin(1)] for z in (noise, near)]
    curves["lookup table"].append((looked_up[0] - looked_up[1]).flatten(1).norm(dim=1))

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5, 2.6))
for name, distances in curves.items():
    means_of = torch.stack(distances).mean(1)
    ax.plot(angles * 180 / math.pi, means_of, "o-", label=name)
    print(
        f"{name:13} {angles[1] * 180 / math.pi:.0f} degrees apart: {means_of[1]:.2f}; independent codes: {means_of[-1]:.2f}"
    )
ax.set(xlabel="angle between the codes, degrees", ylabel="distance of the images", ylim=(0, None))
ax.legend(loc="lower right")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The generator's curve rises gently from 0: a small step in the code is a small step in the image. The table gives either the same image or a jump to another one, so ten degrees already cost a larger part of the full distance. This is why interpolations and sliders make sense for a generator at all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Similar is not yet interpretable
#
# A code is **disentangled** if each of its numbers moves one factor of the image and leaves the others. Take the ACGAN of the coloured squares: its eight noise variables must hold the place somehow. For each of them and each factor we print the squared correlation: the share of the factor's
# variance that this variable explains (linearly). Disentangled means: a large share in one place of a column, and none in the others.


# %% slideshow={"slide_type": "fragment"}
def explained(codes, images):
    """Squared correlation of each code (N, E) with the place of the square: (E, 2)."""
    across, height, _ = measure(images)
    joint = torch.corrcoef(torch.cat([codes, torch.stack([across, height], dim=1)], dim=1).T)
    return joint[: codes.shape[1], codes.shape[1] :].square()


def show_table(table, ax, title, name):
    ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in [((r, c), table[r, c].item()) for r in range(len(table)) for c in range(2)]:
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.5 else "black")
    ticks = [f"${name}_{row + 1}$" for row in range(len(table))]
    ax.set(title=title, xticks=[0, 1], xticklabels=["across", "height"], yticks=range(len(table)), yticklabels=ticks)


noise = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    entangled = explained(noise, to_unit(chameleon.generate(noise, torch.arange(4).repeat(750))))
fig, ax = plt.subplots(figsize=(2.8, 2.8))
show_table(entangled, ax, "noise of the ACGAN", "z")
plt.show()
print("best single variable: across {:.2f}, height {:.2f}".format(*entangled.max(0).values.tolist()))

# %% [markdown] slideshow={"slide_type": "notes"}
# Read the columns: neither coordinate has a variable to itself. Across is shared out among several; height has a favourite, but others have their say. Another start would share it out in another way.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Mutual information
#
# InfoGAN (Chen et al. 2016) splits the noise in two: $z$ as before, and a **code** $c$. The game does not say what to do with $c$, and the generator may ignore it. So it adds one wish: **who sees the image $x = G(z, c)$ should know the code $c$.**
#
# How much does one know? Count in *entropy*, $H(c) = -\sum_c p(c) \log p(c)$, the uncertainty in nats about a draw. Before the image: $H(c)$. After an image $x$ the code has the posterior $p(c \mid x)$, and on average over images there is left
# $H(c \mid x) = \mathbb E_x\big[-\sum_c p(c \mid x) \log p(c \mid x)\big]$. The difference is what the image tells, the **mutual information**:
#
# $$ I(c;\, G(z, c)) = \underbrace{H(c)}_{\text{uncertain before}} - \underbrace{H(c \mid G(z, c))}_{\text{uncertain after}} . $$
#
# It is 0 if the image says nothing about the code, and $H(c)$, the most there is, if it says all.
#
# Let us look at a "generator" so simple that everything is known: a **channel** that is given one of $K = 4$ codes and sends it on, but with probability $e$ sends one of the other three.

# %% slideshow={"slide_type": "fragment"}
K = 4


def channel(error):
    """p(c, x) for a uniform code: (K, K), rows c, columns x."""
    same = torch.eye(K, dtype=torch.float64)
    return ((1 - error) * same + error / (K - 1) * (1 - same)) / K


def entropy(p):
    return -torch.special.xlogy(p, p).sum()


def mutual_information(joint):
    """H(c) - H(c | x), in nats, of a table p(c, x)."""
    p_x = joint.sum(0)
    after = sum(p_x[x] * entropy(joint[:, x] / p_x[x]) for x in range(joint.shape[1]))
    return entropy(joint.sum(1)) - after


# %% slideshow={"slide_type": "fragment"}
errors = torch.linspace(0, 1, 101).tolist()
information = torch.stack([mutual_information(channel(error)) for error in errors])
joint = channel(0.2)
print(f"error 0.2: H(c) = {entropy(joint.sum(1)):.3f}, I = {mutual_information(joint):.3f} nats")
closed_form = math.log(K) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2 / (K - 1))
backwards = mutual_information(joint.T)  # what the code tells about the output
assert abs(mutual_information(joint) - closed_form) < 1e-12
assert abs(mutual_information(joint) - backwards) < 1e-12

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.6), width_ratios=[1, 1.7])
axes[0].imshow(joint.numpy(), cmap="Blues", vmin=0)
axes[0].set(title="$p(c, x)$, error 0.2", xlabel="$x$", ylabel="$c$", xticks=range(K), yticks=range(K))
axes[1].fill_between(errors, information, label="$I(c; x)$: what $x$ tells", alpha=0.6)
axes[1].fill_between(errors, information, math.log(K), label="$H(c | x)$: what stays open", alpha=0.3)
axes[1].set(xlabel="error of the channel", ylabel="nats", xlim=(0, 1), ylim=(0, math.log(K)))
axes[1].legend(loc="upper right", frameon=True)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# At an error of $3/4$ all four outputs are equally likely whatever was sent: nothing is told. Beyond it, something is told again: what was *not* sent. Information does not ask for $x = c$, only that one can conclude from $x$ to $c$. For InfoGAN this means: *which* digit becomes code 3 is left to chance.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. A bound that a network can climb
#
# For a generator the posterior $p(c \mid x)$ is not known, and with it neither is $H(c \mid x)$. The way out is that of lecture 10: let a second network guess. The **auxiliary network** $Q(c \mid x)$ looks at an image and returns a distribution over its code.
#
# **Step 1.** Write out the entropy; draw $x = G(z, c)$, then a code $c'$ from the posterior of this $x$:
#
# $$ I(c; G(z, c)) = H(c) + \mathbb E_{x}\, \mathbb E_{c' \sim p(c \mid x)}\big[\log p(c' \mid x)\big] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 2.** Multiply by one, $Q(c' \mid x) / Q(c' \mid x)$, inside the logarithm, and split it:
#
# $$ = H(c) + \mathbb E_{x}\, \mathbb E_{c' \sim p(c \mid x)}\big[\log Q(c' \mid x)\big] + \mathbb E_{x}\, \mathbb E_{c' \sim p(c \mid x)}\Big[\log \frac{p(c' \mid x)}{Q(c' \mid x)}\Big] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 3.** The last is a Kullback-Leibler divergence, so it is never negative. Drop it:
#
# $$ \ge H(c) + \mathbb E_{x}\, \mathbb E_{c' \sim p(c \mid x)}\big[\log Q(c' \mid x)\big] $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Step 4.** We still cannot draw $c'$ from the posterior. But we need not: a code $c$ from the prior, an image $x = G(z, c)$ made with it, and a code $c'$ from the posterior of this image; then the pairs $(c', x)$ and $(c, x)$ have the same distribution, $p(c \mid x)\, p(x) = p(c)\, p(x \mid c)$. Take the code that made the image:
#
# $$ L_I(G, Q) = \underbrace{\mathbb E_{c \sim p(c),\, x \sim G(z, c)}\big[\log Q(c \mid x)\big]}_{\text{how well } Q \text{ guesses the code}} + \underbrace{H(c)}_{\text{a constant}} \;\le\; I(c; G(z, c)) $$
#
# | term | what it is | can we compute it? |
# |---|---|---|
# | $H(c)$ | uncertainty about the code before: we chose $p(c)$ | yes: $\log K$ for $K$ equally likely classes |
# | $\mathbb E[\log Q(c \mid x)]$ | log-probability that $Q$ gives to the code used | yes: draw a code, draw an image, ask $Q$ |
# | $\mathbb E_x[\mathrm{KL}(p(c \mid x) \,\|\, Q(c \mid x))]$ | what a poor $Q$ loses: the gap | **no**, but it is $\ge 0$, and 0 for the best $Q$ |
#
# Maximise $L_I$ in $Q$, and the gap closes; maximise it in $G$, and the images tell more. Subtract it from the game:
#
# $$ \min_{G, Q} \max_D \; V(D, G) - \lambda\, L_I(G, Q) . $$

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does it hold?
#
# Our channel has an error of 0.2. On the left $Q$ is the posterior of a channel with *another* error: we compute bound, gap and information from the table, exactly. On the right $Q$ is a table of logits that starts at nonsense and learns from draws of $(c, x)$ alone.

# %% slideshow={"slide_type": "fragment"}
truth = mutual_information(joint)
beliefs = torch.linspace(0.01, 0.97, 97).tolist()
bounds = []
for belief in beliefs:
    Q = K * channel(belief)  # Q(c | x): the columns sum to one
    bound = math.log(K) + (joint * Q.log()).sum()
    posterior = joint / joint.sum(0)
    gap = (joint * (posterior / Q).log()).sum()  # E_x KL(p(c | x) || Q(c | x))
    assert gap >= 0
    assert abs(bound + gap - truth) < 1e-12
    bounds.append(bound)

torch.manual_seed(0)
logits = (2 * torch.randn(K, K)).requires_grad_()  # of Q(c | x): row x, column c
optimizer = torch.optim.Adam([logits], lr=0.05)
learned = []
for _ in range(200):
    index = torch.multinomial(joint.flatten().float(), 200, replacement=True)  # draws of (c, x)
    c, x = index // K, index % K
    loss = F.cross_entropy(logits[x], c)  # -E log Q(c | x)
    learned.append(math.log(K) + (joint.T * logits.detach().log_softmax(1)).sum().item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.5), sharey=True)
axes[0].plot(beliefs, bounds)
axes[0].set(xlabel="error that $Q$ believes in", ylabel="nats", ylim=(-1.7, 1))
axes[1].plot(learned)
axes[1].set(xlabel="step of $Q$")
for ax in axes:
    ax.axhline(truth, color="black", linestyle="--", linewidth=1)
axes[0].text(0.03, truth + 0.06, "$I(c; x)$")
axes[1].text(120, truth - 0.35, "$L_I$", color="C0")
plt.show()
print(
    f"I = {truth:.4f}; best belief {beliefs[torch.stack(bounds).argmax()]:.2f}, bound there {max(bounds):.4f}; learned Q: {learned[-1]:.4f}"
)
assert max(learned) <= truth

# %% [markdown] slideshow={"slide_type": "notes"}
# A bound may even be negative: a $Q$ that is sure and wrong is worse than none. It touches the information exactly where $Q$ believes what is true.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. What $Q$ returns
#
# **Categorical codes**, uniform over $K$ classes: $Q$ returns $K$ logits, $Q(c \mid x) = \mathrm{softmax}(Q(x))_c$, and $-\mathbb E \log Q$ is the **cross-entropy** of a classifier whose labels are the codes that we drew ourselves:
#
# $$ L_I = \log K - \mathrm{CE}\big(\mathrm{softmax}(Q(x)),\, c\big) . $$
#
# **Continuous codes**, uniform on $[-1, 1]$ (so $H(c) = \log 2$): $Q$ returns the mean and the spread of a Gaussian, $\mu, \sigma = Q(x)$ (in code $\log \sigma^2$, so that $\sigma$ is positive), and
#
# $$ L_I = \log 2 + \mathbb E\Big[ -\tfrac12 \Big(\frac{c - \mu(x)}{\sigma(x)}\Big)^2 - \log \sigma(x) - \tfrac12 \log 2\pi \Big] . $$
#
# With a fixed $\sigma$ this is the squared error of a regression. With a learned one, $Q$ also says how sure it is.
#
# A check on a continuous channel, $x = c + s \cdot \text{noise}$: here $I(c; x) = H(x) - H(\text{noise})$, and both can be integrated on a grid. A small network learns $\mu$ and $\log \sigma^2$ from draws.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.infogan import gaussian_code_log_prob

grid = torch.linspace(-4, 4, 4001, dtype=torch.float64)


def exact_information(s):
    normal = Normal(0.0, 1.0)
    p_x = (normal.cdf((grid + 1) / s) - normal.cdf((grid - 1) / s)) / 2  # uniform code plus noise
    return (-torch.trapezoid(torch.special.xlogy(p_x, p_x), grid) - 0.5 * math.log(2 * math.pi * math.e * s**2)).item()


# %% slideshow={"slide_type": "fragment"}
def learn_q(s, steps):
    q = mlp(1, 2, 32)
    optimizer = torch.optim.Adam(q.parameters(), lr=5e-3)
    for step in range(steps + 1):
        c = 2 * torch.rand(20_000 if step == steps else 500, 1) - 1
        mu, logvar = q(c + s * torch.randn_like(c)).chunk(2, dim=1)
        bound = math.log(2) + gaussian_code_log_prob(mu, logvar, c).mean()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()
    return q, bound.item()


c, mu, logvar = torch.randn(3, 5, 1)
assert torch.allclose(
    gaussian_code_log_prob(mu, logvar, c), Normal(mu, (0.5 * logvar).exp()).log_prob(c)[:, 0], atol=1e-5
)

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
spreads = [0.1, 0.2, 0.4, 0.7]
learned_qs = {s: learn_q(s, steps=20 if FAST else 350) for s in spreads}
x, codes = torch.linspace(-1.6, 1.6, 100), torch.linspace(-1, 1, 400)
with torch.no_grad():
    mu, logvar = learned_qs[0.4][0](x[:, None]).T
sigma = (0.5 * logvar).exp()
posterior = (-0.5 * ((x[:, None] - codes) / 0.4) ** 2).softmax(1)  # the true one, on a grid of codes
mean = posterior @ codes
std = (posterior @ codes**2 - mean**2).sqrt()

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.6))
axes[0].fill_between(x, mu - sigma, mu + sigma, alpha=0.3, label=r"$\mu \pm \sigma$ of $Q$")
axes[0].plot(x, mean - std, "k--", linewidth=1, label="true posterior")
axes[0].plot(x, mean + std, "k--", linewidth=1)
axes[0].set(xlabel="$x$", ylabel="code $c$", title="noise $s = 0.4$")
axes[0].legend(loc="upper left")
exact = [exact_information(s) for s in spreads]
axes[1].plot(spreads, exact, "k--", linewidth=1, label="$I(c; x)$, exact")
axes[1].plot(spreads, [learned_qs[s][1] for s in spreads], "o", label="$L_I$ of the learned $Q$")
axes[1].set(xlabel="noise $s$ of the channel", ylabel="nats", ylim=(0, None))
axes[1].legend()
plt.show()
for s, value in zip(spreads, exact, strict=True):
    print(f"s = {s}: I = {value:.3f}, bound of the learned Q {learned_qs[s][1]:.3f} (20,000 draws)")

# %% [markdown] slideshow={"slide_type": "notes"}
# The bound stays below the information, and here it cannot touch it: the code ends at $\pm 1$, so the true posterior is cut off there, and no Gaussian is. The more noise, the more this counts. (Without any information the best Gaussian, of variance $1/3$, would give $\log 2 - \frac12 \log(2 \pi e / 3)$, which is negative.) It is a bound all the same.
#
# Mind one difference. A category can tell at most $\log K$ nats; a number can tell without limit, since $-\log \sigma$ grows as $\sigma$ shrinks. So continuous codes get a smaller $\lambda$ (0.1 against 1 here), lest the generator give up variety for precision.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. InfoGAN on digits, without labels
#
# One categorical code of ten classes, two continuous codes, four noise variables. $Q$ is a second head on the discriminator's trunk, so it costs next to nothing. Head and generator take their step together (they are allies in $L_I$); the trunk steps with the discriminator. No label is used in training.
#
# For comparison, the very same network and game with $\lambda = 0$.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import matched_accuracy
from course_utils.models.adversarial.infogan import Codes, InfoGAN


def new_infogan(weight, seed):
    torch.manual_seed(seed)
    return InfoGAN(
        dense_generator(4 + 10 + 2, (1, 8, 8)),
        TwoHeaded(dense_trunk((1, 8, 8)), 128, 10 + 2 * 2),
        latent_dim=4,
        num_classes=(10,),
        num_values=2,
        category_weight=weight,
        value_weight=0.1 * weight,
    )


infogans = {}
for name, weight in [("with L_I", 1.0), ("without", 0.0)]:
    infogans[name] = new_infogan(weight, seed=0)
    history = train(infogans[name], x_train, epochs=75)

# %% [markdown] slideshow={"slide_type": "subslide"}
# Which code is which digit? Nobody told. So we match codes to classes one to one, as well as it can be done (the *matched accuracy*), once for generated images, named by the classifier, and once for real training images, whose code is what $Q$ says.

# %% slideshow={"slide_type": "fragment"}
for name, model in infogans.items():
    torch.manual_seed(3)
    codes = model.codes(2000)
    images = model.sample(2000, codes)
    shown = classifier(to_unit(images)).argmax(1)
    generated = matched_accuracy(codes.categories[:, 0], shown)
    found = matched_accuracy(model.infer(x_train).categories[:, 0], y_train)
    with torch.no_grad():
        bound, _ = model.information(model.split(model.discriminator(images)[1]), codes)
    print(f"{name:9}: L_I of the category {bound:6.3f} of at most log 10 = {math.log(10):.3f} nats")
    print(
        f"{'':9}  matched accuracy: generated images {generated.accuracy:.1%}, codes of real images {found.accuracy:.1%}"
    )
    if name == "with L_I":
        order = sorted(range(10), key=lambda code: generated.assignment.get(code, 10))
        print(f"{'':9}  code -> digit: {generated.assignment}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Code sweeps.** A row for each category (sorted by the digit matched to it), and from left to right one continuous code from $-1.5$ to $1.5$ (trained on $[-1, 1]$; the paper, too, looks beyond the ends), the same noise everywhere. In a running notebook these are buttons and sliders.

# %% slideshow={"slide_type": "fragment"}
fixed = torch.randn(1, 4, generator=torch.Generator().manual_seed(1))


def from_codes(y, values):
    categories = torch.tensor(order)[y].unsqueeze(1)
    return to_unit(infogans["with L_I"].generate(fixed.expand(len(y), 4), Codes(categories, values)))


widgets.code_sliders(from_codes, ["$c_1$", "$c_2$"], [f"code {code}" for code in order], limits=(-1.5, 1.5))

# %% [markdown] slideshow={"slide_type": "notes"}
# In many rows one reads one digit in the middle, and the two continuous codes change how it is written; towards the ends, some rows turn into other digits. With the term, $Q$ reads the code off nearly every generated image ($L_I$ is close to $\log 10$), and the codes agree with the classes of the digits far better than without it: there, the code is one more noise
# variable. But *far better* is not *well*: for about a third of the generated images code and digit disagree. (This is one start, seed 0; section 12 shows others.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. InfoGAN on sprites of known factors
#
# The coloured squares of section 5, now *without* their labels: four categories for four colours, two continuous codes for two coordinates. Here we know what there is to find. $Q$ is a network of its own this time (`SideBySide`), so that it may look at what the discriminator does not care for.
# We start three times; only the seed differs.

# %% slideshow={"slide_type": "fragment"}
finders = {}
for seed in range(1 if FAST else 3):
    torch.manual_seed(seed)
    shape = (3, 8, 8)
    critic = SideBySide(dense_discriminator(shape), classifier_net(4 + 2 * 2, shape))
    finders[seed] = InfoGAN(dense_generator(8 + 4 + 2, shape), critic, latent_dim=8, num_classes=(4,), num_values=2)
    history = train(finders[seed], square_x, epochs=16, discriminator_lr=1e-3, seed=seed)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, len(finders), figsize=(6.4, 1.8), squeeze=False)
for ax, (seed, finder) in zip(axes[0], finders.items(), strict=True):
    torch.manual_seed(4)
    codes = finder.codes(3000)
    images = to_unit(finder.sample(3000, codes))
    colour_made = (4 * measure(images)[2]).round().long() % 4
    made = matched_accuracy(codes.categories[:, 0], colour_made).accuracy
    found = matched_accuracy(finder.infer(square_x).categories[:, 0], square_y).accuracy
    with torch.no_grad():
        bounds = finder.information(finder.split(finder.discriminator(2 * images - 1)[1]), codes)
    show_table(explained(codes.values, images), ax, f"seed {seed}", "c")
    print(f"seed {seed}: category is colour, matched: generated {made:.1%}, real {found:.1%};", end=" ")
    print(f"L_I {bounds[0]:.2f} (at most {math.log(4):.2f}) + {bounds[1]:.2f} nats")
plt.show()

# %% slideshow={"slide_type": "fragment"}
sweep, fixed_8, rows = torch.linspace(-1, 1, 9), torch.zeros(9, 8), {}
for seed in (0, len(finders) - 1):
    for code in range(2):
        values = torch.zeros(9, 2)
        values[:, code] = sweep
        with torch.no_grad():
            made = finders[seed].generate(fixed_8, Codes(torch.full((9, 1), 1), values))
        rows[f"seed {seed}: $c_{code + 1}$"] = to_unit(made)
    with torch.no_grad():
        made = finders[seed].generate(fixed_8, Codes(torch.arange(9).remainder(4)[:, None], torch.zeros(9, 2)))
    rows[f"seed {seed}: category"] = to_unit(made)
fig, ax = plt.subplots(figsize=(4.6, 3))
plotting.compare_rows(rows, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Look at seed 0: the category *is* the colour, for generated and for real squares, $c_1$ is the place across, $c_2$ the height. Nobody told it about colours or coordinates. Two numbers that are uniform on $[-1, 1]$ fill a square, and a square, unlike the round cloud of $\mathcal N(0, I)$, does not look the same from all sides: this favours the axes.
#
# And now seeds 1 and 2: the same network, data and settings. The category is as readable as before ($L_I$ of it is close to the full $\log 4$), but it is not the colour; with seed 2, $c_2$ changes the colour instead. *Just as much information, less interpretation.* The bound cannot tell the good start from the others. (In the rows of the category the columns are 0, 1, 2, 3, 0, ...)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Where it fails
#
# **The codes need not be the classes.** $L_I$ asks only that codes can be told apart, and all that the game adds is that each looks real. Ten groups of digits that are easy to tell apart need not be *the* ten digits: a slanted 1 may get a code of its own, and 3 and 9 share one. Nothing in the objective prefers our labels. So results differ from seed to seed.
# Section 11 showed it on squares; here are two more starts on digits.

# %% slideshow={"slide_type": "fragment"}
for seed in (0, 1, 2):
    model = infogans["with L_I"] if seed == 0 else new_infogan(1.0, seed)
    if seed > 0:
        history = train(model, x_train, epochs=75, seed=seed)
    torch.manual_seed(3)
    codes = model.codes(2000)
    images = model.sample(2000, codes)
    with torch.no_grad():
        bound, _ = model.information(model.split(model.discriminator(images)[1]), codes)
    shown = classifier(to_unit(images)).argmax(1)
    generated = matched_accuracy(codes.categories[:, 0], shown).accuracy
    found = matched_accuracy(model.infer(x_train).categories[:, 0], y_train).accuracy
    print(
        f"seed {seed}: matched accuracy: generated {generated:.1%}, real {found:.1%}; L_I of the category {bound:.3f}"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# Every start has learned to make its code readable; how well the codes fit our classes differs from start to start.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Information is not meaning.** What if there were only $L_I$, and no discriminator? Generator and $Q$ would be two accomplices who may agree on any sign they like. We train them alone.

# %% slideshow={"slide_type": "fragment"}
accomplices = new_infogan(1.0, seed=0)
optimizer = torch.optim.Adam(accomplices.parameters(), lr=1e-3)
for _ in range(20 if FAST else 300):
    codes = accomplices.codes(64)
    _, q = accomplices.discriminator(accomplices.generate(accomplices.noise(64), codes))
    bound, bound_values = accomplices.information(accomplices.split(q), codes)
    optimizer.zero_grad()
    (-bound - bound_values).backward()
    optimizer.step()
accomplices.eval()
codes = Codes(torch.arange(10)[:, None], torch.zeros(10, 2))
rows = {
    "$L_I$ alone": to_unit(accomplices.sample(10, codes)),
    "game and $L_I$": from_codes(torch.arange(10), torch.zeros(10, 2)).detach(),
}
fig, ax = plt.subplots(figsize=(5.6, 1.2))
plotting.compare_rows(rows, ax)
plt.show()
print(f"L_I of the category, without any discriminator: {bound:.3f} of at most {math.log(10):.3f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# Most of the information is there, and not a digit in sight. So a high $L_I$ proves nothing about the images, nor does it say that a code means what we would like it to mean. Within what the discriminator lets pass, the same can happen in small: two codes that differ in a detail which $Q$ sees and we do not.
#
# More limits. The number of classes must be chosen beforehand, and the prior of the code is uniform: if the classes in the data are not equally frequent, codes must split some and merge others. Which seed and which $\lambda$ were good is found with labels or with the eye, so "without labels" holds for training only. And a
# conditional GAN has all the failures of lecture 11, within each label: it may draw the same seven every time, and label accuracy will praise it. Look at the spread as well.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A conditional GAN plays one game for each $y$. The discriminator must see $y$; if it does not, the generator has no reason to obey, and does not.
# - A continuous $y$ works because networks are smooth in it; obedience can be measured where factors are known.
# - ACGAN asks the discriminator for the label: $L_S + L_C$ against $L_C - L_S$. Opponents about the source, allies about the class. It prefers examples that are easy to name.
# - The same $z$ with another label changes an attribute and keeps the identity.
# - Close codes give similar images. That does not make single codes meaningful.
# - $I(c; G(z, c)) = H(c) - H(c \mid G(z, c)) \ge H(c) + \mathbb E \log Q(c \mid x)$; the gap is a divergence, and $Q$ closes it. Categories: cross-entropy. Values: a Gaussian with $\mu, \sigma = Q(x)$.
# - InfoGAN finds groups that can be told apart, often close to our classes, never guaranteed to be.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) In section 2, tell the discriminator the label, but not the generator. What can the generator reach at best? Compute the value of the game for the ring.
# 2. (10 min, easy) In section 4, ask for positions from 0.1 to 0.9. Up to where does the measured position follow?
# 3. (10 min, medium) Add to `play` a third kind of pair for the discriminator: real points with a *wrong* label, to be called fake (Reed et al. 2016). How does $D^*$ change, and does training?
# 4. (15 min, medium) Flip the sign of $L_C$ for the generator of an ACGAN. What does it draw, and what is the label accuracy?
# 5. (15 min, medium) Show that $I(c; x) = H(x) - H(x \mid c) = \mathrm{KL}(p(c, x) \,\|\, p(c)\, p(x))$, and check it on `channel`.
# 6. (15 min, medium) Give the channel $K = 4$ but $p(c) = (0.7, 0.1, 0.1, 0.1)$. What are $H(c)$, $I$ and the best $Q$?
# 7. (20 min, hard) Train InfoGAN on sevens and ones only, with a category of two classes. Does it find the digits, or the slant?
#
# ## References
#
# - M. Mirza, S. Osindero: Conditional generative adversarial nets, 2014. arXiv 1411.1784.
# - A. Odena, C. Olah, J. Shlens: Conditional image synthesis with auxiliary classifier GANs, 2017. arXiv 1610.09585.
# - X. Chen et al.: InfoGAN: interpretable representation learning by information maximizing generative adversarial nets, 2016. arXiv 1606.03657.
# - D. Barber, F. Agakov: The IM algorithm: a variational approach to information maximization, NeurIPS 2003 (the bound).
# - I. Goodfellow et al.: Generative adversarial networks, 2014. arXiv 1406.2661.
# - S. Reed et al.: Generative adversarial text to image synthesis, 2016. arXiv 1605.05396 (pairs that do not match).
# - T. Miyato, M. Koyama: cGANs with projection discriminator, 2018. arXiv 1802.05637 (another way to tell $D$ the label).
# - R. Shu, H. Bui, S. Ermon: AC-GAN learns a biased distribution, NeurIPS workshop on Bayesian deep learning, 2017.
# - M. Gong et al.: Twin auxiliary classifiers GAN, 2019. arXiv 1907.02690 (a cure for the bias).
# - F. Locatello et al.: Challenging common assumptions in the unsupervised learning of disentangled representations, 2019. arXiv 1811.12359.
