"""Small networks that checks hand to students' functions.

A network is described by its class and its keyword arguments, so that the same one can be built in the process where
the student's function lives; parameters then travel as tensors.
"""

import torch
from torch import nn
from torch.nn.utils import skip_init  # leaves the global random generator alone

STUBS: dict[str, type["Stub"]] = {}


class Stub(nn.Module):
    """A network that remembers the keyword arguments it was made of, as `config`."""

    def __init_subclass__(cls):
        STUBS[cls.__name__] = cls

    def __new__(cls, **config):
        self = super().__new__(cls)
        object.__setattr__(self, "config", config)
        return self

    def __repr__(self):
        return type(self).__name__


class SmoothCritic(Stub):
    """A critic of images, (B, C, H, W) to (B,): smooth, curved, with gradient norms that differ by example.

    `num_ones` adds axes of length 1 to the scores.
    """

    def __init__(self, *, channels: int, width: int = 4, num_ones: int = 0, seed: int = 0):
        super().__init__()
        self.num_ones = num_ones
        generator = torch.Generator().manual_seed(seed)
        self.conv = skip_init(nn.Conv2d, channels, width, 3, padding=1)
        self.head = skip_init(nn.Linear, width, 1)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, x):
        hidden = torch.tanh(self.conv(x))
        scores = self.head((hidden * hidden + hidden).mean((2, 3))).squeeze(1)
        return scores.reshape(-1, *[1] * self.num_ones)


class LinearGenerator(Stub):
    """A generator of vectors: noise (B, Z) to (B, D)."""

    def __init__(self, *, num_latents: int, num_features: int, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.linear = skip_init(nn.Linear, num_latents, num_features)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, z):
        return torch.tanh(self.linear(z))


class LinearDiscriminator(Stub):
    """A discriminator of vectors: (B, D) to logits (B, 1)."""

    def __init__(self, *, num_features: int, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.linear = skip_init(nn.Linear, num_features, 1)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, x):
        return self.linear(x)


class QuadraticCritic(Stub):
    """A critic of images, (B, C, H, W) to (B, 1), whose gradient is known: <slope, x> + 1/2 sum_k <form_k, x>^2."""

    def __init__(self, *, shape: tuple, num_forms: int = 1, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.slope = nn.Parameter(torch.randn(*shape, generator=generator))
        self.forms = nn.Parameter(torch.randn(num_forms, *shape, generator=generator))

    def forward(self, x):
        x = x.flatten(1)
        return x @ self.slope.view(-1, 1) + 0.5 * (x @ self.forms.flatten(1).T).square().sum(1, keepdim=True)


class ImageGenerator(Stub):
    """A generator of images: noise (B, Z) to (B, C, H, W)."""

    def __init__(self, *, num_latents: int, shape: tuple, seed: int = 0):
        super().__init__()
        self.shape = tuple(shape)
        generator = torch.Generator().manual_seed(seed)
        self.linear = skip_init(nn.Linear, num_latents, self.shape[0] * self.shape[1] * self.shape[2])
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, z):
        return torch.tanh(self.linear(z)).unflatten(1, self.shape)


class PatchDiscriminator(Stub):
    """A discriminator of images, (B, C, H, W) to a map of logits (B, 1, H - 1, W - 1), one for each patch."""

    def __init__(self, *, channels: int, width: int = 4, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.conv = skip_init(nn.Conv2d, channels, width, 2)
        self.head = skip_init(nn.Conv2d, width, 1, 1)
        for parameter in self.parameters():
            parameter.data.normal_(std=0.5, generator=generator)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)))


class ChainOfPixels(Stub):
    """A model of images: levels / (V - 1), (B, C, H, W), to logits (B, V, C, H, W), in raster order, channels in turn.

    Value k is level (s + u) mod V, where s is a weighted sum of all values before it and u is drawn by its row of
    `table`: one, two or three levels are possible, in turn, the others have a logit 40 below. V is a prime, so every
    earlier value matters. What stands at later places has no influence, be it NaN. `shift` is added to all logits.
    """

    def __init__(self, *, image_shape: tuple, num_levels: int, shift: float = 0.0, seed: int = 0):
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.num_levels = num_levels
        self.size = self.image_shape[0] * self.image_shape[1] * self.image_shape[2]
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.full((self.size, num_levels), -40.0))
        with torch.no_grad():
            for k, row in enumerate(self.table):
                count = min(1 + (k + 1) % 3, num_levels)
                places = torch.randperm(num_levels, generator=generator)[:count]
                row[places] = torch.tensor([1.2, 0.0, -0.8])[:count] + 0.2 * torch.randn(count, generator=generator)
                row += shift + 2 * torch.randn((), generator=generator)
        weights = torch.randint(1, num_levels, (self.size,), generator=generator)
        self.register_buffer("weights", weights * (num_levels - 1.0))
        self.register_buffer("levels", torch.arange(num_levels))

    def forward(self, x):
        if tuple(x.shape[1:]) != self.image_shape or x.ndim != 4:
            due = ", ".join(map(str, self.image_shape))
            raise ValueError(f"the model takes images of shape (B, {due}), got {tuple(x.shape)}")
        weighted = x.permute(0, 2, 3, 1).flatten(1) * self.weights
        # A sum over what comes before, which leaves out what comes later rather than multiplying it by 0.
        before = nn.functional.pad(weighted.cumsum(1)[:, :-1], (1, 0)).round().long()
        relative = (self.levels - before.unsqueeze(2)) % self.num_levels
        logits = self.table.expand(len(x), -1, -1).gather(2, relative)
        channels, height, width = self.image_shape
        return logits.reshape(-1, height, width, channels, self.num_levels).permute(0, 4, 3, 1, 2)
