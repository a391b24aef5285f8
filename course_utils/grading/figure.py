"""The figure of the instructor's report: how the totals are spread, and how each exercise went."""

import base64
import io

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = {"all points": "#009e73", "some": "#e69f00", "none": "#d55e00"}  # apart for colour-blind readers, too


def scores_figure(
    totals: list[float], max_points: float, counts: dict[str, tuple[int, int, int]], *, dark: bool = False
) -> str:
    """A PNG as data URI: the histogram of the totals and one bar for each exercise.

    Args:
        totals: one for each student, at least one.
        max_points: of the assignment.
        counts: for each exercise, how many students have all points, some, none.
        dark: draw it for a dark page.
    """
    ink, paper = ("#e4e9ef", "#10151b") if dark else ("#1c2127", "#ffffff")
    style = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink)
    with matplotlib.rc_context(style | {"axes.facecolor": paper, "figure.facecolor": paper, "font.size": 11}):
        figure = Figure(figsize=(9, 3.2 + 0.32 * len(counts)), layout="constrained")
        spread, exercises = figure.subplots(2, 1, height_ratios=[3, max(1, 0.36 * len(counts))])
        top = max([max_points, *totals, 1.0])
        width = max(1.0, top / 30)  # points a bar; a bar of one point holds the totals that round to it
        edges = [width * (i - 0.5) for i in range(int(top / width + 0.5) + 2)]
        spread.hist(totals, bins=edges, color="#4a86c8", rwidth=0.9)
        spread.set(xlabel="points in all", ylabel="students", xlim=(edges[0], edges[-1]))
        spread.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        spread.spines[["top", "right"]].set_visible(False)
        names = list(counts)
        left = [0] * len(names)
        for index, (label, colour) in enumerate(COLOURS.items()):
            widths = [counts[name][index] for name in names]
            exercises.barh(names, widths, left=left, color=colour, label=label, height=0.7)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        exercises.invert_yaxis()
        exercises.set(xlabel="students", xlim=(0, len(totals)))
        exercises.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        exercises.spines[["top", "right", "left"]].set_visible(False)
        exercises.tick_params(axis="y", length=0)
        exercises.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderaxespad=0.2)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=110)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
