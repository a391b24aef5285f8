"""The GSN: corruption's law, the stationary law of its chain on a space that can be listed, and walkback."""

import itertools
import math

import pytest
import torch
from scipy import stats
from torch import nn

from course_utils.models.markov.gsn import GSN, corrupt
from course_utils.training import fit

DOUBLE = torch.float64
STATES = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=DOUBLE)
DATA = torch.tensor([0.3, 0.02, 0.1, 0.05, 0.05, 0.18, 0.05, 0.25], dtype=DOUBLE)  # p(x) of the eight states
RATE = 0.5


def corruption_table(rate):
    """C(x~ | x), (8, 8): a value stays with probability 1 - rate / 2."""
    same = (STATES[:, None] == STATES).sum(2)
    return (1 - rate / 2) ** same.double() * (rate / 2) ** (3.0 - same)


def test_corruption_has_its_law():
    x = STATES[[1]].expand(80_000, 3)
    drawn = corrupt(x, RATE, torch.Generator().manual_seed(0))
    counts = torch.bincount((drawn @ torch.tensor([4.0, 2.0, 1.0], dtype=DOUBLE)).long(), minlength=8)
    assert stats.chisquare(counts.numpy(), 80_000 * corruption_table(RATE)[1].numpy()).pvalue > 1e-4
    torch.testing.assert_close(corrupt(x, 0.0), x)


class Oracle(nn.Module):
    """The best denoiser of independent values: logits of p(x_i = 1 | x~), by enumeration."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=DOUBLE))

    def forward(self, x):
        joint = DATA[:, None] * corruption_table(RATE)
        posterior = joint / joint.sum(0)
        index = (x @ torch.tensor([4.0, 2.0, 1.0], dtype=DOUBLE)).long()
        return torch.logit(posterior.T[index] @ STATES) * self.scale


def transition_table():
    """P(x' | x) of the chain with the oracle: sum over x~ of C(x~ | x) times the product of Bernoullis."""
    probs = torch.sigmoid(Oracle()(STATES)).detach()
    denoise = torch.where(STATES == 1, probs[:, None], 1 - probs[:, None]).prod(2)  # (x~, x')
    return corruption_table(RATE) @ denoise


def test_chain_has_the_stationary_law_of_its_transition_table():
    model = GSN(3, rate=RATE, denoiser=Oracle())
    drawn = model.sample(40_000, num_steps=40, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount((drawn @ torch.tensor([4.0, 2.0, 1.0], dtype=DOUBLE)).long(), minlength=8)
    law = torch.full((8,), 1 / 8, dtype=DOUBLE) @ torch.linalg.matrix_power(transition_table(), 40)
    assert stats.chisquare(counts.numpy(), 40_000 * law.numpy()).pvalue > 1e-4


def test_loss_equals_the_expected_cross_entropy():
    model = GSN(3, rate=RATE, denoiser=Oracle())
    generator = torch.Generator().manual_seed(0)
    x = STATES[torch.multinomial(DATA, 100_000, replacement=True, generator=generator)]
    probs = torch.sigmoid(Oracle()(STATES)).detach()
    log_prob = torch.where(STATES[:, None] == 1, probs, 1 - probs).log().sum(2)  # (x, x~)
    joint = DATA[:, None] * corruption_table(RATE)
    expected = -(joint * log_prob).sum()
    deviation = ((joint * log_prob**2).sum() - expected**2).sqrt().item() / math.sqrt(100_000)
    assert abs(model.loss(x).item() - expected.item()) < 5 * deviation


def test_walkback_goes_on_from_draws_and_aims_at_the_data():
    """A denoiser of which every draw is all ones: from step 2 on, what is corrupted is not the data any more."""
    seen = []

    class Ones(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.tensor(50.0))

        def forward(self, x):
            seen.append(x)
            return self.bias.expand_as(x)

    model = GSN(4, rate=0.01, num_walkback=3, denoiser=Ones())
    x = torch.zeros(2000, 4)
    loss = model.loss(x)
    assert [round(state.mean().item()) for state in seen] == [0, 1, 1]
    assert loss.item() == pytest.approx(200, rel=1e-4)  # four values of softplus(50), of the clean x, at each step
    loss.backward()
    assert model.denoiser.bias.grad.item() == pytest.approx(4)


@pytest.mark.training
def test_trained_chain_has_the_law_of_the_best_chain(training_seeds):
    """Two patterns of six values, each half of the data: the trained chain against the one with the true posterior."""
    rate, six = 0.3, torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)))
    patterns = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0.0, 0, 0, 1, 1, 1]])
    same = (six[:, None] == six).sum(2)
    corruption = (1 - rate / 2) ** same * (rate / 2) ** (6 - same)
    of_patterns = corruption[[7 * 8, 7]]
    probs = (of_patterns / of_patterns.sum(0)).T @ patterns
    denoise = torch.where(six == 1, probs[:, None], 1 - probs[:, None]).prod(2)
    law = torch.linalg.matrix_power(corruption @ denoise, 30).mean(0)
    shares = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        model = GSN(6, hidden_dim=32, rate=rate)
        fit(model, patterns.repeat(100, 1), epochs=300, batch_size=200, lr=1e-2, cosine=True, seed=seed)
        drawn = model.sample(4000, num_steps=30, generator=torch.Generator().manual_seed(seed))
        shares.append((drawn[:, None] == patterns).all(2).double().mean(0))
    shares = torch.stack(shares)
    low, high = shares.min(), shares.max()
    print(f"seeds {list(training_seeds)}: shares of the patterns {low:.3f} to {high:.3f}, best chain {law[7]:.3f}")
    assert law[7] > 0.3
    torch.testing.assert_close(shares, law[[7 * 8, 7]].double().expand(len(shares), 2), atol=0.12, rtol=0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\], got 0"):
        GSN(3, rate=0)
    with pytest.raises(ValueError, match="zeros and ones"):
        GSN(3).loss(torch.full((2, 3), 0.3))
    with pytest.raises(ValueError, match=r"x must be \(B, 3\), got \(2, 4\)"):
        GSN(3).loss(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="at least 1, got 0 and 5"):
        GSN(3).sample(0, num_steps=5)
