"""Flows: one contract for all (inverse, Jacobian against autograd, area 1), and each paper's own points."""

import math

import pytest
import torch
from scipy import stats

from course_utils.models.flows.dequantization import Dequantized, Logit, UniformNoise, VariationalNoise
from course_utils.models.flows.ffjord import FFJORD, exact_trace, hutchinson_trace
from course_utils.models.flows.flow import Chain, Flattened, Flow
from course_utils.models.flows.glow import ActNorm, Glow, InvertibleConv1x1
from course_utils.models.flows.nice import NICE
from course_utils.models.flows.realnvp import (
    AffineCoupling,
    MultiScale,
    RealNVP,
    RealNVPPoints,
    ResidualNet,
    Squeeze,
    channel_mask,
    checkerboard_mask,
)
from course_utils.training import fit

DOUBLE = torch.float64
FLOWS = {
    "nice": lambda: NICE(5, hidden_dim=16),
    "nice_images": lambda: Flow(Flattened(NICE(6, hidden_dim=16)), (1, 2, 3)),
    "realnvp_points": lambda: RealNVPPoints(5, hidden_dim=16),
    "realnvp_1_scale": lambda: RealNVP((1, 3, 4), hidden_dim=4, num_scales=1),
    "realnvp_2_scales": lambda: RealNVP((1, 4, 6), hidden_dim=4),
    "realnvp_3_scales_colour": lambda: RealNVP((3, 4, 4), hidden_dim=4, num_blocks=1, num_scales=3),
    "glow": lambda: Glow((1, 4, 4), hidden_dim=4, num_steps=2),
    "glow_colour": lambda: Glow((3, 2, 4), hidden_dim=4, num_steps=2, num_scales=1),
    "ffjord": lambda: FFJORD(4, hidden_dim=8, tolerance=1e-9),
    "logit": lambda: Flow(Logit(), (3,)),
}


def perturbed(name):
    """The flow in float64, its weights drawn anew so that no layer is the identity."""
    model = FLOWS[name]().double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.15 * torch.randn(parameter.shape, dtype=DOUBLE, generator=generator)
    return model


def batch(model, count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if isinstance(model.network, Logit):
        return torch.rand(count, *model.event_shape, dtype=DOUBLE, generator=generator)
    return torch.randn(count, *model.event_shape, dtype=DOUBLE, generator=generator)


@pytest.mark.parametrize("name", FLOWS)
def test_inverse_undoes_forward(name):
    model = perturbed(name)
    x = batch(model)
    z, log_det = model(x)
    assert z.shape == x.shape
    back, log_det_back = model.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(log_det_back, -log_det, rtol=1e-6, atol=1e-6)
    there = model(model.inverse(0.5 * z)[0])[0]
    torch.testing.assert_close(there, 0.5 * z, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FLOWS)
def test_log_det_equals_autograds(name):
    model = perturbed(name)
    x = batch(model)
    log_det = model(x)[1]
    for n in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(lambda one: model(one)[0], x[n : n + 1])
        size = x[0].numel()
        expected = torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet
        torch.testing.assert_close(log_det[n], expected, rtol=1e-5, atol=1e-6)
    assert log_det.std() > 1e-4 or name.startswith("nice")  # NICE alone has one determinant for all


@pytest.mark.parametrize("name", ["realnvp_2_scales", "realnvp_3_scales_colour", "glow"])
def test_every_latent_depends_on_the_image(name):
    model = perturbed(name)
    x = batch(model, 1)
    size = x[0].numel()
    jacobian = torch.autograd.functional.jacobian(lambda one: model(one)[0], x).reshape(size, size)
    assert (jacobian.abs().sum(1) > 0).all()
    assert (jacobian.abs() > 1e-12).double().mean() > 0.6  # far from a permutation or a diagonal


@pytest.mark.parametrize(
    "make",
    [lambda: NICE(2, 16), lambda: RealNVPPoints(2, 16), lambda: FFJORD(2, 16)],
    ids=["nice", "realnvp", "ffjord"],
)
def test_densities_in_the_plane_have_mass_one(make):
    model = make().double().eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, dtype=DOUBLE, generator=generator)
    line = torch.linspace(-12, 12, 321, dtype=DOUBLE)
    with torch.no_grad():
        density = model.log_prob(torch.cartesian_prod(line, line)).exp()
    assert density.sum().item() * (line[1] - line[0]).item() ** 2 == pytest.approx(1, abs=5e-3)
    assert density.max() < 5


@pytest.mark.parametrize("name", ["nice", "realnvp_2_scales", "glow", "ffjord"])
def test_log_prob_is_that_of_the_base_moved(name):
    model = perturbed(name)
    x = batch(model)
    z, log_det = model(x)
    expected = stats.norm.logpdf(z.detach().numpy()).reshape(len(x), -1).sum(1) + log_det.detach().numpy()
    assert model.log_prob(x).tolist() == pytest.approx(expected.tolist())
    assert model.loss(x).item() == pytest.approx(-expected.mean())


def test_samples_are_the_inverse_of_noise():
    model = perturbed("realnvp_points")
    drawn = model.sample(5, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(5, 5, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, model.inverse(noise)[0].detach())
    cold = model.sample(3, temperature=0.0)
    torch.testing.assert_close(cold, model.inverse(torch.zeros(3, 5, dtype=DOUBLE))[0].detach())


# NICE, RealNVP


def test_nice_preserves_volume_but_for_its_scaling():
    model = perturbed("nice")
    scaling = model.network.layers[-1].log_scale
    assert model(batch(model))[1].tolist() == pytest.approx([scaling.sum().item()] * 3)


@pytest.mark.parametrize("shape", [(1, 4, 6), (3, 4, 4)])
def test_masks_part_the_values_in_two(shape):
    checkerboard = checkerboard_mask(*shape[1:])
    assert checkerboard[0, 0, 0] == 1
    assert (checkerboard[0, :, 1:] != checkerboard[0, :, :-1]).all()
    assert (checkerboard[0, 1:] != checkerboard[0, :-1]).all()
    assert channel_mask(4).flatten().tolist() == [1, 1, 0, 0]


def test_coupling_leaves_the_masked_half_and_is_the_identity_at_first():
    coupling = AffineCoupling(checkerboard_mask(4, 4), ResidualNet(2, 4, 8, 1), 2).double()
    x = torch.randn(2, 2, 4, 4, dtype=DOUBLE)
    torch.testing.assert_close(coupling(x)[0], x)
    with torch.no_grad():
        coupling.network.last.bias += 0.3
        coupling.network.last.weight += 0.1 * torch.randn_like(coupling.network.last.weight)
    z, _ = coupling(x)
    kept = checkerboard_mask(4, 4).bool().expand_as(x)
    assert torch.equal(z[kept], x[kept])
    assert (z[~kept] != x[~kept]).all()
    jacobian = torch.autograd.functional.jacobian(lambda one: coupling(one)[0], x[:1]).reshape(32, 32)
    others = jacobian[(~kept[0]).flatten()][:, (~kept[0]).flatten()]
    assert torch.equal(others, torch.diag(others.diagonal()))


def test_squeeze_keeps_blocks_together():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    z, _ = Squeeze()(x)
    assert z[0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert torch.equal(Squeeze().inverse(z)[0], x)


def test_final_half_is_not_touched_by_the_rest():
    class Negative(torch.nn.Module):
        def forward(self, x):
            return -x, x.new_zeros(len(x))

        inverse = forward

    layer = MultiScale(Chain([]), Negative())
    x = torch.randn(2, 4, 3, 3)
    z, _ = layer(x)
    assert torch.equal(z[:, :2], x[:, :2])
    assert torch.equal(z[:, 2:], -x[:, 2:])


# Glow


def test_actnorm_standardises_its_first_training_batch():
    layer = ActNorm(3)
    x = 5 + 3 * torch.randn(16, 3, 4, 4)
    layer.eval()
    torch.testing.assert_close(layer(x)[0], x)  # in eval mode it does not start
    layer.train()
    y, log_det = layer(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    expected = -16 * x.std((0, 2, 3), correction=0).log().sum()
    torch.testing.assert_close(log_det, expected.expand(16))
    again, _ = layer(2 * x)
    assert again.mean() > 1  # the second batch does not start it anew
    constant = ActNorm(1)
    assert torch.isfinite(constant(torch.ones(2, 1, 2, 2))[0]).all()


def test_one_by_one_convolution_is_a_rotation_at_first_and_knows_its_determinant():
    layer = InvertibleConv1x1(6).double()
    weight = layer.weight()
    torch.testing.assert_close(weight @ weight.T, torch.eye(6, dtype=DOUBLE), atol=1e-5, rtol=0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    _, log_det = layer(torch.randn(1, 6, 3, 5, dtype=DOUBLE))
    assert log_det.item() == pytest.approx(15 * torch.linalg.slogdet(layer.weight()).logabsdet.item())


def test_a_singular_convolution_is_named():
    layer = InvertibleConv1x1(3)
    with torch.no_grad():
        layer.log_diagonal[1] = -200.0
    with pytest.raises(ValueError, match="singular"):
        layer.inverse(torch.randn(1, 3, 2, 2))


# FFJORD


def test_hutchinsons_trace_is_unbiased_with_the_known_variance():
    matrix = torch.tensor([[1.0, 2.0, 0.0], [-1.0, 0.5, 3.0], [0.3, 1.0, -2.0]], dtype=DOUBLE)
    x = torch.randn(40_000, 3, dtype=DOUBLE, requires_grad=True)
    velocity = x @ matrix.T
    torch.testing.assert_close(exact_trace(velocity, x), torch.full((40_000,), -0.5, dtype=DOUBLE))
    found = hutchinson_trace(velocity, x, torch.randn_like(x)).detach()
    symmetric = (matrix + matrix.T) / 2
    variance = 2 * symmetric.square().sum().item()  # for normal noise (Avron & Toledo 2011)
    assert abs(found.mean().item() + 0.5) < 5 * math.sqrt(variance / 40_000)
    assert found.var().item() == pytest.approx(variance, rel=0.06)


def test_linear_dynamics_have_a_closed_form():
    """dx/dt = A x: z = exp(A) x and log |det| = tr A."""
    model = FFJORD(2, tolerance=1e-8).double().eval()
    matrix = torch.tensor([[0.3, 1.0], [-0.5, -0.8]], dtype=DOUBLE)
    model.network.augmented.dynamics.forward = lambda t, x: x @ matrix.T
    x = torch.randn(4, 2, dtype=DOUBLE)
    z, log_det = model(x)
    torch.testing.assert_close(z, x @ torch.linalg.matrix_exp(matrix).T, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(log_det, torch.full((4,), -0.5, dtype=DOUBLE), rtol=1e-6, atol=1e-6)
    assert model.num_evaluations > 6


def test_gradients_by_the_adjoint_equal_those_through_the_solver():
    found = []
    for adjoint in (False, True):
        torch.manual_seed(0)
        model = FFJORD(2, hidden_dim=8, adjoint=adjoint, tolerance=1e-8).double()
        torch.manual_seed(1)
        loss = model.loss(torch.randn(6, 2, dtype=DOUBLE))
        found.append(torch.autograd.grad(loss, list(model.parameters())))
    for through, by_adjoint in zip(*found, strict=True):
        torch.testing.assert_close(through, by_adjoint, rtol=1e-4, atol=1e-6)


def test_trace_is_estimated_in_training_only():
    model = FFJORD(3, hidden_dim=8).double()
    x = torch.randn(2, 3, dtype=DOUBLE)
    model.train()
    assert not torch.equal(model(x)[1], model(x)[1])
    model.eval()
    assert torch.equal(model(x)[1], model(x)[1])


# Dequantisation


class Ramp(torch.nn.Module):
    """The density 2 x on [0, 1), for each of D values."""

    def log_prob(self, x):
        return torch.log(2 * x).flatten(1).sum(1)

    def sample(self, num_samples, generator=None):
        return torch.rand(num_samples, 1, generator=generator, dtype=DOUBLE).sqrt()


def test_importance_weighting_reaches_the_probability_of_a_bin():
    model = Dequantized(Ramp(), UniformNoise(), num_levels=4)
    x = torch.tensor([[0.0], [1 / 3], [2 / 3], [1.0]], dtype=DOUBLE)
    exact = torch.tensor([1, 3, 5, 7], dtype=DOUBLE) / 16
    bound = torch.stack([model.elbo(x) for _ in range(4000)])
    # E log 2x over the bin, minus log 4, in closed form: the integral of log t is t log t - t.
    edges = torch.arange(5, dtype=DOUBLE) / 4
    antiderivative = torch.where(edges > 0, edges * edges.clamp(min=1e-300).log() - edges, 0.0)
    expected = math.log(2) + 4 * (antiderivative[1:] - antiderivative[:-1]) - math.log(4)
    assert ((bound.mean(0) - expected).abs() < 5 * bound.std(0) / math.sqrt(4000)).all()
    assert (expected < exact.log()).all()
    torch.testing.assert_close(model.importance_log_prob(x, 20_000).exp(), exact, rtol=0.03, atol=0)


def test_variational_noise_knows_its_density_and_closes_the_gap():
    noise = VariationalNoise(torch.nn.Conv1d(1, 2, 1).double(), num_levels=4)
    levels = torch.full((50_000, 1, 1), 2)
    with torch.no_grad():
        u, log_q = noise(levels, DOUBLE)
    # E_q[1 / q(u)] over u in (0, 1) is the width of the interval, 1.
    assert (-log_q).exp().mean().item() == pytest.approx(1, abs=0.05)
    counts = torch.histc(u, 20, 0, 1)
    weights = torch.zeros(20, dtype=DOUBLE)
    weights.index_add_(0, (u.flatten() * 20).long(), (-log_q).exp())
    used = counts > 500
    assert (weights[used] / 50_000 - 1 / 20).abs().max() < 0.01

    levels = torch.tensor([[[0.0]], [[1 / 3]], [[2 / 3]], [[1.0]]], dtype=DOUBLE).repeat(64, 1, 1)
    torch.manual_seed(0)
    learned = Dequantized(Ramp(), VariationalNoise(torch.nn.Conv1d(1, 2, 1).double(), 4), 4)
    uniform = Dequantized(Ramp(), UniformNoise(), 4)
    fit(learned, levels, epochs=150, batch_size=256, lr=3e-2)
    with torch.no_grad():
        gains = torch.stack([learned.elbo(levels[:1]) - uniform.elbo(levels[:1]) for _ in range(4000)])
    assert gains.mean() > 4 * gains.std() / math.sqrt(4000)


def test_uniform_noise_fills_the_bins_and_samples_are_levels():
    u, log_q = UniformNoise()(torch.zeros(20_000, 1, dtype=torch.int64), DOUBLE)
    assert stats.kstest(u.flatten().numpy(), "uniform").pvalue > 1e-4
    assert (log_q == 0).all()
    drawn = Dequantized(Ramp(), UniformNoise(), num_levels=4).sample(40_000, torch.Generator().manual_seed(0))
    counts = torch.bincount((drawn.flatten() * 3).round().long(), minlength=4)
    assert stats.chisquare(counts.numpy(), [2500, 7500, 12_500, 17_500]).pvalue > 1e-4


@pytest.mark.training
@pytest.mark.parametrize(
    ("make", "reached"), [(lambda: NICE(2, 32), 0.16), (lambda: RealNVPPoints(2, 32), 0.03)], ids=["nice", "realnvp"]
)
def test_flows_learn_a_bent_density(make, reached, training_seeds):
    """x_2 = x_1^2 / 2 + noise: its entropy is known, so the distance from the best likelihood is, too."""
    found = []
    for seed in training_seeds:
        torch.manual_seed(seed)
        noise = torch.randn(6000, 2)
        x = torch.stack([noise[:, 0], noise[:, 0] ** 2 / 2 + 0.3 * noise[:, 1]], 1)
        model = make()
        fit(model, x[:4000], epochs=12, batch_size=200, lr=5e-3, cosine=True, seed=seed)
        truth = -0.5 * noise[4000:].square().sum(1) - math.log(2 * math.pi) - math.log(0.3)
        found.append((truth - model.log_prob(x[4000:]).detach()).mean().item())
    print(f"nats below the truth, seeds {list(training_seeds)}: {min(found):.3f} to {max(found):.3f}")
    assert min(found) > -0.05
    assert max(found) < reached


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: NICE(1), "at least 2 dimensions, got 1"),
        (lambda: RealNVP((1, 5, 4)), "multiples of 2, got images of 5x4"),
        (lambda: Glow((1, 6, 4)), "multiples of 4, got images of 6x4"),
        (lambda: RealNVP((4, 4)), r"image_shape must be \(C, H, W\), got \(4, 4\)"),
        (lambda: Glow((4, 4)), r"image_shape must be \(C, H, W\), got \(4, 4\)"),
        (lambda: RealNVP((1, 4, 4), num_scales=0), "num_scales must be at least 1, got 0"),
        (lambda: Glow((1, 4, 4), num_steps=0), "at least 1, got 2 and 0"),
        (lambda: RealNVP((1, 4, 4), hidden_dim=4).log_prob(torch.zeros(2, 1, 4, 6)), r"x must be \(B, 1, 4, 4\)"),
        (lambda: NICE(3).inverse(torch.zeros(2, 4)), r"z must be \(B, 3\), got \(2, 4\)"),
        (lambda: FFJORD(0), "num_dims must be at least 1, got 0"),
        (lambda: MultiScale(Chain([]), Chain([]))(torch.zeros(1, 3, 2, 2)), "even number of channels was due.*got 3"),
        (lambda: Squeeze()(torch.zeros(1, 1, 3, 4)), "even sides, got 3x4"),
        (lambda: NICE(3).log_prob(torch.zeros(2, 4)), r"x must be \(B, 3\), got \(2, 4\)"),
        (lambda: Dequantized(Ramp(), UniformNoise(), 4).elbo(torch.full((1, 1), 0.4)), "levels k / 3"),
        (lambda: Logit(0.5), r"margin must be in \(0, 0.5\)"),
        (lambda: RealNVPPoints(2).sample(0), "must be positive, got 0"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
