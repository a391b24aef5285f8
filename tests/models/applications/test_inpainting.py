"""Inpainting: what is known stays to the bit, weights by counting, a search whose answer is known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models.adversarial.gan import GAN
from course_utils.models.applications.inpainting import context_weights, fill_by_search, inpaint, search_loss

DOUBLE = torch.float64
SHAPE = (1, 4, 4)


class Bump(nn.Module):
    """A logit that is highest for the image of this level everywhere."""

    def __init__(self, level):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level, dtype=DOUBLE))

    def forward(self, x):
        return 2 - ((x - self.level) ** 2).flatten(1).mean(1)


class Flat(nn.Module):
    """The image whose left half is z_1 and whose right half is z_2."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=DOUBLE))

    def forward(self, z):
        return (self.scale * z).repeat_interleave(2, 1)[:, None, None].expand(-1, *SHAPE)


def game(level=0.0):
    return GAN(Flat(), Bump(level), 2).eval()


def half_known():
    """The left half and the third column are known; the fourth column is the hole."""
    mask = torch.ones(1, 1, 4, 4, dtype=DOUBLE)
    mask[..., 3] = 0
    return mask


def test_inpaint_takes_each_pixel_from_its_image():
    image, fill = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    mask = (torch.rand(2, 1, 4, 5) < 0.5).float()
    out = inpaint(image, mask, fill)
    for b, c, i, j in torch.cartesian_prod(*map(torch.arange, image.shape)).tolist():
        assert out[b, c, i, j] == (image if mask[b, 0, i, j] == 1 else fill)[b, c, i, j]
    assert torch.equal(inpaint(image, mask.bool(), fill), out)
    assert torch.equal(inpaint(image, mask[:1, :1], fill)[1], inpaint(image[1:], mask[:1], fill[1:])[0])


def test_inpaint_has_the_gradients_of_a_choice_and_ignores_what_is_not_chosen():
    image = torch.full((1, 1, 2, 2), torch.nan, dtype=DOUBLE)
    image[..., 0] = 1.0
    image.requires_grad_()
    fill = torch.randn(1, 1, 2, 2, dtype=DOUBLE, requires_grad=True)
    mask = torch.tensor([1.0, 0.0])
    out = inpaint(image, mask, fill)
    out.sum().backward()
    assert out.isfinite().all()
    assert torch.equal(image.grad, mask.to(DOUBLE).expand(1, 1, 2, 2))
    assert torch.equal(fill.grad, 1 - image.grad)


def test_context_weights_by_counting():
    mask = (torch.rand(2, 1, 6, 7, dtype=DOUBLE) < 0.7).double()
    weights = context_weights(mask, 3)
    for b in range(2):
        for i in range(6):
            for j in range(7):
                around = [
                    (i + di, j + dj)
                    for di in (-1, 0, 1)
                    for dj in (-1, 0, 1)
                    if 0 <= i + di < 6 and 0 <= j + dj < 7 and mask[b, 0, i + di, j + dj] == 0
                ]
                due = len(around) / 9 if mask[b, 0, i, j] == 1 else 0.0
                assert weights[b, 0, i, j].item() == pytest.approx(due)


def test_search_loss_by_hand():
    fake, image = torch.randn(3, *SHAPE, dtype=DOUBLE), torch.randn(3, *SHAPE, dtype=DOUBLE)
    weights = torch.rand(3, *SHAPE, dtype=DOUBLE)
    loss = search_loss(game(), fake, image, weights, 0.7)
    for b in range(3):
        logit = 2 - (fake[b] ** 2).mean().item()
        context = sum((weights[b] * (fake[b] - image[b]).abs()).flatten().tolist())
        assert loss[b].item() == pytest.approx(context + 0.7 * math.log(1 - 1 / (1 + math.exp(-logit))))


def test_search_averages_the_patches_of_a_patch_discriminator():
    gan = GAN(Flat(), nn.Identity(), 2)
    fake = torch.randn(2, *SHAPE, dtype=DOUBLE)
    due = -F.softplus(fake).mean((1, 2, 3))
    torch.testing.assert_close(search_loss(gan, fake, fake, torch.ones_like(fake), 1.0), due)


def test_search_finds_the_latent_that_agrees_with_what_is_known():
    """z_2 is the third column, for the fourth is the hole; columns 1 and 2, which show z_1, are close enough."""
    truth = torch.tensor([[0.6, -0.4], [-0.7, 0.9]], dtype=DOUBLE)
    image = Flat()(truth).detach().clone()
    image[..., 3] = torch.nan
    found = fill_by_search(game(), image, half_known(), num_starts=2, num_steps=150, lr=0.03, prior_weight=0.0)
    torch.testing.assert_close(found.z, truth, atol=0.05, rtol=0)
    assert torch.equal(found.image[..., :3], image[..., :3])
    assert torch.equal(found.image[..., 3], found.fake[..., 3])
    torch.testing.assert_close(found.fake, Flat()(found.z).detach())


def test_prior_decides_what_the_context_leaves_open():
    """Only the third column is next to the hole: nothing but the discriminator decides on z_1."""
    image = Flat()(torch.tensor([[0.6, 0.3]], dtype=DOUBLE)).detach()
    settings = {"num_starts": 2, "num_steps": 150, "lr": 0.03, "window": 3}
    for level in (0.8, -0.5):
        z = fill_by_search(game(level), image, half_known(), prior_weight=0.5, **settings).z
        torch.testing.assert_close(z, torch.tensor([[level, 0.3]], dtype=DOUBLE), atol=0.05, rtol=0)


def test_the_best_of_all_starts_and_steps_is_kept():
    image, mask = torch.zeros(3, *SHAPE, dtype=DOUBLE), half_known()
    losses = []
    for num_steps in (1, 5, 50):
        found = fill_by_search(
            game(), image, mask, num_starts=3, num_steps=num_steps, generator=torch.Generator().manual_seed(0)
        )
        weights = context_weights(mask.expand_as(image))
        torch.testing.assert_close(found.loss, search_loss(game(), found.fake, image, weights, 0.1).detach())
        losses.append(found.loss)
    assert (losses[0] >= losses[1]).all()
    assert (losses[1] > losses[2]).all()
    starts = GAN(Flat(), Bump(0.0), 2).noise(9, torch.Generator().manual_seed(0))
    all_losses = search_loss(game(), Flat()(starts), image.repeat(3, 1, 1, 1), weights.repeat(3, 1, 1, 1), 0.1)
    torch.testing.assert_close(losses[0], all_losses.detach().view(3, 3).amin(1))


def test_image_of_another_dtype_keeps_what_is_known():
    image = torch.full((1, *SHAPE), 0.3)
    found = fill_by_search(game(), image, half_known(), num_steps=2)
    assert found.fake.dtype == DOUBLE
    assert torch.equal(found.image[..., :3], image[..., :3].double())


def test_search_leaves_the_networks_alone_and_takes_the_average():
    gan = game()
    gan.keep_average(0.5)
    with torch.no_grad():
        gan.generator.scale.mul_(3.0)
    fill = fill_by_search(gan, torch.zeros(1, *SHAPE, dtype=DOUBLE), half_known(), num_steps=3)
    torch.testing.assert_close(fill.fake, Flat()(fill.z).detach())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in gan.parameters())


IMAGE = torch.zeros(1, *SHAPE, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: inpaint(IMAGE, half_known(), IMAGE[..., :3]), "must have one shape"),
        (lambda: inpaint(IMAGE, 0.5 * half_known(), IMAGE), "only zeros and ones, got 0.5"),
        (lambda: inpaint(IMAGE, torch.ones(3), IMAGE), r"\(3,\) does not broadcast to \(1, 1, 4, 4\)"),
        (lambda: inpaint(IMAGE, torch.ones(2, 1, 4, 4), IMAGE), "does not broadcast"),
        (lambda: context_weights(half_known(), 4), "odd and positive, got 4"),
        (lambda: fill_by_search(game().train(), IMAGE, half_known()), "eval mode"),
        (lambda: fill_by_search(game(), IMAGE, torch.ones(4)), "needs a hole"),
        (lambda: fill_by_search(game(), IMAGE, torch.zeros(4)), "known pixels"),
        (lambda: fill_by_search(game(), IMAGE[..., :2], half_known()[..., 2:]), r"makes \(1, 4, 4\), but an image is"),
        (lambda: fill_by_search(game(), IMAGE, half_known(), num_starts=0), "num_starts must be at least 1, got 0"),
        (lambda: fill_by_search(game(), IMAGE, half_known(), prior_weight=-1.0), "prior_weight must be at least 0"),
    ],
)
def test_bad_input_is_named(action, message):
    with pytest.raises(ValueError, match=message):
        action()
