"""The conditional GAN against losses written out by hand, the optimal discriminator of each label, and both networks'
dependence on y."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli

from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.cgan import Angle, ConditionalGAN, OneHot, Values, join
from course_utils.models.adversarial.dcgan import DCDiscriminator, DCGenerator
from course_utils.models.adversarial.lsgan import LSGAN
from tests.models.adversarial.symbols import Symbols

CLASSES, NOISE_DIM, DATA_DIM = 3, 2, 4


def linear_cgan(condition=None, model=ConditionalGAN):
    condition = OneHot(CLASSES) if condition is None else condition
    generator = nn.Linear(NOISE_DIM + condition.dim, DATA_DIM)
    discriminator = nn.Sequential(nn.Linear(DATA_DIM + condition.dim, 1), nn.Flatten(0))
    return model(generator, discriminator, NOISE_DIM, condition).double()


def batch(seed=1, size=6):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, DATA_DIM, generator=generator, dtype=torch.float64)
    return x, torch.randint(CLASSES, (size,), generator=generator)


def by_hand(model, x, y, seed):
    """Logits of real and of fake, with the noise that `seed` gives and the one-hot codes written out."""
    torch.manual_seed(seed)
    noise = torch.randn(len(x), NOISE_DIM, dtype=torch.float64)
    one_hot = torch.eye(CLASSES, dtype=torch.float64)[y]
    fake = torch.cat([noise, one_hot], 1) @ model.generator.weight.T + model.generator.bias
    weight, bias = model.discriminator[0].weight[0], model.discriminator[0].bias
    return (torch.cat([x, one_hot], 1) @ weight + bias, torch.cat([fake, one_hot], 1) @ weight + bias)


def log_prob(logits, value):
    return Bernoulli(logits=logits).log_prob(torch.full_like(logits, value)).mean()


def gradients(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)


def test_discriminators_turn():
    model, (x, y) = linear_cgan(), batch()
    torch.manual_seed(3)
    turn = model.discriminator_loss(x, y)
    logits_real, logits_fake = by_hand(model, x, y, 3)
    due = -log_prob(logits_real, 1.0) - log_prob(logits_fake, 0.0)
    torch.testing.assert_close(turn.loss, due)
    torch.testing.assert_close(turn.logits_real, logits_real)
    torch.testing.assert_close(turn.logits_fake, logits_fake)
    torch.testing.assert_close(gradients(turn.loss, model.discriminator), gradients(due, model.discriminator))
    assert gradients(turn.loss, model.generator) == (None, None)


def test_generators_turn():
    model, (x, y) = linear_cgan(), batch()
    torch.manual_seed(4)
    loss = model.generator_loss(x, y)
    due = -log_prob(by_hand(model, x, y, 4)[1], 1.0)
    torch.testing.assert_close(loss, due)
    torch.testing.assert_close(gradients(loss, model.generator), gradients(due, model.generator))
    assert [*model.generator_parameters()] == [*model.generator.parameters()]
    assert [*model.discriminator_parameters()] == [*model.discriminator.parameters()]


def test_another_parent_brings_its_losses():
    class ConditionalLSGAN(ConditionalGAN, LSGAN):
        pass

    model, (x, y) = linear_cgan(model=ConditionalLSGAN), batch()
    torch.manual_seed(5)
    turn = model.discriminator_loss(x, y)
    logits_real, logits_fake = by_hand(model, x, y, 5)
    torch.testing.assert_close(turn.loss, 0.5 * ((logits_real - 1) ** 2).mean() + 0.5 * (logits_fake**2).mean())


def test_both_networks_depend_on_y():
    model, (x, _) = linear_cgan(Values(3)), batch()
    noise, code = x[:, :NOISE_DIM], torch.randn(6, 3, dtype=torch.float64)
    for i in (0, 5):
        of_fake = torch.autograd.functional.jacobian(
            lambda c, i=i: model.generate(noise[i : i + 1], c[None])[0], code[i]
        )
        torch.testing.assert_close(of_fake, model.generator.weight[:, NOISE_DIM:])
        of_logit = torch.autograd.functional.jacobian(
            lambda c, i=i: model.discriminate(x[i : i + 1], c[None])[0], code[i]
        )
        torch.testing.assert_close(of_logit, model.discriminator[0].weight[0, DATA_DIM:])
    labelled = linear_cgan()
    logits = torch.stack([labelled.discriminate(x, torch.full((6,), k)) for k in range(CLASSES)])
    fakes = torch.stack([labelled.generate(noise, torch.full((6,), k)) for k in range(CLASSES)]).flatten(1)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert ((logits[a] - logits[b]).abs() > 1e-3).all()
        assert (fakes[a] - fakes[b]).abs().max() > 1e-2


class Table(nn.Module):
    """A logit for each symbol and label."""

    def __init__(self, num_symbols, num_labels):
        super().__init__()
        self.num_symbols = num_symbols
        self.logits = nn.Parameter(torch.zeros(num_symbols, num_labels, dtype=torch.float64))

    def forward(self, joined):
        symbol, label = joined[:, : self.num_symbols], joined[:, self.num_symbols :]
        return torch.einsum("bs,sl,bl->b", symbol, self.logits, label)


def test_trained_discriminator_is_optimal_for_each_label():
    p = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], dtype=torch.float64)
    p_generator = torch.tensor([[0.2, 0.3, 0.5], [0.5, 0.4, 0.1]], dtype=torch.float64)
    model = ConditionalGAN(Symbols(p_generator), Table(3, 2), 1, OneHot(2))
    y = torch.arange(2).repeat_interleave(1000)
    x = torch.eye(3, dtype=torch.float64)[
        torch.cat([torch.arange(3).repeat_interleave((row * 1000).long()) for row in p])
    ]
    optimizer = torch.optim.Adam(model.discriminator_parameters(), lr=0.1)
    average = torch.zeros(3, 2, dtype=torch.float64)
    for step in range(400):
        if step == 200:
            optimizer.param_groups[0]["lr"] = 0.005
        optimizer.zero_grad()
        model.discriminator_loss(x, y).loss.backward()
        optimizer.step()
        average += model.discriminator.logits.detach() / 200 * (step >= 200)
    due = (p / (p + p_generator)).T
    torch.testing.assert_close(average.sigmoid(), due, atol=0.01, rtol=0)
    middle = (p + p_generator) / 2
    jensen_shannon = 0.5 * (p * (p / middle).log() + p_generator * (p_generator / middle).log()).sum(1).mean()
    repeated = model.discriminator_loss(x.repeat(50, 1), y.repeat(50)).loss
    torch.testing.assert_close(repeated, 2 * math.log(2) - 2 * jensen_shannon, atol=0.01, rtol=0)


def test_codes():
    labels = torch.tensor([2, 0])
    assert torch.equal(OneHot(3)(labels), torch.tensor([[0, 0, 1], [1, 0, 0]]))
    values = torch.tensor([0.3, -2.0])
    assert torch.equal(Values(1)(values), values[:, None])
    assert torch.equal(Values(2)(values[None]), values[None])
    angle = torch.tensor([0.0, math.pi / 2, math.pi / 6], dtype=torch.float64)
    half, third = math.sqrt(0.5) ** 2, math.sqrt(0.75)
    torch.testing.assert_close(Angle()(angle), torch.tensor([[1, 0], [0, 1], [third, half]], dtype=torch.float64))
    torch.testing.assert_close(
        Angle(math.pi)(angle), torch.tensor([[1, 0], [-1, 0], [half, third]], dtype=torch.float64)
    )
    torch.testing.assert_close(Angle(0.7)(angle), Angle(0.7)(angle + 0.7))


def test_join_repeats_the_code_at_every_pixel():
    x = torch.arange(24.0, dtype=torch.float64).view(2, 1, 3, 4)
    code = torch.tensor([[1, 0], [0, 5]])
    joined = join(x, code)
    assert joined.dtype == torch.float64
    assert torch.equal(joined[:, :1], x)
    for row in range(3):
        for column in range(4):
            assert torch.equal(joined[:, 1:, row, column], code.double())
    points = torch.tensor([[1.5, 2.5], [3.5, 4.5]])
    assert torch.equal(join(points, code), torch.tensor([[1.5, 2.5, 1, 0], [3.5, 4.5, 0, 5]]))


def test_samples_are_of_the_label_asked_for():
    model = linear_cgan()
    noise = torch.randn(3, NOISE_DIM, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    for y, labels in ((2, [2, 2, 2]), (torch.tensor(1), [1, 1, 1]), (torch.tensor([0, 2, 1]), [0, 2, 1])):
        x = model.sample(3, y, torch.Generator().manual_seed(6))
        torch.testing.assert_close(x, model.generate(noise, torch.tensor(labels)).detach())
        assert not x.requires_grad
    of_angle = linear_cgan(Angle())
    x = of_angle.sample(3, torch.tensor(0.4, dtype=torch.float64), torch.Generator().manual_seed(6))
    torch.testing.assert_close(x, of_angle.generate(noise, torch.full((3,), 0.4, dtype=torch.float64)).detach())
    model.keep_average(0.5)
    with torch.no_grad():
        model.generator.bias += 1.0
    y = torch.tensor([0, 2, 1])
    x = model.sample(3, y, torch.Generator().manual_seed(6))
    torch.testing.assert_close(x, model.generate(noise, y).detach() - 1.0)


def test_walks_change_one_thing_and_keep_the_other():
    model = linear_cgan()
    noise, noise_to = torch.randn(2, 2, NOISE_DIM, dtype=torch.float64)
    y, y_to = torch.tensor([0, 1]), torch.tensor([2, 1])
    walk = model.change_condition(noise, y, y_to, 5)
    torch.testing.assert_close(walk[0], model.generate(noise, y).detach())
    torch.testing.assert_close(walk[-1], model.generate(noise, y_to).detach())
    quarter = model.generate_from_code(noise, torch.tensor([[0.75, 0, 0.25], [0, 1, 0]]))
    torch.testing.assert_close(walk[1], quarter.detach())
    walk = model.change_noise(noise, noise_to, y, 3)
    torch.testing.assert_close(walk[0], model.generate(noise, y).detach())
    torch.testing.assert_close(walk[-1], model.generate(noise_to, y).detach())
    cosine = torch.cosine_similarity(noise, noise_to, dim=1)[:, None]
    middle = (noise + noise_to) / (2 + 2 * cosine).sqrt()  # on the arc, halfway
    torch.testing.assert_close(walk[1], model.generate(middle, y).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolutional_networks_train_on_images_and_labels(dtype):
    generator, discriminator = DCGenerator((1, 8, 8), 5 + 10, 4), DCDiscriminator((1 + 10, 8, 8), 4)
    model = ConditionalGAN(generator, discriminator, 5, OneHot(10)).to(dtype)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    x, y = torch.rand(20, 1, 8, 8, dtype=dtype) * 2 - 1, torch.arange(20) % 10
    history = fit_adversarial(model, (x, y), epochs=2, batch_size=10, device="cpu")
    assert len(history.generator_loss) == 4
    assert all(not torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    sample = model.sample(2, torch.tensor([3, 9]))
    assert sample.shape == (2, 1, 8, 8)
    assert sample.dtype == dtype


@pytest.mark.parametrize(
    ("y", "named"),
    [
        (torch.tensor([0, 12]), "0 ... 2, got 12"),
        (torch.tensor([3, 0]), "0 ... 2, got 3"),
        (torch.tensor([-1, 0]), "0 ... 2, got -1"),
        (torch.tensor([[0], [1]]), r"int64 \(B,\), got torch.int64 \(2, 1\)"),
        (torch.tensor([0.0, 1.0]), r"int64 \(B,\), got torch.float32 \(2,\)"),
        (torch.tensor([0, 1, 2]), r"2 examples need codes \(2, E\), got \(3, 3\)"),
    ],
)
def test_wrong_labels_are_named(y, named):
    model, noise = linear_cgan(), torch.zeros(2, NOISE_DIM, dtype=torch.float64)
    x = torch.zeros(2, DATA_DIM, dtype=torch.float64)
    for call in (
        lambda: model.generate(noise, y),
        lambda: model.discriminate(x, y),
        lambda: model.discriminator_loss(x, y),
        lambda: model.generator_loss(x, y),
        lambda: model.sample(2, y),
    ):
        with pytest.raises(ValueError, match=named):
            call()


def test_other_errors():
    model = linear_cgan()
    with pytest.raises(ValueError, match=r"noise must be \(B, 2\), got \(1, 3\)"):
        model.generate(torch.zeros(1, 3), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"the generator makes \(4,\), but an example is \(5,\)"):
        model.discriminator_loss(torch.zeros(1, 5, dtype=torch.float64), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"floats \(B, 2\), got torch.float32 \(4, 3\)"):
        Values(2)(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"floats \(B, 2\), got torch.int64 \(4, 2\)"):
        Values(2)(torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"angles must be floats \(B,\), got torch.int64 \(4,\)"):
        Angle()(torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        OneHot(1)
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        Values(0)
    with pytest.raises(ValueError, match="period must be above 0, got -1"):
        Angle(-1)
