"""`fit` against loops written out by hand, against itself interrupted, and against itself in two processes."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from course_utils.training import fit, load_checkpoint
from tests.two_processes import results_of_one_and_of_two

ROOT = Path(__file__).resolve().parent.parent


class Regression(nn.Module):
    """A linear map with a squared loss; `noisy` makes the loss draw random numbers."""

    def __init__(self, noisy: bool = False):
        super().__init__()
        torch.manual_seed(1)
        self.linear = nn.Linear(3, 1)
        self.noisy = noisy

    def loss(self, x, y):
        if self.noisy:
            x = x + 0.1 * torch.randn_like(x)
        return (self.linear(x).squeeze(1) - y).square().mean()


def regression_data(num_examples: int = 50):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(num_examples, 3, generator=generator)
    return x, x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3


def parameters(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def quiet_fit(model, data, **options):
    return fit(model, data, device="cpu", **options)


def test_full_batch_steps_equal_gradient_descent_by_hand():
    x, y = regression_data()
    by_fit, by_hand = Regression(), Regression()
    history = quiet_fit(by_fit, (x, y), epochs=5, batch_size=50, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    losses = []
    for _ in range(5):
        value = by_hand.loss(x, y)
        gradients = torch.autograd.grad(value, list(by_hand.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
        losses.append(value.item())
    torch.testing.assert_close(parameters(by_fit), parameters(by_hand))
    assert history.loss == pytest.approx(losses, rel=1e-5)
    assert history.epoch_loss == pytest.approx(losses, rel=1e-5)
    assert not by_fit.training


def test_every_example_is_seen_once_an_epoch_and_the_order_changes():
    seen: list[list[int]] = []

    class Recorder(Regression):
        def loss(self, index):
            seen.append(index.flatten().tolist())
            return self.linear.weight.sum() * 0

    quiet_fit(Recorder(), torch.arange(23), epochs=2, batch_size=5)
    first, second = [[index for batch in batches for index in batch] for batches in (seen[:5], seen[5:])]
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second


def test_converges_to_least_squares():
    x, y = regression_data()
    model = Regression()
    history = quiet_fit(model, (x, y), epochs=200, batch_size=25, lr=0.05, cosine=True)
    torch.testing.assert_close(parameters(model), torch.tensor([1.0, -2.0, 0.5, 0.3]), atol=1e-3, rtol=0)
    assert history.seconds > 0


def test_the_seed_decides_and_the_callers_random_state_is_untouched():
    x, y = regression_data()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    runs = []
    for seed in (0, 0, 1):
        model = Regression(noisy=True)
        torch.set_rng_state(before)
        quiet_fit(model, (x, y), epochs=2, batch_size=8, seed=seed)
        runs.append(parameters(model))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_step_transform_and_on_epoch_reach_their_functions():
    x, y = regression_data(20)
    steps, epochs = [], []

    def loss(model, x, y, step):
        steps.append((step, x.max().item()))
        return model.loss(x, y)

    quiet_fit(
        Regression(),
        (x, y),
        epochs=2,
        batch_size=10,
        loss=loss,
        transform=lambda x: x.clamp(max=0.25),
        on_epoch=lambda model, epoch: epochs.append((epoch, type(model).__name__)),
    )
    assert [step for step, _ in steps] == [0, 1, 2, 3]
    assert all(largest == 0.25 for _, largest in steps)
    assert epochs == [(0, "Regression"), (1, "Regression")]


def test_clip_norm_bounds_the_step():
    x, y = regression_data()
    model, start = Regression(), parameters(Regression())
    quiet_fit(
        model, (x, 1000 * y), epochs=1, batch_size=50, clip_norm=0.5, optimizer=lambda p: torch.optim.SGD(p, lr=1.0)
    )
    assert (parameters(model) - start).norm().item() == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("stop_after", [3, 7])  # in the middle of the first epoch, and at the end of one
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path, stop_after):
    data = regression_data()
    whole = Regression(noisy=True)
    uninterrupted = quiet_fit(whole, data, epochs=4, batch_size=8, cosine=True)

    def interrupting_loss(model, x, y, step):
        if step == stop_after - 1:
            os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C sends
        return model.loss(x, y)

    path = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        quiet_fit(Regression(True), data, epochs=4, batch_size=8, cosine=True, checkpoint=path, loss=interrupting_loss)
    assert load_checkpoint(path)["step"] == stop_after
    resumed = Regression(noisy=True)
    history = quiet_fit(resumed, data, epochs=4, batch_size=8, cosine=True, checkpoint=path)
    assert torch.equal(parameters(resumed), parameters(whole))
    assert history.loss == uninterrupted.loss
    assert history.epoch_loss == uninterrupted.epoch_loss
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]

    # A run that is complete has nothing left to do, and more epochs go on from it.
    again = quiet_fit(Regression(noisy=True), data, epochs=4, batch_size=8, cosine=True, checkpoint=path)
    assert again.loss == uninterrupted.loss
    assert len(quiet_fit(Regression(True), data, epochs=5, batch_size=8, checkpoint=path).loss) == 35


def test_a_killed_process_loses_only_what_came_after_its_last_checkpoint(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys, torch
        from torch import nn
        import course_utils.training as training
        training.CHECKPOINT_SECONDS = 0.0
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                torch.manual_seed(0)
                self.w = nn.Parameter(torch.randn(4))
            def loss(self, x):
                return (x + 0.1 * torch.randn_like(x) - self.w).square().mean()
        def loss(model, x, step):
            if len(sys.argv) > 2 and step == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return model.loss(x)
        x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
        model = Model()
        training.fit(model, x, epochs=3, batch_size=8, device="cpu", checkpoint=sys.argv[1], loss=loss)
        print(model.w.tolist())
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COURSE_STATIC": "1"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(script), *arguments], env=environment, capture_output=True, text=True, timeout=120
        )

    killed, whole = run(str(tmp_path / "a.ckpt"), "9"), run(str(tmp_path / "b.ckpt"))
    assert killed.returncode == -signal.SIGKILL
    assert load_checkpoint(tmp_path / "a.ckpt")["step"] == 9
    resumed = run(str(tmp_path / "a.ckpt"))
    assert whole.returncode == 0, whole.stderr
    assert resumed.stdout == whole.stdout != ""


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_last_good_state(tmp_path):
    def loss(model, x, y, step):
        return model.loss(x, y) * (float("nan") if step == 4 else 1.0)

    path, model = tmp_path / "run.ckpt", Regression()
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 4"):
        quiet_fit(model, regression_data(), epochs=3, batch_size=10, loss=loss, checkpoint=path)
    assert torch.isfinite(parameters(model)).all()
    assert not path.exists() or torch.isfinite(load_checkpoint(path)["model"]["linear.weight"]).all()


def test_bad_input_is_named(tmp_path):
    x, y = regression_data()
    with pytest.raises(ValueError, match="the data are empty"):
        quiet_fit(Regression(), x[:0])
    with pytest.raises(ValueError, match=r"\[50, 49\] examples"):
        quiet_fit(Regression(), (x, y[:49]))
    path = tmp_path / "run.ckpt"
    quiet_fit(Regression(), (x, y), epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match="checkpoint of another run"):
        quiet_fit(Regression(), (x, y), epochs=1, checkpoint=path, batch_size=7)
    other = Regression()
    other.linear = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="checkpoint of another model"):
        quiet_fit(other, (x, y), epochs=1, checkpoint=path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"run\.ckpt is not a checkpoint that can be read"):
        quiet_fit(Regression(), (x, y), epochs=1, checkpoint=path)
    assert path.stat().st_size == 100


def test_max_minutes_stops_and_the_rest_can_follow(tmp_path):
    x, y = regression_data()
    path = tmp_path / "run.ckpt"
    history = quiet_fit(Regression(), (x, y), epochs=100000, max_minutes=0.5 / 60, checkpoint=path)
    assert 0 < len(history.loss) < 100000
    assert history.seconds < 20


def test_bfloat16_computes_in_half_and_keeps_whole_parameters():
    x, y = regression_data()
    model, seen = Regression(), set()

    def loss(model, x, y, step):
        seen.add(model.linear(x).dtype)
        return model.loss(x, y)

    history = quiet_fit(model, (x, y), epochs=60, batch_size=25, lr=0.05, precision="bf16-mixed", loss=loss)
    assert seen == {torch.bfloat16}
    assert model.linear.weight.dtype == torch.float32
    assert history.epoch_loss[-1] < 0.1 * history.epoch_loss[0]


TWO_PROCESSES = """
import sys, torch
from torch import nn
from course_utils.training import fit
torch.manual_seed(0)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6))
    def loss(self, x):
        return (self.net(x) - x).square().mean()
model = Model().double()
x = torch.randn(45, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
history = fit(model, x, epochs=3, batch_size=10, device="cpu", checkpoint=sys.argv[1] + ".ckpt")
import torch.distributed as dist
if not dist.is_initialized() or dist.get_rank() == 0:
    torch.save({"p": torch.cat([p.detach().flatten() for p in model.parameters()]), "loss": history.loss}, sys.argv[1])
"""


def test_two_processes_agree_with_one(tmp_path):
    """Batches of 10 and a last one of 5, which two processes cannot share evenly: their gradients are weighted."""
    one, two = results_of_one_and_of_two(TWO_PROCESSES, tmp_path)
    torch.testing.assert_close(two["p"], one["p"], rtol=1e-10, atol=1e-12)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-10)
    assert load_checkpoint(tmp_path / "two.pt.ckpt")["step"] == 15
