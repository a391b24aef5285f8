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
# # Lecture 5: The chain rule, NADE and MADE
#
# **You will**
#
# - split the probability of an image into one question a pixel, and check on a world of 16 images that nothing is lost;
# - answer the questions with logistic regressions, then with one network that all pixels share (NADE, MADE), written by hand;
# - draw images pixel by pixel in any order, fill in whatever is missing, and measure how much the order matters;
# - read a likelihood as an honest score: nats, bits, train against test, and what it costs to cheat;
# - meet the same idea in language: a recurrent network that bets on the next letter.
#
# **You need** lecture 2 (maximum likelihood, nats and bits) and lecture 4 (the family tree of generative models); PyTorch: a module and its gradient.
#
# **Time and hardware.** 80 minutes to read; all cells together run in about two minutes on a laptop's processor. The images are real
# handwriting that comes with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import itertools
import math
import os

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=68)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. How probable is this image?
#
# A generative model can be asked for two things: a new image, and the probability $p(x)$ of a given one. Few kinds answer the second question.
#
# | kind of model | new image | $p(x)$ of a given image |
# |---|---|---|
# | adversarial network | one pass | no answer |
# | variational autoencoder | one pass | a lower bound |
# | Boltzmann machine | a long Markov chain | up to a constant that nobody can compute |
# | normalising flow | one pass | exact, for networks that can be inverted |
# | **autoregressive model** (this lecture) | one pass **for each pixel** | **exact, for almost any network** |
#
# A density is **tractable** if we can compute it exactly in reasonable time. Why is that hard at all? Take images of $D$ pixels, each 0 or 1. A table of all
# their probabilities has $2^D$ entries. For two by two pixels, that is a table we can print; for our digits it is not.

# %% slideshow={"slide_type": "fragment"}
digits = data.load("digits")
print(digits.description)
x_train, x_valid, x_test = (data.threshold(split.x) for split in (digits.train, digits.valid, digits.test))
if FAST:
    x_train, x_valid, x_test = x_train[:256], x_valid[:100], x_test[:100]
num_pixels = x_train[0].numel()
print(
    f"a table for 4 pixels: {2**4} entries; for {num_pixels} pixels: {2.0**num_pixels:.1e}; we have {len(x_train):,} images"
)
plotting.image_grid(x_train[:20], num_columns=10)
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The chain rule
#
# The probability of two things is the probability of the first times that of the second, *given the first*. Apply this again and again:
#
# $$ p(x) = p(x_1)\, p(x_2 \mid x_1)\, p(x_3 \mid x_1, x_2) \cdots = \prod_{i=1}^{D} p(x_i \mid x_1 \dots x_{i-1}). $$
#
# This is an identity. Nothing was assumed, nothing approximated. A model that is built on it is called **autoregressive**: it predicts each
# value from earlier values of the same image. Each factor is a **conditional**: a distribution of *one* pixel, so it is easy to normalise, and to draw from.
#
# Let us watch it in a world so small that we can count everything: the four pixels in the middle of the digits. Sixteen images are possible.

# %% slideshow={"slide_type": "fragment"}
patches = x_train[:, 0, 3:5, 3:5].reshape(-1, 4)
codes = (patches @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
joint = (torch.bincount(codes, minlength=16).double() / len(codes)).view(2, 2, 2, 2)  # joint[x1, x2, x3, x4]
world = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)  # all images, (16, 4)


def conditionals(joint, order):
    """A table for each step t: p(x_o(t) | x_o(1) ... x_o(t-1)), its last axis that of x_o(t)."""
    joint = joint.permute(order)
    margins = [joint.sum(tuple(range(t, 4))) if t < 4 else joint for t in range(5)]  # p of the first t pixels
    return [margins[t + 1] / margins[t].unsqueeze(-1).clamp(min=1e-300) for t in range(4)]


for order in itertools.permutations(range(4)):
    product = torch.ones((), dtype=torch.float64)
    for table in conditionals(joint, order):
        product = product.unsqueeze(-1) * table
    back = product.permute([order.index(i) for i in range(4)])
    assert torch.allclose(back, joint)
    assert abs(product.sum().item() - 1) < 1e-12
print(
    f"in each of the {math.factorial(4)} orders the product of the conditionals is the joint probability, and sums to 1"
)


# %% slideshow={"slide_type": "subslide"}
def draw_tree(ax, tables):
    """The conditionals as a tree: left is 0, right is 1; a line is as wide as its path is probable."""
    reach = torch.ones(1, dtype=torch.float64)
    for t, table in enumerate(tables):
        step = table.reshape(-1, 2)
        for node in range(2**t):
            x = (node + 0.5) * 16 / 2**t - 0.5
            for value in (0, 1):
                child = (2 * node + value + 0.5) * 16 / 2 ** (t + 1) - 0.5
                ax.plot([x, child], [-t, -t - 1], color="C0", linewidth=0.3 + 9 * reach[node] * step[node, value])
            label = f"{step[node, 1]:.2f}"
            ax.text(x, -t, label, ha="center", va="center", fontsize=7, bbox={"fc": "white", "ec": "0.6", "pad": 1.5})
        reach = (reach.unsqueeze(1) * step).flatten()
    ax.set(yticks=[0, -1, -2, -3], yticklabels=["$x_1$", "$x_2$", "$x_3$", "$x_4$"], xticks=[], xlim=(-0.7, 15.7))
    ax.spines[:].set_visible(False)


# %% slideshow={"slide_type": "fragment"}
fig, (ax, bars, images) = plt.subplots(3, 1, figsize=(7, 4.2), height_ratios=[4, 1.6, 0.6])
draw_tree(ax, conditionals(joint, (0, 1, 2, 3)))
bars.bar(range(16), joint.flatten().tolist(), color="C0")
bars.set(xticks=[], xlim=(-0.7, 15.7), ylabel="$p(x)$")
for code, image in enumerate(world.view(16, 2, 2)):
    images.imshow(image.numpy(), extent=(code - 0.3, code + 0.3, -0.3, 0.3), vmin=0, vmax=1)
    images.add_patch(plt.Rectangle((code - 0.3, -0.3), 0.6, 0.6, fill=False, color="0.5", linewidth=0.8))
images.set(xlim=(-0.7, 15.7), ylim=(-0.4, 0.4), aspect="equal")
images.set_axis_off()
plt.show()
print("numbers in the tree:", sum(2**t for t in range(4)), "; free numbers in the table of 16:", 16 - 1)

# %% [markdown] slideshow={"slide_type": "notes"}
# In each box stands the probability of going right (that the pixel is white), given the way down to the box. To compute $p(x)$, multiply along the way. To **draw** an image, start at the top and throw a coin in each box.
# Neighbours agree: after three white pixels the fourth is likely to be white.
#
# The tree has exactly as many numbers as the table, so the chain rule alone saves nothing. What it gives is a *form* in which we can save: replace the tables by functions with few parameters. Whatever function we take, as long as it returns a number between 0 and 1, the total will be 1.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A choice: the order
#
# For a sentence the order is given. For an image we must choose one. An **order** is a list $o$ of all pixels: $o_t$ is drawn at step $t$.
# **Raster order** is that of reading: row by row, each from the left. The identity above holds for *every* order. Models are not identities, though: section 8 measures what an order does to them.

# %% slideshow={"slide_type": "fragment"}
index = torch.arange(64)
row, column = index // 8, index % 8
distance = torch.maximum((row - 3.5).abs(), (column - 3.5).abs())  # rings around the middle
coarse = ((row % 4 > 0) | (column % 4 > 0)).long() + ((row % 2 > 0) | (column % 2 > 0)).long()
orders = {
    "raster": index,
    "columns": (8 * column + row).argsort(),
    "centre out": (100 * distance + torch.atan2(row - 3.5, column - 3.5)).argsort(),
    "coarse to fine": (100 * coarse + index).argsort(),
    "random": torch.randperm(64, generator=torch.Generator().manual_seed(0)),
}
fig, axes = plt.subplots(1, 5, figsize=(7.2, 1.7))
for ax, (name, order) in zip(axes, orders.items(), strict=True):
    ax.imshow(order.argsort().view(8, 8).numpy(), cmap="viridis")
    ax.set(title=name, xticks=[], yticks=[])
fig.colorbar(axes[-1].images[0], ax=axes, label="step", shrink=0.8)
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. A logistic regression for each pixel
#
# The simplest function from earlier pixels to a probability is a logistic regression:
#
# $$ p(x_i = 1 \mid x_{<i}) = \sigma\Big(b_i + \sum_{j < i} W_{ij} x_j\Big), \qquad \sigma(a) = \frac{1}{1 + e^{-a}}. $$
#
# One for each pixel, $D$ in all. The result is called a **fully visible belief network** (FVBN; Neal 1992, Frey 1998): a *belief network* is a model in which each variable
# is drawn given some earlier ones, and it is *fully visible* because there are no latent variables. The number before the sigmoid is the **logit**.
#
# The weights form a matrix that is zero on and above its diagonal. So one product of matrices gives all $D$ logits at once, and the log-probability of an image is a sum of $D$ terms.

# %% slideshow={"slide_type": "fragment"}
import torch.nn.functional as F
from torch import nn


class SmallFVBN(nn.Module):
    """Fully visible belief network in the order of the columns of x (B, D)."""

    def __init__(self, num_dims):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_dims, num_dims))
        self.bias = nn.Parameter(torch.zeros(num_dims))

    def forward(self, x):
        return F.linear(x, self.weight.tril(-1), self.bias)  # logits: row i sees columns j < i only

    def log_prob(self, x):
        return -F.binary_cross_entropy_with_logits(self(x), x, reduction="none").sum(1)


# %% [markdown] slideshow={"slide_type": "subslide"}
# **In the world of 16 images.** We train it on the true probabilities of section 2, once for each of the 24 orders. The problem is convex, so we get the best network there is. Then we ask three questions: Does it sum to 1? How far is it from the truth,
# in nats of Kullback-Leibler divergence? And does the order matter?

# %% slideshow={"slide_type": "fragment"}
truth = joint.flatten()


def fit_world(order):
    model, x = SmallFVBN(4).double(), world[:, list(order)]
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = -(truth * model.log_prob(x)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return model.log_prob(x)


# %% slideshow={"slide_type": "fragment"}
divergence = {}
for order in itertools.permutations(range(4)):
    log_p = fit_world(order)
    assert abs(log_p.exp().sum().item() - 1) < 1e-9
    divergence[order] = (torch.special.xlogy(truth, truth) - truth * log_p).sum().item()
best, worst = min(divergence, key=divergence.get), max(divergence, key=divergence.get)
print(
    f"each sums to 1. KL(truth || model): {divergence[best]:.4f} nats in order {best}, {divergence[worst]:.4f} in {worst}"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# It is normalised before and after training, in any order. It is not the truth, since a sum of weighted pixels cannot say "white if *exactly one* neighbour is white". And here is a first, small effect of the order: the same data, the same number of weights, another divergence.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **On the digits.** From here on we import the class from the course; it is the same, but for any order and with `loss` and `sample`. `train` is `fit` with our settings: shuffled batches, and Adam with a little weight decay where a model has hidden units.

# %% slideshow={"slide_type": "fragment"}
from functools import partial

from course_utils.models.autoregressive.fvbn import FullyVisibleBeliefNetwork
from course_utils.training import fit


def train(model, x=x_train, epochs=60, lr=1e-2, weight_decay=0.1, **settings):
    adam = partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay)
    return fit(
        model,
        x,
        epochs=2 if FAST else epochs,
        optimizer=adam,
        device="cpu",
        **{"batch_size": 64, "cosine": True} | settings,
    )


@torch.no_grad()
def nats(model, x):
    return -model.log_prob(x).mean().item()


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
fvbn = FullyVisibleBeliefNetwork((1, 8, 8))
history = train(fvbn, weight_decay=0.0)
print(f"-log p(x): {nats(fvbn, x_train):.2f} nats in training, {nats(fvbn, x_test):.2f} on the test images")
print(f"weights and biases: {64 * 63 // 2 + 64:,}")

# %% slideshow={"slide_type": "subslide"}
shown = [(1, 3), (2, 4), (3, 3), (4, 2), (4, 5), (6, 4)]
weight = (fvbn.weight * fvbn.mask).detach().view(8, 8, 8, 8)  # weight[i, j]: the picture of pixel (i, j)
limit = weight.abs().quantile(0.995).item()
fig, axes = plt.subplots(1, 6, figsize=(7.4, 1.6))
for ax, (i, j) in zip(axes, shown, strict=True):
    later = (index >= 8 * i + j).view(8, 8)
    ax.imshow(weight[i, j].masked_fill(later, float("nan")).numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, linewidth=2))
    ax.set(title=f"pixel ({i}, {j})", xticks=[], yticks=[], facecolor="0.85")
fig.colorbar(axes[-1].images[0], ax=axes, label="weight", shrink=0.9)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Each picture is one regression: red pixels speak for white, blue ones against; the grey part is not drawn yet. The strongest weights lie close by, above and to the left. And the six pictures tell much the same story, each learned from scratch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Share the work: NADE
#
# Two things are missing in an FVBN. Its conditionals are *linear*, so give each a hidden layer; but $D$ networks with $H$ hidden units have about $D^2 H / 2$ weights. And what pixel 40 learned about strokes, pixel 41 learns again.
# The **neural autoregressive distribution estimator** (NADE; Larochelle & Murray 2011) mends both: $D$ networks with one hidden layer each, whose first layers **share one matrix**:
#
# $$ h_i = \sigma\big(c + W_{\cdot,<i}\, x_{<i}\big), \qquad p(x_i = 1 \mid x_{<i}) = \sigma\big(b_i + V_i\, h_i\big). $$
#
# $W$ is $H \times D$ and $W_{\cdot,<i}$ are its first $i - 1$ columns; $V$ is $D \times H$. In words: each pixel that is drawn adds its column to the hidden layer, if it is white; and every later pixel reads the sum.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The trick: $O(DH)$ instead of $O(D^2 H)$
#
# Taken literally, step $i$ adds $i - 1$ columns of length $H$. But step $i + 1$ needs the same sum *and one more column*. So keep it:
#
# $$ a_1 = c, \qquad a_{i+1} = a_i + W_{\cdot,i}\, x_i, \qquad h_i = \sigma(a_i). $$

# %% slideshow={"slide_type": "fragment"}
import time


def nade_literal(x, W, c, V, b):
    """Logits (B, D) of x (B, D), each step from scratch."""
    return torch.stack([(c + x[:, :i] @ W[:, :i].T).sigmoid() @ V[i] + b[i] for i in range(x.shape[1])], dim=1)


def nade(x, W, c, V, b):
    """The same logits, with the sum kept."""
    a, logits = c.expand(len(x), -1), []
    for i in range(x.shape[1]):
        logits.append(a.sigmoid() @ V[i] + b[i])
        a = a + torch.outer(x[:, i], W[:, i])
    return torch.stack(logits, dim=1)


def random_nade(num_dims, hidden_dim=50):
    W, V = torch.randn(hidden_dim, num_dims) / num_dims**0.5, torch.randn(num_dims, hidden_dim) / hidden_dim**0.5
    return [part.double() for part in (W, torch.zeros(hidden_dim), V, torch.zeros(num_dims))]


# %% slideshow={"slide_type": "fragment"}
def seconds(function, *arguments, repeats=3):
    """The shortest of a few runs: what disturbs a clock only ever makes it slower."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


torch.manual_seed(0)
x_tiny = torch.tensor(list(itertools.product([0.0, 1.0], repeat=9)), dtype=torch.float64)  # all images of 3x3 pixels
logits = nade(x_tiny, *random_nade(9))
log_p = -F.binary_cross_entropy_with_logits(logits, x_tiny, reduction="none").sum(1)
assert abs(log_p.exp().sum().item() - 1) < 1e-12
print(f"NADE with random weights: the {len(x_tiny)} images of 3x3 pixels sum to {log_p.exp().sum():.12f}")
sizes = [64, 256] if FAST else [64, 256, 1024, 2048]
times = {"from scratch": [], "sum kept": []}
for size in sizes:
    x, parts = torch.bernoulli(torch.full((16, size), 0.5)).double(), random_nade(size)
    assert torch.allclose(nade(x, *parts), nade_literal(x, *parts))
    times["from scratch"].append(seconds(nade_literal, x, *parts))
    times["sum kept"].append(seconds(nade, x, *parts))

# %% slideshow={"slide_type": "subslide"}
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.4), width_ratios=[1, 1, 1.3])
work = torch.ones(12, 12).tril(-1)
for ax, name, cells in zip(axes, times, (work, torch.ones(12, 12).tril(-1).triu(-1)), strict=False):
    ax.imshow(cells.numpy(), cmap="Blues", vmin=0, vmax=1.5)
    ax.set(
        title=f"{name}: {int(cells.sum())} columns",
        xlabel="column of $W$",
        ylabel="step",
        xticks=[0, 11],
        yticks=[0, 11],
    )
    ax.set(xticklabels=[1, 12], yticklabels=[1, 12])
for name, measured in times.items():
    axes[2].loglog(sizes, measured, "o-", label=name)
axes[2].set(xlabel="pixels $D$", ylabel="seconds, 16 images", xticks=sizes, xticklabels=sizes)
axes[2].minorticks_off()
axes[2].legend()
plt.show()
print(
    f"for {sizes[-1]} pixels the sum that is kept makes it {times['from scratch'][-1] / times['sum kept'][-1]:.0f} times as fast"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# A blue cell is a column that is added at that step. From scratch they fill a triangle; with the sum kept, one a step. On the right the clock: both grow, and the curves part, because one has a slope of 2 and the other of 1 once the columns outweigh the loop.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Trained
#
# The class of the course adds a backward pass that keeps no hidden layers. It is our function, in any order: we ask both for logits.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.nade import NADE

torch.manual_seed(0)
nade_model = NADE((1, 8, 8), hidden_dim=100)
history = train(nade_model)
with torch.no_grad():
    by_hand = nade(x_test.flatten(1), nade_model.w.T, nade_model.c, nade_model.v, nade_model.b)
    assert torch.allclose(by_hand, nade_model(x_test).flatten(1), atol=1e-4)
print(f"NADE: {nats(nade_model, x_train):.2f} nats in training, {nats(nade_model, x_test):.2f} on the test images")
print(f"weights and biases: {sum(part.numel() for part in nade_model.parameters()):,}")

# %% slideshow={"slide_type": "fragment"}
strongest = nade_model.w.detach().norm(dim=0).argsort(descending=True)[:16]
features = nade_model.w.detach()[:, strongest].T.reshape(16, 8, 8)
limit = features.abs().max().item()
fig, axes = plt.subplots(2, 8, figsize=(7, 1.8))
for ax, feature in zip(axes.flat, features, strict=True):
    ax.imshow(feature.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The weights $W$ of the sixteen hidden units with the largest ones, each as an image (red speaks for the unit, blue against). Some are blobs and edges, others look like nothing that we have a name for. All later pixels use them; in section 3 each pixel had a picture of its own.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Drawing images
#
# Throw a coin for pixel 1, add its column, throw a coin for pixel 2, ... Beside each image we keep the probabilities that the coins had.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def draw_with_probabilities(model, num_samples):
    """Images of a NADE in raster order, and the probability of white at each pixel when it was drawn: (N, 1, 8, 8) each."""
    a, pixels, probabilities = model.c.expand(num_samples, -1), [], []
    for i in range(64):
        probability = (a.sigmoid() @ model.v[i] + model.b[i]).sigmoid()
        pixels.append(torch.bernoulli(probability))
        probabilities.append(probability)
        a = a + torch.outer(pixels[-1], model.w[i])
    return [torch.stack(part, 1).view(-1, 1, 8, 8) for part in (pixels, probabilities)]


torch.manual_seed(1)
drawn, probability = draw_with_probabilities(nade_model, 12)
with torch.no_grad():
    assert torch.allclose(nade_model(drawn).sigmoid(), probability, atol=1e-5)
    fvbn_drawn = fvbn.sample(12)
rows = {"FVBN": fvbn_drawn, "NADE": drawn, "its probabilities": probability, "real": x_test[:12]}
plotting.compare_rows(rows)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The probabilities look like a soft version of the image, and they are grey where the model had a real choice: at the start of a stroke, at its ends. They are *not* what one would see by asking for each pixel alone; each was asked after all pixels before it were decided.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. All questions at once: MADE
#
# NADE walks through the pixels one after the other, even in training, when all of them are known. The **masked autoencoder** (MADE; Germain et al. 2015) asks all $D$ questions in *one* pass of an ordinary network from image to image. The danger: output $i$ must predict pixel $i$
# without having seen it, or anything later. So cut the connections that would tell, by multiplying each weight matrix with a **mask** of zeros and ones.
#
# Give every unit a **degree**: to a pixel, the step at which it is drawn; to a hidden unit, a number $m$ which says "I may know the first $m$ pixels". Then
#
# $$ M^{\text{hidden}}_{kj} = 1 \;\text{ if }\; m_k \ge m_j, \qquad M^{\text{output}}_{ik} = 1 \;\text{ if }\; m_i > m_k. $$
#
# Along any path from pixel $j$ to output $i$ degrees never fall, and rise at the last step: so $m_i > m_j$. That is all of the proof.


# %% slideshow={"slide_type": "fragment"}
def masks_for(degrees):
    """Masks (out, in), one for each pair of layers, from the degrees of input, hidden layers and output."""
    masks = [(after[:, None] >= before).float() for before, after in itertools.pairwise(degrees[:-1])]
    return [*masks, (degrees[-1][:, None] > degrees[-2]).float()]


class SmallMADE(nn.Module):
    """A MADE with one hidden layer that takes the order anew at each call."""

    def __init__(self, num_dims=64, hidden_dim=500):
        super().__init__()
        self.into, self.out = nn.Linear(2 * num_dims, hidden_dim), nn.Linear(hidden_dim, num_dims)
        self.direct = nn.Linear(2 * num_dims, num_dims, bias=False)  # from pixel to pixel, as in an FVBN
        self.register_buffer("hidden_degrees", torch.arange(hidden_dim) % max(1, num_dims - 1) + 1)

    def forward(self, x, steps):
        """Logits (B, D) of x (B, D); steps (D,): when each pixel is drawn, 1 ... D."""
        mask_in, mask_out = masks_for([steps, self.hidden_degrees, steps])
        (mask_direct,) = masks_for([steps, steps])
        pair = torch.cat([x, 1 - x], dim=1)  # white is (1, 0), black is (0, 1), and what a mask hides is (0, 0)
        hidden = F.linear(pair, self.into.weight * mask_in.repeat(1, 2), self.into.bias).relu()
        logits = F.linear(hidden, self.out.weight * mask_out, self.out.bias)
        return logits + F.linear(pair, self.direct.weight * mask_direct.repeat(1, 2))


# %% [markdown] slideshow={"slide_type": "notes"}
# Two additions to the plain form, both from the paper: direct connections from pixels to outputs; and a way to tell "black" from "hidden", which would both be 0. Here each pixel enters as a pair.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does it keep its promise?** We look at nine pixels and two orders. The product $M^{\text{output}} M^{\text{hidden}}$ counts the paths from each pixel to each output. And we *measure* the connections: the gradient of each output with respect to each pixel is zero exactly where no path leads.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
tiny = SmallMADE(num_dims=9, hidden_dim=16).double()
fig, axes = plt.subplots(2, 4, figsize=(7.2, 4), width_ratios=[0.8, 1.4, 1, 1])
for line, (name, steps) in zip(axes, {"raster": torch.arange(9), "random": torch.randperm(9)}.items(), strict=True):
    steps = steps + 1
    mask_in, mask_out = masks_for([steps, tiny.hidden_degrees, steps])
    x = torch.rand(50, 9, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x, steps=steps: tiny(x, steps).sum(0), x)  # (output, B, pixel)
    measured = jacobian.abs().mean(1)
    promised = steps[:, None] > steps
    assert torch.equal(measured > 0, promised)
    assert torch.equal((mask_out @ mask_in) > 0, promised)
    panels = {
        f"{name}: hidden mask": mask_in,
        "output mask": mask_out,
        "paths": mask_out @ mask_in,
        "gradient": measured,
    }
    for ax, (title, matrix) in zip(line, panels.items(), strict=True):
        ax.imshow(matrix.numpy(), cmap="Blues", aspect="auto")
        ax.set(title=title, xticks=[], yticks=[], xlabel="hidden unit" if title == "output mask" else "pixel")
        ax.set_ylabel("hidden unit" if "hidden" in title else "output")
plt.show()
print("gradients, paths and promise agree in all", promised.numel(), "pairs, for both orders")

# %% [markdown] slideshow={"slide_type": "notes"}
# White is zero. In raster order the matrices of paths and gradients are lower triangles; in another order the same triangle, its rows and columns shuffled. The first pixel of the order has an empty row: its probability is a constant, as the chain rule demands.
#
# For a larger network the course has a tool that asks the same question for one output and draws the answer in place:

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.made import MADE
from course_utils.receptive_field import receptive_field

torch.manual_seed(0)
fig, axes = plt.subplots(1, 5, figsize=(7.2, 1.6))
for ax, (name, order) in zip(axes, orders.items(), strict=True):
    made = MADE((1, 8, 8), hidden_dims=(200, 200), order=order, direct=True).double()
    seen = receptive_field(made, (1, 8, 8), pixel=(5, 2))[0] > 0
    step = order.argsort().view(8, 8)
    assert torch.equal(seen, step < step[5, 2])
    ax.imshow(seen.numpy(), cmap="Blues", vmin=0, vmax=1.5)
    ax.plot(2, 5, "kx")
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Blue: the pixels that the output at the cross depends on, measured by gradient in a MADE with two hidden layers. It is all that comes earlier in the order, and nothing else. (This MADE has direct connections from pixels to outputs, like `SmallMADE`. Without them nothing leaks either, but with degrees drawn at random a few earlier pixels may find no way to the output.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. One network, all orders
#
# The masks are no parameters. We may draw another order for each batch, and the same weights learn to predict *any* pixel from *any* others. Such a model is called **order-agnostic**. It maximises the mean over orders $o$:
#
# $$ \mathbb E_{o}\Big[\sum_t \log p\big(x_{o_t} \mid x_{o_1} \dots x_{o_{t-1}}\big)\Big]. $$
#
# Each order gives a normalised model, and so does their average, $p(x) = \frac1K \sum_k p_k(x)$. A mixture is at least as good as the mean of its parts, by Jensen's inequality: $\log \frac1K \sum_k p_k \ge \frac1K \sum_k \log p_k$.


# %% slideshow={"slide_type": "fragment"}
def log_prob_in(model, x, steps):
    logits = model(x.flatten(1), steps)
    return -F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(1)


def any_order_loss(model, x, step):
    return -log_prob_in(model, x, torch.randperm(64) + 1).mean()


torch.manual_seed(0)
agnostic = SmallMADE()
history = train(agnostic, epochs=200, lr=1e-2, weight_decay=0.01, loss=any_order_loss)
with torch.no_grad():
    parts = torch.stack([log_prob_in(agnostic, x_test, torch.randperm(64) + 1) for _ in range(32)])  # (orders, images)
for count in (1, 2, 4, 8, 16, 32):
    mixture = parts.view(-1, count, len(x_test)).logsumexp(1) - math.log(count)
    print(f"mixture of {count:2} orders: {-mixture.mean():.2f} nats on the test images")

# %% [markdown] slideshow={"slide_type": "notes"}
# One order alone is worse than a network that was trained for that order: it has far more to learn. The mixture makes good for much of it. And the model can do something that no single order can.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Fill in whatever is missing
#
# Say we know some pixels, anywhere. Put them *first* in the order; then all that we do not know comes after, and the conditionals are what we want. A trick gets the probabilities of **all** unknown pixels in one pass: give them all the same step. By the masks, units of the same step do not see each other.


# %% slideshow={"slide_type": "fragment"}
shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(3))  # among the known pixels, any order will do


@torch.no_grad()
def probabilities_given(model, x, known):
    """p(x_i = 1 | the known pixels) for each unknown pixel i: x (B, 64), known (64,) booleans -> (B, 64)."""
    steps = torch.where(known, known[shuffled].cumsum(0)[shuffled.argsort()], known.sum() + 1)
    return torch.where(known, x, model(x, steps).sigmoid())


def complete(model, x, known, order):
    """Draw the unknown pixels of x (B, 64) in the order given; yields (image, known, probabilities) before each."""
    x, known = torch.where(known, x, 0), known.clone()
    for i in order[~known[order]].tolist():
        probability = probabilities_given(model, x, known)
        yield x.clone(), known.clone(), probability
        x[:, i] = torch.bernoulli(probability[:, i])
        known[i] = True
    yield x, known, x


# %% slideshow={"slide_type": "fragment"}
# What is not known has no influence: the same probabilities, whatever stands there.
known = torch.rand(64) < 0.5
noise = torch.where(known, x_test[:8].flatten(1), torch.bernoulli(torch.full((8, 64), 0.5)))
same = probabilities_given(agnostic, x_test[:8].flatten(1), known) - probabilities_given(agnostic, noise, known)
assert same.abs().max() < 1e-6

# %% slideshow={"slide_type": "subslide"}
held_back = {
    "left half": column < 4,
    "lower half": row >= 4,
    "middle": (row - 3.5).abs().maximum((column - 3.5).abs()) < 2,
    "every 2nd pixel": (row + column) % 2 == 1,
}
torch.manual_seed(2)
fig, axes = plt.subplots(1, 4, figsize=(7.4, 2.6))
for ax, (name, hidden) in zip(axes, held_back.items(), strict=True):
    x = x_test[:4].flatten(1)
    rows = {"original": x, "given": torch.where(hidden, 0.5, x)}
    for n in range(3):
        *_, (rows[f"drawn {n + 1}"], _, _) = complete(agnostic, x, ~hidden, torch.randperm(64))
    plotting.compare_rows({label: images.view(-1, 1, 8, 8) for label, images in rows.items()}, ax)
    ax.set_title(name)
    if ax is not axes[0]:
        ax.set_yticks([])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Grey pixels were withheld. The three completions differ where what is given leaves a choice, and agree where it does not.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Is the order-agnostic answer a good one?** With nine missing pixels (a block of 3x3) we can find out. A MADE in raster order knows $p(x)$, so by Bayes' rule it knows everything: $p(\text{missing} \mid \text{rest})$ is $p(x)$ divided by the sum of $p$ over all $2^9$ ways to fill the block. That is exact, and costs 512 passes an image. The
# cheap way with the same model is to go through the block in raster order, and never look at what comes later. And the order-agnostic model: known pixels first, then the block.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
made = MADE((1, 8, 8), hidden_dims=(300,), direct=True)
history = train(made)


@torch.no_grad()
def three_answers(block):
    """log p(block | all other pixels) of the test images, (3, B): raster cheaply, raster by Bayes' rule, order-agnostic."""
    x, fillings = x_test.flatten(1), x_tiny.float()
    coins = -F.binary_cross_entropy_with_logits(made(x_test).flatten(1), x, reduction="none")
    every = x[:, None].repeat(1, len(fillings), 1)
    every[:, :, block] = fillings
    total = torch.stack([made.log_prob(images.view(-1, 1, 8, 8)).logsumexp(0) for images in every])
    order = torch.cat([shuffled[~block[shuffled]], index[block]])  # the block comes last
    coins_agnostic = -F.binary_cross_entropy_with_logits(agnostic(x, order.argsort() + 1), x, reduction="none")
    return torch.stack([coins[:, block].sum(1), made.log_prob(x_test) - total, coins_agnostic[:, block].sum(1)])


tops = {"at the top": 0, "in the middle": 3, "at the bottom": 5}
answers = {
    name: three_answers((row >= top) & (row < top + 3) & (column >= 3) & (column < 6)) for name, top in tops.items()
}

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5.6, 2.5))
for n, name in enumerate(("raster, earlier pixels only", "raster, by Bayes' rule (512 passes)", "order-agnostic")):
    values = torch.stack([-answer[n] for answer in answers.values()])
    error = values.std(1) / math.sqrt(values.shape[1])
    ax.bar(
        [p + 0.27 * (n - 1) for p in range(3)],
        values.mean(1).tolist(),
        0.25,
        yerr=error.tolist(),
        capsize=3,
        label=name,
    )
    print(
        f"{name:36}",
        ", ".join(f"{where} {value:.2f}" for where, value in zip(tops, values.mean(1), strict=True)),
        "nats",
    )
ax.set(xticks=range(3), xticklabels=tops, ylabel="$-\\log p($block | rest$)$, nats", ylim=(0, 8))
ax.legend(loc="upper right", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Lower is better. For a block at the top, the raster model has seen almost nothing when it comes to the block; the order-agnostic one has seen everything, and wins clearly, in one pass. In the middle both know about equally much of use. At the bottom the raster model has seen nearly all the rest, and leads a little: it learned one order, not all of them. Bayes' rule on the raster model is best everywhere, as it should be for a good $p(x)$, at 512 times the price. For 32 missing pixels its sum would have
# $2^{32}$ terms; the order-agnostic model would not notice.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Watch it draw
#
# The same network draws in raster order (left pair) and from the centre outwards (right pair). Orange: what is not drawn yet. Beside it, the probability of white for *every* open pixel, given those drawn so far; an orange dot marks the pixel that comes next.

# %% slideshow={"slide_type": "fragment"}
from matplotlib.colors import to_rgb

from course_utils.animation import animate

torch.manual_seed(6)
frames = {
    name: list(complete(agnostic, torch.zeros(1, 64), torch.zeros(64, dtype=torch.bool), orders[name]))
    for name in ("raster", "centre out")
}


# %% slideshow={"slide_type": "fragment"}
def draw_frame(figure, n):
    """Two panels for each order: the pixels so far, and the probabilities, with the next pixel marked."""
    axes = iter(figure.subplots(1, 4))
    for name, history in frames.items():
        x, known, probability = history[n * stride]
        picture = x.view(8, 8, 1).repeat(1, 1, 3)
        picture[~known.view(8, 8)] = torch.tensor(to_rgb("#f2c48d"))
        left, right = next(axes), next(axes)
        left.imshow(picture.numpy())
        left.set_title(name, fontsize=8, loc="left")
        greys = (7 * probability).round() / 7  # eight greys: an animation of few colours is small
        right.imshow(greys.view(8, 8).numpy(), cmap="gray", vmin=0, vmax=1)
        if not known.all():
            following = orders[name][n * stride]
            right.plot(column[following], row[following], "s", color="#f2c48d", markersize=2)
        for ax in (left, right):
            ax.set(xticks=[], yticks=[])


# %% slideshow={"slide_type": "fragment"}
alt = "A digit appears pixel by pixel, in raster order and from the centre outwards"
stride = 4 if FAST else 1
animate(draw_frame, 64 // stride + 1, alt=alt, figsize=(3.6, 1.1), num_colors=16, seconds=0.15)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(2, 1, figsize=(7, 2.2))
for ax, (name, history) in zip(axes, frames.items(), strict=True):
    plotting.image_grid(torch.cat([history[t][2] for t in range(0, 65, 8)]).view(-1, 1, 8, 8), ax, num_columns=9)
    ax.set_title(f"{name}: probabilities after 0, 8, ..., 64 pixels", fontsize=9)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# At first the probabilities are those of the mean digit. Every pixel that is decided sharpens the rest. In raster order the lower half stays vague for long; from the centre, the fate of the whole image is settled early, all over.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Draw one yourself
#
# In the notebook, move the slider over the steps, and change the seed. (The widget wants a logit for each of two levels; that of 0 may be 0.)

# %% slideshow={"slide_type": "fragment"}
from course_utils.widgets import pixel_sampler


def two_levels(x):
    logits = nade_model(x)
    return torch.stack([torch.zeros_like(logits), logits], dim=1)  # (B, 2, C, H, W)


pixel_sampler(two_levels, (1, 8, 8))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Does the order matter?
#
# For the chain rule, no. For a model, it may: some conditionals are easier to learn than others. We measure it, with two models and five orders; each is trained with several seeds (first weights, order of the batches, and for *random* another order each time).

# %% slideshow={"slide_type": "fragment"}
makers = {"MADE": partial(MADE, hidden_dims=(200,)), "NADE": partial(NADE, hidden_dim=100)}
num_seeds = 2 if FAST else 3
scores = {}
for model_name, make in makers.items():
    for name, order in orders.items():
        for seed in range(num_seeds):
            torch.manual_seed(seed)
            model = make((1, 8, 8), order=torch.randperm(64) if name == "random" else order)
            train(model, epochs=1 if FAST else 35, batch_size=128, seed=seed)
            scores.setdefault((model_name, name), []).append(nats(model, x_test))

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.6), sharey=True)
for ax, model_name in zip(axes, makers, strict=True):
    values = torch.tensor([scores[model_name, name] for name in orders])  # (orders, seeds)
    ax.errorbar(range(len(orders)), values.mean(1), values.std(1), fmt="none", capsize=4, color="black")
    ax.plot(range(len(orders)), values, "o", color="C0", alpha=0.5, markersize=4)
    ax.set(title=model_name, xticks=range(len(orders)))
    ax.set_xticklabels(orders, rotation=35, ha="right")
    means = values.mean(1)
    spread = values.std(1).mean()
    print(
        f"{model_name}: from {means.min():.2f} ({list(orders)[means.argmin()]}) to {means.max():.2f} ({list(orders)[means.argmax()]}) nats; "
        f"seeds scatter by {spread:.2f}; raster less random {means[0] - means[-1]:+.2f}"
    )
axes[0].set_ylabel("nats, test images")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Dots are seeds, bars one standard deviation of the seeds to either side.
#
# Be careful with the verdict. The order makes a difference that is larger than the scatter of seeds, but a small one beside the total. And *which* order wins depends on the model: compare the place of *columns* in the two halves. So this is no property of handwriting alone; in MADE the order also decides how many hidden units a pixel can use. Raster order is not the best in either half, and random orders are no worse: networks that connect every pixel with every earlier one have no notion of
# neighbourhood that a random order could disturb. Raster order earns its place with models that *do*: the convolutions and recurrences of lectures 6 and 7, which need "earlier" to be a simple shape. (One data set, one size of network, one length of training: no more is claimed.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Likelihood as an honest score
#
# We can now compare models by a number that is exact, and has a meaning. $-\log p(x)$ in **nats** (natural logarithm), or divided by $\log 2$ in **bits**, is the length of the shortest message that tells $x$ to somebody who has the model. Divided by the number of pixels it is **bits per dimension**:
# 1 for a model that knows nothing (a bit a pixel), less for one that knows more. It must be measured on **held-out** images, and here is why.
#
# **A cheat.** Take the training images, pick one at random, flip each pixel with probability $\varepsilon$. That is a generative model, with an exact density:
#
# $$ p(x) = \frac1N \sum_{n=1}^N \varepsilon^{d(x, x_n)} (1 - \varepsilon)^{D - d(x, x_n)}, \qquad d(x, x_n) = \text{number of different pixels}. $$
#
# For small $\varepsilon$ its samples are perfect, since they *are* training images. What does the likelihood say? Beside it, an honest sinner: a MADE with many hidden units, trained far too long.


# %% slideshow={"slide_type": "fragment"}
def copier(x, epsilon):
    different = torch.cdist(x.flatten(1), x_train.flatten(1), p=1).round()
    log_terms = different * math.log(epsilon) + (64 - different) * math.log(1 - epsilon)
    return log_terms.logsumexp(1) - math.log(len(x_train))


epsilons = torch.logspace(-6, -0.5, 23).tolist()
copied = {
    name: [-copier(x, e).mean().item() for e in epsilons] for name, x in {"training": x_train, "test": x_test}.items()
}
torch.manual_seed(0)
wide, record = MADE((1, 8, 8), hidden_dims=(500,)), []
history = train(
    wide,
    epochs=100,
    lr=5e-3,
    weight_decay=0.0,
    cosine=False,
    on_epoch=lambda model, epoch: record.append((nats(model, x_train), nats(model, x_test))),
)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.6))
for name, values, curve in zip(copied, copied.values(), zip(*record, strict=True), strict=True):
    axes[0].semilogx(epsilons, values, label=f"{name} images")
    axes[1].plot(curve, label=f"{name} images")
axes[0].axhline(64 * math.log(2), color="black", linewidth=1, linestyle="--")
axes[0].set(title="the copier", xlabel="$\\varepsilon$", ylabel="nats", ylim=(5, 55))
axes[1].set(title="a MADE, trained too long", xlabel="epoch")
axes[1].legend()
plt.show()
test_curve = torch.tensor(record)[:, 1]
print(
    f"copier: {min(copied['training']):.2f} nats in training (log N = {math.log(len(x_train)):.2f}); on the test images {copied['test'][0]:.0f} "
    f"with the smallest eps, {min(copied['test']):.2f} with the best, {epsilons[copied['test'].index(min(copied['test']))]:.2f}"
)
print(
    f"MADE: best on the test images {test_curve.min():.2f} after epoch {test_curve.argmin() + 1}; at the end {test_curve[-1]:.2f}, in training {record[-1][0]:.2f}"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# Dashed: the model that knows nothing, 1 bit a pixel. On training images the copier is unbeatable: it needs only to say which of $N$ images it is, $\log N$ nats. On test images it pays for every pixel that no training image foresaw: with the smallest $\varepsilon$ it is worse than knowing nothing. And with the best $\varepsilon$ its samples are visibly noisy, and it is still behind the models of this lecture (see the table). No look at samples would have told; the held-out likelihood does.
# The MADE goes the same way more slowly: it learns first what digits have in common, then which digits it has seen. The two curves are why we stop training by the score of *validation* images.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The table
#
# All saw the same training images. Epochs, learning rate and weight decay were chosen by hand, so that the validation column is low; a fair comparison would search as long for each model. The last model has eight masks, each with an order of its own, and is scored as the mixture of the eight.


# %% slideshow={"slide_type": "fragment"}
class Independent(nn.Module):
    """Each pixel a coin of its own: no chain at all."""

    def __init__(self):
        super().__init__()
        self.share = (x_train.sum(0) + 1) / (len(x_train) + 2)

    def log_prob(self, x):
        return torch.distributions.Bernoulli(self.share).log_prob(x).flatten(1).sum(1)


torch.manual_seed(0)
mixture = MADE((1, 8, 8), hidden_dims=(300,), num_masks=8, order_agnostic=True, direct=True)
history = train(mixture, epochs=100)
models = {
    "independent pixels": Independent(),
    "FVBN": fvbn,
    "NADE": nade_model,
    "MADE": made,
    "MADE, 8 orders": mixture,
}

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import bits_per_dim, estimate_mean

print(f"{'-log p(x)':20}{'training':>10}{'valid':>8}{'test':>8}{'+-':>6}{'bits/dim, test':>16}")
table = {}
for name, model in models.items():
    estimate = estimate_mean(model.log_prob, x_test)
    table[name] = -estimate.mean
    bits = bits_per_dim(-estimate.mean, num_pixels)
    print(
        f"{name:20}{nats(model, x_train):10.2f}{nats(model, x_valid):8.2f}{-estimate.mean:8.2f}{estimate.standard_error:6.2f}{bits:16.3f}"
    )
with torch.no_grad():
    difference = made.log_prob(x_test) - fvbn.log_prob(x_test)
print(
    f"MADE less FVBN, image by image: {difference.mean():.2f} +- {difference.std() / math.sqrt(len(difference)):.2f} nats"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# The standard error of a score (+-) is large because some digits are harder than others. But all models were asked about the *same* images, so the difference of two models is known much better than either score: the last line.
#
# Published figures for handwriting of 28x28 pixels (statically binarised MNIST, test set, nats): NADE 88.33 (Larochelle & Murray 2011), MADE with two hidden layers and 32 masks 86.64 (Germain et al. 2015), and PixelCNN, lecture 7, 81.30 (van den Oord et al. 2016). Numbers of different data are not comparable, of course: ours has fewer pixels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. The same idea in language
#
# A text is a sequence too, $p(\text{text}) = \prod_t p(c_t \mid c_1 \dots c_{t-1})$, and a model of it is called a **language model**. Its length is not fixed, so masks will not do. A **recurrent neural network** (RNN) reads one character at a time, and carries what it remembers in a vector $h_t$, with the same weights at each step:
#
# $$ h_t = f(h_{t-1}, c_{t-1}), \qquad p(c_t \mid c_{<t}) = \operatorname{softmax}(W h_t + b). $$
#
# NADE's sum $a_{i+1} = a_i + W_{\cdot,i} x_i$ was a memory of this kind. Here $f$ is a *gated recurrent unit* (Cho et al. 2014), a small network that decides what to keep and what to replace. As rivals, two models that only count: how frequent is each character (**unigram**); and how frequent after the one before it (**bigram**).

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.char_rnn import TEXT, CharRNN, windows

split = int(0.85 * len(TEXT))
text, text_test = TEXT[:split], TEXT[split:]
torch.manual_seed(0)
writer = CharRNN("".join(sorted(set(TEXT))), hidden_dim=128)


def count_models(writer, text, text_test):
    """Bits a character of the unigram and the bigram model, with a tenth of a count for what was never seen."""
    codes, codes_test, size = writer.encode(text), writer.encode(text_test), len(writer.alphabet)
    single = torch.bincount(codes, minlength=size) + 0.1
    pairs = torch.full((size, size), 0.1)
    pairs.index_put_((codes[:-1], codes[1:]), torch.ones(len(codes) - 1), accumulate=True)
    bits_single = -(single / single.sum()).log2()[codes_test].mean()
    bits_pair = -(pairs / pairs.sum(1, keepdim=True)).log2()[codes_test[:-1], codes_test[1:]].mean()
    return bits_single.item(), bits_pair.item()


# %% slideshow={"slide_type": "fragment"}
bits_text, states = [], []


def remember(model, epoch):
    bits_text.append((model.bits_per_character(text), model.bits_per_character(text_test)))
    states.append({name: value.clone() for name, value in model.state_dict().items()})


# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    remember(writer, 0)
history = train(
    writer,
    windows(writer.encode(text), 50)[::4],
    epochs=10,
    lr=5e-3,
    weight_decay=1.0,
    batch_size=32,
    cosine=False,
    clip_norm=1.0,
    on_epoch=remember,
)
bits_text = torch.tensor(bits_text)
best = bits_text[:, 1].argmin().item()
writer.load_state_dict(states[best])
unigram, bigram = count_models(writer, text, text_test)
# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5, 2.6))
ax.plot(bits_text[:, 0], "o-", label="RNN, text it has read")
ax.plot(bits_text[:, 1], "o-", label="RNN, held-out text")
for value, name in ((math.log2(len(writer.alphabet)), "uniform"), (unigram, "unigram"), (bigram, "bigram")):
    ax.axhline(value, color="black", linewidth=1, linestyle="--")
    ax.text(bits_text.shape[0] - 1, value + 0.06, name, ha="right", fontsize=8)
ax.set(xlabel="epoch", ylabel="bits per character", ylim=(0, 5.6))
ax.legend(loc="lower left")
plt.show()
print(
    f"held-out text: unigram {unigram:.2f}, bigram {bigram:.2f}, RNN {bits_text[best, 1]:.2f} bits per character, after epoch {best}"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# The text is a page on generative models that comes with the course, two thousand characters and so a very small one. The RNN passes both count models, and then learns the page by heart: the upper curve turns back. We keep the weights of the best epoch. (They were picked by the held-out text itself, so its score is a little too good; with more text one would hold out a third part.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Temperature
#
# To write, draw a character, read it, draw the next. A **temperature** $T$ may sharpen or flatten each choice: draw from $\operatorname{softmax}(\text{logits} / T)$. At $T = 1$ we sample the model; at $T \to 0$ we always take the likeliest character.

# %% slideshow={"slide_type": "fragment"}
for temperature in (0.0, 0.5, 1.0, 1.5):
    (line,) = writer.sample(1, 100, "A model ", temperature, torch.Generator().manual_seed(0))
    print(f"T = {temperature}: {' '.join(line.split())}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Cold, it repeats itself in safe words; hot, words fall apart. Note that $T$ is applied to each step: the result is *not* the distribution $p(\text{text})^{1/T}$ of whole texts, and its likelihood is no longer that of the model.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How low can it go?
#
# Of real text nobody knows the true entropy. So we write a language of our own, captions of two shapes whose colours differ, all equally likely: `a red heart left of a blue square.` Then the floor is known, and so is what each kind of forgetfulness must cost. We train the GRU and an **LSTM** (*long short-term memory*, Hochreiter & Schmidhuber 1997; it will draw images in lecture 6).

# %% slideshow={"slide_type": "fragment"}
colours, shapes = ["red", "green", "blue", "yellow"], ["square", "ellipse", "heart"]
relations = ["above", "below", "left of", "right of"]
captions = [
    f"a {a} {s} {r} a {b} {t}.\n"
    for a, s, r, b, t in itertools.product(colours, shapes, relations, colours, shapes)
    if a != b
]
length = sum(map(len, captions)) / len(captions)
floor = math.log2(len(captions)) / length
forgets_colour = floor + math.log2(4 / 3) / length  # it would allow four second colours, not three
forgets_place = forgets_colour + 2 / length  # nor does it know, twice, whether the caption goes on after a shape
generator = torch.Generator().manual_seed(0)
page = "".join(captions[n] for n in torch.randint(len(captions), (1500,), generator=generator))
cut = int(0.8 * len(page))

# %% slideshow={"slide_type": "fragment"}
curves = {}
for name, memory in {"GRU": nn.GRU, "LSTM": nn.LSTM}.items():
    torch.manual_seed(0)
    reader = CharRNN("".join(sorted(set(page))), hidden_dim=64)
    reader.rnn = memory(64, 64, batch_first=True)
    pieces, values = windows(reader.encode(page[:cut]), 80)[:: 400 if FAST else 40], []
    train(
        reader,
        pieces,
        epochs=16,
        batch_size=32,
        weight_decay=0.0,
        cosine=False,
        clip_norm=1.0,
        on_epoch=lambda model, epoch, values=values: values.append(model.bits_per_character(page[cut:][:3000])),
    )
    curves[name] = values

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5.4, 2.6))
for name, values in curves.items():
    ax.plot(range(1, len(values) + 1), values, "o-", label=name)
for value, label, side in (
    (floor, "floor: all is remembered", "top"),
    (forgets_colour, "forgets the first colour", "bottom"),
    (forgets_place, "... and how far it has got", "top"),
):
    ax.axhline(value, color="black", linewidth=1, linestyle="--")
    ax.text(0.8, value, label, fontsize=8, va=side)
ax.set(xlabel="epoch", ylabel="bits per character, held out", ylim=(0.22, 0.4))
ax.legend(loc="upper right")
plt.show()
print(
    "count models, bits per character:",
    ", ".join(f"{value:.2f}" for value in count_models(reader, page[:cut], page[cut:])),
)
print(
    f"floor {floor:.3f}, forgetting the colour {forgets_colour:.3f}, and the place {forgets_place:.3f}; "
    + ", ".join(f"{name} {values[-1]:.3f}" for name, values in curves.items())
)

# %% [markdown] slideshow={"slide_type": "notes"}
# Soon both know all words, and the grammar from one word to the next: they stand on the uppermost line, which is what a reader pays who has forgotten how the caption began. To get below it one must carry a fact over some twenty characters, and for that the gradient has to find its way back through as many steps. Each network leaves the line at a moment of its own, within an epoch or two; then it knows whether it reads the first shape or the second. Both end a little above the middle line: the rule of the two colours, worth only 0.4 bits a caption, is not learnt yet.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. The price
#
# The likelihood of an image takes one pass, as all pixels are known. To *draw* an image takes $D$ steps, one after the other, since each must wait for the one before. We measure both for MADE with images of growing size (untrained; the clock does not care).

# %% slideshow={"slide_type": "fragment"}
sides = [8, 12] if FAST else [8, 12, 16, 24, 32]
cost = {"$\\log p(x)$": [], "sample": []}
torch.manual_seed(0)
for side in sides:
    model = MADE((1, side, side), hidden_dims=(200,))
    x = torch.bernoulli(torch.full((16, 1, side, side), 0.5))
    with torch.no_grad():
        cost["$\\log p(x)$"].append(seconds(model.log_prob, x, repeats=10))
    cost["sample"].append(seconds(model.sample, 16, repeats=2))
fig, ax = plt.subplots(figsize=(4.6, 2.6))
for name, values in cost.items():
    ax.loglog([side**2 for side in sides], values, "o-", label=name)
ax.set(xlabel="pixels $D$", ylabel="seconds, 16 images", xticks=[side**2 for side in sides])
ax.set_xticklabels([f"{side}x{side}" for side in sides])
ax.minorticks_off()
ax.legend()
plt.show()
print(
    "sampling takes",
    ", ".join(f"{b / a:.0f} times as long at {s}x{s}" for s, a, b in zip(sides, *cost.values(), strict=True)),
)

# %% [markdown] slideshow={"slide_type": "notes"}
# | for | against |
# |---|---|
# | $p(x)$ is exact: an honest score, also for detecting outliers and for compression | sampling takes $D$ steps that cannot be done in parallel |
# | training is plain maximum likelihood: no bound, no game, no Markov chain | an order must be chosen |
# | any missing values, if the model is order-agnostic | no latent code: nothing like $z$ that describes the whole image |
# | sharp samples: each pixel is decided, not averaged | an early mistake is never taken back |
#
# The gap in the figure is why lecture 7 ends with fast sampling.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - $p(x) = \prod_i p(x_i \mid x_{<i})$ holds for any distribution and any order. Functions for the conditionals make it a model that is normalised by construction.
# - FVBN: a logistic regression for each pixel. NADE: hidden layers that share their weights, in $O(DH)$. MADE: one pass, with masks that hide what comes later.
# - Masks are checked by gradients: output $i$ depends on what comes earlier, and on nothing else.
# - Trained in all orders, one network fills in any missing pixels; a mixture of orders scores better than one.
# - The order makes a measurable difference, small here, and another one for each model.
# - Held-out likelihood exposes a copier that samples would not; overfitting shows as train and test part.
# - An RNN is the same idea for texts. Exact likelihood is cheap, sampling is not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) In section 2, compute $p(x_4 = 1 \mid x_1 = x_2 = x_3 = 1)$ from `joint`, and find it in the tree.
# 2. (10 min, easy) How many free parameters has an FVBN of four pixels, and how many has the table? Print `divergence` for all 24 orders: what do orders with the same divergence have in common?
# 3. (20 min, hard) Explain what you saw. (Hint: for three pixels, show that $\log p(x)$ of an FVBN can hold any term in one or two of the pixels, but none in $x_1 x_2 x_3$, whatever the order.)
# 4. (10 min, medium) Break a mask on purpose: replace `>` by `>=` in the output mask of `SmallMADE`. What does the training loss do, and which check of this lecture finds it?
# 5. (15 min, medium) Write `nade` without a loop, with `torch.cumsum`. Compare time and memory for 1024 pixels.
# 6. (20 min, medium) Which test images does the MADE find least probable? And how probable are digits upside down? Draw a histogram of both.
# 7. (20 min, hard) In section 6 the probabilities of two unknown pixels come from one pass, but they may not be drawn from it together. Why? Draw both at once anyway, and measure the damage on every second pixel.
# 8. (20 min, hard) Give the captions a longer memory: "... and another RED one". Where does the LSTM fail?
#
# Assignment 2 lets you write the heart of these models yourself.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - R. M. Neal: Connectionist learning of belief networks, Artificial Intelligence 56, 1992.
# - B. J. Frey: Graphical models for machine learning and digital communication, MIT Press, 1998.
# - H. Larochelle, I. Murray: The neural autoregressive distribution estimator, AISTATS 2011.
# - B. Uria, M.-A. Côté, K. Gregor, I. Murray, H. Larochelle: Neural autoregressive distribution estimation, 2016. arXiv 1605.02226.
# - B. Uria, I. Murray, H. Larochelle: A deep and tractable density estimator, 2014. arXiv 1310.1757 (order-agnostic training).
# - M. Germain, K. Gregor, I. Murray, H. Larochelle: MADE: masked autoencoder for distribution estimation, 2015. arXiv 1502.03509.
# - A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu: Pixel recurrent neural networks, 2016. arXiv 1601.06759.
# - A. Graves: Generating sequences with recurrent neural networks, 2013. arXiv 1308.0850.
# - K. Cho et al.: Learning phrase representations using RNN encoder-decoder for statistical machine translation, 2014. arXiv 1406.1078 (the gated recurrent unit).
# - S. Hochreiter, J. Schmidhuber: Long short-term memory, Neural Computation 9, 1997.
