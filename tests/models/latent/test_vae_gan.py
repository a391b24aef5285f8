"""VAE-GAN: the three losses against torch.distributions, and who moves whom."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from course_utils.models.latent.vae import reparameterize
from course_utils.models.latent.vae_gan import NETWORKS, VAEGAN, Discriminator, make_optimizers, train_step


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = VAEGAN((2, 4, 6), latent_dim=3, hidden_dim=16, discriminator_dim=4, gamma=0.7).double()
    with torch.no_grad():  # away from the small last layers of the start, so that every term counts
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


@pytest.fixture
def x():
    return torch.rand(5, 2, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def cross_entropy(logits, target):
    return -Bernoulli(logits=logits).log_prob(torch.full_like(logits, target))


def error(model, x, x_hat):
    """Half the squared distance of pixels and features, from the density of unit Gaussians."""
    phi, phi_hat = model.discriminator.features(x), model.discriminator.features(x_hat)
    pixels = Independent(Normal(x_hat, 1.0), 3)
    features = Independent(Normal(phi_hat, 1.0), 3)
    return pixels.log_prob(x_hat) - pixels.log_prob(x) + features.log_prob(phi_hat) - features.log_prob(phi)


def test_discriminator_is_two_convolutions_and_a_linear_layer(x):
    torch.manual_seed(2)
    net = Discriminator((2, 4, 6), 4).double()
    first = F.conv2d(x, net.first.weight, net.first.bias, padding=1)
    first = torch.where(first > 0, first, 0.2 * first)
    phi = F.conv2d(first, net.second.weight, net.second.bias, stride=2, padding=1)
    phi = torch.where(phi > 0, phi, 0.2 * phi)
    torch.testing.assert_close(net.features(x), phi)
    torch.testing.assert_close(net(x), phi.reshape(5, -1) @ net.head.weight[0] + net.head.bias)


def test_fakes_are_reconstructions_then_draws_from_the_prior(model, x):
    torch.manual_seed(3)
    fakes, x_hat = model.fakes(x)
    torch.manual_seed(3)
    z_q = reparameterize(*model.encode(x))
    z_p = torch.randn_like(z_q)
    torch.testing.assert_close(fakes, torch.cat([model.decode(z_q), model.decode(z_p)]))
    torch.testing.assert_close(x_hat, model.decode(z_q))


def test_encoder_loss(model, x):
    torch.manual_seed(4)
    loss = model.encoder_loss(x)
    torch.manual_seed(4)
    mu, logvar = model.encode(x)
    x_hat = model.decode(reparameterize(mu, logvar))
    kl = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(loss, (error(model, x, x_hat) + kl).mean())


def test_decoder_loss(model, x):
    torch.manual_seed(5)
    loss = model.decoder_loss(x)
    torch.manual_seed(5)
    fakes, x_hat = model.fakes(x)
    verdict = cross_entropy(model.discriminator(fakes), 1.0)
    torch.testing.assert_close(loss, (0.7 * error(model, x, x_hat) + verdict[:5] + verdict[5:]).mean())


def test_discriminator_loss(model, x):
    torch.manual_seed(6)
    loss = model.discriminator_loss(x)
    torch.manual_seed(6)
    fakes, _ = model.fakes(x)
    on_real = cross_entropy(model.discriminator(x), 1.0)
    on_fake = cross_entropy(model.discriminator(fakes), 0.0)
    torch.testing.assert_close(loss, (on_real + on_fake[:5] + on_fake[5:]).mean())


def gradients(model, name):
    return [parameter.grad for parameter in getattr(model, name).parameters()]


def test_no_gradient_leaks_where_it_is_not_due(model, x):
    model.discriminator_loss(x).backward()
    assert all(grad is None for name in ("encoder", "decoder") for grad in gradients(model, name))
    assert all(grad is not None for grad in gradients(model, "discriminator"))
    model.zero_grad()
    model.decoder_loss(x).backward()
    assert all(grad is None for grad in gradients(model, "encoder"))
    assert all(grad.abs().sum() > 0 for grad in gradients(model, "decoder"))


@pytest.mark.parametrize("mover", NETWORKS)
def test_each_step_moves_its_own_network_down_its_own_gradient(model, x, mover):
    """With the others' learning rates at 0, two steps must be plain gradient descent on one loss."""
    lr = 0.01
    optimizers = {
        name: torch.optim.SGD(getattr(model, name).parameters(), lr=lr if name == mover else 0.0) for name in NETWORKS
    }
    before = copy.deepcopy(model)
    plain = copy.deepcopy(model)
    torch.manual_seed(7)
    losses = [train_step(model, x, optimizers) for _ in range(2)]
    torch.manual_seed(7)
    for step in range(2):
        for name in NETWORKS:
            loss = getattr(plain, f"{name}_loss")(x)
            assert losses[step][name] == pytest.approx(loss.item(), rel=1e-12)
            if name == mover:
                parameters = list(getattr(plain, name).parameters())
                with torch.no_grad():
                    for parameter, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                        parameter -= lr * grad
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, plain.get_parameter(name))
        assert torch.equal(parameter, before.get_parameter(name)) == (not name.startswith(mover))


def test_optimizers_cover_every_parameter_once(model):
    optimizers = make_optimizers(model, lr=2e-3)
    covered = [p for o in optimizers.values() for group in o.param_groups for p in group["params"]]
    assert {id(p) for p in covered} == {id(p) for p in model.parameters()}
    assert len(covered) == len(set(covered))
    for name, optimizer in optimizers.items():
        (group,) = optimizer.param_groups
        assert group["lr"] == 2e-3
        assert group["betas"] == (0.5, 0.999)
        assert {id(p) for p in group["params"]} == {id(p) for p in getattr(model, name).parameters()}


def test_training_reconstructs_and_fools_the_discriminator():
    generator = torch.Generator().manual_seed(8)
    centre = torch.tensor([0.15, 0.85])[torch.randint(2, (256, 1, 1, 1), generator=generator)]
    x = (centre + 0.05 * torch.randn(256, 1, 4, 4, generator=generator)).clamp(0, 1)
    torch.manual_seed(9)
    model = VAEGAN((1, 4, 4), latent_dim=2, hidden_dim=32, discriminator_dim=4)
    optimizers = make_optimizers(model, lr=2e-3)
    error_before = ((model.reconstruct(x) - x) ** 2).mean()
    for _ in range(60):
        for batch in x.split(64):
            train_step(model, batch, optimizers)
    assert ((model.reconstruct(x) - x) ** 2).mean() < 0.3 * error_before
    means = model.sample(400).flatten(1).mean(1)
    assert (means < 0.35).float().mean() > 0.2
    assert (means > 0.65).float().mean() > 0.2


def test_sample_and_means(model, x):
    torch.manual_seed(10)
    samples = model.sample(7)
    torch.manual_seed(10)
    torch.testing.assert_close(samples, model.decode_mean(torch.randn(7, 3, dtype=torch.float64)))
    torch.testing.assert_close(model.reconstruct(x), model.decode(model.encode(x)[0]))
    assert samples.shape == (7, 2, 4, 6)
    assert 0 <= samples.min() <= samples.max() <= 1
    assert not samples.requires_grad


def test_errors_name_what_came(model):
    with pytest.raises(ValueError, match="even sides, got 4x5"):
        VAEGAN((1, 4, 5))
    with pytest.raises(ValueError, match="gamma must be at least 0, got -1"):
        VAEGAN((1, 4, 4), gamma=-1)
    with pytest.raises(ValueError, match=r"images \(2, 4, 6\), got x \(5, 1, 4, 6\)"):
        model.encode(torch.zeros(5, 1, 4, 6, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got values from -1 to -1"):
        model.encode(-torch.ones(5, 2, 4, 6, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"z must be \(B, 3\), got \(5, 4\)"):
        model.decode(torch.zeros(5, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        model.sample(0)
