"""The one training loop of the course, on Lightning Fabric: one device or several, any precision, resumable.

    history = fit(model, images, epochs=20)

does, behind a progress bar, what a lecture first writes out by hand:

    for batch in shuffled batches of the data:
        loss = model.loss(batch)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

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
from course_utils.loops import load_checkpoint as load_checkpoint  # read where it is written, too


@dataclass
class History:
    """What `fit` saw: the loss of every step, its mean over each epoch, the seconds spent (resumed runs included)."""

    loss: list[float] = field(default_factory=list)
    epoch_loss: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    model: nn.Module,
    data: Tensor | Sequence[Tensor],
    *,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 1e-3,
    loss: Callable[..., Tensor] | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
    cosine: bool = False,
    clip_norm: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32-true",
    num_devices: int = 1,
    checkpoint: str | Path | None = None,
    max_minutes: float | None = None,
    on_epoch: Callable[[nn.Module, int], None] | None = None,
    description: str = "",
) -> History:
    """Minimise a loss over shuffled batches; the model is trained in place and left in eval mode on its device.

    Args:
        data: a tensor, or several with the same first axis (images and labels, say); they stay in memory.
        epochs: passes over the data. A resumed run counts those that are done.
        batch_size: examples a step, over all devices together.
        loss: `loss(model, *batch, step=step)`, a scalar; by default `model.loss(*batch)`.
        optimizer: a function from parameters to an optimiser; by default Adam with `lr`.
        transform: applied to the first tensor of each batch, on the device (dynamic binarisation, noise).
        cosine: let the learning rate fall to zero along a half cosine over the run.
        clip_norm: the largest L2 norm of the gradient.
        seed: of the order of examples and of all that the model draws; the caller's random state is left as it was.
        device: "auto", "cpu", "cuda" or "mps".
        precision: Fabric's names: "32-true", "bf16-mixed", "16-mixed", "64-true".
        num_devices: more than one trains data-parallel, with the gradients that one device would have had;
            `torchrun --nproc-per-node N` does the same.
        checkpoint: a file. Written while training (whole, then renamed) and at an interruption; if it is there,
            the run goes on from it, bit for bit as if it had never stopped.
        max_minutes: stop after this much time, resumed runs counted in.
        on_epoch: called as `on_epoch(model, epoch)` after each epoch, in the first process only.
        description: what the progress bar says before the figures.

    Raises:
        ValueError: the data are empty or of unequal length, or the checkpoint is of another run.
        FloatingPointError: a loss that is not finite, named with its step. The checkpoint holds the last good state.
    """
    tensors = as_tensors(data)
    num_examples = len(tensors[0])
    num_batches = math.ceil(num_examples / batch_size)
    total_steps = epochs * num_batches
    fabric = launched_fabric(device, precision, num_devices)
    make_optimizer = optimizer or (lambda parameters: torch.optim.Adam(parameters, lr=lr))
    fabric_model, fabric_optimizer = fabric.setup(model, make_optimizer(model.parameters()))
    let_methods_count_as_forward(fabric_model, model)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        fabric_optimizer.optimizer,
        lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, total_steps)))) if cosine else 1.0,
    )
    compute_loss = loss or (lambda model, *batch, step: model.loss(*batch))
    settings = {"num_examples": num_examples, "batch_size": batch_size, "seed": seed}
    parts = {"model": model, "optimizer": fabric_optimizer.optimizer, "schedule": schedule}
    run = Run(fabric, checkpoint, settings, History(), parts)
    guard = FiniteGuard(
        run, "the step is too long (lower lr, or set clip_norm) or the loss takes the logarithm of zero"
    )
    tensors = [tensor.to(fabric.device) for tensor in tensors]
    order = None

    with (
        seeded(fabric, seed),
        progress(fabric, total_steps, description) as bar,
        DeferredInterrupt() as interrupt,
    ):
        run.resume()
        bar.update(run.step)
        model.train()
        while run.step < total_steps and not run.out_of_time(max_minutes):
            epoch, batch_index = divmod(run.step, num_batches)
            if batch_index == 0 or order is None:
                order = shuffled(num_examples, seed, epoch).to(fabric.device)
            chosen = order[batch_index * batch_size : (batch_index + 1) * batch_size]
            mine = chosen[fabric.global_rank :: fabric.world_size]
            batch = [tensor[mine] for tensor in tensors]
            if transform is not None:
                batch[0] = transform(batch[0])

            with fabric.autocast():
                value = compute_loss(fabric_model, *batch, step=run.step)
            # Each process averages over its share of the batch; so weighted, their mean is the mean over the batch.
            share = len(mine) * fabric.world_size / len(chosen)
            fabric_optimizer.zero_grad()
            fabric.backward(value * share if fabric.world_size > 1 else value)
            if clip_norm is not None:
                fabric.clip_gradients(fabric_model, fabric_optimizer, max_norm=clip_norm)
            guard.add("loss", value.detach(), share, run.history.loss)
            fabric_optimizer.step()
            schedule.step()

            run.step += 1
            bar.update()
            end_of_epoch = run.step % num_batches == 0
            if end_of_epoch:
                guard.flush()
                recent = run.history.loss[-num_batches:]
                run.history.epoch_loss.append(sum(recent) / len(recent))
            bar.set_postfix(loss=f"{run.history.loss[-1]:.4g}" if run.history.loss else "...", refresh=False)
            if run.save_is_due(CHECKPOINT_SECONDS) and not guard.pending:
                run.save()
            if end_of_epoch and on_epoch is not None and fabric.is_global_zero:
                on_epoch(model, epoch)
                model.train()
            if interrupt.requested:
                break
        guard.flush()
        run.save()
    model.eval()
    if interrupt.requested:
        raise KeyboardInterrupt
    return run.finish()
