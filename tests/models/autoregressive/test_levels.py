"""Levels, their likelihood, drawing and completing, against enumeration and torch.distributions."""

import math

import pytest
import torch
from torch import nn

from course_utils.models.autoregressive.levels import (
    PixelModel,
    complete_images,
    draw_levels,
    pixel_log_prob,
    sample_images,
    to_levels,
    to_unit,
)
from tests.models.autoregressive.pixel_oracles import all_images, fits, values_in_order

SHAPES = [((1, 2, 2), 2), ((1, 1, 3), 3), ((3, 1, 2), 2), ((2, 2, 1), 3)]


class Table(nn.Module):
    """p(value | all earlier values) from a table; at values that are not drawn yet it reads nothing."""

    def __init__(self, image_shape, num_levels):
        super().__init__()
        self.order = values_in_order(image_shape)
        self.num_levels = num_levels
        self.tables = nn.ParameterList(
            1.5 * torch.randn(num_levels**place, num_levels, dtype=torch.float64) for place in range(len(self.order))
        )
        self.calls, self.dtypes, self.modes = 0, set(), set()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        self.calls += 1
        self.dtypes.add(x.dtype)
        self.modes |= {part.training for part in self.modules()}
        logits = torch.zeros(len(x), self.num_levels, *x.shape[1:], dtype=torch.float64)
        code = torch.zeros(len(x), dtype=torch.int64)
        for table, (c, i, j) in zip(self.tables, self.order, strict=True):
            logits[:, :, c, i, j] = self.dropout(table[code])
            code = code * self.num_levels + (x[:, c, i, j] * (self.num_levels - 1)).round().long()
        return logits

    def probabilities(self, image_shape):
        images = all_images(image_shape, self.num_levels)
        return pixel_log_prob(self(to_unit(images, self.num_levels)), images).exp().detach()


@pytest.mark.parametrize("num_levels", [2, 3, 4, 16, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_levels_come_back_from_the_unit_interval(num_levels, dtype):
    levels = torch.arange(num_levels).view(1, 1, 1, -1)
    x = to_unit(levels, num_levels, dtype)
    assert x.dtype == dtype
    assert (x[0, 0, 0, 0], x[0, 0, 0, -1]) == (0, 1)
    torch.testing.assert_close(x.diff(), torch.full_like(x.diff(), 1 / (num_levels - 1)))
    assert torch.equal(to_levels(x, num_levels), levels)
    assert to_levels(x, num_levels).dtype == torch.int64
    assert to_unit(levels, num_levels).dtype == torch.float32


def test_log_prob_against_torch_distributions():
    torch.manual_seed(1)
    logits = 3 * torch.randn(5, 4, 3, 2, 6, dtype=torch.float64)
    x = torch.randint(0, 4, (5, 3, 2, 6))
    due = torch.distributions.Categorical(logits=logits.movedim(1, -1)).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(pixel_log_prob(logits, x), due)
    torch.testing.assert_close(pixel_log_prob(logits, x.to(torch.uint8)), due)


def test_log_prob_is_exact_for_large_logits_and_has_the_gradient_of_the_softmax():
    logits = torch.tensor([1000.0, -1000.0, 0.0]).view(1, 3, 1, 1, 1).expand(3, 3, 1, 1, 1).clone().requires_grad_()
    log_prob = pixel_log_prob(logits, torch.arange(3).view(3, 1, 1, 1))
    assert log_prob.tolist() == [0, -2000, -1000]
    (gradient,) = torch.autograd.grad(log_prob.sum(), logits)
    assert gradient.flatten(1).tolist() == [[0, 0, 0], [-1, 1, 0], [-1, 0, 1]]


def test_a_level_is_drawn_where_its_share_of_the_unit_interval_lies():
    probabilities = torch.tensor([0.25, 0.0, 0.5, 0.25, 0.0], dtype=torch.float64)
    uniform = torch.tensor([0.0, 0.2499, 0.25, 0.5, 0.7499, 0.75, 0.9999, 1 - 2**-24])
    logits = probabilities.log().expand(len(uniform), 5)
    assert draw_levels(logits, uniform).tolist() == [0, 0, 2, 2, 2, 3, 3, 3]
    first_has_none = torch.tensor([-torch.inf, 0.0, 0.0]).expand(2, 3)
    assert draw_levels(first_has_none, torch.tensor([0.0, 0.5])).tolist() == [1, 2]
    # Whatever rounding does to the last entry of a float32 distribution function, no level is past the last.
    many = torch.randn(2000, 256)
    assert draw_levels(many, torch.full((2000,), 1 - 2**-24)).max() <= 255


@pytest.mark.parametrize(("image_shape", "num_levels"), SHAPES)
def test_samples_have_the_distribution_of_the_conditionals(image_shape, num_levels):
    torch.manual_seed(2)
    model = Table(image_shape, num_levels).eval()
    probabilities = model.probabilities(image_shape)
    assert probabilities.sum().item() == pytest.approx(1)
    images = sample_images(model, 20_000, image_shape, torch.Generator().manual_seed(3))
    assert images.dtype == torch.int64
    assert fits(images, probabilities, num_levels)
    assert not fits(images.flip(0, 3) if image_shape[2] > 1 else images.flip(2), probabilities, num_levels)


@pytest.mark.parametrize(("image_shape", "num_levels"), [((1, 2, 2), 2), ((3, 1, 2), 2)])
def test_completions_have_the_conditional_distribution(image_shape, num_levels):
    """All but the last pixel given: p(last | given). All but the first given: p(first), whatever follows it."""
    torch.manual_seed(4)
    model = Table(image_shape, num_levels).eval()
    images, probabilities = all_images(image_shape, num_levels), model.probabilities(image_shape)
    x = to_unit(images[5:6], num_levels).expand(8000, *image_shape)
    known = torch.ones(image_shape[1:], dtype=torch.bool)
    known[-1, -1] = False
    completed = to_levels(complete_images(model, x, known, torch.Generator().manual_seed(5)), num_levels)
    agrees = (images[:, :, known] == images[5, :, known]).all((1, 2))
    conditional = torch.where(agrees, probabilities, 0) / probabilities[agrees].sum()
    place = num_levels ** torch.arange(images[0].numel() - 1, -1, -1)
    counts = (completed.flatten(1) * place).sum(1).bincount(minlength=len(images))
    sigma = (conditional * (1 - conditional) / 8000).sqrt()
    assert ((counts / 8000 - conditional).abs() <= 4.5 * sigma).all()
    assert agrees.sum() > 1

    known = ~torch.zeros(image_shape[1:], dtype=torch.bool)
    known[0, 0] = False
    completed = complete_images(model, x, known, torch.Generator().manual_seed(6))
    due = probabilities[images[:, 0, 0, 0] == 1].sum()
    sigma = (due * (1 - due) / 8000).sqrt()
    assert (completed[:, 0, 0, 0].mean() - due).abs() < 4.5 * sigma
    assert torch.equal(completed[:, :, known], x[:, :, known])


def test_completing_keeps_what_is_known_of_each_image_and_reads_nothing_else():
    torch.manual_seed(7)
    model = Table((2, 2, 2), 3).eval()
    x = to_unit(torch.randint(0, 3, (6, 2, 2, 2)), 3)
    known = torch.rand(6, 1, 2, 2) < 0.5
    before = x.clone()
    completed = complete_images(model, x, known, torch.Generator().manual_seed(8))
    assert torch.equal(x, before)
    assert torch.equal(torch.where(known, completed, 0), torch.where(known, x, 0))
    garbage = torch.where(known, x, torch.nan)
    assert torch.equal(complete_images(model, garbage, known, torch.Generator().manual_seed(8)), completed)
    assert not torch.equal(complete_images(model, x, known, torch.Generator().manual_seed(9)), completed)
    to_levels(completed, 3)

    model.calls = 0
    known = torch.tensor([[True, False], [True, False]])
    complete_images(model, x, known)
    assert model.calls == 2 * 2


def test_a_generator_decides_the_images_and_the_global_one_is_left_alone():
    torch.manual_seed(10)
    model = Table((1, 3, 3), 2).eval()
    state = torch.get_rng_state()
    draws = [sample_images(model, 20, (1, 3, 3), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    torch.manual_seed(1)
    by_global = sample_images(model, 20, (1, 3, 3))
    assert torch.equal(by_global, draws[0])
    assert not torch.equal(sample_images(model, 20, (1, 3, 3)), by_global)


def test_a_module_is_asked_in_eval_mode_in_its_dtype_without_gradients_and_left_as_it_was():
    torch.manual_seed(11)
    model = Table((1, 2, 2), 2).train()
    model.dropout.eval()
    for call in (
        lambda: sample_images(model, 3, (1, 2, 2)),
        lambda: complete_images(model, torch.zeros(3, 1, 2, 2).double(), torch.zeros(2, 2, dtype=torch.bool)),
    ):
        images = call()
        assert model.modes == {False}
        assert model.dtypes == {torch.float64}
        assert not images.requires_grad
        assert model.training
        assert not model.dropout.training
    # What a call was given stays as it was, also for a model that keeps it.
    given = []

    def keeps(x):
        given.append(x)
        return model(x)

    sample_images(keeps, 50, (1, 2, 2), torch.Generator().manual_seed(1))
    assert (given[0] == 0).all()
    assert (given[1][:, 0, 0, 1:] == 0).all()
    assert given[0].dtype == torch.get_default_dtype()

    with pytest.raises(ZeroDivisionError):
        sample_images(_Fails().train(), 1, (1, 1, 1))


class _Fails(nn.Module):
    def forward(self, x):
        return 1 / 0


def test_a_pixel_model_follows_from_its_logits():
    torch.manual_seed(12)

    class Model(PixelModel):
        def __init__(self):
            super().__init__((3, 1, 2), 2)
            self.table = Table((3, 1, 2), 2)

        def forward(self, x):
            return self.table(x)

    model = Model().eval()
    images = all_images((3, 1, 2), 2)
    x = to_unit(images, 2, torch.float64)
    log_prob = model.log_prob(x)
    assert log_prob.exp().sum().item() == pytest.approx(1)
    assert model.loss(x).item() == pytest.approx(-log_prob.mean().item())
    samples = model.sample(20_000, torch.Generator().manual_seed(13))
    assert samples.dtype == torch.float64
    assert fits(to_levels(samples, 2), log_prob.exp().detach(), 2)
    known = torch.tensor([[True, False]])
    assert torch.equal(model.complete(x, known)[..., 0], x[..., 0])


def test_errors_name_what_came():
    model = Table((1, 2, 2), 2)
    with pytest.raises(ValueError, match=r"k / 1 in \[0, 1\], got 0.5 among values from 0 to 0.5"):
        to_levels(torch.tensor([0.0, 0.5]), 2)
    with pytest.raises(ValueError, match=r"got 3 among values from 0 to 3"):
        to_levels(torch.tensor([0, 3]), 4)
    with pytest.raises(ValueError, match="got -1 among"):
        to_levels(torch.tensor([-1.0, 0.0]), 2)
    with pytest.raises(ValueError, match="nan"):
        to_levels(torch.tensor([math.nan]), 2)
    with pytest.raises(ValueError, match=r"got \(5, 4, 1, 2, 2\) for \(5, 1, 2, 3\)"):
        pixel_log_prob(torch.zeros(5, 4, 1, 2, 2), torch.zeros(5, 1, 2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"got \(5, 1, 2, 2\)"):
        pixel_log_prob(torch.zeros(5, 1, 2, 2), torch.zeros(5, 1, 2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"from 0 to 3, got torch\.int64 from 0 to 4"):
        pixel_log_prob(torch.zeros(1, 4, 1, 1, 2), torch.tensor([[[[0, 4]]]]))
    with pytest.raises(ValueError, match=r"got torch\.int64 from -1 to 0"):
        pixel_log_prob(torch.zeros(1, 4, 1, 1, 2), torch.tensor([[[[0, -1]]]]))
    with pytest.raises(ValueError, match=r"got torch\.float32"):
        pixel_log_prob(torch.zeros(1, 4, 1, 1, 2), torch.zeros(1, 1, 1, 2))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sample_images(model, 0, (1, 2, 2))
    with pytest.raises(
        ValueError, match=r"must return logits \(B, V, C, H, W\) .* got \(3, 1, 2, 2\) for \(3, 1, 2, 2\)"
    ):
        sample_images(lambda x: x, 3, (1, 2, 2))
    with pytest.raises(ValueError, match=r"\(2, 2\) or \(3, 1, 2, 2\), got torch.float32 \(2, 2\)"):
        complete_images(model, torch.zeros(3, 1, 2, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"got torch.bool \(3, 2, 2\)"):
        complete_images(model, torch.zeros(3, 1, 2, 2), torch.zeros(3, 2, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least 2, got 1"):
        PixelModel((1, 2, 2), 1)
