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
# # Lecture 14: Image-to-image translation and applications
#
# **You will**
#
# - say when plain regression is enough to turn one image into another, and derive what it returns when it is not: a mean, or a median;
# - write pix2pix by hand, measure how far its discriminator sees, and take it apart: each loss, the skips of the U-Net, four sizes of patch;
# - translate between two domains without a single pair (CycleGAN), see what the cycle is for, and where it fails;
# - fill holes, paste without a seam, enlarge, colour and restyle images, and render a scene as it would look under another light.
#
# **You need** lecture 12 (conditional GANs), and U-Nets from lecture 1.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about three minutes on a laptop's processor. Nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import os

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from course_utils import data, plotting

FAST = os.environ.get("COURSE_FAST") == "1"
plotting.use_course_style(dpi=57)  # many figures in one notebook
torch.set_num_threads(1)  # networks this small gain nothing from more threads, nor from an accelerator

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. An image in, an image out
#
# A map of labels becomes a scene; an aerial photograph a street map; a drawing a picture. All are one problem, **image-to-image translation**: given pairs of a source $x$ and a target $y$, both images, learn $y = G(x)$. The pictures of this lecture are drawn by programs, 32 pixels wide, so that everything trains in seconds and so that we know what is true.

# %% slideshow={"slide_type": "fragment"}
from course_utils.data import load_pairs
from course_utils.data.scenes import draw_scenes

NUM_TRAIN, NUM_TEST = (40, 16) if FAST else (400, 100)


def get_pairs(name):
    """Training and test pairs: sources and targets, in [-1, 1]."""
    parts = [load_pairs(name, num_pairs=n, split=s) for n, s in ((NUM_TRAIN, "train"), (NUM_TEST, "test"))]
    return [2 * images - 1 for part in parts for images in (part.source, part.target)]


names = ["aerial_to_map", "labels_to_facade", "day_to_night", "grey_to_colour", "edges_to_picture"]
tasks = {name: get_pairs(name) for name in names}
digits = data.load("digits")
scenes = draw_scenes(NUM_TRAIN + NUM_TEST, *digits.train, seed=0)  # lecture 1's, read from right to left
colours = torch.tensor(plt.colormaps["tab20"](range(11))[:, :3], dtype=torch.float32) * (torch.arange(11) > 0)[:, None]
labels, pictures = 2 * colours[scenes.mask].permute(0, 3, 1, 2) - 1, 2 * scenes.x - 1
tasks["labels_to_scene"] = [labels[:NUM_TRAIN], pictures[:NUM_TRAIN], labels[NUM_TRAIN:], pictures[NUM_TRAIN:]]

# %% slideshow={"slide_type": "subslide"}
fig, axes = plt.subplots(3, 2, figsize=(5.4, 3.5))
for ax, (name, (source, target, *_)) in zip(axes.flat, tasks.items(), strict=True):
    plotting.compare_rows({"$x$": (source[:4] + 1) / 2, "$y$": (target[:4] + 1) / 2}, ax)
    ax.set_title(name.replace("_", " "), fontsize=9)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Each column is a pair. In *labels to scene* a colour says which digit a pixel belongs to: lecture 1's segmentation, the other way round. Before reading on, decide for each task: is $y$ determined by $x$?

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Easy: plain regression
#
# An aerial picture determines its map. Then nothing new is needed: a network $G$, and a loss on the difference,
#
# $$ \min_G\; \mathbb E_{x, y}\, \lVert y - G(x) \rVert_1 . $$
#
# $G$ is a **U-Net** (lecture 1): four strided convolutions down, from 32 to 2 pixels, four transposed ones up, and at each resolution the encoder's features handed across to the decoder.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.pix2pix import UNetGenerator
from course_utils.training import fit

EPOCHS, SHORT = (1, 1) if FAST else (6, 4)
settings = {"batch_size": 8, "lr": 1e-3, "device": "cpu"}


def regress(task, loss=F.l1_loss, skips=True, wrap=lambda net: net, epochs=EPOCHS):
    """A U-Net (or, without skips, an encoder-decoder) that minimises the difference: its history and test outputs."""
    source, target, source_test, _ = tasks[task]
    torch.manual_seed(0)
    net = wrap(UNetGenerator(source.shape[1], target.shape[1], hidden_dim=16, num_levels=4, skips=skips))
    history = fit(net, (source, target), epochs=epochs, loss=lambda net, x, y, step: loss(net(x), y), **settings)
    with torch.no_grad():
        return history, net(source_test)


# %% slideshow={"slide_type": "fragment"}
history, maps = regress("aerial_to_map")
_, target, source_test, target_test = tasks["aerial_to_map"]
rows = {"aerial $x$": source_test, "regression $G(x)$": maps, "true map $y$": target_test}
fig, ax = plt.subplots(figsize=(3.9, 1.9))
plotting.compare_rows({name: (images[:5] + 1) / 2 for name, images in rows.items()}, ax)
plt.show()
for name, guess in {"regression": maps, "the mean map": target.mean(0)}.items():
    print(f"{name:13} held-out L1 {(guess - target_test).abs().mean() / 2:.3f} (images in [0, 1])")
print("training loss, epoch by epoch:", *(f"{loss / 2:.3f}" for loss in history.epoch_loss))

# %% [markdown] slideshow={"slide_type": "notes"}
# Unseen pictures. A few seconds of regression, and river, parks and main roads are where they belong; small roads are still faint, and the loss is still falling. No game, no discriminator: **if the answer is determined, regress.**

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Hard: several valid answers
#
# A map of labels does *not* say which colour the wall has. For one $x$ there is a whole distribution $p(y \mid x)$ of valid answers, and $G$ must give one. Which one is the best, to a loss?
#
# For a fixed $x$, every pixel may be chosen by itself; call the answer $c$. For the **squared** error,
#
# $$ \frac{d}{dc}\, \mathbb E\,(y - c)^2 = -2\, \mathbb E\,[y - c] = 0 \quad \Longrightarrow \quad c = \mathbb E[y \mid x], \text{ the mean.} $$
#
# For the **absolute** error, moving $c$ up by a little costs 1 for each $y$ below and gains 1 for each $y$ above:
#
# $$ \frac{d}{dc}\, \mathbb E\,|y - c| = p(y < c) - p(y > c) = 0 \quad \Longrightarrow \quad c \text{ has half of the answers on either side: the median.} $$
#
# A toy shows what that means. All sources are one and the same blank sheet; of the answers, 60% have a light wall and 40% a dark one, and each has one black window, somewhere. We let gradient descent find the best *single* picture for each loss.


# %% slideshow={"slide_type": "fragment"}
def draw_answers(num_images, side=10):
    wall = torch.where(torch.rand(num_images, 1, 1, 1) < 0.6, 0.9, 0.3)
    y = wall.expand(-1, 1, side, side).clone()
    for image, row, column in zip(y[:, 0], *torch.randint(1, side - 2, (2, num_images)).tolist(), strict=True):
        image[row : row + 2, column : column + 2] = 0
    return y


def best_picture(y, power, steps=300):
    picture = torch.full_like(y[:1], 0.5).requires_grad_()
    for step in range(steps):
        (gradient,) = torch.autograd.grad(((y - picture).abs() ** power).mean(0).sum(), picture)
        with torch.no_grad():
            picture -= 0.3 * (1 - step / steps) * gradient
    return picture.detach()


torch.manual_seed(0)
answers = draw_answers(500)
by_l2, by_l1 = best_picture(answers, power=2), best_picture(answers, power=1)
mean, median = answers.mean(0, keepdim=True), answers.median(0, keepdim=True).values
assert torch.allclose(by_l2, mean, atol=1e-3)
assert torch.allclose(by_l1, median, atol=1e-2)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(7.4, 1.9), width_ratios=[1.7, 1.3, 1.3])
plotting.image_grid(answers[:10], axes[0], num_columns=5)
axes[0].set_title("ten of the valid answers")
plotting.image_grid(torch.cat([by_l2, by_l1]), axes[1], titles=["best for L2", "best for L1"])
c, pixel = torch.linspace(0, 1, 101), answers[:, 0, 5, 5]
for power, name in ((2, "L2"), (1, "L1")):
    axes[2].plot(c.tolist(), ((pixel - c[:, None]).abs() ** power).mean(1).tolist(), label=name)
axes[2].set(xlabel="answer $c$ for one pixel", ylabel="expected loss", yticks=[])
axes[2].legend()
plt.show()
nearest = (answers - by_l2).abs().mean((1, 2, 3)).min()
print(
    f"mean of one pixel {pixel.mean():.2f}, median {pixel.median():.2f}; values that occur: {pixel.unique().tolist()}"
)
print(f"the best picture for L2 differs from every valid answer by at least {nearest:.2f} a pixel")
print(f"darkest pixel of the best picture for L1: {by_l1.min():.2f} (a window would be 0)")

# %% [markdown] slideshow={"slide_type": "notes"}
# The live check says that descent found the mean and the median. The mean is a grey that *no* answer has, with the windows smeared over the sheet: **blur**. The median is a wall that does occur, the more frequent one; but the window is at any given pixel only rarely, so it is *outvoted everywhere*: **flat**. Both are optimal, and neither is valid. Nothing is wrong with the network: the loss asks for it.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The same on houses
#
# To speak of blur in numbers, we measure on unseen pairs:
#
# - **L1**: the mean distance to the one $y$ that is given;
# - **detail**: the energy of the high frequencies (the mean squared Laplacian, pixel against its four neighbours), divided by that of the true targets. 1 is right; less is blur, more is noise;
# - **patches**: cut all images into patches of 5x5 pixels. How far is the cloud of fake patches from that of the real ones? We take the Fréchet distance of lecture 4 on the 75 pixel values. It does not care which of the valid answers was chosen.

# %% slideshow={"slide_type": "fragment"}
from course_utils.evaluation import frechet_distance


def detail(x):
    """The mean squared Laplacian of images (B, C, H, W)."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(x, kernel, groups=x.shape[1]).square().mean()


def patches(x):
    return F.unfold((x + 1) / 2, 5, stride=3).mT.flatten(0, 1)


def report(name, fake, real):
    """Print the three numbers; images in [-1, 1], but distances as for [0, 1]."""
    distance = frechet_distance(patches(real), patches(fake))
    l1, sharp = (fake - real).abs().mean() / 2, detail(fake) / detail(real)
    print(f"{name:26} L1 {l1:.3f}   detail {sharp:.2f}   patches {distance:.2f}")


# %% slideshow={"slide_type": "fragment"}
source, target, source_test, target_test = tasks["labels_to_facade"]
houses = {"labels $x$": source_test, "one true $y$": target_test}
for name, loss in {"L2": F.mse_loss, "L1": F.l1_loss}.items():
    _, houses[name] = regress("labels_to_facade", loss)
    report(name, houses[name], target_test)
report("real, but other houses", target[:NUM_TEST], target_test)

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(3.9, 2.4))
plotting.compare_rows({name: (images[:5] + 1) / 2 for name, images in houses.items()}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Every house gets the same beige wall, whatever its true colour, and windows that are half lit. Geometry, which the labels tell, is right. The last line says what real houses score when compared with other real ones: hopeless in L1, since the plans differ, but right in detail, and with patches next to no distance apart. Regression is the reverse: the best L1, a third of the detail missing, and patches many times as far. **A low error and a good picture are different things.**

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. pix2pix
#
# We would like a loss that accepts *any* valid answer, but not their mean. Nobody can write it down; a discriminator can learn it. It sees the source **and** a target, real or fake, as the discriminator of lecture 12 saw image and label. Isola et al. (2016):
#
# $$ \min_G \max_D\; \underbrace{\mathbb E_{x,y} \log D(x, y) + \mathbb E_x \log(1 - D(x, G(x)))}_{\text{adversarial}} \;+\; \lambda\, \underbrace{\mathbb E_{x, y} \lVert y - G(x) \rVert_1}_{\text{stay near } y} . $$
#
# The L1 term gets the low frequencies right: what is where. The adversarial term has only to see to the high ones, and those are local. So $D$ need not look at the whole image: a **PatchGAN** is a small convolutional network with one logit for each patch, trained to call every patch real or fake. Where is the noise $z$? The authors found that $G$ learned to ignore it, and left one source: **dropout**, which stays on at test time.
#
# By hand it is the loop of lecture 11, with pairs.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.patchgan import PatchDiscriminator


def losses(generator, judge, x, y, l1_weight):
    """The discriminator's loss, the generator's loss; softplus(-l) is -log sigmoid(l)."""
    fake = generator(x)
    real_pair, fake_pair = torch.cat([x, y], 1), torch.cat([x, fake], 1)
    loss_d = F.softplus(-judge(real_pair)).mean() + F.softplus(judge(fake_pair.detach())).mean()
    loss_g = F.softplus(-judge(fake_pair)).mean() + l1_weight * (fake - y).abs().mean()
    return loss_d, loss_g


def train_by_hand(generator, judge, source, target, steps, l1_weight, batch_size=8, lr=1e-3):
    players = [judge, generator]
    optimizers = [torch.optim.Adam(player.parameters(), lr=lr, betas=(0.5, 0.999)) for player in players]
    for _ in range(steps):
        chosen = torch.randperm(len(source))[:batch_size]
        for turn, (player, optimizer) in enumerate(zip(players, optimizers, strict=True)):
            loss = losses(generator, judge, source[chosen], target[chosen], l1_weight)[turn]
            gradients = torch.autograd.grad(loss, list(player.parameters()))  # of the one whose turn it is
            for parameter, gradient in zip(player.parameters(), gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
generator = UNetGenerator(3, 3, hidden_dim=16, num_levels=4)
judge = PatchDiscriminator(3 + 3, patch=16, hidden_dim=16)
train_by_hand(generator, judge, source, target, steps=EPOCHS * NUM_TRAIN // 8, l1_weight=10)
with torch.no_grad():
    houses["L1 + GAN"] = generator(source_test)
report("L1", houses["L1"], target_test)
report("L1 + GAN", houses["L1 + GAN"], target_test)

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(3.9, 2.4))
shown = {name: houses[name] for name in ("labels $x$", "L1", "L1 + GAN", "one true $y$")}
plotting.compare_rows({name: (images[:5] + 1) / 2 for name, images in shown.items()}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Windows are dark or bright again and walls have colours; about half of the missing detail is back, and the patches lie about half as far from real ones. The price: L1 is *higher*, since a decided guess is further from another house's colours than the median is. And after a few seconds of training a wall is patched together from several colours: one logit sees 16x16 pixels, and does not mind.
#
# From here on the course's `Pix2Pix` does what we wrote. First we check that it is the same thing.

# %% slideshow={"slide_type": "subslide"}
from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.pix2pix import Pix2Pix

model = Pix2Pix(generator, judge, l1_weight=10.0)
batch = source[:8], target[:8]
torch.manual_seed(1)  # the same dropout for both
by_hand = losses(generator, judge, *batch, l1_weight=10)
torch.manual_seed(1)
loss_d = model.discriminator_loss(*batch).loss
torch.manual_seed(1)
loss_g = model.generator_loss(*batch)
print(f"discriminator: by hand {by_hand[0]:.6f}, Pix2Pix {loss_d:.6f}")
print(f"generator:     by hand {by_hand[1]:.6f}, Pix2Pix {loss_g:.6f}")
assert torch.allclose(by_hand[0], loss_d, atol=1e-5)
assert torch.allclose(by_hand[1], loss_g, atol=1e-5)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How far one logit sees
#
# Walk back from one logit. A layer of kernel size $k$ and stride $s$ turns a square of side $r$ into one of side
#
# $$ r \leftarrow s\,(r - 1) + k, \qquad \text{starting with } r = 1 . $$
#
# For the 70x70 PatchGAN, kernels of 4 with strides 2, 2, 2, 1, 1: $1 \to 4 \to 7 \to 16 \to 34 \to 70$. We do not believe it, and measure: which pixels have a gradient to the logit in the middle?

# %% slideshow={"slide_type": "fragment"}
from torch import nn

from course_utils.models.adversarial.patchgan import PATCH_LAYERS, receptive_field
from course_utils.receptive_field import receptive_field as gradient_field

fig, axes = plt.subplots(1, 4, figsize=(7.4, 2))
for ax, patch in zip(axes, (1, 16, 34, 70), strict=True):
    torch.manual_seed(0)
    normed = PatchDiscriminator(1, patch, hidden_dim=4)
    plain = nn.Sequential(*[layer for layer in normed.layers if not isinstance(layer, nn.InstanceNorm2d)])
    middle = plain(torch.zeros(1, 1, 96, 96)).shape[-1] // 2
    fields = [
        gradient_field(net.double(), (1, 96, 96), (middle, middle), num_inputs=2)[0] for net in (plain, normed.layers)
    ]
    inside = fields[0] > 0
    side = int(inside.any(0).sum())
    assert side == int(inside.any(1).sum()) == receptive_field(PATCH_LAYERS[patch])
    within = (fields[1][inside].sum() / fields[1].sum()).item()
    due = receptive_field(PATCH_LAYERS[patch])
    print(f"measured side {side:2}, by the formula {due:2}; with norms, {within:.0%} of the gradient is inside")
    ax.imshow((fields[0] / fields[0].max()).sqrt().numpy())
    ax.set(title=f"{side} x {side}", xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# White: pixels on which the logit in the middle depends strongly (square root of the gradient's size, in an image of 96x96). The squares have exactly the stated sides *for the convolutions*. The instance norms between them take mean and deviation over the whole image; the last column says how much of the gradient stays within the square once they are there. A patch discriminator is a little less local than its name.
#
# Our images have 32 pixels: 16 sees a quarter of one, 34 and 70 the whole.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Dropout as the only noise
#
# The same labels, five times. If the generator drew from $p(y \mid x)$, we should see five houses as different as real ones.

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    repeats = torch.stack([generator(source_test[:3]) for _ in range(20)], dim=1)  # (3, 20, 3, 32, 32)
fig, ax = plt.subplots(figsize=(3.8, 1.8))
plotting.compare_rows(
    {f"labels {k + 1}": (torch.cat([source_test[k : k + 1], repeats[k, :5]]) + 1) / 2 for k in range(3)}, ax
)
plt.show()
is_wall = (source[:, 2] > 0.99) & (source[:, 0] < 0)  # the labels' blue
walls = target.permute(0, 2, 3, 1)[is_wall]
print(f"deviation of a pixel over 20 runs with the same labels: {repeats.std(1).mean() / 2:.3f}")
print(f"deviation of the real walls' colours:                   {walls.std(0).mean() / 2:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The outputs differ, but far less than real houses of one plan do: $G$ has one favourite answer, with small variations. The paper reports the same, and calls it an open question; its authors' later BicycleGAN (Zhu et al. 2017) brings a latent code back.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What is it good for? Taking it apart
#
# An **ablation** takes one part away, and leaves all the rest as it is: training pairs, steps, batch size, rates. Three questions:
#
# 1. *losses*: L1 alone, GAN alone ($\lambda = 0$), both;
# 2. *generator*: U-Net, or the same network without its skips, an **encoder-decoder**, in which all must pass through 2x2 pixels;
# 3. *patches*: 1, 16, 34 and 70 pixels.


# %% slideshow={"slide_type": "fragment"}
def play(task, patch=16, l1_weight=10.0, skips=True, wrap=lambda net: net, epochs=EPOCHS):
    """A pix2pix of the same size and the same steps as all others: the model, and its test outputs."""
    source, target, source_test, _ = tasks[task]
    torch.manual_seed(0)
    net = wrap(UNetGenerator(source.shape[1], target.shape[1], hidden_dim=16, num_levels=4, skips=skips))
    judge = PatchDiscriminator(source.shape[1] + target.shape[1], patch, hidden_dim=16)
    model = Pix2Pix(net, judge, l1_weight)
    fit_adversarial(model, (source, target), epochs=epochs, **settings)
    return model, model.sample(source_test)


variants = {"GAN": {"l1_weight": 0.0}, "no skips, L1 + GAN": {"skips": False}}  # "L1" and "L1 + GAN" are there already
for name, parts in variants.items():
    _, houses[name] = play("labels_to_facade", **parts)
_, houses["no skips, L1"] = regress("labels_to_facade", skips=False)

# %% slideshow={"slide_type": "fragment"}
for patch in (1, 34, 70):
    _, houses[f"L1 + GAN, patch {patch}"] = play("labels_to_facade", patch=patch)

# %% slideshow={"slide_type": "subslide"}
shown = ["labels $x$", "L1", "GAN", "L1 + GAN", "no skips, L1", "no skips, L1 + GAN"]
shown += [f"L1 + GAN, patch {patch}" for patch in (1, 34, 70)]
fig, ax = plt.subplots(figsize=(3.9, 4.3))
plotting.compare_rows({name: (houses[name][:5] + 1) / 2 for name in shown}, ax)
plt.show()

# %% slideshow={"slide_type": "fragment"}
for name in shown[1:]:
    report(name, houses[name], target_test)

# %% [markdown] slideshow={"slide_type": "notes"}
# *Losses.* L1 alone is smooth. GAN alone has more than its share of high frequencies: speckle, and nothing that keeps it near $y$. Both together have the most realistic patches of the three.
#
# *Generator.* Without skips the plan of the house does not get through 2x2 pixels: with L1 alone it is smeared away, and with the GAN term sharp bars appear where no floor is (compare row by row with the labels). The patch distance does not mind, it forgets where a patch was; L1 does.
#
# *Patches.* A 1x1 discriminator can only ask for the right colours, and changes next to nothing here; 16x16 is best. In the paper 70x70 is best, on images of 256x256: about a quarter of the side. For us 16 is half of the side, and the larger networks, which see everything, do *worse* in the patch distance: they have a harder task, four to thirty-six logits an image instead of 196, and had the same few steps. The rule is not "70" but: large enough for texture, small enough to get many votes an image.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. One recipe, many tasks
#
# Nothing in pix2pix knows about houses. The same network, the same loss, two thirds of the steps, other pairs:

# %% slideshow={"slide_type": "fragment"}
translated = {"aerial_to_map": maps, "labels_to_facade": houses["L1 + GAN"]}
for name in ("labels_to_scene", "day_to_night", "edges_to_picture"):
    _, translated[name] = play(name, epochs=SHORT)
fig, axes = plt.subplots(3, 1, figsize=(3.6, 4.4))
for ax, name in zip(axes, ("labels_to_scene", "day_to_night", "edges_to_picture"), strict=True):
    _, _, source_test, target_test = tasks[name]
    rows = {"$x$": source_test, "fake": translated[name], "$y$": target_test}
    plotting.compare_rows({row: (images[:6] + 1) / 2 for row, images in rows.items()}, ax)
    ax.set_title(name.replace("_", " "), fontsize=9)
    report(name, translated[name], target_test)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *Labels to scene* is nearly determined, and nearly right. *Day to night*: buildings turn dark and some windows are lit, not those of the true picture: which ones is anybody's guess. *Edges to picture*: the shape follows the drawing, but the vases are patched together from the same few colours, as the walls were. The first and the last have more detail than the truth: speckle that the game has added.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Colourisation
#
# Grey to colour, with a twist: of a colour image the luminance is *known*, it is the grey image. So we let $G$ propose colours, take over only their **chroma** (colour minus luminance), and put the grey back (Zhang et al. 2016 predict chroma alone). `Coloriser` does that around any generator.
#
# Meadow, tree and sky have telling hues. The house and the balloon may have any hue, all of one luminance. What will regression paint?

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.applications.colourisation import Coloriser, luminance

grey, colour, grey_test, colour_test = tasks["grey_to_colour"]
painted = {}
for name, train in {"L1": regress, "L1 + GAN": play}.items():
    _, painted[name] = train("grey_to_colour", wrap=Coloriser, epochs=SHORT)
    assert torch.allclose(luminance(painted[name]), grey_test, atol=1e-5)  # what is known stays

# %% slideshow={"slide_type": "fragment"}
rows = {"grey $x$": grey_test.expand(-1, 3, -1, -1), **painted, "true $y$": colour_test}
fig, ax = plt.subplots(figsize=(3.9, 2.3))
plotting.compare_rows({name: (images[:5] + 1) / 2 for name, images in rows.items()}, ax)
plt.show()


def chroma(x):
    return (x - luminance(x)).norm(dim=1) / 2


vivid = chroma(colour_test) > 0.25
for name, images in rows.items():
    print(f"{name.replace('$', ''):9} chroma of what is vivid in truth: {chroma(images)[vivid].mean():.2f}", end="   ")
    print(f"L1 to the truth {(images - colour_test).abs().mean() / 2:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Both paint meadow and trees green. The house and the balloon, of any hue, turn grey or pale with L1; the game brings back part of the missing chroma, at the price of a higher L1: a decided hue is usually not the true one. And both paint an evening sky blue, as most skies are: the median again.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Without pairs: CycleGAN
#
# Nobody has photographed the same animal as a horse and as a zebra. What we do have is *many* horses and *many* zebras: two **domains**, $S$ and $T$, of which no pairs are known. Our animals are plain or striped, each in its own meadow.

# %% slideshow={"slide_type": "fragment"}
from course_utils.data import load_domains

animals = load_domains("plain_to_striped", num_images=40 if FAST else 300, size=16)
unseen = load_domains("plain_to_striped", num_images=60, size=16, split="test")
plain, striped = 2 * animals.source - 1, 2 * animals.target - 1
s_test, truth = 2 * unseen.source - 1, 2 * unseen.translated - 1
fig, ax = plt.subplots(figsize=(6, 1.3))
plotting.compare_rows({"$S$: plain": animals.source[:10], "$T$: striped": animals.target[:10]}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# No column is a pair. As the animals are drawn by a program, we know how each plain one *would* look with stripes; that is used to measure, and never to train.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What a discriminator cannot ask for
#
# With a discriminator for $T$ we can train $G: S \to T$ until its outputs look like $T$. But that only fixes *the set* of outputs. *Which* $s$ goes to which $t$ is nobody's business: $G$ may turn a horse that looks left on a green meadow into a zebra that looks right on a yellow one. Zhu et al. (2017) add a translator back, $F: T \to S$, and ask that both round trips return to where they began:
#
# $$ S \to T \to S:\; F(G(s)) \approx s, \qquad T \to S \to T:\; G(F(t)) \approx t, $$
#
# $$ L_{\text{cyc}} = \mathbb E_s \lVert F(G(s)) - s \rVert_1 + \mathbb E_t \lVert G(F(t)) - t \rVert_1, \qquad L = L_{\text{GAN}}(G, D_T) + L_{\text{GAN}}(F, D_S) + \lambda L_{\text{cyc}}. $$
#
# What is lost on the way there cannot be found on the way back. Does this make $G$ the translation we mean? A toy that can be solved by head says: not quite. Let $S$ be numbers between 0 and 1, $T$ between 2 and 3.

# %% slideshow={"slide_type": "fragment"}
maps_1d = {
    "$s + 2$": (lambda s: s + 2, lambda t: t - 2),
    "$3 - s$": (lambda s: 3 - s, lambda t: 3 - t),
    "shuffled quarters": (
        lambda s: 2 + s + 0.25 - 0.5 * ((4 * s) // 1 % 2),
        lambda t: t - 2 + 0.25 - 0.5 * ((4 * (t - 2)) // 1 % 2),
    ),
    "$2.5$": (lambda s: 0 * s + 2.5, lambda t: 0 * t + 0.5),
}
s = (torch.arange(1000) + 0.5) / 1000
fig, axes = plt.subplots(1, 4, figsize=(7.4, 1.7), sharey=True)
for ax, (name, (there, back)) in zip(axes, maps_1d.items(), strict=True):
    ax.plot(s.tolist(), there(s).tolist(), ".", markersize=1.5)
    ax.set(title=name, xlabel="$s$", ylim=(1.9, 3.1))
    in_t = (there(s).sort().values - (s + 2)).abs().max()  # sorted, a sample of T is s + 2
    cycle = (back(there(s)) - s).abs().mean() + (there(back(s + 2)) - (s + 2)).abs().mean()
    print(f"{name.strip('$'):18} outputs differ from T by {in_t:.2f}, two-way loss {cycle:.2f}")
axes[0].set_ylabel("$G(s)$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The first three are perfect: their outputs are spread like $T$, and both cycles close exactly. Any one-to-one map would do, the cycle cannot tell them apart. It only forbids the last kind, which *forgets*. That CycleGAN finds something sensible among all the perfect maps is owed to its networks: convolutions, which find it easier to keep a picture where it is than to rearrange it. (A further term, the **identity** loss $\lVert G(t) - t \rVert_1 + \lVert F(s) - s \rVert_1$, asks $G$ to leave alone what is already in $T$.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The two networks
#
# The generator is **residual**: a 7x7 convolution, two of stride 2, residual blocks, two of stride 1/2 (transposed), a 7x7 one. It has no skips from end to end. The discriminators are PatchGANs with least-squares losses (lecture 11), of 70x70 in the paper, of 16x16 on our small images. First the loss once by hand; then two trainings of equal length, with and without the cycle.
#
# To save your time, our generators draw only what *changes*: $G(x) = x + 2\, \mathrm{net}(x)$, with a last layer that starts at 0. So all of them begin as copying, $G(s) = s$.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.cyclegan import CycleGAN, ResidualGenerator


class Change(nn.Module):
    """A generator that adds what a network draws to its input; `last` is the network's last layer."""

    def __init__(self, net, last):
        super().__init__()
        self.net = net
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x):
        return x + 2 * self.net(x)


def make_cyclegan(cycle_weight):
    torch.manual_seed(0)
    nets = [ResidualGenerator(3, hidden_dim=8, num_blocks=2) for _ in range(2)]
    judges = [PatchDiscriminator(3, patch=16, hidden_dim=16) for _ in range(2)]
    generators = [Change(net, net.layers[-2]) for net in nets]
    return CycleGAN(*generators, *judges, (3, 16, 16), cycle_weight=cycle_weight, identity_weight=0.0)


# %% slideshow={"slide_type": "fragment"}
model, (s, t) = make_cyclegan(10.0), (plain[:8], striped[:8])
with torch.no_grad():
    fake_t, fake_s = model.to_target(s), model.to_source(t)
    fooled = sum(
        ((model.discriminator[name](x) - 1) ** 2).mean() / 2 for name, x in (("target", fake_t), ("source", fake_s))
    )
    two_way = (model.to_source(fake_t) - s).abs().mean() + (model.to_target(fake_s) - t).abs().mean()
    print(f"by hand {fooled + 10 * two_way:.6f}, CycleGAN {model.generator_loss(s, t):.6f}")
    assert torch.allclose(fooled + 10 * two_way, model.generator_loss(s, t), atol=1e-5)

# %% slideshow={"slide_type": "fragment"}
rows = {"plain $s$": s_test}
coat = ((s_test - truth).abs().mean(1, keepdim=True) > 0.1).expand_as(truth)  # where stripes make a difference


def judge_translation(name, there, back):
    error, distance = (there - truth).abs() / 2, frechet_distance(patches(striped), patches(there))
    print(
        f"{name:13} L1 to the true translation: coat {error[coat].mean():.3f}, elsewhere {error[~coat].mean():.3f};",
        end="",
    )
    print(f"  patches to those of T {distance:.2f};  round trip {(back - s_test).abs().mean() / 2:.3f}")


judge_translation("left as it is", s_test, s_test)
cyclegans = {"with cycle": make_cyclegan(10.0), "without": make_cyclegan(0.0)}
for name, model in cyclegans.items():
    fit_adversarial(model, (plain, striped), epochs=1 if FAST else 8, **settings)
    with torch.no_grad():
        there = model.to_target(s_test).clamp(-1, 1)
        back = model.to_source(there).clamp(-1, 1)
    rows |= {f"{name}: $G(s)$": there, f"{name}: $F(G(s))$": back}
    judge_translation(name, there, back)
judge_translation("true stripes", truth, s_test)

# %% slideshow={"slide_type": "subslide"}
rows["true translation"] = truth
fig, ax = plt.subplots(figsize=(4.8, 3.0))
plotting.compare_rows({name: (images[:8] + 1) / 2 for name, images in rows.items()}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# A short training without a single pair. *With the cycle*, coats get dark and white bars, the meadow and the sky mostly stay, and the round trip finds the brown horse again. *Without it* everything drifts, background included: by the patches it is further from $T$, elsewhere than on the coat it does more than twice the damage, and the way back does not lead back.
#
# Be careful with the first number. On the coat, both are only a little nearer to the true stripes than an unchanged horse is, and the *worse* one is nearer: a bar in the wrong place is wrong twice, a grey coat only half. It is section 2 again. And everything the networks do elsewhere is damage; leaving the picture alone would cost nothing there.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A failure
#
# What does $G$ know of animals? It has learned which *textures and colours* to change. So we show it what is no animal: houses, vases and blocks, of no domain that it was trained for.

# %% slideshow={"slide_type": "fragment"}
strange = [load_pairs(name, num_pairs=40, size=16, split="test") for name in ("labels_to_facade", "edges_to_picture")]
strange = [2 * pairs.target - 1 for pairs in strange] + [
    2 * load_pairs("scene_light", num_pairs=40, size=16).source - 1
]
to_target = cyclegans["with cycle"].to_target
with torch.no_grad():
    answers = [to_target(x).clamp(-1, 1) for x in strange]
shown = [torch.cat([x[:4] for x in images]) for images in (strange, answers)]
fig, ax = plt.subplots(figsize=(6, 1.3))
plotting.compare_rows({"$x$": (shown[0] + 1) / 2, "$G(x)$": (shown[1] + 1) / 2}, ax)
plt.show()
with torch.no_grad():
    moved = (to_target(s_test) - s_test).abs()
print(f"plain animals: change of the coat {moved[coat].mean() / 2:.3f}, elsewhere {moved[~coat].mean() / 2:.3f}")
for name, x, y in zip(("houses", "vases", "blocks"), strange, answers, strict=True):
    print(f"{name}: change of all pixels {(y - x).abs().mean() / 2:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# Houses, vases and blocks get bright blotches, too, like pieces of stripes, though no animal is there: their pixels change more than twice as much as the background of an animal does. Nothing tells $G$ what an animal is; in training, "neither sky nor meadow" was as good a rule. (The paper's own example is a rider, who becomes a zebra along with the horse.) The other well-known failure is **geometry**: asked to turn cats into dogs, CycleGAN changes colour and texture and keeps the outline, since that is easiest for its networks and brings the cycle home. Exercise 6 tries it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Rendering: the same scene, otherwise
#
# A **renderer** takes viewpoint, light, surfaces and objects, and computes an image. To change the light of a *photograph*, one would have to recover all of these first. A translation network takes the short cut, from picture to picture: **generation as direct rendering**. Our scenes are rendered, so we have the picture under the other condition, and know whether the network is right: viewpoint (the camera walks around the block), light (the lamp moves to the other side), background (the opposite hue) and an attribute (a hat, on or off). Each target is determined, so we regress, with the U-Net as a `Change`.

# %% slideshow={"slide_type": "fragment"}
changes = ["viewpoint", "light", "background", "attribute"]
fig, axes = plt.subplots(2, 2, figsize=(6.2, 3.5))
for ax, change in zip(axes.flat, changes, strict=True):
    name = f"scene_{change}"
    tasks[name] = get_pairs(name)
    source_test, target_test = tasks[name][2:]
    _, rendered = regress(name, wrap=lambda net: Change(net, net.last), epochs=SHORT)
    rendered = rendered.clamp(-1, 1)
    rows = {"$x$": source_test, "$G(x)$": rendered, "$y$": target_test}
    plotting.compare_rows({row: (images[:6] + 1) / 2 for row, images in rows.items()}, ax)
    ax.set_title(change, fontsize=9)
    differs = (target_test - source_test).abs() > 0.1
    errors = [(guess - target_test)[differs].abs().mean() / 2 for guess in (rendered, source_test)]
    sharp = detail(rendered) / detail(target_test)
    print(f"{change:10} L1 where x and y differ {errors[0]:.3f}, leaving x {errors[1]:.3f}; detail {sharp:.2f}")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Unseen scenes. Where the two pictures differ, the error is always smaller than that of the unchanged picture, and about half of it or less in all but one. Best is the background, apart from some speckle; hardest the viewpoint, where pixels must *move*, and what was hidden must be invented: detail is missing. Light is in between: shadow and bright side change places. The hat comes and goes, a little blurred.
#
# Two famous relatives, without a run of our own:
#
# - **View synthesis** asks for *any* viewpoint, given as a number beside the picture. Tatarchenko et al. (2015) let a network draw a chair or a car from a new side; Zhou et al. (2016) let it say *from where to copy* each pixel, which keeps texture sharp. What no picture shows must be invented, so the regression of section 2 blurs it. Today one optimises a model of the light in the scene itself (Mildenhall et al. 2020).
# - **Face ageing** is an attribute with many valid answers, and pairs of one face, forty years apart and in the same pose, hardly exist. Antipov et al. (2017) use a conditional GAN on faces labelled with an age: find the latent code of a face (the search of section 8), and draw it with another age label. The hard part is to keep the *identity*, which they measure with a face recogniser. In such data, age is entangled with fashion, photographic film and who was photographed; the network learns that, too.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Applications
#
# ### Inpainting and blending
#
# Part of an image is missing. A generator of *whole* images, trained without a thought of holes, can fill it (Yeh et al. 2016): search the latent space for the image that agrees with what is known and that the discriminator believes,
#
# $$ z^* = \arg\min_z \sum W\, |G(z) - y| + \lambda \log(1 - D(G(z))), $$
#
# where the weight $W$ is 0 in the hole and larger near it; then copy $G(z^*)$ into the hole. We take lecture 11's DCGAN of digits, and cut a hole of 4x4 pixels into each unseen image.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator
from course_utils.models.adversarial.gan import GAN
from course_utils.models.applications.inpainting import fill_by_search

torch.manual_seed(0)
gan = GAN(DCGenerator((1, 8, 8), latent_dim=16, hidden_dim=16), DCDiscriminator((1, 8, 8), hidden_dim=16), 16)
game = {"epochs": 2 if FAST else 30, "batch_size": 64, "lr": 1e-3, "ema_decay": 0.99, "device": "cpu"}
fit_adversarial(gan, 2 * digits.train.x - 1, **game)
image, mask = 2 * digits.test.x[:60] - 1, torch.ones(1, 1, 8, 8)
mask[..., 2:6, 2:6] = 0  # 1 where the image is known
filled = fill_by_search(gan, image, mask, num_starts=4, num_steps=20 if FAST else 150)
near = filled.loss.argsort()

# %% [markdown] slideshow={"slide_type": "fragment"}
# A copied fill leaves a **seam** wherever the fake is a little lighter or darker than what is around it. Levels are what the eye forgives, edges it does not. So paste the *gradients* $v$ of the source, and let the border decide the level (Pérez et al. 2003):
#
# $$ \min_f \int_\Omega |\nabla f - v|^2 \quad \text{with } f = \text{target on the border of } \Omega \qquad \Longleftrightarrow \qquad \Delta f = \operatorname{div} v, $$
#
# Poisson's equation: one sparse linear system.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.applications.blending import poisson_blend
from course_utils.models.applications.inpainting import inpaint

blended = poisson_blend(filled.fake, image, 1 - mask).clamp(-1, 1)  # here 1 is where the source goes


def seam(x):
    """The mean step over the border of the hole."""
    pairs = [x[..., 2:6, a] - x[..., 2:6, a + 1] for a in (1, 5)] + [
        x[..., a, 2:6] - x[..., a + 1, 2:6] for a in (1, 5)
    ]
    return torch.stack(pairs).abs().mean() / 2


hole = (mask == 0).expand_as(image)
holed = inpaint(image, mask, torch.zeros_like(image))
flat = inpaint(image, mask, (image * mask).sum((1, 2, 3), keepdim=True).expand_as(image) / mask.sum())
rows = {"hole": holed, "mean of the rest": flat, "search": filled.image, "search, blended": blended, "truth": image}
for name, images in list(rows.items())[1:]:
    error = (images - image)[hole].abs().mean() / 2
    print(f"{name:17} L1 in the hole {error:.3f}, mean step over its border {seam(images):.3f}")
fig, ax = plt.subplots(figsize=(6, 2.9))
plotting.compare_rows({name: (images[:12] + 1) / 2 for name, images in rows.items()}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# The search knows what handwriting looks like: its error in the hole is little more than half that of a flat fill, and the step over the border is like that of true images. Blending changes little here, for a stroke that ends at a border is a step that *should* be there. It is made for smooth surroundings:

# %% [markdown] slideshow={"slide_type": "subslide"}
# We paste the block of one scene into another, by copying and by Poisson's equation, with a generous mask: the square around it.

# %% slideshow={"slide_type": "fragment"}
pasted, onto = tasks["scene_light"][2][:6], tasks["scene_light"][2][6:12]
square = torch.zeros(1, 1, 32, 32)
square[..., 3:25, 8:25] = 1
onto = onto.flip(3)
rows = {"source": pasted, "target": onto, "copied": torch.where(square == 1, pasted, onto)}
rows["blended"] = poisson_blend(pasted, onto, square).clamp(-1, 1)
fig, ax = plt.subplots(figsize=(4.6, 3))
plotting.compare_rows({name: (images + 1) / 2 for name, images in rows.items()}, ax)
plt.show()
outside = (square == 0).expand_as(onto)
assert torch.equal(rows["blended"][outside], onto[outside])

# %% [markdown] slideshow={"slide_type": "notes"}
# Copied, the square shows. Blended, the seam is gone, and so is the source's background colour: the target's flows in from the border. The block pays for it, and changes its colour along with the rest; that is the price of "gradients, not levels". (The live check: outside the square nothing has changed.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Super-resolution
#
# Enlarge 8x8 pixels to 32x32. Many images have the same 8x8 means, so section 2 applies word for word: regression returns the mean of them all. The network works on the few pixels, and deals its last channels out as pixels, **sub-pixel convolution** (Shi et al. 2016); the game is Ledig et al.'s (2016). Whatever comes out, averaging it must give the few pixels back: `make_consistent` projects onto the images that do.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.applications.super_resolution import (
    SubPixelGenerator,
    SuperResolutionGAN,
    downsample,
    make_consistent,
    psnr,
    upsample,
)

_, high, _, high_test = tasks["grey_to_colour"]
low, low_test = downsample(high, 4), downsample(high_test, 4)
rows = {"8x8": upsample(low_test, 4, "nearest"), "bicubic": upsample(low_test, 4).clamp(-1, 1)}
torch.manual_seed(0)
net = SubPixelGenerator(3, factor=4, hidden_dim=24)
history = fit(net, (low, high), epochs=2 * SHORT, **settings)
with torch.no_grad():
    rows["regression"] = make_consistent(net(low_test), low_test)
model = SuperResolutionGAN(net, PatchDiscriminator(6, 16, hidden_dim=16), l1_weight=10.0)  # goes on from regression
fit_adversarial(model, (low, high), epochs=SHORT, **settings)
rows["L1 + GAN"] = make_consistent(model.sample(low_test), low_test)
assert torch.allclose(downsample(rows["L1 + GAN"], 4), low_test, atol=1e-5)

# %% slideshow={"slide_type": "fragment"}
for name, images in rows.items():
    report(f"{name:11} PSNR {psnr(images, high_test, 2.0).mean():.1f} dB", images, high_test)
fig, ax = plt.subplots(figsize=(3.8, 2.9))
plotting.compare_rows({k: (x[:5].clamp(-1, 1) + 1) / 2 for k, x in {**rows, "truth": high_test}.items()}, ax)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# Bicubic interpolation is a guess without knowledge. Regression has the best PSNR (peak signal-to-noise ratio, the mean squared error in decibels), and little of the detail. The game gives up a little of that, brings back part of the detail, and has patches nearer to real ones. It *looks* better and *is* further from the truth; think of that before you enlarge a number plate. Both are exactly consistent with the 8x8 pixels.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Style transfer
#
# One image's content in the texture of another, without any training (Gatys et al. 2015). Take features $F_l$ of a fixed convolutional network. *Content* is what is where: the features, place by place. *Texture* is which features occur together, wherever: the **Gram matrix**, $\mathrm{Gram}_l = F_l F_l^\top / (H_l W_l)$, a mean over places. Then optimise the *pixels*:
#
# $$ x^* = \arg\min_x \; \sum_l \tfrac12 \overline{(F_l(x) - F_l(\text{content}))^2} + w \sum_l \tfrac14 \overline{(\mathrm{Gram}_l(x) - \mathrm{Gram}_l(\text{style}))^2}. $$
#
# The features are usually VGG's. Random filters of several sizes do for textures (Ustyuzhaninov et al. 2016), and need no download. A much cheaper relative only matches each channel's mean and deviation to the style's: the **AdaIN** of lecture 13, here on the pixels themselves, which moves colours alone (Huang & Belongie 2017 do it on features, and train a decoder).

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.applications.adain_transfer import match_statistics
from course_utils.models.applications.style_transfer import RandomFeatures, gram_matrix, style_loss, transfer_style

content = (tasks["scene_light"][2][:1] + 1) / 2
styles = (
    torch.stack([tasks["labels_to_facade"][3][4], tasks["day_to_night"][3][0], tasks["aerial_to_map"][2][1]]) + 1
) / 2
features = RandomFeatures(kernel_sizes=(3, 7, 11), num_filters=32)
contents = content.expand(3, -1, -1, -1)
restyled = transfer_style(features, contents, styles, style_weight=1e3, num_steps=5 if FAST else 40)
recoloured = match_statistics(contents, styles).clamp(0, 1)
rows = {"style": styles, "content": contents, "Gram": restyled, "AdaIN on pixels": recoloured}
fig, ax = plt.subplots(figsize=(3.6, 3.8))
plotting.compare_rows(rows, ax)
plt.show()
grams = [gram_matrix(layer) for layer in features.features(styles)]
for name, images in list(rows.items())[1:]:
    apart = [f"{1e4 * value:8.3f}" for value in style_loss(features.features(images), grams).tolist()]
    print(
        f"{name:16} 10,000 times the style loss {' '.join(apart)}   L1 to the content {(images - content).abs().mean():.3f}"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# The Gram matrices are matched almost perfectly, and the content has still the shape of the block, in the colours and with some of the texture of the style. AdaIN on pixels takes a moment and matches them nearly as well, since on images this simple colour is most of the style.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - If the source determines the target, regress. If there are several valid answers, squared error returns their mean (blur), absolute error their median (flat).
# - pix2pix: a discriminator that sees source and target says whether the *patches* look right; L1 says what goes where. A U-Net hands across what the source knows; dropout is the only noise, and gives little variety.
# - Each ablation shares training pairs and steps. Low L1 and realistic patches are two things.
# - CycleGAN: two translators, two discriminators, and round trips that must close. The cycle forbids forgetting; it does not say which one-to-one map is meant.
# - Translation is rendering by short cut: light, viewpoint, background, attributes; and holes, seams, pixels, colours and styles are translation, too.
# - What a network adds is *plausible*, not *known*. What is known (the pixels around a hole, the grey, the few pixels) can be put back exactly.
#
# ## Exercises
#
# 1. (5 min, easy) In the toy of section 2, 45% of the walls are light, 40% dark and 15% in between. What are the best answers for L2 and for L1? For the loss that counts 1 for any wrong answer and 0 for the right one?
# 2. (10 min, easy) Compute by hand the receptive field of three layers of kernel 3 and stride 2. How many layers of kernel 4 and stride 2 see at least 256 pixels?
# 3. (10 min, medium) The discriminator of `losses` sees $x$ and the target. Give it the target alone. What happens to the L1 of `L1 + GAN`, and with $\lambda = 0$?
# 4. (15 min, medium) Show that $\lVert F(G(s)) - s \rVert_1 = 0$ for all $s$ makes $G$ one-to-one on $S$. Why must a translation from photographs to maps then *hide* information in the map (Chu et al. 2017)? Look for it: translate, round the result to 16 grey levels, and translate back.
# 5. (15 min, medium) Train section 6 with `identity_weight=5.0` from the start, and from generators that have not learned to copy. What is the identity loss for?
# 6. (20 min, medium) Take `tasks["scene_viewpoint"]` as two domains, without the pairs, and train a CycleGAN. Why is a change of geometry harder for it than stripes?
# 7. (20 min, hard) Poisson blending minimises $\int |\nabla f - v|^2$. Derive $\Delta f = \operatorname{div} v$ by setting the derivative along every $h$ that vanishes on the border to zero.
#
# ## References
#
# - P. Isola, J.-Y. Zhu, T. Zhou, A. A. Efros: Image-to-image translation with conditional adversarial networks, 2016. arXiv 1611.07004.
# - J.-Y. Zhu, T. Park, P. Isola, A. A. Efros: Unpaired image-to-image translation using cycle-consistent adversarial networks, 2017. arXiv 1703.10593.
# - J.-Y. Zhu et al.: Toward multimodal image-to-image translation, 2017. arXiv 1711.11586 (BicycleGAN).
# - C. Chu, A. Zhmoginov, M. Sandler: CycleGAN, a master of steganography, 2017. arXiv 1712.02950.
# - R. Zhang, P. Isola, A. A. Efros: Colorful image colorization, 2016. arXiv 1603.08511.
# - R. A. Yeh et al.: Semantic image inpainting with deep generative models, 2016. arXiv 1607.07539.
# - P. Pérez, M. Gangnet, A. Blake: Poisson image editing, 2003. ACM Transactions on Graphics 22(3).
# - W. Shi et al.: Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network, 2016. arXiv 1609.05158.
# - C. Ledig et al.: Photo-realistic single image super-resolution using a generative adversarial network, 2016. arXiv 1609.04802.
# - L. A. Gatys, A. S. Ecker, M. Bethge: A neural algorithm of artistic style, 2015. arXiv 1508.06576.
# - I. Ustyuzhaninov et al.: Texture synthesis using shallow convolutional networks with random filters, 2016. arXiv 1606.00021.
# - X. Huang, S. Belongie: Arbitrary style transfer in real-time with adaptive instance normalization, 2017. arXiv 1703.06868.
# - M. Tatarchenko, A. Dosovitskiy, T. Brox: Multi-view 3D models from single images with a convolutional network, 2015. arXiv 1511.06702.
# - T. Zhou et al.: View synthesis by appearance flow, 2016. arXiv 1605.03557.
# - B. Mildenhall et al.: NeRF, representing scenes as neural radiance fields for view synthesis, 2020. arXiv 2003.08934.
# - G. Antipov, M. Baccouche, J.-L. Dugelay: Face aging with conditional generative adversarial networks, 2017. arXiv 1702.01983.
