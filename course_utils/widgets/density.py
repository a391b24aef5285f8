"""Widgets of the lectures on density: bins and bandwidth, a mixture under EM, and which of two images is likelier."""

import math
from collections.abc import Sequence

import ipywidgets
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor

from course_utils.models.density.histogram import Histogram
from course_utils.models.density.kde import kde_log_prob
from course_utils.models.density.mixture import GaussianMixture
from course_utils.plotting import CLASS_COLORS, image_grid
from course_utils.widgets.figure import interactive_figure

GRID = 400  # places at which a curve is drawn


def density_explorer(x: Tensor, held_out: Tensor) -> ipywidgets.Box | Figure:
    """Return sliders for the bins of a histogram and the bandwidth of a kernel density estimate of x (N,).

    Each title tells the mean log-likelihood, in nats, of the points used and of those held out, (M,). Without a front
    end the figure shows three bandwidths above three numbers of bins.
    """
    low, high = float(torch.cat([x, held_out]).min()), float(torch.cat([x, held_out]).max())
    margin = (high - low) / 10
    low, high = low - margin, high + margin
    places = torch.linspace(low, high, GRID, dtype=x.dtype)

    def finish(ax: Axes, title: str, used: Tensor, held: Tensor) -> None:
        ax.plot(x.tolist(), [0] * len(x), "|", color="0.2", markersize=8)
        ax.set(title=f"{title}\nused {used.mean():.2f}, held out {held.mean():.2f}", xlim=(low, high), yticks=[])

    def draw_histogram(ax: Axes, num_bins: int) -> None:
        # Half a point in every bin: a value held out may fall into an empty one.
        histogram = Histogram(num_bins, low, high, pseudo_count=0.5).fit(x)
        ax.stairs(histogram.log_heights.exp().tolist(), histogram.edges.tolist(), fill=True, color="#56B4E9")
        finish(ax, f"{num_bins} bins", histogram.log_prob(x), histogram.log_prob(held_out))

    def draw_kernels(ax: Axes, bandwidth: float) -> None:
        def log_prob(points: Tensor) -> Tensor:
            return kde_log_prob(points[:, None], x[:, None], bandwidth)

        ax.fill_between(places.tolist(), log_prob(places).exp().tolist(), color="#E69F00", alpha=0.7)
        finish(ax, f"bandwidth {bandwidth:.2g}", log_prob(x), log_prob(held_out))

    def draw(figure: Figure, num_bins: int, bandwidth: float) -> None:
        left, right = figure.subplots(1, 2)
        draw_histogram(left, num_bins)
        draw_kernels(right, bandwidth)

    def draw_static(figure: Figure) -> None:
        axes = figure.subplots(2, 3)
        for column, (num_bins, share) in enumerate(((4, 0.3), (15, 0.05), (80, 0.005))):
            draw_histogram(axes[0, column], num_bins)
            draw_kernels(axes[1, column], share * (high - low))

    controls = {
        "num_bins": ipywidgets.IntSlider(value=15, min=1, max=100, description="bins"),
        "bandwidth": ipywidgets.FloatLogSlider(
            value=0.05 * (high - low), base=10, min=math.log10(0.002 * (high - low)), max=math.log10(high - low),
            description="bandwidth",
        ),
    }  # fmt: skip
    return interactive_figure(draw, controls, draw_static, figsize=(8.4, 4.2))


def mixture_fitter(x: Tensor, num_steps: int = 40) -> ipywidgets.Box | Figure:
    """Return sliders for EM on points x (N, 2): how many components, from which start, after how many steps.

    Points take the colour of the component with the greatest share; ellipses are drawn at one and two standard
    deviations. Without a front end the figure shows the start and what 1, 5 and all steps made of it.
    """
    runs: dict[tuple[int, int], tuple[list[GaussianMixture], list[float]]] = {}

    def run(num_components: int, seed: int) -> tuple[list[GaussianMixture], list[float]]:
        """All states of one run, each computed once."""
        if (num_components, seed) not in runs:
            model = GaussianMixture(num_components, 2).to(x.dtype)
            model.start(x, torch.Generator().manual_seed(seed))
            states, trace = [], []
            for _ in range(num_steps + 1):
                kept = GaussianMixture(num_components, 2).to(x.dtype)
                kept.load_state_dict(model.state_dict())
                states.append(kept)
                trace.append(model.log_prob(x).mean().item())
                model.step(x)
            runs[num_components, seed] = states, trace
        return runs[num_components, seed]

    def draw_state(ax: Axes, num_components: int, seed: int, step: int) -> None:
        states, trace = run(num_components, seed)
        draw_mixture(ax, states[step], x)
        ax.set_title(f"step {step}: {trace[step]:.3f} nats a point")

    def draw(figure: Figure, num_components: int, seed: int, step: int) -> None:
        left, right = figure.subplots(1, 2)
        draw_state(left, num_components, seed, step)
        trace = run(num_components, seed)[1]
        right.plot(trace)
        right.plot(step, trace[step], "o")
        right.set(xlabel="step", ylabel="mean log-likelihood [nats]")

    def draw_static(figure: Figure) -> None:
        steps = (0, 1, 5, num_steps)
        for ax, step in zip(figure.subplots(1, len(steps)), steps, strict=True):
            draw_state(ax, 3, 0, step)
            ax.set_title(ax.get_title().replace(": ", "\n"))

    controls = {
        "num_components": ipywidgets.IntSlider(value=3, min=1, max=8, description="components"),
        "seed": ipywidgets.IntSlider(value=0, min=0, max=9, description="start"),
        "step": ipywidgets.IntSlider(value=0, min=0, max=num_steps, description="step"),
    }
    return interactive_figure(draw, controls, draw_static, figsize=(8.4, 2.8))


def draw_mixture(ax: Axes, model: GaussianMixture, x: Tensor) -> Axes:
    """Draw points (N, 2) in the colour of their likeliest component, and its ellipses of 1 and 2 deviations."""
    owners = model.responsibilities(x).argmax(1)
    ax.scatter(*x.T.tolist(), s=5, c=[CLASS_COLORS[owner % len(CLASS_COLORS)] for owner in owners.tolist()])
    for k, (mu, cov) in enumerate(zip(model.mu, model.cov, strict=True)):
        variances, directions = torch.linalg.eigh(cov)
        angle = math.degrees(math.atan2(directions[1, 1].item(), directions[0, 1].item()))
        for deviations in (1, 2):
            width, height = (2 * deviations * variances.flip(0).sqrt()).tolist()
            color = CLASS_COLORS[k % len(CLASS_COLORS)]
            ax.add_patch(Ellipse(mu.tolist(), width, height, angle=angle, fill=False, color=color, linewidth=1.5))
        ax.plot(*mu.tolist(), "k+", markersize=8)
    ax.set(xticks=[], yticks=[], aspect="equal")
    return ax


def likelier_image(images: Tensor, log_px: Tensor, names: Sequence[str]) -> ipywidgets.Box | Figure:
    """Return a question: which of two images (N, C, H, W) has the greater log p(x), (N,)?

    The reader chooses a pair, guesses, and then lets the figure tell. Without a front end the figure shows all images
    with their log-densities, from the likeliest to the least likely.

    Raises:
        ValueError: fewer than two images, or names or densities that are not one for each.
    """
    if not len(images) == len(log_px) == len(names) >= 2:
        counts = f"{len(images)}, {len(log_px)} and {len(names)}"
        raise ValueError(f"at least two images, with a density and a name each, were due: got {counts}")

    def draw(figure: Figure, left: int, right: int, answer: bool) -> None:
        for ax, index, other in zip(figure.subplots(1, 2), (left, right), (right, left), strict=True):
            image_grid(images[index : index + 1], ax=ax)
            title = names[index]
            if answer:
                verdict = "likelier" if log_px[index] > log_px[other] else "less likely"
                title += f"\nlog p(x) = {log_px[index]:.0f} nats: {verdict}"
            ax.set_title(title)

    def draw_static(figure: Figure) -> None:
        order = log_px.argsort(descending=True).tolist()
        for ax, index in zip(figure.subplots(1, len(order)), order, strict=True):
            image_grid(images[index : index + 1], ax=ax)
            ax.set_title(f"{names[index]}\n{log_px[index]:.0f} nats", fontsize=8)

    options = [(name, index) for index, name in enumerate(names)]
    controls = {
        "left": ipywidgets.Dropdown(options=options, value=0, description="left"),
        "right": ipywidgets.Dropdown(options=options, value=1, description="right"),
        "answer": ipywidgets.ToggleButton(value=False, description="tell me"),
    }
    return interactive_figure(draw, controls, draw_static, figsize=(8.4, 1.9))
