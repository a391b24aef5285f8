"""`fit_adversarial` against a loop written out by hand, against itself interrupted, and in two processes."""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from course_utils import adversarial_training
from course_utils.adversarial_training import fit_adversarial
from course_utils.loops import load_checkpoint, shuffled
from course_utils.models.adversarial.gan import GAN
from course_utils.training import fit
from tests.two_processes import results_of_one_and_of_two

ROOT = Path(__file__).resolve().parent.parent


def small_gan(kind: type[GAN] = GAN, batch_norm: bool = False) -> GAN:
    """Points in the plane from two noise variables, float64; always the same parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        norm = nn.BatchNorm1d(4) if batch_norm else nn.Identity()
        generator = nn.Sequential(nn.Linear(2, 4), norm, nn.Tanh(), nn.Linear(4, 2))
        discriminator = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1), nn.Flatten(0))
        return kind(generator, discriminator, 2).double()


def points(num_examples: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 1 + 0.5 * torch.randn(num_examples, 2, dtype=torch.float64, generator=generator)


def vector(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def quiet_fit(model, data, **options):
    return fit_adversarial(model, data, device="cpu", **options)


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    assert one.state_dict().keys() == other.state_dict().keys()
    for (name, value), expected in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name


@pytest.mark.parametrize("discriminator_steps", [1, 3])
def test_equals_the_loop_by_hand(discriminator_steps):
    """Bit for bit: parameters; losses; D(x) and D(G(z)) of the discriminator's last step of each round."""
    data, by_fit, by_hand = points(50), small_gan(), small_gan()
    history = quiet_fit(
        by_fit,
        data,
        epochs=2,
        batch_size=10,
        discriminator_steps=discriminator_steps,
        lr=0.01,
        discriminator_lr=0.03,
        betas=(0.3, 0.9),
        seed=5,
    )
    generator, discriminator = by_hand.generator, by_hand.discriminator
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.01, betas=(0.3, 0.9))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=0.03, betas=(0.3, 0.9))
    stream = torch.cat([data[shuffled(50, 5, epoch)] for epoch in range(3)])
    expected = {name: [] for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score")}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        for step in range(-(-10 // discriminator_steps)):
            for turn in range(discriminator_steps):
                start = 10 * (step * discriminator_steps + turn)
                real, noise = stream[start : start + 10], torch.randn(10, 2, dtype=torch.float64)
                d_real, d_fake = discriminator(real), discriminator(generator(noise).detach())
                loss_d = nn.functional.softplus(-d_real).mean() + nn.functional.softplus(d_fake).mean()
                optimizer_d.zero_grad()
                loss_d.backward()
                optimizer_d.step()
            logits = discriminator(generator(torch.randn(10, 2, dtype=torch.float64)))
            loss_g = -torch.log(torch.sigmoid(logits)).mean()
            by_softplus = nn.functional.softplus(-logits).mean()
            optimizer_g.zero_grad()
            by_softplus.backward()
            optimizer_g.step()
            expected["discriminator_loss"].append(loss_d.item())
            expected["generator_loss"].append(loss_g.item())
            expected["real_score"].append(1 / (1 + (-d_real).exp()).detach())
            expected["fake_score"].append(1 / (1 + (-d_fake).exp()).detach())
    assert torch.equal(vector(by_fit), vector(by_hand))
    assert history.discriminator_loss == pytest.approx(expected["discriminator_loss"], rel=1e-12)
    assert history.generator_loss == pytest.approx(expected["generator_loss"], rel=1e-12)
    for name in ("real_score", "fake_score"):
        assert getattr(history, name) == pytest.approx([d.mean().item() for d in expected[name]], rel=1e-6)
    assert history.seconds > 0
    assert not by_fit.training


class Recorder(GAN):
    """Remembers what each turn was given."""

    def discriminator_loss(self, real):
        self.seen = getattr(self, "seen", [])
        self.seen.append(("discriminator", real.flatten().tolist()))
        return super().discriminator_loss(real.double().expand(-1, 2))

    def generator_loss(self, real):
        self.seen.append(("generator", real.flatten().tolist()))
        return super().generator_loss(real)


def test_k_steps_on_fresh_full_batches_and_every_example_once_an_epoch():
    model, at_epoch = small_gan(Recorder), []
    history = quiet_fit(
        model,
        torch.arange(23).view(23, 1),
        epochs=2,
        batch_size=5,
        discriminator_steps=3,
        on_epoch=lambda model, epoch: at_epoch.append((epoch, len(model.seen), model.training)),
    )
    assert [who for who, _ in model.seen] == (3 * ["discriminator"] + ["generator"]) * 4  # ceil(2 * 23 / 15) rounds
    assert len(history.generator_loss) == len(history.discriminator_loss) == len(history.real_score) == 4
    batches = [batch for who, batch in model.seen if who == "discriminator"]
    assert all(len(batch) == 5 for batch in batches)
    stream = [index for batch in batches for index in batch]
    assert sorted(stream[:23]) == sorted(stream[23:46]) == list(range(23))
    assert stream[:23] != stream[23:46]
    # The generator gets what the discriminator had last.
    assert [batch for who, batch in model.seen if who == "generator"] == batches[2::3]
    # The 23rd example is seen in the second round, of 4 turns, and the 46th in the last.
    assert at_epoch == [(0, 8, False), (1, 16, False)]


def test_several_tensors_and_a_transform_reach_both_losses():
    seen = []

    class Labelled(GAN):
        def discriminator_loss(self, real, label):
            seen.append((real.max().item(), torch.equal(real[:, 0].round(), label.clamp(max=7))))
            return super().discriminator_loss(real)

        def generator_loss(self, real, label):
            seen.append((real.max().item(), torch.equal(real[:, 0].round(), label.clamp(max=7))))
            return super().generator_loss(real)

    label = torch.arange(10, dtype=torch.float64)
    quiet_fit(
        small_gan(Labelled),
        (label[:, None].repeat(1, 2), label),
        epochs=2,
        batch_size=10,
        transform=lambda x: x.clamp(max=7),
    )
    assert seen == 4 * [(7.0, True)]


class Snapshots(GAN):
    """Remembers both networks at the start of each turn, and who may have a gradient in it."""

    def look(self, who):
        self.turns = getattr(self, "turns", [])
        wants = [{p.requires_grad for p in net.parameters()} for net in (self.generator, self.discriminator)]
        has = [any(p.grad is not None for p in net.parameters()) for net in (self.generator, self.discriminator)]
        self.turns.append((who, vector(self.generator), vector(self.discriminator), wants, has))

    def discriminator_loss(self, real):
        self.look("discriminator")
        return super().discriminator_loss(real)

    def generator_loss(self, real):
        self.look("generator")
        return super().generator_loss(real)


def test_only_the_network_whose_turn_it_is_changes_or_has_a_gradient():
    model = small_gan(Snapshots)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)  # what somebody left there does not count
    quiet_fit(model, points(), epochs=2, batch_size=10, discriminator_steps=2, ema_decay=0.5)
    for (who, generator, discriminator, wants, _), (_, generator_after, discriminator_after, _, _) in zip(
        model.turns[:-1], model.turns[1:], strict=True
    ):
        is_generator = who == "generator"
        assert torch.equal(discriminator, discriminator_after) == is_generator
        assert torch.equal(generator, generator_after) != is_generator
        assert wants == ([{True}, {False}] if is_generator else [{False}, {True}])
    # Once both have had a turn, nobody comes to a turn with a gradient from another.
    assert [has for *_, has in model.turns[3:]] == (len(model.turns) - 3) * [[False, False]]
    assert all(
        p.requires_grad and p.grad is None for net in (model.generator, model.discriminator) for p in net.parameters()
    )


def test_parameters_want_gradients_as_before_also_after_an_error_and_frozen_ones_stay_frozen():
    class Failing(GAN):
        def generator_loss(self, real):
            raise RuntimeError("as the test wants")

    model = small_gan(Failing)
    model.discriminator[0].weight.requires_grad_(False)
    model.generator[0].weight.requires_grad_(False)
    frozen = model.discriminator[0].weight.detach().clone()
    with pytest.raises(RuntimeError, match="as the test wants"):
        quiet_fit(model, points(), epochs=2)
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == [
        "generator.0.weight",
        "discriminator.0.weight",
    ]
    assert torch.equal(model.discriminator[0].weight, frozen)
    assert all(p.grad is None for p in model.parameters())


def test_the_average_of_the_generator_is_the_closed_form():
    """phi_EMA = d^(T-1) phi_1 + (1 - d) sum over t = 2..T of d^(T-t) phi_t, of the parameters after each step."""
    model, phi, decay = small_gan(), [], 0.7
    quiet_fit(
        model,
        points(20),
        epochs=6,
        batch_size=20,
        lr=0.05,
        ema_decay=decay,
        on_epoch=lambda model, _: phi.append(vector(model.generator)),
    )
    expected = decay**5 * phi[0] + (1 - decay) * sum(decay ** (5 - t) * phi[t] for t in range(1, 6))
    torch.testing.assert_close(vector(model.averaged), expected, rtol=1e-12, atol=1e-14)
    assert (vector(model.averaged) - phi[-1]).abs().max() > 1e-3
    # An average that the caller keeps goes on, if no other is asked for.
    quiet_fit(model, points(20), epochs=1, batch_size=20, lr=0.05)
    expected = decay * expected + (1 - decay) * vector(model.generator)
    torch.testing.assert_close(vector(model.averaged), expected, rtol=1e-12, atol=1e-14)


def interrupted(step: int) -> type[GAN]:
    class Interrupted(GAN):
        def generator_loss(self, real):
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == step:
                os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C sends
            return super().generator_loss(real)

    return Interrupted


@pytest.mark.parametrize(
    ("discriminator_steps", "ema_decay", "stop_after"),
    [(1, None, 3), (1, 0.9, 7), (3, 0.9, 2), (3, None, 5)],  # in the middle of an epoch, and about the end of one
)
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path, discriminator_steps, ema_decay, stop_after):
    options = {"batch_size": 8, "discriminator_steps": discriminator_steps, "ema_decay": ema_decay, "lr": 0.01}
    whole = small_gan(batch_norm=True)
    uninterrupted = quiet_fit(whole, points(), epochs=4, **options)
    path = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        quiet_fit(small_gan(interrupted(stop_after), True), points(), epochs=4, checkpoint=path, **options)
    assert load_checkpoint(path)["step"] == stop_after
    resumed = small_gan(batch_norm=True)
    history = quiet_fit(resumed, points(), epochs=4, checkpoint=path, **options)
    assert_same_state(resumed, whole)
    for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score"):
        assert getattr(history, name) == getattr(uninterrupted, name)
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]

    # A run that is complete has nothing left to do, and more epochs go on from it.
    again = small_gan(batch_norm=True)
    assert quiet_fit(again, points(), epochs=4, checkpoint=path, **options).fake_score == uninterrupted.fake_score
    assert_same_state(again, whole)
    longer, at_once = small_gan(batch_norm=True), small_gan(batch_norm=True)
    quiet_fit(longer, points(), epochs=6, checkpoint=path, **options)
    quiet_fit(at_once, points(), epochs=6, **options)
    assert_same_state(longer, at_once)


def test_what_on_epoch_changes_is_in_the_checkpoint_of_a_run_that_dies_at_once(tmp_path, monkeypatch):
    """It sets a buffer that the loss depends on, and draws; the process dies in the turn after an epoch's end."""
    monkeypatch.setattr(adversarial_training, "CHECKPOINT_SECONDS", 0.0)

    class Scheduled(GAN):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.register_buffer("weight", torch.ones((), dtype=torch.float64))
            self.die_at = None

        def generator_loss(self, real):
            if self.weight.item() == self.die_at:
                raise SystemExit
            return self.weight * super().generator_loss(real)

    def on_epoch(model, epoch):
        model.weight.fill_(1 / (epoch + 2) + 1e-3 * torch.rand(()).item())

    whole, dying, resumed = (small_gan(Scheduled) for _ in range(3))
    weights = []
    quiet_fit(
        whole,
        points(),
        epochs=4,
        batch_size=10,
        on_epoch=lambda model, epoch: (on_epoch(model, epoch), weights.append(model.weight.item())),
    )
    dying.die_at = weights[1]
    path = tmp_path / "run.ckpt"
    with pytest.raises(SystemExit):
        quiet_fit(dying, points(), epochs=4, batch_size=10, on_epoch=on_epoch, checkpoint=path)
    assert load_checkpoint(path)["step"] == 10
    quiet_fit(resumed, points(), epochs=4, batch_size=10, on_epoch=on_epoch, checkpoint=path)
    assert_same_state(resumed, whole)


def test_the_seed_decides_and_the_callers_random_state_is_untouched():
    torch.manual_seed(123)
    before, runs = torch.get_rng_state(), []
    for seed in (0, 0, 1):
        torch.rand(seed)
        model = small_gan()
        torch.set_rng_state(before)
        quiet_fit(model, points(), epochs=2, batch_size=8, seed=seed, ema_decay=0.9)
        runs.append(vector(model))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(("which", "turn"), [("discriminator", 5), ("generator", 3)])
def test_a_loss_that_is_not_finite_is_named_at_once_and_the_last_good_state_kept(tmp_path, monkeypatch, which, turn):
    """Turns are counted from 0. With K = 2, the discriminator's turn 5 is the second of step 2."""
    monkeypatch.setattr(adversarial_training, "CHECKPOINT_SECONDS", 0.0)

    class Broken(GAN):
        turns: dict

        def broken(self, who):
            self.turns[who] = self.turns.get(who, -1) + 1
            return float("nan") if (who, self.turns[who]) == (which, turn) else 1.0

        def discriminator_loss(self, real):
            loss, *logits = super().discriminator_loss(real)
            return loss * self.broken("discriminator"), *logits

        def generator_loss(self, real):
            return super().generator_loss(real) * self.broken("generator")

    path, model = tmp_path / "run.ckpt", small_gan(Broken)
    model.turns = {}
    step = 2 if which == "discriminator" else 3
    with pytest.raises(FloatingPointError, match=f"the {which}'s loss is nan at step {step}: "):
        quiet_fit(model, points(), epochs=4, batch_size=10, discriminator_steps=2, checkpoint=path)
    assert model.turns[which] == turn
    assert torch.isfinite(vector(model)).all()
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    state = load_checkpoint(path)
    assert state["step"] == len(state["discriminator_loss"]) == len(state["generator_loss"]) == step
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_bad_input_is_named(tmp_path):
    for steps in (0, -1):
        with pytest.raises(ValueError, match=f"discriminator_steps must be at least 1, got {steps}"):
            quiet_fit(small_gan(), points(), epochs=1, discriminator_steps=steps)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        quiet_fit(small_gan(), points(), epochs=1, batch_size=0)
    with pytest.raises(ValueError, match="the data are empty"):
        quiet_fit(small_gan(), points(0), epochs=1)
    with pytest.raises(ValueError, match=r"\[50, 49\] examples"):
        quiet_fit(small_gan(), (points(50), torch.zeros(49)), epochs=1)
    with pytest.raises(ValueError, match=r"the generator makes \(2,\), but an example is \(3,\)"):
        quiet_fit(small_gan(), torch.zeros(10, 3, dtype=torch.float64), epochs=1)
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1.0"):
        quiet_fit(small_gan(), points(), epochs=1, ema_decay=1.0)

    path = tmp_path / "run.ckpt"
    quiet_fit(small_gan(), points(), epochs=1, checkpoint=path)
    for other in ({"batch_size": 7}, {"discriminator_steps": 2}, {"seed": 1}):
        with pytest.raises(ValueError, match="checkpoint of another run"):
            quiet_fit(small_gan(), points(), epochs=1, checkpoint=path, **other)
    for other in ({"model": small_gan(batch_norm=True)}, {"model": small_gan(), "ema_decay": 0.5}):
        with pytest.raises(ValueError, match="checkpoint of another model"):
            quiet_fit(other.pop("model"), points(), epochs=1, checkpoint=path, **other)
    with pytest.raises(ValueError, match="checkpoint of another run"):
        fit(nn.Linear(2, 1), points(), epochs=1, checkpoint=path, device="cpu")


def test_max_minutes_stops_and_the_rest_can_follow(tmp_path):
    path = tmp_path / "run.ckpt"
    history = quiet_fit(small_gan(), points(), epochs=100000, max_minutes=0.5 / 60, checkpoint=path)
    assert 0 < len(history.generator_loss) < 100000
    assert history.seconds < 60
    more = quiet_fit(small_gan(), points(), epochs=len(history.generator_loss) + 2, checkpoint=path)
    assert len(more.generator_loss) == len(history.generator_loss) + 2
    assert more.generator_loss[:-2] == history.generator_loss


def test_bfloat16_computes_in_half_and_keeps_whole_parameters():
    seen = set()

    class Half(GAN):
        def generator_objective(self, logits_fake):
            seen.add(logits_fake.dtype)
            return super().generator_objective(logits_fake)

    model = small_gan(Half).float()
    start = vector(model)
    history = quiet_fit(model, points(40).float(), epochs=2, batch_size=20, precision="bf16-mixed", ema_decay=0.5)
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert 0 < history.real_score[-1] < 1
    assert not torch.equal(vector(model)[: len(start)], start)


TWO_PROCESSES = """
import sys, torch
from torch import nn
from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.gan import GAN

class Paired(GAN):  # the noise comes with the data: each process would draw its own
    def noise(self, num_samples, generator=None):
        return self.given
    def discriminator_loss(self, real, noise):
        self.given = noise
        return super().discriminator_loss(real)
    def generator_loss(self, real, noise):
        self.given = noise
        return super().generator_loss(real)

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 6))
discriminator = nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(0.2), nn.Linear(5, 1), nn.Flatten(0))
model = Paired(generator, discriminator, 3).double()
draw = torch.Generator().manual_seed(1)
x, noise = (torch.randn(45, dim, dtype=torch.float64, generator=draw) for dim in (6, 3))
history = fit_adversarial(
    model, (x, noise), epochs=3, batch_size=9, discriminator_steps=2, lr=0.01, ema_decay=0.9, device="cpu",
    checkpoint=sys.argv[1] + ".ckpt",
)
import torch.distributed as dist
if not dist.is_initialized() or dist.get_rank() == 0:
    torch.save({"state": model.state_dict(), "history": vars(history)}, sys.argv[1])
"""


def test_two_processes_agree_with_one(tmp_path):
    """Batches of 9, which two processes cannot share evenly: their gradients are weighted. The noise is given."""
    one, two = results_of_one_and_of_two(TWO_PROCESSES, tmp_path)
    for name, value in one["state"].items():
        torch.testing.assert_close(two["state"][name], value, rtol=1e-10, atol=1e-12, msg=name)
    for name in ("discriminator_loss", "generator_loss", "real_score", "fake_score"):
        assert two["history"][name] == pytest.approx(one["history"][name], rel=1e-6), name
    assert load_checkpoint(tmp_path / "two.pt.ckpt")["step"] == 8  # ceil(3 * 45 / 18)
