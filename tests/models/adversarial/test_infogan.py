"""InfoGAN: the bound against mutual information by enumeration and quadrature, densities against torch.distributions,
losses written out by hand, and who takes which step."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from course_utils.adversarial_training import fit_adversarial
from course_utils.models.adversarial.dense import SideBySide, TwoHeaded, dense_generator, dense_trunk
from course_utils.models.adversarial.infogan import (
    Codes,
    InfoGAN,
    Posterior,
    categorical_mutual_information,
    gaussian_code_log_prob,
)

NOISE_DIM, DATA_DIM, FEATURE_DIM = 2, 4, 5
CLASSES, VALUES = (3, 2), 2
Q_DIM = sum(CLASSES) + 2 * VALUES

# Of 12 draws of each code, how many come out as each of five symbols.
CHANNEL = torch.tensor([[9, 1, 1, 1, 0], [0, 8, 2, 1, 1], [3, 3, 3, 3, 0], [0, 0, 0, 4, 8]], dtype=torch.float64)


def through_the_channel():
    """All 48 pairs of a code and the symbol that it came out as: their frequencies are the probabilities."""
    pairs = CHANNEL.long().flatten()
    index = torch.arange(20).repeat_interleave(pairs)
    return index // 5, index % 5


def mutual_information():
    joint = CHANNEL / 48
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    return (joint * torch.where(joint > 0, joint / independent, 1.0).log()).sum()


def test_bound_is_the_mutual_information_for_the_true_posterior():
    c, symbol = through_the_channel()
    posterior = (CHANNEL / CHANNEL.sum(0)).T
    found = categorical_mutual_information(posterior.log().clamp(min=-1e4)[symbol], c)
    assert found.shape == ()
    torch.testing.assert_close(found, mutual_information())
    assert 0.3 < found < math.log(4)


def test_bound_falls_short_by_the_divergence_from_the_posterior():
    c, symbol = through_the_channel()
    posterior = (CHANNEL / CHANNEL.sum(0)).T
    weight = CHANNEL.sum(0) / 48
    for _ in range(20):
        logits = 2 * torch.randn(5, 4, dtype=torch.float64)
        found = categorical_mutual_information(logits[symbol] + 3.0, c)
        ratio = torch.where(posterior > 0, posterior / logits.softmax(1), 1.0)
        gap = weight @ (posterior * ratio.log()).sum(1)
        torch.testing.assert_close(found, mutual_information() - gap)
        assert found < mutual_information()
    uniform = categorical_mutual_information(torch.zeros(48, 4, dtype=torch.float64), c)
    torch.testing.assert_close(uniform, torch.zeros_like(uniform))


def test_gradient_of_the_bound_leads_to_the_posterior():
    c, symbol = through_the_channel()
    posterior, weight = (CHANNEL / CHANNEL.sum(0)).T, CHANNEL.sum(0) / 48
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(categorical_mutual_information(logits[symbol], c), logits)
    torch.testing.assert_close(gradient, weight[:, None] * (posterior - logits.softmax(1)))


def test_gaussian_code_agrees_with_torch():
    mu, logvar, c = torch.randn(3, 6, 4, dtype=torch.float64) * 2
    mu[0] += 60 * (0.5 * logvar[0]).exp()
    found = gaussian_code_log_prob(mu, logvar, c)
    torch.testing.assert_close(found, Independent(Normal(mu, (0.5 * logvar).exp()), 1).log_prob(c))
    inputs = [tensor[1:].clone().requires_grad_() for tensor in (mu, logvar, c)]
    assert torch.autograd.gradcheck(gaussian_code_log_prob, inputs)
    narrow = gaussian_code_log_prob(torch.ones(1, 1), torch.full((1, 1), -150.0), torch.ones(1, 1))
    torch.testing.assert_close(narrow, torch.tensor([75.0 - 0.5 * math.log(2 * math.pi)]))


def linear_infogan(heads="shared", num_classes=CLASSES, num_values=VALUES, **weights):
    q_dim = sum(num_classes) + 2 * num_values
    generator = nn.Linear(NOISE_DIM + sum(num_classes) + num_values, DATA_DIM)
    if heads == "shared":
        discriminator = TwoHeaded(nn.Linear(DATA_DIM, FEATURE_DIM), FEATURE_DIM, q_dim)
    else:
        judge = nn.Sequential(nn.Linear(DATA_DIM, 1), nn.Flatten(0))
        discriminator = SideBySide(judge, nn.Linear(DATA_DIM, q_dim))
    return InfoGAN(generator, discriminator, NOISE_DIM, num_classes, num_values, **weights).double()


def judged(model, x):
    """Logits and Q's output by matrix products."""
    if isinstance(model.discriminator, TwoHeaded):
        x = x @ model.discriminator.trunk.weight.T + model.discriminator.trunk.bias
        judge = model.discriminator.head
    else:
        judge = model.discriminator.discriminator[0]
    q = model.discriminator.auxiliary
    return x @ judge.weight[0] + judge.bias, x @ q.weight.T + q.bias


def fake_by_hand(model, size, seed):
    torch.manual_seed(seed)
    noise, codes = model.noise(size), model.codes(size)
    first, second = (torch.eye(K, dtype=torch.float64)[c] for K, c in zip(CLASSES, codes.categories.T, strict=True))
    joined = torch.cat([noise, first, second, codes.values], dim=1)
    return joined @ model.generator.weight.T + model.generator.bias, codes


def log_prob(logits, value):
    return Bernoulli(logits=logits).log_prob(torch.full_like(logits, value)).mean()


def gradients(loss, parameters):
    return torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_discriminator_plays_the_game_of_a_gan(heads):
    model, x = linear_infogan(heads), torch.randn(6, DATA_DIM, dtype=torch.float64)
    torch.manual_seed(2)
    turn = model.discriminator_loss(x)
    fake, _ = fake_by_hand(model, 6, 2)
    (logits_real, _), (logits_fake, _) = judged(model, x), judged(model, fake)
    due = -log_prob(logits_real, 1.0) - log_prob(logits_fake, 0.0)
    torch.testing.assert_close(turn.loss, due)
    torch.testing.assert_close(turn.logits_real, logits_real)
    torch.testing.assert_close(turn.logits_fake, logits_fake)
    parameters = [*model.discriminator_parameters()]
    torch.testing.assert_close(gradients(turn.loss, parameters), gradients(due, parameters))
    assert all(gradient is None for gradient in gradients(turn.loss, model.generator_parameters()))


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_generator_and_q_gain_information(heads):
    model, x = linear_infogan(heads, category_weight=0.7, value_weight=0.2), torch.zeros(6, DATA_DIM)
    torch.manual_seed(3)
    loss = model.generator_loss(x)
    fake, codes = fake_by_hand(model, 6, 3)
    logits, q = judged(model, fake)
    of_first = math.log(3) + Categorical(logits=q[:, :3]).log_prob(codes.categories[:, 0]).mean()
    of_second = math.log(2) + Categorical(logits=q[:, 3:5]).log_prob(codes.categories[:, 1]).mean()
    density = Normal(q[:, 5:7], (0.5 * q[:, 7:9]).exp()).log_prob(codes.values).sum(1)
    of_values = 2 * math.log(2) + density.mean()
    due = -log_prob(logits, 1.0) - 0.7 * (of_first + of_second) - 0.2 * of_values
    torch.testing.assert_close(loss, due)
    parameters = [*model.generator_parameters()]
    torch.testing.assert_close(gradients(loss, parameters), gradients(due, parameters))
    information = model.information(model.split(q), codes)
    torch.testing.assert_close(information, (of_first + of_second, of_values))


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_q_steps_with_the_generator(heads):
    model = linear_infogan(heads)
    with_generator = {id(p) for p in model.generator_parameters()}
    with_discriminator = {id(p) for p in model.discriminator_parameters()}
    assert with_generator == {id(p) for m in (model.generator, model.discriminator.auxiliary) for p in m.parameters()}
    assert with_discriminator == {id(p) for p in model.parameters()} - with_generator


def test_information_of_a_continuous_code_lies_below_the_truth():
    """x = c + noise with c uniform on [-1, 1]: I(c; x) = h(x) - h(noise), by quadrature."""
    model = linear_infogan(num_classes=(), num_values=1)
    grid = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    c = (2 * grid - 1).repeat_interleave(400)
    standard = Normal(torch.zeros((), dtype=torch.float64), 1.0)
    gaps = []
    for scale in (0.5, 0.1, 0.02):
        x = c + scale * standard.icdf(grid).repeat(400)
        x_grid = torch.linspace(-4, 4, 40_001, dtype=torch.float64)
        density = (standard.cdf((x_grid + 1) / scale) - standard.cdf((x_grid - 1) / scale)) / 2
        entropy = -torch.special.xlogy(density, density).sum() * 8 / 40_000
        truth = entropy - standard.entropy() - math.log(scale)
        logvar = torch.full((160_000, 1), 2 * math.log(scale), dtype=torch.float64)
        posterior = Posterior([], x[:, None], logvar)
        empty = torch.empty(160_000, 0, dtype=torch.int64)
        none, found = model.information(posterior, Codes(empty, c[:, None]))
        assert none == 0
        gaps.append((truth - found).item())
    # Inside the interval Q is the true posterior; a share of about `scale` lies near the ends, where it is not.
    assert all(0.1 * scale < gap < 1.0 * scale for scale, gap in zip((0.5, 0.1, 0.02), gaps, strict=True)), gaps


def test_codes_are_uniform():
    model = linear_infogan()
    categories, values = model.codes(30_000)
    for column, classes in zip(categories.T, CLASSES, strict=True):
        share = column.bincount(minlength=classes) / 30_000
        assert len(share) == classes
        assert ((share - 1 / classes).abs() < 5 * (1 / classes * (1 - 1 / classes) / 30_000) ** 0.5).all()
    assert values.shape == (30_000, VALUES)
    assert values.abs().max() <= 1
    uniform = (values.sort(0).values + 1) / 2
    distance = (uniform - torch.linspace(0, 1, 30_000, dtype=torch.float64)[:, None]).abs().max()
    assert distance < 2.2 / 30_000**0.5  # Kolmogorov and Smirnov, one in 10,000
    assert torch.corrcoef(torch.cat([values, categories], 1).T).triu(1).abs().max() < 5 / 30_000**0.5


def test_generator_uses_every_code():
    model = linear_infogan()
    noise = torch.randn(1, NOISE_DIM, dtype=torch.float64)
    values = torch.randn(VALUES, dtype=torch.float64)
    categories = torch.tensor([[1, 0]])
    jacobian = torch.autograd.functional.jacobian(
        lambda v: model.generate(noise, Codes(categories, v[None]))[0], values
    )
    weight = model.generator.weight
    torch.testing.assert_close(jacobian, weight[:, -VALUES:])
    for first, second in ((0, 0), (2, 0), (1, 1)):
        there, here = (
            model.generate(noise, Codes(torch.tensor([c]), values[None]))[0] for c in ((first, second), (1, 0))
        )
        due = weight[:, 2 + first] - weight[:, 3] + weight[:, 5 + second] - weight[:, 5]
        torch.testing.assert_close(there - here, due)


def test_infer_and_sample():
    model = linear_infogan()
    x = torch.randn(8, DATA_DIM, dtype=torch.float64)
    q = judged(model, x)[1]
    categories, values = model.infer(x)
    assert torch.equal(categories, torch.stack([q[:, :3].argmax(1), q[:, 3:5].argmax(1)], dim=1))
    torch.testing.assert_close(values, q[:, 5:7].detach())
    codes = model.codes(3)
    samples = model.sample(3, codes, torch.Generator().manual_seed(4))
    noise = torch.randn(3, NOISE_DIM, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    torch.testing.assert_close(samples, model.generate(noise, codes).detach())
    assert not samples.requires_grad
    fresh = torch.Generator().manual_seed(4)
    noise, codes = model.noise(3, fresh), model.codes(3, fresh)
    samples = model.sample(3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(samples, model.generate(noise, codes).detach())
    model.keep_average(0.5)
    with torch.no_grad():
        model.generator.bias += 1.0
    averaged = model.sample(3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(averaged, samples)


@pytest.mark.parametrize(("num_classes", "num_values"), [((10,), 0), ((), 1), ((4, 3), 2)])
def test_it_trains_on_images_alone(num_classes, num_values):
    discriminator = TwoHeaded(dense_trunk((1, 4, 4), 8), 8, sum(num_classes) + 2 * num_values)
    generator = dense_generator(3 + sum(num_classes) + num_values, (1, 4, 4), 8)
    model = InfoGAN(generator, discriminator, 3, num_classes, num_values)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    x = torch.rand(20, 1, 4, 4) * 2 - 1
    fit_adversarial(model, x, epochs=1, batch_size=10, device="cpu")
    assert all(not torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    categories, values = model.infer(x)
    assert categories.shape == (20, len(num_classes))
    assert values.shape == (20, num_values)
    assert model.sample(5).shape == (5, 1, 4, 4)


def test_errors():
    model = linear_infogan()
    noise = torch.zeros(2, NOISE_DIM, dtype=torch.float64)
    categories, values = torch.tensor([[0, 0], [1, 1]]), torch.zeros(2, VALUES, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"0 \.\.\. 2, got 7"):
        model.generate(noise, Codes(categories + torch.tensor([[0, 0], [6, 0]]), values))
    with pytest.raises(ValueError, match=r"categories must be \(B, 2\), got \(2, 1\)"):
        model.sample(2, Codes(categories[:, :1], values))
    with pytest.raises(ValueError, match=r"values must be \(2, 2\), got \(2, 1\)"):
        model.generate(noise, Codes(categories, values[:, :1]))
    with pytest.raises(ValueError, match=r"2 examples need codes \(2, E\), got \(1, 7\)"):
        model.sample(2, Codes(categories[:1], values[:1]))
    with pytest.raises(ValueError, match=r"noise must be \(B, 2\), got \(2, 3\)"):
        model.generate(torch.zeros(2, 3), Codes(categories, values))
    with pytest.raises(ValueError, match=rf"Q must return \(B, {Q_DIM}\), got \(2, 5\)"):
        model.split(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"the generator makes \(4,\), but an example is \(5,\)"):
        model.discriminator_loss(torch.zeros(2, 5, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"num_classes \(\) and num_values 0"):
        InfoGAN(nn.Identity(), nn.Identity(), NOISE_DIM, (), 0)
    with pytest.raises(ValueError, match=r"num_classes \(1,\)"):
        linear_infogan(num_classes=(1,))
    with pytest.raises(ValueError, match=r"got 1\.0 and -0\.5"):
        linear_infogan(value_weight=-0.5)
    with pytest.raises(ValueError, match=r"q_logits must be \(B, K\) and c \(B,\), got \(2, 3\) and \(2, 1\)"):
        categorical_mutual_information(torch.zeros(2, 3), torch.zeros(2, 1).long())
    with pytest.raises(ValueError, match=r"shapes must be equal, got mu \(2, 3\)"):
        gaussian_code_log_prob(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 1))
