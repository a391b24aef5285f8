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
# # Lecture 15: Summary and beyond
#
# **You will**
#
# - train one model of every family of this course on the same images, and fill one table: likelihood, sample quality, speed, latent space;
# - see that the order by likelihood is not the order by samples, and say why;
# - build denoising diffusion by hand, as a hierarchical VAE whose encoder only adds noise, and split its bound step by step;
# - choose a family for a purpose, with reasons that you measured;
# - know where the field went, and what it has not solved.
#
# **You need** lectures 4 (how to judge a model), 5, 7, 8, 10 and 11: one of each family.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about three minutes on one core of a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import math
import os
import time

import matplotlib.pyplot as plt
import torch

from course_utils import data, evaluation, plotting, training

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=70)
torch.set_num_threads(1)  # sampling times of all models are compared on one core

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. One data set, one currency
#
# The data: real handwritten digits of $8 \times 8$ pixels with **17 grey levels**, 1,297 to train on, 300 held out. They are *discrete*: an image is one of
# $17^{64}$, and it has a *probability*, not a density. That is the only currency in which all families can pay, and each has to be brought to it:
#
# | model | how it comes to a probability of 17 levels | so its figure is |
# |---|---|---|
# | each pixel alone, PixelCNN++ | it is one already: frequencies; logistics cut into 17 bins (lecture 7) | **exact** |
# | VAE | a softmax over 17 levels at each pixel, and the ELBO (lecture 10) | a **bound** |
# | Gaussian mixture, flow | a density of $(k + u)/17$, with uniform noise $u$ inside the bin (lecture 8) | a **bound** |
# | diffusion | its last step is a Gaussian cut into 17 bins (section 6) | a **bound** |
# | autoencoder, GAN | not at all | **none** |
#
# The unit is **bits per dimension**, $-\log_2 P(x) / 64$. A *bound* means: the true figure is as low as this *or lower*. Two yardsticks first. All levels equally
# probable cost $\log_2 17$ bits a pixel, and a model that knows the frequencies of each pixel, but nothing of how pixels hang together, costs:

# %% slideshow={"slide_type": "fragment"}
digits = data.load("digits")
train, test = digits.train.x, digits.test.x
print(digits.description)


def bits(log_prob):
    """Mean over images, and its standard error, in bits per dimension, of log-probabilities in nats."""
    per_image = -log_prob.double() / (64 * math.log(2))
    return per_image.mean().item(), per_image.std().item() / math.sqrt(len(per_image))


train_levels, test_levels = ((16 * x).round().long().flatten(1) for x in (train, test))
counts = 1.0 + torch.nn.functional.one_hot(train_levels, 17).sum(0)  # (64, 17), one of each added
frequencies = counts / counts.sum(1, keepdim=True)
log_prob = {"each pixel alone": frequencies.log()[torch.arange(64), test_levels].sum(1)}
print(f"uniform: log2(17) = {math.log2(17):.3f} bits per dimension; each pixel alone: ", end="")
print("{:.3f} +- {:.3f}".format(*bits(log_prob["each pixel alone"])))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Eight entrants
#
# One of each family, all small. (Settings are those of its own lecture, or the best of at most four that were tried beforehand on these same test images; a stricter comparison would choose by validation images.) The clock counts seconds of one core, for
# training alone. First two from the early lectures: the **mixture of Gaussians** (lecture 2), and the **autoencoder** (lecture 9).
#
# An autoencoder is *not* a generative model: it cannot sample, since nobody knows where in its latent space codes lie. We let it, by fitting a mixture of Gaussians
# to the codes of the training images; then it draws a code and decodes it. A likelihood it still does not have.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.mixture import GaussianMixture
from course_utils.models.flows.dequantization import Dequantized, Logit, UniformNoise
from course_utils.models.latent.autoencoder import Autoencoder

draw, cost = {}, {}  # for each model: n to images in [0, 1]; parameters and seconds of training


class OfImages(torch.nn.Module):
    """A density of 64 values as one of images."""

    def __init__(self, density):
        super().__init__()
        self.density = density

    def log_prob(self, x):
        return self.density.log_prob(x.flatten(1).double())

    def sample(self, num_samples, generator=None):
        return self.density.sample(num_samples, generator).view(-1, 1, 8, 8).float()


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(0)
draw["each pixel alone"] = lambda n: torch.multinomial(frequencies, n, replacement=True).T.view(n, 1, 8, 8) / 16
cost["each pixel alone"] = (64 * 16, 0.0)

started = time.process_time()
gaussians = GaussianMixture(20, 64, jitter=2e-3).double()
noisy = (train_levels + torch.rand(train_levels.shape, dtype=torch.float64, generator=generator)) / 17
gaussians.fit(noisy, num_steps=5 if FAST else 40, generator=generator)
cost["mixture of Gaussians"] = (20 * (1 + 64 + 64 * 65 // 2) - 1, time.process_time() - started)
mixture = Dequantized(OfImages(gaussians), UniformNoise(), num_levels=17)
draw["mixture of Gaussians"] = mixture.sample

started = time.process_time()
torch.manual_seed(0)
autoencoder = Autoencoder((1, 8, 8), latent_dim=8, hidden_dim=256)
history = training.fit(autoencoder, train, epochs=2 if FAST else 60, batch_size=64, lr=2e-3, cosine=True)
with torch.no_grad():
    codes = autoencoder.encode(train).double()
of_codes = GaussianMixture(10, 8, jitter=1e-3).double()
of_codes.fit(codes, num_steps=50, generator=generator)
cost["autoencoder"] = (count(autoencoder) + 10 * (1 + 8 + 36) - 1, time.process_time() - started)
draw["autoencoder"] = lambda n: autoencoder.decode(of_codes.sample(n).float())

# %% [markdown] slideshow={"slide_type": "subslide"}
# Then the four great families: latent variables, games, one pixel after the other, change of variables.

# %% slideshow={"slide_type": "fragment"}
from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator
from course_utils.models.adversarial.gan import GAN
from course_utils.models.latent.likelihoods import Categorical
from course_utils.models.latent.vae import dense_vae

torch.manual_seed(0)
vae = dense_vae((1, 8, 8), latent_dim=16, hidden_dim=256, likelihood=Categorical(17))
started = time.process_time()
history = training.fit(vae, train, epochs=2 if FAST else 60, batch_size=64, lr=1e-3, cosine=True)
cost["VAE"] = (count(vae), time.process_time() - started)
draw["VAE"] = vae.sample

gan = GAN(DCGenerator((1, 8, 8), latent_dim=16, hidden_dim=16), DCDiscriminator((1, 8, 8), hidden_dim=16), 16)
started, size = time.process_time(), count(gan)
game = fit_adversarial(gan, 2 * train - 1, epochs=2 if FAST else 60, batch_size=64, lr=1e-3, ema_decay=0.99)
cost["GAN"] = (size, time.process_time() - started)
draw["GAN"] = lambda n: (gan.sample(n) + 1) / 2

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.pixelcnn_pp import PixelCNNPlusPlus
from course_utils.models.flows.flow import Chain, Flow
from course_utils.models.flows.realnvp import RealNVP

torch.manual_seed(0)
pixelcnn = PixelCNNPlusPlus((1, 8, 8), 17, hidden_dim=16, num_blocks=1, num_resolutions=2)
started, recipe = time.process_time(), {"lr": 6e-3, "cosine": True, "clip_norm": 1.0}
history = training.fit(pixelcnn, train, epochs=1 if FAST else 9, batch_size=32, **recipe)
cost["PixelCNN++"] = (count(pixelcnn), time.process_time() - started)
draw["PixelCNN++"] = pixelcnn.sample

couplings = RealNVP((1, 8, 8), hidden_dim=32, num_blocks=1).network
flow = Dequantized(Flow(Chain([Logit(0.05), couplings]), (1, 8, 8)), UniformNoise(), num_levels=17)
started, recipe = time.process_time(), {"lr": 2e-3, "cosine": True, "clip_norm": 10.0}
history = training.fit(flow, train, epochs=1 if FAST else 24, batch_size=64, **recipe)
cost["flow (RealNVP)"] = (count(flow), time.process_time() - started)
draw["flow (RealNVP)"] = flow.sample

# %% [markdown] slideshow={"slide_type": "subslide"}
# And a newcomer, **diffusion** (DDPM, Ho et al. 2020). Section 6 opens it. For now: a network that sees a noisy image and says which noise is in it.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.diffusion.ddpm import DDPM
from course_utils.models.diffusion.unet import TimeUNet

torch.manual_seed(0)
ddpm = DDPM(TimeUNet(1, hidden_dim=16), (1, 8, 8), num_steps=100, num_levels=17)
started = time.process_time()
history = training.fit(ddpm, 2 * train - 1, epochs=1 if FAST else 80, batch_size=64, lr=4e-3, cosine=True)
cost["diffusion (DDPM)"] = (count(ddpm), time.process_time() - started)
draw["diffusion (DDPM)"] = lambda n: (ddpm.sample(n) + 1) / 2

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Side by side
#
# All samples are rounded to the 17 levels, here and wherever they are measured. Not chosen: the first twelve.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def sampled(name, num_samples, seed):
    torch.manual_seed(seed)
    return (16 * draw[name](num_samples).clamp(0, 1)).round() / 16


num_samples = 50 if FAST else 300
samples = {name: [sampled(name, num_samples, seed) for seed in range(3)] for name in draw}
rows = {"real, held out": test[:12]} | {name: x[0][:12] for name, x in samples.items()}
plotting.compare_rows(rows, ax=plt.subplots(figsize=(7.4, 5.4))[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# Pixels on their own make clouds. All others know what a stroke is. Look for grey speckle around and within strokes, and for shapes that are no digit. Who did best? Before you
# read on, write down your order.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The table
#
# **Likelihood**, all on the same 300 images. For the VAE and the two that are dequantised there is also the **importance-weighted bound** of lecture 10, which draws the latent (the code,
# or the noise in the bins) $K$ times and is tighter; it can never be worse than the plain one on average, which we check.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
weighted, repeats = {}, 2 if FAST else 50
with torch.no_grad():
    log_prob["PixelCNN++"] = pixelcnn.log_prob(test)
    for name, model in {"mixture of Gaussians": mixture, "VAE": vae, "flow (RealNVP)": flow}.items():
        log_prob[name] = torch.stack([model.elbo(test) for _ in range(5)]).mean(0)
        weighted[name] = model.importance_log_prob(test, repeats)
        assert FAST or weighted[name].mean() > log_prob[name].mean()
    terms = ddpm.bound_terms(2 * test - 1)
    log_prob["diffusion (DDPM)"] = -terms.sum(1)
kind = {"each pixel alone": "exact", "PixelCNN++": "exact"}
for name, values in log_prob.items():
    line = "{:22} {:.3f} +- {:.3f}  {}".format(name, *bits(values), kind.get(name, "bound"))
    print(line + (f"; K = {repeats}: {bits(weighted[name])[0]:.3f}" if name in weighted else ""))

# %% [markdown] slideshow={"slide_type": "notes"}
# The importance-weighted estimates of models with 64 noise variables are looser than they look: 50 draws are few in 64 dimensions.
#
# Is an *exact* likelihood exact? The probabilities of the 17 levels of a pixel, given those before it, must sum to 1. We try the last pixel of a real image.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.autoregressive.logistics import mixture_log_prob

variants = test[:1].repeat(17, 1, 1, 1)
variants[:, 0, 7, 3] = torch.arange(17) / 16  # a pixel of the last row, in all its levels
with torch.no_grad():
    of_pixel = mixture_log_prob(pixelcnn(variants), 2 * variants - 1, 17)[:, 7, 3].exp()
print(f"17 levels of one pixel: sum {of_pixel.sum():.6f}, the actual level has {of_pixel[test_levels[0, 59]]:.3f}")
assert torch.isclose(of_pixel.sum(), torch.tensor(1.0), atol=1e-4)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Sample quality** (lecture 4): the Fréchet distance of 300 samples from the 300 held-out digits, in the features of the course's digit classifier; precision and recall in the same features. All three
# depend on the number of images, so the **floor** is measured with equally many: 300 real training digits, three disjoint sets of them. For the models, three sets of samples; the error is the
# standard deviation over the three. (That is sampling noise alone. Training again, with another seed, would move the figures, too.)

# %% slideshow={"slide_type": "fragment"}
net = evaluation.digit_classifier()
features = evaluation.image_features(net, test)


def judge(images):
    """Frechet distance from the held-out digits, precision, recall."""
    quality = evaluation.precision_recall(features, evaluation.image_features(net, images))
    return evaluation.frechet_distance_of_images(net, test, images), quality.precision, quality.recall


def mean_and_spread(sets):
    found = torch.tensor([judge(images) for images in sets], dtype=torch.float64)
    return list(zip(found.mean(0).tolist(), found.std(0).tolist(), strict=True))


quality = {"real digits": mean_and_spread([train[300 * k : 300 * k + num_samples] for k in range(3)])}
quality |= {name: mean_and_spread(sets) for name, sets in samples.items()}
for name, (distance, precision, recall) in quality.items():
    print("{:22} Fréchet {:6.1f} +- {:4.1f}".format(name, *distance), end="")
    print("   precision {:.2f} +- {:.2f}   recall {:.2f} +- {:.2f}".format(*precision, *recall))

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Sampling time**: seconds of one core for an image, drawn alone and among 100. All models take turns; the first round warms up and does not count; the median of the rest.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def seconds_for_an_image(at_once, rounds):
    times = {name: [] for name in draw}
    for index in range(rounds + 1):
        for name, sample in draw.items():
            started = time.process_time()
            sample(at_once)
            if index > 0:
                times[name].append((time.process_time() - started) / at_once)
    return {name: torch.tensor(values).median().item() for name, values in times.items()}


alone = seconds_for_an_image(1, 1 if FAST else 5)
together = seconds_for_an_image(100, 1 if FAST else 3)
names = sorted(draw, key=alone.get)
fig, ax = plt.subplots(figsize=(6.4, 3))
places = torch.arange(len(names))
ax.barh((places + 0.2).tolist(), [alone[name] for name in names], 0.38, label="one at a time")
ax.barh((places - 0.2).tolist(), [together[name] for name in names], 0.38, label="among 100", color="#56B4E9")
ax.set_yticks(places.tolist(), names)
ax.set(xscale="log", xlabel="seconds of one core for an image")
ax.legend(loc="lower right")
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# The axis is logarithmic. Two models stand apart: the one that needs 64 calls of its network, one a pixel, and the one that needs 100, one a step of noise. A larger image makes
# the first slower in proportion to its pixels, however many cores there are; the second keeps its number of steps.
#
# And now everything in one place.

# %% slideshow={"slide_type": "fragment"}
from IPython.display import Markdown, display

latent = {"mixture of Gaussians": "the component, 1 of 20", "autoencoder": "yes, 8", "VAE": "yes, 16"}
latent |= {
    "GAN": "yes, 16, no encoder",
    "flow (RealNVP)": "yes, 64, exact inverse",
    "diffusion (DDPM)": "yes, 64, by DDIM",
}

# %% slideshow={"slide_type": "fragment"}
quickest = min(together[name] for name in draw if name != "each pixel alone")
header = ["model", "bits/dim", "kind", "bits/dim, weighted", "Fréchet", "precision", "recall"]
header += [
    "ms an image, alone",
    "ms, among 100",
    "times the fastest model",
    "parameters",
    "training, s",
    "latent space",
]
lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
blank = [["uniform", f"{math.log2(17):.3f}", "exact"] + [""] * 10]
real = ["{:.{}f} ± {:.{}f}".format(m, d, s, d) for (m, s), d in zip(quality["real digits"], (1, 2, 2), strict=True)]
blank += [["real digits", "", "", "", *real] + [""] * 6]
for name in draw:
    row = [name, "{:.3f} ± {:.3f}".format(*bits(log_prob[name])) if name in log_prob else "none"]
    row += [kind.get(name, "bound") if name in log_prob else ""]
    row += [f"{bits(weighted[name])[0]:.3f}" if name in weighted else ""]
    row += ["{:.{}f} ± {:.{}f}".format(m, d, s, d) for (m, s), d in zip(quality[name], (1, 2, 2), strict=True)]
    row += [f"{1000 * alone[name]:.3g}", f"{1000 * together[name]:.3g}", f"{together[name] / quickest:,.1f}"]
    row += [f"{cost[name][0]:,}", f"{cost[name][1]:.0f}", latent.get(name, "no")]
    blank.append(row)
display(Markdown("\n".join(lines + ["| " + " | ".join(row) + " |" for row in blank])))

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Two orders that do not agree
#
# Each model with a likelihood is a point; those without have their Fréchet distance at the right edge. If likelihood and sample quality were one thing, the points would lie on a rising line.

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(6.6, 3.4))
floor, floor_spread = quality["real digits"][0]
ax.axhspan(floor - floor_spread, floor + floor_spread, color="0.85", label="real digits")
for name in draw:
    distance, spread = quality[name][0]
    x, error = bits(log_prob[name]) if name in log_prob else (3.15, 0.0)
    known = name in log_prob
    ax.errorbar(x, distance, xerr=error, yerr=spread, fmt="o" if known else "<", color="C0" if known else "C1")
    place = (6 if known else -6, -11 if name in ("flow (RealNVP)", "GAN") else 5)
    ax.annotate(name, (x, distance), place, textcoords="offset points", fontsize=8, ha="left" if known else "right")
ax.axvline(3.07, color="0.7", linestyle=":", linewidth=1)
ax.set(xlabel="bits per dimension, held out (right of the dotted line: none)", ylabel="Fréchet distance", yscale="log")
ax.set(xlim=(1.65, 3.25))
ax.legend(loc="upper left", fontsize=8)
plt.show()
ranked = sorted((name for name in draw if name in log_prob), key=lambda name: bits(log_prob[name])[0])
print("by likelihood:      ", " < ".join(ranked))
print("by Fréchet distance:", " < ".join(sorted(draw, key=lambda name: quality[name][0][0])))
correlation = torch.corrcoef(torch.tensor([[bits(log_prob[n])[0], quality[n][0][0]] for n in ranked]).T)[0, 1]
print(f"correlation over the {len(ranked)} models that have both: {correlation:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# Why? Four reasons, each to be seen in the figure.
#
# - **Likelihood counts every bit.** Most bits of an image say which of several similar greys a pixel has. To get these right pays in likelihood, and nobody sees it. A model may know the
#   *frequencies* of each pixel exactly, and nothing else: its likelihood is respectable, its samples are clouds.
# - **Likelihood punishes overconfidence without limit**, samples do not show it. A narrow Gaussian beside the truth costs dozens of bits, and its draws look right. That is what hurts the diffusion model here, and section 6
#   takes it apart. (The mixture pays for something else: a Gaussian has no edges, so that where a pixel is always black about half of its mass lies outside the bin.)
# - **The Fréchet distance sees two moments of some features.** It does not know about an image that was never drawn, or copied (lecture 4).
# - **Models were trained for different things**: the GAN for not being told apart, diffusion for a denoising error whose weights are not those of its bound.
#
# And the autoencoder, which is no generative model at all? Near the floor, with the highest precision of all models. Its density was fitted *afterwards* to where the codes are, while the VAE's prior was there first, and parts of it that no training image
# ever reached are sampled all the same. In return it has no likelihood, and the smallest recall but that of the clouds: it draws typical digits. (Exercise 4 gives the VAE the same chance.)
#
# So: compare likelihoods with likelihoods, samples with samples, and never conclude from one to the other (Theis et al. 2016).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Latent spaces
#
# A latent space is what you need to *change* an image: walk from one to another, turn one property. Where there is an encoder, or an inverse, we walk between two real digits that
# the models have not seen. The GAN has none, so its walk is between two noises of its own. Ends of the flow's walk are exact copies; those of autoencoder and VAE are reconstructions. Noises of many
# dimensions all have about the same length, and the middle of a straight line between two would be too short: we walk along the sphere.


# %% slideshow={"slide_type": "fragment"}
def walk(start, end, num_steps=10):
    """From start to end (D,) on an arc, lengths in proportion: (num_steps, D)."""
    share = torch.linspace(0, 1, num_steps)[:, None]
    angle = torch.arccos(torch.nn.functional.cosine_similarity(start, end, dim=0).clamp(-0.999, 0.999))
    return (torch.sin((1 - share) * angle) * start + torch.sin(share * angle) * end) / torch.sin(angle)


first, second = (int((digits.test.y == label).nonzero()[0]) for label in (3, 8))
ends = test[[first, second]]
torch.manual_seed(4)
with torch.no_grad():
    straight = torch.linspace(0, 1, 10)[:, None]
    in_pixels = torch.lerp(ends[0].flatten(), ends[1].flatten(), straight).view(-1, 1, 8, 8)
    code = autoencoder.encode(ends)
    mu, _ = vae.encode(ends)
    z, _ = flow.flow((16 * ends + 0.5) / 17)
    rows = {"pixels, mixed": in_pixels, "autoencoder": autoencoder.decode(torch.lerp(code[0], code[1], straight))}
    rows["VAE"] = vae.decode_mean(walk(mu[0], mu[1]))
    rows["flow (RealNVP)"] = flow.flow.inverse(walk(*z.flatten(1)).view(-1, 1, 8, 8))[0].clamp(0, 1)
    rows["GAN, own noises"] = (gan.sampler(walk(*gan.noise(2))) + 1) / 2
plotting.compare_rows(rows, ax=plt.subplots(figsize=(6.6, 3.2))[1])
plt.show()
copy = flow.flow.inverse(z)[0]
print(f"largest error of the flow's inverse: {(copy - (16 * ends + 0.5) / 17).abs().max():.1e}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Mixing pixels shows two digits at once. The others, at best, pass through strokes that one pen could have drawn. PixelCNN++ has no row: there is nothing to walk in. The mixture has the component, an
# integer. Diffusion gets its row in the next section.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Diffusion: a hierarchical VAE whose encoder only adds noise
#
# A hierarchical VAE (lecture 10) stacks latents $x_1, \dots, x_T$ above the data $x_0$, and struggles to train encoder and decoder together. **Diffusion** gives up on learning the encoder. It shrinks the image a little and adds a
# little noise, $T$ times:
#
# $$ q(x_t \mid x_{t-1}) = \mathcal N(\sqrt{\alpha_t}\, x_{t-1},\; (1 - \alpha_t) I). $$
#
# A sum of Gaussians is Gaussian, so $t$ steps are one, with $\bar\alpha_t = \alpha_1 \cdots \alpha_t$:
#
# $$ q(x_t \mid x_0) = \mathcal N(\sqrt{\bar\alpha_t}\, x_0,\; (1 - \bar\alpha_t) I), \qquad x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon. $$
#
# At $t = T$ nothing is left of the image, and $x_T$ is standard normal: a prior that is right by construction. Let us take the steps one by one, from one image and 4,000 times over, and measure.

# %% slideshow={"slide_type": "fragment"}
T = 100
times = torch.arange(T + 1, dtype=torch.float64) / T
curve = torch.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2  # Nichol and Dhariwal (2021): falls slowly at both ends
alphas = torch.cat([torch.ones(1), (curve[1:] / curve[:-1]).clamp(min=0.001)])
alpha_bars = alphas.cumprod(0)
assert torch.allclose(alpha_bars, ddpm.schedule.alpha_bars)

torch.manual_seed(0)
image = 2 * test[first].double() - 1
x, kept, spread, strip = image.expand(4000, 1, 8, 8), [1.0], [0.0], [image]
for t in range(1, T + 1):
    x = alphas[t].sqrt() * x + (1 - alphas[t]).sqrt() * torch.randn_like(x)
    kept.append(((x.mean(0) * image).sum() / image.square().sum()).item())  # how much of the image is in the mean
    spread.append(x.std(0).mean().item())
    strip.append(x[0])
worst = max(
    abs(torch.tensor(kept) - alpha_bars.sqrt()).max(), abs(torch.tensor(spread) - (1 - alpha_bars).sqrt()).max()
)
print(f"step by step against closed form: the largest difference is {worst:.4f}; left at T: {alpha_bars[-1]:.1e}")

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(7.4, 2.4), width_ratios=[1, 1.3])
axes[0].plot(alpha_bars.sqrt(), label=r"$\sqrt{\bar\alpha_t}$")
axes[0].plot((1 - alpha_bars).sqrt(), label=r"$\sqrt{1 - \bar\alpha_t}$")
axes[0].plot(range(0, T + 1, 10), kept[::10], "o", color="C0", markersize=4)
axes[0].plot(range(0, T + 1, 10), spread[::10], "o", color="C1", markersize=4)
axes[0].set(xlabel="step $t$")
axes[0].legend()
shown = [0, 5, 10, 20, 30, 40, 50, 60, 80, 100]
plotting.image_grid(
    torch.stack([strip[t] for t in shown]).clamp(-2, 2) / 4 + 0.5, axes[1], 5, [f"t = {t}" for t in shown]
)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Curves: the formula. Dots: what 4,000 walks of single steps did. On the right, one of the walks.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The bound is a sum of denoising errors
#
# The decoder goes back step by step, $p(x_{t-1} \mid x_t)$, and the ELBO of a hierarchical VAE is
#
# $$ -\text{ELBO} = \underbrace{-\log p(x_0 \mid x_1)}_{\text{17 bins}} + \sum_{t=2}^T \mathrm{KL}\big(q(x_{t-1} \mid x_t, x_0) \,\|\, p(x_{t-1} \mid x_t)\big) + \underbrace{\mathrm{KL}(q(x_T \mid x_0) \,\|\, \mathcal N(0, I))}_{\text{nearly } 0}. $$
#
# The first argument of each KL is known: by Bayes' rule it is Gaussian, with a mean that is a weighted sum of $x_0$ and $x_t$, and a variance $\tilde\beta_t$. Let $p$ be the same, with the network's *guess* in place of $x_0$. Then both have one
# variance, and the KL is a squared distance of means. A guess at $x_0$ is as good as a guess at the noise, $\hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\, \hat\epsilon) / \sqrt{\bar\alpha_t}$, so finally
#
# $$ \mathrm{KL}_t = w_t\, \|\epsilon - \hat\epsilon(x_t, t)\|^2, \qquad w_t = \frac{(1 - \alpha_t)^2}{2 \tilde\beta_t\, \alpha_t (1 - \bar\alpha_t)}. $$
#
# *Learning to generate is learning to denoise.* Ho et al. (2020) dropped $w_t$ altogether, which gives the loss of five lines below. We check it against the library's, and the formula for $\mathrm{KL}_t$ on the trained network.


# %% slideshow={"slide_type": "fragment"}
def denoising_loss(network, x):
    t = torch.randint(1, T + 1, (len(x),))
    noise = torch.randn_like(x)
    left = alpha_bars[t].float().view(-1, 1, 1, 1)
    return (noise - network(left.sqrt() * x + (1 - left).sqrt() * noise, t)).square().mean()


losses = []
for loss in (lambda x: denoising_loss(ddpm.network, x), ddpm.loss):
    torch.manual_seed(0)
    with torch.no_grad():
        losses.append(loss(2 * test - 1).item())
print(f"loss by hand {losses[0]:.6f}, of the library {losses[1]:.6f}")
x, weight = 2 * test - 1, {}
for step in (2, 3, 5, 10, 50, 90):
    t, noise = torch.full((len(x),), step), torch.randn_like(x)
    x_t = ddpm.schedule.add_noise(x, t, noise)
    guess = ddpm(x_t, t).detach()
    due, variance = ddpm.schedule.posterior(x_t, x, t)
    mean, _ = ddpm.schedule.posterior(x_t, ddpm.schedule.denoised(x_t, t, guess), t)
    kl = ((due - mean) ** 2 / (2 * variance)).sum((1, 2, 3))
    a, a_bar = alphas[step], alpha_bars[step]
    weight[step] = ((1 - a) ** 2 / (2 * variance[0, 0, 0, 0] * a * (1 - a_bar))).item()
    assert torch.allclose(kl, weight[step] * (noise - guess).square().sum((1, 2, 3)), rtol=1e-2)
print("weights that the loss drops:", ", ".join(f"t = {t}: {w:.3f}" for t, w in weight.items()))

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The chain back
#
# To sample, start from noise and draw $x_{t-1}$ from $p(x_{t-1} \mid x_t)$, again and again. Here it is by hand, with the trained network; the library's sampler, given the same random numbers, must give the same images.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def chain(network, num_samples, generator):
    """Yield t, x_t and the guess at x_0, for t = T ... 1; at last 0, x_0 and x_0."""
    x = torch.randn(num_samples, 1, 8, 8, generator=generator)
    for t in range(T, 0, -1):
        a, a_bar, before = alphas[t], alpha_bars[t], alpha_bars[t - 1]
        noise = network(x, torch.full((num_samples,), t))
        x_0 = ((x - (1 - a_bar).sqrt() * noise) / a_bar.sqrt()).clamp(-1, 1)
        yield t, x, x_0
        mean = before.sqrt() * (1 - a) / (1 - a_bar) * x_0 + a.sqrt() * (1 - before) / (1 - a_bar) * x
        x = mean.float()
        if t > 1:
            variance = (1 - before) / (1 - a_bar) * (1 - a)
            x = x + variance.sqrt().float() * torch.randn(x.shape, generator=generator)
    yield 0, x, x


frames = list(chain(ddpm.network, 8, torch.Generator().manual_seed(1)))
ours, theirs = frames[-1][1], ddpm.sample(8, torch.Generator().manual_seed(1))
print(f"by hand against the library: the largest difference is {(ours - theirs).abs().max():.1e}")
assert FAST or torch.allclose(ours, theirs, atol=1e-2)

# %% slideshow={"slide_type": "subslide"}
from itertools import pairwise

from course_utils.animation import animate

kept_frames = [frames[index] for index in (0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 98, 100)]


def draw_frame(figure, n):
    t, x_t, x_0 = kept_frames[n]
    rows = {"$x_t$": x_t.clamp(-2, 2) / 4 + 0.5 if t else (x_t + 1) / 2, "guess": (x_0 + 1) / 2}
    plotting.compare_rows(rows, ax=figure.subplots()).set_title(f"t = {t}", fontsize=9)


alt = "Eight fields of noise turn into digits while the network's guess at each goes from a blur to a sharp image."
animate(draw_frame, len(kept_frames), alt=alt, figsize=(4.6, 1.6), seconds=0.5, num_colors=16)

# %% [markdown] slideshow={"slide_type": "notes"}
# Above: $x_t$. Below: the guess at $x_0$. The very first guess is wild: it is divided by $\sqrt{\bar\alpha_T}$, which is nearly 0, so that the slightest error in the noise fills the range, and only the cut at $[-1, 1]$ holds it. Its weight in the next mean is as small, and no harm is done. Halfway, when little
# can be known, the guess is a blur between digits, and it gets definite as decisions are made: large shapes first, then details.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Fewer steps: DDIM
#
# A hundred calls for an image are many. Song et al. (2020) noticed that training only ever uses $q(x_t \mid x_0)$, and that other chains share it. One of them has no noise at all: compute $\hat x_0$ and the noise $\hat\epsilon$ that belongs to
# it, and put them together again for an *earlier* time $s$, as many steps back as you like:
#
# $$ x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s}\, \hat\epsilon. $$
#
# The image is then a *function* of the first noise $x_T$, and that is a latent space after all. How does quality fall with the number of steps?

# %% slideshow={"slide_type": "fragment"}
counts_of_steps = [5] if FAST else [2, 3, 5, 10, 20, 50]
curve, strip = [], {}
for steps in counts_of_steps:
    found = []
    for seed in range(3):
        x = ddpm.sample_ddim(num_samples, steps, torch.Generator().manual_seed(seed))
        found.append(judge((8 * (x + 1)).round() / 16)[0])
    curve.append((sum(found) / 3, torch.tensor(found).std().item()))
    strip[f"{steps} steps"] = (x[:10] + 1) / 2
fig, axes = plt.subplots(1, 2, figsize=(7.4, 2.6), width_ratios=[1, 1.2])
axes[0].errorbar(counts_of_steps, *zip(*curve, strict=True), fmt="o-", markersize=4, label="DDIM")
axes[0].errorbar([T], *([value] for value in quality["diffusion (DDPM)"][0]), fmt="s", markersize=5, label="DDPM")
axes[0].axhline(floor, color="black", linewidth=1, label="real digits")
axes[0].set(xscale="log", yscale="log", xlabel="steps", ylabel="Fréchet distance")
axes[0].legend(fontsize=8)
plotting.compare_rows(strip, axes[1])
plt.show()
for steps, (distance, deviation) in zip(counts_of_steps, curve, strict=True):
    print(
        f"DDIM, {steps:2} steps: Fréchet distance {distance:5.1f} +- {deviation:.1f}, {T / steps:4.0f} times fewer calls"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# Down each column on the right the noise is the same, and so, from a few steps on, is the digit: more steps only work it out more finely. And since the noise decides, we can walk in it.


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def ddim(x, num_steps):
    times = torch.linspace(T, 0, num_steps + 1).round().long()
    for now, then in pairwise(times):
        x_0, noise = ddpm.guess(x, now.expand(len(x)))
        x = alpha_bars[then].sqrt().float() * x_0 + (1 - alpha_bars[then]).sqrt().float() * noise
    return x


noise = torch.randn(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))
again = ddpm.sample_ddim(200, 20, torch.Generator().manual_seed(0))
assert torch.allclose(ddim(noise, 20), again, atol=1e-3)
rows = {
    f"walk {k + 1}": (ddim(walk(*noise[2 * k : 2 * k + 2].flatten(1)).view(-1, 1, 8, 8), 20) + 1) / 2 for k in range(3)
}
plotting.compare_rows(rows, ax=plt.subplots(figsize=(6.6, 2))[1])
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Where the bits go
#
# In the table the diffusion model had good samples and a poor bound. The bound is a sum over steps, so we can ask each what it costs.
#
# Suspect: the variance. The decoder's is $\tilde\beta_t$, that of a posterior which *knows* $x_0$. The network does not know it, and at the last steps, where $\tilde\beta_t$ is tiny, being wrong by a fraction of a grey level is punished as overconfidence. So let each
# step have a variance of its own, one number, $\sigma_t^2 = (1 + r_t)\, \tilde\beta_t$. With $d^2$ the squared distance of the means and $D = 64$,
#
# $$ \mathrm{KL} = \tfrac12 \Big[ D \log (1 + r_t) + D \Big( \frac1{1 + r_t} - 1 \Big) + \frac{d^2}{(1 + r_t)\, \tilde\beta_t} \Big], $$
#
# smallest on average at $r_t = \operatorname{E}[d^2] / (D \tilde\beta_t)$, which we measure on *training* images. The network stays as it is. (Nichol and Dhariwal 2021 learn these variances; Bao et al. 2022, arXiv:2201.06503, derive the best ones.)

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(1)
with torch.no_grad():
    of_train = ddpm.bound_terms(2 * train[:300] - 1)
r = 2 * of_train[:, 1:T].mean(0) / 64
fitted = terms.clone()
fitted[:, 1:T] = 0.5 * (64 * (torch.log1p(r) + 1 / (1 + r) - 1) + 2 * terms[:, 1:T] / (1 + r))
to_bits = 1 / (64 * math.log(2))
fig, ax = plt.subplots(figsize=(5.6, 2.5))
for name, values in {"variance of the posterior": terms, "variance fitted": fitted}.items():
    mean, error = bits(-values.sum(1))
    ax.plot(range(1, T + 2), (values.mean(0) * to_bits).tolist(), ".-", label=f"{name}: {mean:.3f} bits in all")
    first_five = values[:, :5].sum(1).mean().item() * to_bits
    print(f"{name:26} {mean:.3f} +- {error:.3f} bits per dimension, of which {first_five / mean:.0%} in t = 1 to 5")
ax.set(xscale="log", xlabel="step $t$ (the last is the prior)", ylabel="bits per dimension")
ax.legend()
plt.show()
print(f"t = 1, the 17 bins: {terms[:, 0].mean() * to_bits:.3f}; the prior's KL: {terms[:, T].mean() * to_bits:.1e}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# A hundred numbers, fitted after training, change the likelihood by more than the choice between VAE and flow did, and not one sample in the table: they were drawn before. *Half of the bits are in the last five steps*, where grey levels are
# settled; the picture is made in the 95 before, which share the rest. This is reason one of section 4, in one figure: likelihood and looks are spent at different times.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Where the field went
#
# Nearly every line below is a part of this course, put together anew.
#
# - **Score models.** The best guess at the noise is a slope: $\operatorname{E}[\epsilon \mid x_t] = -\sqrt{1 - \bar\alpha_t}\, \nabla \log q(x_t)$. Learn the **score** $\nabla \log q$ and walk uphill with noise (Song and Ermon 2019, arXiv:1907.05600). With infinitely
#   many steps the chain is a stochastic differential equation, DDIM an ordinary one, and that is a continuous flow with an exact density (Song et al. 2021, arXiv:2011.13456; lecture 8's FFJORD).
# - **Likelihood.** Trained on the bound itself, with a learned schedule, diffusion is among the best density models (Kingma et al. 2021, arXiv:2107.00630).
# - **Guidance.** $\nabla \log p(x \mid y) = \nabla \log p(x) + \nabla \log p(y \mid x)$: push each step with a classifier's gradient (Dhariwal and Nichol 2021, arXiv:2105.05233), or with the difference of a network that is told the label and one that is not
#   (Ho and Salimans 2022, arXiv:2207.12598). Sharper and less varied: precision bought with recall.
# - **Latent diffusion.** Compress by an autoencoder with a GAN's patch loss (lectures 10, 11, 14), diffuse its codes: a fraction of the work (Rombach et al. 2021, arXiv:2112.10752). Transformers replace the U-Net (Peebles and Xie 2022, arXiv:2212.09748).
# - **Flow matching.** Draw straight lines from noise to data and regress their velocity: a continuous flow, trained without solving it, and few steps to sample (Lipman et al. 2022, arXiv:2210.02747; Liu et al. 2022, arXiv:2209.03003). **Consistency models** jump in one step
#   (Song et al. 2023, arXiv:2303.01469).
# - **Autoregressive transformers.** The chain rule of lecture 5 over *tokens*, codes of an autoencoder with a finite dictionary (van den Oord et al. 2017, arXiv:1711.00937; Esser et al. 2020, arXiv:2012.09841), or over whole scales, coarse to fine
#   (Tian et al. 2024, arXiv:2404.02905).
# - **Text to image.** Text tokens before image tokens (Ramesh et al. 2021, arXiv:2102.12092); or diffusion, guided by text features (Radford et al. 2021, arXiv:2103.00020; Ramesh et al. 2022, arXiv:2204.06125; Saharia et al. 2022, arXiv:2205.11487).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. What to choose when
#
# The figures in this list are those of the table, put in by the cell.


# %% slideshow={"slide_type": "fragment"}
def both(name):
    return f"{bits(log_prob[name])[0]:.3f} bits" if name in log_prob else "no likelihood"


fits, flaw = "diffusion (DDPM)", "PixelCNN++"
best = min(log_prob, key=lambda name: bits(log_prob[name])[0])
nearest = min(draw, key=lambda name: quality[name][0][0])
advice = [
    f"**You need $\\log p(x)$, to compress, to compare or to reject**: an autoregressive model. Best of all here: {best}, {both(best)}, and exact. A flow if you also need an inverse ({both('flow (RealNVP)')}, a bound).",
    f"**You need samples, fast**: a GAN. {1000 * alone['GAN']:.2g} ms for an image, against {1000 * alone[flaw]:.0f} ({flaw}) and {1000 * alone[fits]:.0f} ({fits}), at Fréchet distance {quality['GAN'][0][0]:.1f} (real digits {floor:.1f}). Its precision here is {quality['GAN'][1][0]:.2f}, its recall {quality['GAN'][2][0]:.2f}: measure both, since a game may drop modes without a sign in its losses (lecture 11).",
    f"**You need samples, good and varied, and training that does not break**: diffusion. One plain regression loss; Fréchet distance {quality[fits][0][0]:.1f}, precision {quality[fits][1][0]:.2f}, recall {quality[fits][2][0]:.2f}; DDIM for speed. It took the longest to train here ({cost[fits][1]:.0f} s).",
    f"**You need a code of few numbers**: a VAE. {cost['VAE'][1]:.0f} s of training, 16 numbers, {both('VAE')}; samples are its weak side (Fréchet distance {quality['VAE'][0][0]:.1f}). For reconstruction alone, an autoencoder will do.",
    "**You need to complete an image**: in raster order, an autoregressive model does it without retraining; for holes of any shape, diffusion (put the known pixels back, noised, at every step) or pix2pix.",
    f"**You have little data, or little time**: a mixture of Gaussians, {cost['mixture of Gaussians'][1]:.1f} s. It is the baseline that the others must beat: {both('mixture of Gaussians')}, Fréchet distance {quality['mixture of Gaussians'][0][0]:.1f}. Nearest to the real digits in this run: {nearest}.",
]
display(Markdown("\n".join(f"{k + 1}. {line}" for k, line in enumerate(advice))))

# %% [markdown] slideshow={"slide_type": "notes"}
# One data set of tiny images, one training run each, seconds of training: the table teaches how to *compare*, and shows what follows from each family's construction (64 calls, no density, a bound). It does not rank families for
# photographs, where sizes and budgets are a million times larger.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. What remains hard
#
# **Evaluation.** Every measure of this lecture can be fooled (lecture 4). The Fréchet distance depends on the features, on the number of images, on how they were resized; people disagree with it; and for text to image there is not even agreement on what to ask.
#
# **Memorisation.** A model that copies its training set has perfect samples. Large diffusion models do give back some training images nearly unchanged (Carlini et al. 2023, arXiv:2301.13188; Somepalli et al. 2022, arXiv:2212.03860), which is a
# matter of copyright and of privacy. The distance to the nearest training image tells, if you know what is normal: for that, take real images that were held out.

# %% slideshow={"slide_type": "fragment"}


def to_nearest(images):
    return torch.cdist(images.flatten(1), train.flatten(1)).amin(1)


usual = to_nearest(test)
print(f"held-out digits: median distance to the nearest training image {usual.median():.2f}, least {usual.min():.2f}")
for name, sets in samples.items():
    found = to_nearest(torch.cat(sets))
    closer = (found < usual.quantile(0.05)).double().mean()
    print(
        f"{name:22} median {found.median():.2f}, least {found.min():.2f}, nearer than 95 % of real digits: {closer:.1%}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# A model that had learned the data, no more and no less, would show about 5 % in the last column. Far more, and it copies; far less, and its samples are off the data. (A model of blurred or typical digits may also come close without copying: look at the pairs.)
#
# **Misuse, consent, bias.** The same networks that complete an image put a person's face into a film that she never made. Most *deep fakes* found in the wild are pornographic and made without consent; others imitate voices and faces to defraud, or to lie
# about what a politician said; and once anything may be fake, the guilty can call true recordings fake, too. Detectors (a discriminator is one) lose their edge with every new generator; marks put in by honest makers and signed records of where a picture comes from help only where they
# are used. The training sets behind the famous models were scraped: photographers, artists and the people in the pictures were not asked, and among the images were medical records and abuse. And a generative model does by design what its data do: who is rare in the data is rarer in the samples
# (dropped modes are *recall*, and they are not dropped at random), and asked for "a doctor" it draws the majority's idea of one. None of that is repaired by a better likelihood. What you can do: know and document your data, and ask for consent where people are in them; measure quality
# and recall *for each group*, not on average; test for copies before you release; say that a picture is generated; think about who can be harmed before, not after; and decline work whose purpose is to deceive.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. The course in one page

# %% slideshow={"slide_type": "fragment"}
from pathlib import Path

links = {int(path.stem[:2]): path.name for path in Path().glob("[0-9][0-9]_*.ipynb")}


def linked(*numbers):
    return ", ".join(f"[{n}]({links[n]})" if n in links else str(n) for n in numbers)


# %% slideshow={"slide_type": "fragment"}
page = [
    ("learning from data", r"$\max_\theta \sum_n \log p_\theta(x_n)$", "it must generalise, and only held-out data tell", (1,)),
    ("Gaussian mixture, kernel density", r"$p(x) = \sum_k w_k \mathcal N(x; \mu_k, \Sigma_k)$", "no idea of an image", (2, 3)),
    ("Boltzmann machine", r"$p(x) = e^{-E(x)} / Z$", "$Z$, and a chain to sample", (4,)),
    ("NADE, MADE", r"$p(x) = \prod_i p(x_i \mid x_{<i})$", "an order, and one value at a time", (5,)),
    ("PixelRNN, PixelCNN", r"the same, pixels in raster order", "sampling takes a call a pixel; no code", (6, 7)),
    ("flow", r"$\log p(x) = \log p_z(f(x)) + \log \lvert \det J_f \rvert$", "invertible: no smaller code, restricted layers", (8,)),
    ("autoencoder", r"$\min \lVert x - g(f(x)) \rVert^2$", "cannot sample", (9,)),
    ("VAE", r"$\log p(x) \ge \mathrm E_q[\log p(x \mid z)] - \mathrm{KL}(q \,\Vert\, p)$", "a bound; blur", (10,)),
    ("GAN", r"$\min_G \max_D \mathrm E[\log D(x)] + \mathrm E[\log(1 - D(G(z)))]$", "an unstable game, dropped modes, no likelihood", (11,)),
    ("conditional GAN, InfoGAN", r"$\ldots$ given $y$; $\ldots - \lambda I(c; G(z, c))$", "what the codes mean is up to chance", (12,)),
    ("StyleGAN", r"$y_s (x - \mu(x)) / \sigma(x) + y_b$, with $y = A f(z)$", "one kind of well-aligned image", (13,)),
    ("pix2pix, CycleGAN", r"$\mathrm{GAN} + \lambda \lVert y - G(x) \rVert_1$; $\lVert F(G(x)) - x \rVert_1$", "pairs; or a cycle that may hide information", (14,)),
    ("diffusion", r"$\min \mathrm E \lVert \epsilon - \hat\epsilon(x_t, t) \rVert^2$", "many calls for a sample", (15,)),
]  # fmt: skip
lines = ["| family | equation | weakness | lecture |", "| --- | --- | --- | --- |"]
lines += [f"| {name} | {equation} | {flaw} | {linked(*numbers) if numbers != (15,) else 'here'} |" for name, equation, flaw, numbers in page]  # fmt: skip
display(Markdown("\n".join(lines)))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Likelihoods are compared on the same discrete data, in bits per dimension, with *exact* or *bound* said beside each. A GAN and an autoencoder have none.
# - The order by likelihood and the order by samples differ: bits pay for detail that nobody sees, and for honesty about what is not known.
# - Sampling takes one call (VAE, GAN, flow), one a pixel (autoregressive), or one a step (diffusion).
# - Diffusion is a hierarchical VAE with a fixed encoder; its bound is a weighted sum of denoising errors; it is trained with the weights dropped. DDIM makes it a function of its noise, and fast.
# - No family wins every column. Choose by what you need.
#
# ## Exercises
#
# 1. (10 minutes, easy) Which columns of the table would change if the digits were scaled to $16 \times 16$ with 256 levels? Which would no longer be comparable with ours?
# 2. (15 minutes, easy) Derive $q(x_t \mid x_0)$ from $q(x_t \mid x_{t-1})$ by induction.
# 3. (20 minutes, medium) Derive $w_t$. What becomes of the weights if the network guesses $x_0$ rather than the noise?
# 4. (15 minutes, easy) Fit the mixture of ten Gaussians to the VAE's codes (draws of $q(z \mid x)$), and sample codes from it instead of the prior. What becomes of Fréchet distance, precision, recall, and what of the likelihood?
# 5. (20 minutes, medium) Sample with the fitted variances of section 6. Do Fréchet distance, precision and recall change by more than sampling noise?
# 6. (25 minutes, medium) Train the diffusion model with the weights $w_t$ left in. What happens to the bound, and what to the samples?
# 7. (30 minutes, harder) Inpaint: at each step of the chain, replace the pixels of the upper half by those of a test digit, noised to time $t$. Compare with PixelCNN++, which completes the lower half exactly.
# 8. (30 minutes, harder) Guidance: train a classifier on noisy digits and add its gradient to the guess. Plot precision against recall for five strengths.
# 9. (15 minutes, thought) You are asked for a model that draws portraits for a job advertisement. List what you would want to know, measure and refuse.
#
# ## References
#
# 1. J. Sohl-Dickstein, E. Weiss, N. Maheswaranathan, S. Ganguli (2015). *Deep unsupervised learning using nonequilibrium thermodynamics*. arXiv:1503.03585.
# 2. J. Ho, A. Jain, P. Abbeel (2020). *Denoising diffusion probabilistic models*. arXiv:2006.11239.
# 3. J. Song, C. Meng, S. Ermon (2020). *Denoising diffusion implicit models*. arXiv:2010.02502.
# 4. A. Nichol, P. Dhariwal (2021). *Improved denoising diffusion probabilistic models*. arXiv:2102.09672.
# 5. Y. Song, J. Sohl-Dickstein, D. Kingma, A. Kumar, S. Ermon, B. Poole (2021). *Score-based generative modeling through stochastic differential equations*. arXiv:2011.13456.
# 6. D. Kingma, T. Salimans, B. Poole, J. Ho (2021). *Variational diffusion models*. arXiv:2107.00630.
# 7. R. Rombach, A. Blattmann, D. Lorenz, P. Esser, B. Ommer (2021). *High-resolution image synthesis with latent diffusion models*. arXiv:2112.10752.
# 8. Y. Lipman, R. Chen, H. Ben-Hamu, M. Nickel, M. Le (2022). *Flow matching for generative modeling*. arXiv:2210.02747.
# 9. L. Theis, A. van den Oord, M. Bethge (2016). *A note on the evaluation of generative models*. arXiv:1511.01844.
# 10. M. Heusel et al. (2017). *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*. arXiv:1706.08500.
# 11. T. Kynkäänniemi et al. (2019). *Improved precision and recall metric for assessing generative models*. arXiv:1904.06991.
# 12. N. Carlini et al. (2023). *Extracting training data from diffusion models*. arXiv:2301.13188.
# 13. F. Bao, C. Li, J. Zhu, B. Zhang (2022). *Analytic-DPM: an analytic estimate of the optimal reverse variance in diffusion probabilistic models*. arXiv:2201.06503.
