"""Alternating training of a generative adversarial network, on Lightning Fabric, beside the loop of `training.py`.

    history = fit_adversarial(gan, images, epochs=20, discriminator_steps=5)

does, behind a progress bar, what a lecture first writes out by hand. With theta the discriminator's parameters, phi the
generator's, and K = `discriminator_steps`:

    repeat
        K times, each with fresh examples x and fresh noise:
            theta <- theta - Adam step on  grad_theta L_D(theta, phi; x)
        phi <- phi - Adam step on  grad_phi L_G(theta, phi; x)
        phi_EMA <- phi in the first round, then  decay phi_EMA + (1 - decay) phi        (with `ema_decay`)

L_D and L_G are the model's `discriminator_loss` and `generator_loss`. Each turn sees the other network as it is and
leaves it so: only the parameters whose turn it is change or have a gradient (Goodfellow et al. 2014, arXiv 1406.2661,
algorithm 1).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from course_utils.loops import (
    CHECKPOINT_SECONDS,
    DeferredInterrupt,
    FiniteGuard,
    Run,
    as_tensors,
    launched_fabric,
    let_methods_count_as_forward,
    progress,
    seeded,
    shuffled,
)
from course_utils.models.adversarial.gan import GAN


@dataclass
class AdversarialHistory:
    """What `fit_adversarial` saw, a value for each generator step.

    Both losses, and the means of D(x) and D(G(z)) (`model.verdict` of the logits), are those before the networks took
    the step that follows from them; the discriminator's are of the last of its steps in the round. `seconds` counts
    resumed runs, too.
    """

    discriminator_loss: list[float] = field(default_factory=list)
    generator_loss: list[float] = field(default_factory=list)
    real_score: list[float] = field(default_factory=list)
    fake_score: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit_adversarial(
    model: GAN,
    data: Tensor | Sequence[Tensor],
    *,
    epochs: int,
    batch_size: int = 128,
    discriminator_steps: int = 1,
    lr: float = 2e-4,
    discriminator_lr: float | None = None,
    betas: tuple[float, float] = (0.5, 0.999),
    ema_decay: float | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32-true",
    num_devices: int = 1,
    checkpoint: str | Path | None = None,
    max_minutes: float | None = None,
    on_epoch: Callable[[nn.Module, int], None] | None = None,
    description: str = "",
) -> AdversarialHistory:
    """Let the two networks take turns; the model is trained in place and left in eval mode on its device.

    Batches are cut from shuffled passes over the data, one after another, so that all are full: the last of a pass is
    filled up from the next. The generator's turn gets the last batch that the discriminator had.

    On several devices each process draws its own noise, and batch norm or minibatch statistics are taken over the
    process's share of the batch: such networks do not get quite the gradients that one device would have had.

    Args:
        data: a tensor, or several with the same first axis (images and labels, say); they stay in memory. Both losses
            are called with a batch of each.
        epochs: passes of the discriminator over the data, rounded up to whole rounds. A resumed run counts those done.
        batch_size: real examples a step, over all devices together; at most all that there are.
        discriminator_steps: K, the discriminator's steps for each of the generator's.
        lr, discriminator_lr, betas: of one Adam for each network; the discriminator's rate is `lr` unless it is given.
        ema_decay: start an average of the generator (`model.keep_average`); one that is kept already goes on by itself.
        transform: applied to the first tensor of each batch, on the device.
        seed: of the order of examples and of all that the model draws; the caller's random state is left as it was.
        device: "auto", "cpu", "cuda" or "mps".
        precision: Fabric's names: "32-true", "bf16-mixed", "16-mixed", "64-true".
        num_devices: more than one trains data-parallel; `torchrun --nproc-per-node N` does the same.
        checkpoint: a file. Written while training (whole, then renamed) and at an interruption; if it is there,
            the run goes on from it, bit for bit as if it had never stopped.
        max_minutes: stop after this much time, resumed runs counted in.
        on_epoch: called as `on_epoch(model, epoch)` after the round in which an epoch ends, with the model in eval
            mode, in the first process only. What it does to the model's state is in the checkpoint.
        description: what the progress bar says before the figures.

    Raises:
        ValueError: a number is out of range, the data are empty or of unequal length or of another shape than the
            fakes, or the checkpoint is of another run.
        FloatingPointError: a loss that is not finite, named with its step. The checkpoint holds the last good state.
    """
    tensors = as_tensors(data)
    num_examples = len(tensors[0])
    if discriminator_steps < 1:
        raise ValueError(f"discriminator_steps must be at least 1, got {discriminator_steps}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    batch_size = min(batch_size, num_examples)
    examples_a_round = batch_size * discriminator_steps
    total_rounds = math.ceil(epochs * num_examples / examples_a_round)
    fabric = launched_fabric(device, precision, num_devices, parallel="ddp_find_unused_parameters_true")
    if batch_size < fabric.world_size:
        raise ValueError(f"{fabric.world_size} processes need batches of at least as many examples, got {batch_size}")

    if ema_decay is not None:
        model.keep_average(ema_decay)
    generator_parameters = list(model.generator_parameters())
    discriminator_parameters = list(model.discriminator_parameters())
    fabric_model, generator_optimizer, discriminator_optimizer = fabric.setup(
        model,
        torch.optim.Adam(generator_parameters, lr=lr, betas=betas),
        torch.optim.Adam(
            discriminator_parameters, lr=lr if discriminator_lr is None else discriminator_lr, betas=betas
        ),
    )
    let_methods_count_as_forward(fabric_model, model)
    settings = {
        "num_examples": num_examples,
        "batch_size": batch_size,
        "discriminator_steps": discriminator_steps,
        "seed": seed,
    }
    parts = {
        "model": model,
        "generator_optimizer": generator_optimizer.optimizer,
        "discriminator_optimizer": discriminator_optimizer.optimizer,
    }
    run = Run(fabric, checkpoint, settings, AdversarialHistory(), parts)
    history = run.history
    guard = FiniteGuard(run, "lower the learning rate of the network that ran away", discriminator_steps + 3)
    tensors = [tensor.to(fabric.device) for tensor in tensors]
    order = lru_cache(maxsize=2)(lambda epoch: shuffled(num_examples, seed, epoch).to(fabric.device))

    def real_batch(index: int) -> tuple[list[Tensor], float]:
        """This process's part of a batch, and what its mean counts for in the mean over the processes."""
        epoch, start = divmod(index * batch_size, num_examples)
        chosen = order(epoch)[start : start + batch_size]
        if len(chosen) < batch_size:
            chosen = torch.cat([chosen, order(epoch + 1)[: batch_size - len(chosen)]])
        mine = chosen[fabric.global_rank :: fabric.world_size]
        batch = [tensor[mine] for tensor in tensors]
        if transform is not None:
            batch[0] = transform(batch[0])
        return batch, len(mine) * fabric.world_size / batch_size

    with (
        seeded(fabric, seed),
        progress(fabric, total_rounds, description) as bar,
        DeferredInterrupt() as interrupt,
    ):
        run.resume()
        bar.update(run.step)
        model.train()
        while run.step < total_rounds and not run.out_of_time(max_minutes):
            for turn_index in range(discriminator_steps):
                batch, share = real_batch(run.step * discriminator_steps + turn_index)
                with _turn_of(discriminator_parameters, model):
                    with fabric.autocast():
                        loss, logits_real, logits_fake = fabric_model.discriminator_loss(*batch)
                    discriminator_optimizer.zero_grad()
                    fabric.backward(loss * share)
                    is_last = turn_index == discriminator_steps - 1
                    guard.add(
                        "discriminator's loss", loss.detach(), share, history.discriminator_loss if is_last else None
                    )
                    discriminator_optimizer.step()

            with _turn_of(generator_parameters, model):
                with fabric.autocast():
                    loss = fabric_model.generator_loss(*batch)
                generator_optimizer.zero_grad()
                fabric.backward(loss * share)
                guard.add("generator's loss", loss.detach(), share, history.generator_loss)
                generator_optimizer.step()
            if model.averaged is not None:
                model.averaged.update_parameters(model.generator)

            guard.add("mean of D(x)", _mean_verdict(model, logits_real), share, history.real_score)
            guard.add("mean of D(G(z))", _mean_verdict(model, logits_fake), share, history.fake_score)
            run.step += 1
            bar.update()
            if history.fake_score:
                losses = {"D": f"{history.discriminator_loss[-1]:.3g}", "G": f"{history.generator_loss[-1]:.3g}"}
                bar.set_postfix(losses, refresh=False)
            ended = [(run.step - back) * examples_a_round // num_examples for back in (1, 0)]
            for epoch in range(ended[0], min(ended[1], epochs)):
                guard.flush()
                if on_epoch is not None and fabric.is_global_zero:
                    model.eval()
                    on_epoch(model, epoch)
                    model.train()
            if run.save_is_due(CHECKPOINT_SECONDS) and not guard.pending:
                run.save()
            if interrupt.requested:
                break
        guard.flush()
        run.save()
    model.eval()
    if interrupt.requested:
        raise KeyboardInterrupt
    return run.finish()


@contextmanager
def _turn_of(parameters: list[Parameter], model: nn.Module) -> Iterator[None]:
    """Within, no parameters of the model but these want a gradient; afterwards these have none left."""
    mine = set(parameters)
    held_still = [p for p in model.parameters() if p.requires_grad and p not in mine]
    for parameter in held_still:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held_still:
            parameter.requires_grad_(True)
        for parameter in parameters:
            parameter.grad = None


@torch.no_grad()
def _mean_verdict(model: GAN, logits: Tensor) -> Tensor:
    return model.verdict(logits.detach().float()).mean()
