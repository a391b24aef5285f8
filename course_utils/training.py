"""The one training loop of the course, on Lightning Fabric: one device or several, any precision, resumable.

    history = fit(model, images, epochs=20)

does, behind a progress bar, what a lecture first writes out by hand:

    for batch in shuffled batches of the data:
        loss = model.loss(batch)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.files import replacing

CHECKPOINT_SECONDS = 30.0  # a run that is killed loses at most this much work, plus one step


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
    tensors = _as_tensors(data)
    num_examples = len(tensors[0])
    num_batches = math.ceil(num_examples / batch_size)
    total_steps = epochs * num_batches
    world_size = int(os.environ.get("WORLD_SIZE", num_devices))
    strategy = "ddp" if world_size > 1 else "auto"
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", num_devices))
    fabric = Fabric(accelerator=device, devices=devices, strategy=strategy, precision=precision)
    if world_size > 1:
        fabric.launch()

    make_optimizer = optimizer or (lambda parameters: torch.optim.Adam(parameters, lr=lr))
    fabric_model, fabric_optimizer = fabric.setup(model, make_optimizer(model.parameters()))
    _let_methods_count_as_forward(fabric_model, model)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        fabric_optimizer.optimizer,
        lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, total_steps)))) if cosine else 1.0,
    )
    compute_loss = loss or (lambda model, *batch, step: model.loss(*batch))
    settings = {"num_examples": num_examples, "batch_size": batch_size, "seed": seed}
    run = _Run(fabric, model, fabric_optimizer.optimizer, schedule, checkpoint, settings)
    tensors = [tensor.to(fabric.device) for tensor in tensors]
    guard = _FiniteGuard(run, every=1 if fabric.device.type == "cpu" else 20)

    cuda = [fabric.device.index] if fabric.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        _progress(fabric, total_steps, description) as bar,
        _DeferredInterrupt() as interrupt,
    ):
        torch.manual_seed(seed + fabric.global_rank)
        run.resume()
        bar.update(run.step)
        model.train()
        while run.step < total_steps and not run.out_of_time(max_minutes):
            epoch, batch_index = divmod(run.step, num_batches)
            if batch_index == 0 or run.order is None:
                run.order = _shuffled(num_examples, seed, epoch).to(fabric.device)
            chosen = run.order[batch_index * batch_size : (batch_index + 1) * batch_size]
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
            guard.add(value.detach(), share)
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
            if run.save_is_due() and not guard.pending:
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


def _as_tensors(data: Tensor | Sequence[Tensor]) -> list[Tensor]:
    tensors = [data] if isinstance(data, Tensor) else [tensor for tensor in data if tensor is not None]
    lengths = [len(tensor) for tensor in tensors]
    if not tensors or lengths[0] == 0:
        raise ValueError("fit needs at least one example, but the data are empty")
    if len(set(lengths)) > 1:
        raise ValueError(f"fit needs tensors of one length, but they hold {lengths} examples")
    return tensors


def _shuffled(num_examples: int, seed: int, epoch: int) -> Tensor:
    """The order of one epoch: the same in every process, whatever else has been drawn."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(num_examples, generator=generator)


def _let_methods_count_as_forward(fabric_model, model: nn.Module) -> None:
    """Fabric synchronises gradients and casts precision in `forward` only, unless told of other entrances."""
    for name in dir(type(model)):
        if not name.startswith("_") and not hasattr(nn.Module, name) and callable(getattr(type(model), name)):
            fabric_model.mark_forward_method(name)


def _progress(fabric: Fabric, total_steps: int, description: str) -> tqdm:
    hidden = not fabric.is_global_zero or os.environ.get("COURSE_STATIC") == "1"
    return tqdm(total=total_steps, desc=description or None, unit="step", disable=hidden, leave=False, mininterval=0.3)


class _Run:
    """The state that a checkpoint holds: model, optimiser, schedule, step, history, random states of all processes."""

    def __init__(self, fabric, model, optimizer, schedule, checkpoint, settings):
        self.fabric, self.model, self.optimizer, self.schedule = fabric, model, optimizer, schedule
        self.path = Path(checkpoint) if checkpoint is not None else None
        self.settings = settings
        self.step = 0
        self.order: Tensor | None = None
        self.history = History()
        self.started = self.last_save = time.monotonic()
        self.seconds_before = 0.0

    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _agreed(self, flag: bool) -> bool:
        """The first process's clock decides for all."""
        return self.fabric.broadcast(flag) if self.fabric.world_size > 1 else flag

    def out_of_time(self, max_minutes: float | None) -> bool:
        return max_minutes is not None and self._agreed(self.seconds() >= 60 * max_minutes)

    def save_is_due(self) -> bool:
        return self.path is not None and self._agreed(time.monotonic() - self.last_save > CHECKPOINT_SECONDS)

    def save(self) -> None:
        if self.path is None:
            return
        random_states = [_random_state(self.fabric.device)]
        if self.fabric.world_size > 1:
            gathered = [None] * self.fabric.world_size
            torch.distributed.all_gather_object(gathered, random_states[0])
            random_states = gathered
        if self.fabric.is_global_zero:
            state = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "step": self.step,
                "loss": self.history.loss,
                "epoch_loss": self.history.epoch_loss,
                "seconds": self.seconds(),
                "settings": self.settings,
                "random_states": random_states,
            }
            with replacing(self.path) as temporary:
                torch.save(state, temporary)
        self.last_save = time.monotonic()

    def resume(self) -> None:
        if self.path is None or not self.path.exists():
            return
        state = load_checkpoint(self.path, self.fabric.device)
        if state.get("settings") != self.settings:
            raise ValueError(
                f"{self.path} is the checkpoint of another run: it says {state.get('settings')}, "
                f"this run has {self.settings}; name another file, or remove it to start afresh"
            )
        try:
            self.model.load_state_dict(state["model"])
        except RuntimeError as error:
            raise ValueError(f"{self.path} is the checkpoint of another model: {error}") from error
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
        self.history = History(state["loss"], state["epoch_loss"])
        self.seconds_before = state["seconds"]
        random_states = state["random_states"]
        if len(random_states) == self.fabric.world_size:
            _set_random_state(random_states[self.fabric.global_rank], self.fabric.device)

    def finish(self) -> History:
        self.history.seconds = self.seconds()
        return self.history


class _DeferredInterrupt:
    """Ctrl-C takes effect between two steps, so that the checkpoint is exact; a second Ctrl-C takes effect at once."""

    def __init__(self):
        self.requested = False

    def __enter__(self):
        self.handled = threading.current_thread() is threading.main_thread()
        if self.handled:
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_):
        if self.handled:
            signal.signal(signal.SIGINT, self.previous)

    def _request(self, *_):
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class _FiniteGuard:
    """Records losses and stops at one that is not finite; looking makes an accelerator wait: there it looks seldom."""

    def __init__(self, run: _Run, every: int):
        self.run, self.every = run, every
        self.pending: list[Tensor] = []

    def add(self, value: Tensor, share: float) -> None:
        fabric = self.run.fabric
        self.pending.append(fabric.all_reduce(value * share, reduce_op="mean") if fabric.world_size > 1 else value)
        if len(self.pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        history = self.run.history
        values, self.pending = [float(value) for value in self.pending], []
        for value in values:
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss is {value} at step {len(history.loss)}: "
                    "the step is too long (lower lr, or set clip_norm) or the loss takes the logarithm of zero"
                )
            history.loss.append(value)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> dict:
    """Read a checkpoint of `fit`; tensors and plain values only, so that a file cannot run code."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a checkpoint that can be read ({error}); remove it to start afresh") from error
