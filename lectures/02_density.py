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
# # Lecture 2: Density estimation
#
# *How likely is this image? The question has an answer, in numbers, and whoever can answer it can draw new images.*
#
# **You will**
#
# - read a density: areas, not heights, and why all values of $x$ compete;
# - estimate densities in four ways, by a Gaussian, a histogram, kernels and a mixture, two of them written by hand;
# - derive maximum likelihood, the one principle behind most of this course, and see why it needs logarithms;
# - measure a model in nats, bits, bits per dimension and perplexity, and how far apart two densities are;
# - apply it all to images of digits, draw new ones, and be honest about them.
#
# **You need** lecture 1 (data set, training and held-out part, loss, gradient descent, PCA); derivatives, matrices, mean and variance.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about a minute on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"  # a short run for automatic tests
plotting.use_course_style(dpi=66)  # many figures in one notebook
torch.set_num_threads(1)  # models this small gain nothing from more threads
torch.set_default_dtype(torch.float64)  # 16 digits instead of 7: we shall check sums closely

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. A density shares out a total of 1
#
# Lecture 1 ended with a curve: how much ink does an image of a digit have? Let us read it properly. A **density** is a function of $x$ with two properties,
#
# $$ p(x) \ge 0 \quad \text{for every } x, \qquad\qquad \int p(x)\, dx = 1 . $$
#
# The *height* $p(x)$ is not a probability. The **area** over an interval is: the probability that $x$ falls there. Think of a total **mass** of 1, say one kilogram of sand, poured out along the axis: $p(x)$ is how thick it lies, and a
# probability is how much lies between two places. Two words more: the **support** is where there is any sand, $p(x) > 0$, and a **mode** is a peak.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.kde import KernelDensity

digits = data.load("digits")
ink = digits.train.x.double().mean((1, 2, 3))  # the mean grey level of each image, (1297,)
amount = torch.linspace(0, 0.6, 1201)
p_ink = KernelDensity(bandwidth=0.012).fit(ink.unsqueeze(1)).log_prob(amount.unsqueeze(1)).exp()  # section 4

fig, ax = plt.subplots(figsize=(5.6, 2.3))
ax.plot(amount, p_ink)
ax.plot(ink[:200], torch.full((200,), -0.5), "|", color="black", alpha=0.5)
inside = (amount >= 0.3) & (amount <= 0.34)
ax.fill_between(amount[inside], p_ink[inside], alpha=0.4)
ax.set(xlabel="ink $x$", ylabel="density $p(x)$")
plt.show()
area, share = torch.trapezoid(p_ink[inside], amount[inside]), ((ink >= 0.3) & (ink <= 0.34)).double().mean()
print(f"whole area {torch.trapezoid(p_ink, amount):.4f}, greatest height {p_ink.max():.1f}")
print(f"shaded area {area:.3f}; share of the images in there {share:.3f}")
print(
    f"in percent of ink instead of a share: the axis is 100 times as long, the greatest height {p_ink.max() / 100:.3f}"
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* ticks are images, and the curve lies thick where they crowd. The shaded area is about the share of images in there (the curve is a little smoother than the data). Its height is far above 1, and nothing is wrong with that: the unit of $p$ is "per unit of $x$", so it changes if you measure $x$ in percent. Areas do not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### All values of $x$ compete
#
# There is one kilogram of sand, no more. To make one value likelier, you must take sand from somewhere else. Suppose that somebody tells us of more images with ink about 0.4. We raise the density there, by a factor of 6, and then divide
# by the new total, so that it is 1 again:

# %% slideshow={"slide_type": "fragment"}
raised = p_ink * (1 + 5 * torch.exp(-0.5 * ((amount - 0.4) / 0.01) ** 2))
total = torch.trapezoid(raised, amount)
p_new = raised / total
gained = torch.trapezoid((p_new - p_ink).clamp(min=0), amount)
lost = torch.trapezoid((p_ink - p_new).clamp(min=0), amount)

fig, ax = plt.subplots(figsize=(5.6, 2.3))
ax.plot(amount, p_ink, "k:", label="before")
ax.plot(amount, p_new, "k", label="after")
ax.fill_between(amount, p_ink, p_new, where=p_new >= p_ink, color="C2", alpha=0.6, label="won")
ax.fill_between(amount, p_ink, p_new, where=p_new < p_ink, color="C1", alpha=0.6, label="lost")
ax.set(xlabel="ink $x$", ylabel="density", xlim=(0.15, 0.5))
ax.legend()
plt.show()
print(f"the total was {total:.3f} before dividing; mass won {gained:.4f}, mass lost {lost:.4f}")
assert abs(gained - lost) < 1e-4

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the green mass equals the orange one. Nobody said anything against an ink of 0.3, and yet it became less likely. This **competition** is the engine of the whole course: a model of images that makes real images likely *must* make everything
# else unlikely, without ever having been shown what "everything else" is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Maximum likelihood: which curve is best?
#
# We have data $x_1 \dots x_N$ and a family of densities $p_W(x)$ with parameters $W$. Which $W$? The one that makes what we have seen as probable as possible. If the points are drawn independently of each other, their joint density is a product. As a
# function of $W$ it is called the **likelihood**:
#
# $$ W^* = \arg\max_W\ \prod_{i=1}^N p_W(x_i). $$
#
# ($\arg\max_W$ is the $W$ at which what follows is greatest.) This is **maximum likelihood**.
#
# To judge methods, we want data whose true density is known. So we make some: three hills of different height and width.

# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(1)
x = data.toy.mixture_1d(150, generator=generator).squeeze(1)  # these we learn from, (150,)
x_held = data.toy.mixture_1d(2000, generator=generator).squeeze(1)  # these are held out, (2000,)
line = torch.linspace(-7, 7, 2801)
truth = data.toy.mixture_1d_log_prob(line.unsqueeze(1)).exp()


def gaussian_log_prob(x, mu, sigma):  # log of exp(-(x - mu)^2 / (2 sigma^2)) / (sigma sqrt(2 pi))
    return -0.5 * ((x - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))


fig, axes = plt.subplots(1, 3, figsize=(7.2, 2), sharey=True)
few = x[:12]
for ax, (mu, sigma) in zip(axes, [(2.0, 1.0), (0.0, 0.7), (0.0, 1.8)], strict=True):
    ax.plot(line, gaussian_log_prob(line, mu, sigma).exp())
    heights = gaussian_log_prob(few, mu, sigma).exp()
    ax.vlines(few, 0, heights, color="C1")
    ax.plot(few, torch.zeros(12), "k|")
    ax.set(title=f"likelihood {heights.prod():.0e}", xlabel="$x$", xlim=(-5, 5), xticks=[-4, 0, 4])
axes[0].set_ylabel("$p_W(x)$")
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* twelve points (ticks), three bell curves (**Gaussian** densities, with **mean** $\mu$ and **standard deviation** $\sigma$, their place and their width), and the height that each gives to each point. The likelihood is the product of the orange lengths, so a single point
# that is left out in the cold ruins it. The third curve wins: no point is left out.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The log trick
#
# Products of many small numbers are trouble: computers have a smallest number, and below it comes 0 (**underflow**). But the logarithm rises steadily, so the $W$ that makes the product greatest also makes its logarithm greatest; and the logarithm of a
# product is a sum:
#
# $$ W^* = \arg\max_W \prod_i p_W(x_i) = \arg\max_W \log \prod_i p_W(x_i) = \arg\max_W \sum_i \log p_W(x_i). $$
#
# The sum is the **log-likelihood**. Its unit, with the natural logarithm, is the **nat**.

# %% slideshow={"slide_type": "fragment"}
log_p = gaussian_log_prob(x_held[:600], 0.0, 1.8)
counts = torch.arange(1, 601)
fig, ax = plt.subplots(figsize=(5.6, 2.4))
for name, dtype, style in (("product, float32", torch.float32, "C1"), ("product, float64", torch.float64, "C2")):
    product = log_p.exp().to(dtype).cumprod(0)
    alive = product > 0
    ax.plot(counts[alive], product[alive].double().log(), style, linewidth=5, alpha=0.5, label=name)
    print(f"{name} is exactly 0 from {int(alive.sum()) + 1} points on")
ax.plot(counts, log_p.cumsum(0), "k", linewidth=1, label="sum of logs")
ax.set(xlabel="number of points", ylabel="log-likelihood, nats")
ax.legend()
plt.show()
print(
    f"600 points: product {log_p.exp().prod():.1f}, sum of logs {log_p.sum():.1f} nats, that is {log_p.mean():.3f} a point"
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* as long as they live, all three agree. Then the products fall off the edge; one image of a megapixel would be enough for that. The sum does not care.
#
# Lecture 1 *minimised* losses, so we turn the sign, and take the mean so that the number of points does not matter. The **negative log-likelihood** is the loss of most models of this course:
#
# $$ \text{loss}(W) = -\frac1N \sum_{i=1}^N \log p_W(x_i) \quad \text{nats a point}. $$
#
# You know one already: the cross-entropy of lecture 1 is just this, for $p(y \mid x)$.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The Gaussian by maximum likelihood
#
# For a Gaussian the best $W = (\mu, \sigma)$ can be found on paper. The log-likelihood is
#
# $$ \ell(\mu, \sigma^2) = -\frac N2 \log (2 \pi \sigma^2) - \frac{1}{2 \sigma^2} \sum_i (x_i - \mu)^2 . $$
#
# Set both derivatives to zero:
#
# $$ \frac{\partial \ell}{\partial \mu} = \frac{1}{\sigma^2} \sum_i (x_i - \mu) = 0 \ \Rightarrow\ \mu = \frac1N \sum_i x_i, \qquad
# \frac{\partial \ell}{\partial \sigma^2} = -\frac{N}{2 \sigma^2} + \frac{1}{2 \sigma^4} \sum_i (x_i - \mu)^2 = 0 \ \Rightarrow\ \sigma^2 = \frac1N \sum_i (x_i - \mu)^2 . $$
#
# The mean and the variance of the data, **divided by $N$**. (Statistics courses divide by $N - 1$, to be right on average over many data sets. That is another aim, and it is not the maximum.) Let PyTorch check the derivatives:

# %% slideshow={"slide_type": "fragment"}
best_mu, best_var = x.mean(), x.var(correction=0)  # correction=0: divided by N
for name, var in (("divided by N", best_var), ("divided by N - 1", x.var(correction=1))):
    W = torch.stack([best_mu, var]).requires_grad_()
    torch.distributions.Normal(W[0], W[1].sqrt()).log_prob(x).sum().backward()
    print(f"variance {name:17}: gradient in mu {W.grad[0]:8.5f}, in the variance {W.grad[1]:8.5f}")
    if var is best_var:
        assert W.grad.abs().max() < 1e-9

mus, sigmas = torch.linspace(-2, 2.5, 60), torch.linspace(1, 3.2, 60)
grid = torch.distributions.Normal(mus[:, None, None], sigmas[:, None])
nll = -grid.log_prob(x).mean(2)  # (60 mu, 60 sigma)
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4))
lines = left.contourf(mus.numpy(), sigmas.numpy(), nll.T.numpy(), levels=12, cmap="viridis_r")
left.plot(best_mu, best_var.sqrt(), "r*", markersize=10)
left.set(xlabel="$\\mu$", ylabel="$\\sigma$", title="loss, nats a point")
fig.colorbar(lines, ax=left)
right.plot(line, truth, "k:", label="truth")
right.plot(line, gaussian_log_prob(line, best_mu, best_var.sqrt()).exp(), label="best Gaussian")
right.set(xlabel="$x$", xlim=(-5, 5), ylabel="density")
right.legend(loc="upper left", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the loss is a bowl, and the star sits at its bottom. But the best Gaussian is a poor curve: it has one hill where the truth has three. Maximum likelihood finds the best member of the family; that the family is poor, it cannot mend.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The histogram
#
# A richer family: cut the axis into $K$ **bins** of equal width and let the density be constant in each. With $n_k$ of the $N$ points in bin $k$, the heights of greatest likelihood are (exercise 2)
#
# $$ p(x) = \frac{n_k}{N \cdot \text{width}} \qquad \text{for } x \text{ in bin } k. $$
#
# The width in the denominator makes the total area 1. Empty bins are a trap: $p = 0$ there, and one held-out point in such a bin costs $-\log 0 = \infty$. So we put half a point into every bin before counting, a *pseudo-count*.
#
# How many bins? The training data cannot tell: ever thinner bins around the points look ever better. So ask points that were **held out**: their log-likelihood is the honest measure of a density.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.histogram import Histogram

numbers = [1, 2, 3, 5, 8, 12, 17, 25, 40, 60, 100, 200, 400]
used, held = [], []
for num_bins in numbers:
    histogram = Histogram(num_bins, -6, 6, pseudo_count=0.5).fit(x)
    used.append(-histogram.log_prob(x).mean())
    held.append(-histogram.log_prob(x_held).mean())
best_bins = numbers[torch.stack(held).argmin()]
histogram = Histogram(best_bins, -6, 6, pseudo_count=0.5).fit(x)

fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4))
left.semilogx(numbers, used, "o-", label="training points")
left.semilogx(numbers, held, "o-", label="held-out points")
left.set(xlabel="number of bins", ylabel="loss, nats a point")
left.legend()
right.stairs(
    histogram.log_heights.exp().numpy(), histogram.edges.numpy(), fill=True, color="C5", label=f"{best_bins} bins"
)
right.plot(line, truth, "k:", label="truth")
right.set(xlabel="$x$", xlim=(-5, 5), ylabel="density")
right.legend(loc="upper left", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the training loss keeps falling, the held-out loss turns. It is the overfitting of lecture 1 in its purest form. Few bins: the estimate cannot follow the hills (**bias**, an error of the family). Many bins: it follows the accidents of these 150 points
# (**variance**: with other points it would look quite different). The best number lies between.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The kernel density estimate
#
# The histogram has steps, and they move if we shift the bins. Instead, put a small hill on every data point, and add them all up (Rosenblatt 1956, Parzen 1962):
#
# $$ p(x) = \frac1N \sum_{i=1}^N \mathcal N(x;\, x_i,\, h^2), $$
#
# where $\mathcal N(x; \mu, \sigma^2)$ is the Gaussian density. Each hill has mass $\frac1N$, so the total is 1. The hill is called the **kernel**, its width $h$ the **bandwidth**. By hand, it is three lines. We compute logarithms throughout: `logsumexp` is $\log \sum e^{\dots}$,
# done without underflow.


# %% slideshow={"slide_type": "fragment"}
def kde_by_hand(x, data, h):
    """log p(x) of the kernel density estimate of data (M,), at each x (N,): (N,), in nats."""
    log_hills = -0.5 * ((x.unsqueeze(1) - data) / h) ** 2 - math.log(h * math.sqrt(2 * math.pi))  # (N, M)
    return torch.logsumexp(log_hills, dim=1) - math.log(len(data))


fig, axes = plt.subplots(1, 3, figsize=(7.2, 2), sharex=True)
for ax, h in zip(axes, (0.1, 0.4, 1.5), strict=True):
    for point in few:
        ax.plot(line, gaussian_log_prob(line, point, h).exp() / len(few), color="C1", linewidth=0.8)
    ax.plot(line, kde_by_hand(line, few, h).exp())
    ax.plot(few, torch.zeros(12), "k|")
    ax.set(title=f"h = {h}", xlabel="$x$", xlim=(-5, 5), yticks=[])
plt.show()
model = KernelDensity(bandwidth=0.4).fit(few.unsqueeze(1))  # the course's version: any number of dimensions
torch.testing.assert_close(model.log_prob(line.unsqueeze(1)), kde_by_hand(line, few, 0.4))

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* twelve hills (orange) and their sum (blue). Too narrow, and each point is an island; too wide, and everything is one hill.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The bandwidth, and leaving one out
#
# Again held-out points can choose. But must we give up data for that? No: score each *training* point by the density made of all the *others*. This is **leave-one-out**, and here it costs nothing: just strike out each point's own hill.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.kde import leave_one_out_log_prob

widths = torch.logspace(-2, 0.6, 30)
used = torch.stack([-kde_by_hand(x, x, float(h)).mean() for h in widths])
held = torch.stack([-kde_by_hand(x_held, x, float(h)).mean() for h in widths])
left_out = torch.stack([-leave_one_out_log_prob(x.unsqueeze(1), float(h)).mean() for h in widths])
h = float(widths[left_out.argmin()])
kde = KernelDensity(h).fit(x.unsqueeze(1))

fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4))
for curve, name in ((used, "training"), (held, "held out"), (left_out, "leave one out")):
    left.semilogx(widths, curve, label=name)
left.axvline(h, color="0.7", zorder=0)
left.set(xlabel="bandwidth $h$", ylabel="loss, nats a point", ylim=(0, 4))
left.legend(fontsize=8)
right.plot(line, kde.log_prob(line.unsqueeze(1)).exp(), label=f"h = {h:.2f}")
right.plot(line, truth, "k:", label="truth")
right.set(xlabel="$x$", xlim=(-5, 5), ylabel="density")
right.legend(loc="upper left", fontsize=8)
plt.show()
print(
    f"best bandwidth by 2000 held-out points: {widths[held.argmin()]:.2f}; by leaving one out, no further point: {h:.2f}"
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* a U, and a curve that is no U. On its own training points the estimate "improves" without end as $h \to 0$: each point sits on its own needle. Leave-one-out sees through this, and its minimum lies close to that of the held-out points.

# %% [markdown] slideshow={"slide_type": "subslide"}
# Move the sliders: bins and bandwidth, with the log-likelihood of used and held-out points. (Here greater is better. On a page without a running kernel you see three settings of each.)

# %% slideshow={"slide_type": "fragment"}
widgets.density_explorer(x, x_held[:150])

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Three densities, checked
#
# Is the total 1? A model that cheats on the total can have any likelihood, so this is *the* check of a density.

# %% slideshow={"slide_type": "fragment"}
estimates = {
    "truth": lambda points: data.toy.mixture_1d_log_prob(points.unsqueeze(1)),
    "Gaussian": lambda points: gaussian_log_prob(points, best_mu, best_var.sqrt()),
    "histogram": histogram.log_prob,
    "kernels": lambda points: kde.log_prob(points.unsqueeze(1)),
}
middles = (torch.arange(14_000) + 0.5) / 1000 - 7  # the middles of very thin strips from -7 to 7
print(f"{'':10} {'total':>8} {'training':>9} {'held out':>9}   nats a point, less is better")
for name, log_prob in estimates.items():
    total = log_prob(middles).exp().sum() / 1000  # strips of width 1 / 1000
    print(f"{name:10} {total:8.4f} {-log_prob(x).mean():9.3f} {-log_prob(x_held).mean():9.3f}")
    assert abs(total - 1) < 1e-3

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* all totals are 1, so the losses may be compared. On held-out points nobody beats the truth; section 9 says why nobody can (but for luck with the draw).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Two dimensions: a grid
#
# Nothing in the definitions needs $x$ to be a number. For points in the plane, areas become volumes: $p(x) \ge 0$, and the volume under the surface is 1. The histogram becomes a **grid density**: count the points of each cell,
#
# $$ p(x) = \frac{n_{\text{cell}}}{N \cdot \text{area of a cell}} . $$
#
# We make points in three clouds, stretched in different directions. How a cloud is stretched is told by its **covariance** matrix: variances on the diagonal, and off it how much the coordinates rise together.

# %% slideshow={"slide_type": "fragment"}
true_weights = torch.tensor([0.4, 0.35, 0.25])
true_mu = torch.tensor([[-1.6, -0.8], [0.2, 1.2], [1.6, -1.1]])
true_cov = torch.tensor([[[0.5, 0.4], [0.4, 0.5]], [[0.7, -0.4], [-0.4, 0.45]], [[0.15, 0.0], [0.0, 0.5]]])


def draw_points(num_points):
    which = torch.multinomial(true_weights, num_points, replacement=True)
    return torch.distributions.MultivariateNormal(true_mu[which], true_cov[which]).sample()


torch.manual_seed(0)
points, points_held = draw_points(300), draw_points(1000)


def cell_of(points, num_cells, low=-4.5, high=4.5):
    """The number of the cell of each point (N, 2), in a grid of num_cells by num_cells."""
    place = ((points - low) / (high - low) * num_cells).long().clamp(0, num_cells - 1)
    return place[:, 0] * num_cells + place[:, 1]


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 5, figsize=(8.2, 2))
axes[0].scatter(*points.T.tolist(), s=1)
axes[0].set_title("300 points\n", fontsize=9)
for ax, num_cells in zip(axes[1:4], (4, 15, 60), strict=True):
    counts = torch.bincount(cell_of(points, num_cells), minlength=num_cells**2) + 0.1  # a pseudo-count again
    area = (9 / num_cells) ** 2
    p_cell = counts / (counts.sum() * area)
    assert abs((p_cell * area).sum() - 1) < 1e-12
    ax.imshow(p_cell.view(num_cells, num_cells).T.numpy(), origin="lower", extent=(-4.5, 4.5, -4.5, 4.5), cmap="Blues")
    loss = -p_cell[cell_of(points_held, num_cells)].log().mean()
    ax.set_title(f"{num_cells} x {num_cells} cells\nheld out {loss:.2f} nats", fontsize=9)
side = torch.linspace(-4.5, 4.5, 90)
plane = torch.cartesian_prod(side, side)
smooth = KernelDensity(0.35).fit(points)
p_plane = smooth.log_prob(plane).exp()
axes[4].contourf(side.numpy(), side.numpy(), p_plane.view(90, 90).T.numpy(), levels=9, cmap="Blues")
axes[4].set_title(f"kernels, h = 0.35\nheld out {-smooth.log_prob(points_held).mean():.2f} nats", fontsize=9)
for ax in axes:
    ax.set(xticks=[], yticks=[], aspect="equal", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5))
plt.show()
print(f"volume under the kernel estimate: {p_plane.sum() * (side[1] - side[0]) ** 2:.4f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the same trade-off, and it has become harder: 60 cells a side are 3,600 cells for 300 points, so nearly all are empty. Kernels do better, with the same 300 points. But both keep every point and sum up nothing, although three clouds could be described by a few numbers.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. A mixture of Gaussians, and EM
#
# One Gaussian is too stiff, a Gaussian on every point too loose. Between them: $K$ Gaussians, each with a weight, a mean and a covariance of its own,
#
# $$ p(x) = \sum_{k=1}^K w_k\, \mathcal N(x;\, \mu_k, \Sigma_k), \qquad w_k \ge 0,\quad \sum_k w_k = 1 . $$
#
# It has a story: first draw a number $k$, with probabilities $w_k$; then draw $x$ from Gaussian $k$. We see $x$, never $k$. Something unseen that explains what we see is called **latent**; here it is the *latent component* of each point. (Lecture 10 lets a network explain
# images in this way.) $\mathcal N(x; \mu, \Sigma)$ is the Gaussian in $D$ dimensions, with $|\Sigma|$ the determinant:
#
# $$ \mathcal N(x; \mu, \Sigma) = (2 \pi)^{-D/2}\, |\Sigma|^{-1/2} \exp\left(-\tfrac12 (x - \mu)^\top \Sigma^{-1} (x - \mu)\right). $$

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Deriving the two steps
#
# Set the derivative of the log-likelihood in $\mu_k$ to zero, by the chain rule:
#
# $$ \frac{\partial}{\partial \mu_k} \sum_n \log \sum_j w_j\, \mathcal N(x_n; \mu_j, \Sigma_j)
# = \sum_n \underbrace{\frac{w_k\, \mathcal N(x_n; \mu_k, \Sigma_k)}{\sum_j w_j\, \mathcal N(x_n; \mu_j, \Sigma_j)}}_{r_{nk}}\; \Sigma_k^{-1} (x_n - \mu_k) = 0
# \quad\Rightarrow\quad \mu_k = \frac{\sum_n r_{nk}\, x_n}{\sum_n r_{nk}} . $$
#
# The fraction $r_{nk}$ is the *share* of component $k$ in point $n$: the probability that this point came from $k$. (Bayes' rule: how often $k$ is drawn, times how well it explains the point, divided by the same for all components together.) It is also called the *responsibility*, and sums to 1 over $k$. So each mean is a **weighted mean** of the data. The same for the covariance gives a weighted covariance, and for the weights,
# which must sum to 1 (a Lagrange multiplier), the mean share. With $N_k = \sum_n r_{nk}$:
#
# $$ \mu_k = \frac1{N_k} \sum_n r_{nk}\, x_n, \qquad \Sigma_k = \frac1{N_k} \sum_n r_{nk}\, (x_n - \mu_k)(x_n - \mu_k)^\top, \qquad w_k = \frac{N_k}{N} . $$
#
# It looks solved and is not: the shares depend on the parameters. So go to and fro, as k-means does. **E step** (*expectation*): compute the shares. **M step** (*maximisation*): compute the parameters. This is **EM** (Dempster, Laird and Rubin 1977).


# %% slideshow={"slide_type": "fragment"}
def em_by_hand(x, weights, mu, cov):
    """One EM step on points x (N, D). Returns the log-likelihood before it, in nats, and the new parameters."""
    log_joint = weights.log() + torch.distributions.MultivariateNormal(mu, cov).log_prob(x.unsqueeze(1))  # (N, K)
    log_px = torch.logsumexp(log_joint, dim=1)
    # E step: the share of each component in each point
    shares = (log_joint - log_px.unsqueeze(1)).exp()  # (N, K), rows sum to 1
    # M step: means, covariances and weights, with the shares as weights of the points
    counts = shares.sum(0)  # (K,)
    mu = shares.T @ x / counts.unsqueeze(1)
    difference = x.unsqueeze(1) - mu  # (N, K, D)
    cov = torch.einsum("nk,nki,nkj->kij", shares, difference, difference) / counts.view(-1, 1, 1)
    return log_px.sum(), counts / len(x), mu, cov


# %% slideshow={"slide_type": "fragment"}
# A start that is bad on purpose: three equal circles, all on one spot.
state = torch.full((3,), 1 / 3), points[:3] * 0.2 + torch.tensor([-0.5, 0.5]), 0.2 * torch.eye(2).repeat(3, 1, 1)
states, trace = [state], []
for _ in range(60):
    log_likelihood, *state = em_by_hand(points, *state)
    states.append(tuple(state))
    trace.append(log_likelihood.item() / len(points))
gains = torch.tensor(trace).diff()
print(
    f"log-likelihood a point: {trace[0]:.3f} at the start, {trace[-1]:.4f} after {len(gains)} steps; smallest gain of a step {gains.min():.1e}"
)
assert (gains > -1e-12).all()  # it never falls

# %% slideshow={"slide_type": "subslide"}
from course_utils.animation import animate
from course_utils.models.density.mixture import GaussianMixture, em_step
from course_utils.widgets.density import draw_mixture


def as_model(weights, mu, cov):
    """The course's model, which does the same in any number of dimensions, with our parameters."""
    model = GaussianMixture(len(weights), mu.shape[1])
    model.log_weights, model.mu, model.cov = weights.log(), mu, cov
    return model


shown = [0, 1, 2, 3, 4, 5, 6, 8, 14]


def draw(figure, frame):
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    draw_mixture(left, as_model(*states[shown[frame]]), points[:150])
    left.set(title="points, components", xlim=(-4, 4), ylim=(-3.5, 3.5))
    right.plot(trace[: shown[frame] + 1])
    right.plot(shown[frame], trace[shown[frame]], "o")
    right.set(title="nats a point", xlabel="step", xlim=(-0.5, 15), ylim=(-4, -2.5))


# %% slideshow={"slide_type": "fragment"}
alt = "EM moves three ellipses from one spot to the three clouds, and the log-likelihood rises at every step"
animate(draw, len(shown), alt=alt, figsize=(4.6, 2.1), seconds=0.5, num_colors=20)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* three components start on one spot. Small differences grow, each takes the points that it explains best, and moves, turns and stretches to fit them. The log-likelihood rises at every step (the first values lie far below the picture), until nothing changes any more.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Why the likelihood never falls
#
# Take any numbers $r_k > 0$ with sum 1. The logarithm bends downwards, so the log of a mean is at least the mean of the logs (**Jensen's inequality**):
#
# $$ \log p(x) = \log \sum_k r_k\, \frac{w_k\, \mathcal N(x; \mu_k, \Sigma_k)}{r_k} \ \ge\ \sum_k r_k \log \frac{w_k\, \mathcal N(x; \mu_k, \Sigma_k)}{r_k} . $$
#
# The right side is a **lower bound**. If $r$ are the true shares, the fraction is $p(x)$ for every $k$, and both sides are equal. So:
#
# - the **E step** lifts the bound until it touches the log-likelihood;
# - the **M step** raises the bound (with $r$ fixed it is a sum of weighted Gaussian log-likelihoods, and the weighted means are its maximum);
# - the log-likelihood, which lies above the bound, must rise at least as far.
#
# Remember this bound. With networks in place of Gaussians it will be the *evidence lower bound* of lecture 10.

# %% slideshow={"slide_type": "fragment"}
model = as_model(*states[5])
log_joint = model.log_weights + torch.distributions.MultivariateNormal(model.mu, model.cov).log_prob(
    points.unsqueeze(1)
)


def bound(shares):
    return (shares * (log_joint - shares.log())).sum(1)


guessed = torch.rand(300, 3).softmax(1)
print(f"mean log p(x) {model.log_prob(points).mean():.4f}")
print(
    f"bound: with guessed shares {bound(guessed).mean():.4f}, with the true ones {bound(model.responsibilities(points)).mean():.4f}"
)
assert (bound(guessed) <= model.log_prob(points) + 1e-12).all()  # for every point
torch.testing.assert_close(bound(model.responsibilities(points)), model.log_prob(points))

by_course = em_step(points, model.log_weights, model.mu, model.cov)  # the course's version of one step
for ours, theirs in zip(states[6], (by_course[0].exp(), *by_course[1:]), strict=True):
    torch.testing.assert_close(ours, theirs)

# %% [markdown] slideshow={"slide_type": "subslide"}
# Your turn. How many components, from which start, after how many steps? (Without a running kernel: the start, and what 1, 5 and 40 steps make of it.) Try several starts with five components: EM climbs to *a* top, not always to the highest.

# %% slideshow={"slide_type": "fragment"}
widgets.mixture_fitter(points[:100])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Two pitfalls
#
# ### A likelihood without limit
#
# Take two components. One covers all the data. Put the other exactly on one data point and let it shrink. At that point the density grows like $1/\sigma^2$, without limit, while the first component keeps everybody else out of the cold. So *the maximum of the likelihood is infinite*,
# and it is worthless: nothing was learned but the place of a single point. The cure is a floor: add a little, the **jitter**, to each variance.

# %% slideshow={"slide_type": "fragment"}
broad = torch.cov(points.T, correction=0)
sigmas = torch.logspace(-6, 0, 25)
lonely = (torch.cdist(points, points) + 99 * torch.eye(300)).min(1).values.argmax()  # farthest from its neighbour
used, held = [], []
for sigma in sigmas:
    cov = torch.stack([broad, sigma**2 * torch.eye(2)])
    needle = as_model(torch.tensor([0.99, 0.01]), torch.stack([points.mean(0), points[lonely]]), cov)
    used.append(needle.log_prob(points).mean())
    held.append(needle.log_prob(points_held).mean())
fig, ax = plt.subplots(figsize=(5, 2.2))
ax.semilogx(sigmas, used, label="training points")
ax.semilogx(sigmas, held, label="held-out points")
ax.set(xlabel="width $\\sigma$ of the component on one point", ylabel="log-likelihood,\nnats a point")
ax.legend()
plt.show()
for jitter in (0.0, 0.01):
    weights, mu, cov = torch.tensor([0.99, 0.01]).log(), needle.mu, torch.stack([broad, 1e-4 * torch.eye(2)])
    try:
        for _ in range(50):
            weights, mu, cov = em_step(points, weights, mu, cov, jitter)
        print(
            f"jitter {jitter}: fine; least variance {torch.linalg.eigvalsh(cov).min():.3f}, its weight {weights[1].exp():.3f}"
        )
    except ValueError as error:
        print(f"jitter {jitter}: {error}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* to the left, the training curve climbs by the same amount with every factor of ten, for ever; the held-out curve has long stopped caring. Remember it when a model reports a likelihood that is too good: perhaps it has found a needle.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How many components?
#
# More components never hurt the training likelihood. Two honest judges: held-out points; or, if there are none to spare, the **Bayesian information criterion** (Schwarz 1978), which charges a fee for each of the $P$ parameters,
#
# $$ \text{BIC} = -2 \sum_n \log p(x_n) + P \log N \qquad \text{(smaller is better)}. $$
#
# In the plane a component has 2 numbers for its mean, 3 for its covariance and 1 for its weight, of which one is fixed by the sum: $P = 6K - 1$.

# %% slideshow={"slide_type": "fragment"}
numbers, best_of_starts = list(range(1, 9)), {}
for K in numbers:
    for seed in range(2 if FAST else 4):
        mixture = GaussianMixture(K, 2, jitter=1e-3)
        mixture.fit(points, num_steps=150, tolerance=1e-5, generator=torch.Generator().manual_seed(seed))
        if K not in best_of_starts or mixture.log_prob(points).sum() > best_of_starts[K].log_prob(points).sum():
            best_of_starts[K] = mixture
used = [-m.log_prob(points).mean().item() for m in best_of_starts.values()]
held = [-m.log_prob(points_held).mean().item() for m in best_of_starts.values()]
bic = [2 * len(points) * loss + (6 * K - 1) * math.log(len(points)) for K, loss in zip(numbers, used, strict=True)]

fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.2))
left.plot(numbers, used, "o-", label="training points")
left.plot(numbers, held, "o-", label="held-out points")
left.set(xlabel="components $K$", ylabel="loss, nats a point")
left.legend()
right.plot(numbers, bic, "o-", color="C2")
right.set(xlabel="components $K$", ylabel="BIC")
plt.show()
print(
    f"held-out points choose K = {numbers[held.index(min(held))]}, BIC chooses K = {numbers[bic.index(min(bic))]}; true: 3"
)
print(f"held-out loss: {min(held):.3f} nats a point, against {-smooth.log_prob(points_held).mean():.3f} for kernels")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Nats, bits and perplexity
#
# What does a log-likelihood of $-2.9$ *mean*? Think of sending $x$ to a friend. Something common should get a short message, something rare may get a long one. Shannon (1948) showed that the best length is
#
# $$ -\log_2 p(x) \ \text{ bits}. $$
#
# Four weathers with probabilities $\frac12, \frac14, \frac18, \frac18$ get the code words `0`, `10`, `110`, `111`: 1, 2, 3 and 3 bits, just $-\log_2 p$. The mean length is the **entropy**, the least that any code can do on average:
#
# $$ H(p) = -\sum_x p(x) \log p(x). $$
#
# With the natural logarithm its unit is nats, with $\log_2$ bits; 1 bit is $\log 2 \approx 0.693$ nats. If messages are made for a model $q$ while the world follows $p$, their mean length is the **cross-entropy** $-\sum p \log q$. It is the expected loss of model $q$: *a good model is a good compressor*.
#
# The **perplexity** is $e^{\text{loss in nats}} = 2^{\text{loss in bits}}$: how many faces has a fair die that is as hard to predict? Papers on language models report it per word.


# %% slideshow={"slide_type": "fragment"}
def cross_entropy_bits(p, q):
    return -(p * q.log2()).nansum().item()  # 0 log 0 counts as 0


weather = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8])
lengths = torch.tensor([1.0, 2.0, 3.0, 3.0])  # of 0, 10, 110, 111
print(
    f"weather: mean length {(weather * lengths).sum():.3f} bits, entropy {cross_entropy_bits(weather, weather):.3f} bits\n"
)
fair, loaded = torch.full((6,), 1 / 6), torch.tensor([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
for name, p, q in (
    ("fair die, model: fair", fair, fair),
    ("loaded die, model: loaded", loaded, loaded),
    ("loaded die, model: fair", loaded, fair),
    ("fair die, model: loaded", fair, loaded),
):
    bits = cross_entropy_bits(p, q)
    print(f"{name:26} {bits:.3f} bits = {bits * math.log(2):.3f} nats, perplexity {2**bits:.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the loaded die is easier to predict, if one knows that it is loaded. A wrong model always pays extra.
#
# ### Bits per dimension
#
# A large image has more nats than a small one. To compare, divide by the number of dimensions $D$ (pixels times channels) and express the result in bits:
#
# $$ \text{bits per dimension} = \frac{-\log p(x)}{D \log 2} . $$
#
# One warning. For a *density*, the height depends on the unit of $x$ (section 1), and so does $-\log p$; it may even be negative. Measure $x$ in a unit that is $a$ times as small, and $\log a$ nats a dimension are added. Whoever reports bits per dimension must say what a unit of $x$ is; for
# images it is one grey level.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation.likelihood import bits_per_dim
from course_utils.models.density.gaussian import Gaussian

losses = []
for name, values in (("a share, 0 to 1", ink), ("percent", 100 * ink), ("grey levels, 0 to 16", 16 * ink)):
    density = Gaussian(1).fit(values.unsqueeze(1))
    losses.append(-density.log_prob(values.unsqueeze(1)).mean().item())
    print(f"ink as {name:21}: {losses[-1]:6.3f} nats = {bits_per_dim(losses[-1], 1):6.3f} bits per dimension")
assert abs(losses[1] - losses[0] - math.log(100)) < 1e-9

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. How far apart are two densities?
#
# The extra that a wrong model $q$ pays is the **Kullback-Leibler divergence** (KL, Kullback and Leibler 1951):
#
# $$ \mathrm{KL}(p \,\|\, q) = \mathbb E_{x \sim p}\left[\log \frac{p(x)}{q(x)}\right] = \underbrace{-\mathbb E_p[\log q(x)]}_{\text{cross-entropy}} - \underbrace{H(p)}_{\text{entropy}} . $$
#
# $\mathbb E_{x \sim p}$ is the **expectation**, the mean over draws from $p$. It is never negative: by Jensen, $-\mathrm{KL} = \mathbb E_p[\log \frac qp] \le \log \mathbb E_p[\frac qp] = \log \int q = 0$; and it is 0 only for $q = p$. But it is no distance: $\mathrm{KL}(p\|q) \ne \mathrm{KL}(q\|p)$.
#
# ### Maximum likelihood minimises a KL
#
# Let $p_{\text{data}}$ be the unknown density that the data come from. Then
#
# $$ \arg\min_W \mathrm{KL}(p_{\text{data}} \,\|\, p_W) = \arg\min_W \Big( \underbrace{-H(p_{\text{data}})}_{\text{without } W} - \mathbb E_{p_{\text{data}}}[\log p_W(x)] \Big) = \arg\max_W\, \mathbb E_{p_{\text{data}}}[\log p_W(x)] \approx \arg\max_W \frac1N \sum_i \log p_W(x_i), $$
#
# since a mean over data approximates the expectation. So *maximum likelihood* brings the model as close to the data as it can, in this sense of close. And it says why the truth wins on held-out points: the loss of any model is $H(p_{\text{data}}) + \mathrm{KL}$, and the truth has $\mathrm{KL} = 0$.

# %% slideshow={"slide_type": "fragment"}
p = data.toy.mixture_1d_log_prob(middles.unsqueeze(1)).exp()
entropy = -(p * p.log()).sum() / 1000
print(
    f"entropy of the true density: {entropy:.3f} nats\n{'model':10} {'entropy + KL':>13} {'loss on held-out points':>25}"
)
for name, log_prob in estimates.items():
    log_q = log_prob(middles)
    inside = torch.isfinite(log_q)  # the histogram ends at -6 and 6, where p is next to nothing
    kl = (p * (p.log() - log_q))[inside].sum() / 1000
    assert kl > -1e-6
    print(f"{name:10} {entropy:5.3f} + {kl.clamp(min=0):5.3f} {-log_prob(x_held).mean():25.3f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the sum on the left is the loss expected on infinitely many held-out points, and the 2,000 on the right come close to it. Of each loss, the entropy belongs to the data, and no model gets rid of it. Only the rest is the model's fault. With real data, alas, we never know the two parts.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Two directions, two characters
#
# Fit *one* Gaussian $q$ to a $p$ with *two* peaks. It cannot be right. How shall it be wrong? We minimise either KL by gradient descent, with the integral as a sum over thin strips.

# %% slideshow={"slide_type": "fragment"}
places = torch.linspace(-7, 7, 1401)
strip = places[1] - places[0]
peaks = torch.distributions.Normal(torch.tensor([[-2.0], [2.0]]), torch.tensor([[0.5], [0.8]]))
log_p = torch.logsumexp(peaks.log_prob(places) + torch.tensor([[0.4], [0.6]]).log(), dim=0)


def kl(log_a, log_b):
    return (log_a.exp() * (log_a - log_b)).sum() * strip


def fit_gaussian(direction, mu, num_steps=1500):
    W = torch.tensor([mu, 0.0], requires_grad=True)  # mean, and log of the standard deviation
    for _ in range(num_steps):
        log_q = torch.distributions.Normal(W[0], W[1].exp()).log_prob(places)
        loss = kl(log_p, log_q) if direction == "p to q" else kl(log_q, log_p)
        loss.backward()
        with torch.no_grad():
            W -= 0.05 * W.grad
            W.grad = None
    return W[0].item(), W[1].exp().item()


# %% slideshow={"slide_type": "fragment"}
num_steps = 600 if FAST else 1500
fits = {"min KL(p||q)\nmode-covering": fit_gaussian("p to q", 0.5, num_steps)}
for start, side_name in ((-1.5, "started left"), (1.5, "started right")):
    fits[f"min KL(q||p)\nmode-seeking, {side_name}"] = fit_gaussian("q to p", start, num_steps)
mean = (log_p.exp() * places).sum() * strip
std = ((log_p.exp() * (places - mean) ** 2).sum() * strip).sqrt()
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.2), sharey=True)
for ax, (title, (mu, sigma)) in zip(axes, fits.items(), strict=True):
    log_q = torch.distributions.Normal(mu, sigma).log_prob(places)
    ax.fill_between(places, log_p.exp(), color="0.8", label="$p$")
    ax.plot(places, log_q.exp(), label="$q$")
    ax.set(xlabel="$x$", xlim=(-6, 6), ylim=(0, 0.85))
    ax.set_title(title, fontsize=9)
    print(
        f"mean {mu:5.2f}, deviation {sigma:.2f}: KL(p||q) = {kl(log_p, log_q):6.2f}, KL(q||p) = {kl(log_q, log_p):5.2f} nats"
    )
axes[0].legend()
plt.show()
print(
    f"mean and deviation of p itself: {mean:.2f}, {std:.2f}; -log 0.4 = {-math.log(0.4):.2f}, -log 0.6 = {-math.log(0.6):.2f}"
)
assert max(abs(next(iter(fits.values()))[0] - mean), abs(next(iter(fits.values()))[1] - std)) < 0.01

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:*
#
# - $\mathrm{KL}(p\|q)$ averages over $p$: wherever $p$ has mass, $q$ must have some, or $\log \frac pq$ explodes. So $q$ **covers** both peaks, and puts much of its mass into the valley where $p$ has next to none. This is maximum likelihood; for a Gaussian it has the mean and variance of $p$, as section 2 promised.
# - $\mathrm{KL}(q\|p)$ averages over $q$: wherever $q$ has mass, $p$ must have some. So $q$ **seeks** one peak and forgets the other; which one depends on the start. Where $q$ lives, $p$ is the peak times its mass, 0.4 or 0.6, so the KL is $-\log$ of that mass: the price is modest, however far away the forgotten peak is.
#
# For images: a mode-covering model draws everything, and blurry in-betweens as well; a mode-seeking one draws fine images, of a few kinds only. You will meet the first in lecture 10 and the second in lecture 11.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. The curse of dimension
#
# Why not a histogram of images? With $K$ bins a side, $D$ dimensions have $K^D$ cells. Our digits have 64 pixels with 17 grey levels: $17^{64}$ cells, for 1,297 images. We try it anyway, gently: keep only the first $D$ coordinates of PCA, cut each into five bins that
# hold equally many images, and ask: *of the held-out digits, how many fall into a cell that holds at least one training digit?* All others get the density 0.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.pca import PCA

flat, flat_test = digits.train.x.double().flatten(1), digits.test.x.double().flatten(1)  # (1297, 64), (300, 64)
pca = PCA(64, 16).fit(flat)
codes, codes_test = pca.encode(flat), pca.encode(flat_test)
edges = codes.quantile(torch.tensor([0.2, 0.4, 0.6, 0.8]), dim=0).T.contiguous()  # (16, 4)
cells = torch.searchsorted(edges, codes.T.contiguous()).T  # (1297, 16), the bin of each coordinate
cells_test = torch.searchsorted(edges, codes_test.T.contiguous()).T
dims, seen = list(range(1, 17)), []
for D in dims:
    same = (cells_test[:, None, :D] == cells[None, :, :D]).all(2)  # (300, 1297)
    seen.append(same.any(1).double().mean().item())
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.2))
left.semilogy(dims, [5**D for D in dims], "o-", label="cells")
left.axhline(len(flat), color="C1", label="training images")
left.set(xlabel="dimensions $D$")
left.legend()
right.plot(dims, seen, "o-")
right.set(xlabel="dimensions $D$", ylabel="held-out digits in\na cell seen before", ylim=(-0.05, 1.05))
plt.show()
print(
    f"17^64 = 10^{64 * math.log10(17):.1f} cells; of the held-out digits in a cell seen before: "
    + ", ".join(f"D = {D}: {seen[D - 1]:.0%}" for D in (2, 5, 7, 10, 16))
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the cells grow exponentially, the data do not. With seven of the 64 dimensions, most new digits already fall where no digit was ever seen. Counting does not generalise: it cannot say that an image is *like* others. Everything from here on in this course is a way to share what is learned between
# places: by few parameters, by smoothness, by the networks of lecture 1.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Densities of digits
#
# First in the plane of PCA, where we can look: a Gaussian, a mixture (K by BIC) and kernels (bandwidth by leaving one out).

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.kde import best_bandwidth

z, z_test = codes[:, :2].contiguous(), codes_test[:, :2].contiguous()
mixtures = []
for K in range(1, 12, 2):
    mixtures.append(GaussianMixture(K, 2, jitter=1e-3))
    trace = mixtures[-1].fit(z, num_steps=100, tolerance=1e-5, generator=torch.Generator().manual_seed(0))
bic = [-2 * m.log_prob(z).sum().item() + (6 * len(m.mu) - 1) * math.log(len(z)) for m in mixtures]
mixture = mixtures[bic.index(min(bic))]
planar = {
    "Gaussian": Gaussian(2).fit(z),
    f"mixture, K = {len(mixture.mu)}": mixture,
    "kernels": KernelDensity(best_bandwidth(z, torch.logspace(-1.5, 0, 12))).fit(z),
}

# %% slideshow={"slide_type": "fragment"}
side = torch.linspace(-2.5, 2.5, 80)
plane = torch.cartesian_prod(side, side)
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.6), sharey=True)
for ax, (name, model) in zip(axes, planar.items(), strict=True):
    p_plane = model.log_prob(plane).exp()
    assert abs(p_plane.sum() * (side[1] - side[0]) ** 2 - 1) < 0.01
    ax.scatter(*z_test[:150].T.tolist(), s=2, color="0.6")
    ax.contour(side.numpy(), side.numpy(), p_plane.view(80, 80).T.numpy(), levels=5, cmap="viridis")
    ax.set_title(f"{name}\nheld out {-model.log_prob(z_test).mean():.3f} nats", fontsize=9)
    ax.set(xlabel="$z_1$", aspect="equal")
axes[0].set_ylabel("$z_2$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* held-out digits (dots), three densities fitted to training digits. The digits do not form one hill, and both richer densities say so and are rewarded on held-out digits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### All 64 pixels
#
# A trap first. Grey levels are *discrete*, and some pixels are black in every image. A density can sit on such values like a needle (section 7): its likelihood is unbounded again.

# %% slideshow={"slide_type": "fragment"}
try:
    Gaussian(64).fit(flat)
except ValueError as error:
    print("a Gaussian of raw digits:", error)

torch.manual_seed(0)


def dequantize(x):
    """Grey levels 0 ... 16 as numbers in [0, 17): each level becomes an interval of width 1."""
    return 16 * x + torch.rand_like(x)


grey, grey_valid, grey_test = (dequantize(split.x.double().flatten(1)) for split in digits[2:])

# %% [markdown] slideshow={"slide_type": "fragment"}
# The honest way: spread each grey level evenly over an interval of width 1 (**dequantisation**; lecture 8 comes back to it). The unit is now one grey level, and the bits per dimension are an upper bound on the bits needed for the *discrete* pixel (Theis et al. 2016). So we can set beside them two models of
# the discrete levels themselves: *all 17 levels equally likely*, and *a table of 17 probabilities for each pixel*, which knows each pixel well but believes that pixels have nothing to do with each other.

# %% slideshow={"slide_type": "fragment"}
levels, levels_test = (16 * flat).long(), (16 * flat_test).long()
tables = torch.stack([torch.bincount(pixel, minlength=17) + 0.1 for pixel in levels.T])  # (64, 17), pseudo-count 0.1
tables = tables / tables.sum(1, keepdim=True)
results = {
    "17 equal levels": math.log2(17),
    "a table for each pixel": bits_per_dim(-tables[torch.arange(64), levels_test].log().sum(1).mean().item(), 64),
}
alone = torch.distributions.Normal(grey.mean(0), grey.std(0, correction=0))
results["a Gaussian for each pixel"] = bits_per_dim(-alone.log_prob(grey_test).sum(1).mean().item(), 64)

models = {"one Gaussian": Gaussian(64, jitter=0.03).fit(grey)}
for K in (2, 5) if FAST else (2, 5, 10):
    models[f"mixture of {K}"] = GaussianMixture(K, 64, jitter=0.03)
    generator = torch.Generator().manual_seed(0)
    trace = models[f"mixture of {K}"].fit(grey, num_steps=2 if FAST else 25, tolerance=0.05, generator=generator)
print(f"{'bits per dimension':28} {'training':>9} {'validation':>11} {'held out':>9}")
for name, model in models.items():
    bits = [bits_per_dim(-model.log_prob(part).mean().item(), 64) for part in (grey, grey_valid, grey_test)]
    print(f"{name:28} {bits[0]:9.2f} {bits[1]:11.2f} {bits[2]:9.2f}")
    results[name] = bits[2]

# %% slideshow={"slide_type": "subslide"}
fig, ax = plt.subplots(figsize=(6, 2.4))
ax.barh(list(results), list(results.values()), color=["0.7", "0.7", *["C0"] * (len(results) - 2)])
for row, bits in enumerate(results.values()):
    ax.text(bits + 0.03, row, f"{bits:.2f}", va="center", fontsize=8)
ax.invert_yaxis()
ax.set(xlabel="bits per dimension, held-out digits", xlim=(0, 4.7))
plt.show()
best = min(models, key=results.get)
for name in ("17 equal levels", best, "a table for each pixel"):
    print(f"{name}: {results[name]:.2f} bits per dimension, a die with {2 ** results[name]:.1f} faces for each pixel")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* grey bars are models of levels, blue ones densities. Read the blue ones from top to bottom: knowing how pixels hang together (a full covariance) helps much, and a mixture more, until there are too many components for 1,297 images: each has $64 + \frac12 \cdot 64 \cdot 65 = 2144$ numbers of its own. And then look at the second grey bar, which knows nothing of neighbours, and beats them all! We shall see what that is worth.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### New digits
#
# A density from which we can draw is a **generative model**. Here are the first images of this course that nobody wrote. Two kernel estimates join in, with the bandwidth of greatest likelihood on the validation set, and with a much smaller one.


# %% slideshow={"slide_type": "fragment"}
def as_images(grey):  # from [0, 17) back to [0, 1]
    return ((grey - 0.5) / 16).clamp(0, 1).view(-1, 1, 8, 8)


h = max((1.75, 2.0, 2.25, 2.5), key=lambda h: KernelDensity(h).fit(grey).log_prob(grey_valid).mean())
models[f"kernels, h = {h:.2f}"], models["kernels, h = 0.5"] = KernelDensity(h).fit(grey), KernelDensity(0.5).fit(grey)
generator = torch.Generator().manual_seed(0)
drawn = {
    name: model.sample(500, generator)
    for name, model in models.items()
    if name not in ("mixture of 2", "mixture of 10")
}
from_tables = torch.stack([torch.multinomial(table, 12, replacement=True) for table in tables], dim=1)  # (12, 64)
rows = {"real": digits.test.x[:12], "a table for each pixel": as_images(from_tables + 0.5)}
ax = plotting.compare_rows({**rows, **{name: as_images(sample[:12]) for name, sample in drawn.items()}})
ax.figure.set_size_inches(6.4, 3.1)
plt.show()
print(f"{'':18} {'bits per dim':>13} {'pixels out of range':>20} {'distance to nearest training digit':>36}")
for name, sample in drawn.items():
    results[name] = bits_per_dim(-models[name].log_prob(grey_test).mean().item(), 64)
    outside = ((sample < 0) | (sample > 17)).double().mean()
    print(f"{name:18} {results[name]:13.2f} {outside:20.0%} {torch.cdist(sample, grey).min(1).values.mean():36.1f}")
print(f"{'real, held out':18} {'':13} {0:20.0%} {torch.cdist(grey_test, grey).min(1).values.mean():36.1f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see*, and let us be honest:
#
# - **The table for each pixel** had the best figure in the bars above, and draws nothing that resembles a digit. It knows that a corner is *always* black, which a smooth hill cannot say; that saves more bits than all knowledge of strokes.
# - **One Gaussian** knows which pixels go together, but it has one hill: between a 0 and a 1 it sees no valley, so it draws blends of digits that are none. And many pixels drawn are blacker than black or whiter than white (they are shown clipped): mass lost to images that cannot be.
# - **The mixture** has a hill for each of a few kinds of digit. Its blends are less wild, and still only a few could pass.
# - **Kernels** draw a *training image plus noise*. With the better bandwidth the noise is strong. With a tiny one the images look perfect, for they are copies, and as a density it is by far the worst: a new digit lies far from all its needles.
#
# So **likelihood and looks can disagree**, in both directions (Theis et al. 2016). The figures say how well a model knows *all* digits; pictures say what it draws, and never what it leaves out or has copied. Look at both.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The best of both: a mixture of tables
#
# Tables know that black is black; mixtures know that there are kinds of digits. EM does not care what the components are made of! Draw a component $k$, then each pixel from *its table in component $k$*. The E step stays as it is; in the M step, the weighted means become weighted counts. For pseudo-counts each component gets 20 imaginary digits with the levels of the plain tables, so that what it has seldom seen it takes from all digits together. (20 components and 20 digits were chosen on the validation set.)


# %% slideshow={"slide_type": "fragment"}
def log_joint_of_tables(levels, log_weights, tables):
    """log w_k + log p(x | k) for levels (N, 64) and tables (K, 64, 17): (N, K), in nats."""
    return log_weights + torch.nn.functional.one_hot(levels, 17).double().flatten(1) @ tables.log().flatten(1).T


def em_of_tables(levels, K, num_steps, pseudo_count=20):
    one_hot = torch.nn.functional.one_hot(levels, 17).double().flatten(1)  # (N, 64 * 17), 1 at its level, else 0
    shares = torch.distributions.Dirichlet(torch.full((K,), 0.1)).sample((len(levels),))  # random, rows of sum 1
    for _ in range(num_steps):
        counts = (shares.T @ one_hot).view(K, 64, 17) + pseudo_count * tables  # M step
        new_tables = counts / counts.sum(2, keepdim=True)
        log_weights = (shares.sum(0) + 1).log() - math.log(len(levels) + K)
        shares = log_joint_of_tables(levels, log_weights, new_tables).softmax(1)  # E step
    return log_weights, new_tables


torch.manual_seed(0)
log_weights, mixed = em_of_tables(levels, K=20, num_steps=10 if FAST else 60)
log_px = log_joint_of_tables(levels_test, log_weights, mixed).logsumexp(1)
results["mixture of 20 tables"] = bits_per_dim(-log_px.mean().item(), 64)
for name in ("a table for each pixel", best, "mixture of 20 tables"):
    print(f"{name:24} {results[name]:.2f} bits per dimension")

# %% slideshow={"slide_type": "fragment"}
which = torch.multinomial(log_weights.exp(), 12, replacement=True)
drawn_levels = torch.stack([torch.multinomial(mixed[k], 1).squeeze(1) for k in which])
means = (mixed * torch.arange(17)).sum(2)  # (20, 64)
rows = {
    "real": digits.test.x[:12],
    "components, mean": as_images(means[log_weights.argsort(descending=True)[:12]] + 0.5),
    "draws": as_images(drawn_levels + 0.5),
}
ax = plotting.compare_rows(rows)
ax.figure.set_size_inches(6.4, 1.8)
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the best figure of this lecture. The means of the components are digits, sorted by shape; no label was ever used. The draws keep the outline of their component, and are still frayed: within a component each pixel is drawn on its own, so strokes fall apart into grains. An image is not one of twenty
# kinds plus noise. To do better, each pixel must look at the other pixels of *its* image; lecture 5 does just that, pixel after pixel.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A **density** is $\ge 0$ and has total 1. Areas are probabilities, heights depend on the unit. Values compete: raising one place lowers the others.
# - **Maximum likelihood** picks the parameters under which the data are most probable; take logs, turn the sign, and it is a loss. For a Gaussian: mean, and variance divided by $N$.
# - **Histogram, grid, kernels**: bins or bandwidth trade bias against variance. Training likelihood cannot choose, held-out likelihood or leaving one out can.
# - **Mixtures** have a latent component. **EM** alternates shares and weighted means; it raises a lower bound, so the likelihood never falls. Beware of needles: add jitter.
# - **Nats, bits, bits per dimension, perplexity**: one quantity in four units. A good model is a good compressor.
# - Expected loss = **entropy** + **KL**. Maximum likelihood minimises KL(data, model), which covers modes; the reverse KL seeks one.
# - In many dimensions cells are empty, and counting does not generalise.
# - A good likelihood does not make good images, nor the reverse.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) Can a density be 1000 somewhere? Can $-\log p(x)$ be negative for a density, for a probability? Give an example or a reason each time.
# 2. (10 min, medium) Show that $n_k / (N \cdot \text{width})$ are the bin heights of greatest likelihood. (Use a Lagrange multiplier for the total of 1, or $\mathrm{KL} \ge 0$.)
# 3. (10 min, easy) Replace the Gaussian kernel of `kde_by_hand` by a box of width $2h$. Why does the held-out loss become infinite, and which property of the kernel is to blame?
# 4. (10 min, easy) Find the best bandwidth for 20, 60, 150, 500 and 2000 points of `mixture_1d`. How does it shrink with $N$? Theory says $N^{-1/5}$.
# 5. (15 min, medium) Make all covariances in `em_by_hand` equal to $\epsilon I$, fixed. What do the shares become as $\epsilon \to 0$, and which algorithm of lecture 1 have you found?
# 6. (15 min, medium) Fit mixtures with 1 to 30 components to `two_moons` (in `course_utils.data.toy`). Draw the ellipses. How many does BIC choose, and are there "really" so many clusters?
# 7. (15 min, medium) Prove that the Gaussian with the least $\mathrm{KL}(p \| q)$ has the mean and the variance of $p$.
# 8. (20 min, hard) Give the mixture of section 11 diagonal covariances. It has far fewer parameters: how many components can you afford now, and what do you reach?
# 9. (20 min, hard) In section 11, choose the number of tables by the *validation* set, and report the held-out figure only once. Why is that the right order?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - C. M. Bishop: Pattern recognition and machine learning, Springer 2006 (sections 1.6, 2.3, 2.5 and chapter 9).
# - M. Rosenblatt: Remarks on some nonparametric estimates of a density function, Annals of Mathematical Statistics 27, 1956.
# - E. Parzen: On estimation of a probability density function and mode, Annals of Mathematical Statistics 33, 1962.
# - A. P. Dempster, N. M. Laird, D. B. Rubin: Maximum likelihood from incomplete data via the EM algorithm, Journal of the Royal Statistical Society B 39, 1977.
# - G. Schwarz: Estimating the dimension of a model, Annals of Statistics 6, 1978.
# - C. E. Shannon: A mathematical theory of communication, Bell System Technical Journal 27, 1948.
# - S. Kullback, R. A. Leibler: On information and sufficiency, Annals of Mathematical Statistics 22, 1951.
# - L. Theis, A. van den Oord, M. Bethge: A note on the evaluation of generative models, 2016. arXiv 1511.01844 (likelihood against looks; dequantisation).
# - E. Alpaydin, C. Kaynak: Optical recognition of handwritten digits, UCI machine learning repository, 1998 (the images).
