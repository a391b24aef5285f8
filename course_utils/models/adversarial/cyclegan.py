"""CycleGAN: translate between two domains S and T, of which no pairs are known.

    G: S -> T and F: T -> S, with a discriminator for each domain (least squares, on patches), minimise

    L_GAN(G, D_T) + L_GAN(F, D_S)                                 translations look like their domain
    + lambda (E |F(G(s)) - s|_1 + E |G(F(t)) - t|_1)              there and back again: the same image
    + lambda_id (E |G(t) - t|_1 + E |F(s) - s|_1)                 what is in the domain already stays

Without the cycle G may map every s to any image of T; with it the translation must keep what is needed to come back.
Discriminators also see fakes of the past, from a pool, so that they do not forget.

Source: Zhu et al. 2017 (arXiv 1703.10593), equations 1 to 3, sections 4 and 5.2. Shapes: source s and target t
(B, C, H, W) in [-1, 1]; the two batches need not be pairs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.models.adversarial.gan import Turn
from course_utils.models.adversarial.lsgan import ls_discriminator_loss, ls_generator_loss


def cycle_consistency_loss(
    source: Tensor, source_cycled: Tensor, target: Tensor, target_cycled: Tensor, weight: float = 10.0
) -> Tensor:
    """Return weight times (mean |source_cycled - source| + mean |target_cycled - target|), (). Equation 2.

    Raises ValueError where an image and its cycled one have different shapes.
    """
    for name, image, cycled in (("source", source, source_cycled), ("target", target, target_cycled)):
        if image.shape != cycled.shape:
            raise ValueError(f"{name} is {tuple(image.shape)}, but what came back is {tuple(cycled.shape)}")
    return weight * (F.l1_loss(source_cycled, source) + F.l1_loss(target_cycled, target))


class ResidualBlock(nn.Module):
    """x + two convolutions of x, with instance norm."""

    def __init__(self, dim: int):
        super().__init__()
        layers = []
        for k in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), nn.InstanceNorm2d(dim, affine=True)]
            layers += [nn.ReLU()] if k == 0 else []
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResidualGenerator(nn.Module):
    """A 7x7 convolution, two of stride 2, residual blocks, two of stride 1/2, a 7x7 one; sides are multiples of 4."""

    def __init__(self, num_channels: int, hidden_dim: int = 32, num_blocks: int = 3):
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(num_channels, hidden_dim, 7)]
        layers += [nn.InstanceNorm2d(hidden_dim, affine=True), nn.ReLU()]
        for dim in (hidden_dim, 2 * hidden_dim):
            layers += [
                nn.Conv2d(dim, 2 * dim, 3, stride=2, padding=1),
                nn.InstanceNorm2d(2 * dim, affine=True),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(4 * hidden_dim) for _ in range(num_blocks)]
        for dim in (4 * hidden_dim, 2 * hidden_dim):
            layers.append(nn.ConvTranspose2d(dim, dim // 2, 3, stride=2, padding=1, output_padding=1))
            layers += [nn.InstanceNorm2d(dim // 2, affine=True), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(hidden_dim, num_channels, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Return the translation, (B, C, H, W) in [-1, 1]. Raises ValueError for sides that are not multiples of 4."""
        if x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"height and width must be multiples of 4, got {x.shape[2]}x{x.shape[3]}")
        return self.layers(x)


class ImagePool(nn.Module):
    """The last fakes: each new one is handed on, or, with probability 1/2, kept in exchange for an older one.

    Source: Shrivastava et al. 2016 (arXiv 1612.07828), section 2.3. Its images are buffers, so a resumed run has them.
    """

    def __init__(self, image_shape: tuple[int, int, int], size: int = 50):
        super().__init__()
        if size < 0:
            raise ValueError(f"size must be at least 0, got {size}")
        self.register_buffer("images", torch.zeros(size, *image_shape))
        self.register_buffer("count", torch.tensor(0))

    def exchange(self, fakes: Tensor) -> Tensor:
        """Return as many images as there are fakes (B, C, H, W), some of them from earlier calls."""
        if len(self.images) == 0:
            return fakes
        handed_on = []
        for fake in fakes.detach():
            if self.count < len(self.images):
                self.images[self.count] = fake
                self.count += 1
                handed_on.append(fake)
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(len(self.images), ()))
                handed_on.append(self.images[place].clone())
                self.images[place] = fake
            else:
                handed_on.append(fake)
        return torch.stack(handed_on)


class CycleGAN(nn.Module):
    """Two generators and two discriminators, for batches (source, target) that are not pairs.

    Args:
        to_target, to_source: generators.
        judge_target, judge_source: discriminators, from images to scores of any shape.
        image_shape: (C, H, W).
        cycle_weight, identity_weight: lambda and lambda_id; a cycle weight of 0 lets translations forget their source.
    """

    def __init__(
        self,
        to_target: nn.Module,
        to_source: nn.Module,
        judge_target: nn.Module,
        judge_source: nn.Module,
        image_shape: tuple[int, int, int],
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
    ):
        super().__init__()
        if cycle_weight < 0 or identity_weight < 0:
            raise ValueError(f"weights must be at least 0, got {cycle_weight} and {identity_weight}")
        self.generator = nn.ModuleDict({"to_target": to_target, "to_source": to_source})
        self.discriminator = nn.ModuleDict({"target": judge_target, "source": judge_source})
        self.pools = nn.ModuleDict({name: ImagePool(image_shape, pool_size) for name in ("target", "source")})
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.averaged = None

    def to_target(self, source: Tensor) -> Tensor:
        """Return the translation of each source, with gradients."""
        return self.generator["to_target"](source)

    def to_source(self, target: Tensor) -> Tensor:
        """Return the translation of each target, with gradients."""
        return self.generator["to_source"](target)

    def discriminator_loss(self, source: Tensor, target: Tensor) -> Turn:
        """Return the turn of both discriminators, with the sum of their losses; none reaches the generators.

        Raises ValueError if a translation has another shape than its domain.
        """
        with torch.no_grad():
            fakes = {"target": self.to_target(source), "source": self.to_source(target)}
        loss, real_scores, fake_scores = 0.0, [], []
        for name, real in (("target", target), ("source", source)):
            if fakes[name].shape[1:] != real.shape[1:]:
                raise ValueError(
                    f"translations to the {name} domain are {tuple(fakes[name].shape[1:])}, its images "
                    f"{tuple(real.shape[1:])}"
                )
            scores_real = self.discriminator[name](real)
            scores_fake = self.discriminator[name](self.pools[name].exchange(fakes[name]))
            loss = loss + ls_discriminator_loss(scores_real, scores_fake)
            real_scores.append(scores_real.flatten())
            fake_scores.append(scores_fake.flatten())
        return Turn(loss, torch.cat(real_scores), torch.cat(fake_scores))

    def generator_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the loss of both generators, ()."""
        fake_target, fake_source = self.to_target(source), self.to_source(target)
        loss = ls_generator_loss(self.discriminator["target"](fake_target))
        loss = loss + ls_generator_loss(self.discriminator["source"](fake_source))
        if self.cycle_weight > 0:
            source_cycled, target_cycled = self.to_source(fake_target), self.to_target(fake_source)
            loss = loss + cycle_consistency_loss(source, source_cycled, target, target_cycled, self.cycle_weight)
        if self.identity_weight > 0:
            stays = F.l1_loss(self.to_target(target), target) + F.l1_loss(self.to_source(source), source)
            loss = loss + self.identity_weight * stays
        return loss

    def generator_parameters(self):
        """Return the parameters that take a step on `generator_loss`."""
        return self.generator.parameters()

    def discriminator_parameters(self):
        """Return the parameters that take a step on `discriminator_loss`."""
        return self.discriminator.parameters()

    def verdict(self, logits: Tensor) -> Tensor:
        """Return the score itself: 1 is due for real, 0 for fake."""
        return logits
