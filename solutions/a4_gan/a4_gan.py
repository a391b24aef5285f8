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
# # Assignment 4: generative adversarial networks
#
# You will write the ten functions that the games of lectures 11 and 12 are made of: five losses, a gradient penalty, one step of
# each player, and InfoGAN's two terms. At the end your two steps train a GAN on points in a plane.
#
# **How it works.** Each exercise has a statement, a function to fill in, and a check. Replace `raise NotImplementedError()`
# by your code and run the check below it: it tells you what is wrong and, where it recognises the mistake, which idea
# went astray. You may run it as often as you like. The check draws its inputs at random; for the grade, the same check
# runs again on inputs that nobody has seen, in the cell marked *hidden test*.
#
# **Ground rules for every function**
#
# - Any correct way counts, and so do library calls, but not a call of the course's own reference implementation.
# - The discriminator returns *logits*: $D(x) = \sigma(\text{logit})$, positive for "real". Logits and scores have any shape: (N,),
#   (N, 1), or maps (N, 1, H, W) with one for each patch. Averages run over all of them. Real and fake batches may differ in size.
# - Log-probabilities are in nats, and right also for logits of $\pm 1000$.
# - Inputs may be `float32` or `float64`, on any device, and batches may hold one example.
# - Leave the arguments unchanged but for what the statement asks, set no random seed, and let gradients flow.
#
# **Points.** 30: for each function 1 for the check that you see and 2 for the hidden test. **Time.** About two and a half hours.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import checks

# %% [markdown] nbgrader={"grade": false, "grade_id": "picture-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## The game in one picture
#
# Data live on a line (grey). The generator (blue) is a Gaussian whose mean and width it may move. It never sees the data: it sees the
# discriminator (dashed), which tells for each place how likely a point there is real. Here the discriminator is the best one there
# is, $D^*(x) = p(x) / (p(x) + q(x))$, before each of the generator's steps, and the generator climbs to where $D^*$ is high. In the end it is
# where the data are, and nobody can tell the two apart: $D^* = 1/2$. A real discriminator has to be *trained* to come near
# $D^*$: exercises 1, 2, 7 and 8.

# %% nbgrader={"grade": false, "grade_id": "picture", "locked": true, "schema_version": 3, "solution": false, "task": false}
if not os.environ.get("NBGRADER_EXECUTION"):  # at grading there is nothing to look at
    import matplotlib.pyplot as plt
    from torch.distributions import Normal

    data, x = Normal(1.5, 0.6), torch.linspace(-4, 4, 200)
    mean, log_std = torch.tensor(-1.5, requires_grad=True), torch.tensor(0.3, requires_grad=True)
    noise = torch.randn(512, generator=torch.Generator().manual_seed(0))
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.4), sharey=True, layout="constrained")
    for step in range(301):
        best = Normal(mean.detach(), log_std.detach().exp())  # what the discriminator has seen of the generator
        if step in (0, 15, 300):
            ax = axes[(0, 15, 300).index(step)]
            p, q = data.log_prob(x).exp(), best.log_prob(x).exp()
            ax.fill_between(x.numpy(), p.numpy(), color="0.8", label="data p")
            ax.plot(x.numpy(), q.numpy(), color="tab:blue", label="generator q")
            ax.plot(x.numpy(), (p / (p + q)).numpy(), "--", color="tab:red", label="D*")
            ax.set(title=f"after {step} steps", xlabel="x", ylim=(0, 1.05))
        fake = mean + log_std.exp() * noise
        loss = F.softplus(best.log_prob(fake) - data.log_prob(fake)).mean()  # -E log D*(fake)
        for parameter, slope in zip((mean, log_std), torch.autograd.grad(loss, (mean, log_std)), strict=True):
            with torch.no_grad():
                parameter -= 0.05 * slope
    axes[0].legend(loc="upper left", fontsize=8)
    plt.show()

# %% [markdown] nbgrader={"grade": false, "grade_id": "discriminator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1. The detective (10 minutes, easy, 3 points)
#
# The discriminator is a classifier: real examples have the label 1, fakes the label 0. Its loss is the cross-entropy of both batches,
#
# $$ L_D = -\operatorname{E}_x \log D(x) - \operatorname{E}_z \log\bigl(1 - D(G(z))\bigr), \qquad D = \sigma(\text{logit}) . $$
#
# Each expectation is the mean of its own batch, so that a large batch of fakes does not outvote a small real one, and the two are
# added, not halved: a discriminator that knows nothing has $L_D = 2 \log 2$. What is $\log \sigma(-150)$ in `float32`? Take the logarithm of the
# sigmoid in one function.


# %% nbgrader={"grade": false, "grade_id": "discriminator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss(logits_real: Tensor, logits_fake: Tensor) -> Tensor:
    """Mean cross-entropy of real examples as 1, plus mean cross-entropy of fakes as 0.

    Args:
        logits_real: logits of real examples, of any shape.
        logits_fake: logits of fakes, of any shape; there may be more or fewer than real ones.

    Returns:
        The sum of the two means in nats, a scalar; value and gradient are right for logits up to +-1000.
    """
    ### BEGIN SOLUTION
    return F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "discriminator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.discriminator_loss(discriminator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "discriminator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.discriminator_loss.at_grading(discriminator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "generator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2. The forger (5 minutes, easy, 3 points)
#
# The generator wants its fakes to be taken for real. It minimises the cross-entropy of *its* batch with label 1,
#
# $$ L_G = -\operatorname{E}_z \log D(G(z)) , $$
#
# the *non-saturating* loss, which is what is used in practice. The next exercise shows why.


# %% nbgrader={"grade": false, "grade_id": "generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_loss(logits_fake: Tensor) -> Tensor:
    """The non-saturating loss -E log D(G(z)).

    Args:
        logits_fake: the discriminator's logits of fakes, of any shape.

    Returns:
        The mean over all logits in nats, a scalar; value and gradient are right for logits up to +-1000.
    """
    ### BEGIN SOLUTION
    return F.softplus(-logits_fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "generator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.generator_loss(generator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "generator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.generator_loss.at_grading(generator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "saturating_generator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3. The game as it was written (10 minutes, easy, 3 points)
#
# In the minimax game the generator minimises what the discriminator maximises,
#
# $$ V_G = \operatorname{E}_z \log\bigl(1 - D(G(z))\bigr) . $$
#
# It has the same optimum as $L_G$ but not the same slope. Differentiate both by the logit $a$: $V_G$ has the slope
# $-\sigma(a)$, $L_G$ has $-\sigma(-a)$. At the beginning fakes are poor, $a \approx -10$, and of the minimax loss hardly anything to learn
# from is left: it *saturates*. Mind the sign: the value is never above 0.


# %% nbgrader={"grade": false, "grade_id": "saturating_generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def saturating_generator_loss(logits_fake: Tensor) -> Tensor:
    """The minimax loss E log(1 - D(G(z))), which the generator minimises.

    Args:
        logits_fake: the discriminator's logits of fakes, of any shape.

    Returns:
        The mean over all logits in nats, a scalar of at most 0; value and gradient are right for logits up to +-1000.
    """
    ### BEGIN SOLUTION
    return -F.softplus(logits_fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "saturating_generator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.saturating_generator_loss(saturating_generator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "saturating_generator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.saturating_generator_loss.at_grading(saturating_generator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "ls_discriminator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4. Least squares: the detective (5 minutes, easy, 3 points)
#
# A cross-entropy hardly pulls at a fake that lies far on the right side of the boundary. LSGAN (Mao et al., 2017) replaces it with
# squares: the scores, which are not passed through a sigmoid, are pulled to 1 on real examples and to 0 on fakes,
#
# $$ L_D = \tfrac12 \operatorname{E}_x \bigl(D(x) - 1\bigr)^2 + \tfrac12 \operatorname{E}_z D(G(z))^2 . $$


# %% nbgrader={"grade": false, "grade_id": "ls_discriminator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ls_discriminator_loss(scores_real: Tensor, scores_fake: Tensor) -> Tensor:
    """The discriminator's loss of LSGAN, 1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2.

    Args:
        scores_real: scores of real examples, of any shape and size; no sigmoid is applied.
        scores_fake: scores of fakes, of any shape; there may be more or fewer than real ones.

    Returns:
        Half the sum of the two means, a scalar.
    """
    ### BEGIN SOLUTION
    return 0.5 * (scores_real - 1).square().mean() + 0.5 * scores_fake.square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ls_discriminator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.ls_discriminator_loss(ls_discriminator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "ls_discriminator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.ls_discriminator_loss.at_grading(ls_discriminator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "ls_generator_loss-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5. Least squares: the forger (5 minutes, easy, 3 points)
#
# The generator of LSGAN pulls the scores of its fakes to 1, the place of real examples,
#
# $$ L_G = \tfrac12 \operatorname{E}_z \bigl(D(G(z)) - 1\bigr)^2 . $$


# %% nbgrader={"grade": false, "grade_id": "ls_generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ls_generator_loss(scores_fake: Tensor) -> Tensor:
    """The generator's loss of LSGAN, 1/2 E (D(G(z)) - 1)^2.

    Args:
        scores_fake: scores of fakes, of any shape; no sigmoid is applied.

    Returns:
        Half the mean, a scalar.
    """
    ### BEGIN SOLUTION
    return 0.5 * (scores_fake - 1).square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ls_generator_loss-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.ls_generator_loss(ls_generator_loss).score(1)

# %% nbgrader={"grade": true, "grade_id": "ls_generator_loss-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.ls_generator_loss.at_grading(ls_generator_loss).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "gradient_penalty-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6. A critic with slope 1 (20 minutes, hard, 3 points)
#
# The critic $f$ of a Wasserstein GAN must not change faster than 1 for each unit that its input moves. WGAN-GP
# (Gulrajani et al., 2017) punishes slopes other than 1 on the lines between real examples and fakes:
#
# $$ \operatorname{E}\Bigl[\bigl(\lVert \nabla_{\hat x} f(\hat x) \rVert_2 - 1\bigr)^2\Bigr], \qquad
# \hat x = \alpha x + (1 - \alpha) G(z), \qquad \alpha \sim U(0, 1) . $$
#
# Every example has an $\alpha$ of its own, one number for the whole image, drawn afresh in each call. The norm is that of one
# example's gradient, over its channels and pixels together; the mean runs over the examples.
#
# `torch.autograd.grad` differentiates by an *input*, but forgets how it did so. The critic is to be trained on this penalty, which
# means differentiating the gradient itself: `create_graph=True`. One trap: the root is infinitely steep at 0, where a flat critic lands.


# %% nbgrader={"grade": false, "grade_id": "gradient_penalty", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """E (norm of the critic's gradient at alpha real + (1 - alpha) fake, minus 1)^2.

    Args:
        critic: a network from images to one score for each, of shape (B,), (B, 1) or (B, 1, 1, 1). Its parameters, their
            `.grad` and `requires_grad`, and its mode (train or eval) stay as they are.
        real: images, (B, C, H, W), not always square.
        fake: as many images, of the same shape.

    Returns:
        A scalar, without a factor lambda, that can be differentiated by the critic's parameters. The norm is L2, of each
        example over all its axes; alpha is uniform on [0, 1], independent for each example and call. Where the gradient
        of the critic is 0, the penalty of that example is 1 and its gradient finite: `.norm()` sees to that, and so does
        1e-12 under the root.
    """
    ### BEGIN SOLUTION
    alpha = torch.rand(len(real), 1, 1, 1, dtype=real.dtype, device=real.device)
    x = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gradient_penalty-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.gradient_penalty(gradient_penalty).score(1)

# %% nbgrader={"grade": true, "grade_id": "gradient_penalty-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.gradient_penalty.at_grading(gradient_penalty).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "discriminator_step-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7. The detective's turn (15 minutes, medium, 3 points)
#
# Now the training itself. In its turn the discriminator $D_\phi$ takes one step of its optimiser,
#
# $$ \phi \leftarrow \phi - \text{step}\Bigl(\nabla_\phi \bigl[ -\operatorname{E}_x \log D_\phi(x) - \operatorname{E}_z \log(1 - D_\phi(G(z))) \bigr]\Bigr) , $$
#
# on the loss of exercise 1; write it out or call your function. The derivative is by $\phi$ alone: the generator is a source of fakes here, and
# no gradient is to reach it, which costs time and lingers until somebody takes it for the generator's own. `optimizer` holds
# the discriminator's parameters and remembers its momentum from call to call. What may be left in the gradients when you are called?


# %% nbgrader={"grade": false, "grade_id": "discriminator_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_step(
    generator: nn.Module, discriminator: nn.Module, optimizer: torch.optim.Optimizer, real: Tensor, noise: Tensor
) -> Tensor | float:
    """One optimiser step on the cross-entropy of real examples as 1 plus that of fakes as 0 (two means, added).

    Args:
        generator: from noise (N, Z) to fakes. Its parameters, `requires_grad` and mode are afterwards as they were, and no
            gradient of this step is left in its `.grad`.
        discriminator: from examples or fakes to logits of any shape. Its mode and `requires_grad` stay as they were.
        optimizer: of the discriminator's parameters. It takes exactly one step, on gradients of this loss only:
            whatever was in `.grad` before is cleared first.
        real: real examples, (B, ...).
        noise: the generator's input, (N, Z); N may differ from B. Draw no noise of your own.

    Returns:
        The loss before the step, one number or scalar tensor in nats.
    """
    ### BEGIN SOLUTION
    fake = generator(noise).detach()
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "discriminator_step-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.discriminator_step(discriminator_step).score(1)

# %% nbgrader={"grade": true, "grade_id": "discriminator_step-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.discriminator_step.at_grading(discriminator_step).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "generator_step-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8. The forger's turn (15 minutes, medium, 3 points)
#
# In its turn the generator $G_\theta$ takes one step on the non-saturating loss of exercise 2,
#
# $$ \theta \leftarrow \theta - \text{step}\Bigl(\nabla_\theta \bigl[ -\operatorname{E}_z \log D(G_\theta(z)) \bigr]\Bigr) . $$
#
# The gradient has to pass *through* the discriminator to reach $\theta$, so nothing may be detached now; but it must leave no trace in it. After a
# plain `loss.backward()` the discriminator holds gradients that ask it to believe fakes. Three ways out: ask for the generator's
# gradients only (`torch.autograd.grad`, or `loss.backward(inputs=...)`); switch the discriminator's `requires_grad_` off before and on again
# after; or clear its gradients afterwards.


# %% nbgrader={"grade": false, "grade_id": "generator_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_step(
    generator: nn.Module, discriminator: nn.Module, optimizer: torch.optim.Optimizer, noise: Tensor
) -> Tensor | float:
    """One optimiser step on the non-saturating loss -E log D(G(z)).

    Args:
        generator: from noise (N, Z) to fakes. Its mode and `requires_grad` stay as they were.
        discriminator: from fakes to logits of any shape. Its parameters, their `.grad` and `requires_grad`, and its mode are
            afterwards as they were. Ways: `torch.autograd.grad` or `backward(inputs=...)` for the generator's
            parameters, `requires_grad_(False)` and then `requires_grad_(True)`, or clearing what this step left in `.grad`.
        optimizer: of the generator's parameters. It takes exactly one step, on gradients of this loss only: whatever was
            in `.grad` before is cleared first.
        noise: the generator's input, (N, Z). Draw no noise of your own.

    Returns:
        The loss before the step, the mean over all logits, one number or scalar tensor in nats.
    """
    ### BEGIN SOLUTION
    loss = F.softplus(-discriminator(generator(noise))).mean()
    optimizer.zero_grad()
    loss.backward(inputs=list(generator.parameters()))
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "generator_step-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.generator_step(generator_step).score(1)

# %% nbgrader={"grade": true, "grade_id": "generator_step-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.generator_step.at_grading(generator_step).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "categorical_mutual_information-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 9. A code that shows (15 minutes, medium, 3 points)
#
# InfoGAN (Chen et al., 2016) gives its generator, besides noise, a code $c$, one of $K$ equally likely classes, and asks that it can be read off the
# image: the mutual information $I(c; x) = H(c) - H(c \mid x)$ is to be large. The posterior of $c$ is unknown, but any network
# $q(c \mid x)$ in its place gives a lower bound,
#
# $$ I(c; x) \ge \log K + \operatorname{E} \log q(c \mid x) , $$
#
# since $H(c) = \log K$ and a wrong posterior only costs. It is $\log K$ if $q$ is always sure and right, and 0 if $q$ guesses.


# %% nbgrader={"grade": false, "grade_id": "categorical_mutual_information", "locked": false, "schema_version": 3, "solution": true, "task": false}
def categorical_mutual_information(q_logits: Tensor, c: Tensor) -> Tensor:
    """The lower bound log K + E log q(c given x) on the mutual information of a uniform code and the image.

    Args:
        q_logits: unnormalised log-probabilities of the K classes, (B, K).
        c: the code that each image was made with, (B,) int64 from 0 to K - 1; some classes may not occur.

    Returns:
        The bound in nats, a scalar, to be maximised; it may be negative. Right for logits up to +-1000.
    """
    ### BEGIN SOLUTION
    return math.log(q_logits.shape[1]) - F.cross_entropy(q_logits, c)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "categorical_mutual_information-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.categorical_mutual_information(categorical_mutual_information).score(1)

# %% nbgrader={"grade": true, "grade_id": "categorical_mutual_information-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.categorical_mutual_information.at_grading(categorical_mutual_information).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "gaussian_code_log_prob-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 10. A code that slides (10 minutes, medium, 3 points)
#
# Codes can be continuous, for a width or an angle. Then $q(c \mid x)$ is a Gaussian of independent components,
# $\mathcal N(\mu, \operatorname{diag}(\sigma^2))$, with $\texttt{logvar} = \log \sigma^2$, and the term to be maximised is its log-density at the code that was used,
#
# $$ \log q(c \mid x) = -\frac12 \sum_j \Bigl[ \log 2\pi + \log \sigma_j^2 + \frac{(c_j - \mu_j)^2}{\sigma_j^2} \Bigr] . $$


# %% nbgrader={"grade": false, "grade_id": "gaussian_code_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gaussian_code_log_prob(mu: Tensor, logvar: Tensor, c: Tensor) -> Tensor:
    """log N(c; mu, diag exp(logvar)), summed over the code.

    Args:
        mu: means, (B, Z).
        logvar: logarithms of the variances, (B, Z).
        c: codes, (B, Z).

    Returns:
        The log-density of each example in nats, (B,); right also 60 standard deviations from the mean.
    """
    ### BEGIN SOLUTION
    return -0.5 * (math.log(2 * math.pi) + logvar + (c - mu).square() * torch.exp(-logvar)).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gaussian_code_log_prob-check", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
checks.adversarial.gaussian_code_log_prob(gaussian_code_log_prob).score(1)

# %% nbgrader={"grade": true, "grade_id": "gaussian_code_log_prob-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Hidden test: the same check, on inputs drawn at grading. Leave this cell as it is.
### BEGIN HIDDEN TESTS
checks.adversarial.gaussian_code_log_prob.at_grading(gaussian_code_log_prob).score(2)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "together-statement", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## All together: your own game (no points)
#
# Two small networks and your steps, nothing else, learn a ring of eight clusters in a few seconds. Left: the GAN, whose players take turns by your
# `discriminator_step` and `generator_step`. Right: a Wasserstein GAN, whose critic is held by your `gradient_penalty`. (A point
# of the plane is an image of two channels and one pixel to it.) Do all eight clusters get their share, do points lie between them, and what changes when you
# change the seed? A GAN that leaves clusters out is not broken code: it is *mode collapse*, of which lecture 11 tells more.


# %% nbgrader={"grade": false, "grade_id": "together-model", "locked": true, "schema_version": 3, "solution": false, "task": false}
def ring(num_points):
    angle = 2 * math.pi * torch.randint(8, (num_points,)) / 8
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(num_points, 2)


def players(lr, beta):
    generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    judge = nn.Sequential(nn.Flatten(), nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    return generator, judge, *(torch.optim.Adam(n.parameters(), lr=lr, betas=(beta, 0.9)) for n in (generator, judge))


def play_gan(num_steps):
    generator, discriminator, generator_optimizer, discriminator_optimizer = players(1e-3, 0.5)
    for _ in range(num_steps):
        discriminator_step(generator, discriminator, discriminator_optimizer, ring(128), torch.randn(128, 8))
        generator_step(generator, discriminator, generator_optimizer, torch.randn(128, 8))
    return generator


def play_wgan_gp(num_steps, critic_steps=3):
    generator, critic, generator_optimizer, critic_optimizer = players(1e-3, 0.0)
    for step in range(num_steps):
        fake, real = generator(torch.randn(128, 8)).detach(), ring(128)
        penalty = gradient_penalty(critic, real[:, :, None, None], fake[:, :, None, None])
        critic_optimizer.zero_grad()
        (critic(fake).mean() - critic(real).mean() + penalty).backward()
        critic_optimizer.step()
        if step % critic_steps == 0:
            generator_optimizer.zero_grad()
            (-critic(generator(torch.randn(128, 8))).mean()).backward()
            generator_optimizer.step()
    return generator


# %% nbgrader={"grade": false, "grade_id": "together-train", "locked": true, "schema_version": 3, "solution": false, "task": false}
if not os.environ.get("NBGRADER_EXECUTION"):  # at grading there is nothing to look at
    import traceback

    import matplotlib.pyplot as plt

    torch.set_num_threads(1)  # such small networks are faster so
    torch.manual_seed(0)
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True, layout="constrained")
    for ax, name, play, num_steps in zip(axes, ("GAN", "WGAN-GP"), (play_gan, play_wgan_gp), (2000, 3000), strict=True):
        ax.set(title=name, xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
        ax.plot(*ring(500).T.numpy(), ".", color="0.75", markersize=3, label="data")
        try:
            fakes = play(num_steps)(torch.randn(500, 8)).detach()
        except NotImplementedError as error:
            missing = traceback.extract_tb(error.__traceback__)[-1].name
            ax.text(0, 0, f"{missing} is still to be written", ha="center")
            continue
        ax.plot(*fakes.T.numpy(), ".", color="tab:blue", markersize=3, label="generated")
        ax.legend(loc="center", fontsize=8)
    plt.show()
