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
# # Assignment 2: autoregressive models
#
# You will write the six functions and layers that autoregressive models of images are made of, and then train a small
# PixelCNN on handwritten digits with nothing but your own code. Lectures 5 to 7 hold all that you need.
#
# **How it works.** Each exercise has a statement, a function or class to fill in, and a check. Replace
# `raise NotImplementedError()` by your code and run the check below it: it tells you what is wrong and, where it recognises
# the mistake, which idea went astray. You may run it as often as you like. The check draws its inputs at random; for the
# grade, the same check runs again on inputs that nobody has seen, in the cell marked *hidden test*.
#
# **Ground rules for every function**
#
# - Any correct way counts, and so do library calls, but not a call of the course's own reference implementation.
# - Log-probabilities are in nats (natural logarithm).
# - Floating-point inputs may be `float32` or `float64`, on any device. Images are (B, C, H, W), not always square, and
#   batches may hold one image.
# - Leave the arguments unchanged, set no random seed, remember nothing between calls, and let gradients flow (masks and
#   sampling need none).
#
# **Points.** 18: for each exercise 1 for the check that you see and 2 for the hidden test. **Time.** About two and a half
# hours.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import checks

# %% [markdown] nbgrader={"grade": false, "grade_id": "made_masks-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1. An autoencoder that cannot cheat (15 minutes, medium)
#
# An autoencoder that predicts $x_d$ must not see $x_d$, nor anything after it. MADE (Germain et al., 2015) makes any
# fully connected network obey by giving every unit a *degree* and cutting connections. The degree of input $d$ is its place in
# the order; a hidden unit of degree $m$ may depend on inputs of degrees up to $m$; the output of degree $d$ may depend on inputs
# of degrees below $d$. So unit $k$ of a layer sees unit $j$ of the layer just before if
#
# $$ \text{hidden layer:} \quad m_k \ge m_j, \qquad\qquad \text{output layer:} \quad m_k > m_j . $$
#
# Why must one of the two be strict, and why is once enough? Follow a path from input to output: degrees never fall along
# it, and rise at its end.


# %% nbgrader={"grade": false, "grade_id": "made_masks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def made_masks(degrees: list[Tensor]) -> list[Tensor]:
    """The masks of a fully connected network whose units have these degrees.

    Args:
        degrees: L + 1 vectors of int64, the degrees of the input, of each hidden layer, and of the output. They may be
            in any order, repeat, leave gaps, and start anywhere; layers differ in size.

    Returns:
        A list of L masks between neighbouring layers, from input to output, each (out, in) like a weight of nn.Linear:
        1 where unit k of the later layer sees unit j of the earlier one, else 0; of any numeric or boolean dtype. In
        hidden layers k sees j if degree_k >= degree_j, in the last one, the output, if degree_k > degree_j. With two
        vectors there is one mask, that of the output.
    """
    ### BEGIN SOLUTION
    hidden = [degrees[n + 1].unsqueeze(1) >= degrees[n] for n in range(len(degrees) - 2)]
    return [*hidden, degrees[-1].unsqueeze(1) > degrees[-2]]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "made_masks-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.made_masks(made_masks).score(1)

# %% nbgrader={"grade": true, "grade_id": "made_masks-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.made_masks.at_grading(made_masks).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "causal_mask-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2. Which pixels come earlier? (25 minutes, medium)
#
# A PixelCNN predicts each pixel from those before it in *raster order*: all rows above, and in its own row what is to the left. A
# convolution does that if part of its kernel is zero. For a kernel of size 5, with the pixel to predict at the centre `c`:
#
# ```
# 1 1 1 1 1
# 1 1 1 1 1
# 1 1 c 0 0
# 0 0 0 0 0
# 0 0 0 0 0
# ```
#
# What about `c` itself? The first layer looks at the image, where the centre is the very value that is to be predicted: mask *type
# A* hides it. Later layers look at features that were computed without it: *type B* shows it.
#
# In colour images the three values of a pixel are predicted in turn, R, then G given R, then B given both. So the channels of
# each layer come in three equal groups, R, G and B, one after the other: of six channels, 0 and 1 belong to R, 2 and 3 to G, 4 and 5 to B. **At
# the centre**, a group of output channels sees the groups of input channels before it, and in type B also its own. At all other pixels
# colours do not matter.


# %% nbgrader={"grade": false, "grade_id": "causal_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_mask(mask_type: str, in_channels: int, out_channels: int, kernel_size: int, num_colors: int = 1) -> Tensor:
    """The mask of a causal convolution.

    Args:
        mask_type: "A" hides the centre, "B" shows it (with colours: as said below).
        in_channels: channels of the input, divisible by `num_colors`.
        out_channels: channels of the output, divisible by `num_colors`.
        kernel_size: height and width of the kernel, odd (1 included).
        num_colors: 1, or 3 for channels in three equal contiguous groups R, G, B. With 3, at the centre, a group of output
            channels sees the groups of input channels before it, and its own in type "B".

    Returns:
        (out_channels, in_channels, kernel_size, kernel_size), laid out like the weight of nn.Conv2d: 1 where an output sees
        an input, else 0; of any numeric or boolean dtype.
    """
    ### BEGIN SOLUTION
    centre = kernel_size // 2
    mask = torch.zeros(out_channels, in_channels, kernel_size, kernel_size)
    mask[:, :, :centre] = 1
    mask[:, :, centre, :centre] = 1
    color_in = torch.arange(in_channels) // (in_channels // num_colors)
    color_out = torch.arange(out_channels).unsqueeze(1) // (out_channels // num_colors)
    mask[:, :, centre, centre] = color_in < color_out if mask_type == "A" else color_in <= color_out
    return mask
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "causal_mask-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.causal_mask(causal_mask).score(1)

# %% nbgrader={"grade": true, "grade_id": "causal_mask-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.causal_mask.at_grading(causal_mask).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "MaskedConv2d-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3. A convolution that looks back only (25 minutes, hard)
#
# Now the layer: an `nn.Conv2d` whose weight is multiplied by the mask. You may call your `causal_mask`, but then its mistakes come along.
#
# The difficulty is *when*. An optimiser knows nothing of masks, and neither does `load_state_dict`: either may fill the forbidden entries with
# numbers at any time, and the model then leaks the very pixel that it is to predict. Its loss looks wonderful, and its samples are
# noise. So the layer must be causal whatever the weights are.
#
# What the caller passes besides goes to `nn.Conv2d` unchanged. Only the padding has another default here: without it the image
# would shrink.


# %% nbgrader={"grade": false, "grade_id": "MaskedConv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
class MaskedConv2d(nn.Conv2d):
    """A convolution (B, in_channels, H, W) -> (B, out_channels, H, W) of which each output depends on allowed inputs only.

    Args:
        mask_type, in_channels, out_channels, kernel_size, num_colors: as for `causal_mask`.
        kwargs: further arguments of nn.Conv2d, which mean what they mean there: padding, stride, dilation, bias. Unless the
            caller passes `padding`, height and width stay as they are (without stride and dilation).

    An output depends on nothing that the mask hides, and on all that it shows: for a new layer, after training steps,
    after load_state_dict with any weights, in train and in eval mode. Calling the layer twice gives the same result;
    setting forbidden entries of its own weight to zero is allowed. Gradients reach the input and the weights.
    """

    def __init__(
        self, mask_type: str, in_channels: int, out_channels: int, kernel_size: int, num_colors: int = 1, **kwargs
    ):
        ### BEGIN SOLUTION
        kwargs.setdefault("padding", kernel_size // 2)
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        self.register_buffer("mask", causal_mask(mask_type, in_channels, out_channels, kernel_size, num_colors))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        return self._conv_forward(x, self.weight * self.mask, self.bias)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "MaskedConv2d-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.MaskedConv2d(MaskedConv2d).score(1)

# %% nbgrader={"grade": true, "grade_id": "MaskedConv2d-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.MaskedConv2d.at_grading(MaskedConv2d).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "pixel_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4. The likelihood of an image (15 minutes, easy)
#
# A PixelCNN gives every value of an image a categorical distribution over its $V$ levels, as logits. By the chain rule the logarithms
# of the conditionals add up, over pixels and over channels:
#
# $$ \log p(x) = \sum_{c, i, j} \log p(x_{cij} \mid \text{all before}), \qquad
#    p(x_{cij} = k \mid \cdot) = \operatorname{softmax}(l_{\cdot cij})_k . $$
#
# This is exact: no bound, no sampling. Mind which axis holds the levels, and stay with logarithms: the softmax of logits like $\pm 150$
# is 0 or 1 in floating point.


# %% nbgrader={"grade": false, "grade_id": "pixel_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pixel_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """log p(x) of each image, in nats.

    Args:
        logits: unnormalised log-probabilities of the V levels of each value, (B, V, C, H, W); +-150 occurs.
        x: levels, 0 ... V - 1, (B, C, H, W) in int64.

    Returns:
        (B,), summed over channels and pixels; never positive. Gradients flow to `logits`.
    """
    ### BEGIN SOLUTION
    chosen = logits.log_softmax(dim=1).gather(1, x.unsqueeze(1))
    return chosen.flatten(1).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "pixel_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.pixel_log_prob(pixel_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "pixel_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.pixel_log_prob.at_grading(pixel_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "sample_images-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5. One pixel after the other (25 minutes, medium)
#
# Sampling follows the same order as the likelihood. Begin with any image. For the first value, ask the model for its logits, draw a
# level, and *put it into the image*; then ask again for the next one, and so on, row by row, from left to right, and at each
# pixel channel after channel. What stands where nothing was drawn yet does not matter: a causal model does not look there.
#
# The model takes intensities, levels divided by $V - 1$, so that they lie in $[0, 1]$, and gives logits (B, V, C, H, W). You get to know $V$ from
# its answer.


# %% nbgrader={"grade": false, "grade_id": "sample_images", "locked": false, "schema_version": 3, "solution": true, "task": false}
@torch.no_grad()
def sample_images(
    model: nn.Module, num_samples: int, image_shape: tuple[int, int, int], generator: torch.Generator | None = None
) -> Tensor:
    """Images drawn value by value, in raster order and at each pixel channel after channel.

    Args:
        model: maps intensities, levels / (V - 1), (B, C, H, W), to logits (B, V, C, H, W) of every value given all before.
        num_samples: the number of images, at least 1.
        image_shape: (C, H, W), not always square.
        generator: the source of all randomness, if given; the global generator is then left alone. Generators of equal
            seeds give equal images, and a second call with the same generator gives new ones.

    Returns:
        The levels, integers 0 ... V - 1, int64 (num_samples, C, H, W), on the device of the model.
    """
    ### BEGIN SOLUTION
    channels, height, width = image_shape
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    x = torch.zeros(num_samples, channels, height, width, device=device)
    levels = torch.zeros(x.shape, dtype=torch.int64, device=device)
    for i in range(height):
        for j in range(width):
            for c in range(channels):
                logits = model(x)
                probs = logits[:, :, c, i, j].softmax(dim=1)
                levels[:, c, i, j] = torch.multinomial(probs, 1, generator=generator).squeeze(1)
                x[:, c, i, j] = levels[:, c, i, j] / (logits.shape[1] - 1)
    return levels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sample_images-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.sample_images(sample_images).score(1)

# %% nbgrader={"grade": true, "grade_id": "sample_images-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.sample_images.at_grading(sample_images).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "discretized_logistic_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6. Levels that know their neighbours (25 minutes, hard)
#
# A softmax over 256 levels does not know that 100 lies beside 101. PixelCNN++ (Salimans et al., 2017) gives each value a
# continuous *logistic* distribution instead, with the cumulative distribution function $\mathrm{sigmoid}((v - \mu) / s)$, and cuts it into bins,
# one for each level. Levels $0, \dots, V - 1$ are scaled to $x \in [-1, 1]$, so neighbours are $2 / (V - 1)$ apart, and a bin reaches half of that
# to either side:
#
# $$ \log p(x) = \log \left[ \mathrm{sigmoid}\left( \frac{x + h - \mu}{s} \right) - \mathrm{sigmoid}\left( \frac{x - h - \mu}{s} \right) \right],
#    \qquad h = \frac{1}{V - 1}, \quad s = e^{\texttt{log\_scale}} . $$
#
# The two edge bins are *open*: that of $x = -1$ reaches down to $-\infty$, that of $x = 1$ up to $+\infty$. Only then do the
# probabilities of all levels sum to 1. Where a bin is narrow, the difference of two sigmoids loses digits; a difference is exact enough down to the
# probabilities named below. (Can you do without it? It is a product of two sigmoids and one more factor.)


# %% nbgrader={"grade": false, "grade_id": "discretized_logistic_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discretized_logistic_log_prob(x: Tensor, mu: Tensor, log_scale: Tensor, num_levels: int = 256) -> Tensor:
    """The log-probability of each value under a logistic distribution cut into bins, in nats.

    Args:
        x: levels 0 ... num_levels - 1, scaled to [-1, 1]; any shape.
        mu: location, of the same shape.
        log_scale: logarithm of the scale, of the same shape.
        num_levels: the number of levels, at least 2.

    Returns:
        Shaped like `x`, one value for each element; the probabilities of all levels sum to 1. Right where the probability is
        above 1e-3 (float32) or 1e-9 (float64), and with finite gradients for `mu` and `log_scale` there.
    """
    ### BEGIN SOLUTION
    half_bin = 1 / (num_levels - 1)
    inverse_scale = torch.exp(-log_scale)
    upper = (x - mu + half_bin) * inverse_scale
    lower = (x - mu - half_bin) * inverse_scale
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), without a difference that cancels
    inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(-2 * half_bin * inverse_scale))
    first, last = x < -1 + half_bin, x > 1 - half_bin
    return torch.where(first, F.logsigmoid(upper), torch.where(last, F.logsigmoid(-lower), inside))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "discretized_logistic_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.autoregressive.discretized_logistic_log_prob(discretized_logistic_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "discretized_logistic_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.autoregressive.discretized_logistic_log_prob.at_grading(discretized_logistic_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "together-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## All together: your own PixelCNN (no points)
#
# The model below is a stack of your masked convolutions, trained with your likelihood, and it draws with your sampler. It learns in less than a
# minute to write digits of 8 by 8 pixels and four levels of grey. Three things to see: the images, many of which look like
# digits; the likelihood on digits that it has not seen, in bits for each pixel (2 would be guessing); and a test of
# your own that nothing leaks, which is worth doing for every autoregressive model that you build: change one pixel, and see where the logits change.


# %% nbgrader={"grade": false, "grade_id": "together-model", "locked": true, "schema_version": 3, "solution": false, "task": false}
class MyPixelCNN(nn.Module):
    def __init__(self, num_levels=4, hidden_dim=32, num_layers=4):
        super().__init__()
        self.num_levels = num_levels
        self.first = MaskedConv2d("A", 1, hidden_dim, kernel_size=5)
        self.layers = nn.ModuleList(MaskedConv2d("B", hidden_dim, hidden_dim, kernel_size=3) for _ in range(num_layers))
        self.last = MaskedConv2d("B", hidden_dim, num_levels, kernel_size=1)

    def forward(self, x):
        hidden = self.first(x)
        for layer in self.layers:
            hidden = hidden + layer(F.relu(hidden))
        return self.last(F.relu(hidden)).unsqueeze(2)  # (B, V, H, W) to (B, V, 1, H, W)

    def log_prob(self, levels):
        return pixel_log_prob(self(levels / (self.num_levels - 1)), levels)


# %% nbgrader={"grade": false, "grade_id": "together-train", "locked": true, "schema_version": 3, "solution": false, "task": false}
if not os.environ.get("NBGRADER_EXECUTION"):  # at grading there is nothing to look at
    from course_utils.data import load
    from course_utils.plotting import image_grid
    from course_utils.training import fit

    digits = load("digits")
    train, valid = ((split.x * 3).round().long() for split in (digits.train, digits.valid))
    model = MyPixelCNN()
    fit(
        model,
        train,
        epochs=25,
        batch_size=64,
        lr=3e-3,
        cosine=True,
        device="cpu",
        loss=lambda model, levels, step: -model.log_prob(levels).mean(),
        description="your PixelCNN",
    )
    with torch.no_grad():
        bits = -model.log_prob(valid).mean() / (64 * math.log(2))
        x = valid[:1] / 3
        changed = x.clone()
        changed[0, 0, 4, 3] = 1 - changed[0, 0, 4, 3]
        moved = (model(changed) - model(x)).abs().amax((0, 1, 2)) > 1e-6
    print(f"{bits:.2f} bits for each pixel of digits that it has not seen")
    print("row 4, column 3 was changed; the logits that changed with it:")
    print("\n".join(" ".join("x" if seen else "." for seen in row) for row in moved.tolist()))
    image_grid(sample_images(model, 60, (1, 8, 8)) / 3, num_columns=10)
