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
# # Lecture 6: PixelRNN, a memory in two dimensions
#
# **You will**
#
# - carry a recurrent network from text, which has one "before", to images, which have two: left and above;
# - write a Row LSTM in 25 lines, and measure the triangle that it sees;
# - turn diagonals into columns, run a Diagonal BiLSTM, and catch the leak that it would have without one shift;
# - train both, read exact likelihoods, draw, complete, and work from a small image to a large one;
# - measure what all this costs as images grow.
#
# **You need** lecture 5 (chain rule, exact likelihood, nats and bits); PyTorch: a convolution and a gradient.
#
# **Time and hardware.** 80 minutes to read; all cells together run in about two minutes on a laptop's processor. The images come
# with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os
import time

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=74)
torch.set_num_threads(1)  # networks this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Pixels, one at a time
#
# A reader of English starts at the upper left corner. So does a **PixelRNN** (van den Oord et al. 2016): row by row, each row from left to right, which is called **raster order**. The chain rule of lecture 5 loses nothing:
#
# $$ p(x) = \prod_{i=1}^{N^2} p(x_i \mid x_1, \dots, x_{i-1}). $$
#
# A pixel of a photograph is three numbers. We go on as we began, one number after the other, first red, then green given red, then blue given both:
#
# $$ p(x_i \mid x_{<i}) = p(x_{i,R} \mid x_{<i})\; p(x_{i,G} \mid x_{i,R}, x_{<i})\; p(x_{i,B} \mid x_{i,R}, x_{i,G}, x_{<i}). $$
#
# And each number is one of $V$ **levels**, 256 in a photograph. So each factor is a **softmax** over levels: it can have any shape, and nothing is assumed.

# %% [markdown] slideshow={"slide_type": "fragment"}
# Here is where we are going: a small PixelRNN, trained on coloured shapes of $6 \times 6$ pixels in four levels a colour, draws a new one. Watch the order; and watch how sure it is, and when.

# %% slideshow={"slide_type": "fragment"}
from functools import partial

from course_utils.models.autoregressive.pixelrnn import PixelRNN
from course_utils.models.autoregressive.row_lstm import RowLSTM
from course_utils.training import fit

train = partial(fit, device="cpu", batch_size=32, lr=1e-2, cosine=True, clip_norm=1.0)
sprites = (data.sprites(200 if FAST else 1500, size=6).x * 3).round() / 3  # four levels: 0, 1/3, 2/3, 1
torch.manual_seed(0)
in_color = PixelRNN((3, 6, 6), num_levels=4, layer=RowLSTM, hidden_dim=24)
history = train(in_color, sprites[:-100], epochs=1 if FAST else 12)
drawn = in_color.sample(1, generator=torch.Generator().manual_seed(22))
with torch.no_grad():
    odds = in_color(drawn).softmax(1)[0]  # (V, C, H, W): what it said at each value, given those before


# %% slideshow={"slide_type": "fragment"}
from course_utils.animation import animate

inked = drawn[0].permute(1, 2, 0).flatten(0, 1).any(1)
shown = [n for n in range(108) if n < 9 or inked[n // 3] or n % 3 == 2]  # black pixels, after three, in one go


def draw_step(figure, step):
    n = shown[step]
    (i, j), c = divmod(n // 3, 6), n % 3
    left, right = figure.subplots(1, 2)
    done = torch.arange(108).view(6, 6, 3) <= n
    picture = torch.where(done, drawn[0].permute(1, 2, 0), 0.0)
    picture[~done.any(2)] = torch.tensor([0.95, 0.77, 0.55])
    left.imshow(picture.numpy())
    left.plot(j, i, "s", markersize=14, markerfacecolor="none", markeredgecolor="red")
    left.set(xticks=[], yticks=[])
    bars = right.bar(range(4), odds[:, c, i, j].tolist(), color=["tab:red", "tab:green", "tab:blue"][c], alpha=0.4)
    bars[round(3 * drawn[0, c, i, j].item())].set_alpha(1)
    right.set(ylim=(0, 1), xticks=range(4), xlabel="level", title=["R", "G given R", "B given R, G"][c])


alt = "An image of 6x6 pixels fills in raster order, at each pixel red, then green, then blue, beside the softmax of each."
animate(draw_step, 12 if FAST else len(shown), alt=alt, figsize=(3.4, 1.8), seconds=0.3, num_colors=16)

# %% [markdown] slideshow={"slide_type": "notes"}
# Pale orange: not drawn yet. A pixel first gets its red, then its green, then its blue; dark bars are what was drawn. (Black pixels, after the first three, are shown in one go.) On the black ground all three are foregone conclusions; at the edge of a shape red is a real decision, and green and blue then know more.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What must be remembered, and where it is
#
# To predict a pixel, one needs a summary of all pixels before it. In text, the summary is the hidden state that arrives from the left. In an image, the nearest past lies to the left *and above*.
# The obvious idea: let each pixel take the states of these two neighbours. Then every pixel depends, through its neighbours' neighbours, on pixels far away. On which?


# %% slideshow={"slide_type": "fragment"}
from matplotlib.colors import ListedColormap

FIELD = ListedColormap(["white", "#0072B2", "#E69F00", "#009E73"])  # unseen later, seen, missed, seen out of turn


def cells(ax, picture, cmap, vmax):
    """Draw a small array with a line around each cell."""
    ax.imshow(picture.numpy(), cmap=cmap, vmin=0, vmax=vmax)
    for set_ticks, size in ((ax.set_xticks, picture.shape[1]), (ax.set_yticks, picture.shape[0])):
        set_ticks([n - 0.5 for n in range(size + 1)], [""] * (size + 1))
    ax.tick_params(length=0)
    ax.grid(color="0.8", linewidth=0.5)


def arrow(ax, start, end, color="black"):
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": color, "shrinkA": 0, "shrinkB": 2})


# %% slideshow={"slide_type": "fragment"}
i, j = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
earlier = 6 * i + j < 6 * 3 + 3
reached = earlier & (j <= 3)
fig, axes = plt.subplots(1, 2, figsize=(5.8, 2.7))
cells(axes[0], earlier.int(), ListedColormap(["white", "#CFE3F1"]), 1)
axes[0].set_title("raster order")
for n in range(36):
    color = "#D55E00" if n == 21 else "black"
    axes[0].text(n % 6, n // 6, n + 1, ha="center", va="center", color=color, fontsize=9)
cells(axes[1], 1 * reached + 2 * (earlier & ~reached), FIELD, 3)
for row in range(6):
    for column in range(6):
        for start in [(column - 1, row), (column, row - 1)]:
            if min(start) >= 0:
                arrow(axes[1], start, (column, row), "white" if reached[row, column] else "0.6")
axes[1].plot(3, 3, "x", color="#D55E00")
axes[1].set_title("states from left and above")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Left: pixel 22 is predicted from pixels 1 to 21. Right: blue is what reaches the cross along arrows; orange is earlier, and lost: above and to the right. A face whose left half is drawn knows nothing of the right eye. So "left and above" is not enough, and the two layers of this lecture are two ways to fetch the rest:
# the **Row LSTM** looks *wide* at the row above; the **Diagonal BiLSTM** sends a second sweep from the *right*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. An LSTM in four lines
#
# An **LSTM** (Hochreiter & Schmidhuber 1997) is a recurrent network with two states: a **cell** $c$, the memory, and a **hidden state** $h$, what it shows of it. **Gates** between 0 and 1 say how much to output, to forget (or keep: 1 keeps all) and to write:
#
# $$ [o, f, i, g] = [\sigma, \sigma, \sigma, \tanh](W x_t + U h_{t-1} + b), \qquad c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t). $$
#
# The cell is *added to*, not overwritten, so that a gradient survives many steps while $f$ is near 1.

# %% slideshow={"slide_type": "fragment"}
import torch.nn.functional as F
from torch import nn


def lstm_step(gates, c):
    """gates (B, 4 hidden_dim) = W x + U h + b, and the cell c (B, hidden_dim); returns the new h and c."""
    o, f, i, g = gates.chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return h, c


torch.manual_seed(0)
theirs = nn.LSTMCell(3, 5).double()
x, h, c = torch.randn(2, 3).double(), torch.randn(2, 5).double(), torch.randn(2, 5).double()
gates = x @ theirs.weight_ih.T + h @ theirs.weight_hh.T + theirs.bias_ih + theirs.bias_hh
i, f, g, o = gates.chunk(4, dim=1)  # PyTorch's order
for ours, reference in zip(lstm_step(torch.cat([o, f, i, g], 1), c), theirs(x, (h, c)), strict=True):
    assert torch.allclose(ours, reference)
print("h and c as from torch.nn.LSTMCell")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Row LSTM
#
# Read the image from top to bottom, *one whole row a step*. $x_r$, $h_r$ and $c_r$ are now rows, with a state at every column, and the matrices become convolutions along the row, three wide:
#
# $$ [o, f, i, g] = [\sigma, \sigma, \sigma, \tanh](K_{ss} * h_{r-1} + K_{is} * x_r), \qquad c_r = f \odot c_{r-1} + i \odot g, \qquad h_r = o \odot \tanh(c_r). $$
#
# - $K_{ss}$, *state to state*, looks at three columns of the row above. All of that is past: no care needed.
# - $K_{is}$, *input to state*, looks at the row itself. There, the right neighbour is the future: its tap is **masked**, multiplied by 0. The pixel's own place stays open, for the layer's input $x_r$ is not the image but a map of **features**, and the feature at a place will be made of earlier pixels only (section 5).
#
# $K_{is} * x_r$ needs no state: it is computed for all rows at once. Only $K_{ss}$ must wait for the row above: $N$ steps for $N$ rows.


# %% slideshow={"slide_type": "fragment"}
class RowLSTMByHand(nn.Module):  # features (B, F, H, W) to hidden states (B, hidden_dim, H, W)
    def __init__(self, in_channels, hidden_dim):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.input_to_state = nn.Conv2d(in_channels, 4 * hidden_dim, (1, 3), padding=(0, 1))
        self.state_to_state = nn.Conv1d(hidden_dim, 4 * hidden_dim, 3, padding=1, bias=False)

    def forward(self, x):
        weight = self.input_to_state.weight * torch.tensor([1.0, 1.0, 0.0])  # left, itself, not right
        maps = F.conv2d(x, weight, self.input_to_state.bias, padding=(0, 1))  # all rows at once
        h = c = x.new_zeros(len(x), self.hidden_dim, x.shape[3])
        rows = []
        for r in range(x.shape[2]):  # one row after the other
            h, c = lstm_step(maps[:, :, r] + self.state_to_state(h), c)
            rows.append(h)
        return torch.stack(rows, dim=2)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
reference, by_hand = RowLSTM(4, 6), RowLSTMByHand(4, 6)
by_hand.load_state_dict(reference.state_dict())
x = torch.randn(2, 4, 7, 5)
assert torch.allclose(by_hand(x), reference(x), atol=1e-6)
print("with the same weights, the same states as the library's RowLSTM:", tuple(reference(x).shape))

# %% [markdown] slideshow={"slide_type": "fragment"}
# What does a state depend on? **Measure it**: take the state at one place, differentiate it by every input, and see where the gradient is not zero. That set is the **receptive field**. Below, the layer reads an image as if it were features.

# %% slideshow={"slide_type": "fragment"}
from course_utils.receptive_field import receptive_field


def show_field(ax, network, title, side=15, pixel=(10, 7), includes_itself=False, drawn_first=None):
    """Draw what the pixel sees (blue; green: out of turn) and misses (orange); return how many it misses."""
    seen = receptive_field(network, (1, side, side), pixel, num_inputs=1)[0] > 0
    position = torch.arange(side * side).view(side, side)
    earlier = position < pixel[0] * side + pixel[1] + includes_itself
    allowed = earlier if drawn_first is None else earlier | drawn_first
    assert not seen[~allowed].any(), "it looks ahead"
    missed = int((allowed & ~seen).sum())
    cells(ax, 1 * (seen & earlier) + 2 * (allowed & ~seen) + 3 * (seen & ~earlier), FIELD, 3)
    ax.plot(pixel[1], pixel[0], "kx")
    ax.set_title(f"{title}\n{missed} of {int(allowed.sum())} missed", fontsize=9)
    return missed


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 4, figsize=(7.4, 2.4))
cells(axes[0], torch.tensor([[0, 1, 1, 1, 0], [0, 1, 1, 0, 0]]), ListedColormap(["white", "#CFE3F1"]), 1)
for column in (1, 2, 3):
    arrow(axes[0], (column, 0), (2, 0.95), "#D55E00")
arrow(axes[0], (1, 1), (1.9, 1), "#0072B2")
axes[0].set_title("one step", fontsize=9)
torch.manual_seed(0)
for ax, num_layers in zip(axes[1:], (1, 2, 4), strict=True):
    rows = nn.Sequential(RowLSTM(1, 4), *[RowLSTM(4, 4) for _ in range(num_layers - 1)]).double()
    title = f"{num_layers} Row LSTM layer{'s' if num_layers > 1 else ''}"
    show_field(ax, rows, title, includes_itself=True)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# First picture: arrows in orange are $K_{ss}$, in blue $K_{is}$. Each row up, one column wider on either side (two on the left, where $K_{is}$ adds one): a **triangle**. Orange pixels are earlier and not seen: a Row LSTM trades them for speed, a whole row in one step. More layers bring in more of the left, but nothing on the right: to go right one must go up.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Diagonal BiLSTM
#
# Back to the states from left and above, which see the whole rectangle:
#
# $$ [o, f, i, g](r, j) = [\sigma, \sigma, \sigma, \tanh]\big(K_\text{left}\, h(r, j{-}1) + K_\text{above}\, h(r{-}1, j) + K_{is}\, x(r, j)\big), \qquad c(r, j) = f \odot c(r, j{-}1) + i \odot g. $$
#
# Pixel after pixel this takes $N^2$ steps. But look: which pixels can be computed at the same time? All those on a **diagonal**: their neighbours lie on the diagonal before. So **skew** the image: shift row $r$ by $r$ places to the right. Diagonals become columns, and both neighbours lie in the column before, in the same row and in the row above: a $2 \times 1$ convolution, down a whole column at a time. In the end, skew back.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.diagonal_lstm import DiagonalBiLSTM, skew, unskew

numbers = torch.arange(1.0, 21).view(4, 5)
diagonal = torch.arange(4).view(4, 1) + torch.arange(5)
arrays = {"before": (numbers, diagonal + 1), "skewed": (skew(numbers), skew(diagonal + 1.0))}
fig, axes = plt.subplots(1, 2, figsize=(7, 2.3), width_ratios=[5, 8])
colors = ListedColormap(["white", *plt.get_cmap("viridis")(torch.linspace(0.25, 1, 8).numpy())])
for ax, (title, (values, colored)) in zip(axes, arrays.items(), strict=True):
    cells(ax, colored, colors, 8)
    for (row, column), value in [
        ((n // values.shape[1], n % values.shape[1]), v) for n, v in enumerate(values.flatten())
    ]:
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color="black" if value else "0.7")
    ax.set_title(f"{title}: {tuple(values.shape)}")
for ax, place, nearby in [(axes[0], (2, 2), [(1, 2), (2, 1)]), (axes[1], (4, 2), [(3, 2), (3, 1)])]:
    for start in nearby:
        arrow(ax, start, place, "#D55E00")
plt.show()
assert torch.equal(unskew(skew(numbers)), numbers)

# %% [markdown] slideshow={"slide_type": "notes"}
# A colour is a step. Pixel 13 needs 12 (left) and 8 (above): one column back after skewing, both. The array of $H \times W$ has $H + W - 1$ columns then: $2N - 1$ steps for a square.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### And the other side?
#
# A **second sweep** goes from right to left: the mirror image. Its state at $(r, j)$ has read $(r, j{+}1)$: **the future**. So before the two are added, the mirrored states are *shifted down by one row*: pixel $(r, j)$ gets what the second sweep knew at $(r{-}1, j)$. All that is earlier.
#
# We write it the slow way, pixel by pixel, with the shift as something that one might forget.


# %% slideshow={"slide_type": "fragment"}
def sweep(maps, weight):
    """One direction, one pixel a step: maps (B, 4 hidden_dim, H, W), weight (4 hidden_dim, 2 hidden_dim)."""
    _, _, height, width = maps.shape
    nothing = maps.new_zeros(len(maps), weight.shape[1] // 2)
    h, c = {}, {}
    for r in range(height):
        for j in range(width):
            neighbours = torch.cat([h.get((r, j - 1), nothing), h.get((r - 1, j), nothing)], dim=1)
            gates = maps[:, :, r, j] + neighbours @ weight.T
            h[r, j], c[r, j] = lstm_step(gates, c.get((r, j - 1), nothing))
    return torch.stack(list(h.values()), dim=2).unflatten(2, (height, width)), len(h)


def pixel_by_pixel(layer, x, shift=True):
    """What the DiagonalBiLSTM `layer` makes of features x, and the number of steps of one sweep."""
    maps = layer.input_to_state(x).chunk(2, dim=1)
    rightward, num_steps = sweep(maps[0], layer.state_to_state[0])
    leftward = sweep(maps[1].flip(3), layer.state_to_state[1])[0].flip(3)
    if shift:
        leftward = F.pad(leftward, (0, 0, 1, -1))  # one row down
    return rightward + leftward, num_steps


# %% [markdown] slideshow={"slide_type": "fragment"}
# Is that what the library computes along diagonals? And with how many steps? We count the calls of its `step`.


# %% slideshow={"slide_type": "fragment"}
def count_steps(layer, x):
    calls = []
    step = layer.step
    layer.step = lambda *arguments: calls.append(1) or step(*arguments)
    layer(x)
    del layer.step  # the class's own is back
    return len(calls)


torch.manual_seed(0)
diagonal_layer, row_layer = DiagonalBiLSTM(3, 4), RowLSTM(3, 4)
sides, counts = [2, 4, 8] if FAST else [2, 4, 8, 16, 32], {"pixel by pixel": [], "Diagonal BiLSTM": [], "Row LSTM": []}
with torch.no_grad():
    for side in sides:
        x = torch.randn(2, 3, side, side)
        slow, num_steps = pixel_by_pixel(diagonal_layer, x)
        assert torch.allclose(slow, diagonal_layer(x), atol=1e-5)
        counted = (num_steps, count_steps(diagonal_layer, x), count_steps(row_layer, x))
        assert counted == (side**2, 2 * side - 1, side)
        for steps, number in zip(counts.values(), counted, strict=True):
            steps.append(number)
print(f"{'steps for N x N pixels, N =':28}", *(f"{side:5}" for side in sides))
for name, steps in counts.items():
    print(f"{name:28}", *(f"{number:5}" for number in steps))

# %% [markdown] slideshow={"slide_type": "fragment"}
# The same states, in $2N - 1$ steps instead of $N^2$. Now forget the shift, and ask the **Jacobian**: pixels of a $4 \times 4$ image in raster order, entry $(i, k)$ the derivative of the state at pixel $i$ by pixel $k$. *Causal* means: nothing on the diagonal or right of it. (A first convolution with mask A, section 5, keeps a pixel from its own feature.)

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.masked import MaskedConv2d

torch.manual_seed(0)
first, layer = MaskedConv2d("A", 1, 3, 5).double(), DiagonalBiLSTM(3, 4).double()
x = torch.rand(1, 1, 4, 4).double()
networks = {
    "library": lambda x: layer(first(x)),
    "shifted": lambda x: pixel_by_pixel(layer, first(x))[0],
    "not shifted": lambda x: pixel_by_pixel(layer, first(x), shift=False)[0],
}
fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.2))
for ax, (name, network) in zip(axes, networks.items(), strict=False):
    jacobian = torch.autograd.functional.jacobian(network, x)[0].abs().sum(0).view(16, 16)
    looks_ahead = bool(jacobian.triu().any())
    ax.imshow((1 * (jacobian > 0) + (jacobian.triu() > 0)).numpy(), cmap=FIELD, vmin=0, vmax=3)
    ax.plot([-0.5, 15.5], [-0.5, 15.5], color="black", linewidth=0.7)
    ax.set(title=f"{name}: {'LEAKS' if looks_ahead else 'causal'}", xticks=[], yticks=[], xlabel="by pixel $k$")
    assert looks_ahead == (name == "not shifted")
axes[0].set_ylabel("state at pixel $i$")
missed = show_field(axes[3], DiagonalBiLSTM(1, 4).double(), "the layer", includes_itself=True)
assert missed == 0
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Orange is the leak, on and right of the diagonal: in each row of the image, states know the pixels to their right, and by these themselves. Trained on the leak, such a network would reach a wonderful "likelihood" and draw nothing (lecture 7 shows such a triumph). On the right: with the shift, one layer alone sees *everything* that came before. (The white notches under the diagonals are no fault of the layer; section 5 has the story.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. The whole network
#
# 1. A $7 \times 7$ convolution with **mask A** reads the image: above and left of the centre only, and *not the centre*, for that is the pixel to be predicted.
# 2. LSTM layers. Each is wrapped in a **residual connection**: its output is *added* to its input, $y = x + \text{layer}(x)$.
# 3. Two $1 \times 1$ convolutions with **mask B**, and a softmax over the levels. Mask B opens the centre: a *feature* at the centre was made of earlier pixels.


# %% slideshow={"slide_type": "fragment"}
from itertools import pairwise


def box(ax, x, text, width, color, y=0.0):
    ax.add_patch(plt.Rectangle((x - width / 2, y - 0.42), width, 0.84, facecolor=color, edgecolor="black"))
    ax.text(x, y, text, ha="center", va="center", fontsize=8)


fig, ax = plt.subplots(figsize=(7.4, 1.7))
parts = [(0, "image", 1, "white"), (1.9, "$7 \\times 7$\nmask A", 1.3, "#9ecae9"), (4.1, "LSTM\n$h$ channels", 1.7, "#f6c48e"),
         (6.3, "$1 \\times 1$\nto $2h$", 1.2, "#9ecae9"), (7.8, "+", 0.5, "white"),
         (9.6, "ReLU, $1 \\times 1$\nmask B, twice", 1.9, "#9ecae9"), (12.2, "softmax:\n$V$ levels", 1.6, "white")]  # fmt: skip
for x, text, width, color in parts:
    box(ax, x, text, width, color)
for (x, _, width, _), (next_x, _, next_width, _) in pairwise(parts):
    arrow(ax, (x + width / 2, 0), (next_x - next_width / 2, 0))
ax.plot([2.9, 2.9, 7.8], [0, 0.95, 0.95], color="#D55E00", linewidth=1.2)
arrow(ax, (7.8, 0.95), (7.8, 0.42), "#D55E00")
ax.text(5.4, 1.03, "residual connection", color="#D55E00", ha="center", fontsize=8)
ax.annotate("", xy=(8.15, -0.75), xytext=(2.75, -0.75), arrowprops={"arrowstyle": "|-|", "mutation_scale": 3})
ax.text(5.4, -1.15, "as many times as there are layers", ha="center", fontsize=8)
ax.set(xlim=(-0.6, 13.1), ylim=(-1.3, 1.35))
ax.axis("off")
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# Why residual? Gates and $\tanh$ make signals smaller, layer by layer, and gradients on their way back too. Through the sum they pass unharmed. We take the connections away, and compare: the gradient that arrives at the first convolution, untrained, and then six layers in training.

# %% slideshow={"slide_type": "fragment"}
digits = data.load("digits")
print(digits.description)
x_train, x_test = digits.train.x, digits.test.x
if FAST:
    x_train, x_test = x_train[:128], x_test[:60]
binary, binary_test = data.threshold(x_train), data.threshold(x_test)


class WithoutResiduals(PixelRNN):
    def forward(self, x):
        features = self.first(x)
        for layer, upsampling in zip(self.layers, self.upsamplings, strict=True):
            features = upsampling(layer(features))  # PixelRNN has: features + upsampling(layer(features))
        return self.head(features).unflatten(1, (1, self.num_levels)).transpose(1, 2)


def first_gradient(kind, num_layers):
    torch.manual_seed(0)
    model = kind((1, 8, 8), layer=RowLSTM, hidden_dim=12, num_layers=num_layers).double()
    model.loss(binary[:32].double()).backward()
    return model.first.weight.grad.norm().item()


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.8, 2.4))
depths = [1, 2, 3, 4, 6, 8]
for name, kind in {"residual": PixelRNN, "without": WithoutResiduals}.items():
    axes[0].semilogy(depths, [first_gradient(kind, depth) for depth in depths], "o-", label=name)
    torch.manual_seed(0)
    model = kind((1, 8, 8), layer=RowLSTM, hidden_dim=12, num_layers=6)
    history = train(model, binary, epochs=1 if FAST else 2, batch_size=64, lr=5e-3)
    axes[1].plot(history.loss, label=name)
    print(f"{name:9} 6 layers, test: {model.loss(binary_test).item():.2f} nats")
axes[0].set(xlabel="LSTM layers", ylabel="gradient at the first\nconvolution (norm)")
axes[1].set(xlabel="training step", ylabel="loss, nats", title="6 layers")
for ax in axes:
    ax.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# A straight line down in a logarithmic plot is a factor *per layer*. With the connections the gradient hardly notices the depth. The paper stacks up to twelve layers.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Masks A and B in colour
#
# In colour, "the centre" has an order of its own. All channels come in three groups, R, G, B. At the centre, under mask A a colour sees the colours *before* it; under mask B these and *itself*. (How such a mask is built is lecture 7's first page.)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(7, 2.1), width_ratios=[1, 1, 1.5])
paints = ["#D55E00", "#009E73", "#0072B2"]
for ax, kind in zip(axes, "AB", strict=False):
    for out in range(3):
        for source in range(out + (kind == "B")):
            arrow(ax, (source, 0.12), (out, 0.9), paints[source])
    for level in (0, 1):
        for c in range(3):
            ax.text(c, level, "RGB"[c], color=paints[c], ha="center", va="center", weight="bold")
    ax.set(xlim=(-0.5, 2.5), ylim=(-0.2, 1.2), title=f"mask {kind}, at the centre")
    ax.axis("off")
x = sprites[-1:].clone().requires_grad_()
field = torch.stack(
    [torch.autograd.grad(in_color(x)[:, :, c, 3, 3].square().sum(), x)[0][0, :, 3, 3] for c in range(3)]
)
cells(axes[2], (field != 0).int(), ListedColormap(["white", "#0072B2"]), 1)
axes[2].set_xticks(range(3), list("RGB"))
axes[2].set_yticks(range(3), ["R", "G", "B"])
axes[2].grid(visible=False)
axes[2].set(title="measured, whole PixelRNN", xlabel="value at the same pixel", ylabel="softmax of")
plt.show()
assert torch.equal(field != 0, torch.ones(3, 3, dtype=torch.bool).tril(-1))  # G by R, B by R and G

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    chosen = in_color(sprites[-100:]).log_softmax(1).gather(1, (3 * sprites[-100:]).round().long().unsqueeze(1))
costs = (-chosen[:, 0].sum((2, 3)).mean(0)).tolist()
print(
    "test, nats an image: ",
    ",  ".join(f"{name}: {n:.2f}" for name, n in zip(["R", "G|R", "B|R,G"], costs, strict=True)),
)

# %% [markdown] slideshow={"slide_type": "notes"}
# Arrows go from the inputs (below) to the outputs (above) of a layer. One A, then only B: a value never meets itself, and the measured matrix is strictly lower triangular. The costs are those of the shapes in the animation: each colour is cheaper than the one before, as it knows more. B, last, is left with the least to find out.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What each variant sees
#
# Now for whole networks, first convolution included. Blue: seen. **Orange: earlier, and missed.** The fourth, multi-scale, comes in section 7.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.multiscale import MultiScalePixelRNN

torch.manual_seed(0)
small = {"hidden_dim": 4, "num_layers": 1}
drawn_first = torch.zeros(16, 16, dtype=torch.bool)
drawn_first[::2, ::2] = True
fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.4))
for ax, num_layers in zip(axes, (1, 4), strict=False):
    rows = PixelRNN((1, 16, 16), layer=RowLSTM, hidden_dim=4, num_layers=num_layers).double()
    show_field(ax, rows, f"Row LSTM, {num_layers} layer{'s'[: num_layers - 1]}", 16, (11, 7))
missed = show_field(axes[2], PixelRNN((1, 16, 16), **small).double(), "Diagonal BiLSTM", 16, (11, 7))
multi = MultiScalePixelRNN((1, 16, 16), **small).double()
show_field(axes[3], multi.large_logits, "multi-scale", 16, (11, 7), drawn_first=drawn_first)
plt.show()
assert missed == 1

# %% [markdown] slideshow={"slide_type": "notes"}
# The $7 \times 7$ convolution widens the Row LSTM's triangle. The Diagonal BiLSTM sees everything — but for one pixel, and the gradient does not let us pass over it in silence: the last of the row above. The mirrored sweep starts there, with a feature that, by mask A, holds only what is *before* that pixel. A wider first kernel would catch it. (The recurrence itself misses nothing; exercise 3.)
# Green, on the right: pixels that come *later* in raster order and are seen all the same, since a small image was drawn first; what is orange among them lies beyond the reach of the small kernels that bring it in.

# %% [markdown] slideshow={"slide_type": "fragment"}
# **Do the probabilities sum to 1?** For $2 \times 2$ pixels we can list all images: $2^4$ in black and white, $2^{12}$ in colours of two levels.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
models = {
    "Row LSTM": PixelRNN((1, 2, 2), layer=RowLSTM, hidden_dim=6),
    "Diagonal BiLSTM": PixelRNN((1, 2, 2), hidden_dim=6, num_layers=2),
    "Diagonal, colour": PixelRNN((3, 2, 2), hidden_dim=6),
    "multi-scale": MultiScalePixelRNN((1, 2, 2), hidden_dim=6),
}
for name, model in models.items():
    everything = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * math.prod(model.image_shape))
    everything = everything.view(-1, *model.image_shape)
    with torch.no_grad():
        total = model.double().log_prob(everything).exp().sum().item()
    print(f"{name:17} {len(everything):5,} images, sum of p(x) = {total:.12f}")
    assert abs(total - 1) < 1e-9

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Trained
#
# Handwritten digits, $8 \times 8$ pixels, with all their $V = 17$ grey levels. The loss is the negative log-likelihood, $-\log p(x) = -\sum_i \log p(x_i \mid x_{<i})$: in training the whole image is known, so one pass of the network gives all 64 factors. For comparison, two models that know nothing of neighbours: all levels equally likely; and each pixel on its own, with the frequencies of the training images (a count added to each level).

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import bits_per_dim, estimate_mean

V, image_shape = 17, (1, 8, 8)
kinds = {"Row LSTM": RowLSTM, "Diagonal BiLSTM": DiagonalBiLSTM}
trained, histories, minutes = {}, {}, {}
for name, layer in kinds.items():
    torch.manual_seed(0)
    trained[name] = PixelRNN(image_shape, V, layer, hidden_dim=24, num_layers=2)
    start = time.process_time()
    histories[name] = train(trained[name], x_train, epochs=1 if FAST else 9)
    minutes[name] = (time.process_time() - start) / 60
levels_train, levels_test = ((16 * x).round().long() for x in (x_train, x_test))
counts = 1 + F.one_hot(levels_train, V).sum(0)
frequencies = (counts / counts.sum(-1, keepdim=True)).log().expand(len(x_test), -1, -1, -1, -1)
alone = frequencies.gather(-1, levels_test.unsqueeze(-1)).flatten(1).sum(1)

# %% slideshow={"slide_type": "fragment"}
print(f"{'digits, 8x8, 17 levels':24}{'test, nats':>17}{'bits per dim':>14}{'train, nats':>13}{'weights':>9}")
print(f"{'uniform':24}{64 * math.log(V):8.2f}{bits_per_dim(64 * math.log(V), 64):23.3f}")
print(f"{'each pixel alone':24}{-alone.mean():8.2f}{bits_per_dim(-alone.mean(), 64):23.3f}")
scores = {}
for name, model in trained.items():
    test, on_train = estimate_mean(model.log_prob, x_test), estimate_mean(model.log_prob, x_train[:300])
    scores[name] = model.log_prob(x_test).detach()
    weights = sum(p.numel() for p in model.parameters())
    print(f"{name:24}{-test.mean:8.2f} +- {test.standard_error:.2f}{bits_per_dim(-test.mean, 64):15.3f}", end="")
    print(f"{-on_train.mean:13.2f}{weights:9,}")
gain = estimate_mean(lambda a, b: b - a, *scores.values())
print(f"log p(x) of the same test images, Diagonal BiLSTM less Row LSTM: {gain}")
for name, spent in minutes.items():
    print(f"{name}: {60 * spent:.0f} s of processor time to train")

# %% [markdown] slideshow={"slide_type": "notes"}
# Exact likelihoods of images never seen, in nats an image, with standard errors over test images; **bits per dimension** divide by the 64 pixels and by $\log 2$. Neighbours are worth a great deal. The third line from below compares both layers image by image, which takes the difficulty of the images out of the comparison (but not the luck of one training run each). Hold the difference against its error before you believe it: on images this small, a first kernel of $7 \times 7$ leaves the layers little to fetch.
# Published: binarised MNIST, Row LSTM 80.54 nats, Diagonal BiLSTM 80.75 (one layer) and 79.20 (seven); CIFAR-10, 3.07 and 3.00 bits per dimension.

# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(0)
rows = {"real": x_test[:10]}
for name, model in trained.items():
    rows[name] = model.sample(10, generator=generator)
    rows[" " * len(rows)] = model.sample(10, generator=generator)
fig, axes = plt.subplots(1, 2, figsize=(7.6, 2.7), width_ratios=[1, 2.2])
for name, history in histories.items():
    plotting.loss_curve(history, axes[0], label=name)
axes[0].set(ylim=(75, 150), ylabel="training, nats")
plotting.compare_rows(rows, axes[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Strokes are clean, and many digits can be read. Others begin as one digit and end as another: at the bottom the network must finish what the top began, and with 1,297 examples it has not learned how.

# %% [markdown] slideshow={"slide_type": "fragment"}
# Draw one yourself: each pixel is a bet, and the slider shows it.

# %% slideshow={"slide_type": "fragment"}
widgets.pixel_sampler(trained["Diagonal BiLSTM"], image_shape, num_levels=V)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Completion
#
# Whoever knows $p(x_i \mid x_1, \dots, x_{i-1})$ can finish an image that somebody else began: keep what is given, draw the rest.


# %% slideshow={"slide_type": "fragment"}
def show_completions(ax, model, x, known, num_completions=3 if FAST else 6):
    """A row for each image: itself, what is known of it, and completions."""
    hidden = torch.where(known, x, 0.0).expand(-1, 3, -1, -1).clone()
    hidden[..., ~known] = torch.tensor([0.95, 0.77, 0.55]).view(3, 1)
    columns = [x.expand(-1, 3, -1, -1), hidden]
    generator = torch.Generator().manual_seed(1)
    for _ in range(num_completions):
        completed = model.complete(x, known, generator=generator)
        assert torch.equal(completed[..., known], x[..., known])
        columns.append(completed.expand(-1, 3, -1, -1))
    titles = ["original", "known", "", "", "completions", *[""] * (num_completions - 3)]
    plotting.compare_rows({str(n + 1): row for n, row in enumerate(torch.stack(columns, dim=1))}, ax, titles=titles)


known = torch.zeros(8, 8, dtype=torch.bool)
known[:4] = True
fig, ax = plt.subplots(figsize=(5.6, 3.0))
show_completions(ax, trained["Diagonal BiLSTM"], x_test[4:8], known)
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Multi-scale: first the small image, then the large
#
# Raster order begins with a corner and must settle details before it knows what the picture will be. A painter begins with a sketch. So: first draw a **small image** $x_s$, then the large one around it:
#
# $$ p(x) = p(x_s) \prod_{i \notin x_s} p(x_i \mid x_{<i}, x_s). $$
#
# $x_s$ is *every second pixel of every second row* of $x$: a part of $x$, no blurred copy. So no pixel counts twice, and $p(x)$ still sums to 1 (checked above). A PixelRNN draws $x_s$. A second one draws the large image, and $x_s$, brought to the large size by a **transposed convolution** (a convolution run backwards: each input pixel is spread over a block), is a bias of all its gates.

# %% slideshow={"slide_type": "fragment"}
order = torch.zeros(6, 6, dtype=torch.long)
order[::2, ::2] = torch.arange(1, 10).view(3, 3)
order[order == 0] = torch.arange(10, 37)
fig, axes = plt.subplots(1, 3, figsize=(7, 2.3), width_ratios=[3, 6, 6])
small_first = ListedColormap(["white", "#9ed4c2"])
titles = ["$x_s$", "the large image: order"]
for ax, title, shown in zip(axes, titles, [order[::2, ::2], order], strict=False):
    cells(ax, (shown <= 9).int(), small_first, 1)
    for n, value in enumerate(shown.flatten().tolist()):
        ax.text(n % shown.shape[1], n // shown.shape[1], value, ha="center", va="center", fontsize=9)
    ax.set_title(title)
large = data.load("digits", size=16)
x_large, x_large_test = (data.threshold(split.x) for split in (large.train, large.test))
if FAST:
    x_large, x_large_test = x_large[:64], x_large_test[:40]
example = x_large_test[1, 0]
both = [example, torch.full((16, 2), 0.6), F.pad(example[::2, ::2], (0, 0, 4, 4), value=0.6)]
axes[2].imshow(torch.cat(both, dim=1).numpy())
axes[2].set(title="a digit and its $x_s$", xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# We enlarge the digits to $16 \times 16$, black or white; $x_s$ is $8 \times 8$. Does it help? Row LSTM in both; a single-scale model with two layers and a multi-scale one with one layer a scale have about as many weights. Three seeds each (new weights, new order of images), the same test images.

# %% slideshow={"slide_type": "fragment"}
makers = {
    "single scale": lambda: PixelRNN((1, 16, 16), layer=RowLSTM, hidden_dim=19, num_layers=2),
    "multi-scale": lambda: MultiScalePixelRNN((1, 16, 16), layer=RowLSTM, hidden_dim=16),
}
scaled, nats, seconds_spent = {}, {name: [] for name in makers}, dict.fromkeys(makers, 0.0)
for seed in range(1 if FAST else 3):
    for name, make in makers.items():
        torch.manual_seed(seed)
        scaled[name] = make()
        start = time.process_time()
        train(scaled[name], x_large, epochs=1 if FAST else 6, seed=seed)
        seconds_spent[name] += time.process_time() - start
        nats[name].append(-estimate_mean(scaled[name].log_prob, x_large_test).mean)

# %% slideshow={"slide_type": "fragment"}
for name, values in nats.items():
    weights, mean = sum(p.numel() for p in scaled[name].parameters()), sum(values) / len(values)
    print(
        f"{name:13}{weights:7,} weights, {seconds_spent[name] / len(values):3.0f} s to train, test nats by seed: ",
        end="",
    )
    print(
        ", ".join(f"{value:.2f}" for value in values), f"; mean {mean:.2f} ({bits_per_dim(mean, 256):.3f} bits per dim)"
    )
differences = torch.tensor(nats["single scale"]) - torch.tensor(nats["multi-scale"])
print(
    f"gained by the second scale: {differences.mean():.2f} nats, by seed {[round(d, 2) for d in differences.tolist()]}"
)
with torch.no_grad():
    small_cost = -scaled["multi-scale"].small.log_prob(x_large_test[..., ::2, ::2]).mean()
print(f"of the last multi-scale model's {nats['multi-scale'][-1]:.2f}: x_s {small_cost:.2f}, ", end="")
print(f"the other 192 pixels given x_s {nats['multi-scale'][-1] - small_cost:.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# A quarter of the pixels, $x_s$, takes nearly half of the nats: it decides what the picture is. The second scale gains with every seed. A caveat: equal weights and epochs are not equal everything; these are short trainings of small models, and Row LSTMs, whose triangle is just what a small image makes up for. On ImageNet at $64 \times 64$ the paper found *similar* likelihoods with and without a second scale, and samples that looked more coherent as a whole.

# %% slideshow={"slide_type": "subslide"}
generator = torch.Generator().manual_seed(1)
pairs = scaled["multi-scale"].sample(12, generator=generator)
enlarged = pairs[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
rows = {
    "real": x_large_test[:12],
    "single scale": scaled["single scale"].sample(12, generator=generator),
    "multi: small": enlarged,
    "multi: large": pairs,
}
fig, ax = plt.subplots(figsize=(7.2, 2.5))
plotting.compare_rows(rows, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Rows three and four belong together, small and large side by side (one above the other): each large image keeps every pixel of its small one.

# %% [markdown] slideshow={"slide_type": "fragment"}
# The small image may also be *given*: then the second network alone **completes** it, and there is more than one large image to a small one.

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5.6, 3.0))
show_completions(ax, scaled["multi-scale"], x_large_test[4:8], drawn_first)
plt.show()
completed = scaled["multi-scale"].complete(x_large_test, drawn_first, generator=torch.Generator().manual_seed(2))
rest = ~drawn_first
by_model = (completed == x_large_test)[..., rest].float().mean().item()
by_copy = x_large_test[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)
by_copy = (by_copy == x_large_test)[..., rest].float().mean().item()
print(f"of the pixels that were not given, drawn as in the original: {by_model:.1%}; by copying x_s: {by_copy:.1%}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. What it costs
#
# Training: one pass for all pixels, but the pass itself walks: $N$ rows or $2N - 1$ diagonals, one after the other, forward and backward. Sampling: a pass for *every value*. We measure processor time for growing images, untrained models of 8 hidden channels, beside the PixelCNN of lecture 7, which does not walk.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.levels import sample_images
from course_utils.models.autoregressive.pixelcnn import PixelCNN


def seconds(call, repeats=1):
    start = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - start) / repeats


makers = {
    "Row LSTM": lambda shape: PixelRNN(shape, layer=RowLSTM, hidden_dim=8),
    "Diagonal BiLSTM": lambda shape: PixelRNN(shape, hidden_dim=8),
    "PixelCNN": lambda shape: PixelCNN(shape, hidden_dim=8, num_layers=2),
}
sides_train, sides_draw = ([4, 6, 8], [4, 6, 8]) if FAST else ([4, 8, 16, 32, 64], [4, 8, 16, 24])

# %% slideshow={"slide_type": "fragment"}
training, drawing = {name: [] for name in makers}, {name: [] for name in makers}
for name, make in makers.items():
    for side in sides_train:
        model, x = make((1, side, side)), torch.zeros(4, 1, side, side)
        model.loss(x).backward()  # a first time, not counted
        training[name].append(seconds(lambda: model.loss(x).backward(), repeats=5))  # noqa: B023 (called at once)
    for side in sides_draw:
        model, shape = make((1, side, side)), (1, side, side)
        drawing[name].append(seconds(lambda: sample_images(model, 1, shape)))  # noqa: B023

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7.2, 2.8))
panels = [("a training step, 4 images", sides_train, training), ("drawing one image", sides_draw, drawing)]
for ax, (title, sides, measured) in zip(axes, panels, strict=True):
    for name, values in measured.items():
        slope = math.log(values[-1] / values[-3]) / math.log(sides[-1] / sides[-3])
        ax.loglog(sides, values, "o-", label=f"{name}: slope {slope:.1f}")
    ax.set(xlabel="side $N$ of the image", ylabel="seconds", title=title, xticks=sides, xticklabels=sides)
    ax.set_xticks([], minor=True)
    ax.legend(fontsize=8)
plt.show()
for name in makers:
    ratio = 4 * drawing[name][sides_draw.index(8)] / training[name][sides_train.index(8)]
    print(f"{name:16} 8x8: drawing an image takes {ratio:6.0f} times as long as learning from one")

# %% [markdown] slideshow={"slide_type": "notes"}
# Straight lines are powers of $N$; a slope is taken over the three largest sizes. In training, steps that follow one another, $N$ or $2N - 1$, make a slope of 1 as long as each is so small that only its number counts; work for $N^2$ pixels bends it towards 2. A graphics processor hides the work, and never the steps.
# Drawing multiplies all this by $N^2$ passes: 2 more on the slope. (Nothing forces us to recompute the states of rows that are done: exercise 6 and lecture 7 keep them. The values still come one by one.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Long sequences
#
# How long is the sentence that an image makes? And a network that *can* see far, *does* it? We take the trained digits models, and measure the gradient of a prediction in the lower half by every earlier pixel: not whether it is zero this time, but how large it is.

# %% slideshow={"slide_type": "fragment"}
for name, shape in {
    "digits": (1, 8, 8),
    "MNIST": (1, 28, 28),
    "CIFAR-10": (3, 32, 32),
    "a small photograph": (3, 256, 256),
}.items():
    print(f"{name:19} {math.prod(shape):7,} values, {math.prod(shape):7,} steps to draw; "
          f"{2 * shape[1] - 1:3} diagonals in a pass")  # fmt: skip
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.3), width_ratios=[1, 1, 1.4])
for ax, (name, model) in zip(axes, trained.items(), strict=False):
    x = x_test[:60].clone().requires_grad_()
    log_odds = model(x).log_softmax(1)[:, :, 0, 6, 4]
    chosen = log_odds.gather(1, (16 * x.detach()[:, 0, 6, 4]).round().long().unsqueeze(1))
    influence = torch.autograd.grad(chosen.sum(), x)[0].abs().mean(0)[0]
    ax.imshow((influence / influence.max()).clamp(min=1e-4).log10().numpy(), cmap="viridis", vmin=-3, vmax=0)
    ax.plot(4, 6, "rx")
    ax.set(title=name, xticks=[], yticks=[])
    axes[2].semilogy(range(1, 7), (influence[:6].flip(0).mean(1) / influence.max()).tolist(), "o-", label=name)
axes[2].set(xlabel="rows above", ylabel="mean gradient,\nshare of the largest")
axes[2].legend(fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Yellow: large; dark: a thousandth of it. Reach on paper and influence in practice are two things: the next neighbours decide, and what lies rows away counts for a small share. Part of that is right, as in most images near pixels tell most. Part of it is the old trouble of recurrent networks with long sequences, and the reason why a second scale, or *attention*, can help.

# %% [markdown] slideshow={"slide_type": "fragment"}
# | for | against |
# |---|---|
# | exact $\log p(x)$: no bound, no estimate | $N^2$ passes (times three, in colour) to draw one image |
# | a receptive field without limit: *every* earlier pixel, from a single layer (Diagonal BiLSTM, but one) | training walks through the image too: $N$ or $2N - 1$ steps in each layer |
# | one plain loss, stable training | long sequences: what is far counts little |
# | completion without retraining | an order must be chosen: what comes later cannot be used |
#
# If training need not walk, it can be many times faster. What must we give up for that? The unlimited memory: lecture 7.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - An image is a sequence in raster order, at each pixel R, then G given R, then B given both; each value a softmax over levels.
# - An image has two befores. *Left and above* alone loses what is above to the right.
# - **Row LSTM**: a row a step, convolutions for matrices; fast, and sees a triangle.
# - **Diagonal BiLSTM**: skew, and a diagonal is a column; $2N - 1$ steps. A second sweep from the right, one row down, or it leaks.
# - Mask A once, mask B after; residual connections let gradients through many layers.
# - **Multi-scale**: a part of the pixels first, the rest given them; still an exact likelihood.
# - Exact and slow: drawing takes a pass a value, and each pass walks.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) Which pixels of a $5 \times 7$ image are computed in step 6 of the rightward sweep? How many steps are there in all? Check with `skew`.
# 2. (10 min, easy) Give the Row LSTM kernels five wide. Derive which columns of row $r - d$ the state at $(r, j)$ sees, then check with `show_field` (`RowLSTM(..., kernel_size=5)`).
# 3. (10 min, medium) Feed the Diagonal BiLSTM *layer* to `show_field` with `includes_itself=True`: nothing is missed. Then put `MaskedConv2d("A", 1, 1, k)` before it. Which pixels are missed for $k = 1, 3, 7$, and why does a second layer not help?
# 4. (10 min, medium) Swap the two ends of `sweep`: the cell comes from above, $c(r{-}1, j)$, instead of from the left. Is the layer still causal? Does the receptive field change?
# 5. (15 min, medium) Train the digits model of section 6 on images turned by 90 and by 180 degrees, with three seeds each. Does the order of the pixels change the likelihood? Should it?
# 6. (20 min, hard) `sample` runs the whole network for each pixel. Write a sampler for `RowLSTMByHand` that keeps $h$ and $c$ of the row above, and computes each row's states once. How does its time grow with $N$?
# 7. (20 min, hard) Replace $x_s$ by the *mean* of each $2 \times 2$ block. What goes wrong with $p(x)$, and how could one mend it?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu: Pixel recurrent neural networks, 2016. arXiv 1601.06759 (Row LSTM, Diagonal BiLSTM, masks, multi-scale).
# - L. Theis, M. Bethge: Generative image modeling using spatial LSTMs, 2015. arXiv 1506.03478 (two-dimensional LSTMs for images, before).
# - S. Hochreiter, J. Schmidhuber: Long short-term memory, Neural Computation 9, 1997.
# - A. Graves, S. Fernández, J. Schmidhuber: Multi-dimensional recurrent neural networks, 2007. arXiv 0705.2011.
# - M. F. Stollenga, W. Byeon, M. Liwicki, J. Schmidhuber: Parallel multi-dimensional LSTM, 2015. arXiv 1506.07452.
# - K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, 2015. arXiv 1512.03385.
# - S. Reed et al.: Parallel multiscale autoregressive density estimation, 2017. arXiv 1703.03664.
