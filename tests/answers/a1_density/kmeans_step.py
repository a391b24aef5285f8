import warnings

import torch
import torch.nn.functional as F

from tests.answers.bank import wrong


def distances(x, centers):
    return (x[:, None] - centers).square().sum(2)


def moved(x, assignments, centers):
    return torch.stack(
        [x[assignments == k].mean(0) if (assignments == k).any() else centers[k] for k in range(len(centers))]
    )


def right_loop(x, centers):
    assignments = torch.cdist(x, centers).argmin(1)
    new_centers = centers.clone()
    for k in range(len(centers)):
        members = x[assignments == k]
        if len(members) > 0:
            new_centers[k] = members.mean(dim=0)
    return assignments, new_centers


def right_index_add(x, centers):
    assignments = distances(x, centers).argmin(1)
    sums = torch.zeros_like(centers).index_add_(0, assignments, x)
    counts = torch.bincount(assignments, minlength=len(centers)).unsqueeze(1)
    return assignments, torch.where(counts > 0, sums / counts.clamp(min=1), centers)


def right_one_hot(x, centers):
    assignments = distances(x, centers).argmin(1)
    member = F.one_hot(assignments, len(centers)).to(x.dtype)
    counts = member.sum(0).unsqueeze(1)
    means = member.T @ x / counts
    return assignments, torch.where(counts == 0, centers, means)


def right_expanded_squares(x, centers):
    scores = (centers**2).sum(1) - 2 * x @ centers.T
    assignments = scores.argmin(1)
    return assignments, moved(x, assignments, centers)


def right_python_loops(x, centers):
    assignments = []
    for point in x:
        found = [float(((point - center) ** 2).sum()) for center in centers]
        assignments.append(found.index(min(found)))
    assignments = torch.tensor(assignments, dtype=torch.int32)
    return assignments, moved(x, assignments, centers)


def right_topk(x, centers):
    assignments = torch.linalg.vector_norm(x[:, None] - centers, dim=-1).topk(1, largest=False).indices[:, 0]
    return assignments, moved(x, assignments, centers)


def right_scatter_reduce(x, centers):
    assignments = torch.norm(x[:, None] - centers, dim=2).min(1).indices
    index = assignments[:, None].expand_as(x)
    return assignments, centers.scatter_reduce(0, index, x, "mean", include_self=False)


def right_list_and_noise(x, centers):
    warnings.warn("a warning on the way", stacklevel=1)
    print("a print on the way")
    x, centers = x.double(), centers.double()
    assignments = distances(x, centers).argmin(1)
    return [assignments, moved(x, assignments, centers)]


def right_nan_to_old(x, centers):
    assignments = torch.argmin(torch.cdist(x, centers, p=2.0), dim=1)
    means = torch.stack([x[assignments == k].mean(0) for k in range(centers.shape[0])])
    return assignments, torch.where(means.isnan(), centers, means)


def right_negative_argmax(x, centers):
    assignments = (-distances(x, centers)).argmax(1)
    weights = (assignments[:, None] == torch.arange(len(centers), device=x.device)).to(x.dtype)
    counts = weights.sum(0)
    empty = counts == 0
    sums = torch.einsum("nk,nd->kd", weights, x)
    return assignments, torch.where(empty[:, None], centers, sums / counts.masked_fill(empty, 1)[:, None])


def right_sorted_split(x, centers):
    assignments = distances(x, centers).argmin(1)
    order = assignments.argsort()
    parts = x[order].split(torch.bincount(assignments, minlength=len(centers)).tolist())
    return assignments, torch.stack([p.mean(0) if len(p) else c for p, c in zip(parts, centers, strict=True)])


def right_change_added(x, centers):
    assignments = distances(x, centers).argmin(1)
    new_centers = centers.clone()
    for k in assignments.unique():
        new_centers[k] += (x[assignments == k] - centers[k]).mean(0)
    return assignments, new_centers


@wrong("farthest")
def wrong_farthest(x, centers):
    assignments = distances(x, centers).argmax(1)
    return assignments, moved(x, assignments, centers)


@wrong("one-based")
def wrong_from_one(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments + 1, moved(x, assignments, centers)


@wrong("scalar-product")
def wrong_scalar_product(x, centers):
    assignments = (x @ centers.T).argmax(1)
    return assignments, moved(x, assignments, centers)


@wrong("cosine")
def wrong_cosine(x, centers):
    assignments = F.cosine_similarity(x[:, None], centers[None], dim=2).argmax(1)
    return assignments, moved(x, assignments, centers)


@wrong("manhattan")
def wrong_manhattan(x, centers):
    assignments = torch.cdist(x, centers, p=1).argmin(1)
    return assignments, moved(x, assignments, centers)


@wrong("chebyshev")
def wrong_chebyshev(x, centers):
    assignments = torch.cdist(x, centers, p=float("inf")).argmin(1)
    return assignments, moved(x, assignments, centers)


@wrong("one-dimension")
def wrong_first_dimension(x, centers):
    assignments = (x[:, :1] - centers[:, 0]).abs().argmin(1)
    return assignments, moved(x, assignments, centers)


@wrong("signed-sum")
def wrong_signed_sum(x, centers):
    assignments = (x[:, None] - centers).sum(2).argmin(1)
    return assignments, moved(x, assignments, centers)


@wrong("signed-sum")
def wrong_square_of_the_sum(x, centers):
    assignments = (x[:, None] - centers).sum(2).square().argmin(1)
    return assignments, moved(x, distances(x, centers).argmin(1), centers)


@wrong("all-to-one")
def wrong_all_to_the_first(x, centers):
    assignments = torch.zeros(len(x), dtype=torch.int64)
    return assignments, moved(x, assignments, centers)


@wrong("centers-as-given")
def wrong_not_moved(x, centers):
    return distances(x, centers).argmin(1), centers.clone()


@wrong("assigned-to-new")
def wrong_moved_first(x, centers):
    new_centers = moved(x, distances(x, centers).argmin(1), centers)
    return distances(x, new_centers).argmin(1), new_centers


@wrong("two-steps")
def wrong_two_steps(x, centers):
    new_centers = moved(x, distances(x, centers).argmin(1), centers)
    assignments = distances(x, new_centers).argmin(1)
    return assignments, moved(x, assignments, new_centers)


@wrong("sums")
def wrong_sums(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, torch.zeros_like(centers).index_add_(0, assignments, x)


@wrong("divided-by-all")
def wrong_divided_by_all(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, torch.zeros_like(centers).index_add_(0, assignments, x) / len(x)


@wrong("divided-by-k")
def wrong_divided_by_k(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, torch.zeros_like(centers).index_add_(0, assignments, x) / len(centers)


@wrong("mean-of-all")
def wrong_mean_of_all(x, centers):
    return distances(x, centers).argmin(1), x.mean(0).repeat(len(centers), 1)


@wrong("off-by-one")
def wrong_one_more(x, centers):
    assignments = distances(x, centers).argmin(1)
    counts = torch.bincount(assignments, minlength=len(centers))[:, None]
    return assignments, torch.zeros_like(centers).index_add_(0, assignments, x) / (counts + 1)


@wrong("old-centre-counts")
def wrong_old_centre_counts(x, centers):
    assignments = distances(x, centers).argmin(1)
    counts = torch.bincount(assignments, minlength=len(centers))[:, None]
    return assignments, centers.index_add(0, assignments, x) / (counts + 1)


@wrong("old-centre-counts")
def wrong_scatter_with_self(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, centers.scatter_reduce(0, assignments[:, None].expand_as(x), x, "mean")


@wrong("half-way")
def wrong_half_way(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, 0.5 * centers + 0.5 * moved(x, assignments, centers)


@wrong("median")
def wrong_median(x, centers):
    assignments = distances(x, centers).argmin(1)
    medians = [x[assignments == k].median(0).values if (assignments == k).any() else c for k, c in enumerate(centers)]
    return assignments, torch.stack(medians)


@wrong("nearest-point")
def wrong_nearest_point(x, centers):
    squares = distances(x, centers)
    return squares.argmin(1), x[squares.argmin(0)]


@wrong("change")
def wrong_change(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, moved(x, assignments, centers) - centers


@wrong("scalar-means")
def wrong_scalar_means(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, moved(x, assignments, centers).mean(1, keepdim=True).repeat(1, x.shape[1])


@wrong("one-hot")
def wrong_one_hot(x, centers):
    assignments = distances(x, centers).argmin(1)
    return F.one_hot(assignments, len(centers)), moved(x, assignments, centers)


@wrong("one-hot")
def wrong_float_one_hot(x, centers):
    assignments = distances(x, centers).argmin(1)
    return F.one_hot(assignments, len(centers)).to(x.dtype), moved(x, assignments, centers)


@wrong("assigned-centers")
def wrong_assigned_centers(x, centers):
    assignments = distances(x, centers).argmin(1)
    return centers[assignments], moved(x, assignments, centers)


@wrong("per-centre")
def wrong_argmin_axis(x, centers):
    return distances(x, centers).argmin(0), centers.clone()


@wrong("center-for-each-point")
def wrong_center_for_each_point(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, moved(x, assignments, centers)[assignments]


@wrong("keeps-axis")
def wrong_keepdim(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments[:, None], moved(x, assignments, centers)


@wrong("not-integers")
def wrong_floats(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments.to(x.dtype), moved(x, assignments, centers)


@wrong("not-integers")
def wrong_smallest_distances(x, centers):
    nearest = distances(x, centers).min(1)
    return nearest.values, moved(x, nearest.indices, centers)


@wrong("swapped")
def wrong_swapped(x, centers):
    assignments = distances(x, centers).argmin(1)
    return moved(x, assignments, centers), assignments


@wrong("not-a-tuple")
def wrong_only_centers(x, centers):
    return moved(x, distances(x, centers).argmin(1), centers)


@wrong("wrong-count")
def wrong_cost_too(x, centers):
    nearest = distances(x, centers).min(1)
    return nearest.indices, moved(x, nearest.indices, centers), nearest.values.sum()


@wrong("empty-nan", credit=0.7)
def wrong_empty_nan(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, torch.stack([x[assignments == k].mean(0) for k in range(len(centers))])


@wrong("empty-zero", credit=0.7)
def wrong_empty_zero(x, centers):
    assignments = distances(x, centers).argmin(1)
    counts = torch.bincount(assignments, minlength=len(centers))[:, None]
    return assignments, torch.zeros_like(centers).index_add_(0, assignments, x) / counts.clamp(min=1)


@wrong("empty-dropped", credit=0.7)
def wrong_empty_dropped(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, torch.stack([x[assignments == k].mean(0) for k in assignments.unique()])


@wrong("empty-moved", credit=0.6)
def wrong_empty_to_a_point(x, centers):
    assignments = distances(x, centers).argmin(1)
    means = [x[assignments == k].mean(0) if (assignments == k).any() else x[0] for k in range(len(centers))]
    return assignments, torch.stack(means)


@wrong("empty-moved", credit=0.5)
def wrong_empty_to_a_random_point(x, centers):
    assignments = distances(x, centers).argmin(1)
    means = [
        x[assignments == k].mean(0) if (assignments == k).any() else torch.randn(x.shape[1])
        for k in range(len(centers))
    ]
    return assignments, torch.stack(means)


@wrong("changes-arguments", credit=0.9)
def wrong_in_place(x, centers):
    assignments = distances(x, centers).argmin(1)
    for k in assignments.unique():
        centers[k] = x[assignments == k].mean(0)
    return assignments, centers


@wrong("fixed-dtype", credit=0.9)
def wrong_float32(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, moved(x, assignments, centers).float()


@wrong("random-result")
def wrong_random_assignments(x, centers):
    assignments = torch.randint(len(centers), (len(x),))
    return assignments, moved(x, assignments, centers)


@wrong("single-example", credit=0.8)
def wrong_squeeze(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments.squeeze(), moved(x, assignments, centers)


@wrong(None)
def wrong_last_point_ignored(x, centers):
    assignments = distances(x, centers).argmin(1)
    return assignments, moved(x[:-1], assignments[:-1], centers)


@wrong(None, credit=0.7)
def wrong_rounded(x, centers):
    assignments = distances(10 * x.round(decimals=2), 10 * centers.round(decimals=2)).argmin(1)
    return assignments, moved(x, assignments, centers)
