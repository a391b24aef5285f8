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
# # Lecture 13: StyleGAN
#
# **You will**
#
# - see why noise that must be round cannot hold data that are not, and what a learned latent space changes;
# - write adaptive instance normalisation by hand, and check what a style can change and what it cannot;
# - train a small StyleGAN on drawn faces whose factors are known, with style mixing and a gradient penalty;
# - copy coarse, middle and fine styles from one face to another, and *measure* what each layer controls;
# - switch chance on and off, trade variety for quality by truncation, and measure how straight a latent space is.
#
# **You need** lecture 11 (the game, progressive growing, walks in latent space), lecture 12 (what disentangled means); PyTorch.
#
# **Time and hardware.** 90 minutes to read; all cells together run in three to four minutes on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=70)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Round noise, and data that are not round
#
# A generator of lecture 11 takes $z \sim \mathcal N(0, I)$: a round cloud, whatever the data. Suppose faces vary in two **factors**, hair length $a$ and beard $b$, both from 0 to 1, and that one corner of the square
# is empty: nobody in the data has long hair *and* a full beard. The round cloud must be laid onto a square with a corner cut out. It can only be done by bending. Then a straight walk in $z$, meant to
# change the hair, changes the beard as well: the factors are **entangled**.
#
# StyleGAN (Karras et al. 2018) puts a network in between, the **mapping network**
#
# $$ w = f(z), \qquad x = g(w), $$
#
# and lets $g$, the **synthesis network**, make the image of $w$. The density of $w$ is nobody's choice: it is whatever $f$ makes of the round cloud, so it may have a missing corner itself. All bending can go into $f$.
#
# We try it, with $f$ of several layers, and $g$ as simple as it gets: one linear layer.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.gan import discriminator_loss, generator_loss
from course_utils.models.adversarial.stylegan import r1_penalty


def mlp(num_in, num_out, hidden_dim=48):
    layers = [nn.Linear(num_in, hidden_dim), nn.LeakyReLU(0.2)]
    for _ in range(2):
        layers += [nn.Linear(hidden_dim, hidden_dim), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(hidden_dim, num_out))


def faces_without_corner(num_points):
    x = torch.rand(2 * num_points, 2)
    return 2 * x[~((x > 0.5).all(1))][:num_points] - 1  # now from -1 to 1


torch.manual_seed(0)
f, g, judge = mlp(2, 2), nn.Linear(2, 2), mlp(2, 1)
adam_g = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=1e-3, betas=(0.0, 0.99))
adam_d = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.0, 0.99))

# %% [markdown] slideshow={"slide_type": "subslide"}
# The game is lecture 11's, with one more term for the discriminator. $R_1 = \frac12\, \mathbb E_{x \sim \text{data}} \lVert \nabla_x D(x) \rVert^2$ asks its logit $D$ to be flat *on the data* (Mescheder et al. 2018). Why there? Once the
# fakes are where the data are, nothing should pull them away; a discriminator that has slope there makes the generator circle around the solution instead of staying (lecture 11's swings). StyleGAN uses it, and so shall we.

# %% slideshow={"slide_type": "fragment"}
for _ in range(20 if FAST else 1200):
    real, fake = faces_without_corner(256), g(f(torch.randn(256, 2)))
    loss_d = discriminator_loss(judge(real), judge(fake.detach())) + 0.1 * r1_penalty(judge, real)
    adam_d.zero_grad()
    loss_d.backward()
    adam_d.step()
    loss_g = generator_loss(judge(g(f(torch.randn(256, 2)))))
    adam_g.zero_grad()
    loss_g.backward()
    adam_g.step()

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    z = torch.randn(4000, 2)
    w = f(z)
    x = g(w)
fig, axes = plt.subplots(1, 4, figsize=(8.4, 2.3))
axes[0].scatter(*faces_without_corner(1500).T.numpy(), s=2)
axes[0].set(title="data: a corner is missing", xlabel="$a$", ylabel="$b$")
for ax, points, name in ((axes[1], z, "z"), (axes[2], w, "w"), (axes[3], x, "x")):
    ax.scatter(*points[:, :2].T.numpy(), c=x[:, 0].numpy(), s=3, cmap="viridis", vmin=-1, vmax=1)
    ax.set(title={"z": "noise $z$", "w": "latent $w = f(z)$", "x": "fakes $g(w)$"}[name], xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The colour is factor $a$ of the fake. In $z$, lines of equal colour are bent and spread unevenly; in $w$, which has a missing corner of its own, they are straight and parallel.
#
# Now in numbers. *How much of a factor does the best linear function of the latent explain?* ($R^2$.) With our linear $g$ this is 1 in $w$ by construction; the question is what $z$ loses. *How evenly does the output move* along a straight walk between two latents? (The mean squared speed over the squared distance of the ends: 1 for a
# straight even walk.) And *how often does a walk pass through the empty corner?*

# %% slideshow={"slide_type": "fragment"}


def explained(latents, targets):
    """R^2 of the best linear function from latents (N, L) to each column of targets (N, K)."""
    design = torch.cat([latents, torch.ones(len(latents), 1)], 1).double()
    residual = targets - design @ torch.linalg.lstsq(design, targets.double()).solution
    return (1 - residual.var(0) / targets.var(0)).tolist()


def walk(latent_a, latent_b, make, num_steps=101):
    t = torch.linspace(0, 1, num_steps)[:, None, None]
    points = make(latent_a + t * (latent_b - latent_a)).detach()  # (steps, N, 2)
    squared_speed = ((points.diff(dim=0) * (num_steps - 1)) ** 2).sum(2).mean()
    in_corner = (points > 0.15).all(2).float().mean()  # well inside the corner, not at its edge
    return (squared_speed / ((points[-1] - points[0]) ** 2).sum(1).mean()).item(), in_corner.item()


for name, latents, make in (("z", z, lambda z: g(f(z))), ("w", w, g)):
    r2_a, r2_b = explained(latents, x)
    speed, in_corner = walk(latents[:2000], latents[2000:], make)
    print(f"{name}: R^2 of a {r2_a:.3f}, of b {r2_b:.3f};", end=" ")
    print(f"squared speed of a walk {speed:.2f}; in the empty corner {in_corner:.1%} of the way")

# %% [markdown] slideshow={"slide_type": "notes"}
# Mind the last figure: a straight walk in $w$ is straight in the factors, and so it may cross the corner where no data are. That is the price: in $w$ the factors are free of each other, also in combinations that nobody has seen. A walk in $z$ goes around the corner.
#
# In this toy $g$ had no other choice than to be straight. Nothing in the *loss* of a StyleGAN asks for it. The authors' conjecture: a simple $g$ is easier to learn, so training leans that way. Section 10 measures.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Data with coarse, middle and fine factors
#
# StyleGAN's figures are about faces. So are ours, but drawn: `data.cartoons` draws faces from nine known factors: **pose** (place `x`, `turn`), **parts** (`width`, length of `hair`, `eyes`, `smile`) and **colours** (`skin`, `hair colour`, `background`). Two things are chance, said by no factor: how light each curl of hair is, and where the
# freckles sit. Here they are at 16x16 pixels, as we shall train, and one at 32x32 drawn six times with the same factors.

# %% slideshow={"slide_type": "fragment"}
faces, factors = data.cartoons(2000 if FAST else 10_000, size=16, seed=0)
fixed = torch.tensor([[0.5, 0.4, 0.6, 0.7, 0.6, 0.9, 0.9, 0.5, 0.55]]).expand(6, -1)
chance = data.cartoon_detail(6, torch.Generator().manual_seed(0))
fig, axes = plt.subplots(2, 1, figsize=(6, 3.2), height_ratios=[2, 1])
plotting.image_grid(faces[:24], axes[0], num_columns=12)
plotting.image_grid(data.render_cartoons(fixed, chance, size=32), axes[1], num_columns=6)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# Known factors are worth a measuring instrument: a small network that reads them off an image, trained on drawn faces, never on generated ones. (Background is an angle on the circle of hues, so it reads cosine and sine.) Later it tells us what a style has changed.

# %% slideshow={"slide_type": "fragment"}


def scaled(factors):
    """Factors (N, 9) in [0, 1] as targets (N, 10): the first eight in [-1, 1], and the hue's cosine and sine."""
    angle = 2 * torch.pi * factors[:, 8:]
    return torch.cat([2 * factors[:, :8] - 1, angle.cos(), angle.sin()], 1)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
reader = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 48, 3, padding=1))
reader.extend([nn.ReLU(), nn.Flatten(), nn.Linear(48 * 64, 64), nn.ReLU(), nn.Linear(64, 10)])
optimizer = torch.optim.Adam(reader.parameters(), lr=1e-3)
for _ in range(1 if FAST else 4):
    for chosen in torch.randperm(len(faces)).split(64):
        loss = F.mse_loss(reader(2 * faces[chosen] - 1), scaled(factors[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
reader.requires_grad_(False)
test_faces, test_factors = data.cartoons(2000, size=16, seed=1)
error = (reader(2 * test_faces - 1) - scaled(test_factors)).square().mean(0)
for name, r2 in zip(
    [*data.CARTOON_FACTORS[:8], "hue cos", "hue sin"], 1 - error / scaled(test_factors).var(0), strict=True
):
    print(f"{name} {r2:.2f}", end="   ")

# %% [markdown] slideshow={"slide_type": "notes"}
# The figures are $R^2$ on new faces: the share of each factor's variance that the reader gets right. Length of hair and smile are hard to see on 16 pixels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Style: adaptive instance normalisation
#
# How does $w$ get into the image? Not at the input. The synthesis network starts from a **constant**, a learned array of 4x4 pixels that is the same for all images. In every layer $\ell$, a learned affine map turns $w$ into a **style**: two numbers a channel, a scale and a shift,
#
# $$ y = (y_s, y_b) = A_\ell\, w + c_\ell, \qquad \mathrm{AdaIN}(x, y)_i = y_{s, i} \, \frac{x_i - \mu(x_i)}{\sigma(x_i)} + y_{b, i}, $$
#
# where $x_i$ is channel $i$ of *one* image's features, and $\mu, \sigma$ its mean and standard deviation over the pixels (Huang & Belongie 2017). By hand:

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.stylegan import adain


def adain_by_hand(x, style_scale, style_bias):
    """x (B, C, H, W), scale and bias (B, C)."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    deviation = x.var(dim=(2, 3), keepdim=True, correction=0).add(1e-5).sqrt()
    return style_scale[:, :, None, None] * (x - mean) / deviation + style_bias[:, :, None, None]


features = data.cartoons(3, size=16, seed=5).x  # three channels: red, green, blue
scale = torch.tensor([[0.2, 0.2, 0.2], [0.1, 0.25, 0.1], [0.2, -0.2, 0.2]])
bias = torch.tensor([[0.5, 0.5, 0.5], [0.3, 0.5, 0.7], [0.6, 0.5, 0.4]])
rows = {"before": features}
for k in range(3):
    rows[f"style {k + 1}"] = adain_by_hand(features, scale[k].expand(3, 3), bias[k].expand(3, 3)).clamp(0, 1)
torch.testing.assert_close(adain_by_hand(features, scale, bias), adain(features, scale, bias))
fig, ax = plt.subplots(figsize=(2.6, 3))
plotting.compare_rows(rows, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# As features we took the three colours of three faces. All faces in a row have the same style, and so, in each channel, the same mean and contrast: colours of their own are gone. What is *where* stays.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **What a style can change, and what it cannot**, checked on random features of 16 channels.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
h = 3 + 2 * torch.randn(4, 16, 8, 8, dtype=torch.float64)
y_s, y_b = 1 + 0.5 * torch.randn(2, 4, 16, dtype=torch.float64)
out = adain(h, y_s, y_b)
mean_error = (out.mean((2, 3)) - y_b).abs().max()
std_error = (out.std((2, 3), correction=0) - y_s.abs()).abs().max()
print(f"mean of each channel is y_b, deviation |y_s|: largest errors {mean_error:.1e}, {std_error:.1e}")
print(f"brighter by 100, contrast times 5: output changes by {(adain(5 * h + 100, y_s, y_b) - out).abs().max():.1e}")


def normalised(h):
    h = h - h.mean((2, 3), keepdim=True)
    return h / h.square().sum((2, 3), keepdim=True).sqrt()


correlation = (normalised(h) * normalised(out)).sum((2, 3)) * y_s.sign()
print(f"pattern of a channel before and after, correlation (with the sign of y_s): {correlation.min():.6f}")
assert correlation.min() > 0.999999
assert max(mean_error, std_error) < 1e-4

# %% [markdown] slideshow={"slide_type": "notes"}
# A style says how strong each pattern is, *everywhere at once*, and forgets how strong it was before. So each layer's style holds until the next AdaIN only, which is why layers can be styled one by one. A style cannot say *where* (the pattern stays). How can it then move a face? Convolution and leaky ReLU come after: the next
# layer adds up patterns, and how much of each it gets was the style's choice. With a strong "edge on the left" and a weak "edge on the right" the sum moves.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Noise: a place for chance
#
# Curls and freckles are chance. A generator that has only $z$ must make its own random numbers, of different values for neighbouring pixels, from a few inputs; this costs capacity, and often shows as repeated patterns. StyleGAN hands it out: after each convolution, **noise** $n_\ell$, one fresh
# $\mathcal N(0, 1)$ number for each *pixel*, is added to all channels, each with a learned strength $b_i$. (The paper starts from 0; we start
# from 0.1, since $b$ and $-b$ do the same, so that 0 is a saddle, which a short training would hardly leave.) One layer, in full:
#
# $$ h \;\leftarrow\; \mathrm{AdaIN}\big(\,\mathrm{lrelu}(\mathrm{conv}(h) + b\, n_\ell),\; A_\ell w + c_\ell\,\big). $$
#
# Two layers at 4x4, double the sides, two at 8x8, and so on; a 1x1 convolution makes colours. Here it is, as a function of a trained or untrained generator's parameters. It is all there is.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.stylegan import StyleGenerator

torch.manual_seed(0)
generator = StyleGenerator((3, 16, 16), latent_dim=16, style_dim=32, hidden_dim=32)


def synthesize_by_hand(generator, w, noises):
    """From w (B, W) and one noise a layer, (B, 1, S, S), to images (B, 3, 16, 16)."""
    h = generator.constant.expand(len(w), -1, -1, -1)
    for k, (layer, noise) in enumerate(zip(generator.layers, noises, strict=True)):
        if k in (2, 4):
            h = F.interpolate(h, scale_factor=2)  # 4x4 to 8x8, 8x8 to 16x16
        if k > 0:
            h = layer.convolution(h)
        h = F.leaky_relu(h + layer.noise_scale[:, None, None] * noise, 0.2)
        y_s, y_b = layer.style(w).chunk(2, dim=1)
        h = adain_by_hand(h, y_s, y_b)
    return torch.tanh(generator.to_image(h))


# %% slideshow={"slide_type": "fragment"}
z, noises = torch.randn(5, 16), generator.noises(5)
for layer in generator.layers:
    nn.init.normal_(layer.noise_scale)  # so that the check sees the noise
with torch.no_grad():
    by_hand = synthesize_by_hand(generator, generator.mapping(z), noises)
    torch.testing.assert_close(by_hand, generator.synthesize(generator.styles(z), noises), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(generator.mapping(9 * z), generator.mapping(z))
for layer in generator.layers:
    nn.init.constant_(layer.noise_scale, 0.1)
print("by hand and from the package: the same image; the mapping network sees only the direction of z")
for name in ("mapping", "layers", "to_image"):
    print(f"{name:9} {sum(p.numel() for p in getattr(generator, name).parameters()):7,} parameters")

# %% [markdown] slideshow={"slide_type": "notes"}
# The mapping network first scales $z$ to a fixed length. **Growing or not?** The paper grows the network as in lecture 11: 4x4 first, then 8x8, each stage faded in. That mattered at 1024x1024. StyleGAN2 (Karras et al. 2019) dropped it, as growing made details stick to fixed places, and used *skip connections*: each resolution adds its own
# contribution to the image, so that early training uses the small ones by itself. For three resolutions neither is needed: we train all layers from the start.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Style mixing, and training
#
# All layers get the same $w$. Then layer 5 may count on what layer 0 was told, and they share the work as they like; a style of one layer alone would mean nothing. **Style mixing** breaks the pact: in training, for most fakes draw *two* latents, $w_A$ for the layers before a random **crossover** $k$ and $w_B$ from there on.
#
# $$ (\underbrace{w_A, \dots, w_A}_{k}, \underbrace{w_B, \dots, w_B}_{L - k}), \qquad k \sim \text{uniform on } 1, \dots, L - 1. $$
#
# The discriminator must find nothing wrong with them. So any coarse styles must go with any fine ones. The whole of `StyleGAN` is lecture 11's GAN, with mixing in both turns (a discriminator that met no mixed fakes would have no useful opinion of them) and $R_1$ in the discriminator's:

# %% slideshow={"slide_type": "fragment"}
from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.dcgan import DCDiscriminator
from course_utils.models.adversarial.stylegan import StyleGAN, mix_styles

w_a, w_b = torch.zeros(1, 6, 1), torch.ones(1, 6, 1)
print("crossover 2:", mix_styles(w_a, w_b, 2).flatten().int().tolist(), "(0 is A, 1 is B)")

discriminator = DCDiscriminator((3, 16, 16), hidden_dim=48, norm=nn.Identity)
gan = StyleGAN(generator, discriminator, latent_dim=16, mixing=0.9, penalty_weight=1.0)
history = fit_adversarial(
    gan,
    2 * faces - 1,
    epochs=1 if FAST else 8,
    batch_size=64 if FAST else 32,
    lr=3e-3,
    discriminator_lr=2e-3,
    betas=(0.0, 0.99),
    ema_decay=0.995,
    device="cpu",
    max_minutes=0.1 if FAST else None,
)
print(f"{len(history.generator_loss):,} rounds")

# %% slideshow={"slide_type": "fragment"}
trained = gan.averaged.module.requires_grad_(False)  # the moving average of the generator (lecture 11)


def to_unit(x):
    return ((x + 1) / 2).clamp(0, 1)


torch.manual_seed(1)
fig, axes = plt.subplots(1, 2, figsize=(6.6, 3.4))
for ax, title, images in ((axes[0], "drawn", test_faces[:64]), (axes[1], "generated", to_unit(gan.sample(64)))):
    plotting.image_grid(images, ax, num_columns=8).set_title(title)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# How good? We compare the *factors that the reader sees*, in 2000 generated and 2000 drawn faces: their Fréchet distance (lecture 11: the distance of two Gaussians with these means and covariances; 0 for equal ones), here over ten numbers with a meaning. Beside it: drawn faces against other drawn faces, and against faces of
# an untrained generator. And the same for *mixed* styles, for every crossover: after training with mixing, mixed faces should be no worse.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import frechet_distance

num = 500 if FAST else 2000
truth = reader(2 * test_faces[:num] - 1)


def distance(images):
    """Frechet distance of what the reader sees in images (N, 3, 16, 16) in [-1, 1] from what it sees in drawn faces."""
    return float(frechet_distance(truth.double(), reader(images).double()))


torch.manual_seed(2)
untrained = StyleGenerator((3, 16, 16), 16, 32, 32).requires_grad_(False)
print(f"drawn {distance(2 * faces[:num] - 1):.3f}, generated {distance(gan.sample(num)):.3f},", end=" ")
print(f"untrained {distance(untrained(torch.randn(num, 16))):.1f}")
w_a, w_b = trained.styles(torch.randn(num, 16)), trained.styles(torch.randn(num, 16))
for k in range(1, 6):
    print(f"crossover {k}: {distance(trained.synthesize(mix_styles(w_a, w_b, k))):.3f}", end="   ")

# %% [markdown] slideshow={"slide_type": "notes"}
# A long way from the untrained network, and some way to go to the drawn faces. And mixed faces are even *better* than plain ones: nine of ten batches in training were mixed, so that plain fakes, with one $w$ for all layers, are the rarer sight for both networks. In the paper, which trains on hundreds of times as many images, plain faces stay ahead and mixing costs them nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Coarse, middle, fine
#
# The figure that made StyleGAN famous. Sources **B** stand on top, sources **A** on the left. In the cell of A and B, *some* layers take B's styles, all others A's. The layers at 4x4 are **coarse** (0, 1), those at 8x8 **middle** (2, 3), those at 16x16 **fine** (4, 5). Noise is the same in all images.

# %% slideshow={"slide_type": "fragment"}
levels = {"coarse": [0, 1], "middle": [2, 3], "fine": [4, 5]}
quiet = trained.noises(1, torch.Generator().manual_seed(0))  # one draw for all images


def images_of(styles, noises=quiet):
    return to_unit(trained.synthesize(styles, noises))


def copied(styles_a, styles_b, layers):
    """Styles (B, L, W) of A, with those of the given layers from B."""
    styles = styles_a.clone()
    styles[:, layers] = styles_b[:, layers]
    return styles


def table(styles_a, styles_b, layers):
    """Sources B on top, A on the left, and each pair of them: (1 + A) x (1 + B) images in reading order."""
    corner = torch.ones(1, 3, 16, 16)
    rows = [corner, images_of(styles_b)]
    for a in styles_a:
        rows += [images_of(a[None]), images_of(copied(a.expand_as(styles_b), styles_b, layers))]
    return torch.cat(rows)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(5)
sources_a, sources_b = trained.styles(torch.randn(4, 16)), trained.styles(torch.randn(5, 16))
fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.7))
for ax, (level, layers) in zip(axes, levels.items(), strict=True):
    plotting.image_grid(table(sources_a, sources_b, layers), ax, num_columns=6)
    ax.set_title(f"{level} styles from B")
    ax.axhline(16.0, color="black", linewidth=1)
    ax.axvline(16.0, color="black", linewidth=1)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Read along a row: what stays is A's, what changes is B's. With coarse styles from B, the colours of A stay, and place and outline change. With fine styles from B it is the other way round: A's pose in B's colours. Middle styles change little here. How cleanly is it shared out? The next section measures it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. What does each layer control?
#
# We draw many pairs A, B, copy the styles of one layer from B to A, and let the reader say how far each factor has moved from A's value, as a share of the way to B's:
#
# $$ \text{share}_\ell = \frac{\mathbb E\big[(\text{factor of mixed} - \text{factor of A})^2\big]}{\mathbb E\big[(\text{factor of B} - \text{factor of A})^2\big]}. $$
#
# 0 says that the layer leaves the factor alone; 1 that it moves it as much as all layers together. (Shares need not add up to 1: the network is not linear.)

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(6)
num = 200 if FAST else 1000
styles_a, styles_b = trained.styles(torch.randn(num, 16)), trained.styles(torch.randn(num, 16))
seen_a, seen_b = (reader(trained.synthesize(styles, quiet)) for styles in (styles_a, styles_b))


def by_factor(squares):
    """Mean squares (10,) of the reader's numbers as (9,): cosine and sine of the background's hue together."""
    return torch.cat([squares[:8], squares[8:].sum(0, keepdim=True)])


def share(layers):
    mixed = reader(trained.synthesize(copied(styles_a, styles_b, layers), quiet))
    return by_factor((mixed - seen_a).square().mean(0)) / by_factor((seen_b - seen_a).square().mean(0))


# %% slideshow={"slide_type": "fragment"}
by_layer = torch.stack([share([k]) for k in range(6)])
by_level = torch.stack([share(layers) for layers in levels.values()])


def number_table(ax, values, labels):
    """Draw values (R, C) as colours and numbers, a label for each row."""
    ax.imshow(values.numpy(), cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    ax.set_yticks(range(len(labels)), labels)
    for row, numbers in enumerate(values.tolist()):
        for column, value in enumerate(numbers):
            color = "white" if value > 0.7 else "black"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)


fig, axes = plt.subplots(2, 1, figsize=(6.4, 3.9), height_ratios=[6, 3], sharex=True)
number_table(axes[0], by_layer, [f"layer {k} ({trained.side(k)}x{trained.side(k)})" for k in range(6)])
number_table(axes[1], by_level, list(levels))
axes[1].set_xticks(range(9), data.CARTOON_FACTORS, rotation=30, ha="right")
plt.show()


# %% slideshow={"slide_type": "fragment"}
groups = {"pose": [0, 1], "parts": [2, 3, 4, 5], "colours": [6, 7, 8]}
for level, values in zip(levels, by_level, strict=True):
    print(f"{level:7}", *(f"{group} {values[columns].mean():.2f}" for group, columns in groups.items()), sep="   ")

# %% [markdown] slideshow={"slide_type": "notes"}
# Pose (`x`, `turn`) is decided at 4x4, in layer 0; so is most of the outline (length of hair, width). The three colours are decided at 16x16, and coarse styles do not touch them at all. Nobody asked for this: it is resolution and mixing.
#
# It is not as tidy as three names suggest. At this size eyes are two dark pixels, so they are *fine*; the smile is shared out over all levels; and the middle layers have little left to do. In the paper, at 1024x1024, "middle" is 16x16 and 32x32. Coarse, middle and fine are sizes, not meanings.

# %% [markdown] slideshow={"slide_type": "subslide"}
# **The crossover, by hand.** From 0 (all of B) to 6 (all of A); in a running notebook it is a slider.

# %% slideshow={"slide_type": "fragment"}
widgets.style_mixer(images_of, sources_a[:3], sources_b[:3])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Noise on, noise off
#
# Four faces with fixed styles. First row: no noise at all. Then three draws of all noises. Then the standard deviation of each pixel over many draws: **where chance acts**. Last, the same for the *data*: faces drawn with the factors that the reader sees in ours, and fresh curls and freckles: where chance *should* act.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(7)
styles = trained.styles(torch.randn(6, 16))
draws = 30 if FAST else 200


def spread(make):
    """Standard deviation of each pixel of make() over draws, the mean of the three colours: (N, 1, 16, 16)."""
    return torch.stack([make() for _ in range(draws)]).std(0).mean(1, keepdim=True)


def silent(but=()):
    """No noise in any layer but these."""
    return [noise if k in but else 0 * noise for k, noise in enumerate(trained.noises(len(styles)))]


def redrawn():
    seen = reader(trained.synthesize(styles, silent()))
    hue = torch.atan2(seen[:, 9:], seen[:, 8:9]) / (2 * torch.pi) % 1
    factors = torch.cat([(seen[:, :8] + 1) / 2, hue], 1).clamp(0, 1)
    return data.render_cartoons(factors, data.cartoon_detail(len(factors)), size=16)


# %% slideshow={"slide_type": "fragment"}
everywhere, in_data = spread(lambda: images_of(styles, trained.noises(len(styles)))), spread(redrawn)
rows = {"noise off": images_of(styles, silent())}
for k in range(3):
    rows[f"noise {k + 1}"] = images_of(styles, trained.noises(len(styles)))
top = max(everywhere.max(), in_data.max())
rows["deviation"] = everywhere / top
rows["in the data"] = in_data / top
fig, ax = plt.subplots(figsize=(4.6, 4.3))
plotting.compare_rows(rows, ax)
plt.show()
flat = torch.stack([everywhere.flatten(), in_data.flatten()])
print(f"mean deviation: noise {flat[0].mean():.3f}, data {flat[1].mean():.3f};", end=" ")
print(f"correlation over pixels {torch.corrcoef(flat)[0, 1]:.2f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Which layer's noise does what?** Noise in one layer only, the others silent; and what the noise does to the factors.

# %% slideshow={"slide_type": "fragment"}
maps = {f"layer {k}": spread(lambda k=k: images_of(styles, silent([k]))) for k in range(6)}
top = max(map_.max() for map_ in maps.values())
fig, ax = plt.subplots(figsize=(4.6, 4))
plotting.compare_rows({name: map_ / top for name, map_ in maps.items()}, ax)
plt.show()
print("mean deviation:", *(f"{name} {map_.mean():.3f}" for name, map_ in maps.items()), sep="  ")
noisy = torch.stack([reader(trained.synthesize(styles_a[:100], trained.noises(100))) for _ in range(20)])
of_noise = by_factor(noisy.var(0).mean(0)) / by_factor(seen_a.var(0))
print("share of a factor's variance that is noise:")
print(*(f"{name} {value:.2f}" for name, value in zip(data.CARTOON_FACTORS, of_noise, strict=True)), sep="  ")

# %% [markdown] slideshow={"slide_type": "notes"}
# With the noise off, hair is one smooth mass. With it, curls fall afresh in each draw, and the person stays: the last line says how little of each factor is left to chance. The network has found out by itself *where* chance belongs (hair, as in the data, the more the lighter it is), though noise comes to all pixels alike: where hair is, the features
# of the layer let it through. Nearly all of it enters in layer 4. That is the first at full size, where one pixel is one curl, and a convolution still follows to cut it to shape. Freckles, which are small and faint, it has hardly found.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Truncation: typical or varied
#
# Where $w$ is rare in training, images are poor. So stay near the mean $\bar w = \mathbb E f(z)$, the "average face":
#
# $$ w' = \bar w + \psi\, (w - \bar w). $$
#
# At $\psi = 1$ nothing changes; at $\psi = 0$ all images are alike. Note that we truncate $w$, not $z$: $z$ near 0 would be as meaningless as lecture 11's straight walks (and here the mapping network ignores its length anyway).

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.stylegan import truncate

torch.manual_seed(8)
mean_style = trained.mean_style()
styles = trained.styles(torch.randn(9, 16))
rows = {f"$\\psi = {psi:g}$": images_of(truncate(styles, mean_style, psi)) for psi in (1.5, 1.0, 0.7, 0.4, 0.0, -0.5)}
fig, ax = plt.subplots(figsize=(5.6, 3.8))
plotting.compare_rows(rows, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# A negative $\psi$ gives "anti-faces", on the other side of the mean. Now measured: *variety* is the variance of the factors (as a share of the data's, their mean), *quality* the distance of a fake, in pixels, to the nearest of 2000 drawn faces, and the Fréchet distance counts both.

# %% slideshow={"slide_type": "fragment"}
styles = trained.styles(torch.randn(len(truth), 16))
psis = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]
curves = {"variety": [], "distance to the nearest drawn face": [], "Fréchet distance": []}
for psi in psis:
    images = trained.synthesize(truncate(styles, mean_style, psi))
    seen = reader(images)
    nearest = torch.cdist(images.flatten(1), 2 * faces[:2000].flatten(1) - 1).min(1).values
    values = ((seen.var(0) / truth.var(0)).mean(), nearest.mean(), distance(images))
    for curve, value in zip(curves.values(), values, strict=True):
        curve.append(float(value))
fig, axes = plt.subplots(1, 3, figsize=(8.2, 2.2))
for ax, (name, values) in zip(axes, curves.items(), strict=True):
    ax.plot(psis, values, "o-")
    ax.set(title=name, xlabel="$\\psi$", ylim=(0, None))
plt.show()
for name, values in curves.items():
    print(f"{name}: {values[3]:.2f} at psi = {psis[3]}, {values[5]:.2f} at psi = {psis[5]}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Variety grows with $\psi$, as it must. Quality is best at about $\psi = 0.8$ to 1, and gets *worse* again towards 0: the average face is not a typical face. Our factors are spread evenly, so that the middle is no likelier than the rest, and the mean of all hues is grey, a background that no drawn face has. With photographs, whose factors do have a typical value, the mean
# is a good face, and $\psi = 0.7$ is the usual choice of StyleGAN's figures.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Walks in $z$ and in $w$
#
# Two walks between the same two faces: on the sphere in $z$ (lecture 11), and straight in $w$.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.latent_space import interpolate_spherical, interpolate_straight

torch.manual_seed(9)
rows = {}
for pair in range(3):
    z_a, z_b = torch.randn(2, 16)
    walk_z = trained.mapping(interpolate_spherical(z_a, z_b, 11))
    walk_w = interpolate_straight(*trained.mapping(torch.stack([z_a, z_b])), 11)
    for name, w in (("z", walk_z), ("w", walk_w)):
        rows[f"${name}$, pair {pair + 1}"] = images_of(w.unsqueeze(1).expand(-1, 6, -1))
fig, ax = plt.subplots(figsize=(6.4, 3.8))
plotting.compare_rows(rows, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Perceptual path length.** If the latent space is straight, images change evenly along a walk; if it is bent, they change more than they must: things come and go on the way. Cut the walk into short pieces $\varepsilon$ and measure each with a distance $d$ between images:
#
# $$ \ell_z = \mathbb E\Big[\tfrac{1}{\varepsilon^2}\, d\big(G(\mathrm{slerp}(z_1, z_2; t)),\, G(\mathrm{slerp}(z_1, z_2; t + \varepsilon))\big)\Big], \qquad
# \ell_w = \mathbb E\Big[\tfrac{1}{\varepsilon^2}\, d\big(g(\mathrm{lerp}(w_1, w_2; t)),\, g(\mathrm{lerp}(w_1, w_2; t + \varepsilon))\big)\Big] $$
#
# with $t$ uniform on $[0, 1]$. As $d$ is a *squared* distance, this is the mean squared speed. The paper's $d$ takes features of a network that knows photographs; ours takes what the reader sees, and for comparison plain pixels. The speed has a floor: no path is shorter than the straight line between its ends, so we divide by the
# mean squared distance of the ends: 1 is an even, straight path.

# %% slideshow={"slide_type": "fragment"}


def arc(z_1, z_2, t):
    """The w of a point at t (N, 1) on the arc between z_1 and z_2 (N, Z), of length 1 each."""
    angle = (z_1 * z_2).sum(1, keepdim=True).arccos()
    return trained.mapping((((1 - t) * angle).sin() * z_1 + (t * angle).sin() * z_2) / angle.sin())


def path_length(path, look, num_pairs, epsilon=1e-2):
    """Mean squared speed over mean squared distance of the ends, as `look` sees images of w = path(t); its error."""
    t = torch.rand(num_pairs, 1) * (1 - epsilon)
    times = (t, t + epsilon, torch.zeros_like(t), torch.ones_like(t))
    images = [trained.synthesize(path(time).unsqueeze(1).expand(-1, 6, -1), quiet) for time in times]
    here, there, start, end = (look(image) for image in images)
    squared_speed = ((there - here) / epsilon).square().sum(1)
    ends = (end - start).square().sum(1).mean()
    return squared_speed.mean() / ends, squared_speed.std() / num_pairs**0.5 / ends


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(10)
num = 200 if FAST else 1500
z_1, z_2 = F.normalize(torch.randn(2, num, 16), dim=2)
w_1, w_2 = trained.mapping(z_1), trained.mapping(z_2)
paths = {"z": lambda t: arc(z_1, z_2, t), "w": lambda t: torch.lerp(w_1, w_2, t)}
for space, look in (("factors", reader), ("pixels", lambda images: images.flatten(1))):
    for name, path in paths.items():
        length, error = path_length(path, look, num)
        print(f"path length in {name}, {space:7}: {length:.2f} +- {2 * error:.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Both are above 1, no path is straight; but the walk in $w$ is much the shorter one, in factors as well as in pixels. (The walk in $z$ is longer than its ends' distance by itself: it is an arc. For a quarter circle that makes a factor of $(\pi/2)^2 / 2 \approx 1.2$, far from the difference here.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **How linear is a factor?** The question of section 1, for the trained network: the share of each factor's variance that the best linear function of $z$ (scaled to the sphere) or of $w$ explains. Both are judged on latents that the fit has not seen, since $w$ has twice as many numbers.


# %% slideshow={"slide_type": "fragment"}
def explained_on_new(latents, targets):
    half = len(latents) // 2
    design = torch.cat([latents, torch.ones(len(latents), 1)], 1)
    weights = torch.linalg.lstsq(design[:half], targets[:half]).solution
    residual = targets[half:] - design[half:] @ weights
    return 1 - residual.var(0) / targets[half:].var(0)


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(11)
z = torch.randn(400 if FAST else 4000, 16)
z = z / z.norm(dim=1, keepdim=True)
w = trained.mapping(z)
seen = reader(trained.synthesize(w.unsqueeze(1).expand(-1, 6, -1), quiet))
linear = {name: explained_on_new(latents, seen)[:8] for name, latents in (("z", z), ("w", w))}
fig, ax = plt.subplots(figsize=(6.4, 2.3))
for k, (name, values) in enumerate(linear.items()):
    ax.bar([place + 0.4 * k for place in range(8)], values.tolist(), width=0.4, label=f"linear in ${name}$")
ax.set_xticks([place + 0.2 for place in range(8)], data.CARTOON_FACTORS[:8], rotation=30, ha="right")
ax.set(ylabel="$R^2$ on new latents", ylim=(0, 1))
ax.legend(ncols=2, loc="upper left", bbox_to_anchor=(0, 1.25))
plt.show()
print(*(f"mean in {name}: {values.mean():.2f}" for name, values in linear.items()), sep="   ")

# %% [markdown] slideshow={"slide_type": "notes"}
# $x$ alone is close to linear in $z$; in $w$ all factors are. The mapping network does the bending, and the synthesis network is left with a nearly linear task. No term of the loss asked for that.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. What came after, and limits
#
# - AdaIN wipes out how strong features were *relative to each other*; the network smuggles strength past it by one huge spike, seen as droplets in large images. **StyleGAN2** (Karras et al. 2019) scales the *weights* of the convolution by the style instead (modulation and demodulation), drops growing, and adds a loss on path length.
# - Details that stick to pixels while the face moves: **StyleGAN3** (Karras et al. 2021) treats features as continuous signals, and filters each doubling against aliasing.
# - A style acts everywhere at once. It is good where all images share a layout (faces, our cartoons), less so for scenes of many things.
# - There is no encoder: to edit a given photograph, its $w$ must be searched for (Abdal et al. 2019: one $w$ for each layer).
# - Nobody tells the layers what to control. That coarse layers hold pose is due to resolution and mixing, and holds as far as section 7 says.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - $z$ must be round, so it bends around what is missing in the data; $w = f(z)$ need not be round.
# - Nothing but a learned constant enters at the bottom; $w$ enters each layer as a style, $y_s$ and $y_b$ for each channel.
# - AdaIN sets each channel's mean and deviation to the style's and leaves the pattern: it says what, not where.
# - Noise for each pixel of each layer takes chance off $z$'s shoulders.
# - Style mixing trains layers not to rely on each other; so styles can be copied at coarse, middle or fine layers.
# - $R_1$: the discriminator is flat on real data.
# - Truncation toward $\bar w$ trades variety for quality. Path length measures how bent a latent space is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) In section 3, what does AdaIN do to a channel that is constant over the pixels? Which term prevents a division by 0, and what comes out?
# 2. (10 min, easy) Copy single layers in the figure of section 6, instead of pairs of layers. Which single layer changes the background most?
# 3. (10 min, medium) Show that for a latent space in which the factors are linear, the path length over the ends' squared distance is exactly 1, and that no path has less.
# 4. (15 min, medium) Truncate only coarse layers, then only fine ones, at $\psi = 0.3$. Which variety is lost?
# 5. (15 min, medium) Train with `mixing=0`, and repeat the crossover table of section 5 and the shares of section 7. What did mixing buy, and what did it cost?
# 6. (20 min, medium) Train without noise (`noise_scale` held at 0). What happens to the curls?
# 7. (20 min, hard) In section 1, let $g$ have a hidden layer. Is $w$ still straight? Try several seeds, and $f$ of one layer.
#
# ## References
#
# - T. Karras, S. Laine, T. Aila: A style-based generator architecture for generative adversarial networks, 2018. arXiv 1812.04948.
# - X. Huang, S. Belongie: Arbitrary style transfer in real-time with adaptive instance normalization, 2017. arXiv 1703.06868.
# - L. Mescheder, A. Geiger, S. Nowozin: Which training methods for GANs do actually converge?, 2018. arXiv 1801.04406 ($R_1$).
# - T. Karras et al.: Progressive growing of GANs for improved quality, stability, and variation, 2017. arXiv 1710.10196.
# - T. Karras et al.: Analyzing and improving the image quality of StyleGAN, 2019. arXiv 1912.04958 (StyleGAN2).
# - T. Karras et al.: Alias-free generative adversarial networks, 2021. arXiv 2106.12423 (StyleGAN3).
# - R. Abdal, Y. Qin, P. Wonka: Image2StyleGAN: how to embed images into the StyleGAN latent space?, 2019. arXiv 1904.03189.
# - M. Heusel et al.: GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017. arXiv 1706.08500 (the Fréchet distance for GANs).
