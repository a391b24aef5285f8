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
# # Lecture 4: Generative models and their taxonomy
#
# **You will**
#
# - say what every generative model is after, and what sets the families apart;
# - see six families draw digits, side by side, each trained in seconds;
# - train a Boltzmann machine by contrastive divergence, and a chain that corrupts and repairs its way through the data;
# - measure how good a model is, in four ways, and catch each of them out.
#
# **You need** lectures 1 to 3: training a network, density, likelihood in nats, Gaussian mixtures, Bayes' rule.
#
# **Time and hardware.** 75 minutes to read; all cells together run in about a minute and a half on a laptop's processor. The images
# are real handwriting that comes with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, training

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=74)
torch.set_num_threads(1)  # networks this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. The aim: $p_\text{model}$ close to $p_\text{data}$
#
# Somewhere, nobody knows where, there is a distribution $p_\text{data}$ from which our images were drawn: the writers, their pens, the
# scanner. We have draws from it, the data set, and nothing else. A **generative model** is a distribution $p_\text{model}$ that we
# build so as to be close to it.
#
# There are two things one may want of it:
#
# - to **evaluate** it: *how probable is this image?* Then the model has an **explicit** density, a formula for $\log p_\text{model}(x)$;
# - to **draw** from it: *give me another one.* Many models do this in one way: they draw **noise** $z$, plain random numbers, and
#   turn it into an image, $z \mapsto x$. Where this is all that a model can do, its density is **implicit**: there is one, since
#   some images come out more often than others, but nobody can write it down.
#
# Lecture 2 has both in one: the Gaussian mixture has a formula, and draws. Here it is as a machine from noise to image.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.mixture import GaussianMixture

digits = data.load("digits")
print(digits.description)


def dequantized(x, seed):  # 17 grey levels become real numbers: each is spread evenly over its own bin
    levels = (x * 16).round().flatten(1).double()
    noise = torch.rand(levels.shape, dtype=levels.dtype, generator=torch.Generator().manual_seed(seed))
    return (levels + noise) / 17


train, test = dequantized(digits.train.x, 0), dequantized(digits.test.x, 1)
mixture = GaussianMixture(10, 64, jitter=2e-3).double()
mixture.fit(train, num_steps=10 if FAST else 30, generator=torch.Generator().manual_seed(0))
drawn = mixture.sample(20, torch.Generator().manual_seed(1)).clamp(0, 1).view(-1, 1, 8, 8)
ax = plotting.compare_rows({"data": digits.train.x[:12], "draws": drawn[:12]})
plt.show()
print(f"log p(x) of a held-out digit, on average: {mixture.log_prob(test).mean():.1f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# The density is one of real numbers, 64 of them, each spread over 1/17: it may be large, and its logarithm positive. Only differences
# between models on the same data mean anything.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. What for
#
# | use | what the model must be able to do | where in this course |
# |---|---|---|
# | realistic samples: art, super-resolution, colourisation | draw, given something | lectures 7, 13, 14 |
# | simulation and planning: *what will the next frames show?* | draw a future, given the past | lecture 5 (time series as sequences) |
# | features for later tasks with few labels | find, for an image, a good $z$ | lectures 9, 10 |
# | outliers and rejection | evaluate | lecture 3 |
# | dreaming, seeing what a model believes | draw, and change $z$ | lectures 10 to 13 |
# | telling real pictures from generated ones | know how models fail | below, and lecture 11 |
#
# Can you tell? Of each pair one digit was written by a person, the other drawn by the mixture, rounded to the same grey levels.

# %% slideshow={"slide_type": "fragment"}
order = torch.rand(8, generator=torch.Generator().manual_seed(5)) < 0.5
real, fake = digits.test.x[:8], (drawn[8:16] * 16).round().float() / 16
first, second = (torch.where(order[:, None, None, None], *pair) for pair in ((real, fake), (fake, real)))
plotting.compare_rows({"a": first, "b": second}, titles=[f"pair {k + 1}" for k in range(8)])
plt.show()
print("written by a person:", " ".join(f"{k + 1}{'a' if is_first else 'b'}" for k, is_first in enumerate(order)))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The taxonomy
#
# Families differ in one question: *what do you do about the density?* Follow the tree from the left (after Goodfellow 2016). A leaf is a
# model; where its lecture is there, a click on it opens it, and the list below the figure says the same.
#
# - **Explicit, tractable**: the formula can be computed. Either the image is drawn value by value, each given those before
#   (**autoregressive**: NADE, MADE, PixelRNN, PixelCNN), or noise is bent by an invertible map whose stretching is known
#   (**change of variables**: NICE, RealNVP, Glow, FFJORD).
# - **Explicit, approximate**: there is a formula, but it has an integral or a sum that nobody can do. Either a bound stands
#   for it (**variational**: VAE), or draws from a chain do (**Markov chain**: Boltzmann machine).
# - **Implicit**: no formula, only draws: by a chain (**generative stochastic network**), or in one go (**GAN**).
#
# The capitals are abbreviations, which their lectures fill with sense: *neural autoregressive distribution estimator*, *masked autoencoder for distribution
# estimation*, *non-linear independent components estimation*, *real-valued non-volume-preserving*, *free-form Jacobian of reversible dynamics*, *variational
# autoencoder*, *generative adversarial network*. PixelRNN and PixelCNN draw an image pixel by pixel, with a recurrent or a convolutional network.

# %% slideshow={"slide_type": "skip"}
LECTURES = {
    5: "05_autoregressive", 6: "06_pixelrnn", 7: "07_pixelcnn", 8: "08_flows", 10: "10_vae", 11: "11_gan"
}  # fmt: skip
TREE = [  # branch, twig, leaf, lecture (4: here)
    ("explicit, tractable", "autoregressive", "NADE, MADE", 5),
    ("explicit, tractable", "autoregressive", "PixelRNN", 6),
    ("explicit, tractable", "autoregressive", "PixelCNN", 7),
    ("explicit, tractable", "change of variables", "NICE, RealNVP, Glow, FFJORD", 8),
    ("explicit, approximate", "variational", "VAE", 10),
    ("explicit, approximate", "Markov chain", "Boltzmann machine", 4),
    ("implicit", "Markov chain", "generative stochastic network", 4),
    ("implicit", "direct", "GAN", 11),
]


def middle(column, name, branch):  # the height of a node: the middle of its leaves
    rows = [row for row, entry in enumerate(TREE) if entry[column] == name and entry[0] == branch]
    return -sum(rows) / len(rows)


# %% slideshow={"slide_type": "fragment"}
import io

from IPython.display import Markdown, display

fig, ax = plt.subplots(figsize=(8.5, 3.6))
box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "0.6"}
root = -(len(TREE) - 1) / 2
for row, (branch, twig, leaf, number) in enumerate(TREE):
    stem, fork = middle(0, branch, branch), middle(1, twig, branch)
    ax.plot([0, 1, 2, 3], [root, stem, fork, -row], color="0.6", zorder=0)
    for x, y, name in ((1, stem, branch), (2, fork, twig)):
        ax.text(x, y, name, ha="center", va="center", fontsize=9, bbox=box)
    here = "here" if number == 4 else f"lecture {number}"
    text = ax.text(3, -row, f"{leaf} ({here})", va="center", fontsize=9, bbox=box | {"facecolor": "#E8F4FB"})
    if number in LECTURES and Path(f"{LECTURES[number]}.ipynb").exists():
        text.set_url(f"{LECTURES[number]}.ipynb")
ax.text(0, root, "generative\nmodels", ha="center", va="center", bbox=box)
ax.set(xlim=(-0.4, 4.6), ylim=(-len(TREE) + 0.4, 0.6))
ax.axis("off")
plt.close(fig)

# %% slideshow={"slide_type": "skip"}
pictures = {}  # as SVG, whose names are links, and as PNG, for viewers that cannot show the other
for mime, name in (("image/svg+xml", "svg"), ("image/png", "png")):
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tree"}):
        fig.savefig(buffer := io.BytesIO(), format=name, metadata={"Date": None} if name == "svg" else None)
    pictures[mime] = buffer.getvalue().decode() if name == "svg" else buffer.getvalue()
display(pictures, raw=True)

# %% slideshow={"slide_type": "skip"}
links = [
    f"- {leaf}: [lecture {number}]({LECTURES[number]}.ipynb)" if number in LECTURES else f"- {leaf}: in this lecture"
    for _, _, leaf, number in TREE
    if number == 4 or Path(f"{LECTURES[number]}.ipynb").exists()
]
display(Markdown("\n".join(links)))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Six families draw digits
#
# Before we open any of them, here is one of each family, trained for a few seconds on the same 1,297 digits, thresholded to black and white
# (a grey image for the flow, whose formula is one of real numbers, and for the GAN). Do not mind how they work: each has its
# lecture. Look at what they draw.

# %% slideshow={"slide_type": "fragment"}
from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.dense import dense_discriminator, dense_generator
from course_utils.models.adversarial.gan import GAN
from course_utils.models.autoregressive.nade import NADE
from course_utils.models.flows.realnvp import RealNVP
from course_utils.models.latent.vae import dense_vae

binary, shape = data.threshold(digits.train.x), (1, 8, 8)
epochs = 2 if FAST else 30
torch.manual_seed(0)
nade, vae = NADE(shape, hidden_dim=128), dense_vae(shape, latent_dim=12, hidden_dim=200)
flow = RealNVP(shape, hidden_dim=16, num_blocks=1)
gan = GAN(dense_generator(16, shape), dense_discriminator(shape), 16)
for model, lr in ((nade, 5e-3), (vae, 2e-3)):
    training.fit(model, binary, epochs=epochs, lr=lr, cosine=True)
grey = train.float().view(-1, 1, 8, 8) * 4 - 2  # dequantised, about as wide as the flow's noise
training.fit(flow, grey, epochs=epochs // 2, batch_size=100, lr=2e-3, cosine=True, clip_norm=10.0)
game = fit_adversarial(gan, 2 * digits.train.x - 1, epochs=4 * epochs, batch_size=64, lr=1e-3, ema_decay=0.99)

# %% [markdown] slideshow={"slide_type": "notes"}
# The two that walk by a chain, the Boltzmann machine and the generative stochastic network, come next, built step by step; the
# comparison follows after them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. A Boltzmann machine: density by energy
#
# Give every image an **energy** $E(x)$, any number, and let $p(x)$ fall with it,
#
# $$ p(x) = \frac{e^{-E(x)}}{Z}, \qquad Z = \sum_{x'} e^{-E(x')} . $$
#
# That is always a distribution, whatever the energy: no network is forbidden. The price is $Z$, the **partition function**: a
# sum over all images, of which there are $2^{64}$ even of our little ones.
#
# The **restricted Boltzmann machine** has, beside the pixels $x$, hidden units $h$, all of them 0 or 1, and an energy that joins
# pixels with hidden units but neither kind among themselves (that is the restriction):
#
# $$ E(x, h) = -b^\top x - c^\top h - x^\top W h . $$
#
# Given $x$, the hidden units are then independent, $p(h_j = 1 \mid x) = \sigma(c_j + (x^\top W)_j)$, and given $h$ the pixels
# are. ($\sigma(a) = 1 / (1 + e^{-a})$ is the logistic function.) So one can draw $h$ given $x$, then $x$ given $h$, and so on: a **Markov
# chain**, a walk in which each state is drawn given only the one before. This one, **Gibbs sampling**, has $p(x)$ as its long-run law.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.markov.rbm import RBM


def gibbs_step(x, weight, visible_bias, hidden_bias):
    h = torch.bernoulli(torch.sigmoid(hidden_bias + x @ weight))
    return torch.bernoulli(torch.sigmoid(visible_bias + h @ weight.T))


torch.manual_seed(0)
tiny = RBM(3, 2)  # so small that everything can be listed
with torch.no_grad():
    for parameter in tiny.parameters():
        parameter.normal_()
states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
x = torch.zeros(20_000, 3)
with torch.no_grad():
    for _ in range(30):
        x = gibbs_step(x, tiny.weight, tiny.visible_bias, tiny.hidden_bias)
    exact = tiny.log_prob(states).exp()
seen = (x[:, None] == states).all(2).float().mean(0)
print("state   exact   after 30 Gibbs steps")
for state, p, share in zip(states.int().tolist(), exact, seen, strict=True):
    print(*state, f"  {p:.3f}   {share:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Learning without $Z$: contrastive divergence
#
# Summing out the hidden units gives $p(x) = e^{-F(x)} / Z$ with the **free energy** $F(x) = -b^\top x - \sum_j \log(1 + e^{c_j + (x^\top W)_j})$. The gradient
# of the log-likelihood of a data point has two parts,
#
# $$ \nabla \log p(x) = -\nabla F(x) + \operatorname{E}_{x' \sim p}[\nabla F(x')] . $$
#
# *Lower the energy of the data, raise that of what the model itself dreams up.* The second part needs draws from the model, and a Gibbs chain
# gives them, if it runs for ever. **Contrastive divergence** (CD-$k$, Hinton 2002) runs it for $k$ steps from the data. **Persistent** chains
# (Tieleman 2008) go on where they were after the last update.
#
# With 12 hidden units we can list all $2^{12}$ of their states and compute $Z$, and with it the true likelihood. Watch it.

# %% slideshow={"slide_type": "fragment"}
flat, held_out = binary.flatten(1), data.threshold(digits.test.x).flatten(1)
traces, machines = {}, {}
for name, settings in {
    "CD-1": {"num_steps": 1},
    "CD-10": {"num_steps": 10},
    "persistent": {"num_steps": 5, "num_chains": 100},
}.items():
    torch.manual_seed(0)
    machine, trace = RBM(64, 12, **settings), []
    with torch.no_grad():  # start with the pixels' own frequencies
        machine.visible_bias.copy_(torch.logit(flat.mean(0).clamp(0.01, 0.99)))

    def look(model, epoch, trace=trace):
        if epoch % 5 == 0:
            trace.append((epoch, model.log_prob(held_out).mean().item()))

    training.fit(machine, flat, epochs=2 if FAST else 80, batch_size=50, lr=5e-3, cosine=True, on_epoch=look)
    traces[name], machines[name] = trace, machine
    plt.plot(*zip(*trace, strict=True), label=f"{name}: {machine.log_prob(held_out).mean():.1f} nats at the end")
plt.gca().set(xlabel="epoch", ylabel="held-out log-likelihood [nats]")
plt.legend()
plt.show()

# %% slideshow={"slide_type": "fragment"}
independent = torch.distributions.Bernoulli(flat.mean(0).clamp(0.01, 0.99)).log_prob(held_out).sum(1).mean()
print(f"independent pixels, for comparison: {independent:.1f} nats")
best = max(machines, key=lambda name: machines[name].log_prob(held_out).mean().item())
rbm = machines[best]
torch.manual_seed(0)
chain = [rbm.sample(8, num_steps=1)]
for steps in (1, 8, 90, 900):
    chain.append(rbm.gibbs(chain[-1], steps))
rows = {
    f"{count:,} step{'s' * (count > 1)}": x.view(-1, 1, 8, 8)
    for count, x in zip((1, 2, 10, 100, 1000), chain, strict=True)
}
plotting.compare_rows(rows)
plt.gca().set_title(f"eight Gibbs chains of the machine trained with {best}, from coin flips")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# All three leave independent pixels far behind, and on so small a machine, whose chains forget their start within a few steps, they end close together. From coin
# flips the chains reach digits (thresholded ones, hard to read at best) after ten steps or so.
#
# The likelihood is *exact* here, because the machine is small. For the 500 hidden units that one would use, it is not to be had, and the loss that
# contrastive divergence shows (a difference of free energies) does not tell: it may well stay at 0 while the model gets better, or worse.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. A generative stochastic network: learn the step, not the density
#
# A chain that walks through images of digits would be enough to draw them. So learn the *step* of a chain directly: **corrupt** an image, here by
# replacing each pixel by a coin flip with probability 0.2, then **repair** it with a network trained to do so, and draw each pixel of
# the result. If the repairer has learned $p(x \mid \tilde x)$ exactly, the long-run law of this walk is $p_\text{data}$ (Bengio et al. 2014,
# theorem 1). No energy, no $Z$, no density: an **implicit** model.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.markov.gsn import GSN, corrupt

torch.manual_seed(0)
gsn = GSN(64, hidden_dim=200, rate=0.2, num_walkback=2)
history = training.fit(gsn, flat, epochs=2 if FAST else 60, batch_size=100, lr=2e-3, cosine=True)
x, strip = flat[:1].expand(3, 64), {}
for step in range(13):
    corrupted = corrupt(x, gsn.rate)
    with torch.no_grad():
        probabilities = torch.sigmoid(gsn(corrupted))
    if step % 2 == 0:
        strip[f"step {step}"] = torch.stack([x, corrupted, probabilities], 1).view(-1, 1, 8, 8)
    x = torch.bernoulli(probabilities)
titles = [name for _ in range(3) for name in ("state", "corrupted", "repaired")]
plotting.compare_rows(strip, titles=titles, ax=plt.subplots(figsize=(7, 5))[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# Three walks from the same digit, three columns each. Within a few steps they have parted, and they pass through digits, and through things between
# digits, on their way from one to another.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Side by side
#
# Now all six. One row a family.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(1)
steps = 50 if FAST else 1000
samples = {
    "autoregressive (NADE)": nade.sample(500),
    "flow (RealNVP)": (flow.sample(500) + 2) / 4,
    "variational (VAE)": vae.sample(500),
    "Boltzmann machine": rbm.sample(500, num_steps=steps).view(-1, 1, 8, 8),
    "stochastic network": gsn.sample(500, num_steps=steps // 5).view(-1, 1, 8, 8),
    "GAN": (gan.sample(500) + 1) / 2,
}
samples = {name: x.detach().clamp(0, 1) for name, x in samples.items()}
shown = {"data, grey": digits.test.x, "data, thresholded": data.threshold(digits.test.x)} | samples
plotting.compare_rows({name: x[:12] for name, x in shown.items()}, ax=plt.subplots(figsize=(8, 5))[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. How good is a generative model?
#
# By eye? Eyes see bad samples at once, but not that a kind of sample is missing, nor that a sample is a copy of a training image. Four measures:
#
# - **held-out likelihood** (lecture 2), for explicit models: do new images come as no surprise?
# - a **Fréchet distance**: turn images into features by a network trained to classify them, fit a Gaussian to the features of the data, and one to
#   those of the samples, and measure how far the two are apart,
#   $\;d^2 = |\mu_1 - \mu_2|^2 + \operatorname{tr}(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2})$ (Heusel et al. 2017). 0 is best. With the features of a
#   network called Inception it is the famous FID; ours, of a network for 8x8 digits, has another scale;
# - **precision**: which share of the samples lies among the data? **recall**: which share of the data lies among the samples? *Among* means: closer
#   to some point than that point's third neighbour of its own kind, in features (Kynkäänniemi et al. 2019).
#
# One more is worth its line: the **distance to the nearest training image**. Let us measure what we have drawn. Black-and-white samples
# are compared with black-and-white data: thresholding alone costs more than any model.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import digit_classifier, frechet_distance, image_features, precision_recall

net = digit_classifier()


def measure(x, reference):
    """Frechet distance, precision, recall, and the mean distance to the nearest image of the reference."""
    ours, theirs = image_features(net, x), image_features(net, reference)
    quality = precision_recall(theirs, ours)
    nearest = torch.cdist(x.flatten(1).double(), reference.flatten(1).double()).amin(1).mean()
    return frechet_distance(theirs, ours), quality.precision, quality.recall, nearest.item()


def table(rows):
    print(f"{'':30} Fréchet  precision  recall  nearest")
    for name, (x, reference) in rows.items():
        distance, precision, recall, nearest = measure(x, reference)
        print(f"{name:30} {distance:7.1f}  {precision:9.2f}  {recall:6.2f}  {nearest:7.2f}")


is_grey = {"flow (RealNVP)", "GAN"}
rows = {"held-out digits, grey": (digits.test.x, digits.train.x)}
rows |= {"held-out digits, thresholded": (data.threshold(digits.test.x), binary)}
rows |= {name: (x, digits.train.x if name in is_grey else binary) for name, x in samples.items()}
table(rows)

# %% [markdown] slideshow={"slide_type": "notes"}
# Seconds of training on one small data set say nothing about which family is best. What they show is how to read the figures: the first two rows are
# the floor, since real digits do not reach 0 either.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. What each measure misses
#
# Now three models that cheat, on purpose, beside the honest mixture of section 1:
#
# - one that **memorises**: it draws training images with a whiff of noise (a kernel density estimate with a tiny bandwidth);
# - one that **drops modes**: a mixture that has only ever seen the digits 0 to 4;
# - one with **good likelihood and bad samples**: in 99 of 100 cases it draws uniform noise, else from the honest mixture (Theis et al. 2016). Its density is
#   at least a hundredth of the honest one's, $\log p_\text{bad}(x) \ge \log p_\text{honest}(x) - \log 100$, so that it can lose at most 4.6 nats.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.kde import KernelDensity

memory = KernelDensity(0.01).fit(train)
dropper = GaussianMixture(10, 64, jitter=2e-3).double()
dropper.fit(train[digits.train.y < 5], num_steps=10 if FAST else 30, generator=torch.Generator().manual_seed(0))
generator = torch.Generator().manual_seed(2)
noise = torch.rand(495, 64, dtype=torch.float64, generator=generator)  # its log-density on the unit cube is 0
honest_log_prob = mixture.log_prob(test)
cheats = {
    "honest mixture": (honest_log_prob, mixture.sample(500, generator)),
    "memorises": (memory.log_prob(test), memory.sample(500, generator)),
    "drops modes": (dropper.log_prob(test), dropper.sample(500, generator)),
    "99 % noise": (
        torch.logaddexp(honest_log_prob + math.log(0.01), torch.full_like(honest_log_prob, math.log(0.99))),
        torch.cat([noise, mixture.sample(5, generator)])[torch.randperm(500, generator=generator)],
    ),
}
pictures = {name: x.clamp(0, 1).float().view(-1, 1, 8, 8) for name, (_, x) in cheats.items()}
plotting.compare_rows({name: x[:12] for name, x in pictures.items()})
plt.show()

# %% slideshow={"slide_type": "fragment"}
for name, (log_prob, _) in cheats.items():
    print(f"{name:30} held-out log-likelihood {log_prob.mean():10.1f} nats")
print()
table({"held-out digits": (digits.test.x, digits.train.x)} | {k: (x, digits.train.x) for k, x in pictures.items()})
loss = (honest_log_prob - cheats["99 % noise"][0]).max()
print(f"\nthe noisy model loses at most {loss:.2f} nats an image; log 100 = {math.log(100):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# Read the two tables together:
#
# | | likelihood | Fréchet | precision | recall | nearest |
# |---|---|---|---|---|---|
# | memorises | **sees it** | blind: near the floor | blind | blind | **sees it** |
# | drops modes | **sees it** | **sees it** | blind | **sees it** | blind |
# | 99 % noise | blind: a few nats | **sees it** | **sees it** | it may not | **sees it** |
#
# No figure alone will do. In this course a model with a density is judged by its held-out likelihood, one that draws images by the
# Fréchet distance with precision and recall beside it, and always by a look at its samples.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A generative model is a distribution built to be close to that of the data. It is *explicit* if $\log p(x)$ can be computed or bounded,
#   *implicit* if it can only draw.
# - The taxonomy follows what is done about the density: compute it (autoregressive, flows), bound it (VAE), sample around it (Boltzmann machine), or do
#   without it (stochastic networks, GANs).
# - An energy needs no normalisation to be written down, but $Z$ to be a likelihood; contrastive divergence learns without $Z$.
# - Likelihood, Fréchet distance, precision and recall each miss something that another sees.
#
# ## Exercises
#
# 1. (10 minutes, easy) Where in the tree does the Gaussian mixture of lecture 2 belong? And a random number generator whose source you do not have?
# 2. (15 minutes, medium) Show that $p(h \mid x)$ of the restricted Boltzmann machine factorises, and that summing out $h$ gives the free energy.
# 3. (15 minutes, medium) Train the Boltzmann machine with 4 and with 16 hidden units. How does the held-out likelihood change, and how the time that
#    $\log Z$ takes?
# 4. (20 minutes, medium) Set the corruption of the stochastic network to 0.05 and to 0.6. Which walks get stuck, and which forget too much?
# 5. (25 minutes, harder) Build a model that fools precision and recall at once, without copying training images. (Hint: features see less than pixels.)
#
# Then do [assignment 1](../assignments/a1_density/a1_density.ipynb).
#
# ## References
#
# 1. I. Goodfellow (2016). *NIPS 2016 tutorial: generative adversarial networks*. arXiv:1701.00160 (the taxonomy, section 2).
# 2. P. Smolensky (1986). *Information processing in dynamical systems: foundations of harmony theory* (the restricted Boltzmann machine).
# 3. G. Hinton (2002). *Training products of experts by minimizing contrastive divergence*. Neural Computation 14.
# 4. T. Tieleman (2008). *Training restricted Boltzmann machines using approximations to the likelihood gradient*. ICML.
# 5. Y. Bengio, E. Laufer, G. Alain, J. Yosinski (2014). *Deep generative stochastic networks trainable by backprop*. arXiv:1306.1091.
# 6. L. Theis, A. van den Oord, M. Bethge (2016). *A note on the evaluation of generative models*. arXiv:1511.01844.
# 7. M. Heusel et al. (2017). *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*. arXiv:1706.08500.
# 8. T. Kynkäänniemi et al. (2019). *Improved precision and recall metric for assessing generative models*. arXiv:1904.06991.
