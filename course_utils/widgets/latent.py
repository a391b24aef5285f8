"""Sliders over latent space: one for each latent of a decoder, and one over the beta of several VAEs."""

from collections.abc import Callable, Mapping

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from course_utils.models.latent.vae import gaussian_kl
from course_utils.plotting import compare_rows, decode_images, image_grid, latent_grid, latent_scatter
from course_utils.widgets import figure as front_end
from course_utils.widgets.figure import interactive_figure


def latent_explorer(
    decode: Callable[[Tensor], Tensor],
    z: Tensor | None = None,
    y: Tensor | None = None,
    latent_dim: int = 2,
    limits: tuple[float, float] | None = None,
) -> ipywidgets.Box | Figure:
    """Return a slider for each latent and the image that `decode` makes of them.

    With two latents the latent plane stands on the left, with the point that is decoded and, where given, the data's
    latents z (N, 2) coloured by class y (N,). Without a front end the figure shows the plane beside a grid of decoded
    points; with more than two latents, a row for each: this one from low to high, the others at their mean.

    Args:
        decode: maps z (N, latent_dim) to images (N, C, H, W) in [0, 1].
        limits: the ends of all sliders; by default those of z and a tenth beyond, or -3 and 3.

    Raises:
        ValueError: z is not (N, latent_dim), or latent_dim is below 1.
    """
    if latent_dim < 1:
        raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
    if z is not None and (z.ndim != 2 or z.shape[1] != latent_dim or len(z) == 0):
        raise ValueError(f"z must be (N, {latent_dim}), the latents of N images, got {tuple(z.shape)}")
    z = z.detach().cpu().double() if z is not None else None
    low, high = _limits(z, latent_dim, limits)
    start = z.mean(0).clamp(low, high) if z is not None else (low + high) / 2
    extent = tuple(torch.stack([low, high], dim=1)[:2].flatten().tolist())
    names = [f"z_{index + 1}" for index in range(latent_dim)]

    def draw_plane(ax) -> None:
        if z is not None:
            latent_scatter(z, y, ax)
        ax.set(xlabel="$z_1$", ylabel="$z_2$", xlim=extent[:2], ylim=extent[2:])

    def draw(figure: Figure, **values: float) -> None:
        point = torch.tensor([[values[name] for name in names]], dtype=torch.float64)
        axes = figure.subplots(1, 2) if latent_dim == 2 else [None, figure.subplots()]
        if latent_dim == 2:
            draw_plane(axes[0])
            axes[0].plot(*point[0].tolist(), marker="+", markersize=16, markeredgewidth=3, color="black")
        image_grid(decode_images(decode, point), axes[1], titles=["decoded image"])

    def draw_static(figure: Figure) -> None:
        if latent_dim == 2:
            left, right = figure.subplots(1, 2)
            draw_plane(left)
            latent_grid(decode, right, extent, num_per_side=10)
            return
        steps = torch.linspace(0, 1, 9, dtype=torch.float64)
        rows = {}
        for index, name in enumerate(names):
            path = start.repeat(len(steps), 1)
            path[:, index] = low[index] + (high[index] - low[index]) * steps
            rows[f"${name}$"] = decode_images(decode, path)
        compare_rows(rows, figure.subplots(), titles=["low", *[""] * (len(steps) - 2), "high"])

    controls = {
        name: ipywidgets.FloatSlider(
            value=start[index].item(),
            min=low[index].item(),
            max=high[index].item(),
            step=(high[index] - low[index]).item() / 100,
            description=name,
            continuous_update=True,
        )
        for index, name in enumerate(names)
    }
    height = 3.6 if latent_dim == 2 else min(6.0, 0.6 + 0.6 * latent_dim)
    return interactive_figure(draw, controls, draw_static, figsize=(7.2, height))


def _limits(z: Tensor | None, latent_dim: int, limits: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    """The ends of each slider, (latent_dim,) each."""
    if limits is None and z is not None:
        low, high = z.min(0).values, z.max(0).values
        margin = 0.1 * (high - low).clamp(min=1e-3)
        return low - margin, high + margin
    low, high = limits if limits is not None else (-3.0, 3.0)
    if not low < high:
        raise ValueError(f"limits must be (low, high) with low below high, got {limits}")
    return torch.full((latent_dim,), low, dtype=torch.float64), torch.full((latent_dim,), high, dtype=torch.float64)


def beta_slider(models: Mapping[float, nn.Module], x: Tensor, y: Tensor | None = None) -> ipywidgets.Box | Figure:
    """Return a slider over beta that shows the VAE trained with it: latent space, reconstructions and new images.

    The latent space is that of the two latents with the largest mean KL. Without a front end, the figure shows them
    all: for each beta, from left to right, the latent space, and below it new images.

    Args:
        models: a VAE for each beta; all decode the same draws of the prior if their latents are equally many.
        x: images (N, C, H, W) in [0, 1], held out; all stand in the latent space, the first eight are reconstructed.
        y: their classes (N,), for the colours.

    Raises:
        ValueError: there are no models, or no images.
    """
    if not models or len(x) == 0:
        raise ValueError(f"beta_slider needs models and images, got {len(models)} models and {len(x)} images")
    betas = sorted(models)
    noise = {
        beta: torch.randn(8, models[beta].latent_dim, generator=torch.Generator().manual_seed(0)) for beta in betas
    }

    @torch.no_grad()
    def draw_plane(ax, beta: float) -> None:
        mu, logvar = models[beta].encode(x)
        largest = gaussian_kl(mu.unsqueeze(-1), logvar.unsqueeze(-1)).mean(0).argsort(descending=True)[:2]
        latent_scatter(mu[:, largest], y, ax)
        first, second = (largest + 1).tolist()
        ax.set(xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
        ax.set(xticks=(-3, 0, 3), yticks=(-3, 0, 3))
        for name in ax.texts:
            name.set_fontsize("small")
        ax.set_title(rf"$\beta$ = {beta:g}")

    def new_images(beta: float) -> Tensor:
        return decode_images(models[beta].decode_mean, noise[beta])

    def draw(figure: Figure, beta: float) -> None:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
        draw_plane(left, beta)
        rows = {"images": x[:8], "reconstructed": models[beta].reconstruct(x[:8]), "new": new_images(beta)[: len(x)]}
        compare_rows(rows, right)

    def draw_static(figure: Figure) -> None:
        planes, images = figure.subplots(2, len(betas), height_ratios=[2, 1], squeeze=False)
        for ax_plane, ax_images, beta in zip(planes, images, betas, strict=True):
            draw_plane(ax_plane, beta)
            image_grid(new_images(beta), ax_images, num_columns=4)

    options = [(f"{beta:g}", beta) for beta in betas]
    control = ipywidgets.SelectionSlider(options=options, value=betas[len(betas) // 2], description="beta")
    width = 6.8 if front_end.has_front_end() else 1.6 * len(betas)
    return interactive_figure(draw, {"beta": control}, draw_static, figsize=(width, 2.9))
