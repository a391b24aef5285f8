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
# # Lecture 7: PixelCNN and its improvements
#
# **You will**
#
# - build a masked convolution in ten lines, and prove by gradients that it never looks ahead;
# - train a PixelCNN, measure its exact likelihood, draw new digits and complete occluded ones;
# - find the pixels that it can never see, and cure it with two stacks and gates;
# - steer it by a label, and turn it into a classifier by Bayes' rule;
# - replace the softmax by a mixture of logistics, and draw images many times faster without changing one of them.
#
# **You need** lectures 5 and 6 (chain rule, PixelRNN); PyTorch: a convolution and its gradient.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two minutes on a laptop's processor. The images come
# with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os
import time

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=74)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. From a memory to a window
#
# The chain rule takes an image apart into pixels, in **raster order**: row by row, each from left to right,
#
# $$ p(x) = \prod_i p(x_i \mid x_1, \dots, x_{i-1}). $$
#
# A PixelRNN (lecture 6) carries all earlier pixels in a memory, and must walk through the image to fill it: in *training*, too, although there all
# pixels are known from the start. What if each pixel just *looked* at a fixed region of what came before, its **context**? A network that computes the same function
# of a region around every pixel, all at once, is a convolution. It only needs blinkers.

# %% slideshow={"slide_type": "fragment"}
from matplotlib.colors import ListedColormap

side, row, column, reach = 9, 4, 4, 2
i, j = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
earlier = (i < row) | ((i == row) & (j < column))
inside = ((i - row).abs() <= reach) & ((j - column).abs() <= reach)
picture = torch.where(earlier, torch.where(inside, 1, 2), torch.where(inside, 3, 0))
picture[row, column] = 4
fig, axes = plt.subplots(1, 2, figsize=(6.2, 2.8))
colors = ListedColormap(["white", "#0072B2", "#CFE3F1", "#F6D5C3", "#D55E00"])
remembered = torch.where(earlier, 1, torch.where(picture == 4, 4, 0))
for ax, shown in zip(axes, [remembered, picture], strict=True):
    ax.imshow(shown.numpy(), cmap=colors, vmin=0, vmax=4)
    ax.set_xticks(torch.arange(side + 1) - 0.5, [""] * (side + 1))
    ax.set_yticks(torch.arange(side + 1) - 0.5, [""] * (side + 1))
    ax.tick_params(length=0)
    ax.grid(color="0.8", linewidth=0.5)
    ax.text(column, row, "$x_i$", ha="center", va="center", color="white")
axes[0].set_title("PixelRNN: all that came before")
axes[1].set_title("PixelCNN: what a window shows of it")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Dark blue: what the prediction of the orange pixel may use. Pale orange: what an ordinary 5x5 convolution would see as well, and must not. Pale blue: earlier, but outside this window;
# a second layer looks at windows of windows, so depth brings it in.

# %% [markdown] slideshow={"slide_type": "fragment"}
# | to get all $N^2$ conditionals of a known image | sequential steps |
# |---|---|
# | Row LSTM | $N$ rows |
# | Diagonal BiLSTM | $2N - 1$ diagonals |
# | PixelCNN | the number of layers, whatever $N$ is |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The masked convolution, by hand
#
# Blinkers for a convolution: multiply its kernel by a **mask** of zeros and ones. Rows above the centre are open, and so are pixels to the left in the centre's row. And the centre itself?
#
# - **Type A** closes it. The first layer looks at the image, where the centre *is* the pixel to be predicted.
# - **Type B** opens it. Later layers look at features, and the feature at the centre was made of earlier pixels only.

# %% slideshow={"slide_type": "fragment"}
import torch.nn.functional as F
from torch import nn


class MaskedConv(nn.Conv2d):
    def __init__(self, mask_type, in_channels, out_channels, kernel_size):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        centre = kernel_size // 2
        mask = torch.zeros(kernel_size, kernel_size)
        mask[:centre] = 1  # the rows above
        mask[centre, :centre] = 1  # to the left
        mask[centre, centre] = mask_type == "B"
        self.register_buffer("mask", mask)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


def stack(first, num_layers=4, hidden_dim=16):
    """Layers from x (B, 1, H, W) to logits (B, 1, H, W); `first` makes the first convolution."""
    layers = [first(1, hidden_dim)]
    for _ in range(num_layers - 1):
        layers += [nn.ReLU(), MaskedConv("B", hidden_dim, hidden_dim, 3)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(hidden_dim, 1, 1))


# %% [markdown] slideshow={"slide_type": "subslide"}
# Is the product of the chain rule respected? Ask the gradient. Write the pixels of a 5x5 image in raster order; then entry $(i, k)$ of the **Jacobian** is the derivative of the prediction at pixel $i$
# by pixel $k$. *Causal* means: nothing on the diagonal, nothing right of it. We build three networks that differ in the first layer alone.

# %% slideshow={"slide_type": "fragment"}
firsts = {
    "first mask A": lambda a, b: MaskedConv("A", a, b, 3),
    "first mask B": lambda a, b: MaskedConv("B", a, b, 3),
    "no mask at first": lambda a, b: nn.Conv2d(a, b, 3, padding=1),
}
torch.manual_seed(0)
networks = {name: stack(first) for name, first in firsts.items()}
fig, axes = plt.subplots(1, 5, figsize=(7.4, 1.9), width_ratios=[0.6, 0.6, 1, 1, 1])
for ax, kind in zip(axes, "AB", strict=False):
    ax.imshow(MaskedConv(kind, 1, 1, 5).mask.numpy(), cmap="Blues", vmin=0, vmax=1.4)
    ax.plot(2, 2, "x", color="C1")
    ax.set(title=f"mask {kind}", xticks=[], yticks=[])
for ax, (name, network) in zip(axes[2:], networks.items(), strict=True):
    x = torch.rand(20, 1, 5, 5)
    jacobian = torch.autograd.functional.jacobian(lambda x, f=network: f(x).sum(0).flatten(), x).abs().sum(1).flatten(1)
    ax.imshow((jacobian > 0).numpy(), cmap="Blues", vmin=0, vmax=1.4)
    ax.plot([-0.5, 24.5], [-0.5, 24.5], color="C1", linewidth=1)
    ax.set(title=name, xticks=[], yticks=[], xlabel="by pixel $k$")
    looks_ahead = bool(jacobian.triu().any())
    print(f"{name}: {'LOOKS AHEAD' if looks_ahead else 'causal'}")
    assert looks_ahead == (name != "first mask A")
axes[2].set_ylabel("prediction $i$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Blue: not zero. With mask A first, all is strictly below the orange diagonal. With mask B first, the diagonal is blue as well: each pixel is asked to predict itself, and is shown the answer. The white holes below the diagonal? Earlier pixels that are not seen, although they might be: section 7 hunts them down.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What a leak looks like
#
# A leak does not crash. It looks like a triumph. We train all three on binary digits ($8 \times 8$, black or white); the loss is the cross entropy, which *would* be the negative log-likelihood.

# %% slideshow={"slide_type": "fragment"}
from functools import partial

from course_utils.training import fit

train = partial(fit, device="cpu", batch_size=64, lr=1e-2, cosine=True)
digits = data.load("digits")
print(digits.description)
x_train, x_test, y_train, y_test = digits.train.x, digits.test.x, digits.train.y, digits.test.y
if FAST:
    x_train, y_train, x_test, y_test = x_train[:256], y_train[:256], x_test[:100], y_test[:100]
binary, binary_test = data.threshold(x_train), data.threshold(x_test)


def log_prob(network, x):
    return -F.binary_cross_entropy_with_logits(network(x), x, reduction="none").flatten(1).sum(1)


histories = {
    name: train(network, binary, epochs=1 if FAST else 5, loss=lambda model, x, step: -log_prob(model, x).mean())
    for name, network in networks.items()
}

# %% [markdown] slideshow={"slide_type": "fragment"}
# Two ways to find it out, besides the Jacobian. **Probabilities must sum to 1**: a convolution takes images of any size, so we list all $2^{12}$ images of $3 \times 4$ pixels and add them up. And **samples** show it.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.levels import sample_images


def with_two_levels(network):  # logits (B, 2, C, H, W) for "black, white", as the library has them
    return lambda x: torch.stack([torch.zeros_like(x), network(x)], dim=1)


everything = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 12).view(-1, 1, 3, 4)
fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.3), width_ratios=[1, 1.4])
drawn = {}
for name, network in networks.items():
    axes[0].plot(histories[name].loss, label=name)
    with torch.no_grad():
        total = log_prob(network, everything).exp().sum().item()
        quality = -log_prob(network, binary_test).mean().item()
    print(f"{name:17} 'nats' of test images: {quality:6.2f}    sum of 'p(x)' over all 3x4 images: {total:10.4g}")
    assert abs(total - 1) < 1e-3 or name != "first mask A"
    drawn[name] = sample_images(with_two_levels(network), 8, (1, 8, 8), torch.Generator().manual_seed(0)).float()
axes[0].set(xlabel="step", ylabel="loss, 'nats'", ylim=(0, 46))
axes[0].legend(fontsize=8)
plotting.compare_rows(drawn, axes[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# A loss that falls to zero is not a better model. It is no model: its "probabilities" of all images do not sum to 1, and drawing from it, where nobody shows it the answer, fails: all it has learned is to read the pixel off, and on the empty canvas it reads black, again and again.

# %% [markdown] slideshow={"slide_type": "fragment"}
# Now play: size of the kernel, number of layers, colours. What does the pixel at the cross see?

# %% slideshow={"slide_type": "fragment"}
widgets.mask_explorer()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Colours: R, then G given R, then B given R and G
#
# A colour pixel is three values, drawn in turn:
#
# $$ p(x_i \mid x_{<i}) = p(x_{i,R} \mid x_{<i})\; p(x_{i,G} \mid x_{i,R}, x_{<i})\; p(x_{i,B} \mid x_{i,R}, x_{i,G}, x_{<i}). $$
#
# So at the centre the mask must tell colours apart, in *all* layers. Channels are therefore cut into three contiguous thirds, one a colour: with six channels, R R G G B B. At the centre, an output channel of a colour
# sees the input channels of the colours before it; and, with type B, those of its own. Elsewhere nothing changes.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.masked import MaskedConv2d, causal_mask

torch.manual_seed(0)
colored = nn.Sequential(
    MaskedConv2d("A", 3, 6, 3, num_colors=3), nn.Tanh(), MaskedConv2d("B", 6, 3, 3, num_colors=3)
).double()
jacobian = torch.autograd.functional.jacobian(colored, torch.rand(1, 3, 5, 5).double())[0, :, :, :, 0]
centre = (jacobian[:, 2, 2, :, 2, 2] != 0).float()  # the prediction of each colour at a pixel, by each colour there
shown = {
    "mask A, centre, 3 to 6": causal_mask("A", 3, 6, 3, num_colors=3)[:, :, 1, 1],
    "mask B, centre, 6 to 6": causal_mask("B", 6, 6, 3, num_colors=3)[:, :, 1, 1],
    "measured: A, then B": centre,
}
fig, axes = plt.subplots(1, 3, figsize=(6.8, 2.4))
for ax, (title, matrix) in zip(axes, shown.items(), strict=True):
    ax.imshow(matrix.numpy(), cmap="Blues", vmin=0, vmax=1.4)
    for axis, number in ((ax.yaxis, matrix.shape[0]), (ax.xaxis, matrix.shape[1])):
        axis.set_ticks(range(number), ["RGB"[3 * k // number] for k in range(number)])
    ax.set(title=title, xlabel="input channel", ylabel="output channel")
plt.show()
assert torch.equal(centre, torch.ones(3, 3).tril(-1))  # G by R, B by R and G
assert (jacobian[:, 2, 2, :, 2, 1] != 0).all()  # the pixel to the left: every colour sees every colour
assert not jacobian[:, 2, 2, :, 2, 3:].any()  # to the right: none sees anything
print("at the pixel itself: G depends on R, B on R and G, nothing else; to the left all on all; to the right none")

# %% [markdown] slideshow={"slide_type": "notes"}
# Read a row: what does this output channel see at the centre? The matrix on the right is not a mask but a derivative, taken through two layers: exactly the order of the formula.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. PixelCNN: train in parallel
#
# A **PixelCNN** (van den Oord et al. 2016a) is a $7 \times 7$ convolution with mask A, some residual blocks of $3 \times 3$ with mask B, and at each pixel a **softmax** over its $V$ possible levels. Our digits have $V = 17$ grey levels, photographs 256.
# The loss is the negative log-likelihood, the sum of a cross entropy for every pixel:
#
# $$ -\log p(x) = -\sum_i \log \operatorname{softmax}\big(\text{logits}_i(x_{<i})\big)_{x_i} . $$
#
# All terms come from *one* pass, as every pixel's context is known when the image is. To compare with other sizes and other papers, one divides the nats by the number of dimensions and by $\log 2$: **bits per dimension**.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import bits_per_dim, estimate_mean
from course_utils.models.autoregressive.pixelcnn import PixelCNN

V, image_shape = 17, (1, 8, 8)
torch.manual_seed(0)
pixelcnn = PixelCNN(image_shape, num_levels=V, hidden_dim=32, num_layers=3)
logits = pixelcnn(x_test)
levels = (x_test * (V - 1)).round().long()
by_hand = F.cross_entropy(logits, levels, reduction="none").flatten(1).sum(1)
assert torch.allclose(by_hand, -pixelcnn.log_prob(x_test), atol=1e-3)
print("x", tuple(x_test.shape), "-> logits", tuple(logits.shape), "; log p(x) is minus the cross entropy, summed")

record = []
history = train(
    pixelcnn,
    x_train,
    epochs=1 if FAST else 14,
    batch_size=32,
    on_epoch=lambda model, epoch: record.append(-estimate_mean(model.log_prob, x_test).mean),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Is the result good? Against what? Two models that know nothing of their neighbours: all levels equally likely, and each pixel on its own with the frequencies of the training images (a count added to each level).

# %% slideshow={"slide_type": "fragment"}
results = {}


def report(name, per_example, *test_data):
    results[name] = estimate_mean(per_example, *test_data)
    nats, error = -results[name].mean, results[name].standard_error
    print(f"{name:34} {nats:7.2f} +- {error:.2f} nats, {bits_per_dim(nats, 64):.3f} bits per dimension")


counts = 1 + F.one_hot((x_train * (V - 1)).round().long(), V).sum(0)  # (1, 8, 8, V)
frequencies = (counts / counts.sum(-1, keepdim=True)).log()
report("uniform", lambda x: torch.full((len(x),), -64 * math.log(V)), x_test)
report("each pixel alone", lambda x: frequencies.expand(len(x), -1, -1, -1, -1).gather(
    -1, (x * (V - 1)).round().long().unsqueeze(-1)).flatten(1).sum(1), x_test)  # fmt: skip
report("PixelCNN", pixelcnn.log_prob, x_test)
fig, ax = plt.subplots(figsize=(4.6, 2.3))
plotting.loss_curve(history, ax, label="training")
steps = len(history.loss) / len(record)
ax.plot([steps * (epoch + 1) for epoch in range(len(record))], record, "o-", color="C1", markersize=3, label="test")
ax.axhline(-results["each pixel alone"].mean, color="black", linestyle="--", linewidth=1, label="each pixel alone")
ax.set(ylabel="$-\\log p(x)$, nats", ylim=(min(record) - 8, 180))
ax.legend(fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# All these are exact likelihoods of images that the network has not seen, with standard errors over the test images: no bound, no estimate. That is the great virtue of autoregressive models.

# %% [markdown] slideshow={"slide_type": "subslide"}
# What does the network say? Here is a test digit, and the predicted distribution of four of its pixels, each given those before.

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    odds = pixelcnn(x_test[:1]).softmax(1)[0, :, 0]  # (V, 8, 8)
uncertainty = -(odds * odds.clamp(min=1e-12).log()).sum(0)
fig, axes = plt.subplots(1, 6, figsize=(7.6, 1.8))
axes[0].imshow(x_test[0, 0].numpy())
axes[1].imshow(uncertainty.numpy(), cmap="viridis")
for ax, title in zip(axes, ["image", "entropy"], strict=False):
    ax.set(title=title, xticks=[], yticks=[])
for n, (ax, (row, column)) in enumerate(zip(axes[2:], [(0, 0), (1, 3), (4, 3), (6, 4)], strict=True)):
    ax.bar(range(V), odds[:, row, column].numpy(), width=1)
    ax.axvline(levels[0, 0, row, column], color="C1", linestyle="--")
    ax.set(title=f"{'abcd'[n]}", xlabel="level", yticks=[], ylim=(0, None))
    axes[0].text(column, row, "abcd"[n], color="C1", ha="center", va="center", fontsize=9)
plt.show()
print(
    f"entropy of the predictions: {uncertainty.min():.2f} to {uncertainty.max():.2f} nats; of 17 equal levels {math.log(V):.2f}"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# Dashed: the true level. A softmax can take any shape: a spike at black in the corner (*a*), where all digits are black; a steep rise towards full ink within a stroke (*b*, *c*); nearly anything, and a peak at full ink besides (*d*). A Gaussian could not say that. What it does not know: that level 7 is next to level 8. Section 10 comes back to this.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Generation: still one by one
#
# To *draw* an image nothing is known in advance. The first pixel comes from $p(x_1)$; only then is there a context for the second.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def draw_by_hand(model, num_samples, num_levels, height, width):
    x = torch.zeros(num_samples, 1, height, width)
    for i in range(height):
        for j in range(width):
            odds = model(x)[:, :, 0, i, j].softmax(1)  # all logits are computed, those of one pixel are used
            x[:, 0, i, j] = torch.multinomial(odds, 1)[:, 0] / (num_levels - 1)
    return x


torch.manual_seed(0)
start = time.process_time()
drawn = draw_by_hand(pixelcnn, 24, V, 8, 8)
seconds_drawing = time.process_time() - start
start = time.process_time()
with torch.no_grad():
    log_px = pixelcnn.log_prob(drawn)
seconds_scoring = time.process_time() - start
fig, ax = plt.subplots(figsize=(6.2, 2.2))
plotting.compare_rows({"real": x_test[:12], "new": drawn[:12], "": drawn[12:]}, ax)
plt.show()
print(f"24 images: {1000 * seconds_drawing:.0f} ms to draw, {1000 * seconds_scoring:.1f} ms to score: ", end="")
print(f"a ratio of {seconds_drawing / seconds_scoring:.0f}, for 64 pixels one after the other")
print(f"mean log p(x): {log_px.mean():.1f} nats of the new images, {results['PixelCNN'].mean:.1f} of test images")

# %% [markdown] slideshow={"slide_type": "notes"}
# Many can be read, some are a digit above and another one below. The last line is a check of its own: if test images were typical of the model, both means would agree. They differ as far as the model differs from the world.

# %% slideshow={"slide_type": "fragment"}
widgets.pixel_sampler(pixelcnn, image_shape, num_levels=V)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### In colour
#
# Coloured shapes of $8 \times 8$ pixels, each value rounded to four levels: $3 \cdot 64$ values an image. The same class, with three channels. How much does a colour cost if the colours before it are known?

# %% slideshow={"slide_type": "fragment"}
sprites = data.sprites(1500 if not FAST else 200, size=8).x
sprites = (sprites * 3).round() / 3
sprites, sprites_test = sprites[:-100], sprites[-100:]
torch.manual_seed(0)
in_color = PixelCNN((3, 8, 8), num_levels=4, hidden_dim=24, num_layers=2)
train(in_color, sprites, epochs=1 if FAST else 14, batch_size=32)
with torch.no_grad():
    chosen = in_color(sprites_test).log_softmax(1).gather(1, (3 * sprites_test).round().long().unsqueeze(1))
costs = -chosen[:, 0].sum((2, 3)).mean(0)
print("nats an image: ", "  ".join(f"{c}: {cost:.2f}" for c, cost in zip(["R", "G|R", "B|R,G"], costs, strict=True)))
print(f"bits per dimension: {bits_per_dim(-in_color.log_prob(sprites_test).mean().item(), 192):.3f}")
drawn = in_color.sample(20, generator=torch.Generator().manual_seed(0))
fig, ax = plt.subplots(figsize=(5.4, 1.9))
plotting.compare_rows({"real": sprites_test[:10], "new": drawn[:10], "": drawn[10:]}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# R has to find out where the shape is. B, which comes last, knows that from R and G, and costs least. Black is black in all three; and the hue, once seen, holds for the whole shape.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Completion of occluded images
#
# Hide the lower half of an image. The model needs no retraining to complete it: given pixels $x_1 \dots x_k$ it *is* a distribution over the rest,
#
# $$ p(x_{k+1}, \dots, x_D \mid x_1, \dots, x_k) = \prod_{i > k} p(x_i \mid x_1, \dots, x_{i-1}) . $$
#
# So we keep what is known and draw what is not. And again, and again: a distribution has more than one answer.


# %% slideshow={"slide_type": "fragment"}
def show_completions(model, x, known, ax, num_completions=5):
    occluded = torch.where(known, x, 0.0).expand(-1, 3, -1, -1).clone()
    occluded[:, 0, ~known], occluded[:, 1, ~known], occluded[:, 2, ~known] = 0.95, 0.77, 0.55
    columns = [x.expand(-1, 3, -1, -1), occluded]
    generator = torch.Generator().manual_seed(1)
    for _ in range(num_completions):
        completed = model.complete(x, known, generator=generator)
        assert torch.equal(completed[..., known], x[..., known])  # what is known stays
        columns.append(completed.expand(-1, 3, -1, -1))
    titles = ["original", "occluded", "", "", "completions", *[""] * (num_completions - 3)]
    rows = torch.stack(columns, dim=1)
    ax.tick_params(labelsize=8)
    plotting.compare_rows({f"{n + 1}": row for n, row in enumerate(rows)}, ax, titles=titles)


known = torch.ones(8, 8, dtype=torch.bool)
known[4:] = False
fig, ax = plt.subplots(figsize=(5.6, 3.5))
show_completions(pixelcnn, x_test[4:9], known, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# Raster order has a price. Hide a window in the *middle*: the known pixels below it come later, so the model cannot look at them while it draws. It draws a distribution given the past, not given all that is known.
# Do the pixels below then fit? We score them, given the true window and given the drawn one.

# %% slideshow={"slide_type": "fragment"}
hole = torch.ones(8, 8, dtype=torch.bool)
hole[2:5, 1:7] = False
below = torch.zeros(8, 8, dtype=torch.bool)
below[5:] = True


@torch.no_grad()
def score_below(x):
    chosen = pixelcnn(x).log_softmax(1).gather(1, (x * (V - 1)).round().long().unsqueeze(1))
    return chosen[:, 0, 0][:, below].sum(1)


completed = pixelcnn.complete(x_test, hole, generator=torch.Generator().manual_seed(2))
difference = estimate_mean(lambda a, b: score_below(b) - score_below(a), x_test, completed)
print(f"log-probability of the rows below, given the drawn window less given the true one: {difference}")
fig, ax = plt.subplots(figsize=(5.6, 2.0))
show_completions(pixelcnn, x_test[4:7], hole, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The difference is negative by many standard errors: the lower rows come as a surprise after a window that was drawn without them. To draw windows *given all the rest* one must reweigh many draws by this very score, or train with many orders (lecture 5).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. The blind spot
#
# What does a deep stack of masked $3 \times 3$ convolutions see? We measure: the size of the gradient of one output, by each input, averaged over random images. Blue is seen, **orange is earlier and yet not seen**.

# %% slideshow={"slide_type": "fragment"}
from course_utils.receptive_field import receptive_field


def show_field(ax, network, side=15, pixel=(10, 7)):
    """Draw what the pixel sees; return how many earlier pixels it does not."""
    seen = receptive_field(network, (1, side, side), pixel, num_inputs=2, dtype=torch.float32)[0] > 0
    position = torch.arange(side * side).view(side, side)
    earlier = position < pixel[0] * side + pixel[1]
    assert not seen[~earlier].any()
    picture = 1 * seen + 2 * (earlier & ~seen)
    ax.imshow(picture.numpy(), cmap=ListedColormap(["white", "#0072B2", "#E69F00"]), vmin=0, vmax=2)
    ax.plot(pixel[1], pixel[0], "kx")
    ax.set_xticks(torch.arange(side + 1) - 0.5, [""] * (side + 1))
    ax.set_yticks(torch.arange(side + 1) - 0.5, [""] * (side + 1))
    ax.tick_params(length=0)
    ax.grid(color="0.85", linewidth=0.4)
    return int((earlier & ~seen).sum())


torch.manual_seed(0)
fig, axes = plt.subplots(1, 4, figsize=(7.4, 2.1))
for ax, num_layers in zip(axes, (1, 3, 6, 12), strict=True):
    unseen = show_field(ax, stack(firsts["first mask A"], num_layers))
    ax.set_title(f"{num_layers} layer{'s' if num_layers > 1 else ''}: {unseen} unseen")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# With depth the blue grows, but a wedge on the right stays orange for ever: the **blind spot**. Why? To the right the network can only get by climbing: from a pixel, one row up, one column right, per layer. Never along the row above, since that would take a step to the right *within* a row, and those are masked.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Does it matter? A world made to hurt
#
# Random dots that drift: each row is the row above, moved two pixels to the left, with two fresh random pixels on the right. Who can see the pixel up one, right two, knows the answer; and just that one lies in the blind spot.
# The entropy is known: $8 + 7 \cdot 2 = 22$ free coins.


# %% slideshow={"slide_type": "fragment"}
def drifting_dots(num_images, generator):
    rows = [torch.randint(2, (num_images, 8), generator=generator)]
    for _ in range(7):
        fresh = torch.randint(2, (num_images, 2), generator=generator)
        rows.append(torch.cat([rows[-1][:, 2:], fresh], dim=1))
    return torch.stack(rows, dim=1).unsqueeze(1).float()


generator = torch.Generator().manual_seed(0)
dots, dots_test = drifting_dots(1000, generator), drifting_dots(500, generator)
torch.manual_seed(0)
blind = stack(firsts["first mask A"], num_layers=3)
train(blind, dots, epochs=1 if FAST else 8, loss=lambda model, x, step: -log_prob(model, x).mean())
fig, ax = plt.subplots(figsize=(5, 0.9))
plotting.image_grid(dots[:8], ax, num_columns=8)
plt.show()
print(f"free coins, 22 log 2:         {22 * math.log(2):.2f} nats")
print(f"all 64 pixels, 64 log 2:      {64 * math.log(2):.2f} nats")
print(f"3 masked layers of 3x3, test: {-estimate_mean(partial(log_prob, blind), dots_test).mean:.2f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# The network has learned nothing whatever: 64 tosses of a coin. More layers, channels or images would not help.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. The cure: two stacks, and a gate
#
# **Two stacks** (van den Oord et al. 2016b). Split the context in two:
#
# - the **vertical stack** sees the rows above, in *both* directions. No masks: the kernel simply has no rows below;
# - the **horizontal stack** sees the row to the left, and at each layer takes in what the vertical stack has found at this pixel.
#
# Information flows from vertical to horizontal, never back: the horizontal stack knows pixels of the current row, and the vertical stack would carry them to the right.


# %% slideshow={"slide_type": "fragment"}
def box(ax, x, y, text, color, width=2.0):
    ax.add_patch(plt.Rectangle((x - width / 2, y - 0.36), width, 0.72, facecolor=color, edgecolor="black", alpha=0.85))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


def arrow(ax, start, end, **style):
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0, **style})


# %% slideshow={"slide_type": "fragment"}
vertical, horizontal = "#9ecae9", "#f6c48e"
boxes = [
    (1.5, 0.4, "vertical in", vertical, 2), (1.5, 1.7, "$k \\times k$, rows above", vertical, 2.4),
    (1.5, 4.3, "tanh $\\cdot$ sigmoid", vertical, 2), (4, 3.0, "$1 \\times 1$", "white", 0.9),
    (6.5, 0.4, "horizontal in", horizontal, 2), (6.5, 1.7, "$1 \\times k$, left", horizontal, 2),
    (6.5, 3.0, "+", "white", 0.6), (6.5, 4.3, "tanh $\\cdot$ sigmoid", horizontal, 2),
    (6.5, 5.6, "$1 \\times 1$, mask B", horizontal, 2.1), (6.5, 6.8, "+", "white", 0.6),
]  # fmt: skip
up_left, up_right = [(0.76, 1.34), (2.06, 3.94), (4.66, 7.8)], [(0.76, 1.34), (2.06, 2.64), (3.36, 3.94)]
up_right += [(4.66, 5.24), (5.96, 6.44), (7.16, 7.8)]

# %% slideshow={"slide_type": "fragment"}
fig, (ax, kernels) = plt.subplots(1, 2, figsize=(7.4, 3.2), width_ratios=[3, 1])
for x, y, text, color, width in boxes:
    box(ax, x, y, text, color, width)
for x, ups in ((1.5, up_left), (6.5, up_right)):
    for low, high in ups:
        arrow(ax, (x, low), (x, high))
arrow(ax, (1.5, 3.0), (3.55, 3.0))
arrow(ax, (4.45, 3.0), (6.2, 3.0))
ax.plot([7.5, 8.4, 8.4], [0.4, 0.4, 6.8], color="black", linewidth=1)
arrow(ax, (8.4, 6.8), (6.8, 6.8))
ax.text(8.5, 3.6, "residual", fontsize=8, rotation=90, va="center")
ax.set(xlim=(0, 9), ylim=(-0.1, 7.9), title="one layer of a Gated PixelCNN")
ax.axis("off")
picture = torch.tensor([[1.0] * 5, [1] * 5, [2, 2, 3, 0, 0], [0] * 5, [0] * 5])
kernels.imshow(picture.numpy(), cmap=ListedColormap(["white", vertical, horizontal, "#D55E00"]))
kernels.text(2, 0.5, "vertical", ha="center", va="center", fontsize=8)
kernels.text(0.5, 2, "horiz.", ha="center", va="center", fontsize=8)
kernels.set(xticks=[], yticks=[], title="who sees what")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Blue: rows above, the vertical stack's. Orange: the row so far, the horizontal stack's. Only the horizontal stack has a residual short-cut and, as it alone may meet the current pixel's colours, a mask.

# %% [markdown] slideshow={"slide_type": "subslide"}
# In code, without gates yet. A kernel that sees only rows above is an ordinary convolution, padded and cut so that it ends early.


# %% slideshow={"slide_type": "fragment"}
class TwoStacks(nn.Module):
    """x (B, 1, H, W) to logits (B, 1, H, W)."""

    def __init__(self, num_layers=4, hidden_dim=16):
        super().__init__()
        widths = [1] + [hidden_dim] * (num_layers - 1)
        self.vertical = nn.ModuleList(nn.Conv2d(w, hidden_dim, (2, 3)) for w in widths)
        self.horizontal = nn.ModuleList(nn.Conv2d(w, hidden_dim, (1, 2)) for w in widths)
        self.links = nn.ModuleList(nn.Conv2d(hidden_dim, hidden_dim, 1) for _ in widths)
        self.output = nn.Conv2d(hidden_dim, 1, 1)

    def forward(self, x):
        v = F.pad(x, (0, 0, 1, -1))  # one row down: row i now holds row i - 1, as mask A would have it
        h = F.pad(x, (1, -1))  # one column to the right
        for down, right, link in zip(self.vertical, self.horizontal, self.links, strict=True):
            v = down(F.pad(v, (1, 1, 1, 0))).relu()  # its own row and the one above, both sides
            h = right(F.pad(h, (1, 0))) + link(v)  # itself and its left neighbour
            h = h.relu()
        return self.output(h)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
two_stacks = TwoStacks(num_layers=3)
train(two_stacks, dots, epochs=1 if FAST else 8, loss=lambda model, x, step: -log_prob(model, x).mean())
print(
    f"drifting dots, two stacks, test: {-estimate_mean(partial(log_prob, two_stacks), dots_test).mean:.2f} nats", end=""
)
print(f" (free coins: {22 * math.log(2):.2f})")

# %% [markdown] slideshow={"slide_type": "fragment"}
# The second idea of that paper is the **gate**. A PixelRNN's LSTM multiplies; a ReLU cannot. So let one half of the channels say *what*, and the other half *how much of it*:
#
# $$ y = \tanh(W_f * x) \odot \sigma(W_g * x) . $$
#
# `GatedPixelCNN` has both: two stacks and gates. Here is what each sees.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.gated_pixelcnn import GatedPixelCNN

torch.manual_seed(0)
fields = {
    "masked 3x3, 6 layers": stack(firsts["first mask A"], 6),
    "PixelCNN, 7x7 first": PixelCNN((1, 15, 15), hidden_dim=8, num_layers=5),
    "TwoStacks, 6 layers": TwoStacks(6),
    "Gated PixelCNN": GatedPixelCNN((1, 15, 15), hidden_dim=8, num_layers=8),
}
fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.2))
for ax, (name, network) in zip(axes, fields.items(), strict=True):
    unseen = show_field(ax, network)
    ax.set_title(f"{name}\n{unseen} unseen", fontsize=9)
assert unseen == 0
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# What is still orange in the third picture is only far away, and goes with more layers; the wedge is gone. A large first kernel, as in the second picture, moves the wedge away, but does not close it.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What is the cure worth on real images?
#
# Binary digits, four layers each. To be fair, the blind network gets more channels, so that it *uses* about as many weights as `TwoStacks` (closed ones do not count). The gated one too. Each trains with the learning rate, of 0.01, 0.015 and 0.03, that did best on validation images (beforehand, with another seed). Four seeds each: new weights, new order of images; all see the same test images, and we compare seed by seed.


# %% slideshow={"slide_type": "fragment"}
def num_used(network):
    closed = sum((m.weight * (1 - m.mask)).ne(0).sum().item() for m in network.modules() if hasattr(m, "mask"))
    return sum(p.numel() for p in network.parameters()) - closed


def test_nats(network, lr, seed):
    is_ours = isinstance(network, GatedPixelCNN)
    score = network.log_prob if is_ours else partial(log_prob, network)
    train(network, binary, epochs=1 if FAST else 10, lr=lr, seed=seed, loss=lambda model, x, step: -score(x).mean())
    return -estimate_mean(score, binary_test).mean


kinds = {
    "blind": lambda: stack(firsts["first mask A"], hidden_dim=22),
    "two stacks": TwoStacks,
    "two stacks, gates": lambda: GatedPixelCNN(image_shape, hidden_dim=10, num_layers=4),
}
for name, make in kinds.items():
    print(f"{name:18} {num_used(make()):6,} weights in use")

# %% slideshow={"slide_type": "fragment"}
nats = {}
for name, make in kinds.items():
    nats[name], lr = torch.zeros(2 if FAST else 4), 0.03 if "gates" in name else 0.015
    for seed in range(len(nats[name])):
        torch.manual_seed(seed)
        nats[name][seed] = test_nats(make(), lr, seed)

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(4.6, 2.2))
for position, values in enumerate(nats.values()):
    ax.plot([position] * len(values), values, "o", color=f"C{position}", markersize=5, alpha=0.7)
    error = values.std() / math.sqrt(len(values))
    ax.errorbar(position + 0.2, values.mean(), error, fmt="s", color="black", capsize=4, markersize=4)
ax.set(xticks=range(3), xticklabels=list(nats), ylabel="test, nats", xlim=(-0.5, 2.6))
plt.show()
for first, second in (("blind", "two stacks"), ("two stacks", "two stacks, gates")):
    gains = nats[first] - nats[second]
    error = gains.std() / math.sqrt(len(gains))
    print(f"from '{first}' to '{second}': {gains.mean():.2f} +- {error:.2f} nats gained, {len(gains)} seeds:", end=" ")
    print(", ".join(f"{gain:.2f}" for gain in gains))

# %% [markdown] slideshow={"slide_type": "notes"}
# Dots: one seed each; squares: their mean with its standard error over seeds. On these small images little of the past lies in the blind spot, so the cure gains little, but several times its error. `GatedPixelCNN` gains more on top; not by its gates alone, as it also has a wider first kernel, $7 \times 7$, and residual short-cuts. And it wanted a larger learning rate: with that of the others, its lead would drown in the scatter of the seeds. On large photographs, with many layers, gates and stacks together brought a PixelCNN from 3.14 to 3.03 bits per dimension (CIFAR-10, van den Oord et al. 2016b).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Conditional PixelCNN: $p(x \mid h)$
#
# We want *a three*. Let $h$ describe what is wanted, a label as a one-hot vector, or any embedding. It enters every gate, the same at all pixels: it says *what*, not *where*.
#
# $$ y = \tanh(W_f * x + V_f^\top h) \odot \sigma(W_g * x + V_g^\top h) . $$

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.conditional_pixelcnn import ConditionalPixelCNN

torch.manual_seed(0)
conditional = ConditionalPixelCNN(image_shape, condition_dim=10, num_levels=V, hidden_dim=24, num_layers=3)
train(conditional, (x_train, y_train), epochs=1 if FAST else 16, batch_size=32)
labels = torch.arange(10).repeat_interleave(10)
drawn = conditional.sample(100, labels, generator=torch.Generator().manual_seed(0))
fig, ax = plt.subplots(figsize=(3.6, 3.5))
plotting.compare_rows({f"h = {label}": drawn[labels == label] for label in range(10)}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Backwards: a classifier for free
#
# We have $\log p(x \mid y)$ for each label, exactly. Bayes' rule turns it round, $\ p(y \mid x) \propto p(x \mid y)\, p(y)$, and adding up gives a $p(x)$ again.

# %% slideshow={"slide_type": "fragment"}
prior = (torch.bincount(y_train, minlength=10) / len(y_train)).log()
with torch.no_grad():
    joint = torch.stack([conditional.log_prob(x_test, torch.full((len(x_test),), label)) for label in range(10)], dim=1)
    joint = joint + prior
posterior = joint.softmax(1)
right = (posterior.argmax(1) == y_test).float()
accuracy, error = right.mean().item(), right.std().item() / math.sqrt(len(right))
centroids = torch.stack([x_train[y_train == label].mean(0).flatten() for label in range(10)])
by_centroid = (torch.cdist(x_test.flatten(1), centroids).argmin(1) == y_test).float().mean().item()
print(f"accuracy by Bayes' rule on {len(y_test)} test images: {accuracy:.1%} +- {error:.1%}", end="")
print(f" (nearest class mean: {by_centroid:.1%}; chance: {y_test.bincount().max() / len(y_test):.1%})")
results["conditional, p(x)"] = estimate_mean(lambda joint: joint.logsumexp(1), joint)
results["conditional, p(x | y)"] = estimate_mean(conditional.log_prob, x_test, y_test)
for name in ("PixelCNN", "conditional, p(x)", "conditional, p(x | y)"):
    print(f"{name:22} {-results[name].mean:.2f} +- {results[name].standard_error:.2f} nats")

# %% slideshow={"slide_type": "fragment"}
hardest = posterior[torch.arange(len(y_test)), y_test].argsort()[:6]
fig, ax = plt.subplots(figsize=(6.2, 1.5))
titles = [f"{y_test[n]}, says {posterior[n].argmax()}\n({posterior[n].max():.0%})" for n in hardest.tolist()]
plotting.image_grid(x_test[hardest], ax, num_columns=6, titles=titles)
plt.show()
blend = torch.linspace(0, 1, 8)
h = torch.zeros(8, 10)
h[:, 1], h[:, 0] = blend, 1 - blend  # from a nought to a one
rows = {f"draw {n + 1}": conditional.sample(8, h, generator=torch.Generator().manual_seed(n)) for n in range(3)}
fig, ax = plt.subplots(figsize=(4.6, 1.9))
plotting.compare_rows(rows, ax, titles=[f"{value:.1f}" for value in blend.tolist()])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# It was never trained to classify, only to draw. Top: the six test images whose true label got the least probability. Below: $h$ need not be a label. Here it is a blend from *nought* to *one*, with the same random numbers in a row; the network has never seen such an $h$, so do not expect more than that the ends are right.
# The paper takes $h$ from a network for faces, and draws the same person in new poses.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. PixelCNN++
#
# Four changes (Salimans et al. 2017): another likelihood, colours joined in it, down- and up-sampling with short-cuts, dropout.
#
# ### A softmax over 256 levels is wasteful
#
# It has 256 free numbers a value; and what it learns about level 127 tells it nothing about 128. A smooth density does. Take a **logistic** distribution, whose distribution function is the sigmoid, and cut it into bins around the $V$ levels, the two outer ones open to infinity (so that they sum to 1):
#
# $$ P(x) = \sigma\!\left(\frac{x + \tfrac{1}{V-1} - \mu}{s}\right) - \sigma\!\left(\frac{x - \tfrac{1}{V-1} - \mu}{s}\right), \qquad x \in \{-1, \dots, 1\} \text{ in steps of } \tfrac{2}{V-1} . $$
#
# One logistic has one hump; a **mixture** of $K$, $\sum_k \pi_k P_k(x)$, has as many as it needs, for $3K$ numbers.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.logistics import discretized_logistic_log_prob

V_few = 9
x = torch.linspace(-1, 1, V_few)
pi, mu, scale = torch.tensor([0.4, 0.6]), torch.tensor([-0.2, 0.85]), torch.tensor([0.1, 0.2])
values = torch.linspace(-1.7, 1.7, 401)
sigmoid = torch.sigmoid((values.unsqueeze(1) - mu) / scale)
density = (pi * sigmoid * (1 - sigmoid) / scale).sum(1)  # the derivative of the mixture's distribution function
odds = (pi * discretized_logistic_log_prob(x.unsqueeze(1), mu, scale.log(), num_levels=V_few).exp()).sum(1)
levels_256 = torch.linspace(-1, 1, 256, dtype=torch.float64).view(-1, 1, 1)
means, log_scales = torch.tensor([-0.9, 0.0, 3.0, -50.0]).double(), torch.tensor([-9.0, -2.0, 0.0, 4.0]).double()
sums = discretized_logistic_log_prob(levels_256, means.view(-1, 1), log_scales).exp().sum(0)
assert abs(odds.sum() - 1) < 1e-5
assert (sums - 1).abs().max() < 1e-9
print(f"the nine probabilities sum to {odds.sum():.6f}")
print(f"256 levels, 16 pairs of mean and scale, some absurd: sums within {(sums - 1).abs().max():.0e} of 1")

# %% slideshow={"slide_type": "fragment"}
edges = (x[1:] + x[:-1]) / 2
cells = torch.bucketize(values, edges)
fig, axes = plt.subplots(1, 2, figsize=(7, 2.4))
for k in range(V_few):
    axes[0].fill_between(values, density, where=cells == k, color=f"C{k % 2}", alpha=0.5, linewidth=0)
axes[0].plot(values, density, color="black", linewidth=1)
axes[0].vlines(edges, 0, density.max(), color="0.6", linewidth=0.6, linestyle="--")
axes[0].annotate("open end", (1.35, 0.2), (1.35, 0.85), arrowprops={"arrowstyle": "->"}, ha="center")
axes[0].set(title="two logistics, cut into 9 bins", xlabel="$x$", ylabel="density", yticks=[], ylim=(0, None))
axes[1].bar(range(V_few), odds.numpy(), color=[f"C{k % 2}" for k in range(V_few)], alpha=0.6)
axes[1].set(title="probability of each level", xlabel="level")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# A bar is the area of its stripe. The last level takes the whole tail beyond it: pure black and pure white are common in images, and a mean near or beyond the edge gives them much mass.

# %% [markdown] slideshow={"slide_type": "subslide"}
# How wasteful is a softmax? One pixel of the digits, enlarged to $16 \times 16$ so that it takes 256 levels. We fit its distribution to $N$ images and score it on others: 256 frequencies (one count added to each), against a mixture of $K = 3$ logistics, nine numbers.


# %% slideshow={"slide_type": "fragment"}
def fit_mixture(values, num_components=3, num_steps=50 if FAST else 300):
    """A function from values in [-1, 1] to their log-probabilities, fitted to `values`."""
    start = torch.linspace(-1, 1, num_components)
    params = torch.stack([torch.zeros(num_components), start, torch.full((num_components,), -1.5)]).requires_grad_()

    def log_prob(x):
        log_weights, mu, log_scale = params
        components = discretized_logistic_log_prob(x.unsqueeze(1), mu, log_scale.clamp(min=-5))
        return (log_weights.log_softmax(0) + components).logsumexp(1)

    optimizer = torch.optim.Adam([params], lr=0.03)
    for _ in range(num_steps):
        loss = -log_prob(values).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return log_prob


large = data.load("digits", size=16)
pixel_train, pixel_test = ((255 * split.x[:, 0, 9, 7]).round() for split in (large.train, large.test))

# %% slideshow={"slide_type": "fragment"}
numbers = [50, 150, 400, 1200]
held_out = {"softmax, 256 numbers": [], "3 logistics, 9 numbers": []}
for number in numbers:
    mixture = fit_mixture(pixel_train[:number] / 127.5 - 1)
    counts = 1 + torch.bincount(pixel_train[:number].long(), minlength=256)
    by_softmax = (counts / counts.sum()).log()[pixel_test.long()]
    with torch.no_grad():
        by_mixture = mixture(pixel_test / 127.5 - 1)
        curve = mixture(torch.linspace(-1, 1, 256)).exp()
    for bits, log_probs in zip(held_out.values(), (by_softmax, by_mixture), strict=True):
        bits.append(-log_probs.mean().item() / math.log(2))
fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.4))
axes[0].bar(range(256), ((counts - 1) / number).numpy(), width=1, color="C5", label=f"frequencies, {number:,} images")
axes[0].plot(range(256), curve, color="C1", label="3 logistics")
axes[0].set(xlabel="level", ylim=(0, 0.04), title="one pixel")
for name, bits in held_out.items():
    axes[1].semilogx(numbers, bits, "o-", label=name)
axes[1].axhline(8, color="black", linewidth=1, linestyle="--")
axes[1].set(xlabel="images $N$ it was fitted to", ylabel="bits, test images", xticks=numbers, xticklabels=numbers)
axes[1].minorticks_off()
for ax in axes:
    ax.legend(fontsize=8)
plt.show()
gaps = [soft - mixed for soft, mixed in zip(*held_out.values(), strict=True)]
print("bits saved by the mixture:", ", ".join(f"N = {n}: {gap:.2f}" for n, gap in zip(numbers, gaps, strict=True)))

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: the two ends, pure black and full ink, stick out of the picture. Right, dashed: 8 bits, which knowing nothing costs. The mixture starts ahead; the softmax catches up as data come in, one level at a time. In a network this happens at every pixel in every context, and contexts seldom repeat.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Colours together, a U for the network, dropout
#
# **Colours.** With a density one can write down how colours go together: all three share the mixture's component, and a colour's mean is linear in the colours before it, $\mu_G + a\, x_R$ and $\mu_B + b\, x_R + c\, x_G$. So the network needs no thirds, and runs once a pixel, not once a colour.
#
# **Down and up.** Small kernels need many layers for a long view. PixelCNN++ halves the resolution by strided convolutions, works there, and doubles it again. **Short-cuts** carry over what was lost on the way.
#
# **Dropout.** An exact likelihood can be overfitted like any other: values inside the blocks are dropped at random in training.

# %% slideshow={"slide_type": "fragment"}
heights = [4, 4, 2.2, 2.2, 0.4, 0.4, 2.2, 2.2, 4, 4]
half_sides = {4: 0.75, 2.2: 0.5, 0.4: 0.3}
fig, ax = plt.subplots(figsize=(7, 2.8))
for x, y in enumerate(heights):
    half = half_sides[y]
    color = vertical if x < 5 else horizontal
    ax.add_patch(plt.Rectangle((x - 0.18, y - half), 0.36, 2 * half, facecolor=color, edgecolor="black"))
    ax.text(x, y, {4: 32, 2.2: 16, 0.4: 8}[y], ha="center", va="center", fontsize=8)
for x in range(9):
    step = heights[x + 1] - heights[x]
    arrow(ax, (x + 0.2, heights[x]), (x + 0.8, heights[x + 1]), color="C1" if step else "black")
    if step:
        name, place, side = ("stride 2", x + 0.4, "right") if step < 0 else ("up", x + 0.6, "left")
        ax.text(place, sum(heights[x : x + 2]) / 2 - 0.25, name, fontsize=8, color="C1", ha=side)
for left, right, y in [(0, 9, 5.5), (1, 8, 5.0), (2, 7, 3.3), (3, 6, 2.95)]:
    top = heights[left] + half_sides[heights[left]]
    ax.plot([left, left, right], [top, y, y], color="C2", linewidth=1)
    arrow(ax, (right, y), (right, top), color="C2")
ax.text(4.5, 5.6, "short-cuts", color="C2", ha="center", fontsize=9)
ax.text(-0.35, 4, "$x$", ha="right", va="center")
ax.text(9.35, 4, "mixture of\nlogistics", va="center", fontsize=9)
ax.set(xlim=(-0.8, 10.8), ylim=(-0.1, 6.2))
ax.axis("off")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Numbers are sides in pixels; each column stands for blocks of gated layers. All convolutions are causal: two streams, as in section 8, made by shifts instead of masks. Does striding spoil that? The Jacobian tells, below, as always.

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.autoregressive.pixelcnn_pp import PixelCNNPlusPlus

torch.manual_seed(0)
plus_plus = PixelCNNPlusPlus(image_shape, V, hidden_dim=16, num_blocks=1, num_resolutions=2, dropout=0.1)
train(plus_plus, x_train, epochs=1 if FAST else 9, batch_size=32, lr=6e-3)
x = x_test[:4].clone().requires_grad_()
(gradient,) = torch.autograd.grad(plus_plus(x)[:, :, 3, 5].square().sum(), x)
seen, pixel = gradient.abs().sum((0, 1)).flatten() > 0, 3 * 8 + 5
assert seen[:pixel].all()
assert not seen[pixel:].any()
print("the parameters of a pixel depend on all earlier pixels, and on no other")
num_params = sum(p.numel() for p in plus_plus.parameters())
print(f"{num_params:,} weights; PixelCNN had {num_used(pixelcnn):,} in use")
for name in ("each pixel alone", "PixelCNN", "conditional, p(x)"):
    print(f"{name:22} {-results[name].mean:6.2f} +- {results[name].standard_error:.2f} nats")
report("PixelCNN++", plus_plus.log_prob, x_test)

# %% slideshow={"slide_type": "fragment"}
drawn = plus_plus.sample(24, generator=torch.Generator().manual_seed(0))
fig, ax = plt.subplots(figsize=(6.2, 2.2))
plotting.compare_rows({"real": x_test[:12], "new": drawn[:12], "": drawn[12:]}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The comparison is of whole systems: PixelCNN++ has another likelihood, another network and more weights. Which of them helps? Exercise 5. Published, on CIFAR-10: 2.92 bits per dimension, against 3.14 of PixelCNN and 3.03 of its gated version.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Fast sampling: never compute a thing twice
#
# `draw_by_hand` computes *all* logits to use *one*, and for the next pixel all of them again. But the network is causal: features at earlier pixels depend on pixels that will never change again. Keep them (**cache**), and compute for each pixel only what is new there, in every layer one kernel's worth (Ramachandran et al. 2017).
#
# For $N \times N$ pixels, plain sampling computes $N^2$ times a map of $N^2$ features, $N^4$ in all, in each layer; cached sampling $N^2$. Let us count.


# %% slideshow={"slide_type": "fragment"}
def count_features(model, call):
    """How many pixels the layers of `model` compute features for while `call()` runs, a layer on average."""
    counts = []
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, x, out: counts.append(out[0, 0].numel())) for m in layers]
    call()
    for hook in hooks:
        hook.remove()
    return sum(counts) / len(layers)


def plain_sample(model, num_samples, generator):
    x = sample_images(model, num_samples, model.image_shape, generator=generator)
    return x / (model.num_levels - 1)


computed = count_features(pixelcnn, lambda: plain_sample(pixelcnn, 1, None))
print(f"8x8, plain: features of {computed:,.0f} pixels in each layer; needed: {8 * 8}; ", end="")
print(f"needlessly computed: {1 - 64 / computed:.1%}")
plain = plain_sample(pixelcnn, 50, torch.Generator().manual_seed(3))
cached = pixelcnn.sample(50, generator=torch.Generator().manual_seed(3))  # the library's sampler keeps activations
assert torch.allclose(plain, cached)
print("50 images, plain and cached, from the same random numbers: the same, all", plain.numel(), "pixels")

# %% [markdown] slideshow={"slide_type": "notes"}
# The library draws one uniform number for each pixel beforehand and picks the level by it, so both ways use the same randomness, and can be compared pixel by pixel.

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.autoregressive.fast_sampling import complete_cached


def seconds(call):
    start = time.process_time()  # of this program's own work: what else the computer does, does not count
    call()
    return time.process_time() - start


sides = [4, 8, 12] if FAST else [8, 16, 24, 32, 48]
times = {"plain": [], "cached": []}
torch.manual_seed(0)
for side in sides:
    model = PixelCNN((1, side, side), hidden_dim=24, num_layers=3)
    blank, nothing = torch.zeros(1, 1, side, side), torch.zeros(side, side, dtype=torch.bool)
    ways = {
        "plain": lambda g, m=model: plain_sample(m, 1, g),
        "cached": lambda g, m=model, x=blank, k=nothing: complete_cached(m, x, k, g),
    }
    images = []
    for name, way in ways.items():
        generator = torch.Generator().manual_seed(side)
        times[name].append(seconds(lambda: images.append(way(generator))))  # noqa: B023 (called at once)
    assert torch.equal(*images)

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(4.6, 2.8))
logs = torch.tensor(sides).double().log()
for name, values in times.items():
    slope = ((torch.tensor(values).log()[-1] - torch.tensor(values).log()[-3]) / (logs[-1] - logs[-3])).item()
    ax.loglog(sides, values, "o-", label=f"{name}: slope {slope:.1f}")
ax.set(xlabel="side $N$ of the image", ylabel="seconds for one image", xticks=sides, xticklabels=sides)
ax.minorticks_off()
ax.legend()
plt.show()
for side, plain_seconds, cached_seconds in zip(sides, *times.values(), strict=True):
    ratio = plain_seconds / cached_seconds
    print(
        f"{side:2}x{side:<2}  plain {plain_seconds:6.2f} s   cached {cached_seconds:5.2f} s   {ratio:5.1f} times faster"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# Straight lines in a log-log plot are powers: $\text{seconds} \propto N^{\text{slope}}$, the slope taken over the three largest sizes. Counting says 4 for plain and 2 for cached. Plain sampling of *small* images is below 4, as there each call costs about the same, however little it computes; the slope rises as the images grow. In both ways the pixels still come one after the other: caching removes waste, not the sequence.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. For and against
#
# We have measured all of this ourselves; here it is in one place.

# %% slideshow={"slide_type": "fragment"}
print(f"{'digits, 8x8, 17 levels, test':30}{'nats':>16}{'bits per dim':>14}")
for name, estimate in results.items():
    nats, error = -estimate.mean, estimate.standard_error
    print(f"{name:30}{nats:8.2f} +- {error:.2f}{bits_per_dim(nats, 64):14.3f}")
scoring = seconds(lambda: pixelcnn.log_prob(x_test)) / len(x_test)
drawing = seconds(lambda: pixelcnn.sample(100)) / 100
one = seconds(lambda: pixelcnn.sample(1))
print(f"an image of PixelCNN: {1e6 * scoring:.0f} microseconds to score; ", end="")
print(f"{1e6 * drawing:,.0f} to draw among 100, {1e6 * one:,.0f} alone (cached)")

# %% [markdown] slideshow={"slide_type": "fragment"}
# | for | against |
# |---|---|
# | exact $\log p(x)$, so models can be compared on data that they have not seen | sampling is sequential, $N^2$ steps, even with a cache |
# | training in parallel, by plain maximum likelihood, stable | an order must be chosen, and limits completion (section 6) |
# | good samples; completion and classification without retraining | no latent code: nothing like "the smile" to turn (lectures 9 and 10) |
# | a bug can be *proved* absent: by Jacobian, by sums | local detail comes easily, global shape late |
#
# Published figures, test set, lower is better:
#
# | model | binarised MNIST, nats | CIFAR-10, bits per dimension |
# |---|---|---|
# | Row LSTM (lecture 6) | 80.54 | 3.07 |
# | PixelCNN | 81.30 | 3.14 |
# | Gated PixelCNN | | 3.03 |
# | PixelCNN++ | | 2.92 |
# | NICE, RealNVP, Glow (lecture 8) | | 4.48, 3.49, 3.35 |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A convolution with blinkers is a chain-rule model: mask A first, mask B after, channels in thirds for R, G, B.
# - Training takes one pass for all pixels; generation one step for each.
# - Causality is a property that one *checks*: the Jacobian has nothing on or right of its diagonal, and probabilities sum to 1. A leak looks like a record.
# - Hidden pixels are completed by drawing on from the known ones; what comes later in the order cannot be used.
# - Stacked masks leave a blind spot, whatever the depth; a vertical and a horizontal stack leave none. Gates multiply.
# - $h$ in every gate makes it conditional; Bayes' rule makes it a classifier.
# - Levels are ordered: a discretised mixture of logistics says so with few numbers; a softmax must learn it.
# - Earlier activations never change. Keep them: $N^4$ becomes $N^2$, and not one pixel changes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) Change `MaskedConv` so that it scans columns instead of rows. Which entries of the mask move? Check by Jacobian.
# 2. (10 min, easy) How many weights of a $k \times k$ kernel are open under mask A, and under mask B? What share of the multiplications is wasted on zeros?
# 3. (10 min, medium) How many $3 \times 3$ layers does `stack` need until a pixel in the lower right corner of an $N \times N$ image sees the upper left one? And the upper right one? Derive, then measure with `show_field`.
# 4. (15 min, medium) Make `drifting_dots` drift by one pixel instead of two. Now what does the blind network reach, and why?
# 5. (20 min, medium) What made PixelCNN++ better in section 10? Give PixelCNN about as many weights; then train PixelCNN++ with `dropout` 0 and 0.3 on 200 images for many epochs, and plot the test nats by epoch.
# 6. (15 min, medium) Add a temperature: divide the logits by $\tau$ before drawing. Look at samples for $\tau = 0.5, 1, 2$. Is the result still a model with an exact likelihood? Whose?
# 7. (20 min, hard) In section 6, draw 100 windows for one image and reweigh them by `score_below`. Show that this samples $p(\text{window} \mid \text{all the rest})$ as the number of draws grows. How many effective draws are left?
# 8. (20 min, hard) The cached sampler computes the vertical stack of `GatedPixelCNN` a row at a time. Why may it, and what would go wrong for PixelCNN++ with its strides?
#
# Assignment 2 lets you write masks, likelihoods and sampling yourself.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu: Pixel recurrent neural networks, 2016a. arXiv 1601.06759 (PixelRNN, PixelCNN, masks).
# - A. van den Oord, N. Kalchbrenner, O. Vinyals, L. Espeholt, A. Graves, K. Kavukcuoglu: Conditional image generation with PixelCNN decoders, 2016b. arXiv 1606.05328 (two stacks, gates, conditions).
# - T. Salimans, A. Karpathy, X. Chen, D. P. Kingma: PixelCNN++: improving the PixelCNN with discretized logistic mixture likelihood and other modifications, 2017. arXiv 1701.05517.
# - T. Le Paine et al.: Fast WaveNet generation algorithm, 2016. arXiv 1611.09482.
# - P. Ramachandran et al.: Fast generation for convolutional autoregressive models, 2017. arXiv 1704.06001.
# - H. Larochelle, I. Murray: The neural autoregressive distribution estimator, AISTATS 2011.
# - L. Dinh, D. Krueger, Y. Bengio: NICE: non-linear independent components estimation, 2014. arXiv 1410.8516.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio: Density estimation using Real NVP, 2016. arXiv 1605.08803.
# - D. P. Kingma, P. Dhariwal: Glow: generative flow with invertible 1x1 convolutions, 2018. arXiv 1807.03039.
