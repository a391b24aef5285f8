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


class SmoothCritic(Stub):
    """A critic of images, (B, C, H, W) to (B,): smooth, curved, with gradient norms that differ by example."""

    def __init__(self, *, channels: int, width: int = 4, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.conv = skip_init(nn.Conv2d, channels, width, 3, padding=1)
        self.head = skip_init(nn.Linear, width, 1)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)

    def forward(self, x):
        hidden = torch.tanh(self.conv(x))
        return self.head((hidden * hidden + hidden).mean((2, 3))).squeeze(1)


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
