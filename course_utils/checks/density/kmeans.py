"""The check of `kmeans_step`: assignments of points that are clearly nearest to one centre, and the new centres."""

# ruff: noqa: E501

from typing import ClassVar

import torch

from course_utils.checks.core import Criterion
from course_utils.checks.density.tuples import TupleCheck, flat
from course_utils.checks.failures import Failure
from course_utils.checks.tensors import shapes


def squared_distances(x, centers):
    return (x[:, None] - centers).square().sum(2)


def means(x, assignments, centers):
    """The mean of each centre's points; a centre without points stays."""
    member = torch.nn.functional.one_hot(assignments, len(centers)).double()
    counts = member.sum(0)[:, None]
    return torch.where(counts > 0, member.T @ x / counts.clamp(min=1), centers)


def medians(x, assignments, centers):
    moved = centers.clone()
    for k in assignments.unique().tolist():
        moved[k] = x[assignments == k].median(0).values
    return moved


class KmeansStep(TupleCheck):
    name = "kmeans_step"
    arguments = ("x", "centers")
    parts = ("assignments", "new_centers")
    integers = ("assignments",)
    weights: ClassVar = {"value": 6.0, "far out": 1.0, "contract": 1.0}
    wrong_canary_mistake = "farthest"
    mistakes: ClassVar = {
        "not-a-tuple": "a tuple of two is due: the assignments and the new centres.",
        "wrong-count": "exactly two tensors are due: the assignments and the new centres.",
        "not-integers": "the assignments are no integers: each is the number of a centre, as `argmin` gives it.",
        "swapped": "the two results are swapped: first the assignments, then the new centres.",
        "one-hot": "the assignments are one-hot: due is the number of the nearest centre for each point, (N,).",
        "assigned-centers": "you return the coordinates of the nearest centre: due is its number.",
        "per-centre": "you look for the nearest point of each centre: due is the nearest centre of each point, `argmin(1)` of (N, K) distances.",
        "center-for-each-point": "you return one centre for each point: due are the K centres, (K, D).",
        "keeps-axis": "the assignments keep an axis of length 1: they are (N,), so leave out `keepdim=True`.",
        "farthest": "points are assigned to the farthest centre: take argmin, not argmax.",
        "one-based": "the centres are counted from 1: the first has number 0.",
        "scalar-product": "points are assigned by the scalar product: take the smallest distance.",
        "cosine": "points are assigned by the angle: take the smallest distance.",
        "manhattan": "points are assigned by the sum of absolute differences: take the Euclidean distance.",
        "chebyshev": "points are assigned by the largest difference: take the Euclidean distance.",
        "one-dimension": "only one dimension counts for the distance: sum the squares over all.",
        "signed-sum": "differences cancel each other in your distance: square them before you sum.",
        "all-to-one": "all points are assigned to the same centre: take argmin for each point.",
        "centers-as-given": "the centres did not move: each moves to the mean of its points.",
        "assigned-to-new": "the assignments belong to the new centres: assign to the centres given, then move those.",
        "two-steps": "you took more than one step: assign once, move once.",
        "sums": "the new centres are sums of their points: divide by the number of points.",
        "divided-by-all": "you divide by the number of all points: divide by the number of points of each centre.",
        "divided-by-k": "you divide by the number of centres: divide by the number of points of each centre.",
        "mean-of-all": "the new centres are the mean of all points: each is the mean of its own points.",
        "off-by-one": "you divide by one more, or one less, than the number of points.",
        "old-centre-counts": "the old centre counts as one more point of the mean: only the points count.",
        "half-way": "the centres move only a part of the way: each moves to the mean of its points.",
        "median": "you take the median: a centre of k-means is the mean of its points.",
        "nearest-point": "the new centres are data points: due is the mean of the points.",
        "change": "you return by how much the centres move: due are the centres themselves.",
        "scalar-means": "you average over the dimensions too: a mean has D coordinates.",
        "empty-nan": "a centre with no points becomes NaN (0 divided by 0): it stays where it is.",
        "empty-zero": "a centre with no points goes to 0: it stays where it is.",
        "empty-dropped": "a centre with no points is dropped: the result has all K centres, and this one stays where it is.",
        "empty-moved": "a centre with no points moves: it stays where it is.",
    }  # fmt: skip

    def criteria(self):
        *first, far, contract = super().criteria()
        return [*first, Criterion("empty centre", self.judge_empty, 2.0), far, contract]

    def cases(self, rng):
        return [self._draw(rng, *shape) for shape in ((7, 3, 2), (32, 4, 2), (9, 2, 3), (10, 3, 1), (12, 3, 5))]

    def _draw(self, rng, num_points, num_centers, dims):
        """Points of which every centre has some, each clearly nearer to its own than to any other."""
        centers = rng.normal(num_centers, dims, scale=1.5) + 0.6
        if dims == 1:  # in one dimension centres often come too close
            centers = 0.6 + 1.2 * torch.arange(num_centers)[:, None].flip(0) + 0.2 * rng.normal(num_centers, 1)
        chosen = [self._near(rng, centers, k) for k in range(num_centers)]
        while len(chosen) < num_points:
            x = rng.normal(64, dims, scale=1.8) + 0.6
            chosen += x[self._is_clear(x, centers)]
        order = torch.randperm(num_points, generator=rng.generator)
        return {"x": torch.stack(chosen[:num_points])[order], "centers": centers}

    def _near(self, rng, centers, k):
        distance = 1.0
        while True:
            x = centers[k] + distance * rng.normal(1, centers.shape[1])
            if self._is_clear(x, centers) and squared_distances(x, centers).argmin() == k:
                return x[0]
            distance *= 0.9

    @staticmethod
    def _is_clear(x, centers):
        """Whether the second-nearest centre is clearly further away: no rounding and no tie decides."""
        if len(centers) == 1:
            return torch.ones(len(x), dtype=torch.bool)
        nearest = squared_distances(x.double(), centers.double()).topk(2, largest=False).values
        return nearest[:, 1] - nearest[:, 0] > 0.02 * (1 + nearest[:, 1])

    def empty_cases(self, rng):
        """Centres far from all points, in the first place, in the last, and beside a single point."""
        cases = [self._draw(rng, *shape) for shape in ((8, 3, 2), (30, 3, 4), (2, 1, 3))]
        away = [8 * centers.sign()[:1] + centers.mean(0) + 8 for centers in (case["centers"] for case in cases)]
        orders = ([away[0], cases[0]["centers"]], [cases[1]["centers"], away[1]], [away[2], cases[2]["centers"]])
        return [{**case, "centers": torch.cat(order)} for case, order in zip(cases, orders, strict=True)]

    def far_cases(self, rng):
        outlier = self._draw(rng, 9, 3, 2)
        outlier = {**outlier, "x": torch.cat([outlier["x"], outlier["centers"][1:2] * 50 + 60])}
        nearest = squared_distances(outlier["x"][-1:].double(), outlier["centers"].double())
        if nearest.topk(2, largest=False).values.diff() < 20:  # far away even this is near for float32
            outlier["x"][-1] = outlier["centers"][0] + 0.01
        wide = self._draw(rng, 12, 3, 2)
        tiny = self._draw(rng, 12, 3, 2)
        return [
            outlier,
            {name: 1e4 * value for name, value in wide.items()},
            {name: 1e-3 * value for name, value in tiny.items()},
            self._draw(rng, 10, 3, 300),
            self._draw(rng, 6, 1, 2),
        ]

    def single_case(self, rng):
        case = self._draw(rng, 3, 3, 2)
        return {**case, "x": case["x"][:1]}

    def oracle(self, x, centers):
        assignments = squared_distances(x, centers).argmin(1)
        return assignments, means(x, assignments, centers)

    def guesses(self, x, centers):
        squares = squared_distances(x, centers)
        nearest, moved = self.oracle(x, centers)
        counts = nearest.bincount(minlength=len(centers))[:, None]
        sums = moved * counts
        distances = {
            "farthest": -squares,
            "scalar-product": -x @ centers.T,
            "cosine": -torch.nn.functional.normalize(x, dim=1) @ torch.nn.functional.normalize(centers, dim=1).T,
            "manhattan": (x[:, None] - centers).abs().sum(2),
            "chebyshev": (x[:, None] - centers).abs().amax(2),
            "one-dimension": squares if x.shape[1] == 1 else (x[:, None, 0] - centers[:, 0]) ** 2,
            "signed-sum": (x[:, None] - centers).sum(2),
            "all-to-one": torch.zeros_like(squares),
        }
        guesses = []
        for name, distance in distances.items():
            other = distance.argmin(1)
            absent = other.bincount(minlength=len(centers))[:, None] == 0
            means_of_others = means(x, other, centers)
            guesses += [(name, (other, means_of_others)), (name, (other, moved))]
            guesses += [(name, (other, means_of_others.masked_fill(absent, fill))) for fill in (0.0, torch.nan)]
        guesses += [("signed-sum", ((x[:, None] - centers).sum(2).abs().argmin(1), moved))]
        again = squared_distances(x, moved).argmin(1)
        first = x[squares.argmin(0)]
        near_mean = x[squared_distances(x, moved).argmin(0)]
        guesses += [
            ("one-based", (nearest + 1, moved)),
            ("centers-as-given", (nearest, centers)),
            ("assigned-to-new", (again, moved)),
            ("two-steps", (again, means(x, again, moved))),
            ("two-steps", (nearest, means(x, again, moved))),
            ("sums", (nearest, sums)),
            ("divided-by-all", (nearest, sums / len(x))),
            ("divided-by-k", (nearest, sums / len(centers))),
            ("mean-of-all", (nearest, x.mean(0).expand_as(centers))),
            ("off-by-one", (nearest, sums / (counts + 1))),
            ("off-by-one", (nearest, sums / (counts - 1))),
            ("off-by-one", (nearest, sums / (counts - 1).clamp(min=1))),
            ("old-centre-counts", (nearest, (sums + centers) / (counts + 1))),
            ("half-way", (nearest, (centers + moved) / 2)),
            ("half-way", (nearest, centers + 0.1 * (moved - centers))),
            ("median", (nearest, medians(x, nearest, centers))),
            ("nearest-point", (nearest, first)),
            ("nearest-point", (nearest, near_mean)),
            ("change", (nearest, moved - centers)),
            ("scalar-means", (nearest, moved.mean(1, keepdim=True).expand_as(moved))),
        ]
        return [((name,), flat(parts)) for name, parts in guesses]

    def explain_parts(self, case, values, due):
        assignments, moved = (tuple(value.shape) for value in values)
        num_points, (num_centers, dims) = len(case["x"]), case["centers"].shape
        if assignments == (num_points, num_centers):
            return "one-hot"
        if assignments == (num_points, 1):
            return "keeps-axis"
        if assignments == (num_points, dims):
            return "assigned-centers"
        if assignments == (num_centers,):
            return "per-centre"
        if moved == (num_points, dims):
            return "center-for-each-point"
        return "empty-dropped" if len(moved) == 2 and moved[1] == dims and moved[0] < num_centers else None

    def require_type(self, output, where):
        if isinstance(output, tuple | list) and len(output) == 2:
            first, second = output
            if all(isinstance(part, torch.Tensor) for part in output) and first.is_floating_point():
                if second.layout == torch.strided and not second.is_floating_point() and second.dtype != torch.bool:
                    raise Failure(mistake="swapped", where=where)
                if first.ndim == 2 and first.layout == torch.strided:
                    sure = ((first == 0) | (first == 1)).all() and (first.sum(1) == 1).all()
                    mistake = "one-hot" if sure else "not-integers"
                    mistake = "assigned-centers" if first.shape[1:] == second.shape[1:] and not sure else mistake
                    raise Failure(mistake=mistake, where=where, got=f"{first.dtype} of shape {tuple(first.shape)}")
        super().require_type(output, where)

    def judge_empty(self, trial):
        for case in self.empty_cases(trial.rng):
            result = self.checked(trial, case)
            if self.is_close(result):
                continue
            (_, numbers, due_numbers), (_, moved, due) = self.split(result)
            has_points = torch.zeros(len(case["centers"]), dtype=torch.bool)
            has_points[due_numbers.long()] = True
            moved, due = moved.reshape(case["centers"].shape), due.reshape(case["centers"].shape)
            mistake = None
            if torch.equal(numbers, due_numbers) and torch.allclose(moved[has_points], due[has_points], 1e-4, 1e-4):
                left = moved[~has_points]
                mistake = "empty-nan" if left.isnan().any() else "empty-moved" if left.any() else "empty-zero"
            message = "" if mistake else f"with a centre that has no points, the result is wrong.{self.hint([result])}"
            raise self.difference(result, message, mistake)

    def checked(self, trial, case):
        try:
            return super().checked(trial, case)
        except Failure as failure:
            failure.where = failure.where or shapes(case)
            raise

    def right_canary(self, x, centers):
        assignments = torch.cdist(x, centers).argmin(1)
        moved = [x[assignments == k].mean(0) if (assignments == k).any() else c for k, c in enumerate(centers)]
        return assignments, torch.stack(moved)

    def wrong_canary(self, x, centers):
        assignments = torch.cdist(x, centers).argmax(1)
        moved = [x[assignments == k].mean(0) if (assignments == k).any() else c for k, c in enumerate(centers)]
        return assignments, torch.stack(moved)
