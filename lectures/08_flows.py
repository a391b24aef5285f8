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
# # Lecture 8: Normalising flows
#
# **You will**
#
# - see what stretching does to a density, and derive the change of variables from a picture;
# - build an invertible layer by hand, and check its log-determinant against autograd;
# - train NICE, RealNVP, Glow and FFJORD, and watch noise flow through their layers to the data;
# - find out why a density on whole numbers goes to infinity, and repair it by dequantisation;
# - compare flows with autoregressive models in bits, and name what a flow cannot do.
#
# **You need** lecture 2 (maximum likelihood, bits per dimension) and lecture 7 (PixelCNN, for comparison); from calculus, derivative and determinant.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two and a half minutes on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os

import matplotlib.pyplot as plt
import torch
from torch import nn

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=62)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Stretch, and thin out
#
# Autoregressive models know $\log p(x)$ exactly, but draw one pixel after the other. Can we have both, an exact density and a draw in one pass?
#
# Start with noise whose density we know, $z \sim \mathcal N(0, 1)$, and move every point by a function, $x = g(z)$. What is the density of $x$? Nothing is lost on the way: the mass in a small interval around $z$ arrives in the interval that it is moved to. Where $g$ is steep, the interval gets **stretched**, and the same mass lies **thinner**; where $g$ is flat, it piles up.


# %% slideshow={"slide_type": "fragment"}
def g(z):
    return z + 0.6 * torch.sin(1.5 * z)


def slope(z):
    return 1 + 0.9 * torch.cos(1.5 * z)


z = torch.linspace(-4, 4, 2001, dtype=torch.float64)
p_z = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
x, p_x = g(z), p_z / slope(z)  # the claim of this section
torch.manual_seed(0)
drawn = g(torch.randn(20_000))
mass = torch.trapezoid(p_x, x)
print(f"the new density has mass {mass:.4f}")
assert abs(mass - 1) < 1e-3

# %% slideshow={"slide_type": "fragment"}
edges = torch.special.ndtri(torch.linspace(0.001, 0.999, 13, dtype=torch.float64))  # intervals of equal mass
fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.3))
for ax, places, density, ends in [(axes[0], z, p_z, edges), (axes[2], x, p_x, g(edges))]:
    for index in range(12):
        inside = (places >= ends[index]) & (places <= ends[index + 1])
        ax.fill_between(places[inside], density[inside], color=plt.cm.viridis(index / 11))
axes[2].hist(drawn.numpy(), bins=80, density=True, histtype="step", color="black", linewidth=0.8)
axes[1].plot(z, x, color="black")
for index, edge in enumerate(edges.tolist()):
    color, image = plt.cm.viridis(min(index, 11) / 11), g(torch.tensor(edge)).item()
    axes[1].plot([edge, edge, 4], [-4, image, image], color=color, linewidth=0.8)
axes[0].set(title="$p(z)$: twelve pieces of one mass", xlabel="$z$", xlim=(-4, 4))
axes[1].set(title="$x = g(z)$", xlabel="$z$", ylabel="$x$", xlim=(-4, 4), ylim=(-4, 4))
axes[2].set(title="$p(x)$: stretched or squeezed", xlabel="$x$", xlim=(-4, 4))
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Every colour holds the same mass on the left and on the right. The black line is a histogram of moved draws, with no formula behind it: it follows the edge of the coloured pieces.

# %% [markdown] slideshow={"slide_type": "subslide"}
# In one line: a piece of width $dz$ becomes one of width $dx = |g'(z)|\, dz$, and its mass stays, so
#
# $$ p(x)\, dx = p(z)\, dz \quad\Longrightarrow\quad p(x) = p(z) \left|\frac{dz}{dx}\right|. $$
#
# ### In the plane: areas
#
# Now $z$ has two numbers. Take a small square with sides $h$ at $z$. To first order, $g(z + h e_1) - g(z) = h\, \partial g / \partial z_1$: its sides become the two columns of the **Jacobian** $J = \partial x / \partial z$, times $h$. So the square becomes a **parallelogram**, and the area of the one that two columns span is $|\det J|$, times $h^2$. In $D$ dimensions it is a volume, and the same determinant.


# %% slideshow={"slide_type": "fragment"}
def bend(z):
    return torch.stack([z[:, 0] + 0.6 * torch.sin(1.5 * z[:, 1]), 0.8 * z[:, 1] + 0.25 * z[:, 0] ** 2], 1)


def polygon_area(corners):  # the shoelace formula
    following = corners.roll(-1, 0)
    return 0.5 * (corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum().abs()


corner = torch.tensor([[0.5, 0.3]], dtype=torch.float64)
jacobian = torch.autograd.functional.jacobian(bend, corner)[0, :, 0]
for h in (0.5, 0.1, 0.01):
    t = torch.linspace(0, h, 100, dtype=torch.float64)
    zero, full = torch.zeros_like(t), torch.full_like(t, h)
    sides = [(t, zero), (full, t), (t.flip(0), full), (zero, t.flip(0))]
    outline = corner + torch.cat([torch.stack(side, 1) for side in sides])
    print(f"side {h:4}: the area grows by {polygon_area(bend(outline)) / h**2:.4f}")
print(f"|det J| = {torch.linalg.det(jacobian).abs():.4f}")

# %% slideshow={"slide_type": "fragment"}
lines = torch.linspace(-2, 2, 11, dtype=torch.float64)
along = torch.linspace(-2, 2, 100, dtype=torch.float64)
fig, axes = plt.subplots(1, 2, figsize=(5.4, 2.4))
square = 0.6 * (outline - corner) / h  # the outline from above, larger
for ax, move in zip(axes, [lambda z: z, bend], strict=True):
    for line in lines:
        fixed = torch.full_like(along, line)
        for pair in ((along, fixed), (fixed, along)):
            ax.plot(*move(torch.stack(pair, 1)).T, color="0.75", linewidth=0.8)
    ax.fill(*move(corner + square).T, color="C0", alpha=0.6)
axes[1].plot(*(bend(corner) + square @ jacobian.T).T, color="C1", linewidth=1.5)
axes[0].set(title="a small square at $z$", xlabel="$z_1$", ylabel="$z_2$")
axes[1].set(title="its image (blue), parallelogram (red)", xlabel="$x_1$", ylabel="$x_2$")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The formula, and what it asks for
#
# So for any smooth, invertible map between data $x$ and latent $z = f(x)$ of the **same dimension**,
#
# $$ \log p(x) = \log p(z) + \log \left|\det \frac{\partial z}{\partial x}\right|, \qquad z = f(x). $$
#
# Maps in a chain, $f = f_L \circ \dots \circ f_1$: their Jacobians multiply, so their log-determinants **add**. Data flow through simple steps until they look like normal noise: a **normalising flow** (Rezende & Mohamed 2015). Train it by maximum likelihood, nothing else. To draw, send noise through the inverse.
#
# | we need | because | a general network |
# |---|---|---|
# | an inverse | to draw | has none |
# | $\log \lvert\det\rvert$ | for the likelihood, at every step of training | costs $D^3$ |
#
# The trick behind nearly all flows: **triangular** Jacobians. Their determinant is the product of the diagonal, and one can solve for the inputs one after the other.
#
# (An autoregressive model has a triangular Jacobian too: $z_i$ depends on $x_1 \dots x_i$. But its inverse takes $D$ steps. We want one.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. A coupling layer by hand
#
# Cut $x$ into two halves. The first passes through, and *steers*: a network looks at it, and says how to scale and to shift the second.
#
# $$ z_1 = x_1, \qquad z_2 = e^{s(x_1)} \odot x_2 + t(x_1), \qquad J = \begin{pmatrix} I & 0 \\ \ast & \operatorname{diag} e^{s(x_1)} \end{pmatrix}, \qquad \log |\det J| = \sum_i s_i(x_1). $$
#
# The inverse is $x_1 = z_1$, $x_2 = (z_2 - t(z_1))\, e^{-s(z_1)}$. Nobody ever inverts the networks $s$ and $t$: they may be as wild as they like.


# %% slideshow={"slide_type": "fragment"}
class Coupling(nn.Module):
    def __init__(self, num_dims, hidden_dim=32):
        super().__init__()
        half = num_dims // 2
        self.network = nn.Sequential(nn.Linear(half, hidden_dim), nn.Tanh(), nn.Linear(hidden_dim, 2 * half))

    def forward(self, x):
        x_1, x_2 = x.chunk(2, dim=1)
        s, t = self.network(x_1).chunk(2, dim=1)
        return torch.cat([x_1, s.exp() * x_2 + t], 1), s.sum(1)

    def inverse(self, z):
        z_1, z_2 = z.chunk(2, dim=1)
        s, t = self.network(z_1).chunk(2, dim=1)
        return torch.cat([z_1, (z_2 - t) * (-s).exp()], 1), -s.sum(1)


class Swap(nn.Module):
    def forward(self, x):
        return x.roll(x.shape[1] // 2, 1), x.new_zeros(len(x))

    inverse = forward


# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.flow import Chain  # the loop: apply each layer, add the log-determinants


def jacobian_of(layer, x):
    """The Jacobian of one example x (1, D), by autograd: (D, D)."""
    return torch.autograd.functional.jacobian(lambda one: layer(one)[0], x)[0, :, 0]


torch.manual_seed(0)
chains = {"one coupling": [Coupling(6)], "two, swapped between": [Coupling(6), Swap(), Coupling(6)]}
chains["four, swapped between"] = [layer for _ in range(3) for layer in (Coupling(6), Swap())] + [Coupling(6)]
x = torch.randn(1, 6, dtype=torch.float64)
fig, axes = plt.subplots(1, 3, figsize=(6, 2.1))
for ax, (name, layers) in zip(axes, chains.items(), strict=True):
    chain = Chain(layers).double()
    (z, log_det), jacobian = chain(x), jacobian_of(chain, x)
    by_autograd = torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(log_det, by_autograd)
    assert torch.allclose(chain.inverse(z)[0], x)
    print(f"{name:22} log |det|: ours {log_det.item():8.5f}, autograd {by_autograd.item():8.5f}")
    ax.imshow(jacobian.detach().numpy(), cmap="RdBu", vmin=-1.5, vmax=1.5)
    ax.set(title=name, xticks=[], yticks=[], xlabel="$x$")
axes[0].set_ylabel("$z$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# White is zero. One coupling leaves half of the values alone, and its block on the lower right is diagonal. After a few swaps everything depends on everything, and yet the determinant is still a sum of a few outputs of the networks.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. NICE: only shift
#
# The first of the family (Dinh et al. 2014) has no $s$ in its couplings: $z_2 = x_2 + m(x_1)$. These **additive** couplings have determinant 1: they **preserve volume**, like shearing a pack of cards. In the end one **scaling** layer, $z_i = e^{s_i} x_i$, the same for all $x$, says how wide each direction is.
#
# **Halves must change roles.** Without, $x_1$ comes out as it went in, after any number of layers. How many couplings does it take until every latent can depend on every value?

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.nice import NICE, AdditiveCoupling


def additive_chain(num_couplings, alternate):
    torch.manual_seed(0)
    mask = (torch.arange(6) % 2).double()
    masks = [1 - mask if alternate and k % 2 else mask for k in range(num_couplings)]
    networks = [nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 6)) for _ in masks]
    return Chain([AdditiveCoupling(mask, net) for mask, net in zip(masks, networks, strict=True)]).double()


for alternate in (False, True):
    reached = []
    for count in (1, 2, 3, 4):
        jacobian = jacobian_of(additive_chain(count, alternate), x)
        assert abs(torch.linalg.slogdet(jacobian).logabsdet) < 1e-9  # volume stays
        reached.append(f"{(jacobian != 0).double().mean():.0%}")
    print(
        f"{'alternating' if alternate else 'always the same half':21} entries that are not 0, 1 to 4 couplings: {reached}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# With alternating halves, three couplings fill the Jacobian; NICE takes four.
#
# **What volume preservation costs.** If the determinant is 1, then $p(x) = p(z)$: the density can nowhere exceed the peak of the base, in the plane $1/2\pi$. Two half moons of points, whose true density we can compute, need more than that. We fit couplings alone, and couplings with the scaling.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.flow import Flow
from course_utils.training import fit

random = torch.Generator().manual_seed(0)
moons, moons_test = data.two_moons(1000 if FAST else 6000, generator=random), data.two_moons(2000, generator=random)
side = torch.linspace(-4, 4, 121)
plane, cell = torch.cartesian_prod(side, side), (side[1] - side[0]).item() ** 2


def moons_log_prob(x):
    """The density that the moons were drawn from, by a sum over places along the arcs."""
    angle = (torch.arange(1000) + 0.5) / 1000 * math.pi
    arc = torch.stack([2 * angle.cos() - 1, 2 * angle.sin() - 0.5], 1)
    squared = torch.cdist(x, torch.cat([arc, -arc])) ** 2
    return torch.logsumexp(-0.5 * squared / 0.1**2, 1) - math.log(2000 * 2 * math.pi * 0.1**2)


torch.manual_seed(0)
with_scaling = NICE(2, 64, num_layers=2, num_couplings=6)
torch.manual_seed(0)
couplings_only = Flow(Chain(list(NICE(2, 64, num_layers=2, num_couplings=6).network.layers)[:-1]), (2,))
settings = {"batch_size": 200, "cosine": True, "clip_norm": 5.0}
for model in (couplings_only, with_scaling):
    history = fit(model, moons, epochs=1 if FAST else 25, lr=6e-3, **settings)


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def show_densities(models, vmax=0.4):
    """Heat maps of log-densities given by name; print nats on the test points, mass, peak."""
    axes = plt.subplots(1, len(models), figsize=(2.2 * len(models), 2.2))[1]
    for ax, (name, log_prob) in zip(axes, models.items(), strict=True):
        density = torch.cat([log_prob(part) for part in plane.split(4000)]).exp()
        ax.imshow(density.view(121, 121).T.numpy(), origin="lower", extent=(-4, 4, -4, 4), cmap="magma", vmax=vmax)
        ax.set(title=name, xticks=[], yticks=[])
        nats = -log_prob(moons_test).mean()
        print(
            f"{name:16} test {nats:.3f} nats, mass on the square {density.sum() * cell:.3f}, peak {density.max():.3f}"
        )
    plt.show()


show_densities({"truth": moons_log_prob, "couplings alone": couplings_only.log_prob, "NICE": with_scaling.log_prob})
print(f"peak of the base, 1 / (2 pi) = {1 / (2 * math.pi):.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Couplings alone are dark everywhere: they reach the ceiling and stay there, and spread the rest of the mass where no data are. One factor for the whole plane lifts the ceiling. (Lower nats are better; the truth's is the entropy of the moons, and no model can beat it on average.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. RealNVP: scale and shift
#
# With $s(x_1)$ back in place, we have the **affine** coupling of section 3: volume can grow here and shrink there. This is **RealNVP** ("real-valued, non-volume preserving", Dinh et al. 2016).

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.realnvp import RealNVPPoints

torch.manual_seed(0)
realnvp = RealNVPPoints(2, hidden_dim=32, num_layers=2, num_couplings=12)
history = fit(realnvp, moons, epochs=1 if FAST else 40, lr=3e-3, **settings)
show_densities({"truth": moons_log_prob, "NICE": with_scaling.log_prob, "RealNVP": realnvp.log_prob})

# %% [markdown] slideshow={"slide_type": "notes"}
# The mass is a check, not an ornament: it is the sum of $p(x)$ over 14,641 cells, and nothing in the training asked for 1. The change of variables did.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watch the noise flow
#
# To draw, noise passes the layers from the last to the first. Points keep the colour of the direction in which they lay at the start.

# %% slideshow={"slide_type": "fragment"}
from course_utils.animation import animate
from course_utils.widgets.flow import layer_by_layer

torch.manual_seed(1)
z = torch.randn(220, 2)
states = layer_by_layer(realnvp, z)
colors = torch.atan2(z[:, 1], z[:, 0]).tolist()


def draw(figure, n):
    ax = figure.subplots()
    ax.scatter(*moons_test[:300].T.tolist(), s=2, color="0.85")
    ax.scatter(*states[n].T.tolist(), s=5, c=colors, cmap="twilight")
    ax.set(xlim=(-4, 4), ylim=(-4, 4), xticks=[], yticks=[], title=f"after {n} of {len(states) - 1} layers")


alt = "Normal noise is moved by coupling layers, across and up in turn, until it forms two moons"
animate(draw, len(states), alt=alt, figsize=(2.4, 2.4), seconds=0.5, num_colors=16)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Each layer moves points along one axis only, as in a sliding puzzle; and each is exactly invertible. In the notebook you may stop at any layer, and change the **temperature**, by which the noise is multiplied before it flows: below 1, likelier points, less varied.

# %% slideshow={"slide_type": "fragment"}
widgets.flow_layers(realnvp, moons)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Images: masks and scales
#
# Which half of an image should steer? RealNVP alternates two **masks**. A **checkerboard**: each pixel is predicted from its four neighbours. Then **squeeze** each $2 \times 2$ block of pixels into four channels, and split by **channels**. $s$ and $t$ are small residual convolutional networks.
#
# **Multi-scale**: after some layers, half of the values are *final*: they go to $z$ as they are. The other half goes on at half the resolution. This saves work, and the latents that leave late have seen more of the image.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.realnvp import RealNVP, Squeeze, channel_mask, checkerboard_mask

shape = (1, 8, 8)
squeezed, _ = Squeeze()(torch.arange(64.0).view(1, *shape))
steering = Squeeze().inverse(channel_mask(4).expand(1, 4, 4, 4))[0]
going_on = Squeeze().inverse(torch.tensor([0.0, 0, 1, 1]).view(1, 4, 1, 1).expand(1, 4, 4, 4))[0]
fig, axes = plt.subplots(1, 3, figsize=(6.2, 2.1))
titles = ["checkerboard: white steers", "channels, seen in the image", "grey: final; yellow: goes on"]
pictures = [checkerboard_mask(8, 8)[0], steering[0, 0], going_on[0, 0]]
for ax, picture, title, cmap in zip(axes, pictures, titles, ["gray", "gray", "cividis"], strict=True):
    ax.imshow(picture.numpy(), cmap=cmap)
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
plt.show()
print("pixels 0, 1, 8, 9 of the first block become channels:", squeezed[0, :, 0, 0].tolist())

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Glow: learn the permutation
#
# Swapping halves is a fixed permutation of channels. **Glow** (Kingma & Dhariwal 2018) learns it: an **invertible $1 \times 1$ convolution**, one matrix $W$ of $C \times C$ that mixes the channels of every pixel. A permutation is a special case. Its step has three parts:
#
# | | map at each pixel | $\log \lvert\det\rvert$ |
# |---|---|---|
# | **actnorm** | $y = e^{s} \odot (x + b)$, one $s$ and $b$ a channel | $HW \sum_c s_c$ |
# | **1x1 convolution** | $y = W x$ | $HW \log \lvert\det W\rvert$ |
# | **affine coupling** | section 3, on halves of the channels | $\sum s(x_1)$ |
#
# Actnorm does the work of batch norm without mixing the examples of a batch: it starts so that the first batch comes out with mean 0 and variance 1, and is an ordinary parameter from then on. (Each pixel has its own copy of $W$ in a block-diagonal Jacobian: hence the factor $HW$, and the log-determinant is one line.)

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.glow import ActNorm, Glow, InvertibleConv1x1

torch.manual_seed(0)
mixing, image = InvertibleConv1x1(4).double(), torch.randn(1, 4, 3, 5, dtype=torch.float64)
with torch.no_grad():
    mixing.log_diagonal += 0.3 * torch.randn(4, dtype=torch.float64)  # away from its start, a rotation
    one_line = 3 * 5 * torch.linalg.slogdet(mixing.weight()).logabsdet
full = torch.autograd.functional.jacobian(lambda one: mixing(one)[0], image).view(60, 60)
print(f"H W log |det W| = {one_line:.6f}; the 60x60 Jacobian: {torch.linalg.slogdet(full).logabsdet:.6f}")
assert torch.allclose(one_line, torch.linalg.slogdet(full).logabsdet)

actnorm = ActNorm(4).double().train()
normal, _ = actnorm(5 + 3 * torch.randn(64, 4, 3, 5, dtype=torch.float64))
print(f"actnorm's first batch, from mean 5 and deviation 3: mean {normal.mean():.4f}, deviation {normal.std():.4f}")

with torch.no_grad():
    mixing.log_diagonal[0] = -60.0
try:
    mixing.inverse(image)
except ValueError as error:
    print(f"a singular W: ValueError: {error}")

# %% [markdown] slideshow={"slide_type": "notes"}
# $W$ is kept as $P L (U + \operatorname{diag} (\pm e^{d}))$, with a fixed permutation $P$ and triangular $L$, $U$: its log-determinant is $\sum d$, and it can only *approach* a singular matrix. When it does, the inverse is made of rounding errors; better a sentence than a wrong picture.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Whole numbers: dequantisation
#
# Pixels are levels: our digits have $V = 17$, $k = 0 \dots 16$. A flow is a density on real numbers. What happens if we fit one to the other? A density may put a narrow peak on each level; the narrower, the higher; and nothing stops it: $\log p \to \infty$ on isolated points.
#
# Take one pixel in the middle of the digits, and the most flexible flow there is in one dimension: $x \mapsto F(x)$ takes any density $p = F'$ to the uniform one (and $\Phi^{-1} \circ F$ to the normal one), with $\log |dz/dx|$ as it should be. So *every* density on a line is a flow. Ours is a mixture of 17 Gaussians, one a level; their weights and widths are learned. We train it on the levels as they are, and on levels with **uniform noise** from $[0, 1)$ added.

# %% slideshow={"slide_type": "fragment"}
from torch.distributions import Categorical, MixtureSameFamily, Normal

digits = data.load("digits")
print(digits.description)
V = 17
levels_train, levels_test = ((16 * x).round().flatten(1) for x in (digits.train.x, digits.test.x))
pixel, pixel_test = levels_train[:, 27], levels_test[:, 27]
curves, laws = {"levels as they are": [], "with uniform noise": []}, []
for width, bits in enumerate(curves.values()):
    torch.manual_seed(0)
    middles = torch.arange(V) + width / 2
    weights, log_scales = torch.zeros(V, requires_grad=True), torch.zeros(V, requires_grad=True)
    optimizer = torch.optim.Adam([weights, log_scales], lr=0.02)
    for _ in range(100 if FAST else 600):
        law = MixtureSameFamily(Categorical(logits=weights), Normal(middles, log_scales.exp()))
        loss = -law.log_prob(pixel + width * torch.rand_like(pixel)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            bits.append(-law.log_prob(pixel_test + width * torch.rand_like(pixel_test)).mean().item() / math.log(2))
    laws.append(law)

# %% slideshow={"slide_type": "fragment"}
counts = torch.bincount(pixel.long(), minlength=V) + 1.0
frequency_bits = -(counts / counts.sum())[pixel_test.long()].log2().mean().item()
fig, axes = plt.subplots(1, 2, figsize=(6.6, 2.2))
for (name, bits), law in zip(curves.items(), laws, strict=True):
    axes[0].plot(bits, label=name)
    places = torch.cat([torch.linspace(-0.5, 17, 2000), torch.arange(17)]).sort().values  # needles fit between
    axes[1].plot(places.tolist(), law.log_prob(places).exp().clamp(max=0.6).tolist(), linewidth=0.8)
    print(f"{name}: test 'bits' {bits[len(bits) // 2]:.2f} half way, {bits[-1]:.2f} at the end")
axes[0].axhline(frequency_bits, color="black", linewidth=0.8, linestyle=":", label="frequencies of the levels")
axes[0].set(xlabel="step", ylabel="'bits' of the pixel, test")
axes[1].set(xlabel="level", ylabel="density (cut at 0.6)")
axes[0].legend(fontsize=8)
plt.show()
print(f"frequencies of the levels, a discrete distribution: {frequency_bits:.2f} bits")

# %% [markdown] slideshow={"slide_type": "notes"}
# Without noise the "bits" fall and fall, also on images never seen, and below zero: fewer than no bits for a pixel. This is not over-fitting. It is a density of needles (blue, right), each as narrow as the training had time for, and its number has lost its meaning. With noise it settles at what the frequencies need, an honest code.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Why noise makes it honest
#
# Let a level $k$ stand for its bin: say that the model's probability of $k$ is the mass in it, $P(k) = \int_0^1 p(k + u)\, du$ (for images, over $u \in [0, 1)^D$). These probabilities sum to at most 1. And, by Jensen's inequality,
#
# $$ \log P(k) = \log \int_0^1 p(k + u)\, du \;\ge\; \int_0^1 \log p(k + u)\, du = \mathbb E_{u}\big[\log p(k + u)\big]. $$
#
# Training a density on noisy levels maximises a **lower bound on a discrete log-likelihood**, which is at most 0 (Theis et al. 2016). We now may compare with a PixelCNN. The gap: a density that is not flat within its bin. **Variational dequantisation** (Ho et al. 2019) learns the noise too, by a small flow $q(u \mid k)$ that puts it where the density is high:
#
# $$ \log P(k) \ge \mathbb E_{q(u \mid k)}\big[\log p(k + u) - \log q(u \mid k)\big], \qquad \text{gap} = \mathrm{KL}\big(q(u \mid k) \,\|\, p(u \mid k)\big). $$
#
# In the plane we can compute the truth: two neighbouring pixels of the digits, four levels each. We sum the density over fine cells.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.dequantization import Dequantized, Logit, UniformNoise, VariationalNoise

pairs_train, pairs_test = (
    (levels.view(-1, 8, 8)[:, 3, 3:5] * 4 / 17).floor() / 3 for levels in (levels_train, levels_test)
)
fine = (torch.arange(4 * 40) + 0.5) / (4 * 40)


def two_pixels(noise):
    torch.manual_seed(0)
    points = RealNVPPoints(2, hidden_dim=32, num_couplings=4)
    return Dequantized(Flow(Chain([Logit(margin=0.01), points]), (2,)), noise, num_levels=4)


learned_noise = VariationalNoise(nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 4)), num_levels=4)
dequantized = {"uniform": two_pixels(UniformNoise()), "variational": two_pixels(learned_noise)}
maps = {}
for name, model in dequantized.items():
    history = fit(model, pairs_train, epochs=2 if FAST else 40, lr=5e-3, cosine=True, clip_norm=50.0)
    with torch.no_grad():
        maps[name] = model.flow.log_prob(torch.cartesian_prod(fine, fine)).exp().view(160, 160)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(6.6, 2.2))
counts = torch.zeros(4, 4).index_put_(tuple((pairs_train * 3).long().T), torch.ones(len(pairs_train)), accumulate=True)
axes[0].imshow((counts / counts.sum()).T.numpy(), origin="lower", extent=(0, 4, 0, 4), cmap="magma")
axes[0].set(title="frequencies of the pairs", xlabel="level of pixel 1", ylabel="level of pixel 2")
for ax, (name, density) in zip(axes[1:], maps.items(), strict=True):
    ax.imshow(density.T.numpy(), origin="lower", extent=(0, 4, 0, 4), cmap="magma", vmax=8)
    ax.set(title=f"density, {name} noise")
    bins = density.view(4, 40, 4, 40).mean((1, 3)) / 16
    exact = bins[tuple((pairs_test * 3).long().T)].log().mean().item()
    with torch.no_grad():
        bound = torch.stack([dequantized[name].elbo(pairs_test) for _ in range(100)]).mean().item()
        tighter = dequantized[name].importance_log_prob(pairs_test, 100).mean().item()
    print(f"{name:11} {bound:.4f} (bound) <= {tighter:.4f} (100 draws) ~ {exact:.4f} (sum), nats a pair;", end=" ")
    print(f"mass of the 16 bins {bins.sum():.3f}")
    assert bound < exact + 0.005
    assert bins.sum() < 1.01
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The bound lies below the exact value in both. As for a VAE (lecture 10 will say why), many draws $u$ in a weighted average close most of the gap. With uniform noise the flow must build a flat table over each bin, with cliffs at its edges; with learned noise it may have hills.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Images
#
# All 64 pixels, 17 levels. `Logit` first maps $(0, 1)$ to the whole line, so that the flow need not build the walls itself. Then four flows, and a PixelCNN (lecture 7) on the same images for comparison.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.pixelcnn import PixelCNN
from course_utils.models.flows.flow import Flattened

x_train, x_test = digits.train.x[: 256 if FAST else None], digits.test.x


def noise_network():
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 3, padding=1))


def of_levels(network, noise=None):
    return Dequantized(Flow(Chain([Logit(), network]), shape), noise or UniformNoise(), num_levels=V)


torch.manual_seed(0)
models = {
    "NICE": of_levels(Flattened(NICE(64, hidden_dim=128))),
    "RealNVP": of_levels(RealNVP(shape, hidden_dim=24, num_blocks=1)),
    "RealNVP, variational": of_levels(
        RealNVP(shape, hidden_dim=24, num_blocks=1), VariationalNoise(noise_network(), V)
    ),
    "Glow": of_levels(Glow(shape, hidden_dim=24, num_blocks=1, num_steps=8)),
}
pixelcnn = PixelCNN(shape, num_levels=V, hidden_dim=32, num_layers=3)

# %% slideshow={"slide_type": "fragment"}
import time

from course_utils.evaluation import bits_per_dim

seconds = {}
for name, model in models.items():
    epochs, started = 30 if name == "NICE" else 12, time.process_time()
    history = fit(model, x_train, epochs=1 if FAST else epochs, batch_size=64, lr=3e-3, cosine=True, clip_norm=50.0)
    seconds[name] = time.process_time() - started
history = fit(pixelcnn, x_train, epochs=1 if FAST else 10, batch_size=32, lr=5e-3, cosine=True)

frequencies = torch.stack([(levels_train == level).sum(0) + 1 for level in range(V)]) / (len(levels_train) + V)
alone = -frequencies.gather(0, levels_test.long()).log().sum(1).mean().item()

# %% slideshow={"slide_type": "fragment"}
print(f"{'bits per dimension, test':26}{'bound':>8}{'50 draws':>10}{'exact':>8}{'weights':>10}{'training':>10}")
print(f"{'each pixel alone':26}{bits_per_dim(alone, 64):26.3f}")
with torch.no_grad():
    torch.manual_seed(0)
    for name, model in models.items():
        bound = torch.stack([model.elbo(x_test) for _ in range(5)]).mean().item()
        tighter = model.importance_log_prob(x_test, 5 if FAST else 50).mean().item()
        weights = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name:26}{bits_per_dim(-bound, 64):8.3f}{bits_per_dim(-tighter, 64):10.3f}", end="")
        print(f"{weights:18,}{seconds[name]:8.0f} s")
    exact = -pixelcnn.log_prob(x_test).mean().item()
print(f"{'PixelCNN':26}{bits_per_dim(exact, 64):26.3f}{sum(p.numel() for p in pixelcnn.parameters()):10,}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The same data and the same 17 levels as in lectures 6 and 7, so the columns may be compared: a flow's figure is an upper bound on its bits, a PixelCNN's is exact. NICE is not far from pixels on their own; affine couplings and convolutions gain most; learned noise tightens the bound at equal size; Glow got its result with a longer chain and twice the weights (one seed each: differences of a hundredth mean nothing). The PixelCNN is ahead of them all, as it is in print: on CIFAR-10 NICE 4.48, RealNVP 3.49, FFJORD 3.40, Glow 3.35, PixelCNN 3.14, PixelCNN++ 2.92.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Draws, and temperature


# %% slideshow={"slide_type": "fragment"}
def as_images(x):
    """From reals in about [0, 1) to the middles of their levels."""
    return (x * V).floor().clamp(0, V - 1) / (V - 1)


random = torch.Generator().manual_seed(0)
rows = {"test images": x_test[:12], "PixelCNN": pixelcnn.sample(12, generator=random)}
for name in ("NICE", "RealNVP", "Glow"):
    rows[name] = models[name].sample(12, generator=random)
for temperature in (0.7, 0.4):
    random = torch.Generator().manual_seed(0)
    rows[f"Glow, T = {temperature}"] = as_images(models["Glow"].flow.sample(12, temperature, random))
fig, ax = plt.subplots(figsize=(5.6, 3.2))
plotting.compare_rows(rows, ax)
plt.show()


# %% [markdown] slideshow={"slide_type": "notes"}
# Some draws are digits, others only nearly; those of NICE are the poorest. Colder noise gives greyer, more alike images: near $z = 0$ lies something like an average.


# %% slideshow={"slide_type": "fragment"}
def milliseconds(draw, repeats=3):
    draw()
    started = time.perf_counter()
    for _ in range(repeats):
        draw()
    return (time.perf_counter() - started) / repeats * 1000


flow_ms = milliseconds(lambda: models["RealNVP"].sample(24))
pixel_ms = milliseconds(lambda: pixelcnn.sample(24))
print(f"24 images: RealNVP {flow_ms:.0f} ms in one pass, PixelCNN {pixel_ms:.0f} ms, pixel by pixel")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The latent is the image
#
# A flow loses nothing: $f^{-1}(f(x)) = x$. So any image has one latent, found in one pass, and the way between two latents is a way between two images. We encode pairs of test images, and walk along a straight line in $z$; below, a straight line between pixels.

# %% slideshow={"slide_type": "fragment"}
flow = models["Glow"].flow
middles = ((16 * x_test).round() + 0.5) / V  # the middle of each level's bin
with torch.no_grad():
    z, log_det = flow(middles)
    back, log_det_back = flow.inverse(z)
print(f"largest error of a reconstruction: {(back - middles).abs().max():.1e}; half a level is {0.5 / V:.1e}")
assert torch.equal(as_images(back), as_images(middles))
assert torch.allclose(log_det, -log_det_back, atol=0.05)

share = torch.linspace(0, 1, 9).view(-1, 1, 1, 1)
rows = {}
with torch.no_grad():
    for first, second in ((0, 1), (2, 5), (6, 9)):
        path = flow.inverse(z[first] + share * (z[second] - z[first]))[0]
        rows[f"latent {first}-{second}"] = as_images(path)
        rows[f"pixels {first}-{second}"] = x_test[first] + share * (x_test[second] - x_test[first])
    halfway = {"latents": flow.inverse((z[:150] + z[150:]) / 2)[0], "pixels": (middles[:150] + middles[150:]) / 2}
    nats = {name: flow.log_prob(x).mean() for name, x in {**halfway, "test images": middles}.items()}
fig, ax = plt.subplots(figsize=(4.6, 3))
plotting.compare_rows(rows, ax)
plt.show()
print(
    "log-density, 150 pairs, halfway between", ", ".join(f"{name}: {value:.0f}" for name, value in nats.items()), "nats"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# On images this small and a flow this small, a walk in latent space looks much like a cross-fade of pixels. The printed densities tell them apart better than the eye: halfway between two latents the model finds the image likelier than halfway between the pixels, and test images likelier still. Large models with thousands of latents give smooth morphs of faces (Kingma & Dhariwal 2018); what is exact at every size is the way back.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What each scale holds
#
# In RealNVP's latent, two of four channels left at the first scale, two went on to the second. Redraw one part, and keep the other.

# %% slideshow={"slide_type": "fragment"}
flow = models["RealNVP"].flow
with torch.no_grad():
    z = flow(middles[[3, 8]])[0].view(2, 4, 4, 4)
    torch.manual_seed(0)
    noise = 0.8 * torch.randn(8, 4, 4, 4)
    rows = {}
    for index in range(2):
        for name, kept in (("first", slice(0, 2)), ("second", slice(2, 4))):
            mixed = noise.clone()
            mixed[:, kept] = z[index, kept]
            redrawn = as_images(flow.inverse(mixed.view(8, *shape))[0])
            rows[f"keep the {name} scale{' ' * index}"] = torch.cat([x_test[[3, 8]][index : index + 1], redrawn])
            change = (redrawn - x_test[[3, 8]][index]).square().mean()
            print(f"image {index + 1}, {name} scale kept: mean squared change {change:.3f}")
fig, ax = plt.subplots(figsize=(5, 2))
plotting.compare_rows(rows, ax, titles=["image", *[""] * 8])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Keep the 32 latents of the second scale, and the digit stays, whatever the other 32 are; keep those of the first, and anything may come. What leaves early is detail, given the rest.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. FFJORD: a flow in continuous time
#
# Couplings buy their determinant with structure. Take infinitely many layers instead, each of which does infinitely little: an ordinary differential equation, whose right side is *any* network,
#
# $$ \frac{dx}{dt} = f(x(t), t), \qquad x(0) = x, \quad x(1) = z. $$
#
# An ODE with smooth $f$ has one solution through each point, so it is invertible: run it backwards. And the density? One small step $x \mapsto x + \epsilon f$ has Jacobian $I + \epsilon\, \partial f / \partial x$, and $\log\det(I + \epsilon A) = \epsilon \operatorname{tr} A + O(\epsilon^2)$. So log-determinants turn into **traces** (the *instantaneous change of variables*, Chen et al. 2018):
#
# $$ \frac{d \log p(x(t))}{dt} = -\operatorname{tr} \frac{\partial f}{\partial x}, \qquad \log p(x) = \log \mathcal N(z; 0, I) + \int_0^1 \operatorname{tr} \frac{\partial f}{\partial x}\, dt. $$
#
# A trace needs no structure, but by autograd it takes $D$ passes. **Hutchinson's estimate** takes one: for noise with mean 0 and covariance $I$,
#
# $$ \mathbb E\big[\text{noise}^\top A\, \text{noise}\big] = \sum_{ij} A_{ij}\, \mathbb E[\text{noise}_i\, \text{noise}_j] = \operatorname{tr} A, $$
#
# and $\text{noise}^\top \partial f / \partial x$ is one vector-Jacobian product. What does it cost in variance? With $S = (A + A^\top)/2$: for normal noise $2 \sum_{ij} S_{ij}^2$; for random signs the diagonal makes no noise, $2 \sum_{i \ne j} S_{ij}^2$.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.flows.ffjord import FFJORD, Dynamics, exact_trace, hutchinson_trace

dims, measured, predicted = [2, 4, 8, 16, 32, 64], {"normal": [], "signs": []}, {"normal": [], "signs": []}
for D in dims:
    torch.manual_seed(0)
    dynamics = Dynamics(D, hidden_dim=64)
    x = torch.randn(1, D).expand(4000, D).clone().requires_grad_()
    velocity = dynamics(torch.tensor(0.5), x)
    trace = exact_trace(velocity, x)[0].item()
    S = torch.autograd.functional.jacobian(lambda one, f=dynamics: f(torch.tensor(0.5), one), x[:1])[0, :, 0]
    S = (S + S.T) / 2
    noises = {"normal": torch.randn(4000, D), "signs": torch.randint(0, 2, (4000, D)) * 2.0 - 1}
    for name, noise in noises.items():
        velocity = dynamics(torch.tensor(0.5), x)
        found = hutchinson_trace(velocity, x, noise).detach()
        assert abs(found.mean() - trace) < 5 * found.std() / math.sqrt(4000)  # unbiased
        measured[name].append(found.var().item())
        diagonal = S.diagonal().square().sum() if name == "signs" else 0
        predicted[name].append((2 * (S.square().sum() - diagonal)).item())

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(4.4, 2.3))
for color, name in zip(["C0", "C1"], measured, strict=True):
    ax.loglog(dims, measured[name], "o", color=color, label=f"{name}: measured")
    ax.loglog(dims, predicted[name], color=color, linewidth=1, label=f"{name}: formula")
ax.set(xlabel="dimension $D$", ylabel="variance of one estimate", xticks=dims, xticklabels=dims)
ax.minorticks_off()
ax.legend(fontsize=8)
plt.show()
print(
    f"D = {D}: exact trace {trace:.3f}; deviation of one estimate {measured['normal'][-1] ** 0.5:.3f} with normal noise"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# Unbiased at every size, and the variance is as the formula has it. It is one number an example, averaged over the whole batch: good enough for a gradient. To *report* a likelihood one takes the exact trace.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
ffjord = FFJORD(2, hidden_dim=64, num_layers=2, tolerance=1e-3)
started = time.process_time()
history = fit(ffjord, moons, epochs=1 if FAST else 16, batch_size=500, lr=1e-2, cosine=True, clip_norm=5.0)
print(f"trained for {time.process_time() - started:.0f} s of processor time;", end=" ")
ffjord.log_prob(moons_test[:10])
print(f"the solver called f {ffjord.num_evaluations} times in the last pass")
show_densities({"truth": moons_log_prob, "RealNVP": realnvp.log_prob, "FFJORD": ffjord.log_prob})

# %% [markdown] slideshow={"slide_type": "notes"}
# After this short training FFJORD is still behind: each of its steps solves an ODE, dozens of passes of the network, forwards and then backwards through all of them. What it has is smoothness, and an unrestricted network.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Flow lines
#
# No jumps along axes any more. Each point of noise glides to its place, and no two paths ever meet at one time.

# %% slideshow={"slide_type": "fragment"}
from torchdiffeq import odeint

torch.manual_seed(2)
z = torch.randn(160, 2)
dynamics = ffjord.network.augmented.dynamics
with torch.no_grad():
    paths = odeint(dynamics, z, torch.linspace(1, 0, 25), rtol=1e-4, atol=1e-4)  # backwards: (25, 160, 2)
    again = odeint(dynamics, paths[-1], torch.tensor([0.0, 1.0]), rtol=1e-4, atol=1e-4)[-1]
print(f"there and back: largest error {(again - z).abs().max():.1e}, which the solver's tolerance sets")

fig, axes = plt.subplots(1, 2, figsize=(5.6, 2.7))
hue = plt.cm.twilight((torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi) + 0.5).numpy())
for index in range(len(z)):
    axes[0].plot(*paths[:, index].T, color=hue[index], linewidth=0.7)
axes[0].scatter(*z.T, s=3, color="0.6")
axes[0].scatter(*paths[-1].T, s=8, c=hue)
axes[0].set(title="FFJORD: noise (grey) to data", xticks=[], yticks=[])
states = layer_by_layer(realnvp, z)
for index in range(0, len(z), 2):
    axes[1].plot(*torch.stack(states)[:, index].T, color=hue[index], linewidth=0.5)
axes[1].scatter(*states[-1].T, s=8, c=hue)
axes[1].set(title="RealNVP, layer by layer", xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. What a flow cannot do
#
# A flow is continuous, with a continuous inverse. Such a map cannot tear a cloud in two: between any two points of the noise runs a line, and its image is an unbroken curve from one mode to the other. All along that curve the density is above zero. The two moons are joined by a **filament**, however long we train; it can get thin, never absent. Two round blobs, well apart, and a logarithmic colour scale:

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
centers = torch.tensor([[-2.2, 0.0], [2.2, 0.0]])
num_points = 1000 if FAST else 4000
blobs = centers[torch.randint(2, (num_points,))] + 0.4 * torch.randn(num_points, 2)
filaments = {}
for count in (4, 8):
    torch.manual_seed(0)
    filaments[count] = RealNVPPoints(2, hidden_dim=32, num_couplings=count)
    history = fit(filaments[count], blobs, epochs=1 if FAST else 25, lr=5e-3, **settings)

fig, axes = plt.subplots(1, 3, figsize=(6.6, 2.1))
shown = {f"{count} couplings": model for count, model in filaments.items()} | {"moons, RealNVP": realnvp}
for ax, (name, model) in zip(axes, shown.items(), strict=True):
    with torch.no_grad():
        log_density = torch.cat([model.log_prob(part) for part in plane.split(4000)]).view(121, 121) / math.log(10)
    picture = ax.imshow(log_density.T.numpy(), origin="lower", extent=(-4, 4, -4, 4), cmap="magma", vmin=-5, vmax=0)
    ax.set(title=name, xticks=[], yticks=[])
fig.colorbar(picture, ax=axes, label="$\\log_{10} p(x)$")
plt.show()

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(1)
truth = centers[torch.randint(2, (20_000,))] + 0.4 * torch.randn(20_000, 2)
samples = {"the data's law": truth} | {f"{count} couplings": m.sample(20_000) for count, m in filaments.items()}
for name, points in samples.items():
    beyond = (torch.cdist(points, centers).min(1).values > 4 * 0.4).double().mean()
    print(f"{name:15} {beyond:.2%} of draws are more than 4 deviations from both centres")
    assert name == "the data's law" or beyond > 0

# %% [markdown] slideshow={"slide_type": "notes"}
# Halfway between the blobs the data's law is black on this scale. Here eight couplings carry less over the bridge than four (two runs, one seed; twelve do no better than eight), and some always stays. A mixture of flows, noise with several modes, or extra dimensions (Dupont et al. 2019; Huang et al. 2020) are ways out; a GAN's generator has the same trouble, but nobody sees its density.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Beside the other families
#
# | | likelihood | draw | latent | price |
# |---|---|---|---|---|
# | autoregressive (5 to 7) | exact | $D$ steps | none | slow draws |
# | **flow** | exact (of a density; a bound for levels) | **one pass** | exact, of the data's dimension | invertible layers only; no compression; no tearing |
# | VAE (10) | a bound | one pass | small, approximate | blur |
# | GAN (11) | none | one pass | small, no encoder | a game to balance |
#
# And FFJORD frees the architecture, for an ODE to solve at each step. Keep it in mind: a diffusion model (lecture 15) can be read as a continuous flow, trained without solving anything.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Mass stays, volume changes: $\log p(x) = \log p(z) + \log |\det \partial z / \partial x|$. In a chain, log-determinants add.
# - A coupling lets one half steer the other: triangular Jacobian, cheap determinant, cheap inverse, any network inside. Halves must change roles.
# - NICE shifts (volume stays, but for one scaling); RealNVP scales too, with masks and scales for images; Glow learns to mix channels: $HW \log |\det W|$.
# - Whole numbers need noise: without, the density runs away; with it, we maximise a bound on a discrete likelihood. Learned noise tightens it.
# - FFJORD integrates a trace along an ODE; Hutchinson estimates it in one pass.
# - Exact likelihood, one-pass draws, exact latents; but no compression, restricted layers, and filaments between modes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) $x = e^z$ with $z \sim \mathcal N(0, 1)$. Derive $p(x)$, and compare with `torch.distributions.LogNormal`.
# 2. (10 min, easy) Replace `Swap` of section 3 by a reversal of all values, and by a random permutation. What are their log-determinants? Which one needs the fewest layers to fill the Jacobian?
# 3. (10 min, medium) Show that a chain of additive couplings and *one* scaling has the same determinant for all $x$. Which densities can such a flow not have?
# 4. (15 min, medium) In section 7, train the flow on levels with noise of width 0.1 instead of 1. What do the bits converge to, and why is it not a bound any more?
# 5. (15 min, medium) Bound the gap of uniform dequantisation for $p(x) = 2x$ on $[0, 1)$ with $V$ levels, by hand. How does it fall with $V$?
# 6. (15 min, medium) Train `FFJORD` with `estimate_trace=False`, and compare nats and time. When is the exact trace worth it?
# 7. (20 min, hard) Start from noise with two modes instead of one in section 10 (subclass `Flow`). What becomes of the filament?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - D. J. Rezende, S. Mohamed: Variational inference with normalizing flows, 2015. arXiv 1505.05770.
# - L. Dinh, D. Krueger, Y. Bengio: NICE: non-linear independent components estimation, 2014. arXiv 1410.8516.
# - L. Dinh, J. Sohl-Dickstein, S. Bengio: Density estimation using Real NVP, 2016. arXiv 1605.08803.
# - D. P. Kingma, P. Dhariwal: Glow: generative flow with invertible 1x1 convolutions, 2018. arXiv 1807.03039.
# - L. Theis, A. van den Oord, M. Bethge: A note on the evaluation of generative models, 2016. arXiv 1511.01844 (dequantisation).
# - J. Ho, X. Chen, A. Srinivas, Y. Duan, P. Abbeel: Flow++, 2019. arXiv 1902.00275 (variational dequantisation).
# - R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud: Neural ordinary differential equations, 2018. arXiv 1806.07366.
# - W. Grathwohl, R. T. Q. Chen, J. Bettencourt, I. Sutskever, D. Duvenaud: FFJORD, 2018. arXiv 1810.01367.
# - M. F. Hutchinson: A stochastic estimator of the trace of the influence matrix, Communications in Statistics 18, 1989.
# - E. Dupont, A. Doucet, Y. W. Teh: Augmented neural ODEs, 2019. arXiv 1904.01681.
# - C.-W. Huang, L. Dinh, A. Courville: Augmented normalizing flows, 2020. arXiv 2002.07101.
# - G. Papamakarios et al.: Normalizing flows for probabilistic modeling and inference, 2019. arXiv 1912.02762 (a survey).
