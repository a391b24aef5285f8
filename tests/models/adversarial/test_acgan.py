"""ACGAN: both players' losses written out by hand, who gets which gradient, and the best classifier by enumeration."""

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical

from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.acgan import ACGAN, SaturatingACGAN
from course_utils.models.adversarial.dense import (
    SideBySide,
    TwoHeaded,
    dense_discriminator,
    dense_generator,
    dense_trunk,
)
from tests.models.adversarial.symbols import Symbols

CLASSES, NOISE_DIM, DATA_DIM, FEATURE_DIM = 3, 2, 4, 5


def two_headed():
    return TwoHeaded(nn.Linear(DATA_DIM, FEATURE_DIM), FEATURE_DIM, CLASSES)


def side_by_side():
    judge = nn.Sequential(nn.Linear(DATA_DIM, 1), nn.Flatten(0))
    return SideBySide(judge, nn.Linear(DATA_DIM, CLASSES))


def linear_acgan(discriminator, model=ACGAN, class_weight=1.0):
    generator = nn.Linear(NOISE_DIM + CLASSES, DATA_DIM)
    return model(generator, discriminator, NOISE_DIM, CLASSES, class_weight).double()


def verdicts(discriminator, x):
    """Logits and class logits by matrix products."""
    if isinstance(discriminator, TwoHeaded):
        x = x @ discriminator.trunk.weight.T + discriminator.trunk.bias
        judge, auxiliary = discriminator.head, discriminator.auxiliary
    else:
        judge, auxiliary = discriminator.discriminator[0], discriminator.auxiliary
    return x @ judge.weight[0] + judge.bias, x @ auxiliary.weight.T + auxiliary.bias


def terms(model, x, y, seed):
    """The four expectations of the paper: E log P(real | x), E log P(fake | G), E log P(y | x), E log P(y | G)."""
    torch.manual_seed(seed)
    noise = torch.randn(len(x), NOISE_DIM, dtype=torch.float64)
    joined = torch.cat([noise, torch.eye(CLASSES, dtype=torch.float64)[y]], dim=1)
    fake = joined @ model.generator.weight.T + model.generator.bias
    (real_logits, real_classes), (fake_logits, fake_classes) = (verdicts(model.discriminator, v) for v in (x, fake))
    source_real = Bernoulli(logits=real_logits).log_prob(torch.ones(len(x), dtype=torch.float64)).mean()
    source_fake = Bernoulli(logits=fake_logits).log_prob(torch.zeros(len(x), dtype=torch.float64)).mean()
    class_real, class_fake = (Categorical(logits=c).log_prob(y).mean() for c in (real_classes, fake_classes))
    return source_real, source_fake, class_real, class_fake, real_logits, fake_logits


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(7, DATA_DIM, generator=generator, dtype=torch.float64)
    return x, torch.randint(CLASSES, (7,), generator=generator)


def gradients(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)


@pytest.mark.parametrize("discriminator", [two_headed, side_by_side])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_discriminator_maximises_source_and_class_on_real_and_fake(discriminator, weight, batch):
    model = linear_acgan(discriminator(), class_weight=weight)
    torch.manual_seed(2)
    turn = model.discriminator_loss(*batch)
    source_real, source_fake, class_real, class_fake, real_logits, fake_logits = terms(model, *batch, 2)
    due = -(source_real + source_fake + weight * (class_real + class_fake))
    torch.testing.assert_close(turn.loss, due)
    torch.testing.assert_close(turn.logits_real, real_logits)
    torch.testing.assert_close(turn.logits_fake, fake_logits)
    torch.testing.assert_close(gradients(turn.loss, model.discriminator), gradients(due, model.discriminator))
    assert all(gradient is not None for gradient in gradients(turn.loss, model.discriminator))
    assert gradients(turn.loss, model.generator) == (None, None)


@pytest.mark.parametrize("discriminator", [two_headed, side_by_side])
def test_generator_maximises_class_less_source(discriminator, batch):
    model = linear_acgan(discriminator(), SaturatingACGAN)
    torch.manual_seed(3)
    loss = model.generator_loss(*batch)
    source_real, source_fake, class_real, class_fake, *_ = terms(model, *batch, 3)
    due = -((class_real + class_fake) - (source_real + source_fake))
    # The terms of real examples are constants to the generator; its loss leaves them out.
    torch.testing.assert_close(loss, due - source_real + class_real)
    torch.testing.assert_close(gradients(loss, model.generator), gradients(due, model.generator))


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_usual_generator_takes_the_non_saturating_source(weight, batch):
    model = linear_acgan(two_headed(), class_weight=weight)
    torch.manual_seed(4)
    loss = model.generator_loss(*batch)
    *_, class_fake, _, fake_logits = terms(model, *batch, 4)
    real = Bernoulli(logits=fake_logits).log_prob(torch.ones(7, dtype=torch.float64)).mean()
    torch.testing.assert_close(loss, -real - weight * class_fake)


def test_verdicts_are_those_of_the_two_heads(batch):
    x, y = batch
    for model in (linear_acgan(two_headed()), linear_acgan(side_by_side())):
        logits, classes = verdicts(model.discriminator, x)
        torch.testing.assert_close(model.classify(x), classes)
        torch.testing.assert_close(model.discriminate(x, y), logits)


def test_trained_classifier_is_the_posterior_of_data_and_fakes_together():
    """Its best answer is P(y | x) under half data and half fakes, since it is judged on both."""
    p = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], dtype=torch.float64)
    p_generator = torch.tensor([[0.2, 0.7, 0.1], [0.2, 0.1, 0.7]], dtype=torch.float64)
    heads = SideBySide(nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)), nn.Linear(3, 2, bias=False))
    model = ACGAN(Symbols(p_generator), heads, 1, 2).double()
    y = torch.arange(2).repeat_interleave(1000)
    symbols = torch.cat([torch.arange(3).repeat_interleave((row * 1000).long()) for row in p])
    x = torch.eye(3, dtype=torch.float64)[symbols]
    optimizer = torch.optim.Adam(model.discriminator_parameters(), lr=0.1)
    average = torch.zeros(3, 2, dtype=torch.float64)
    for step in range(300):
        if step == 150:
            optimizer.param_groups[0]["lr"] = 0.005
        optimizer.zero_grad()
        model.discriminator_loss(x, y).loss.backward()
        optimizer.step()
        average += model.classify(torch.eye(3, dtype=torch.float64)).detach() / 150 * (step >= 150)
    due = (p + p_generator) / (p + p_generator).sum(0)
    torch.testing.assert_close(average.softmax(1), due.T, atol=0.01, rtol=0)


def test_it_trains_on_images_and_labels():
    trunk = dense_trunk((1, 4, 4), 8)
    shared = TwoHeaded(trunk, 8, CLASSES)
    separate = SideBySide(dense_discriminator((1, 4, 4), 8), nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES)))
    x, y = torch.rand(20, 1, 4, 4) * 2 - 1, torch.arange(20) % CLASSES
    for discriminator in (shared, separate):
        model = ACGAN(dense_generator(2 + CLASSES, (1, 4, 4), 8), discriminator, 2, CLASSES)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        fit_adversarial(model, (x, y), epochs=1, batch_size=10, device="cpu")
        assert all(not torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
        assert model.sample(4, 1).shape == (4, 1, 4, 4)


def test_errors(batch):
    x, y = batch
    model = linear_acgan(two_headed())
    with pytest.raises(ValueError, match=r"labels must lie in 0 \.\.\. 2, got 5"):
        model.discriminator_loss(x, torch.full_like(y, 5))
    with pytest.raises(ValueError, match=r"the generator makes \(4,\), but an example is \(3,\)"):
        model.discriminator_loss(x[:, :3], y)
    with pytest.raises(ValueError, match="class_weight must be at least 0, got -1"):
        linear_acgan(two_headed(), class_weight=-1)
