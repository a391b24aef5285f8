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
# # Lecture 1: Learning from data
#
# *Nobody can write down what makes an 8 an 8. How can a machine know?*
#
# **You will**
#
# - turn images into numbers, and write a program that learns to read digits, every line of it by hand;
# - give the same kind of program five different things to say about an image: a class, a number, boxes, a label for each pixel, a sentence;
# - take the labels away, and find structure all the same: groups, flat sheets, features, densities;
# - learn the words that the rest of the course speaks in: model, loss, gradient descent, overfitting, logit, convolution, feature ...
#
# **You need** Python; derivatives and gradients; vectors and matrices; what a mean, a variance and a probability are. No machine learning at all.
#
# **Time and hardware.** 90 minutes to read; all cells together run in about two minutes on a laptop's processor. The images are
# real handwriting that comes with the course, so nothing is downloaded.

# %% slideshow={"slide_type": "skip"}
import os

import matplotlib.pyplot as plt
import torch

from course_utils.data import load
from course_utils.plotting import CLASS_COLORS, compare_rows, image_grid, latent_scatter, use_course_style

use_course_style(dpi=62)  # many figures in one notebook
FAST = os.environ.get("COURSE_FAST") == "1"  # a short run for automatic tests: the figures will be poor
torch.set_num_threads(1)  # networks this small gain nothing from more threads

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. An image is a table of numbers
#
# A grey image is a table: one number for each **pixel**, here from 0 (black) to 1 (white). In PyTorch such a table is a **tensor**, an array
# with any number of axes: a number has none, a vector one, a matrix two. Many images of one size make one tensor with four axes, and the course
# always keeps them in the same order:
#
# $$ (N, C, H, W) = (\text{number of images},\ \text{channels},\ \text{height},\ \text{width}), $$
#
# with one channel for grey, three for red, green and blue. A **data set** is a collection of examples of one kind. This is ours:

# %% slideshow={"slide_type": "fragment"}
digits = load("digits")
print(digits.description)
x_train, y_train = digits.train
x_test, y_test = digits.test
print("images x:", tuple(x_train.shape), "  labels y:", tuple(y_train.shape))

# %% slideshow={"slide_type": "fragment"}
eight = x_train[y_train == 8][0]  # (1, 8, 8)
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(7, 2.5), width_ratios=[1, 1.15, 1.6])
image_grid(eight.unsqueeze(0), left)
left.set_title("what you see")
middle.imshow(eight[0].numpy())
for row in range(8):
    for column in range(8):
        color = "black" if eight[0, row, column] > 0.5 else "white"
        middle.text(column, row, f"{16 * eight[0, row, column]:.0f}", ha="center", va="center", fontsize=8, color=color)
middle.set(xticks=[], yticks=[], title="the numbers, times 16")
right.bar(range(64), eight.flatten().tolist(), width=1.0)
right.set(xlabel="pixel, row after row", ylabel="grey level", title="the same as a vector of 64")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* three views of one thing. As a vector, an image is a *point* in a space of 64 dimensions. A data set is a cloud of points there, and
# everything in this lecture is geometry and probability with such clouds.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### With labels, or without
#
# | | supervised learning | unsupervised learning |
# |---|---|---|
# | data | pairs $(x, y)$: an image and what should be said about it | only $x$ |
# | goal | a function $f$ with $y \approx f(x)$, for new images too | the hidden structure of the data |
# | who works | people must write each $y$ by hand: **labelling** | nobody, images are everywhere |
# | examples | classification, regression, detection, segmentation, captioning | clustering, dimensionality reduction, feature learning, density estimation |
# | in this lecture | sections 2 to 9 | sections 10 to 14 |
#
# The course is about the second column: its machines end up drawing new images. But they are all built from the parts of the first, so there we begin.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Supervised: classification
#
# The smallest useful question: *which* of ten digits is this? A $y$ from a finite list is a **class**, and a function that names it a **classifier**.
# For some images the answer is already known:

# %% slideshow={"slide_type": "fragment"}
ax = image_grid(x_train[:20], num_columns=10, titles=[f"y = {label}" for label in y_train[:20].tolist()])
ax.figure.set_size_inches(7, 1.9)

# %% [markdown] slideshow={"slide_type": "fragment"}
# Try to write the rule yourself! "An 8 has two loops": until somebody does not close one. Every rule has exceptions, and every exception too. So turn it round: write
# a function with many adjustable numbers in it, its **parameters**, and let the *examples* adjust them. Such a function is a **model**; adjusting is **training**, or learning.
#
# One precaution first. A student who has seen the exam questions may know the answers by heart and understand nothing. So we lock some examples
# away: the model is trained on the **training set** and judged on the **test set**, images that it has never seen, also called **held out**. (A third part, the *validation set*, is for
# comparing settings, so that the test set stays unseen until the end.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The model: ten scores, made into probabilities
#
# The simplest function of 64 numbers is a weighted sum. We take ten of them, one for each class:
#
# $$ \text{logits}(x) = W x + b, \qquad W \in \mathbb R^{10 \times 64},\ b \in \mathbb R^{10}. $$
#
# Row $k$ of $W$ is a template for class $k$: a pixel with a positive weight votes for it, one with a negative weight against. The scores may be any real
# numbers; they are called **logits**. To make them probabilities, positive and of sum 1, take exponentials and divide by their sum. That is the **softmax**:
#
# $$ p(y = k \mid x) = \frac{e^{\text{logit}_k}}{\sum_{j} e^{\text{logit}_j}}. $$
#
# Read $p(y \mid x)$ as "probability of $y$, given $x$". The largest logit gets the largest probability; adding 1 to a logit multiplies its odds against every other class by $e$.


# %% slideshow={"slide_type": "fragment"}
def softmax(logits):
    """Probabilities from logits, along the last axis."""
    scores = torch.exp(logits - logits.max(-1, keepdim=True).values)  # the shift cancels; without it exp may overflow
    return scores / scores.sum(-1, keepdim=True)


example = torch.tensor([1.0, 3.0, 2.0, -1.0])
fig, (left, right) = plt.subplots(1, 2, figsize=(6, 1.9))
left.bar(["a", "b", "c", "d"], example.tolist())
left.axhline(0, color="black", linewidth=1)
left.set(title="logits: any numbers")
right.bar(["a", "b", "c", "d"], softmax(example).tolist(), color="C1")
right.set(title="softmax: positive, of sum 1", ylim=(0, 1))
plt.show()
print("sum of the probabilities:", softmax(example).sum().item())
torch.testing.assert_close(softmax(100 * example), torch.softmax(100 * example, -1))  # PyTorch has it too

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The loss: how wrong is it?
#
# To improve, the model needs one number that says how bad it is at present: the **loss**. Ours is the **cross-entropy**: minus the logarithm of the probability that the
# model gave to the *right* class, averaged over examples,
#
# $$ \text{loss} = \frac1N \sum_{n=1}^{N} -\log p(y_n \mid x_n). $$
#
# It is 0 if the model was certain and right. It grows without limit if the model was certain and wrong. (Logarithms are natural ones throughout the course; the unit is then called a *nat*.)


# %% slideshow={"slide_type": "fragment"}
def cross_entropy(x, y, W, b):
    """The loss of the model (W, b) on images x (N, 1, 8, 8) of classes y (N,), in nats."""
    logits = x.flatten(1) @ W.T + b  # (N, 10); flatten(1) makes a vector of each image
    log_p = torch.log_softmax(logits, dim=1)  # log of the softmax, safe for small probabilities
    return -log_p[torch.arange(len(y)), y].mean()


for p in (1.0, 0.9, 0.5, 0.1, 0.001):
    print(f"probability of the right class {p:5}:  loss {torch.log(torch.tensor(1 / p)):.2f}")
untrained = cross_entropy(x_train, y_train, torch.zeros(10, 64), torch.zeros(10))
print(f"all parameters 0, so that every class gets 1/10: loss {untrained:.3f} = log 10")
assert abs(untrained - torch.log(torch.tensor(10.0))) < 1e-5

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Gradient descent: downhill in small steps
#
# The loss is a function of the parameters; call them all together $\theta$. Its **gradient** $\nabla_\theta$ is the vector of partial derivatives: the direction in which the loss *rises*
# fastest. So take a step the other way, and again:
#
# $$ \theta \leftarrow \theta - \eta\, \nabla_\theta\, \text{loss}(\theta). $$
#
# This is **gradient descent**. The number $\eta$ is the **learning rate**, and it matters. Here is one parameter, and a loss that is a parabola:

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 3, figsize=(7, 2), sharey=True)
line = torch.linspace(-1.5, 5.5, 100)
for ax, (eta, name) in zip(axes, [(0.03, "too small"), (0.3, "good"), (1.03, "too large")], strict=True):
    theta, path = -0.5, []
    for _ in range(9):
        path.append(theta)
        gradient = 2 * (theta - 2)  # of the loss (theta - 2)^2
        theta = theta - eta * gradient
    ax.plot(line.tolist(), (line - 2).square().tolist(), color="0.7")
    ax.plot(path, [(theta - 2) ** 2 for theta in path], "o-", markersize=4)
    ax.set(title=f"$\\eta$ = {eta}: {name}", xlabel="$\\theta$")
axes[0].set_ylabel("loss")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* too small, and nine steps lead hardly anywhere; too large, and each step jumps across the valley and lands higher than before.

# %% [markdown] slideshow={"slide_type": "subslide"}
# Who works out the gradient, with 650 parameters here and millions later? PyTorch does, by the chain rule (*backpropagation*): mark the
# parameters with `requires_grad`, compute the loss, call `loss.backward()`, and find each derivative in `.grad`. Trust, but verify: the derivative in
# one weight is also the limit of a difference quotient.

# %% slideshow={"slide_type": "fragment"}
W = torch.zeros(10, 64, dtype=torch.float64, requires_grad=True)
b = torch.zeros(10, dtype=torch.float64, requires_grad=True)
x, y = x_train[:100].double(), y_train[:100]
cross_entropy(x, y, W, b).backward()

nudge = torch.zeros(10, 64, dtype=torch.float64)
nudge[8, 20] = 1e-5  # one weight of the class 8
with torch.no_grad():  # only numbers are wanted here, no gradients
    slope = (cross_entropy(x, y, W + nudge, b) - cross_entropy(x, y, W - nudge, b)) / 2e-5
print(f"backward says {W.grad[8, 20]:.8f}, the difference quotient {slope:.8f}")
assert abs(W.grad[8, 20] - slope) < 1e-8

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The training loop
#
# One gradient over all images is slow, and a rough one will do. So shuffle the training set and cut it into small **batches**; each batch makes one **step**. Once through the
# whole training set is an **epoch**. (With random batches the method is called *stochastic* gradient descent.) This is the loop of the whole course; every model, up to the last lecture, is trained by some form of it.


# %% slideshow={"slide_type": "fragment"}
def train_by_hand(x, y, epochs, lr, batch_size=64):
    """Fit W and b to images x of classes y. Return them, and the losses (training batch, test set) of every step."""
    W, b = torch.zeros(10, 64, requires_grad=True), torch.zeros(10, requires_grad=True)
    train_losses, test_losses = [], []
    for _epoch in range(epochs):
        for batch in torch.randperm(len(x)).split(batch_size):  # shuffle, then cut
            loss = cross_entropy(x[batch], y[batch], W, b)
            loss.backward()
            with torch.no_grad():
                for parameter in (W, b):
                    parameter -= lr * parameter.grad
                    parameter.grad = None  # else the next gradient would be added to this one
                test_losses.append(cross_entropy(x_test, y_test, W, b).item())  # looked at, never learned from
            train_losses.append(loss.item())
    return W.detach(), b.detach(), train_losses, test_losses


torch.manual_seed(0)  # the same random numbers at every run
W, b, train_losses, test_losses = train_by_hand(x_train, y_train, epochs=4 if FAST else 40, lr=0.5)

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(5.4, 2.4))
ax.plot(train_losses, linewidth=1, alpha=0.5, label="batch of the training set")
ax.plot(test_losses, label="test set")
ax.axhline(untrained, color="black", linestyle=":", label="guessing, log 10")
ax.set(xlabel="step", ylabel="loss in nats", ylim=(0, 2.5))
ax.legend()
plt.show()
p_test = softmax(x_test.flatten(1) @ W.T + b)  # (300, 10)
accuracy = (p_test.argmax(1) == y_test).float().mean()
print(f"accuracy, the share of test images whose likeliest class is right: {accuracy:.1%} (guessing: 10%)")

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* both curves fall from $\log 10$, fast at first. The blue one trembles because each batch is a different sample. The orange one says that what was learned holds for new images too.

# %% slideshow={"slide_type": "subslide"}
fig, axes = plt.subplots(2, 4, figsize=(7, 3.2), height_ratios=[1, 0.9])
sure, unsure = p_test.max(1).values.argmax(), (p_test.max(1).values).argmin()
mistake = ((p_test.argmax(1) != y_test) * p_test.max(1).values).argmax()
an_eight = (y_test == 8).nonzero()[0, 0]
for column, index in zip(axes.T, (an_eight, sure, unsure, mistake), strict=True):
    image_grid(x_test[index : index + 1], column[0])
    column[0].set_title(f"y = {y_test[index]}")
    column[1].bar(range(10), p_test[index].tolist())
    column[1].set(xticks=range(10), ylim=(0, 1))
    column[1].tick_params(labelsize=7)
axes[1, 0].set_ylabel("$p(y|x)$")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* four test images and what the model makes of them: an 8; the image it is most certain of; the one it is least certain of; and its boldest mistake. An answer in probabilities says *how sure* it is, which a bare class would not.

# %% slideshow={"slide_type": "subslide"}
templates = (0.5 + W / (2 * W.abs().max())).view(10, 1, 8, 8)  # a weight of 0 becomes middle grey
ax = compare_rows(
    {"template": templates, "mean image": torch.stack([x_train[y_train == k].mean(0) for k in range(10)])}
)
ax.figure.set_size_inches(7, 1.6)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the ten rows of $W$, as images: white weights vote for the class, black ones against. They are not pictures of digits. The 0 has a black spot in the middle:
# ink *there* is the best evidence against a 0.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Overfitting: learning by heart
#
# What if there are few examples? We train the same model on 20 images instead of 1,297, for a long time.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
few = train_by_hand(x_train[:20], y_train[:20], epochs=20 if FAST else 1500, lr=1.0, batch_size=20)
fig, ax = plt.subplots(figsize=(5.4, 2.4))
ax.semilogx(few[2], label="training set, 20 images")
ax.semilogx(few[3], label="test set")
ax.set(xlabel="step", ylabel="loss in nats", ylim=(0, 3))
ax.legend()
plt.show()
best = min(few[3])
print(
    f"training loss at the end {few[2][-1]:.4f}; test loss {few[3][-1]:.2f}, at its best {best:.2f}, after step {few[3].index(best)}"
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the training loss goes to zero, while the test loss falls, turns, and rises again. From there on the model learns what is peculiar to *these twenty* images. That is **overfitting**: better on what it
# has seen, worse on what it has not. The cures are more data, a simpler model, or to stop in time (*early stopping*). The gap between the curves is also the reason for a test set: the blue curve alone would tell a success story.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Looking closer: convolutions and features
#
# A template for the whole image is a blunt tool. What makes a digit are *strokes*, and a stroke is the same thing wherever it lies. So use a small template, say
# 3 by 3, and slide it over the image; at each place, note how well it fits. That is a **convolution** with a **filter** $w$:
#
# $$ \text{out}_{ij} = \sum_{a=0}^{2} \sum_{c=0}^{2} w_{ac}\; x_{i+a,\, j+c}. $$
#
# Nine weights, used everywhere. The result is again an image, a **feature map**. A **feature** is any number computed from the image that is worth knowing: "here is a vertical edge".


# %% slideshow={"slide_type": "fragment"}
def convolve(x, w):
    """Slide the filter w (3, 3) over the image x (H, W): (H - 2, W - 2)."""
    out = torch.empty(x.shape[0] - 2, x.shape[1] - 2)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (w * x[i : i + 3, j : j + 3]).sum()
    return out


vertical = torch.tensor([[-1.0, 0.0, 1.0]] * 3)  # fits where it is dark on the left and bright on the right
maps = {"left edges": vertical, "right edges": -vertical, "upper edges": vertical.T, "lower edges": -vertical.T}
fig, axes = plt.subplots(1, 5, figsize=(7, 1.7))
axes[0].imshow(x_test[an_eight, 0].numpy())
axes[0].set_title("x")
for ax, (name, w) in zip(axes[1:], maps.items(), strict=True):
    ax.imshow(convolve(x_test[an_eight, 0], w).clamp(min=0).numpy())
    ax.set_title(name)
    library = torch.nn.functional.conv2d(x_test[an_eight].unsqueeze(0), w.view(1, 1, 3, 3))[0, 0]
    torch.testing.assert_close(convolve(x_test[an_eight, 0], w), library)
for ax in axes:
    ax.set_axis_off()

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* one digit, and four feature maps, bright where the filter fits. Only what fits was kept: negative values were set to 0. This small step, $\max(0, \cdot)$, has a name, the **ReLU**
# (rectified linear unit), and a purpose: without something bent in between, two linear maps in a row would be just one linear map.
#
# Convolution, ReLU, convolution *of the feature maps*, ReLU ...: such a pile of **layers** is a (convolutional) **neural network**. Later layers see features of features: edges, then corners, then loops. A convolution
# that moves two pixels at a time (its *stride*) halves the size of the map, so that deeper filters see more of the image. And nobody designs the filters: they are parameters, and gradient descent finds them.

# %% [markdown] slideshow={"slide_type": "subslide"}
# From here on the course brings the models, and `fit`, **the same loop behind a bar**: shuffle, batch, loss, `backward`, step. It asks the model for its loss by `model.loss(x, y)`. Two things in it are a little
# better than by hand. Its optimiser, *Adam*, is gradient descent with a step size of its own for each parameter, taken from the sizes of its recent gradients; and with `cosine=True` the learning rate falls to zero
# during the run, so that the end is calm.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.classifier import ConvClassifier
from course_utils.training import fit

torch.manual_seed(0)
classifier = ConvClassifier((1, 8, 8), num_classes=10)
print(classifier.network)
settings = {"epochs": 2 if FAST else 20, "batch_size": 64, "cosine": True, "device": "cpu"}
history = fit(classifier, (x_train, y_train), lr=4e-3, **settings)
y_hat = classifier.predict(x_test)
print(f"\naccuracy on test images: {(y_hat == y_test).float().mean():.1%}; the linear model had {accuracy:.1%}")
print("parameters:", sum(parameter.numel() for parameter in classifier.parameters()), "against", W.numel() + b.numel())

# %% slideshow={"slide_type": "subslide"}
wrong = (y_hat != y_test).nonzero().squeeze(1)[:10]
titles = [f"{y_test[i]}, not {y_hat[i]}" for i in wrong.tolist()]
ax = image_grid(x_test[wrong], num_columns=max(1, len(wrong)), titles=titles)
ax.figure.set_size_inches(7, 1.4)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* test images that the network still gets wrong: what was meant, and what it read. Would you have known?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Supervised: regression
#
# If $y$ is not a class but a real number, the task is **regression**. We turn a 7 by an angle between $-60$ and $60$ degrees; the model shall say how far. Now the network ends in
# one number, and the loss is the **squared error**,
#
# $$ \text{loss} = \frac1N \sum_n \big(f(x_n) - y_n\big)^2 . $$
#
# Whoever does not look at the image does best with the *mean* of all $y$. Keep that in mind for later: where the image leaves several answers open, the squared error makes the model answer with their average.

# %% slideshow={"slide_type": "fragment"}
from course_utils.data.scenes import rotate_digits
from course_utils.models.basics.regression import ConvRegressor


def turned_sevens(split, copies, seed):
    """Images (N, 1, 16, 16) of sevens and the degrees by which each is turned, counter-clockwise: (N, 1)."""
    generator = torch.Generator().manual_seed(seed)
    sevens = split.x[split.y == 7].repeat(copies, 1, 1, 1)
    degrees = 120 * torch.rand(len(sevens), generator=generator) - 60
    return rotate_digits(sevens, degrees), degrees.unsqueeze(1)


x_turned, degrees = turned_sevens(digits.train, 10, seed=0)
x_turned_test, degrees_test = turned_sevens(digits.test, 5, seed=1)
torch.manual_seed(0)
regressor = ConvRegressor((1, 16, 16))
history = fit(regressor, (x_turned, degrees / 60), lr=3e-3, **settings)  # numbers near 1 are easiest to learn
with torch.no_grad():
    angle = 60 * regressor(x_turned_test)
error = (angle - degrees_test).abs().mean()
print(f"mean error {error:.1f} degrees; who always says 0 errs by {degrees_test.abs().mean():.1f} degrees")

# %% slideshow={"slide_type": "fragment"}
fig, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), width_ratios=[1.5, 1])
some = degrees_test.squeeze(1).argsort()[:: len(degrees_test) // 7][:8]
titles = [f"y = {degrees_test[i].item():.0f}°\nf(x) = {angle[i].item():.0f}°" for i in some.tolist()]
image_grid(x_turned_test[some], left, num_columns=4, titles=titles)
right.plot([-60, 60], [-60, 60], color="0.7")
right.scatter(degrees_test.flatten().tolist(), angle.flatten().tolist(), s=8)
right.set(xlabel="true angle y", ylabel="answer f(x)", xticks=[-60, 0, 60], yticks=[-60, 0, 60], aspect="equal")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* test images (the handwriting was not in the training set) with the true angle above the answer; on the right all of them, near the line where both agree. People do not write upright either, so a part of the error is in the labels.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Scenes: several digits in one image
#
# The next three tasks ask *where*. For them we make scenes: 32 by 32 pixels, with one to three real digits of different sizes. As we place the digits ourselves, we know everything that a patient
# labeller could say, and can ask for it in three ways. Test scenes are made of test digits, so no handwriting of theirs occurs in training.

# %% slideshow={"slide_type": "fragment"}
from matplotlib.colors import ListedColormap

from course_utils.data.scenes import draw_scenes

scenes = draw_scenes(100 if FAST else 1500, *digits.train, seed=0)
crowded = draw_scenes(100 if FAST else 1000, *digits.train, num_digits=3, seed=0)  # more to learn from in each
scenes_test = draw_scenes(200, *digits.test, seed=1)
pixel_colors = ListedColormap(["black", *CLASS_COLORS[:10]])


def draw_boxes(ax, boxes, names, color="#56B4E9", style="-"):
    """Draw boxes (left, top, right, bottom) in pixels, and the name of each."""
    for (left, top, right, bottom), name in zip(boxes.tolist(), names, strict=True):
        frame = plt.Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, linewidth=2)
        frame.set(edgecolor=color, linestyle=style)
        ax.add_patch(frame)
        plate = {"facecolor": "black", "edgecolor": "none", "pad": 0.5}
        ax.text(left + 0.8, top + 0.8, str(name), color=color, va="top", fontsize=8, weight="bold", bbox=plate)


def draw_mask(ax, mask):
    """Draw a label for each pixel, each digit in its colour."""
    ax.imshow(mask.numpy(), cmap=pixel_colors, vmin=0, vmax=10)


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(3, 4, figsize=(6, 4.6))
for index, column in enumerate(axes.T):
    column[0].imshow(scenes.x[index, 0].numpy())
    column[0].set_title(scenes.captions[index].replace(" and", "\nand").replace(" left", "\nleft"), fontsize=8)
    column[1].imshow(scenes.x[index, 0].numpy())
    there = scenes.labels[index] >= 0
    draw_boxes(column[1], scenes.boxes[index][there], scenes.labels[index][there].tolist())
    draw_mask(column[2], scenes.mask[index])
for ax, name in zip(axes[:, 0], ("x, and a caption", "boxes", "pixel labels"), strict=True):
    ax.set_ylabel(name)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* four training scenes. The same $x$, and three kinds of $y$: a sentence (above), boxes with classes (middle), a class for each pixel (bottom; a colour for each digit, black for background). Each costs a labeller more or less patience.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Supervised: object detection
#
# $y$ is a list of **boxes**, each with a class: how many there are is itself part of the answer. The trick (YOLO, Redmon et al. 2016): lay a grid of 4 by 4 cells over the image, and let the cell in which an object's
# *centre* lies answer for it. Convolutions halve the image three times, from 32 to 4, and leave for each cell
#
# $$ \underbrace{1}_{\text{logit: is there an object?}} + \underbrace{4}_{\text{box: centre and size}} + \underbrace{10}_{\text{logits: which digit?}} = 15 \text{ numbers.} $$
#
# The loss is nothing new: cross-entropy for the first, squared error for the box, cross-entropy for the class. It is classification and regression, sixteen times an image. (If two cells claim the same object, the surer one wins:
# *non-maximum suppression*.)

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.detector import Detector

torch.manual_seed(0)
detector = Detector(1, num_classes=10)
settings = {"epochs": 2 if FAST else 12, "batch_size": 16, "cosine": True, "device": "cpu"}
history = fit(detector, (crowded.x, crowded.boxes, crowded.labels), lr=1e-2, **settings)
found = detector.detect(scenes_test.x)  # for each scene: boxes, labels, scores
print(
    "first test scene: digits", found[0].labels.tolist(), "with scores", [f"{p:.2f}" for p in found[0].scores.tolist()]
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# When is a box right? Compare the area that two boxes share with the area that they cover together: their **intersection over union**, 1 for equal boxes and 0 for disjoint ones. A claim is a *hit* if that is above
# $\frac12$ and the class is right. **Recall** is the share of the digits that were found; **precision** the share of claims that are hits.


# %% slideshow={"slide_type": "fragment"}
def overlap(a, b):
    """Intersection over union of every box a (N, 4) with every box b (M, 4): (N, M)."""
    a, b = a.unsqueeze(1), b.unsqueeze(0)
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides.prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / (areas - shared)


hits = claims = there = 0
for claim, boxes, labels in zip(found, scenes_test.boxes, scenes_test.labels, strict=True):
    real, named = boxes[labels >= 0], labels[labels >= 0]
    agree = (overlap(real, claim.boxes) > 0.5) & (named.unsqueeze(1) == claim.labels)
    hits += agree.any(1).sum().item()
    claims += len(claim.boxes)
    there += len(real)
print(f"{there} digits, {claims} claims, {hits} hits: recall {hits / there:.0%}, precision {hits / max(claims, 1):.0%}")

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(1, 5, figsize=(7, 1.7))
for index, ax in enumerate(axes):
    ax.imshow(scenes_test.x[index, 0].numpy())
    real = scenes_test.labels[index] >= 0
    draw_boxes(ax, scenes_test.boxes[index][real], [" "] * int(real.sum()), "#56B4E9", ":")
    draw_boxes(ax, found[index].boxes, found[index].labels.tolist(), "#E69F00")
    ax.set(xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* test scenes with the true boxes (dotted) and those that were found (orange, with the class). Boxes are rarely off; where there is a mistake it is mostly the class.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Supervised: semantic segmentation
#
# $y$ is a class for **each pixel**: 0 for background, 1 + digit for ink. That is classification once more, 1,024 times an image; the loss is the mean cross-entropy over pixels. But which network? To know *what* it looks at,
# it has to see the whole digit, and for that the image must shrink. To say *where* it ends, it needs every pixel. The **U-Net** (Ronneberger et al. 2015) has both:
#
# - on the way **down**, the resolution halves and the number of feature maps (*channels*) doubles: less where, more what;
# - on the way **up**, the resolution is won back;
# - **skip connections** hand each level of the way up what the way down knew at that resolution.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.unet import UNet

torch.manual_seed(0)
unet = UNet(1, num_classes=11, hidden_dim=16)
shapes = {}  # what each block returns, noted by a hook while an image runs through
blocks = [(f"down {k}", block) for k, block in enumerate(unet.down)] + [(f"up {k}", b) for k, b in enumerate(unet.up)]
hooks = [
    block.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    for name, block in [*blocks, ("answer", unet.head)]
]
unet(scenes_test.x[:1])
for hook in hooks:
    hook.remove()

# %% slideshow={"slide_type": "fragment"}
fig, ax = plt.subplots(figsize=(6.4, 2.6))
levels = {"x": 0, "down 0": 0, "down 1": 1, "down 2": 2, "up 0": 1, "up 1": 0, "answer": 0}
shapes["x"] = (1, 32, 32)
arrow = {"arrowstyle": "->", "color": "0.4"}
for place, (name, level) in enumerate(levels.items()):
    channels, height, width = shapes[name]
    ax.text(
        place, -level, f"{name}\n{channels} maps\n{height}×{width}", ha="center", va="center", fontsize=8,
        bbox={"boxstyle": "round", "facecolor": "#56B4E9" if "down" in name else "#DDCC77" if "up" in name else "white"},
    )  # fmt: skip
steps = list(levels.values())
for place in range(len(steps) - 1):
    ax.annotate("", (place + 0.68, -0.82 * steps[place + 1] - 0.18 * steps[place]),
                (place + 0.32, -0.82 * steps[place] - 0.18 * steps[place + 1]), arrowprops=arrow)  # fmt: skip
for start, end, level in ((1, 5, 0), (2, 4, 1)):
    ax.annotate(
        "", (end - 0.45, -level), (start + 0.45, -level), arrowprops=arrow | {"color": "#D55E00", "linestyle": "--"}
    )
    ax.text((start + end) / 2, -level + 0.05, "skip", color="#D55E00", ha="center", va="bottom", fontsize=8)
ax.set(xlim=(-0.5, 6.5), ylim=(-2.4, 0.5))
ax.set_axis_off()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the U, drawn from the network itself: each box is a block of two convolutions, with the number and the size of the feature maps that it returns. At the bottom a map has 8 by 8 places, each of which has seen
# a whole digit and what lies around it; the last layer gives eleven logits for each pixel.

# %% slideshow={"slide_type": "fragment"}
settings = {"epochs": 1 if FAST else 12, "batch_size": 16, "cosine": True, "device": "cpu"}
history = fit(unet, (crowded.x[:600], crowded.mask[:600]), lr=5e-3, **settings)
mask = unet.predict(scenes_test.x)
ink, hit = scenes_test.mask > 0, mask == scenes_test.mask
print(f"pixels right: {hit.float().mean():.1%}; of the pixels with ink, {hit[ink].float().mean():.1%}")
print(f"who calls everything background has {(~ink).float().mean():.1%} of all pixels right, and none of the ink")

# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(3, 6, figsize=(6.6, 3.4))
for column, index in zip(axes.T, range(6), strict=True):
    column[0].imshow(scenes_test.x[index, 0].numpy())
    draw_mask(column[1], scenes_test.mask[index])
    draw_mask(column[2], mask[index])
for ax, name in zip(axes[:, 0], ("x", "y", "f(x)"), strict=True):
    ax.set_ylabel(name)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* six test scenes, the true labels, and the network's. The outlines are sharp, thanks to the skips, and nearly all colours are right; each pixel was named by itself, yet the pixels of a digit agree, because each has seen its surroundings.
# Mind the two numbers: with unequal classes, "share of pixels right" flatters. Always ask what a lazy answer would get.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Supervised: image captioning
#
# $y$ is a **sentence**. Number the words: the list is the *vocabulary*, and a sentence is a sequence of classes. Write it one word after the other; each next word is a classification, given the image and the words so far:
#
# $$ \log p(\text{sentence} \mid x) = \sum_t \log p(\text{word}_t \mid \text{word}_1 \dots \text{word}_{t-1},\ x). $$
#
# The last word is "end". This product of conditional probabilities returns in lecture 5, with pixels for words.
#
# Three parts work together. The convolutions of the detector, which have learned to see digits, turn the image into 16 cells of features: what was learned for one task is used for another.
# A *recurrent network* reads the words so far, one at a time, and keeps a memory of them. And **attention** looks at the image: for each next word it gives the cells weights of sum 1 (a softmax again), and takes the weighted mean of their features.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.captioner import Captioner, Vocabulary

vocabulary = Vocabulary(scenes.captions)
print("vocabulary:", ", ".join(vocabulary.words))
words = vocabulary.encode(scenes.captions)
print(f'"{scenes.captions[0]}" as numbers: {words[0].tolist()}')

torch.manual_seed(0)
trunk = detector.trunk.requires_grad_(False)  # its convolutions, without the last layer; they are done learning
captioner = Captioner(trunk, (64, 4, 4), len(vocabulary))
settings = {"epochs": 1 if FAST else 12, "batch_size": 25, "cosine": True, "device": "cpu"}
history = fit(captioner, (scenes.x, words), lr=5e-3, **settings)
told = vocabulary.decode(captioner.describe(scenes_test.x))
right = sum(ours == theirs for ours, theirs in zip(told, scenes_test.captions, strict=True)) / len(told)
print(f"{right:.0%} of {len(told)} test scenes are described word for word as their caption does")

# %% slideshow={"slide_type": "fragment"}
fitting = [i for i in range(len(told)) if told[i] == scenes_test.captions[i] and " left of " in told[i]]
index = max(fitting, key=lambda i: len(set(told[i].split())), default=0)  # no word twice, but for the article
with torch.no_grad():
    sentence = vocabulary.encode([scenes_test.captions[index]])
    weights = captioner.attend(scenes_test.x[index : index + 1], sentence)[0]  # (words, 4, 4)
torch.testing.assert_close(weights.sum((1, 2)), torch.ones(len(weights)))
fig, axes = plt.subplots(1, 1 + len(weights), figsize=(8, 1.4))
axes[0].imshow(scenes_test.x[index, 0].numpy())
axes[0].set_title("x", fontsize=8)
for ax, weight, word in zip(axes[1:], weights, sentence[0].tolist(), strict=True):
    ax.imshow(scenes_test.x[index, 0].numpy())
    opacity = (0.75 * weight / weight.max()).numpy()
    ax.imshow(0 * opacity, extent=(-0.5, 31.5, 31.5, -0.5), cmap=ListedColormap(["#E69F00"]), alpha=opacity)
    ax.set_title(vocabulary.words[word], fontsize=8)
for ax in axes:
    ax.set_axis_off()
print("caption:", scenes_test.captions[index], "   told:", told[index])

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* where the network looks (orange) as it is about to say each word: at a digit for its name, and away from both for words that need none. Nobody told it where the digits are in the sentence; that the looking and the naming belong together, it found out from the sentences alone.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Five tasks, one idea
#
# Side by side, on test images: what goes in, what should come out, what does come out.

# %% slideshow={"slide_type": "fragment"}
scene = next(i for i in range(200) if len(scenes_test.captions[i].split()) > 5)  # the first of three digits
turned = some[2]


def draw_text(ax, text):
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=10 if len(text) < 12 else 8, transform=ax.transAxes)


def draw_task(column, task, x, y, answer, draw):
    """Draw x, y and f(x) below each other."""
    column[0].imshow(x[0].numpy())
    column[0].set_title(task, fontsize=9)
    draw(column[1], y)
    draw(column[2], answer)


def draw_boxed(ax, boxes_and_labels):
    ax.imshow(scenes_test.x[scene, 0].numpy())
    draw_boxes(ax, *boxes_and_labels)


# %% slideshow={"slide_type": "fragment"}
fig, axes = plt.subplots(3, 5, figsize=(7.4, 4.2))
x, real = scenes_test.x[scene], scenes_test.labels[scene] >= 0
true_boxes = scenes_test.boxes[scene][real], scenes_test.labels[scene][real].tolist()
found_boxes = found[scene].boxes, found[scene].labels.tolist()
angles = f"{degrees_test[turned].item():.0f}°", f"{angle[turned].item():.0f}°"
sentences = [text.replace(" and", "\nand") for text in (scenes_test.captions[scene], told[scene])]
draw_task(
    axes[:, 0], "classification", x_test[an_eight], str(y_test[an_eight].item()), str(y_hat[an_eight].item()), draw_text
)
draw_task(axes[:, 1], "regression", x_turned_test[turned], *angles, draw_text)
draw_task(axes[:, 2], "detection", x, true_boxes, found_boxes, draw_boxed)
draw_task(axes[:, 3], "segmentation", x, scenes_test.mask[scene], mask[scene], draw_mask)
draw_task(axes[:, 4], "captioning", x, *sentences, draw_text)
for ax, name in zip(axes[:, 0], ("x", "y", "f(x)"), strict=True):
    ax.set_ylabel(name)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=True, color="0.8")
plt.show()

# %% [markdown] slideshow={"slide_type": "fragment"}
# | task | $y$ | the network ends in | loss |
# |---|---|---|---|
# | classification | a class | 10 logits | cross-entropy |
# | regression | a number | a number | squared error |
# | detection | boxes with classes | 15 numbers for each cell | both of them |
# | segmentation | a class for each pixel | 11 logits for each pixel | cross-entropy, mean over pixels |
# | captioning | a sentence | logits of the next word | cross-entropy, sum over words |
#
# Data, model, loss, descent: four choices, and only the first and the third know about the task. And each of the five learns a *conditional* distribution, $p(y \mid x)$. None of them could draw a digit.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Unsupervised: clustering with k-means
#
# Now the labels are gone: only $x$. What can be learned from a cloud of points alone? First, that it falls into groups: **clustering**.
#
# **k-means** describes $N$ points by $K$ centres $c_1 \dots c_K$: each point belongs to the nearest centre, and the centres shall be near,
#
# $$ \text{minimise} \quad \sum_{n=1}^{N} \lVert x_n - c_{a(n)} \rVert^2 \quad \text{over the centres } c \text{ and the assignments } a(n) \in \{1 \dots K\}. $$
#
# If the centres were known, assigning would be easy: take the nearest. If the assignments were known, centres would be easy: take the mean of each group (it has the smallest sum of squared
# distances). So do the one and the other in turn (Lloyd 1957). Neither can raise the sum, so it comes to rest.


# %% slideshow={"slide_type": "fragment"}
def kmeans_by_hand(x, centers, num_steps):
    """For points x (N, D) and first centres (K, D): the centres, assignments (N,) and sum of squares of each step."""
    steps = []
    for _ in range(num_steps):
        squared = (x.unsqueeze(1) - centers).square().sum(2)  # (N, K)
        assignments = squared.argmin(1)
        steps.append((centers, assignments, squared.min(1).values.sum().item()))
        centers = torch.stack([x[assignments == k].mean(0) for k in range(len(centers))])
    return steps


generator = torch.Generator().manual_seed(22)
middles = torch.tensor([[-2.2, -1.2], [-0.9, 1.5], [1.6, 1.3], [1.5, -1.3]])
points = middles.repeat(45, 1) + 0.9 * torch.randn(180, 2, generator=generator)
start = points[torch.randperm(180, generator=generator)[:4]]  # four of the points, at random
steps = kmeans_by_hand(points, start, num_steps=12)
costs = [cost for _, _, cost in steps]
print("sum of squared distances:", ", ".join(f"{cost:.1f}" for cost in costs))
assert all(costs[k + 1] <= costs[k] + 1e-3 for k in range(11))  # never rises

# %% slideshow={"slide_type": "fragment"}
from course_utils.animation import animate


def draw_kmeans(figure, frame):
    """Even frames: points join the nearest centre. Odd frames: centres move to the mean of their points."""
    centers, assignments, _ = steps[frame // 2]
    if frame % 2:
        centers = steps[frame // 2 + 1][0]
    ax = figure.subplots()
    ax.scatter(*points.T.tolist(), s=8, c=[CLASS_COLORS[k] for k in assignments.tolist()])
    for k, center in enumerate(centers.tolist()):
        ax.plot(*center, "X", color=CLASS_COLORS[k], markeredgecolor="black", markersize=12)
    ax.set(xticks=[], yticks=[], title="points join, centres move")


moving = next(k for k, cost in enumerate(costs) if cost - costs[-1] < 1)  # nearly at rest from here on
animate(
    draw_kmeans, 2 * moving + 1, alt="Four crosses move to the middles of four groups of points", figsize=(2.4, 2.0),
    seconds=0.6, num_colors=20,
)  # fmt: skip

# %% [markdown] slideshow={"slide_type": "subslide"}
# Step through it yourself: how many clusters, from which start, after how many half-steps? (On a page without a running kernel you see a few states side by side.) Try more clusters than there are groups, and different starts: not
# every start ends at the same place, since the sum has *local* minima. The usual cure is to try several starts and keep the best.

# %% slideshow={"slide_type": "fragment"}
from course_utils.widgets import kmeans_stepper

kmeans_stepper(points, num_clusters=4)

# %% [markdown] slideshow={"slide_type": "subslide"}
# The same lines work in 64 dimensions, where points are images. We ask for ten groups of digits, and show no label to anybody:

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.kmeans import kmeans

flat_train, flat_test = x_train.flatten(1), x_test.flatten(1)  # (1297, 64), (300, 64)
groups, centers = kmeans(flat_train, 10, generator=torch.Generator().manual_seed(0))
most = [y_train[groups == k].mode().values.item() for k in range(10)]  # the commonest digit of each group
order = sorted(range(10), key=lambda k: most[k])
share = [(y_train[groups == k] == most[k]).float().mean().item() for k in range(10)]
titles = [f"{most[k]}s: {share[k]:.0%}" for k in order]
ax = image_grid(centers[order].view(10, 1, 8, 8), num_columns=10, titles=titles)
ax.figure.set_size_inches(7.2, 1.3)
purity = sum(s * (groups == k).sum().item() for k, s in enumerate(share)) / len(groups)
print(
    f"{purity:.0%} of the images lie in a group whose commonest digit is theirs; digits that lead a group: {sorted(set(most))}"
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the ten centres, and how much of each group is its commonest digit. k-means has found the digits nearly by itself. Nearly: where two digits look alike they may share a group, and one that is written
# in two ways gets two groups. Nobody told it which differences we care about.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Clustering without counting: mean shift
#
# How many groups are there? k-means must be told. **Mean shift** (Comaniciu and Meer 2002) asks something else. Put a small round hill of width $h$ on each point; where many points are, the hills add up to a mountain. Then let every point
# walk uphill, and call those that meet at one peak a cluster. A step moves $y$ to a weighted mean of the data, in which near points count most:
#
# $$ y \leftarrow \frac{\sum_n K(y - x_n)\, x_n}{\sum_n K(y - x_n)}, \qquad K(d) = \exp\left(-\frac{\lVert d \rVert^2}{2 h^2}\right). $$

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.mean_shift import mean_shift, mean_shift_step


def hills(places, data, width):
    """The height of the mountain at each place (M, 2)."""
    return torch.exp(-torch.cdist(places, data).square() / (2 * width**2)).sum(1)


crowd = middles.repeat(30, 1) + 0.55 * torch.randn(120, 2, generator=generator)  # the same middles, less spread
across, up = torch.linspace(-4, 3.6, 60), torch.linspace(-3.4, 3.4, 50)
grid = torch.cartesian_prod(up, across).flip(1)  # (3000, 2)
fig, axes = plt.subplots(1, 3, figsize=(6.4, 1.9))
for ax, width in zip(axes, (0.25, 0.6, 1.6), strict=True):
    path = [crowd]
    for _ in range(25):
        path.append(mean_shift_step(path[-1], crowd, width))
        assert (hills(path[-1], crowd, width) >= hills(path[-2], crowd, width) - 1e-4).all()  # always uphill
    clusters, peaks = mean_shift(crowd, width)
    ax.contour(across.tolist(), up.tolist(), hills(grid, crowd, width).view(50, 60).numpy(), levels=5, colors="0.8")
    for walk in torch.stack(path)[:, ::10].unbind(1):
        ax.plot(*walk.T.tolist(), color="0.5", linewidth=0.5)
    ax.scatter(*crowd.T.tolist(), s=6, c=[CLASS_COLORS[k % 12] for k in clusters.tolist()])
    ax.plot(*peaks.T.tolist(), "k*", markersize=9)
    ax.set(title=f"h = {width}: clusters: {len(peaks)}", xticks=[], yticks=[])
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the mountain (contours), the walks of some points (thin lines), the peaks (stars). The number of clusters is not asked for; it follows from the width: too narrow, and every bump is a cluster; too wide, and there is one.
# One question has been traded for another, but a *distance* is often easier to name than a *number of groups*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Fewer dimensions: principal component analysis
#
# A cloud in many dimensions may hardly use them. **Principal component analysis** (PCA, Pearson 1901) looks for the *flat* sheet of $K$ dimensions that lies nearest to the points:
#
# $$ z = W^\top (x - \bar x), \qquad \hat x = \bar x + W z, \qquad \text{minimise } \sum_n \lVert x_n - \hat x_n \rVert^2, $$
#
# with the mean $\bar x$, and $K$ orthonormal columns in $W$, the **components**. ($W$ here has nothing to do with the classifier's.) $z$ is the address of a point on the sheet, and $\hat x$ the nearest point of the sheet, its *reconstruction*. The answer: the components are the eigenvectors of
# the covariance matrix with the largest eigenvalues, and each eigenvalue is the variance of the data in its direction. To lose little, keep the directions in which the data vary most. First a cloud of three dimensions that is nearly flat:

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.basics.pca import PCA

generator = torch.Generator().manual_seed(0)
plane = torch.tensor([[1.6, 0.3, 0.7], [-0.4, 1.0, 0.5]])
cloud = torch.randn(120, 2, generator=generator) @ plane + 0.3 * torch.randn(120, 3, generator=generator)
pca = PCA(3, 2).fit(cloud)
z, flat_cloud = pca.encode(cloud), pca(cloud)
shares = PCA(3, 3).fit(cloud).variance_shares.tolist()
print("share of the variance along the three components:", ", ".join(f"{s:.1%}" for s in shares))
torch.testing.assert_close(pca.components.T @ pca.components, torch.eye(2))  # orthonormal
left_over = cloud - flat_cloud
torch.testing.assert_close(left_over @ pca.components, torch.zeros(120, 2))  # what is lost is at right angles

# %% slideshow={"slide_type": "fragment"}
fig = plt.figure(figsize=(7, 2.9))
solid = fig.add_subplot(1, 2, 1, projection="3d")
corners = pca.decode(3.2 * torch.tensor([[-1.6, -1], [1.6, -1], [-1.6, 1.0], [1.6, 1]]) * 0.8).view(2, 2, 3)
solid.plot_surface(*[corners[..., k].numpy() for k in range(3)], color="#E69F00", alpha=0.3)
for before, after in zip(cloud, flat_cloud, strict=True):
    solid.plot(*torch.stack([before, after]).T.tolist(), color="0.5", linewidth=0.8)
colors = plt.cm.viridis(((z[:, 0] - z[:, 0].min()) / (z[:, 0].max() - z[:, 0].min())).tolist())
solid.scatter(*cloud.T.tolist(), s=8, c=colors, depthshade=False)
solid.view_init(elev=18, azim=-70)
solid.set_box_aspect((1.3, 1, 0.9), zoom=1.1)
solid.set(xticks=[], yticks=[], zticks=[], title="x: 3 numbers, and the best plane")
flat = fig.add_subplot(1, 2, 2)
flat.scatter(*z.T.tolist(), s=8, c=colors)
flat.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal", title="z: 2 numbers")
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* each point falls at right angles (grey) onto the plane (orange); seen from straight above, the plane is the picture on the right. Colours are the same on both sides. Little is lost, as the printed shares say: the third direction is all that the plane cannot show.

# %% [markdown] slideshow={"slide_type": "subslide"}
# Now digits: from 64 dimensions to a plane that can be printed. The labels are used for the colours, *after* the fact.

# %% slideshow={"slide_type": "fragment"}
pca = PCA(64, 2).fit(flat_train)
ax = latent_scatter(pca.encode(flat_test), y_test)
ax.figure.set_size_inches(4.2, 3.6)
ax.set(xlabel="first component $z_1$", ylabel="second component $z_2$")
plt.show()
print(f"these two of 64 directions hold {pca.variance_shares.sum():.0%} of the variance")

# %% slideshow={"slide_type": "fragment"}
rows, errors, sizes = {"x": x_test[:10]}, [], [1, 2, 5, 10, 20, 40, 64]
spectrum = PCA(64, 64).fit(flat_train).variances  # of every direction, largest first
for size in sizes:
    model = PCA(64, size).fit(flat_train)
    if size in (2, 5, 10, 20):
        rows[f"K = {size}"] = model(flat_test[:10]).view(-1, 1, 8, 8).clamp(0, 1)
    errors.append((model(flat_test) - flat_test).square().sum(1).mean().item())
    lost = (model(flat_train) - flat_train).square().sum() / (len(flat_train) - 1)
    torch.testing.assert_close(lost, spectrum[size:].sum(), atol=1e-4, rtol=1e-3)  # the variances left out, no more
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.5), width_ratios=[1.5, 1])
compare_rows(rows, left)
right.plot(sizes, errors, "o-")
right.set(xlabel="components $K$", ylabel="squared error of an image", ylim=(0, None))
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* the reconstructions become legible from about ten numbers on, and the curve is steep at first: the pixels of digits hang together. With $K = 64$ nothing is lost, and nothing gained.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13. Feature learning: a first autoencoder
#
# PCA is a pair of *linear* maps, to $z$ and back. Replace both by networks, and the sheet may bend. That is an **autoencoder**: an encoder $x \mapsto z$, a decoder $z \mapsto \hat x$, trained to make
# $\lVert \hat x - x \rVert^2$ small. The image is its own $y$: nobody has to label anything. And $z$ is a vector of *learned features*: the few numbers that say most about the image.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.latent.autoencoder import Autoencoder

torch.manual_seed(0)
autoencoder = Autoencoder((1, 8, 8), latent_dim=2, hidden_dim=128)
settings = {"epochs": 4 if FAST else 80, "batch_size": 64, "cosine": True, "device": "cpu"}
history = fit(autoencoder, x_train, lr=4e-3, **settings)
with torch.no_grad():
    codes = autoencoder.encode(x_test)
print(
    f"squared error of a test image from two numbers: PCA {errors[1]:.2f}, autoencoder {autoencoder.loss(x_test):.2f}"
)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3), width_ratios=[1.3, 1])
pca_images = pca(flat_test[:6]).view(-1, 1, 8, 8).clamp(0, 1)
compare_rows({"x": x_test[:6], "PCA": pca_images, "autoencoder": autoencoder.reconstruct(x_test[:6])}, left)
latent_scatter(codes, y_test, right)
plt.show()

# %% [markdown] slideshow={"slide_type": "notes"}
# *What to see:* with the same two numbers, the autoencoder draws digits where PCA draws fog; and its features sort the images by digit, although no label was ever shown: the classes begin to part. Why that helps when labels are few, what else it is good for, and why it
# is not yet able to *invent* digits, is the matter of lecture 9.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14. Density estimation: where this course goes
#
# The most that can be known of a cloud of points is its **density**: a function $p(x) \ge 0$ that integrates to 1, high where data are frequent, low where they are rare. Groups, sheets and peaks can all be read off it. In one dimension,
# take one number of each image: how much ink it has.

# %% slideshow={"slide_type": "fragment"}
from course_utils.models.density.kde import KernelDensity

ink = flat_train.mean(1, keepdim=True)  # (1297, 1), between 0 and 1
density = KernelDensity(bandwidth=0.01).fit(ink)
amount = torch.linspace(0, 0.6, 601)
p = density.log_prob(amount.unsqueeze(1)).exp()
fig, ax = plt.subplots(figsize=(5.4, 2.3))
ax.plot(amount.tolist(), p.tolist())
ax.plot(ink[:200, 0].tolist(), [-0.4] * 200, "|", color="black", alpha=0.5)
ax.set(xlabel="ink of an image (mean grey level)", ylabel="density p")
plt.show()
total = torch.trapezoid(p, amount).item()
print(f"area under the curve: {total:.4f}; least and most ink: {ink.min():.2f}, {ink.max():.2f}")
assert abs(total - 1) < 1e-3

# %% slideshow={"slide_type": "fragment"}
codes = pca.encode(flat_train)  # (1297, 2)
density = KernelDensity(bandwidth=0.15).fit(codes)
side = torch.linspace(-3, 3, 100)
plane = torch.cartesian_prod(side, side).flip(1)
p = density.log_prob(plane).exp().view(100, 100)
fig, ax = plt.subplots(figsize=(4.4, 3.4))
ax.scatter(*codes[::3].T.tolist(), s=3, color="0.7")
lines = ax.contour(
    side.tolist(), side.tolist(), p.numpy(), levels=[0.02, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3], cmap="viridis"
)
ax.set(xlabel="first component $z_1$", ylabel="second component $z_2$", aspect="equal")
fig.colorbar(lines, label="density p")
plt.show()
print(f"volume under the surface: {p.sum().item() * (side[1] - side[0]).item() ** 2:.4f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# *What to see:* the ticks are images, crowded where the curve is high; below, the dots are images in the plane of PCA, and the contours rise where they crowd. Both densities hold the total of 1, so that what one place gains another must lose.
#
# Now imagine this in all 64 dimensions, or in a million. A density of *images* would know what images look like: it could tell a digit from noise, fill in what is missing, and, if we draw from it, **make new images**. One and two dimensions are easy;
# a million are the subject of this course. Lecture 2 begins with one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - An image is a tensor, a data set a cloud of points. Supervised learning has pairs $(x, y)$, unsupervised learning only $x$.
# - A **model** is a function with **parameters**; the **loss** says how wrong it is; **gradient descent** lowers it, one batch a **step**, all batches once an **epoch**.
# - A **classifier** gives **logits**, the **softmax** makes them probabilities, the **cross-entropy** is minus the log of the right one. The squared error belongs to regression; its best answer is a mean.
# - A falling training loss proves nothing: **overfitting** shows on **held-out** data only.
# - **Convolutions** look for the same small pattern everywhere; networks stack them, and learn the **features** that pay.
# - Detection, segmentation and captioning are classification and regression for each cell, pixel, or word.
# - **k-means** and **mean shift** find groups, **PCA** the nearest flat sheet, an **autoencoder** a bent one, a **density** all there is to know.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Exercises
#
# 1. (5 min, easy) Show that adding the same number to all logits does not change the softmax. How many of the 650 parameters could one therefore do without?
# 2. (10 min, easy) Train by hand with learning rates 0.005, 0.5 and 50. Match the three curves with the three parabolas.
# 3. (10 min, easy) Overfit again with 10, 30, 100 and 300 images. Plot the best test loss, and the last one, against the number of images.
# 4. (10 min, medium) Shuffle the labels of the training set (`y_train[torch.randperm(1297)]`) and train the convolutional network. What do training loss and test accuracy do, and what do you conclude?
# 5. (15 min, medium) Turn an 8 by up to 90 degrees to either side: 8 looks nearly the same upside down. Where does the regressor err most, and why is it the fault of the squared error?
# 6. (15 min, medium) Take the skip connections from the U-Net (replace what they hand over by zeros, with a forward hook). Which of the two percentages suffers?
# 7. (15 min, medium) Prove that the mean of a group has the smallest sum of squared distances to its points. Which centre would the sum of *absolute* distances choose, in one dimension?
# 8. (20 min, hard) k-means on `two_moons` (in `course_utils.data`) with two clusters: why does it fail? Does mean shift do better? What would a method need that succeeds?
# 9. (20 min, hard) Show by a Lagrange multiplier that the direction of largest variance is an eigenvector of the covariance matrix.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## References
#
# - C. M. Bishop: Pattern recognition and machine learning, Springer 2006 (chapters 4, 9 and 12).
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition, Proceedings of the IEEE 86, 1998.
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams: Learning representations by back-propagating errors, Nature 323, 1986.
# - D. P. Kingma, J. Ba: Adam: a method for stochastic optimization, 2014. arXiv 1412.6980.
# - J. Redmon, S. Divvala, R. Girshick, A. Farhadi: You only look once: unified, real-time object detection, 2015. arXiv 1506.02640.
# - O. Ronneberger, P. Fischer, T. Brox: U-Net: convolutional networks for biomedical image segmentation, 2015. arXiv 1505.04597.
# - O. Vinyals, A. Toshev, S. Bengio, D. Erhan: Show and tell: a neural image caption generator, 2014. arXiv 1411.4555.
# - K. Xu et al.: Show, attend and tell: neural image caption generation with visual attention, 2015. arXiv 1502.03044.
# - S. P. Lloyd: Least squares quantization in PCM, IEEE Transactions on Information Theory 28, 1982 (written in 1957).
# - D. Comaniciu, P. Meer: Mean shift: a robust approach toward feature space analysis, IEEE Transactions on Pattern Analysis and Machine Intelligence 24, 2002.
# - K. Pearson: On lines and planes of closest fit to systems of points in space, Philosophical Magazine 2, 1901.
# - E. Alpaydin, C. Kaynak: Optical recognition of handwritten digits, UCI machine learning repository, 1998 (the images).
