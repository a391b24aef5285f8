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
# # Lecture 3: Discriminative, generative and conditional generative models
#
# *Show a machine that knows only digits a cat. Must it call the cat an 8, or may it say "I have never seen such a thing"?*
#
# **You will**
#
# - tell three kinds of model apart by one question: *who competes with whom for probability?*
# - catch a good classifier being certain about noise, and see why it cannot help it;
# - assemble a model that draws a 3 on demand from two that cannot, by Bayes' rule, and check it against the exact answer;
# - turn Bayes' rule round into a classifier that refuses what is no digit, and measure how well it refuses;
# - meet the trap in this: the most probable image need not look like any image at all.
#
# **You need** lecture 1 (classifier, softmax, cross-entropy, PCA) and lecture 2 (density, likelihood, nats, Gaussian, mixture).
#
# **Time and hardware.** 75 minutes to read; all cells together run in about a minute on a laptop's processor. The images are
# real handwriting that comes with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import copy
import math
import os

import matplotlib.pyplot as plt
import torch

from course_utils import data, plotting, widgets

FAST = os.environ.get("COURSE_FAST") == "1"  # a short run for automatic tests: the figures will be poorer
plotting.use_course_style(dpi=72)
torch.set_num_threads(1)  # models this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. One table, three competitions
#
# Let us begin with images so small that we can list them all. Take the middle of a digit, four pixels, and average them into *one* pixel with five grey levels: five
# possible images $x$. As the label $y$ we ask: is it a 0, a 1, or another digit? Then count how often each pair occurs, and divide by the number of images.
#
# The result $p(x, y)$ is called the **joint** distribution, "probability of $x$ *and* $y$". All else in this lecture follows from it:
#
# | name | meaning | recipe |
# |---|---|---|
# | **marginal** $p(x)$ | probability of this image, whatever its label | add up the column: $p(x) = \sum_y p(x, y)$ |
# | marginal $p(y)$ | probability of this label, whatever the image | add up the row: $p(y) = \sum_x p(x, y)$ |
# | **conditional** $p(y \mid x)$ | probability of the label, *once we know* the image | divide by the column's sum: $p(y \mid x) = p(x, y) / p(x)$ |
# | conditional $p(x \mid y)$ | probability of the image, once we know the label | divide by the row's sum: $p(x \mid y) = p(x, y) / p(y)$ |

# %% slideshow={"slide_type": "fragment"}
digits = data.load("digits")
print(digits.description)
x_train, y_train = digits.train
x_valid, y_valid = digits.valid
x_test, y_test = digits.test

grey = (4 * x_train[:, 0, 3:5, 3:5].mean((1, 2))).round().long()  # 0 is black, 4 is white
row = torch.where(y_train < 2, y_train, 2)  # 0, 1, or another digit
joint = torch.zeros(3, 5)
joint.index_put_((row, grey), torch.ones(len(grey)), accumulate=True)
joint /= joint.sum()

p_x, p_y = joint.sum(0), joint.sum(1)
p_y_given_x = joint / p_x  # every column divided by its sum
p_x_given_y = joint / p_y[:, None]  # every row divided by its sum

# %% slideshow={"slide_type": "fragment"}
pictures = {
    "joint $p(x, y)$": joint,
    "discriminative $p(y|x)$": p_y_given_x,
    "generative $p(x)$": p_x[None],
    "conditional $p(x|y)$": p_x_given_y,
}
fig, axes = plt.subplots(1, 4, figsize=(9, 2.5))
for ax, (name, table) in zip(axes, pictures.items(), strict=True):
    ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1)
    for (i, j), value in zip([(i, j) for i in range(len(table)) for j in range(5)], table.flatten(), strict=True):
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.5 else "black")
    for level in range(5):  # the five images themselves
        ax.add_patch(plt.Rectangle((level - 0.3, len(table) - 0.25), 0.6, 0.6, facecolor=str(level / 4), edgecolor="k"))
    ax.set(title=name, xticks=[], yticks=[], ylim=(len(table) + 0.5, -0.5))
    ax.spines[:].set_visible(False)
for ax in (axes[0], axes[1], axes[3]):
    ax.set_yticks(range(3), ["0", "1", "other"])
plt.show()
for name, table, axis in (
    ("p(x, y)", joint, (0, 1)),
    ("columns of p(y|x)", p_y_given_x, 0),
    ("rows of p(x|y)", p_x_given_y, 1),
):
    torch.testing.assert_close(table.sum(axis), torch.ones_like(table.sum(axis)))
    print(f"{name}: total 1 in {table.sum(axis).numel()} competition(s)")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the same counts, divided by different sums. What sums to 1 is a **competition**: where one gains, others lose.
#
# - **Discriminative**, $p(y \mid x)$: each *column* is a competition. The labels compete for the mass of one image. Columns know nothing of each other.
# - **Generative**, $p(x)$: there is one competition, and *all images* are in it.
# - **Conditional generative**, $p(x \mid y)$: each *row* is a competition. For each label all images compete anew.
#
# A photograph has a million pixels instead of one, and nobody can write down its table. But the three competitions are the same.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Bayes' rule
#
# The joint can be taken apart in two ways, $p(x, y) = p(y \mid x)\, p(x) = p(x \mid y)\, p(y)$. Set them equal, and divide:
#
# $$ p(x \mid y) = \frac{p(y \mid x)\; p(x)}{p(y)} \qquad \text{and, the other way,} \qquad p(y \mid x) = \frac{p(x \mid y)\; p(y)}{p(x)}. $$
#
# This is **Bayes' rule**. Its parts have names. Before we look at the image we have a **prior** $p(y)$ for its label; after, the **posterior** $p(y \mid x)$. The factor between them, $p(x \mid y) / p(x)$, says
# how much likelier this image is with that label than in general.

# %% slideshow={"slide_type": "fragment"}
assert torch.allclose(p_x_given_y, p_y_given_x * p_x / p_y[:, None], atol=1e-6)
assert torch.allclose(p_y_given_x, p_x_given_y * p_y[:, None] / p_x, atol=1e-6)
print("Bayes' rule holds in all 15 cells of the table, in both directions.")
print(f"the prior of a 0 is {p_y[0]:.2f}; after a black pixel its posterior is {p_y_given_x[0, 0]:.2f}")
print(f"the prior of a 1 is {p_y[1]:.2f}; after a white pixel its posterior is {p_y_given_x[1, 4]:.2f}")
print(f"a white pixel is {p_x_given_y[1, 4] / p_x[4]:.1f} times likelier for a 1 than in general")

# %% [markdown] slideshow={"slide_type": "notes"}
# A lesson in priors: more than half of the 1s are white in the middle, and yet a white middle does not prove a 1, since the other eight digits are so many more. Do not confuse $p(x \mid y)$ with $p(y \mid x)$: the printed table has both, and they differ.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Discriminative models: labels compete, images do not
#
# Now whole images, 64 pixels. For $p(y \mid x)$ we train the small convolutional network of lecture 1, from an image to ten logits, by minimising the cross-entropy
# $-\log p(y \mid x)$. We train three of them, which differ in nothing but their random start, so that we do not mistake an accident for a law.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.classifier import ConvClassifier
from course_utils.training import fit

classifiers = []
for seed in range(3):
    torch.manual_seed(seed)
    classifiers.append(ConvClassifier((1, 8, 8), num_classes=10))
    epochs = 4 if FAST else 20
    fit(
        classifiers[-1], (x_train, y_train), epochs=epochs, batch_size=64, lr=4e-3, cosine=True, seed=seed, device="cpu"
    )
    accuracy = (classifiers[-1].predict(x_test) == y_test).float().mean()
    print(f"start {seed}: {accuracy:.1%} of {len(y_test)} test images right")
classifier = classifiers[0]

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The visitors
#
# A good student. Now some images that belong to no class at all. Data unlike those that a model was made for are called **outliers**; the ordinary ones are *inliers*. We collect five kinds.
#
# - **noise**: each pixel a random grey;
# - **letters**: 22 capitals in several typefaces, brought to 8x8 pixels as the digits were, by counting ink in blocks of 4x4;
# - **turned**: 3, 4 and 7 upside down (the others stay, or become, digits: turn a 6!);
# - **sprites**: a small square, ellipse or heart, the shapes of a data set that we shall meet often;
# - **double**: two test digits of different classes, one written over the other.

# %% slideshow={"slide_type": "fragment"}
import matplotlib
from PIL import Image, ImageDraw, ImageFont


def draw_letters(letters, faces, size=26):
    """Images (N, 1, 8, 8) of every letter in every typeface: ink counted over 4x4 blocks of a 32x32 picture."""
    folder, images = os.path.join(matplotlib.get_data_path(), "fonts", "ttf"), []
    for face in faces:
        font = ImageFont.truetype(os.path.join(folder, f"DejaVu{face}.ttf"), size)
        for letter in letters:
            canvas = Image.new("L", (32, 32))
            ImageDraw.Draw(canvas).text((16, 16), letter, fill=255, font=font, anchor="mm", stroke_width=1)
            images.append(torch.tensor(list(canvas.tobytes()), dtype=torch.float32).view(1, 1, 32, 32))
    small = torch.nn.functional.avg_pool2d(torch.cat(images), 4)
    return small / small.amax((2, 3), keepdim=True)  # as bright as the digits


# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(0)
turned = torch.isin(y_test, torch.tensor([3, 4, 7]))
partner, different = x_test.roll(37, dims=0), y_test != y_test.roll(37, dims=0)  # each test image and another
outliers = {
    "noise": torch.rand(300, 1, 8, 8, generator=generator),
    "letters": draw_letters("ABCDEFGHJKLMNPQRTUVWXY", ["Sans", "Sans-Bold", "SansMono", "Serif", "Serif-Bold"]),
    "turned": x_test[turned].flip(2, 3),
    "sprites": data.sprites(300, size=8, seed=0, colour=False).x,
    "double": torch.maximum(x_test, partner)[different],
}
rows = {"digits": x_test[:12], **{f"{name} ({len(x)})": x[:: len(x) // 12][:12] for name, x in outliers.items()}}
ax = plotting.compare_rows(rows)
ax.figure.set_size_inches(6, 3.2)

# %% [markdown] slideshow={"slide_type": "subslide"}
# What does the classifier say? For each image a bar for each label: the mass that the label won.

# %% slideshow={"slide_type": "fragment"}
four = (y_test == 4).nonzero()[0, 0]
shown = {"a digit": x_test[four : four + 1], "noise": outliers["noise"][3:4], "a letter": outliers["letters"][:1]}
shown |= {"turned 7": x_test[y_test == 7][:1].flip(2, 3), "a sprite": outliers["sprites"][1:2]}
shown |= {"double": outliers["double"][15:16], "black": torch.zeros(1, 1, 8, 8)}
names, gallery = list(shown), torch.cat(list(shown.values()))
with torch.no_grad():
    posterior = classifier.log_posterior(gallery).exp()

fig, axes = plt.subplots(2, len(names), figsize=(9, 2.7), height_ratios=[1, 1.1], sharey="row")
for column, (name, image, p) in enumerate(zip(names, gallery, posterior, strict=True)):
    plotting.image_grid(image[None], axes[0, column])
    axes[0, column].set_title(name)
    axes[1, column].bar(range(10), p.tolist())
    axes[1, column].set(xticks=range(0, 10, 2), ylim=(0, 1.05), xlabel="label")
axes[1, 0].set_ylabel("$p(y|x)$")
plt.show()
print("sum over labels:", [f"{total:.4f}" for total in posterior.sum(1).tolist()])

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* every chart sums to 1. There is no bar for "none of these", and the softmax must share out the whole mass, even for noise or for nothing at all. Was this bad luck with seven images? Count, over all images and
# all three networks, how often the winner gets more than 90%:

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    for name, x in {"test digits": x_test, **outliers}.items():
        sure = [(net.log_posterior(x).exp().max(1).values > 0.9).float().mean().item() for net in classifiers]
        print(f"{name:12} more than 90% certain: " + "  ".join(f"{share:4.0%}" for share in sure))
    logits = classifier(gallery).double()
    torch.testing.assert_close((logits + 1000).softmax(1), logits.softmax(1))

# %% [markdown] slideshow={"slide_type": "fragment"}
# The reason is in the last line of the cell. Add 1000 to all ten logits, and no probability moves. "How well does *any* label fit?" would be the overall height of the logits, and the softmax divides exactly that away. During training it cost nothing
# to be wrong about noise, because noise never came. **The image never competes.** (In the language of section 1: the columns know nothing of each other.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Generative models: all images compete
#
# So let the images compete. A density $p(x)$ on images has a total of 1 to give away over *all* of them,
#
# $$ \int p(x)\, dx = 1, $$
#
# and what it gives to digits is missing elsewhere. Labels play no part. We take the mixture of Gaussians of lecture 2, $p(x) = \sum_k w_k\, \mathcal N(x; \mu_k, \Sigma_k)$, with twelve components in 64 dimensions, fitted by EM. One precaution: some border pixels are black in every image. In such a direction
# the data have no width at all, and the best density would be infinite. So a variance of 0.02 is added to every pixel's (`jitter`), as if a faint noise of deviation $\sqrt{0.02} \approx 0.14$ lay on all images.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.mixture import GaussianMixture


def flat(x):
    return x.flatten(1).double()  # images (N, 1, 8, 8) as points (N, 64)


mixture = GaussianMixture(num_components=12, num_dims=64, jitter=0.02).double()
trace = mixture.fit(flat(x_train), num_steps=3 if FAST else 12, generator=torch.Generator().manual_seed(0))
for name, x in {"training": x_train, "validation": x_valid, "test": x_test}.items():
    print(f"mean log p(x) of the {name} images: {mixture.log_prob(flat(x)).mean():.1f} nats")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Is the total really 1?
#
# No grid covers 64 dimensions. But draws do: if $x \sim q$ for some other density $q$ that is positive everywhere, then the mean of $p(x)/q(x)$ is
#
# $$ \mathbb E_{x \sim q}\left[\frac{p(x)}{q(x)}\right] = \int q(x)\, \frac{p(x)}{q(x)}\, dx = \int p(x)\, dx. $$
#
# We let PyTorch's own mixture, with all covariances 10% wider, be $q$. (The fraction $p/q$ is called an *importance weight*. It will come back in section 5.)
#
# And a warning about the *size* of densities. A density is mass *per volume*, so it depends on the unit. With grey levels from 0 to 16 instead of 0 to 1, the same images fill $16^{64}$ times the volume, and every $\log p(x)$ falls by $64 \log 16$. One number
# alone says little; what counts are *differences* between images under one model.

# %% slideshow={"slide_type": "fragment"}
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

torch.manual_seed(0)
q = MixtureSameFamily(Categorical(logits=mixture.log_weights), MultivariateNormal(mixture.mu, 1.1 * mixture.cov))
draws = q.sample((5000,))
weights = (mixture.log_prob(draws) - q.log_prob(draws)).exp()
error = weights.std() / math.sqrt(len(weights))
print(f"integral of p: {weights.mean():.3f}, standard error {error:.3f}")
assert abs(weights.mean() - 1) < 4 * error

scaled = GaussianMixture(12, 64).double()
scaled.log_weights, scaled.mu, scaled.cov = mixture.log_weights, 16 * mixture.mu, 256 * mixture.cov
shift = mixture.log_prob(flat(x_test)) - scaled.log_prob(16 * flat(x_test))
print(f"grey levels 0 to 16: all log p(x) fall by {shift.mean():.1f} nats, and 64 log 16 = {64 * math.log(16):.1f}")
assert torch.allclose(shift, torch.full_like(shift, 64 * math.log(16)))

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A small value is an answer too
#
# Now the same seven images. There is one bar for each, and they all are on one scale.

# %% slideshow={"slide_type": "fragment"}
threshold = mixture.log_prob(flat(x_valid)).quantile(0.05)  # 5% of held-out digits lie below
log_px = mixture.log_prob(flat(gallery))
fig, axes = plt.subplots(2, len(names), figsize=(9, 2.7), height_ratios=[1, 1.1], sharey="row")
for column, (name, image, value) in enumerate(zip(names, gallery, log_px.tolist(), strict=True)):
    plotting.image_grid(image[None], axes[0, column])
    axes[0, column].set_title(name)
    above = value - threshold.item()
    axes[1, column].bar([0], [above], bottom=threshold.item(), color="C0" if above >= 0 else "C1", width=0.5)
    axes[1, column].axhline(threshold.item(), color="black", linestyle="--", linewidth=1)
    axes[1, column].set(xticks=[], xlim=(-0.6, 0.6), xlabel=f"{value:.0f} nats")
axes[1, 0].set_ylabel("$\\log p(x)$, nats")
plt.show()
print(f"dashed: the threshold, {threshold:.1f} nats, below which 5% of the validation digits lie")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the digit rises above the dashed line (blue), the visitors hang below it (orange). Mind the logarithm: 10 nats further down means a density 22,000 times smaller. With a **threshold**, a number below which we say no, the model can do what the classifier cannot: **reject** an unreasonable input.
#
# And having no labels to learn, it can be trained on any heap of images. Since it is a full distribution, it can also be *sampled*:


# %% slideshow={"slide_type": "fragment"}
def without_jitter(gaussians):
    """A copy that draws without the faint noise that was added for the fit (all but a twentieth of it)."""
    clean = copy.deepcopy(gaussians)
    clean.cov = gaussians.cov - 0.95 * gaussians.jitter * torch.eye(64, dtype=gaussians.cov.dtype)
    return clean


clean_mixture = without_jitter(mixture)


def draw_images(num_samples, model=clean_mixture):
    return model.sample(num_samples).float().view(-1, 1, 8, 8).clamp(0, 1)


torch.manual_seed(1)
as_fitted = draw_images(12, mixture)
torch.manual_seed(1)
ax = plotting.compare_rows({"as fitted": as_fitted, "no jitter": draw_images(12), "more": draw_images(12)})
ax.figure.set_size_inches(6.4, 1.7)

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* new digits, of any class, nobody knows in advance which. The first row is grainy, since the jitter is drawn too; from here on we leave it out of the pictures. And they are crude, because a Gaussian is a crude model of a kind of image. (Values outside [0, 1] are cut off.) Better generative models fill the rest of the course.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Which image is likelier?
#
# Your turn. Choose two images, guess which of them has the larger $p(x)$, and press *tell me*. (On paper you see the answers: from the likeliest to the least likely.) One of them is the **mean** of all training digits. Where would you put it?

# %% slideshow={"slide_type": "fragment"}
mean_digit = x_train.mean(0, keepdim=True)
quiz = torch.cat([gallery, mean_digit, 1 - gallery[:1]])
widgets.likelier_image(quiz, mixture.log_prob(flat(quiz)), [*names, "the mean", "negative"])

# %% [markdown] slideshow={"slide_type": "notes"}
# If you were surprised by the mean, good: keep the surprise for section 8.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Conditional generative models: a competition for each label
#
# The third kind, $p(x \mid y)$, answers: "if it is a 3, what does it look like?" For each label it has a competition of its own, each with a total of 1:
#
# $$ \int p(x \mid y)\, dx = 1 \quad \text{for every } y. $$
#
# The straight way to get one: sort the training images by label, and fit a density to each pile. `ClassConditional` does this, here with one Gaussian a class. It also counts the labels' shares, the prior $p(y)$.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.bayes import ClassConditional
from course_utils.models.density.gaussian import Gaussian

conditional = ClassConditional([Gaussian(64, jitter=0.02) for _ in range(10)]).double()
conditional.fit(flat(x_train), y_train)
log_px_given_y = conditional.log_px_given_y(flat(gallery))  # (7, 10)

fig, ax = plt.subplots(figsize=(6.4, 2.7))
picture = ax.imshow(log_px_given_y.numpy(), cmap="viridis", vmin=-200, aspect="auto")
for (i, j), value in zip([(i, j) for i in range(len(names)) for j in range(10)], log_px_given_y.flatten(), strict=True):
    ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=7, color="white" if value < -60 else "black")
ax.set(xticks=range(10), yticks=range(len(names)), yticklabels=names, xlabel="label $y$")
fig.colorbar(picture, label="$\\log p(x|y)$, nats")
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* read down a *column*: that is one competition, between all images that there are, for one label. A *row* is no competition; its entries may all be small, and for noise they are. So we have both: a largest entry that
# names a label, and a size that says whether to believe it.
#
# That each column has a total of 1 can be checked with draws again. Now the density to draw from is the $p(x) = \sum_y p(x \mid y)\, p(y)$ of the model itself; then the mean of $p(x \mid y) / p(x)$ must be 1 for each label.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
labels = torch.multinomial(conditional.log_py.exp(), 4000, replacement=True)
draws = conditional.sample(labels)  # a label by its share, then an image: together a draw from p(x)
weights = (conditional.log_px_given_y(draws) - conditional.log_prob(draws)[:, None]).exp()  # (4000, 10)
errors = weights.std(0) / math.sqrt(len(weights))
print(
    "totals of p(x|y):",
    [f"{total:.2f}" for total in weights.mean(0).tolist()],
    f"standard errors about {errors.mean():.2f}",
)
assert ((weights.mean(0) - 1).abs() < 4 * errors).all()

# %% [markdown] slideshow={"slide_type": "fragment"}
# And it draws on demand:

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
wanted = torch.arange(10).repeat(3)
direct_drawer = copy.deepcopy(conditional)
direct_drawer.densities = torch.nn.ModuleList([without_jitter(density) for density in conditional.densities])
images = direct_drawer.sample(wanted).float().view(-1, 1, 8, 8).clamp(0, 1)
rows = {f"draw {i + 1}": images[10 * i : 10 * i + 10] for i in range(3)}
ax = plotting.compare_rows(rows, titles=[f"y = {k}" for k in range(10)])
ax.figure.set_size_inches(6.4, 2.1)
plt.show()
with torch.no_grad():
    many = torch.arange(10).repeat(50)
    judged = classifier.predict(direct_drawer.sample(many).float().view(-1, 1, 8, 8).clamp(0, 1))
    print(
        f"The classifier of section 2 sees the label that was asked for in {(judged == many).float().mean():.0%} of 500 draws."
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Bayes' rule builds the conditional model from the others
#
# Must one train a density for each label? No. Suppose that somebody gives you a classifier and an unconditional generative model. The one cannot draw at all, the other draws whatever it likes. Bayes' rule says that together they draw a 3 when asked for a 3:
#
# $$ \underbrace{p(x \mid y)}_{\text{conditional}} = \underbrace{p(y \mid x)}_{\text{classifier}} \cdot \underbrace{p(x)}_{\text{generative model}} \Big/ \underbrace{p(y)}_{\text{share of the label}}. $$
#
# In words: take all images, and keep each to the degree to which it is a 3. First where all is known exactly. On a line there are three classes: each a Gaussian with its own place, width and share.

# %% slideshow={"slide_type": "fragment"}
means, stds = torch.tensor(data.MIXTURE_1D["means"]).double(), torch.tensor(data.MIXTURE_1D["stds"]).double() * 1.6
prior = torch.tensor(data.MIXTURE_1D["weights"]).double()
line = torch.linspace(-6, 6, 2401, dtype=torch.float64)
step = line[1] - line[0]
exact = torch.distributions.Normal(means, stds).log_prob(line[:, None]).exp()  # p(x | y), (2401, 3)
p_line = exact @ prior  # p(x)
posterior_line = exact * prior / p_line[:, None]  # p(y | x)

label = 1
product = posterior_line[:, label] * p_line  # p(y | x) p(x), not yet divided
mass = product.sum() * step
assembled = product / mass
print(f"area under p(y|x) p(x): {mass:.6f}; the label's share p(y): {prior[label]:.6f}")
print(f"largest difference between assembled and exact p(x|y): {(assembled - exact[:, label]).abs().max():.1e}")
assert abs(mass - prior[label]) < 1e-6
assert torch.allclose(assembled, exact[:, label], atol=1e-6)

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 4, figsize=(9, 2), sharex=True)
axes[0].plot(line, posterior_line.numpy(), color="0.8")
axes[0].plot(line, posterior_line[:, label], color="C0")
axes[1].fill_between(line, p_line, color="C1", alpha=0.5)
axes[2].fill_between(line, p_line, color="0.88")
axes[2].fill_between(line, product, color="C2", alpha=0.5)
axes[3].fill_between(line, assembled, color="C2", alpha=0.5)
axes[3].plot(line[::40], exact[::40, label], "k.", markersize=3)
titles = ["$p(y|x)$: classifier", "$p(x)$: generative", "product: area $p(y)$", "divided by $p(y)$: $p(x|y)$"]
for ax, title in zip(axes, titles, strict=True):
    ax.set(title=title, xlabel="$x$", xlim=(-4.5, 4.5), yticks=[0, 0.5, 1] if ax is axes[0] else [])
    if ax is not axes[0]:
        ax.set_ylim(0, 1.05 * assembled.max().item())  # one scale for all three, so that areas can be compared
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* left, in blue, the probability of the middle class (grey: of the others). It is a gate, open in the middle and closed outside. Second, all $x$. Third, what passes the gate: its area is the share of the class, $p(y)$. So to divide by $p(y)$ is to make the area 1 again. Right: the
# assembled curve, and as dots the exact one.
#
# This is an important hint: we need not even know $p(y)$, the normalisation finds it.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Bayes' rule assembling a conditional model, from learned parts
#
# Now nothing is given. We squeeze the digits into the plane by PCA, so that we can still draw everything, and keep three classes. The parts are trained apart from each other, on half of the images each:
# $p(x)$ is a mixture fitted *without labels*; $p(y \mid x)$ is a softmax classifier on the two coordinates, their squares and their product; $p(y)$ is counted. For comparison: a Gaussian fitted directly to each class.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.classifier import Classifier
from course_utils.models.basics.pca import PCA

chosen = torch.tensor([0, 3, 4])
kept, kept_test = torch.isin(y_train, chosen), torch.isin(y_test, chosen)
pca = PCA(64, 2).double().fit(flat(x_train[kept]))
z, z_test = pca.encode(flat(x_train[kept])).float(), pca.encode(flat(x_test[kept_test])).float()
y3 = torch.searchsorted(chosen, y_train[kept])  # labels 0, 1, 2
half = len(z) // 2


def quadratic(z):
    return torch.cat([z, z.square(), z.prod(1, keepdim=True)], dim=1)  # (N, 2) -> (N, 5)


torch.manual_seed(0)
plane_classifier = Classifier(torch.nn.Linear(5, 3), num_classes=3)
history = fit(
    plane_classifier, (quadratic(z[:half]), y3[:half]), epochs=20 if FAST else 60, lr=0.03, cosine=True, device="cpu"
)
plane_density = GaussianMixture(3, 2, jitter=0.01)
trace = plane_density.fit(z[half:], generator=torch.Generator().manual_seed(0))
plane_direct = ClassConditional([Gaussian(2) for _ in range(3)]).fit(z, y3)
plane_prior = torch.bincount(y3) / len(y3)

# %% slideshow={"slide_type": "fragment"}
side = torch.linspace(-3.2, 3.2, 161)
grid = torch.cartesian_prod(side, side)
area = (side[1] - side[0]) ** 2
with torch.no_grad():
    gate = plane_classifier.log_posterior(quadratic(grid)).exp()  # p(y | x) on the grid
    everything = plane_density.log_prob(grid).exp()  # p(x)
    built = gate * everything[:, None] / plane_prior  # p(y | x) p(x) / p(y)
    direct = plane_direct.log_px_given_y(grid).exp()
    at_test = (
        plane_classifier.log_posterior(quadratic(z_test)) + plane_density.log_prob(z_test)[:, None] - plane_prior.log()
    )
print(f"p(x) over the square: {everything.sum() * area:.3f}")
moved = 0.5 * (built - direct).abs().sum(0) * area
for k, digit in enumerate(chosen.tolist()):
    mine = y_test[kept_test] == digit
    held_out = at_test[mine, k].mean(), plane_direct.log_px_given_y(z_test[mine])[:, k].mean()
    print(
        f"p(x|{digit}): total {built[:, k].sum() * area:.2f}; {moved[k]:.0%} of its mass lies elsewhere than in the direct one;"
    )
    print(f"        mean over {mine.sum()} test digits: assembled {held_out[0]:.2f}, direct {held_out[1]:.2f} nats")

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(3, 4, figsize=(8, 5.6), sharex=True, sharey=True)
for k, row_axes in enumerate(axes):
    surfaces = [gate[:, k], everything, built[:, k], direct[:, k]]
    for ax, surface, cmap in zip(row_axes, surfaces, ["Blues", "Oranges", "Greens", "Greens"], strict=True):
        ax.contourf(side, side, surface.view(161, 161).T.numpy(), levels=9, cmap=cmap)
        points = z if ax is row_axes[1] else z[y3 == k]
        ax.scatter(*points.T.numpy(), s=1.5, color="black", alpha=0.5, linewidths=0)
        ax.set(xticks=[], yticks=[], xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal")
    row_axes[0].set_ylabel(f"y = {chosen[k]}\np(y) = {plane_prior[k]:.2f}")
titles = ["$p(y|x)$: classifier", "$p(x)$: no labels", "$p(y|x)\\,p(x)\\,/\\,p(y)$", "$p(x|y)$, fitted directly"]
for ax, title in zip(axes[0], titles, strict=True):
    ax.set_title(title)
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* first column times second column, divided by the number at the left, gives the third; the fourth, fitted to the class itself, looks much alike. On test digits (the numbers above) the direct one is ahead for two of the three classes: what is assembled is only as good as its parts. The classifier (first column) goes on to be certain far outside, where there are no images at all. It does no harm: there $p(x)$ is
# next to nothing, and the product with it. With learned parts the totals are near 1, but not 1: the classifier and the mixture saw different images, and need not agree about $p(y)$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Draw instead of multiply: importance resampling
#
# In 64 dimensions there is no grid to multiply on, and of many generative models (such as GANs, lecture 11) we cannot even compute $p(x)$. It is enough to be able to *draw* from it.
# Draw many candidates $x_1 \ldots x_M$ from $p(x)$; then draw among them, with chances in proportion to
#
# $$ \frac{p(x_m \mid y)}{p(x_m)} = \frac{p(y \mid x_m)}{p(y)} \;\propto\; p(y \mid x_m). $$
#
# So the importance weight of a candidate is what the classifier says. This is **importance resampling** (Rubin 1988), and `sample_given_label` does it in six lines. On the line, against the exact answer. The
# figure of merit is the largest difference between the two distribution functions, the shares of mass left of $x$:

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.bayes import class_log_posterior, sample_given_label

line_model = torch.distributions.Normal(means, stds)
generator = torch.Generator().manual_seed(0)


def draw_line(num_samples):
    y = torch.multinomial(prior, num_samples, replacement=True, generator=generator)
    return means[y] + stds[y] * torch.randn(num_samples, generator=generator, dtype=torch.float64)


def line_posterior(x):
    return class_log_posterior(line_model.log_prob(x[:, None]), prior.log())


for candidates in (20, 200, 2000, 20_000):
    sampled = sample_given_label(draw_line, line_posterior, label, 20_000, candidates, generator).sort().values
    cdf = torch.distributions.Normal(means[label], stds[label]).cdf(sampled)
    gap = (cdf - torch.linspace(0, 1, len(sampled), dtype=torch.float64)).abs().max()
    print(f"{candidates:6} candidates: largest gap to the exact distribution {gap:.3f}")
assert gap < 0.03

# %% [markdown] slideshow={"slide_type": "subslide"}
# Now on digits, with the mixture of section 3 (which never saw a label) and the network of section 2 (which never learned to draw).


# %% slideshow={"slide_type": "fragment"}
@torch.no_grad()
def network_posterior(x):
    return classifier.log_posterior(x)


torch.manual_seed(5)
candidates = draw_images(14)
weights = network_posterior(candidates).exp()
fig, axes = plt.subplots(3, 1, figsize=(8, 3.1), height_ratios=[1.3, 1, 1.3])
plotting.image_grid(candidates, axes[0], num_columns=14)
axes[0].set_title("$p(x)$: candidates of the mixture")
axes[1].bar(range(14), weights[:, 3].tolist(), width=0.5)
axes[1].set(xlim=(-0.5, 13.5), xticks=[], ylim=(0, 1), ylabel="$p(3|x)$")
torch.manual_seed(0)
plotting.image_grid(sample_given_label(draw_images, network_posterior, 3, 14, 2000), axes[2], num_columns=14)
axes[2].set_title("$p(x|3)$: fourteen draws out of 2,000 candidates, with weights $p(3|x)$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* above, all sorts of digits. In the middle, what the classifier thinks of each as a 3. Below, threes, made by two models neither of which could draw one on demand.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
asked = torch.arange(10).repeat_interleave(30)
assembled_digits = torch.cat(
    [sample_given_label(draw_images, network_posterior, k, 30, 500 if FAST else 2000) for k in range(10)]
)
direct_digits = direct_drawer.sample(asked).float().view(-1, 1, 8, 8).clamp(0, 1)
real = torch.stack([x_train[y_train == k].mean(0) for k in range(10)])
rows = {
    "assembled": assembled_digits[::30],
    "": assembled_digits[1::30],
    "direct": direct_digits[::30],
    " ": direct_digits[1::30],
}
rows |= {"mean, assembled": assembled_digits.view(10, 30, 1, 8, 8).mean(1), "mean, real": real}
ax = plotting.compare_rows(rows, titles=range(10))
ax.figure.set_size_inches(6, 3.4)
plt.show()
for name, images in {"assembled": assembled_digits, "direct": direct_digits}.items():
    seen = torch.stack([net.predict(images) == asked for net in classifiers[1:]]).float().mean()
    print(f"{name:10} draws of which the two networks that took no part see the label asked for: {seen:.0%}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the assembled model draws each digit on demand, and its mean images are those of the real classes. What it costs: with ten classes, nine of ten candidates are thrown away; with a rare label nearly all. And the classifier is asked about *generated* images now. If the generative model makes a blot that the classifier is certain about,
# section 2 has told us that it may, the blot will be drawn. The same sum of logarithms, $\log p(x) + \log p(y \mid x)$, has steered diffusion models to what one asks for (*classifier guidance*, Dhariwal & Nichol 2021).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. The reverse: a classifier made of densities
#
# Read Bayes' rule the other way, and the conditional model becomes a classifier, a **generative classifier**:
#
# $$ p(y \mid x) = \frac{p(x \mid y)\, p(y)}{p(x)}, \qquad p(x) = \sum_{y} p(x \mid y)\, p(y). $$
#
# In 64 dimensions this formula, typed as it stands, breaks. Densities there are tiny or huge, and a float32 below about $10^{-45}$ is rounded to 0 (this is called **underflow**). If all ten $p(x \mid y)$ underflow, we divide 0 by 0:

# %% slideshow={"slide_type": "fragment"}
log_px_given_y = conditional.log_px_given_y(flat(gallery)).float()
naive = log_px_given_y.exp() * conditional.log_py.float().exp()
naive = naive / naive.sum(1, keepdim=True)
for name, row, values in zip(names, naive, log_px_given_y, strict=True):
    print(
        f"{name:9} log p(x|y) from {values.min():6.0f} to {values.max():5.0f}; largest posterior, as typed: {row.max():.3f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# `nan` is "not a number". The cure is to stay in **log space**. Let $s_y = \log p(x \mid y) + \log p(y)$. Then
#
# $$ \log p(y \mid x) = s_y - \log \sum_{y'} e^{s_{y'}}, \qquad \log \sum_{y'} e^{s_{y'}} = m + \log \sum_{y'} e^{s_{y'} - m}, \quad m = \max_{y'} s_{y'}. $$
#
# After $m$ is taken out, the largest term is $e^0 = 1$: it cannot underflow, and what does underflow beside it did not matter. You know the function: it is a log-softmax, with $s_y$ in the place of logits. **A generative classifier is a softmax whose logits mean something.**

# %% slideshow={"slide_type": "fragment"}
log_posterior = class_log_posterior(log_px_given_y.double(), conditional.log_py)
assert torch.isfinite(log_posterior).all()
assert torch.allclose(log_posterior.exp().sum(1), torch.ones(len(names)).double())
fine = torch.isfinite(naive).all(1)  # where the formula as typed works, the two agree
assert torch.allclose(log_posterior.exp()[fine], naive[fine].double(), atol=1e-4)
print(
    "largest posterior in log space:",
    {name: f"{p:.3f}" for name, p in zip(names, log_posterior.exp().max(1).values.tolist(), strict=True)},
)

certain = conditional.log_posterior(flat(outliers["noise"])).exp().max(1).values > 0.9
print(f"noise about which the generative posterior is more than 90% certain: {certain.float().mean():.0%}")
right = (conditional.log_posterior(flat(x_test)).argmax(1) == y_test).sum()
print(f"right of {len(y_test)} test images: generative classifier {right}", end="; ")
print("networks", [int((net.predict(x_test) == y_test).sum()) for net in classifiers])

# %% [markdown] slideshow={"slide_type": "fragment"}
# Ten Gaussians, fitted in a blink without a single gradient, are as good as the networks here. (A few images more or less of 300 prove nothing; and on large photographs, where a Gaussian is a hopeless model of a class, the discriminative side wins by far.)
#
# But look at the second line: about noise the generative *posterior* is no more modest than the network was. Of course: $p(y \mid x)$ is a competition of labels, however we come by it. The new thing is the number that the division threw away, $p(x)$. Keep it:

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A classifier that may refuse
#
# First ask whether the image is reasonable at all, $\log p(x) \ge$ threshold. Only then say which label. We set the threshold so that 5% of the *validation* digits are refused, and look at the test digits for how often that happens; a refusal of an ordinary image is a **false alarm**.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.bayes import reject_outliers

limit = conditional.log_prob(flat(x_valid)).quantile(0.05)
refused = reject_outliers(conditional.log_prob(flat(x_test)), limit)
y_hat = conditional.log_posterior(flat(x_test)).argmax(1)
print(f"threshold {limit:.1f} nats; false alarms on test digits {refused.float().mean():.1%}")
print(f"accuracy on the test digits that were accepted: {(y_hat == y_test)[~refused].float().mean():.1%}\n")
for name, x in outliers.items():
    out = reject_outliers(conditional.log_prob(flat(x)), limit).float().mean()
    print(f"{name:8} refused: {out:6.1%} of {len(x)}")

# %% [markdown] slideshow={"slide_type": "notes"}
# The false alarms are not exactly 5%: the threshold was set by the ten least likely of 200 validation images, so it is itself uncertain.

# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(3)
mixed = torch.cat([x_test[:8], *[x[torch.randperm(len(x), generator=generator)[:4]] for x in outliers.values()]])
refused = reject_outliers(conditional.log_prob(flat(mixed)), limit)
y_hat = conditional.log_posterior(flat(mixed)).argmax(1)
network_says = classifier.predict(mixed)
titles = [
    f"{a} | {'no' if no else b}"
    for a, b, no in zip(network_says.tolist(), y_hat.tolist(), refused.tolist(), strict=True)
]
ax = plotting.image_grid(mixed, num_columns=14, titles=titles)
ax.figure.set_size_inches(8, 1.7)
ax.set_title("network | generative classifier", y=1.12)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* eight digits, then four visitors of each kind. Left of the bar the label of the network, which must always name one; right of it the generative classifier, which may say "no".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. How good is an outlier detector?
#
# A detector is a **score**, larger for what looks more like an outlier, and a threshold. With a strict threshold we catch all outliers and refuse many digits too; with a generous one neither. So do not judge one threshold, draw them all. For each
# threshold plot
#
# - to the right: the **false-alarm rate**, the share of digits refused;
# - upwards: the **detection rate**, the share of outliers refused.
#
# This is the **ROC curve** (receiver operating characteristic, a name from the early days of radar). Guessing gives the diagonal; a perfect detector goes through the upper left corner. Its summary is the **area under the curve**, **AUC**: 1 is perfect, 0.5 is guessing, below 0.5 is worse than guessing. The area has a meaning
# of its own: it is the probability that a random outlier has a larger score than a random digit.


# %% slideshow={"slide_type": "fragment"}
def roc_curve(score_in, score_out):
    """False-alarm and detection rates, (T,) each, for every threshold from the most generous to the strictest, and the area."""
    thresholds = torch.cat([score_in, score_out]).unique().flip(0)
    thresholds = torch.cat([thresholds.new_tensor([torch.inf]), thresholds])
    false_alarms = (score_in >= thresholds[:, None]).double().mean(1)
    detections = (score_out >= thresholds[:, None]).double().mean(1)
    return false_alarms, detections, torch.trapezoid(detections, false_alarms).item()


from sklearn.metrics import roc_auc_score

score_in, score_out = -conditional.log_prob(flat(x_test)), -conditional.log_prob(flat(outliers["turned"]))
area = roc_curve(score_in, score_out)[2]
pairs = (score_out[:, None] > score_in).double().mean().item()  # all pairs of an outlier and a digit
library = roc_auc_score([0] * len(score_in) + [1] * len(score_out), torch.cat([score_in, score_out]).tolist())
print(f"area {area:.5f}; share of pairs in the right order {pairs:.5f}; scikit-learn {library:.5f}")
assert abs(area - pairs) < 1e-9
assert abs(area - library) < 1e-9

# %% [markdown] slideshow={"slide_type": "subslide"}
# Two scores enter. The generative one is $-\log p(x)$. The classifier gets a fair chance too: an image about which it is *not certain* may be an outlier, so its score is minus the largest probability of the softmax, **max-softmax** (Hendrycks & Gimpel 2016). We add a sixth kind of outlier, the pixelwise **average** of two digits of different classes.


# %% slideshow={"slide_type": "fragment"}
def score_density(x):
    return -conditional.log_prob(flat(x))


@torch.no_grad()
def score_softmax(x, net=classifier):
    return -net.log_posterior(x).max(1).values.exp()


outliers["average"] = ((x_test + partner) / 2)[different]

fig, axes = plt.subplots(2, 3, figsize=(7.4, 4.6), sharex=True, sharey=True)
for ax, (name, x) in zip(axes.flat, outliers.items(), strict=True):
    for score, text in ((score_density, "$\\log p(x)$"), (score_softmax, "max-softmax")):
        false_alarms, detections, area = roc_curve(score(x_test), score(x))
        ax.plot(false_alarms, detections, label=f"{text}, {area:.2f}")
    ax.plot([0, 1], [0, 1], ":", color="0.5")
    ax.set(title=f"{name} ({len(x)} images)", xlim=(-0.02, 1), ylim=(0, 1.02))
    ax.legend(loc="lower right", title="score, AUC", fontsize=8)
fig.supxlabel("false-alarm rate", fontsize=10)
fig.supylabel("detection rate", fontsize=10)
plt.show()

# %% slideshow={"slide_type": "fragment"}
print(f"{'AUC':10}{'log p(x)':>10}{'mixture':>10}{'max-softmax, three networks':>32}")
for name, x in outliers.items():
    labelled = roc_curve(score_density(x_test), score_density(x))[2]
    unlabelled = roc_curve(-mixture.log_prob(flat(x_test)), -mixture.log_prob(flat(x)))[2]
    nets = [roc_curve(score_softmax(x_test, net), score_softmax(x, net))[2] for net in classifiers]
    print(f"{name:10}{labelled:10.3f}{unlabelled:10.3f}{'  '.join(f'{area:.3f}' for area in nets):>32}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* from noise to double digits, $\log p(x)$ is the better detector, and the mixture, which never saw a label (second column of the table), does nearly as well. Max-softmax is better than guessing. But in the last panel the order is reversed: the average of two digits, which is none, is *hard* for the density and easier for the classifier.
# Why? That is the subject of the next section. (The areas come from some hundred images each, so that the last digit should not be believed; and what is an easy outlier at 8x8 pixels may be a hard one in a photograph.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. A caution: likely is not typical
#
# A density is largest at its peak. But do data lie there? Draw from a unit Gaussian in $D$ dimensions, and measure the distance from the centre. At distance $r$ the density falls like $e^{-r^2/2}$, while the room at that distance, the surface of a sphere, grows like $r^{D-1}$. Mass is density times volume:

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
fig, axes = plt.subplots(1, 3, figsize=(7.4, 1.9), sharex=True)
for ax, D in zip(axes, (1, 2, 64), strict=True):
    distance = torch.randn(20_000, D).norm(dim=1)
    ax.hist(distance.tolist(), bins=60, range=(0, 11), density=True, color="C0", alpha=0.6)
    r = torch.linspace(0, 11, 300)
    ax.plot(r, torch.exp(-(r**2) / 2) * ax.get_ylim()[1], color="C1")
    ax.set(title=f"D = {D}", xlabel="distance from the peak", yticks=[])
    assert abs(distance.square().mean() - D) < 4 * math.sqrt(2 * D / 20_000)  # the mean of r^2 is D
    print(
        f"D = {D:2}: draws are {distance.min():.2f} to {distance.max():.2f} away from the peak, sqrt(D) = {math.sqrt(D):.2f}"
    )
axes[0].legend(["density (not to scale)", "where draws lie"])
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* in 64 dimensions nobody lives at the peak. The draws form a thin shell at a distance of about $\sqrt D$, the **typical set**. A point at the peak is the likeliest of all, and yet unlike every draw.
#
# For digits: the peak of one Gaussian fitted to all of them is the mean image. Fade each test digit $x$ towards the mean $m$, as $m + a\,(x - m)$ with the contrast $a$ falling from 1 to 0. It gets less and less like a digit.

# %% slideshow={"slide_type": "fragment"}
single = Gaussian(64, jitter=0.02).double().fit(flat(x_train))
contrasts = torch.linspace(0, 1.5, 16, dtype=torch.float64)
models = {"one Gaussian": single, "mixture": mixture, "a Gaussian a class": conditional}

fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.8))
for (name, model), style in zip(models.items(), ("-", "-", "--"), strict=True):
    curve = [model.log_prob(flat(mean_digit) + a * (flat(x_test) - flat(mean_digit))).mean().item() for a in contrasts]
    left.plot(contrasts, curve, style, label=name)
left.axvline(1, color="black", linestyle=":")
left.set(xlabel="contrast $a$ (real digits: 1)", ylabel="mean $\\log p(x)$, nats", ylim=(0, 45))
left.legend()
faded = torch.cat([mean_digit + a * (x_test[:6] - mean_digit) for a in (1.0, 0.5, 0.0)])
plotting.image_grid(faded.clamp(0, 1), right, num_columns=6)
right.set_title("contrast 1, 0.5, 0")
plt.show()
for name, model in models.items():
    share = (model.log_prob(flat(x_test)) < model.log_prob(flat(mean_digit))).float().mean()
    averages = roc_curve(-model.log_prob(flat(x_test)), -model.log_prob(flat(outliers["average"])))[2]
    print(f"{name:19} the mean image is likelier than {share:4.0%} of test digits; AUC for averages {averages:.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the more a digit is faded, the likelier it gets, up to a point that depends on the model; for one Gaussian up to the very end, the grey smear at the bottom. This is why averages of digits slipped through; under one Gaussian their AUC is near 0: nearly every average looks *more* like a digit to it than a digit does. (The curves of the other two models lie on each other.)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A grey image, and a famous surprise
#
# Nalisnick et al. (2018) trained good deep generative models on photographs of animals and vehicles, and found that house numbers, simpler and smoother images, got a *higher* likelihood than the very photographs of the training set; constant images got a higher one still. Does it happen here? Honestly: for clean digits a constant image is
# refused, as we shall see. But let the *training* images be rough: digits with noise of deviation 0.3 on every pixel, and a density fitted to them. Then show it *clean* digits, and constant images.


# %% slideshow={"slide_type": "fragment"}
def roughen(x, seed):
    return x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


rough = (
    ClassConditional([Gaussian(64, jitter=0.02) for _ in range(10)]).double().fit(flat(roughen(x_train, 0)), y_train)
)
x_rough = roughen(x_test, 1)
greys = torch.linspace(0, 1, 41).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
fig, axes = plt.subplots(1, 2, figsize=(8.4, 2.6))
trained_on = {"clean digits": (conditional, x_test), "rough digits": (rough, x_rough)}
for ax, (name, (model, own)) in zip(axes, trained_on.items(), strict=True):
    ax.plot(greys[:, 0, 0, 0], model.log_prob(flat(greys)), color="C1", label="constant image")
    low, high = model.log_prob(flat(own)).quantile(torch.tensor([0.05, 0.95]).double()).tolist()
    ax.axhspan(low, high, color="C0", alpha=0.3, label="its own kind of digits, the middle 90%")
    ax.axhline(model.log_prob(flat(x_test)).mean().item(), color="C2", linestyle="--", label="clean digits, mean")
    ax.set(title=f"trained on {name}", xlabel="grey level", ylim=(low - 40, high + 25))
axes[0].set_ylabel("$\\log p(x)$, nats")
fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
plt.show()
# %% slideshow={"slide_type": "fragment"}
best = (rough.log_prob(flat(greys)).max() > rough.log_prob(flat(x_rough))).float().mean()
print(f"under the density of rough digits the likeliest constant image beats {best:.1%} of the rough test digits")
above = (rough.log_prob(flat(x_test))[:, None] > rough.log_prob(flat(x_rough))).float().mean()
torch.manual_seed(0)
own = mixture.log_prob(mixture.sample(2000)).mean()
print(
    f"mixture of section 3: its own draws {own:.1f} nats, the test digits {mixture.log_prob(flat(x_test)).mean():.1f}"
)
print(f"a clean digit is likelier than a rough one in {above:.1%} of all pairs, under the density of ROUGH digits")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* left, the constant image (orange) stays below the band of the digits at every grey level: it is refused. Right, the surprise: to a density of rough images, clean ones are *likelier than its own training set*. They lack the noise that pushes every real example away from the peak. And the peak of the orange curve, a constant dark grey, stands above the band, although nothing of the kind was ever seen.
# (Our `jitter` did the same on a small scale all along: real digits, which have no such noise, are likelier under the mixture than its own draws, which have. See the printed line.)
# So a large $p(x)$ does not prove that $x$ is ordinary.
#
# A remedy is to ask not "is $\log p(x)$ large?" but "**is it what is usual?**": the score $\big|\log p(x) - \text{its mean over held-out data}\big|$, large on both sides (a *typicality* test, Nalisnick et al. 2019).

# %% slideshow={"slide_type": "fragment"}
usual = conditional.log_prob(flat(x_valid)).mean()
usual_rough = rough.log_prob(flat(roughen(x_valid, 2))).mean()
print(f"{'AUC':28}{'-log p(x)':>12}{'typicality':>12}")
for name, x in outliers.items():
    values_in, values_out = conditional.log_prob(flat(x_test)), conditional.log_prob(flat(x))
    one_sided = roc_curve(-values_in, -values_out)[2]
    two_sided = roc_curve((values_in - usual).abs(), (values_out - usual).abs())[2]
    print(f"{name:28}{one_sided:12.2f}{two_sided:12.2f}")
values_in, values_out = rough.log_prob(flat(x_rough)), rough.log_prob(flat(x_test))
one_sided = roc_curve(-values_in, -values_out)[2]
two_sided = roc_curve((values_in - usual_rough).abs(), (values_out - usual_rough).abs())[2]
print(f"{'clean among rough digits':28}{one_sided:12.2f}{two_sided:12.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* for the clean among the rough, the one-sided score is worse than guessing and the two-sided one finds them all. But it is no free gift: where outliers are simply unlikely it can only lose, and averages of two digits, neither too likely nor too unlikely, slip through both. A single number cannot hold all that makes an image strange.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. What is each good for?
#
# | | discriminative $p(y \mid x)$ | generative $p(x)$ | conditional generative $p(x \mid y)$ |
# |---|---|---|---|
# | who competes | labels, for each image | all images | all images, for each label |
# | needs labels | yes | no | yes |
# | assigns labels | **yes** | no | **yes**, by Bayes' rule, *and may refuse* |
# | detects outliers | poorly: must always answer | **yes**, by a small $p(x)$ (mind section 8) | **yes**, after summing over labels |
# | learns features | **yes**, those that tell labels apart | **yes**, without labels | yes |
# | draws new images | no | **yes**, of any kind | **yes**, of the kind that one asks for |
#
# *Features* once more, from both sides. The network's last layer but one sees each image as a vector that was learned *with* labels. The unlabelled mixture describes an image by the shares of its twelve components, learned *without*. To see what each knows of the labels, name each test image after
# the training image that is nearest to it in these features.

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    learned = [classifier.network[:-1](x) for x in (x_train, x_test)]
    shares = [mixture.responsibilities(flat(x)) for x in (x_train, x_test)]
fig, axes = plt.subplot_mosaic(
    [["net", "means"], ["net", "table"]], figsize=(8, 3.4), height_ratios=[1, 6], width_ratios=[1, 1.15]
)
plotting.latent_scatter(PCA(learned[0].shape[1], 2).fit(learned[0]).encode(learned[1]), y_test, axes["net"])
axes["net"].set(title="network, with labels", xticks=[], yticks=[], xlabel="PCA 1 of 512 features", ylabel="PCA 2")
order = (torch.nn.functional.one_hot(y_train, 10).double().T @ shares[0]).argmax(0).argsort()  # by commonest label
plotting.image_grid(mixture.mu[order].float().view(-1, 1, 8, 8).clamp(0, 1), axes["means"], num_columns=12)
axes["means"].set_title("mixture, no labels: the twelve means")
table = torch.nn.functional.one_hot(y_test, 10).double().T @ shares[1][:, order]
axes["table"].imshow(table.numpy(), cmap="Blues", aspect="auto")
axes["table"].set(yticks=range(10), xticks=[], ylabel="label", xlabel="share of each component in test digits")
plt.show()
for name, (known, asked) in {
    "network, with labels": learned,
    "mixture, without": [part.sqrt() for part in shares],
}.items():
    share = (y_train[torch.cdist(asked, known).argmin(1)] == y_test).float().mean()
    print(f"{name:22} {known.shape[1]:4} features; nearest training image has the right label: {share:.1%}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* left, test images by the two strongest PCA directions of what the network learned from labels. Right, the mixture's components: the means are digits, and most components have taken one label each (a column with one dark cell; a few mix two, such as 1 and 8), though they were told none. Nearly all images in the world have no labels: that is the promise of generative models.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Joint, marginal, conditional: one table, divided by different sums. What sums to 1 competes.
# - $p(y \mid x)$: labels compete, images do not. A classifier must answer, even to noise, and may be certain.
# - $p(x)$: all images compete, so a model can say "no" by a small value. Densities depend on the unit; compare, do not read them alone.
# - $p(x \mid y) = p(y \mid x)\, p(x) / p(y)$: a classifier and an unconditional model make a conditional one. With draws: resample by the classifier's weights.
# - The reverse is a generative classifier. Compute it in log space; keep $p(x)$, and it may refuse.
# - A detector is judged by its ROC curve; the AUC is the chance that an outlier outscores an inlier.
# - In many dimensions the likeliest point is not typical. A smooth or average image may be likelier than real ones.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) In the table of section 1, double the number of ones in the world. Which of the four tables change? Compute the new posterior of a 1 after a white pixel, once by counting and once by Bayes' rule.
# 2. (10 min, easy) Train `SoftmaxClassifier` in place of the network in section 2. Is it less certain about noise? Multiply its weights by 3 and look again.
# 3. (10 min, medium) Show that with two Gaussian classes of *equal* covariance the generative posterior is a softmax of a function *linear* in $x$. What changes if the covariances differ?
# 4. (10 min, medium) In `sample_given_label` with $M$ candidates, the *effective number* is $(\sum w)^2 / \sum w^2$. Compute it for each digit in section 5. What is it for a label with a share of one in a million?
# 5. (15 min, medium) Train everything on the digits 0 to 8 only, and let the nines be the outliers. Compare both AUCs with those of section 7, and explain.
# 6. (15 min, medium) The classifier's logits have another score to offer: $-\log \sum_y e^{\text{logit}_y}$, the overall height that the softmax divides away (Liu et al. 2020). Add it to the table of section 7.
# 7. (20 min, hard) Train the generative classifier and the softmax classifier on 30, 100, 300 and all images, five times each with different draws. Plot both accuracies (Ng & Jordan 2002 predict who leads where). What part does `jitter` play?
# 8. (20 min, hard) For $x \sim \mathcal N(0, I)$ in $D$ dimensions, find the mean and the variance of $\log p(x)$. By how many standard deviations is the peak too likely? Check with draws.
#
# Assignment 1 lets you write `class_log_posterior` and `reject_outliers` yourself.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - C. M. Bishop: Pattern Recognition and Machine Learning, 2006 (sections 1.5 and 4.2: decisions, generative classifiers).
# - A. Y. Ng, M. I. Jordan: On discriminative vs. generative classifiers: a comparison of logistic regression and naive Bayes, NeurIPS 2002.
# - D. B. Rubin: Using the SIR algorithm to simulate posterior distributions, Bayesian Statistics 3, 1988.
# - C. M. Bishop: Novelty detection and neural network validation, IEE Proceedings Vision, Image and Signal Processing 141, 1994 (rejecting by a density).
# - T. Fawcett: An introduction to ROC analysis, Pattern Recognition Letters 27, 2006.
# - D. Hendrycks, K. Gimpel: A baseline for detecting misclassified and out-of-distribution examples in neural networks, 2016. arXiv 1610.02136.
# - E. Nalisnick et al.: Do deep generative models know what they don't know?, 2018. arXiv 1810.09136.
# - E. Nalisnick et al.: Detecting out-of-distribution inputs to deep generative models using typicality, 2019. arXiv 1906.02994.
# - P. Dhariwal, A. Nichol: Diffusion models beat GANs on image synthesis, 2021. arXiv 2105.05233 (section 4: classifier guidance).
# - W. Liu et al.: Energy-based out-of-distribution detection, 2020. arXiv 2010.03759.
