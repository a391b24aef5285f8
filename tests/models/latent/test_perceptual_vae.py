"""The perceptual VAE against its terms written out, and its feature network, which must not move."""

import copy

import pytest
import torch
import torch.nn.functional as F

from course_utils.models.latent.perceptual_vae import FeatureNet, PerceptualVAE, perceptual_distance
from course_utils.models.latent.vae import VAE, dense_vae, reparameterize
from course_utils.training import fit


@pytest.fixture
def net():
    torch.manual_seed(0)
    return FeatureNet((2, 4, 6), num_classes=3, hidden_dim=4).double()


@pytest.fixture
def x():
    return torch.rand(5, 2, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def build(net, **settings):
    torch.manual_seed(2)
    return dense_vae((2, 4, 6), 3, 16, 1, model=PerceptualVAE, feature_net=net, **settings).double()


def test_distance_is_half_the_mean_square_of_each_layer():
    first, second = torch.randn(2, 3, 2, 2, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    first_hat, second_hat = torch.randn_like(first), torch.randn_like(second)
    due = [
        ((first[b] - first_hat[b]) ** 2).sum() / (2 * 12) + ((second[b] - second_hat[b]) ** 2).sum() / (2 * 5)
        for b in range(2)
    ]
    torch.testing.assert_close(perceptual_distance([first, second], [first_hat, second_hat]), torch.stack(due))


def test_feature_net_layers_and_loss(net, x):
    y = torch.tensor([0, 2, 1, 1, 0])
    first, second = net.features(x)
    pre_first = F.conv2d(x, net.first.weight, net.first.bias, padding=1)
    torch.testing.assert_close(first, pre_first * torch.sigmoid(pre_first))
    pre_second = F.conv2d(first, net.second.weight, net.second.bias, stride=2, padding=1)
    torch.testing.assert_close(second, pre_second * torch.sigmoid(pre_second))
    assert second.shape == (5, 8, 2, 3)
    logits = second.reshape(5, -1) @ net.head.weight.T + net.head.bias
    due = -torch.distributions.Categorical(logits=logits).log_prob(y).mean()
    torch.testing.assert_close(net.loss(x, y), due)


def test_loss_is_the_sum_of_its_three_terms(net, x):
    model = build(net, feature_weight=7.0, pixel_weight=0.3)
    torch.manual_seed(3)
    loss = model.loss(x)
    torch.manual_seed(3)
    mu, logvar = model.encode(x)
    logits = model.decode(reparameterize(mu, logvar))
    log_px = torch.distributions.Independent(
        torch.distributions.Bernoulli(logits=logits, validate_args=False), 3
    ).log_prob(x)
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    distance = perceptual_distance(net.features(x), net.features(torch.sigmoid(logits)))
    assert distance.min() > 1e-4
    torch.testing.assert_close(loss, (-0.3 * log_px + 7.0 * distance + kl).mean())


def test_without_features_it_is_the_vae(net, x):
    model = build(net, feature_weight=0.0)
    torch.manual_seed(4)
    loss, bound = model.loss(x), model.elbo(x)
    torch.manual_seed(4)
    plain = VAE.loss(model, x)
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(bound, VAE.elbo(model, x))


def test_gradient_passes_through_the_features_to_the_reconstruction(net, x):
    model = build(net)
    x_hat = torch.rand_like(x).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: model.perceptual_distance(x, image), x_hat)
    torch.testing.assert_close(model.perceptual_distance(x, x), torch.zeros(5, dtype=torch.float64))


def test_training_moves_neither_the_copy_nor_the_network_that_came_in(net, x):
    before = copy.deepcopy(net.state_dict())
    model = build(net)
    decoder_before = model.decoder[0].weight.detach().clone()
    fit(model, x, epochs=2, batch_size=5, lr=0.1)
    for name, value in before.items():
        assert torch.equal(model.feature_net.state_dict()[name], value)
        assert torch.equal(net.state_dict()[name], value)
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not torch.equal(model.decoder[0].weight, decoder_before)


def test_training_brings_features_nearer_than_pixels_alone_do():
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(32, 1, 4, 4, generator=generator).round()
    torch.manual_seed(6)
    net = FeatureNet((1, 4, 4), 2, 4)
    distances = {}
    for weight in (0.0, 10_000.0):
        torch.manual_seed(7)
        model = dense_vae((1, 4, 4), 2, 32, 1, model=PerceptualVAE, feature_net=net, feature_weight=weight)
        fit(model, x, epochs=100, batch_size=32, lr=5e-3)
        distances[weight] = model.perceptual_distance(x, model.reconstruct(x)).mean()
    assert distances[10_000.0] < 0.8 * distances[0.0]


def test_errors_name_what_came(net):
    with pytest.raises(ValueError, match="even sides, got 5x4"):
        FeatureNet((1, 5, 4))
    with pytest.raises(ValueError, match="even sides, got 4x7"):
        FeatureNet((1, 4, 7))
    with pytest.raises(ValueError, match=r"at least 0, got -1.0 and 1.0"):
        build(net, feature_weight=-1.0)
    with pytest.raises(ValueError, match=r"same layers of features, got \[\(2, 3\)\] and \[\(2, 4\)\]"):
        perceptual_distance([torch.zeros(2, 3)], [torch.zeros(2, 4)])
    with pytest.raises(ValueError, match="same layers"):
        perceptual_distance([], [])
