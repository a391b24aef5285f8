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
# # Lecture 9: Autoencoders
#
# *How many numbers do you need to say which picture you mean?*
#
# **You will**
# - build and train an autoencoder by hand, and see that without its hidden layers it is PCA;
# - compress handwritten digits to two and to five numbers, and look at the map that the machine draws of them;
# - remove noise, spot images that do not belong, and classify with a handful of labels, each measured;
# - find out by experiment why an autoencoder is *not* yet a generative model, which is why Lecture 10 exists.
#
# **You need** linear layers and gradient descent in PyTorch; PCA (Lecture 1); mean and variance.
#
# **Time and hardware** 75 minutes to read, two minutes to run, on any laptop, without a GPU or a network.

# %% slideshow={"slide_type": "skip"}
import os

import matplotlib.pyplot as plt
import torch
from torch import nn

from course_utils.data import load, sprites
from course_utils.plotting import compare_rows, image_grid, latent_scatter, loss_curve, use_course_style
from course_utils.training import fit

use_course_style()
FAST = os.environ.get("COURSE_FAST") == "1"  # a short run for automatic tests: the figures will be poor

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Most pictures are not pictures of anything
#
# Our data are real handwriting, scanned at a very low resolution: 8 by 8 pixels, each with one of 17 levels of grey. Write an
# image as a vector $x \in [0, 1]^{D}$ with $D = 64$. What does a *random* point of that space look like?

# %% slideshow={"slide_type": "subslide"}
torch.set_num_threads(1)  # the networks are so small that threads would only wait for each other
data = load("digits")
x_train, y_train = data.train  # y: the class of each image, the digit that was meant
x_test, y_test = data.test
print(data.description)

torch.manual_seed(0)
random_images = torch.randint(0, 17, (12, 1, 8, 8)) / 16
ax = compare_rows({"handwriting": x_train[:12], "random": random_images}, titles=y_train[:12].tolist())

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* both rows are points of the same 64-dimensional cube, and there are $17^{64}$ such points, but you could draw random ones
# for the rest of your life and never meet a digit. Digits fill a tiny, thin part of the cube.
#
# How thin? A person who writes a 3 decides a few things: how tall, how slanted, how round, how thick the pen. A handful of
# decisions sets all 64 pixels at once. Such a thin curved sheet in a large space is called a **manifold**. If we knew
# coordinates *on the sheet*, a handful of numbers would name the image. Nobody tells us these coordinates. Can a network find them?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Squeeze, then rebuild
#
# Play a game for two. The **encoder** $f$ sees the image $x$ and may say only $Z$ numbers, $z = f(x)$, called the **latent** or the **code**.
# The **decoder** $g$ hears them and must redraw the image, $\hat x = g(z)$, its **reconstruction**:
#
# $$ x \in \mathbb{R}^{D} \;\xrightarrow{\;\text{encoder } f\;}\; z \in \mathbb{R}^{Z} \;\xrightarrow{\;\text{decoder } g\;}\; \hat x \in \mathbb{R}^{D}, \qquad Z \ll D. $$
#
# Both lose when the drawing is off. The **reconstruction loss** of an image is the squared distance, summed over all its pixels,
#
# $$ \ell(x) = \lVert \hat x - x \rVert^2 = \sum_{i=1}^{D} (\hat x_i - x_i)^2 , $$
#
# and training lowers its mean over the training images, for encoder and decoder together. No labels appear: the image is its own target.
# The narrow place in the middle, the **bottleneck**, is the whole point. With $Z \ge D$ the two could agree to copy the pixels, and would learn nothing.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### By hand
#
# Two small networks, mirror images of each other. The last sigmoid keeps every pixel of $\hat x$ between 0 (black) and 1 (white).

# %% slideshow={"slide_type": "fragment"}
latent_dim, hidden_dim = 2, 128

torch.manual_seed(0)
encoder = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, hidden_dim), nn.ReLU(),
    nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
    nn.Linear(hidden_dim, latent_dim),
)  # fmt: skip
decoder = nn.Sequential(
    nn.Linear(latent_dim, hidden_dim), nn.ReLU(),
    nn.Linear(hidden_dim, hidden_dim), nn.ReLU(),
    nn.Linear(hidden_dim, 64), nn.Sigmoid(),
    nn.Unflatten(1, (1, 8, 8)),
)  # fmt: skip


# %% slideshow={"slide_type": "fragment"}
def reconstruction_loss(x_hat, x):
    """The squared distance of each image: (B, C, H, W) and the same to (B,)."""
    return ((x_hat - x) ** 2).flatten(1).sum(1)


# %% [markdown] slideshow={"slide_type": "subslide"}
# The loop of every deep learning course: shuffle, take a batch, compute the loss, step down its gradient.

# %% slideshow={"slide_type": "fragment"}
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
losses = []
for _epoch in range(5 if FAST else 100):
    for batch in torch.randperm(len(x_train)).split(64):
        x = x_train[batch]
        loss = reconstruction_loss(decoder(encoder(x)), x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

ax = loss_curve(losses)
always_mean = reconstruction_loss(x_train.mean(0).expand_as(x_test), x_test).mean()
ax.axhline(always_mean, color="black", linestyle="--", label="always answer with the mean image")
legend = ax.legend()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the dashed line is what a decoder pays that hears nothing and always draws the mean image. The curve first falls to that
# line, the easy part, and then well below it: two numbers carry a good deal of the image.

# %% slideshow={"slide_type": "subslide"}
x = x_test[y_test == 3][:1]
with torch.no_grad():
    z = encoder(x)
    x_hat = decoder(z)

fig, (left, middle, right) = plt.subplots(1, 3, figsize=(6, 2), width_ratios=[1, 0.8, 1])
image_grid(x, left, titles=["x: 64 numbers"])
middle.bar(["$z_1$", "$z_2$"], z[0].tolist(), color="#0072B2")
middle.axhline(0, color="black", linewidth=1)
middle.set(title="z: 2 numbers", xlabel="latent", ylabel="value")
image_grid(x_hat, right, titles=["x_hat: 64 numbers"])
print(f"loss of this image: {reconstruction_loss(x_hat, x).item():.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* an image that the networks were never trained on passes through two numbers and comes out recognisable.
# What the bottleneck had no room for, the writer's small habits, is gone: $\hat x$ looks like a typical digit of its kind.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Without hidden layers, it is PCA
#
# Drop the hidden layers and the sigmoid. Then $\hat x = B(Ax + a) + b$, which always lies in a flat sheet of $Z$ dimensions. Which flat sheet
# leaves the smallest squared distances? Lecture 1 had the answer: the plane through the mean, along the $Z$ **principal components**, the
# eigenvectors of the covariance of the data with the largest eigenvalues $\lambda_1 \ge \lambda_2 \ge \dots$. The loss that remains is the sum of the eigenvalues of the directions that were discarded:
#
# $$ \min_{A, a, B, b}\; \frac1N \sum_{n=1}^{N} \lVert \hat x_n - x_n \rVert^2 \;=\; \lambda_{Z+1} + \lambda_{Z+2} + \dots + \lambda_{D}. $$
#
# That is a strong claim about what gradient descent will find. Let us check it.

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.latent.autoencoder import LinearAutoencoder

torch.manual_seed(0)
linear = LinearAutoencoder((1, 8, 8), latent_dim=2)  # one matrix down, one up
fit(linear, x_train, epochs=100 if FAST else 1500, batch_size=len(x_train), lr=0.03, cosine=True, device="cpu")

covariance = torch.cov(x_train.flatten(1).T, correction=0)
eigenvalues = torch.linalg.eigvalsh(covariance).flip(0)  # largest first
discarded = eigenvalues[2:].sum()
trained = linear.loss(x_train).item()
print(f"sum of the discarded eigenvalues {discarded:.4f}, loss of the linear autoencoder {trained:.4f}")
assert discarded * 0.9999 <= trained <= discarded * (1.5 if FAST else 1.02)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the two numbers agree, and gradient descent never gets below the sum: it is a floor. So an autoencoder
# **is PCA with the straightness removed**: hidden layers let the sheet bend to where the data are.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Autoencoding is compression
#
# What does a wider bottleneck buy? From here on we use the course's `Autoencoder`, which is what we have just built,
# and `fit`, which is the loop that we have just written, with a progress bar.

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.latent.autoencoder import Autoencoder

settings = {"epochs": 5 if FAST else 100, "batch_size": 64, "lr": 2e-3, "device": "cpu"}
autoencoders = {}
for latent_dim in (2, 5, 16):
    torch.manual_seed(0)
    autoencoders[latent_dim] = Autoencoder((1, 8, 8), latent_dim, hidden_dim=128)
    fit(autoencoders[latent_dim], x_train, **settings, description=f"{latent_dim}-D")

# %% slideshow={"slide_type": "subslide"}
mean_image = x_train.mean(0)
components = torch.linalg.eigh(covariance).eigenvectors.flip(1)  # columns, largest eigenvalue first


def pca_reconstruct(x, latent_dim):
    """x projected on the first `latent_dim` principal components and back."""
    basis = components[:, :latent_dim]
    centred = (x - mean_image).flatten(1)
    return (centred @ basis @ basis.T).view_as(x) + mean_image


first_of_each = torch.stack([(y_test == digit).nonzero()[0, 0] for digit in range(10)])
x = x_test[first_of_each]
rows = {"original": x}
for latent_dim in (2, 5):
    rows[f"{latent_dim}-D autoencoder"] = autoencoders[latent_dim].reconstruct(x)
    rows[f"{latent_dim}-D PCA"] = pca_reconstruct(x, latent_dim).clamp(0, 1)
ax = compare_rows(rows)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* read each column downwards. With two numbers PCA gives smudges; the autoencoder draws strokes, though here and
# there it is unsure which digit it heard. With five numbers the autoencoder mostly gets the digit right, and its shape too.

# %% slideshow={"slide_type": "subslide"}
sizes = [1, 2, 3, 5, 8, 12, 16, 24, 32]
pca_error = [reconstruction_loss(pca_reconstruct(x_test, size), x_test).mean() for size in sizes]
error = {size: model.loss(x_test).item() for size, model in autoencoders.items()}
ax = plt.subplots(figsize=(5, 2.8))[1]
ax.plot(sizes, pca_error, marker="o", label="PCA")
ax.plot(list(error), list(error.values()), marker="s", linestyle="--", label="autoencoder")
ax.set(xlabel="number of latents Z", ylabel="mean loss on test images", ylim=(0, None))
ax.legend()

bits = 64 * torch.log2(torch.tensor(17.0))
print(f"an image takes {bits:.0f} bits as it is; 2 latents take {2 * 32}, 5 take {5 * 32} bits as 32-bit numbers")
print(f"test loss at 2 latents: PCA {pca_error[1]:.2f}, autoencoder {error[2]:.2f}")
print(f"test loss at 5 latents: PCA {pca_error[3]:.2f}, autoencoder {error[5]:.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* at the same width the bent sheet is far nearer to the test images than the flat one; compare how many *flat* dimensions
# are needed to match two bent ones. With many dimensions the advantage shrinks, since then even a flat sheet nearly reaches everything.
#
# This is **compression**: send $z$ instead of $x$, and let the receiver own the decoder. It is *lossy*, for digits only, and a
# photograph of a cat would come out as a digit. Keep that thought for Section 7.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. The map that the machine draws
#
# With $Z = 2$ we can look at the code of every image directly. Mark each test image at its place in the latent plane, and, only now, use the
# labels: one colour and one marker for each class.

# %% slideshow={"slide_type": "subslide"}
model = autoencoders[2]
with torch.no_grad():
    z_train, z_test = model.encode(x_train), model.encode(x_test)

fig, (left, right) = plt.subplots(1, 2, figsize=(7, 3.4))
latent_scatter((x_test - mean_image).flatten(1) @ components[:, :2], y_test, left).set_title("PCA")
latent_scatter(z_test, y_test, right).set_title("autoencoder")
for ax in (left, right):
    ax.set_xlabel("$z_1$ (units of its own)")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the autoencoder was never told what a digit is, and yet images of one class lie together, in rays and islands
# that PCA keeps piled on each other. To redraw an image from two numbers it pays to know first *which* digit it is.
#
# How good is the map? Ask each test image for the label of its nearest neighbour among the training images, once on each map.


# %% slideshow={"slide_type": "fragment"}
def nearest_neighbour_accuracy(train, test):
    """The fraction of test points whose nearest training point has their label."""
    return (y_train[torch.cdist(test, train).argmin(1)] == y_test).float().mean().item()


flat_train, flat_test = (x_train - mean_image).flatten(1), (x_test - mean_image).flatten(1)
plane = components[:, :2]
print(f"PCA, 2 numbers:         {nearest_neighbour_accuracy(flat_train @ plane, flat_test @ plane):.2f}")
print(f"autoencoder, 2 numbers: {nearest_neighbour_accuracy(z_train, z_test):.2f}")
print(f"all 64 pixels:          {nearest_neighbour_accuracy(flat_train, flat_test):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Denoising: a task that cannot be solved by copying
#
# A bottleneck is one way to prevent copying. Here is another: spoil the input, but keep the clean image as the target. Draw fresh $\text{noise} \sim \mathcal N(0, I)$,
# an independent standard normal number for each pixel, and train on
#
# $$ \ell(x) = \lVert g(f(\tilde x)) - x \rVert^2, \qquad \tilde x = x + \sigma \cdot \text{noise}. $$
#
# This is the **denoising autoencoder** (Vincent et al. 2008). Now $Z$ may be large: to undo the noise, the network has to know how pixels of
# digits hang together.
#
# **What is the best possible answer?** For a squared loss, always the mean. Behind one noisy image many clean ones may lie; the best $\hat x$ is
# the average of them all, weighted by how likely each is: $\hat x^\star(\tilde x) = \mathbb E[x \mid \tilde x]$. An average of images is blurred: remember
# this when a denoised image looks soft. It is not lazy, it is undecided.

# %% slideshow={"slide_type": "subslide"}
from course_utils.models.latent.denoising import DenoisingAutoencoder

noise_scale = 0.5
torch.manual_seed(0)
denoiser = DenoisingAutoencoder(Autoencoder((1, 8, 8), latent_dim=64, hidden_dim=128), noise_scale)
fit(denoiser, x_train, **settings)

x = x_test[first_of_each]
x_noisy = denoiser.corrupt(x)
ax = compare_rows(
    {
        "clean": x,
        "noisy": x_noisy.clamp(0, 1),
        "denoised": denoiser.reconstruct(x_noisy),
        "5-D autoencoder": autoencoders[5].reconstruct(x_noisy),
    }
)

# %% slideshow={"slide_type": "fragment"}
x_noisy = denoiser.corrupt(x_test)
for name, x_hat in {
    "leave it as it is": x_noisy.clamp(0, 1),
    "mean of all images": mean_image.expand_as(x_test),
    "5-D autoencoder": autoencoders[5].reconstruct(x_noisy),
    "denoising autoencoder": denoiser.reconstruct(x_noisy),
}.items():
    print(f"{name:22} mean squared distance from the clean image {reconstruction_loss(x_hat, x_test).mean():6.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* we can hardly read the noisy digits, and the denoiser restores most of them, softly where it is undecided. The ordinary
# autoencoder answers with crisp strokes too, since its sheet holds nothing but digits; but it was never taught *which* point of the sheet
# belongs to a noisy image, and picks a wrong one with full confidence. Compare its number with that of the mean image.
#
# There is a treasure buried here. For Gaussian noise the best denoiser moves $\tilde x$ *uphill* on the density $p$ of noisy images (**Tweedie's formula**):
# $\hat x^\star(\tilde x) = \tilde x + \sigma^2 \, \nabla \log p(\tilde x)$. Who can denoise knows the slope of $\log p$, and who knows the slope can climb from
# pure noise to an image. Diffusion models (Lecture 15) are built on this line.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Anomalies: what does not come back
#
# An autoencoder trained on digits can rebuild digits *only*. So show it anything, and use the loss $\ell(x)$ as an **anomaly score**: large means
# "I have never seen such a thing". Nobody had to show it an anomaly during training.
#
# Three kinds of strangers: random pixels; squares, ellipses and hearts, so small that they are mere blobs; and digits upside down, which are as well
# written as ever. (An upside-down 0, 1 or 8 is a fine digit still, so nobody can be perfect there.)

# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
strangers = {
    "random pixels": torch.rand(len(x_test), 1, 8, 8),
    "shapes": sprites(len(x_test), size=8, colour=False).x,
    "upside-down digits": x_test.flip(2),
}
model = autoencoders[5]
x = torch.cat([x_test[:4], *(images[:4] for images in strangers.values())])
names = ["digits", *strangers]
titles = [f"{score:.1f}" for score in model.anomaly_score(x)]
fig, axes = plt.subplots(4, 2, figsize=(6, 4.8))
for name, (left, right), part, heading in zip(names, axes, x.split(4), torch.arange(16).split(4), strict=True):
    image_grid(part, left, num_columns=4, titles=[titles[index] for index in heading])
    image_grid(model.reconstruct(part), right, num_columns=4, titles=[""] * 4)
    left.set_title(f"{name}, with their scores", pad=14)
    right.set_title("rebuilt", pad=14)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the number above each image is its score. On the right, whatever stood on the left has been bent towards a digit: the
# decoder knows nothing else. Digits lose little on the way, strangers nearly everything.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### How good is a score? The ROC curve
#
# To decide, choose a **threshold** $t$ and raise the alarm when $\ell(x) > t$. Two rates tell how that goes:
# the **true positive rate**, the fraction of strangers that raise the alarm, and the **false positive rate**, the fraction of digits that do.
# A low $t$ catches everything, digits too; a high $t$ nothing. Slide $t$ through all values and draw one rate against the other:
# this is the **ROC curve** (receiver operating characteristic, from the days of radar). The **area under it** is the probability that a random
# stranger scores higher than a random digit: 1 is perfect, 1/2 is guessing.


# %% slideshow={"slide_type": "subslide"}
def roc_curve(normal, strange):
    """False and true positive rates at every threshold, from the scores of normal and strange images."""
    thresholds = torch.cat([normal, strange]).sort(descending=True).values[:, None]
    rates = [(scores >= thresholds).float().mean(1) for scores in (normal, strange)]
    return [torch.cat([torch.zeros(1), rate]) for rate in rates]


normal = model.anomaly_score(x_test)
ax = plt.subplots(figsize=(3.6, 3.3))[1]
for (name, images), style in zip(strangers.items(), ["-", "--", "-."], strict=True):
    strange = model.anomaly_score(images)
    false_positive, true_positive = roc_curve(normal, strange)
    area = torch.trapezoid(true_positive, false_positive)
    assert torch.isclose(area, (strange[:, None] > normal).float().mean(), atol=1e-3)  # the claim about the area
    ax.plot(false_positive, true_positive, style, label=f"{name}: area {area:.3f}")
ax.plot([0, 1], [0, 1], color="gray", linewidth=1, linestyle=":", label="guessing")
ax.set(xlabel="false positive rate", ylabel="true positive rate")
legend = ax.legend(loc="lower right")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The harder test: a digit that was held out
#
# Train on nine classes, and let the tenth be the stranger. We do it twice, for a class that goes well and for one that does not.

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 2.6), sharey=True)
for held_out, ax in zip((4, 1), axes, strict=True):
    torch.manual_seed(0)
    nine = Autoencoder((1, 8, 8), latent_dim=16, hidden_dim=128)
    fit(nine, x_train[y_train != held_out], **settings)
    score, is_strange = nine.anomaly_score(x_test), y_test == held_out
    area = torch.trapezoid(*reversed(roc_curve(score[~is_strange], score[is_strange])))
    bins = torch.linspace(0, float(score.quantile(0.99)), 25).tolist()
    ax.hist(score[~is_strange], bins, density=True, alpha=0.7, label="the nine known digits")
    ax.hist(score[is_strange], bins, density=True, histtype="step", linewidth=2, label=f"held-out {held_out}")
    ax.set(title=f"held-out {held_out}: area {area:.2f}", xlabel="anomaly score", ylabel="density")
    ax.legend()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* without ever having seen a 4, the network rebuilds it badly and notices. A 1 is another matter: one thick stroke is a *part* of
# most digits, so it comes back rather well. The score says "hard to rebuild", which is not the same as "unlikely": simple images are
# easy whether or not they belong. For "unlikely" we need a model of $p(x)$; see Exercise 3, and Lecture 10.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Discard the decoder: learning with few labels
#
# Images are free; labels cost somebody's afternoon. So learn features from *all* images without labels, then throw the decoder away, put one
# linear layer on the encoder and train with the few labels that there are. A task like this, for which the features were not made, is called **downstream**.
#
# We compare four classifiers with the *same* architecture, encoder plus a linear layer, by their accuracy on the test images:
#
# | name | encoder starts from | then |
# |---|---|---|
# | from scratch | random weights | all weights are trained |
# | from autoencoder | a plain autoencoder, 64 latents | all weights are trained (**fine-tuning**) |
# | from denoiser | the denoising autoencoder of Section 6 | all weights are trained |
# | denoiser, frozen | the same | only the linear layer is trained |
#
# Which images get their labels is chance, so we draw them several times. All four see the same labelled images in each draw.


# %% slideshow={"slide_type": "subslide"}
import copy


def few_labels(per_class, seed):
    """Positions of `per_class` random training images of each class."""
    order = torch.randperm(len(y_train), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[y_train[order] == digit][:per_class] for digit in range(10)])


def accuracy_from(encoder, labelled, frozen=False, steps=150):
    """Test accuracy of a copy of the encoder with a linear layer, trained on the labelled images."""
    encoder, head = copy.deepcopy(encoder), nn.Linear(64, 10)
    parameters = list(head.parameters()) if frozen else [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2 if frozen else 1e-3)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(head(encoder(x_train[labelled])), y_train[labelled])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return (head(encoder(x_test)).argmax(1) == y_test).float().mean().item()


# %% slideshow={"slide_type": "subslide"}
torch.manual_seed(0)
plain = Autoencoder((1, 8, 8), latent_dim=64, hidden_dim=128)
fit(plain, x_train, **settings)

label_counts, seeds = ([2], range(2)) if FAST else ([1, 2, 5, 20], range(6))
starts = ["from scratch", "from autoencoder", "from denoiser", "denoiser, frozen"]
accuracy = torch.zeros(len(starts), len(label_counts), len(seeds))
for j, per_class in enumerate(label_counts):
    for k, seed in enumerate(seeds):
        torch.manual_seed(seed)
        labelled = few_labels(per_class, seed)
        scratch = Autoencoder((1, 8, 8), latent_dim=64, hidden_dim=128).encoder
        encoders = [scratch, plain.encoder, denoiser.autoencoder.encoder, denoiser.autoencoder.encoder]
        for i, encoder in enumerate(encoders):
            accuracy[i, j, k] = accuracy_from(encoder, labelled, frozen=i == 3)

# %% slideshow={"slide_type": "subslide"}
standard_error = accuracy.std(2) / len(seeds) ** 0.5  # of the mean over the draws
ax = plt.subplots(figsize=(5.4, 3.2))[1]
for i, (start, marker) in enumerate(zip(starts, "os^D", strict=True)):
    places = torch.tensor(label_counts) * (1 + 0.04 * (i - 1.5))  # side by side, so that the bars can be read
    ax.errorbar(places, accuracy[i].mean(1), 2 * standard_error[i], marker=marker, capsize=3, label=start)
ax.set(xscale="log", xlabel="labelled images of each class", ylabel="test accuracy")
ax.set_xticks(label_counts, [str(count) for count in label_counts])
ax.minorticks_off()
ax.legend()

print("gain over starting from scratch, in points, with its standard error (same labelled images, draw by draw)")
for i in (1, 2, 3):
    gain = 100 * (accuracy[i] - accuracy[0])
    print(f"  {starts[i]:17}", *(f"{g.mean():+5.1f} ± {g.std() / len(seeds) ** 0.5:3.1f}" for g in gain), sep="   ")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* bars are two standard errors. Read the table before the figure, for it compares draw by draw. Three honest remarks:
#
# - the gain depends on *what the encoder had to learn*. The plain autoencoder with 64 latents could nearly copy, and its start hardly helps:
#   hold its gain against the standard error. The denoiser had to understand which pixels go together, and *its* start helps clearly;
# - with very few labels, changing all weights forgets part of what was learnt: keeping the encoder *frozen* is at least as good;
# - the more labels, the smaller the gain: with enough of them any start will do.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. An autoencoder is not a generative model
#
# We have a decoder that turns two numbers into an image. Then to make *new* digits, choose new numbers! Let us.
# First the obvious try: draw $z \sim \mathcal N(0, I)$. Then a better one: look where the codes are, and draw from the box that holds them.

# %% slideshow={"slide_type": "subslide"}
model = autoencoders[2]
torch.manual_seed(1)
low, high = z_train.min(0).values, z_train.max(0).values
z_normal = torch.randn(12, 2)
z_box = low + (high - low) * torch.rand(12, 2)
with torch.no_grad():
    rows = {"z from N(0, I)": model.decode(z_normal), "z from the box": model.decode(z_box), "real": x_test[:12]}
ax = compare_rows(rows)

nearest_code = torch.cdist(torch.randn(1000, 2), z_train).argmin(1)
share = torch.bincount(y_train[nearest_code], minlength=10) / 1000
print(f"the codes reach from ({low[0]:.1f}, {low[1]:.1f}) to ({high[0]:.1f}, {high[1]:.1f})")
print(
    "1000 draws of N(0, I), by the class of the nearest code:", {k: round(v, 2) for k, v in enumerate(share.tolist())}
)

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* $\mathcal N(0, I)$ reaches a corner of the map only. A few classes come over and over, some never (the last line counts them), and
# many images are a mixture. Nobody told the encoder to put its codes near 0 with spread 1, so it put them where it liked. The second row has
# more variety, and some of it is no digit. To see why, walk.

# %% slideshow={"slide_type": "subslide"}
start, end = z_train[y_train == 0].median(0).values, z_train[y_train == 7].median(0).values
walk = torch.lerp(start, end, torch.linspace(0, 1, 12)[:, None])  # a straight line from the zeros to the sevens

fig, (top, bottom) = plt.subplots(2, 1, figsize=(5, 5.4), height_ratios=[6, 1])
latent_scatter(z_test, y_test, top)
top.plot(*walk.T, color="black", marker="x", linewidth=1, label="the walk")
top.legend(handles=top.lines)
with torch.no_grad():
    ax = compare_rows({"walk": model.decode(walk)}, bottom)

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* codes lie in rays and islands, some of them disjoint, with empty **gaps** between. Each cross is decoded below, from left to right: where the walk crosses a
# region, a digit of that region appears; between regions it shows something in between, which nobody ever wrote.
#
# Training asked for good images *at the codes of the training images*, and at no other place. What the decoder does in a gap is not wrong: it was never asked.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Measured
#
# Take a fine grid of the plane, also beyond the codes. For each grid point: how far is its nearest training code, and how far is the image decoded there from the
# nearest real training image? As a yardstick, the same distance for real test images, and for reconstructions of test images.

# %% slideshow={"slide_type": "fragment"}
middle, half = (low + high) / 2, (high - low) / 2
sides = torch.linspace(-2, 2, 60)
grid = middle + half * torch.cartesian_prod(sides, sides)  # twice as wide and high as the box of the codes
with torch.no_grad():
    decoded, rebuilt = model.decode(grid), model.reconstruct(x_test)


def distance_to_nearest(points, references):
    """The distance of each point to the nearest of the references."""
    return torch.cdist(points.flatten(1), references.flatten(1)).min(1).values


to_code = distance_to_nearest(grid / half, z_train / half)  # in units in which the box reaches from -1 to 1
to_image = distance_to_nearest(decoded, x_train)

# %% slideshow={"slide_type": "subslide"}
edges = torch.tensor([0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
bins = torch.bucketize(to_code, edges[1:-1])
present = [index for index in range(len(edges) - 1) if (bins == index).any()]
ax = plt.subplots(figsize=(5.6, 3.2))[1]
ax.boxplot([to_image[bins == index] for index in present], showfliers=False, medianprops={"color": "black"})
ax.set_xticks(range(1, len(present) + 1), [f"{edges[index]:g}-{edges[index + 1]:g}" for index in present])
for name, images, color in [("real test images", x_test, "#0072B2"), ("their reconstructions", rebuilt, "#D55E00")]:
    ax.axhline(distance_to_nearest(images, x_train).median(), color=color, linestyle="--", label=name)
ax.set(
    xlabel="distance of z from the nearest code (1: half the box)",
    ylabel="distance of its image\nfrom the nearest real one",
)
legend = ax.legend()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* close to the codes, decoded images lie as near to real ones as reconstructions do (nearer than real test images: they are smooth, and lack each
# writer's own noise). The farther from all codes, the less the image resembles anything that was ever written. That is nonsense, measured.

# %% slideshow={"slide_type": "subslide"}
far = grid[to_code > to_code.quantile(0.9)]
near = grid[to_code < to_code.quantile(0.1)]
torch.manual_seed(0)
with torch.no_grad():
    far_images = model.decode(far[torch.randperm(len(far))[:12]])
    near_images = model.decode(near[torch.randperm(len(near))[:12]])
ax = compare_rows({"near the codes": near_images, "far from all codes": far_images})

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Explore it yourself
#
# Move the sliders: the cross is your $z$, the image is what the decoder makes of it. Find a gap. Find the border between two digits. Find the
# place where the decoder draws the worst thing. (Without a running kernel you see the whole plane decoded instead, beside the codes.)

# %% slideshow={"slide_type": "fragment"}
from course_utils.widgets import latent_explorer

latent_explorer(model.decode, z_test, y_test)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is missing
#
# The autoencoder answers "what is the code of this image?" and "what is the image of this code?", but neither "*which codes are there?*" nor
# "*how likely is this image?*". It has no $p(z)$ to draw from, and no $p(x)$ to judge with. We would like
#
# 1. codes that fill a region *we* choose, say a unit Gaussian, without gaps, so that we know where to draw;
# 2. a decoder that has been asked about *all* of that region, not only about isolated points;
# 3. a loss that is a statement about $\log p(x)$.
#
# All three come at once when the encoder answers not with a point but with a small *cloud*: a distribution. This is the variational autoencoder, Lecture 10.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - An autoencoder squeezes $x$ to a code $z$ and rebuilds $\hat x$; it lowers $\lVert \hat x - x\rVert^2$ and needs no labels.
# - With linear maps it is PCA, and the discarded eigenvalues are the floor; hidden layers bend the sheet and get below it.
# - Its code is a lossy compression, and sorts images by content as a by-product.
# - A denoising autoencoder cannot copy, so it learns more useful features; the best denoiser is $\mathbb E[x \mid \tilde x]$.
# - The reconstruction loss detects strangers, but "hard to rebuild" is not "unlikely".
# - The encoder can start a classifier; measure the gain over several draws, for it depends on the task and on the number of labels.
# - Nothing is asked of the codes between the training images: gaps, and nonsense in them. It is not a generative model.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. *(5 minutes, easy)* Compute the gradient of $\lVert \hat x - x \rVert^2$ with respect to $\hat x$, on paper and with `torch.autograd.grad`. What is it at $\hat x = x$? What would go wrong there
#    with the plain distance $\lVert \hat x - x \rVert$?
# 2. *(10 minutes, easy)* Rotate the latent plane of `autoencoders[2]` by 30 degrees: multiply the codes by a rotation matrix, and let the decoder undo it. What happens to the loss?
#    So what can the axes $z_1$ and $z_2$ *mean*?
# 3. *(15 minutes, medium)* Use the distance to the nearest training *image* as anomaly score for the held-out 1. Compare the area under the ROC curve with that of Section 7. What does this score cost
#    when there are a million training images?
# 4. *(20 minutes, medium)* Train denoisers with `noise_scale` 0.1, 0.3, 0.5 and 1.0, and repeat Section 8 for two labels a class. Which noise gives the best features, and why neither the smallest nor the largest?
# 5. *(15 minutes, medium)* Replace the noise by lost pixels (`MaskingAutoencoder` in the same module). Look at what it fills in, and at where it is unsure.
# 6. *(20 minutes, hard)* Take data from a Gaussian with covariance $\Sigma$. Show that $\mathbb E[x \mid \tilde x] = \mu + \Sigma(\Sigma + \sigma^2 I)^{-1}(\tilde x - \mu)$, and
#    check that a linear denoising autoencoder finds this matrix. Along which directions does it shrink most?
# 7. *(20 minutes, hard)* Fit a Gaussian mixture (Lecture 2) to the codes `z_train`, draw from it, decode. Is this a generative model? What is its weak point?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# 1. H. Bourlard, Y. Kamp. Auto-association by multilayer perceptrons and singular value decomposition. *Biological Cybernetics* 59, 1988.
# 2. P. Baldi, K. Hornik. Neural networks and principal component analysis: learning from examples without local minima. *Neural Networks* 2, 1989.
# 3. G. Hinton, R. Salakhutdinov. Reducing the dimensionality of data with neural networks. *Science* 313, 2006.
# 4. P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol. Extracting and composing robust features with denoising autoencoders. ICML 2008.
# 5. P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol. Stacked denoising autoencoders. *JMLR* 11, 2010.
# 6. P. Vincent. A connection between score matching and denoising autoencoders. *Neural Computation* 23, 2011.
# 7. Data: E. Alpaydin, C. Kaynak. Optical recognition of handwritten digits. UCI repository, 1998.
