"""The small dense networks against their layers written out, and what the two heads share."""

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.adversarial.dense import (
    SideBySide,
    TwoHeaded,
    dense_discriminator,
    dense_generator,
    dense_trunk,
)

SHAPE = (2, 3, 4)


def linears(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def test_generator_is_linear_layers_with_batch_norm_and_tanh():
    network = dense_generator(5, SHAPE, hidden_dim=6, num_layers=2).double()
    joined = torch.randn(7, 5, dtype=torch.float64)
    h, (first, second, last) = joined, linears(network)
    for layer in (first, second):
        h = layer(h)
        h = ((h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(network(joined), torch.tanh(last(h)).view(7, *SHAPE))


def test_discriminator_is_a_trunk_and_a_head():
    network = dense_discriminator(SHAPE, hidden_dim=6, num_layers=2).double()
    x = torch.randn(7, *SHAPE, dtype=torch.float64)
    h, (first, second, head) = x.flatten(1), linears(network)
    for layer in (first, second):
        h = torch.where(layer(h) > 0, layer(h), 0.2 * layer(h))
    torch.testing.assert_close(network(x), (h @ head.weight[0]) + head.bias)


def test_two_heads_share_a_trunk_and_two_networks_share_nothing():
    x = torch.randn(7, *SHAPE, dtype=torch.float64)
    trunk = dense_trunk(SHAPE, 6).double()
    shared = TwoHeaded(trunk, 6, 3).double()
    logits, auxiliary = shared(x)
    torch.testing.assert_close(logits, F.linear(trunk(x), shared.head.weight, shared.head.bias)[:, 0])
    torch.testing.assert_close(auxiliary, F.linear(trunk(x), shared.auxiliary.weight, shared.auxiliary.bias))
    for output in (logits, auxiliary):
        reached = torch.autograd.grad(output.sum(), [*trunk.parameters()], retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in reached)

    judge, other = dense_discriminator(SHAPE, 6).double(), nn.Sequential(nn.Flatten(), nn.Linear(24, 3)).double()
    x.requires_grad_()
    logits, auxiliary = SideBySide(judge, other)(x)
    torch.testing.assert_close(logits, judge(x))
    torch.testing.assert_close(auxiliary, other(x))
    torch.testing.assert_close(torch.autograd.grad(auxiliary.sum(), x)[0], torch.autograd.grad(other(x).sum(), x)[0])
