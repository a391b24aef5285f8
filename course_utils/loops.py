"""What the course's training loops share: devices, the order of examples, checkpoints, interruptions, the progress bar.

Each loop (`training.fit`, `adversarial_training.fit_adversarial`) stands in its own file, written out as its algorithm;
the pieces here hold no mathematics.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_utils.files import replacing

CHECKPOINT_SECONDS = 30.0  # a run that is killed loses at most this much work, plus one step


def launched_fabric(device: str, precision: str, num_devices: int, parallel: str = "ddp") -> Fabric:
    """Return a Fabric of one process, or of several by the strategy `parallel`: these then run from here on.

    `torchrun` says in the environment how many there are, and has its way.
    """
    world_size = int(os.environ.get("WORLD_SIZE", num_devices))
    strategy = parallel if world_size > 1 else "auto"
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", num_devices))
    fabric = Fabric(accelerator=device, devices=devices, strategy=strategy, precision=precision)
    if world_size > 1:
        fabric.launch()
    return fabric


def let_methods_count_as_forward(fabric_model: nn.Module, model: nn.Module) -> None:
    """Fabric synchronises gradients and casts precision in `forward` only, unless told of other entrances."""
    for name in dir(type(model)):
        if not name.startswith("_") and not hasattr(nn.Module, name) and callable(getattr(type(model), name)):
            fabric_model.mark_forward_method(name)


@contextmanager
def seeded(fabric: Fabric, seed: int) -> Iterator[None]:
    """Within, each process draws from a state of its own, set by the seed; the caller's state is left as it was."""
    cuda = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed + fabric.global_rank)
        yield


def as_tensors(data: Tensor | Sequence[Tensor | None]) -> list[Tensor]:
    """Return the data as a list of tensors of one length, at least 1; of several, those that are None are left out."""
    tensors = [data] if isinstance(data, Tensor) else [tensor for tensor in data if tensor is not None]
    lengths = [len(tensor) for tensor in tensors]
    if not tensors or lengths[0] == 0:
        raise ValueError("training needs at least one example, but the data are empty")
    if len(set(lengths)) > 1:
        raise ValueError(f"training needs tensors of one length, but they hold {lengths} examples")
    return tensors


def shuffled(num_examples: int, seed: int, epoch: int) -> Tensor:
    """The order of one epoch: the same in every process, whatever else has been drawn."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(num_examples, generator=generator)


def progress(fabric: Fabric, total_steps: int, description: str) -> tqdm:
    """A bar with the time left, in the first process only, and not where `COURSE_STATIC` asks for quiet."""
    hidden = not fabric.is_global_zero or os.environ.get("COURSE_STATIC") == "1"
    return tqdm(total=total_steps, desc=description or None, unit="step", disable=hidden, leave=False, mininterval=0.3)


class Run:
    """The state that a checkpoint holds: its parts, the step, the history, the random states of all processes.

    Args:
        checkpoint: the file, or None for a run that keeps none.
        settings: plain values; a checkpoint of a run with others is refused.
        history: a dataclass of lists, and `seconds`.
        parts: what has a `state_dict`, by its name in the checkpoint: `model`, optimisers, schedules.
    """

    def __init__(
        self,
        fabric: Fabric,
        checkpoint: str | Path | None,
        settings: dict[str, Any],
        history: Any,
        parts: Mapping[str, Any],
    ):
        self.fabric, self.settings, self.history, self.parts = fabric, settings, history, parts
        self.path = Path(checkpoint) if checkpoint is not None else None
        self.step = 0
        self.started = self.last_save = time.monotonic()
        self.seconds_before = 0.0

    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _agreed(self, flag: bool) -> bool:
        """The first process's clock decides for all."""
        return self.fabric.broadcast(flag) if self.fabric.world_size > 1 else flag

    def out_of_time(self, max_minutes: float | None) -> bool:
        return max_minutes is not None and self._agreed(self.seconds() >= 60 * max_minutes)

    def save_is_due(self, seconds: float) -> bool:
        return self.path is not None and self._agreed(time.monotonic() - self.last_save > seconds)

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
                **{name: part.state_dict() for name, part in self.parts.items()},
                **vars(self.history),
                "step": self.step,
                "seconds": self.seconds(),
                "settings": self.settings,
                "random_states": random_states,
            }
            with replacing(self.path) as temporary:
                torch.save(state, temporary)
        self.last_save = time.monotonic()

    def resume(self) -> None:
        """Go on from the checkpoint if there is one; ValueError if it is of another run or model."""
        if self.path is None or not self.path.exists():
            return
        state = load_checkpoint(self.path, self.fabric.device)
        if state.get("settings") != self.settings:
            raise ValueError(
                f"{self.path} is the checkpoint of another run: it says {state.get('settings')}, "
                f"this run has {self.settings}; name another file, or remove it to start afresh"
            )
        for name, part in self.parts.items():
            try:
                part.load_state_dict(state[name])
            except RuntimeError as error:
                raise ValueError(f"{self.path} is the checkpoint of another model: {error}") from error
        for name in vars(self.history):
            setattr(self.history, name, state[name])
        self.step = state["step"]
        self.seconds_before = state["seconds"]
        random_states = state["random_states"]
        if len(random_states) == self.fabric.world_size:
            _set_random_state(random_states[self.fabric.global_rank], self.fabric.device)

    def finish(self) -> Any:
        """Return the history, with its seconds."""
        self.history.seconds = self.seconds()
        return self.history


class DeferredInterrupt:
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


class FiniteGuard:
    """Records values and stops at one that is not finite; looking makes an accelerator wait: there it looks seldom.

    Args:
        advice: what the error says after it has named the value and its step.
        values_per_step: how many values each step adds.
    """

    def __init__(self, run: Run, advice: str, values_per_step: int = 1):
        self.run, self.advice = run, advice
        self.every = 1 if run.fabric.device.type == "cpu" else 20 * values_per_step
        self.pending: list[tuple[str, int, Tensor, list[float] | None]] = []

    def add(self, name: str, value: Tensor, share: float, record: list[float] | None) -> None:
        """Take a mean () over this process's share of the batch, to be appended to `record` if there is one."""
        fabric = self.run.fabric
        value = fabric.all_reduce(value * share, reduce_op="mean") if fabric.world_size > 1 else value
        self.pending.append((name, self.run.step, value, record))
        if len(self.pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Look at what is pending. Raises FloatingPointError."""
        pending, self.pending = [(name, step, float(value), record) for name, step, value, record in self.pending], []
        for name, step, value, record in pending:
            if not math.isfinite(value):
                raise FloatingPointError(f"the {name} is {value} at step {step}: {self.advice}")
            if record is not None:
                record.append(value)


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
    """Read a checkpoint of a training loop; tensors and plain values only, so that a file cannot run code."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is not a checkpoint that can be read ({error}); remove it to start afresh") from error
