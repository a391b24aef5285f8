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

# %% [markdown] nbgrader={"grade": false, "grade_id": "title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # Assignment 5: styles and translation
#
# You will write the six functions that lectures 13 and 14 turn on: how StyleGAN sets a style and mixes two, how much of an image PatchGAN's judge sees,
# what pix2pix and CycleGAN minimise, and the last step of every inpainting. After each function there is something to look at that your code makes, and
# at the end your loss trains a pix2pix.
#
# **How it works.** Each exercise has a statement, a function to fill in, and a check. Replace `raise NotImplementedError()`
# by your code and run the check below it: it tells you what is wrong and, where it recognises the mistake, which idea
# went astray. You may run it as often as you like. The check draws its inputs at random; for the grade, the same check
# runs again on inputs that nobody has seen, in the cell marked *hidden test*.
#
# **Ground rules for every function**
#
# - Any correct way counts, and so do library calls, but not a call of the course's own reference implementation.
# - Images and features are (B, C, H, W), not always square, and batches may hold one example.
# - Inputs may be `float32` or `float64`, on any device; the result lives where the input lives.
# - Leave the arguments unchanged, set no random seed, and let gradients flow.
#
# **Points.** 18: for each function 1 for the check that you see and 2 for the hidden test. **Time.** About an hour and a half.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import checks

LOOK = not os.environ.get("NBGRADER_EXECUTION")  # at grading there is nothing to look at

# %% [markdown] nbgrader={"grade": false, "grade_id": "picture-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## One picture, another picture
#
# Each pair below is a task of translation: from the left picture make the right one. In some of them the answer follows (a map from the air), in others there are
# many (the map of a house's parts does not say what colour it is painted). All pictures are drawn by the course on your machine.

# %% nbgrader={"grade": false, "grade_id": "picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    import matplotlib.pyplot as plt

    from course_utils import plotting
    from course_utils.data import load_pairs

    torch.set_num_threads(1)  # such small networks are faster so
    NAMES = ("labels_to_facade", "edges_to_picture", "day_to_night", "aerial_to_map", "scene_background")
    PAIRS = {name: load_pairs(name, num_pairs=8, size=64) for name in NAMES}

    def colour(images):
        return images.expand(-1, 3, -1, -1)  # grey ones, too

    def still_to_write(error):
        """Say which function is missing: the one in whose lines the error arose."""
        import traceback

        print(
            f"{traceback.extract_tb(error.__traceback__)[-1].name} is still to be written: then there is a picture here"
        )

    figure, axes = plt.subplots(1, len(NAMES), figsize=(10, 2.6), layout="constrained")
    for ax, name in zip(axes, NAMES, strict=True):
        pairs = PAIRS[name]
        rows = torch.stack([colour(pairs.source), colour(pairs.target)], 1)[:2]
        plotting.image_grid(rows.flatten(0, 1), ax=ax, num_columns=2)
        ax.set_title(name.replace("_", " "), fontsize=9)
    plt.show()

# %% [markdown] nbgrader={"grade": false, "grade_id": "adain-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1. A style is a mean and a deviation (15 minutes, medium, 3 points)
#
# What makes a night a night? Below, the histograms of the colours of one town: at night each colour has another **mean** and another **deviation**, wherever the
# houses stand. That is the idea of AdaIN (Huang & Belongie 2017) and of StyleGAN (Karras et al. 2018): to give features a style, take away the mean and the deviation that each channel has,
# and set new ones,
#
# $$ \operatorname{AdaIN}(x, y)_{bchw} = y^{s}_{bc} \, \frac{x_{bchw} - \mu_{bc}}{\sigma_{bc}} + y^{b}_{bc} . $$
#
# $\mu_{bc}$ and $\sigma_{bc}$ are mean and standard deviation of **one channel of one example**, over its pixels and nothing else: not over the batch (that is batch normalisation), not
# over the channels (layer normalisation). A channel that is the same everywhere has $\sigma = 0$. That is what `eps` is for.

# %% nbgrader={"grade": false, "grade_id": "adain-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    pairs = PAIRS["day_to_night"]
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.2), layout="constrained", width_ratios=(1, 1.5, 1, 1.5))
    for n, (name, image) in enumerate({"by day": pairs.source[0], "by night": pairs.target[0]}.items()):
        plotting.image_grid(image[None], ax=axes[2 * n])
        for values, name_of_colour in zip(image, ("red", "green", "blue"), strict=True):
            label = f"mean {values.mean():.2f}, deviation {values.std():.2f}"
            axes[2 * n + 1].hist(
                values.flatten().numpy(), bins=30, range=(0, 1), color=name_of_colour, alpha=0.4, label=label
            )
        axes[2 * n + 1].legend(fontsize=7)
        axes[2 * n + 1].set(title=name, xlabel="value", yticks=[])
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "adain", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adain(x: Tensor, style_scale: Tensor, style_bias: Tensor, eps: float = 1e-5) -> Tensor:
    """style_scale (x - mean) / deviation + style_bias, with the statistics of each example's channel over H and W.

    Args:
        x: features, (B, C, H, W), of at least two pixels.
        style_scale: the new deviation of each example's channel, (B, C); it may be negative.
        style_bias: the new mean of each example's channel, (B, C).
        eps: added to the variance, under the root, or else to the deviation. The variance may be divided by the number
            of pixels or by one less: all four are accepted.

    Returns:
        Like x. A constant channel becomes its style_bias. Right also where means are hundreds of deviations from 0, and
        differentiable in x (through mean and deviation, too), scale and bias; the gradient for x of constant channels
        is not judged.
    """
    ### BEGIN SOLUTION
    var, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
    normal = (x - mean) / torch.sqrt(var + eps)
    return style_scale[:, :, None, None] * normal + style_bias[:, :, None, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "adain-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.adain(adain).score(1)

# %% nbgrader={"grade": true, "grade_id": "adain-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.adain.at_grading(adain).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "adain-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **Your function at work.** The colours of a picture are features of three channels. Give the town by day the statistics of another town's night: three means and three deviations turn day into night, and an evening sun
# comes for free. What they cannot do is light the windows: which pixel changes how does not depend on what it shows.

# %% nbgrader={"grade": false, "grade_id": "adain-play", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    pairs = PAIRS["day_to_night"]
    day, night = pairs.source, pairs.target.roll(1, 0)  # the night of another town
    try:
        restyled = adain(day, night.std((2, 3)), night.mean((2, 3))).clamp(0, 1)
        rows = {"x": day, "style of": night, "adain": restyled, "true night": pairs.target}
        plotting.compare_rows({label: images[:6] for label, images in rows.items()})
        plt.show()
    except NotImplementedError as error:
        still_to_write(error)

# %% [markdown] nbgrader={"grade": false, "grade_id": "mix_styles-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2. Coarse from one, fine from the other (10 minutes, easy, 3 points)
#
# StyleGAN's generator reads a style at every layer, from the coarse ones (pose, shape) to the fine ones (colour, texture). Nobody forces all layers to read the *same* one. With the styles of two
# images, $w^a$ and $w^b$, and a layer at which to change over,
#
# $$ w_l = \begin{cases} w^a_l & l < \texttt{crossover} \\ w^b_l & l \ge \texttt{crossover} \end{cases} \qquad l = 0, \dots, L - 1, $$
#
# the picture takes what is coarse from the first parent and what is fine from the second. In training, such mixtures keep neighbouring layers from relying on each other.
#
# In place of a trained generator, a painter works for you here. It has six layers as well: the shape of the face, then where it looks, the eyes, the mouth, the colour of the face, and that of the wall.


# %% nbgrader={"grade": false, "grade_id": "mix_styles-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
def paint(styles, side=48):
    """Pictures (B, 3, side, side) of styles (B, 6, 4): each layer draws by its own style."""
    shape, gaze, eye, mouth, face, wall = styles.tanh()[..., None, None].unbind(1)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")

    def inside(distance):  # 1 where the distance is below 0, 0 where it is above, with a soft edge
        return torch.sigmoid(-8 * distance)[:, None]

    width, height = 0.62 + 0.2 * shape[:, 0], 0.68 + 0.2 * shape[:, 1]
    head = inside((x / width).square() + (y / height).square() - 1)
    x, y = x - 0.15 * gaze[:, 0], y - 0.12 * gaze[:, 1]
    apart, size = 0.25 + 0.08 * eye[:, 0], 0.12 + 0.06 * eye[:, 1]
    eyes = inside(((x.abs() - apart).square() + (y + 0.12).square()) / size**2 - 1)
    pupils = inside(((x.abs() - apart).square() + (y + 0.12 + 0.05 * eye[:, 2]).square()) / 0.004 - 1)
    lips = y - 0.32 - 0.2 * mouth[:, 0] + 1.2 * mouth[:, 1] * x.square()
    lips = inside(lips.abs() / 0.05 - 1) * inside(x.abs() / (0.25 + 0.08 * mouth[:, 2]) - 1)
    picture = (0.55 - 0.4 * wall[:, 1:]) * torch.ones(1, 3, side, side)
    for part, paint_of_part in ((head, 0.55 + 0.4 * face[:, :3]), (eyes, 1.0), (pupils, 0.1), (lips, 0.25)):
        picture = picture + part * (paint_of_part - picture)
    return picture


if LOOK:
    random = torch.Generator().manual_seed(4)
    W_A, W_B = (torch.randn(5, 1, 4, generator=random).expand(5, 6, 4).contiguous() for _ in range(2))
    plotting.compare_rows({"w_a": paint(W_A), "w_b": paint(W_B)})
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "mix_styles", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mix_styles(w_a: Tensor, w_b: Tensor, crossover: int) -> Tensor:
    """The styles of the layers before `crossover` from w_a, the rest from w_b.

    Args:
        w_a: styles of B images, one for each of L layers, (B, L, W).
        w_b: styles of as many others, (B, L, W).
        crossover: the first layer that is of w_b, from 0 (all layers are of w_b) to L (all are of w_a).

    Returns:
        Styles (B, L, W): every layer keeps its place and has the style of one parent, whole. Neither argument changes.
    """
    ### BEGIN SOLUTION
    return torch.cat([w_a[:, :crossover], w_b[:, crossover:]], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mix_styles-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.mix_styles(mix_styles).score(1)

# %% nbgrader={"grade": true, "grade_id": "mix_styles-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.mix_styles.at_grading(mix_styles).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "mix_styles-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **Your function at work.** From left to right, `crossover` goes from 6 (all of the first parent) to 0 (all of the second). One by one the layers change over, the fine ones first: wall, face, mouth, eyes, gaze, shape.

# %% nbgrader={"grade": false, "grade_id": "mix_styles-play", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    try:
        columns = torch.stack([paint(mix_styles(W_A, W_B, crossover)) for crossover in range(6, -1, -1)], 1)
        rows = {f"pair {n + 1}": row for n, row in enumerate(columns)}
        plotting.compare_rows(rows, titles=[f"crossover {n}" for n in range(6, -1, -1)])
        plt.gcf().set_size_inches(9, 6.5)
        plt.show()
    except NotImplementedError as error:
        still_to_write(error)

# %% [markdown] nbgrader={"grade": false, "grade_id": "receptive_field-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3. What one judge sees (15 minutes, medium, 3 points)
#
# pix2pix (Isola et al. 2016) needs no judge of the whole image: L1 takes care of what is coarse. Its discriminator, a **PatchGAN**, is a stack of a few convolutions that gives a *map* of logits, and each logit sees one square
# of the image, its *receptive field*. How large is it?
#
# Go backwards. One output is one pixel wide. If $r$ neighbouring outputs of a layer matter, the first and the last are $r - 1$ steps apart, each step is `stride` pixels of the layer's input, and the kernel
# covers `kernel_size` pixels at the end of the road. The picture shows two layers: three outputs of the first are seen, and five or seven pixels of the input? Count. (Padding moves the square, or fills a part of it with
# zeros; it does not change its side.)

# %% nbgrader={"grade": false, "grade_id": "receptive_field-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    figure, ax = plt.subplots(figsize=(7, 2.2), layout="constrained")
    for top in (2, 4, 6):  # what three outputs of the first layer see, and what one of the second sees
        ax.plot([top, top - 1, None, top, top, None, top, top + 1], [1, 0, None] * 2 + [1, 0], color="0.6", zorder=0)
    ax.plot([4, 2, None, 4, 4, None, 4, 6], [2, 1, None] * 2 + [2, 1], color="0.6", zorder=0)
    for level, (places, seen) in enumerate(((range(9), ()), (range(0, 9, 2), (2, 4, 6)), (range(0, 9, 2), (4,)))):
        colours = ["tab:blue" if place in seen else "0.8" for place in places]
        ax.scatter(places, [level] * len(places), s=180, marker="s", c=colours)
    ax.set_yticks([0, 1, 2], ["input", "after (3, 2)", "after (3, 1)"])
    ax.set(xticks=[], ylim=(-0.4, 2.4))
    ax.spines[:].set_visible(False)
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers: list[tuple[int, int]]) -> int:
    """The side of the input patch that one output of a stack of convolutions sees.

    Args:
        layers: at least one (kernel_size, stride), from input to output; all square. The list stays as it is.

    Returns:
        The side in pixels, a whole number (70.0 counts as 70): from the first to the last pixel seen, whatever the padding.
        PatchGAN's five layers, [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)], give 70; a layer alone gives its kernel_size.
    """
    ### BEGIN SOLUTION
    patch = 1
    for kernel_size, stride in reversed(layers):
        patch = stride * (patch - 1) + kernel_size
    return patch
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "receptive_field-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.receptive_field(receptive_field).score(1)

# %% nbgrader={"grade": true, "grade_id": "receptive_field-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.receptive_field.at_grading(receptive_field).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "receptive_field-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **Your function at work.** It designs the discriminator: take layers (4, 2), as many as it needs, and end with two of (4, 1). Which stack sees patches of 70? The squares are drawn into a facade of 256 pixels, the size that the paper worked at:
# 16 pixels see a part of a window, 70 a window with the wall around it, 286 (not drawn) more than there is.

# %% nbgrader={"grade": false, "grade_id": "receptive_field-play", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    facade = load_pairs("labels_to_facade", num_pairs=3, size=256, seed=3).target[0]
    try:
        sides = {count: int(receptive_field([(4, 2)] * count + [(4, 1)] * 2)) for count in range(1, 6)}
        ax = plotting.image_grid(facade[None])
        for count, patch_side in sides.items():
            print(
                f"{count} layers (4, 2), then 2 of (4, 1): patches of {patch_side}{' <- PatchGAN' * (patch_side == 70)}"
            )
            if patch_side <= 256:
                corner = 128 - patch_side / 2
                ax.add_patch(
                    plt.Rectangle((corner, corner), patch_side, patch_side, fill=False, edgecolor="white", linewidth=2)
                )
                ax.text(corner, corner, patch_side, color="black", backgroundcolor="white", fontsize=7)
        plt.show()
    except NotImplementedError as error:
        still_to_write(error)

# %% [markdown] nbgrader={"grade": false, "grade_id": "pix2pix_generator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4. Near it, and believable (10 minutes, medium, 3 points)
#
# Why is a translator not simply trained to hit the target? One drawing fits many vases, as below. Who is asked for the smallest *squared* error answers with the mean of all, who is asked for the smallest *absolute* error with their median, pixel by
# pixel: grey vases both, and none of them is valid. A discriminator is content with any of them, and with no compromise. pix2pix asks its generator for both: to be believed, and to stay near the target,
#
# $$ L_G = -\operatorname{E} \log D\bigl(x, G(x)\bigr) + \lambda \operatorname{E} \bigl| y - G(x) \bigr| . $$
#
# The first term is the non-saturating loss of lecture 11, a mean over all logits (a map for each image). The second is the mean over **all values**, pixels, channels and examples, so that $\lambda = 100$ means the same for every size of image.

# %% nbgrader={"grade": false, "grade_id": "pix2pix_generator_loss-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    pairs = PAIRS["edges_to_picture"]
    orders = [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)]
    vases = torch.stack([pairs.target[1][list(order)] for order in orders])  # other glazes for the same lines
    answers = torch.stack([vases.mean(0), vases.sort(0).values[2:4].mean(0)])
    titles = ["x", *["a valid y"] * 4, "their mean", "their median"]
    plotting.image_grid(torch.cat([colour(pairs.source[1:2]), vases[:4], answers]), num_columns=7, titles=titles)
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "pix2pix_generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pix2pix_generator_loss(logits_fake: Tensor, fake: Tensor, target: Tensor, l1_weight: float = 100.0) -> Tensor:
    """Cross-entropy of fakes labelled real, plus l1_weight times the mean absolute distance of fakes and targets.

    Args:
        logits_fake: the discriminator's logits of the fakes, of any shape, (B, 1, H', W') for example; positive for "real".
        fake: what the generator made, (B, C, H, W).
        target: what was due, (B, C, H, W).
        l1_weight: the factor lambda of the second term.

    Returns:
        The sum of the two terms, a scalar: each a mean over all axes, the first in nats. Right for logits up to +-1000;
        differentiable in logits_fake and fake, also where fake equals target.
    """
    ### BEGIN SOLUTION
    return F.softplus(-logits_fake).mean() + l1_weight * (fake - target).abs().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pix2pix_generator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.pix2pix_generator_loss(pix2pix_generator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "pix2pix_generator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.pix2pix_generator_loss.at_grading(pix2pix_generator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "pix2pix_generator_loss-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# It trains a pix2pix at the end of this notebook.

# %% [markdown] nbgrader={"grade": false, "grade_id": "cycle_consistency_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5. There and back again (10 minutes, easy, 3 points)
#
# Often there are no pairs: photographs here, paintings there, and no photograph of any painting. A discriminator for each domain can tell whether a translation looks like its domain, but not whether it has anything to do with its source: $G$ might answer every
# photograph with the same fine painting. CycleGAN (Zhu et al. 2017) has a second translator, $F$, that goes back, and asks that a return ticket leads home, from both ends:
#
# $$ L_{\text{cycle}} = \lambda \Bigl( \operatorname{E}_s \bigl| F(G(s)) - s \bigr| + \operatorname{E}_t \bigl| G(F(t)) - t \bigr| \Bigr) . $$
#
# Each expectation is a mean over all values of its own domain; the domains need not have equally many images. A translation that forgets cannot come back: from grey there is no way to the colours.


# %% nbgrader={"grade": false, "grade_id": "cycle_consistency_loss-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
def swap_colours(images):
    return images[:, [1, 2, 0]]


def swap_back(images):
    return images[:, [2, 0, 1]]


def to_grey(images):
    return images.mean(1, keepdim=True).expand_as(images)


def unchanged(images):
    return images


TRANSLATORS = {
    "swap colours": (swap_colours, swap_back),
    "to grey": (to_grey, unchanged),
    "nothing": (unchanged, unchanged),
}
if LOOK:
    vases = PAIRS["edges_to_picture"].target[1:4]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    for ax, (name, (there, back)) in zip(axes, TRANSLATORS.items(), strict=True):
        plotting.compare_rows({"s": vases, "G(s)": there(vases), "F(G(s))": back(there(vases))}, ax=ax)
        ax.set_title(name, fontsize=10)
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "cycle_consistency_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cycle_consistency_loss(
    source: Tensor, source_cycled: Tensor, target: Tensor, target_cycled: Tensor, weight: float = 10.0
) -> Tensor:
    """weight times the sum of two mean absolute distances: sources to what came back of them, and so for the targets.

    Args:
        source: images of the first domain, (B, C, H, W).
        source_cycled: F(G(source)), of the same shape.
        target: images of the second domain, (B', C', H', W'); all sizes may differ from those of the first.
        target_cycled: G(F(target)), of the same shape.
        weight: the factor lambda of both terms.

    Returns:
        A scalar; each distance is a mean over all axes. Differentiable in both cycled images, also where they equal theirs.
    """
    ### BEGIN SOLUTION
    there_and_back = (source_cycled - source).abs().mean() + (target_cycled - target).abs().mean()
    return weight * there_and_back
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "cycle_consistency_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.cycle_consistency_loss(cycle_consistency_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "cycle_consistency_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.cycle_consistency_loss.at_grading(cycle_consistency_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "cycle_consistency_loss-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **Your function at work.** It measures the three pairs of translators above. Look at the one that does nothing: its cycle is perfect, and no vase was translated. Nor does the loss say *which* swap of colours is meant. Cycle consistency keeps what is
# needed to come home; that the journey goes somewhere is the discriminators' business.

# %% nbgrader={"grade": false, "grade_id": "cycle_consistency_loss-play", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    vases, houses = PAIRS["edges_to_picture"].target, PAIRS["labels_to_facade"].target
    try:
        for name, (there, back) in TRANSLATORS.items():
            loss = cycle_consistency_loss(vases, back(there(vases)), houses, there(back(houses)), weight=1.0)
            print(f"{name:>12}: cycle loss {float(loss):.4f}")
    except NotImplementedError as error:
        still_to_write(error)

# %% [markdown] nbgrader={"grade": false, "grade_id": "inpaint-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6. Only the hole (10 minutes, easy, 3 points)
#
# Whoever repairs a photograph must not touch what is not broken. However clever the model that invents the missing part, the last step is this: keep the image where the mask is 1, take the filling where it is 0,
#
# $$ \hat x = m \odot x + (1 - m) \odot \text{fill} . $$
#
# Masks come in all kinds: of zeros and ones, of truth values; one for each image, one for all of them, with an axis for the channels or without.

# %% nbgrader={"grade": false, "grade_id": "inpaint-picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    IMAGE = PAIRS["scene_background"].source[:6]
    FILL = PAIRS["scene_background"].target[:6]
    MASK = torch.ones(6, 1, 64, 64)
    for n, hole in enumerate((slice(20, 40), slice(8, 24), slice(30, 60), slice(4, 60), slice(26, 34), slice(40, 56))):
        MASK[n, :, hole, 6 + 4 * n : 36 + 4 * n] = 0
    plotting.compare_rows({"image": IMAGE, "mask": colour(MASK), "fill": FILL})
    plt.show()


# %% nbgrader={"grade": false, "grade_id": "inpaint", "locked": false, "schema_version": 3, "solution": true, "task": false}
def inpaint(image: Tensor, mask: Tensor, fill: Tensor) -> Tensor:
    """`image` where the mask is 1, `fill` where it is 0.

    Args:
        image: (B, C, H, W), in any range.
        mask: zeros and ones of a floating-point type, or booleans, that broadcasts to the image: (B, 1, H, W), (H, W), ...
        fill: what to show in the hole, of the shape of the image.

    Returns:
        Like image, and differentiable in image and fill: each gets its gradient where it is shown.
    """
    ### BEGIN SOLUTION
    return torch.where(mask.bool(), image, fill)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "inpaint-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.translation.inpaint(inpaint).score(1)

# %% nbgrader={"grade": true, "grade_id": "inpaint-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.translation.inpaint.at_grading(inpaint).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "inpaint-play-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **Your function at work**, without any network. Blur the picture, put back what is known, and again, a few hundred times: what is known leaks into the hole like heat until it is as smooth as it can be (it solves Laplace's equation there). Good enough for a scratch or a wall; where the
# hole hides a face, somebody has to know what faces look like: that is what generators are for.

# %% nbgrader={"grade": false, "grade_id": "inpaint-play", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    kernel = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).expand(3, 1, 3, 3) / 4
    try:
        known = inpaint(IMAGE, MASK, torch.full_like(IMAGE, 0.5))
        healed = known
        for _ in range(800):
            blurred = F.conv2d(F.pad(healed, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
            healed = inpaint(IMAGE, MASK, blurred)
        rows = {"known": known, "heat": healed, "fill": inpaint(IMAGE, MASK, FILL), "truth": IMAGE}
        plotting.compare_rows(rows)
        plt.show()
    except NotImplementedError as error:
        still_to_write(error)

# %% [markdown] nbgrader={"grade": false, "grade_id": "together-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## All together: your pix2pix (no points)
#
# A small U-Net learns to paint houses from the map of their parts, once by L1 alone (your loss with the discriminator left out), once by your whole loss, where a PatchGAN judges
# (patches of how many pixels? Ask your `receptive_field` for `PATCH_LAYERS`). Half a minute of training makes no masterpiece, but look at the windows: some are lit and some are dark, the map does not say which, and L1 alone gives them something pale in between; the discriminator asks for windows that look like
# windows. What does that cost in distance from the true house, which is printed? And why is no wall bright red or blue in either row?


# %% nbgrader={"grade": false, "grade_id": "together-model", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Translator(nn.Module):
    """A U-Net: two steps down, two up, and what the first step saw is handed across."""

    def __init__(self, dim=24):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, dim, 4, 2, 1), nn.Conv2d(dim, 2 * dim, 4, 2, 1)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(2 * dim, dim, 4, 2, 1), nn.ConvTranspose2d(2 * dim, 3, 4, 2, 1)])
        self.norms = nn.ModuleList([nn.InstanceNorm2d(2 * dim, affine=True), nn.InstanceNorm2d(dim, affine=True)])

    def forward(self, x):
        first = F.leaky_relu(self.down[0](x), 0.2)
        second = F.leaky_relu(self.norms[0](self.down[1](first)), 0.2)
        third = F.relu(self.norms[1](self.up[0](second)))
        return torch.tanh(self.up[1](torch.cat([third, first], 1)))


PATCH_LAYERS = [(4, 2), (4, 1), (4, 1)]


def patch_discriminator(dim=24):
    widths, layers = (6, dim, 2 * dim, 1), []
    for n, (kernel_size, stride) in enumerate(PATCH_LAYERS):
        layers += [nn.Conv2d(widths[n], widths[n + 1], kernel_size, stride, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def train_pix2pix(x, y, adversarial, num_steps=250, batch_size=16):
    generator, discriminator = Translator(), patch_discriminator()
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    bce = F.binary_cross_entropy_with_logits
    for _ in range(num_steps):
        batch = torch.randint(len(x), (batch_size,))
        source, target = x[batch], y[batch]
        fake = generator(source)
        if adversarial:
            real_logits = discriminator(torch.cat([source, target], 1))
            fake_logits = discriminator(torch.cat([source, fake.detach()], 1))
            judged = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
            discriminator_optimizer.zero_grad()
            judged.backward()
            discriminator_optimizer.step()
            missed = pix2pix_generator_loss(discriminator(torch.cat([source, fake], 1)), fake, target, l1_weight=2.0)
        else:
            missed = pix2pix_generator_loss(torch.zeros(1), fake, target)  # logits that are none of its business
        generator_optimizer.zero_grad()
        missed.backward()
        generator_optimizer.step()
    return generator


# %% nbgrader={"grade": false, "grade_id": "together-train", "locked": true, "schema_version": 3, "solution": false, "task": false}
if LOOK:
    train, test = (
        load_pairs("labels_to_facade", num_pairs=n, size=32, split=s) for n, s in ((256, "train"), (64, "test"))
    )
    print(train.description)
    rows = {"x": test.source[:8]}
    try:
        for name, adversarial in (("L1 alone", False), ("pix2pix", True)):
            torch.manual_seed(0)
            trained = train_pix2pix(2 * train.source - 1, 2 * train.target - 1, adversarial)
            with torch.no_grad():
                houses = (trained(2 * test.source - 1) + 1) / 2
            print(
                f"{name:>8}: mean distance {(houses - test.target).abs().mean():.3f} from the true house on test data"
            )
            rows[name] = houses[:8]
        plotting.compare_rows({**rows, "a true y": test.target[:8]})
        plt.show()
    except NotImplementedError as error:
        still_to_write(error)
