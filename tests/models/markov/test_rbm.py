"""The RBM against enumeration of all its states."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neural_network import BernoulliRBM

from course_utils.models.markov.rbm import RBM
from course_utils.training import fit

DOUBLE = torch.float64


def machine(num_visible=4, num_hidden=3, scale=1.0, **settings):
    model = RBM(num_visible, num_hidden, **settings).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, dtype=DOUBLE, generator=generator))
    return model


def states(num_units):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=num_units)), dtype=DOUBLE)


def joint(model):
    """p(x, h) of all states, by the definition: a table (2^V, 2^H)."""
    b, c, w = (p.detach().numpy() for p in (model.visible_bias, model.hidden_bias, model.weight))
    xs, hs = states(len(b)).numpy(), states(len(c)).numpy()
    table = np.array([[math.exp(b @ x + c @ h + x @ w @ h) for h in hs] for x in xs])
    return table / table.sum(), table.sum()


def test_probabilities_equal_enumeration():
    model = machine()
    table, partition = joint(model)
    xs, hs = states(4), states(3)
    np.testing.assert_allclose(model.log_partition().item(), math.log(partition))
    np.testing.assert_allclose(model.log_prob(xs).exp().detach().numpy(), table.sum(1))
    np.testing.assert_allclose(model.hidden_probs(xs).detach().numpy(), table @ hs.numpy() / table.sum(1)[:, None])
    by_h = table.sum(0)[:, None]
    np.testing.assert_allclose(model.visible_probs(hs).detach().numpy(), table.T @ xs.numpy() / by_h)
    pairs = model.energy(xs.repeat_interleave(8, 0), hs.repeat(16, 1)).view(16, 8)
    np.testing.assert_allclose((-pairs).exp().detach().numpy() / partition, table)


@pytest.mark.parametrize("sizes", [(3, 6), (6, 3)])
def test_partition_function_from_either_layer(sizes):
    model = machine(*sizes)
    assert model.log_partition().item() == pytest.approx(math.log(joint(model)[1]))


def test_free_energy_equals_scikit_learns():
    model = machine(5, 4)
    oracle = BernoulliRBM(4)
    oracle.components_ = model.weight.T.detach().numpy()
    oracle.intercept_hidden_ = model.hidden_bias.detach().numpy()
    oracle.intercept_visible_ = model.visible_bias.detach().numpy()
    x = states(5)
    np.testing.assert_allclose(model.free_energy(x).detach().numpy(), oracle._free_energy(x.numpy()))


def test_loss_gradient_with_perfect_chains_is_that_of_the_likelihood():
    """With chains that stand at all states in proportion to p(x), contrastive divergence is maximum likelihood."""
    model = machine()
    data = states(4)[[1, 1, 5, 14]]
    negative = -model.log_prob(data).mean()
    exact = torch.autograd.grad(negative, list(model.parameters()))
    probabilities = model.log_prob(states(4)).exp().detach()
    surrogate = model.free_energy(data).mean() - probabilities @ model.free_energy(states(4))
    for ours, due in zip(torch.autograd.grad(surrogate, list(model.parameters())), exact, strict=True):
        torch.testing.assert_close(ours, due)

    drawn = torch.multinomial(probabilities, 200_000, replacement=True)
    model = machine(num_chains=200_000)
    model.chains = states(4)[drawn]
    sampled = torch.autograd.grad(model.loss(data), list(model.parameters()))
    for ours, due in zip(sampled, exact, strict=True):
        assert (ours - due).abs().max() < 5 * 0.5 / math.sqrt(200_000)


def test_gibbs_chains_tend_to_the_model():
    model = machine(scale=0.7)
    drawn = model.sample(40_000, num_steps=60, generator=torch.Generator().manual_seed(1))
    counts = torch.bincount((drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=DOUBLE)).long(), minlength=16)
    expected = model.log_prob(states(4)).exp().detach().numpy() * 40_000
    assert stats.chisquare(counts.numpy(), expected).pvalue > 1e-4


def test_chains_start_at_the_data_or_go_on():
    model = machine(num_chains=3, num_steps=2)
    before = model.chains.clone()
    model.loss(states(4))
    assert not torch.equal(before, model.chains)
    with torch.no_grad():  # weights so strong that a chain cannot leave its start
        stuck = machine(2, 2, num_steps=5)
        stuck.weight.copy_(200 * torch.eye(2))
        stuck.visible_bias.fill_(-100.0)
        stuck.hidden_bias.fill_(-100.0)
        assert stuck.loss(states(2)).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.training
@pytest.mark.parametrize(("num_chains", "lr", "worst"), [(0, 0.05, 2.7), (200, 0.02, 3.2)])
def test_training_raises_the_exact_likelihood(num_chains, lr, worst, training_seeds, claim):
    """Rows of a 3x3 picture, all on or all off: coin flips give them 9 log 2 = 6.24 nats, the truth 3 log 2 = 2.08."""
    rows = states(3).repeat_interleave(3, dim=1).float().repeat(25, 1)
    found = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        model = RBM(9, 8, num_steps=5, num_chains=num_chains)
        fit(model, rows, epochs=400, batch_size=200, lr=lr, seed=seed, cosine=True)
        found.append(-model.log_prob(rows).mean().item())
    claim(f"negative log-likelihood in nats, {num_chains} lasting chains", found, 3 * math.log(2), worst)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"x must be \(B, 4\), got \(2, 3\)"):
        machine().loss(torch.zeros(2, 3, dtype=DOUBLE))
    with pytest.raises(ValueError, match=r"zeros and ones, got other values between 0.5 and 0.5"):
        machine().log_prob(torch.full((2, 4), 0.5, dtype=DOUBLE))
    with pytest.raises(ValueError, match="at most 20 units, got 21 visible, 22 hidden"):
        RBM(21, 22).log_partition()
    with pytest.raises(ValueError, match="at least one visible unit"):
        RBM(0, 3)
