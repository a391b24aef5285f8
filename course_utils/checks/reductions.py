"""Ways to reduce the terms of an example to one number: the right one, and the wrong ones with what they are called."""

# Ways to reduce elementwise terms (B, ...) other than one sum for each example: id -> (sentence, reductions).
REDUCTIONS = {
    "not-summed": ("it returns one value per element: sum over all axes but the batch.", [lambda t: t]),
    "keeps-axis": (
        "it keeps the summed axes with length 1: the result is (B,), so leave out `keepdim=True`.",
        [
            lambda t: t.flatten(1).sum(1).reshape(-1, *[1] * (t.ndim - 1)),
            lambda t: t.flatten(1).sum(1, keepdim=True),
        ],
    ),
    "mean-over-dims": (
        "it averages over the elements of an example: sum them, `sum` instead of `mean`.",
        [lambda t: t.flatten(1).mean(1)],
    ),
    "sum-everything": (
        "it sums over the batch as well: sum over all axes but the first, and return one number per example.",
        [lambda t: t.sum(), lambda t: t.sum().expand(t.shape[0]), lambda t: t.sum().reshape(1)],
    ),
    "mean-everything": (
        "it averages over everything (the default `reduction` of torch's losses): sum over all axes but the batch.",
        [lambda t: t.mean(), lambda t: t.mean().expand(t.shape[0])],
    ),
    "mean-over-batch": (
        "it averages over the batch: return one number per example, shape (B,), and average later.",
        [lambda t: t.flatten(1).sum(1).mean(), lambda t: t.flatten(1).sum(1).mean().expand(t.shape[0])],
    ),
    "divided-by-batch": (
        "it divides by the batch size: each example's number does not depend on how many others there are.",
        [lambda t: t.flatten(1).sum(1) / t.shape[0]],
    ),
    "summed-over-batch-axis": (
        "it reduces the batch axis instead of the others: axis 0 stays, all others are summed.",
        [lambda t: t.sum(0), lambda t: t.mean(0), lambda t: t.flatten(1).sum(0), lambda t: t.flatten(1).mean(0)],
    ),
    "last-axis-only": (
        "it sums over the last axis only: images have three axes to sum, try `.flatten(1).sum(1)`.",
        [lambda t: t.sum(-1), lambda t: t.mean(-1)],
    ),
    "channel-only": (
        "it sums over the channels only: sum over height and width too, try `.flatten(1).sum(1)`.",
        [lambda t: t.sum(1), lambda t: t.mean(1)],
    ),
    "pixels-only": (
        "it sums over height and width but not over the channels: try `.flatten(1).sum(1)`.",
        [lambda t: t.sum(tuple(range(2, t.ndim))) if t.ndim > 2 else t.sum(1)],
    ),
    "mean-over-pixels": (
        "it averages over some axes and sums over others: sum over all axes but the batch.",
        [
            lambda t: t.sum(1).flatten(1).mean(1) if t.ndim > 2 else t.mean(1),
            lambda t: t.sum(1).flatten(1).mean(1) if t.ndim > 2 else t.sum(1),
            lambda t: t.mean(1).flatten(1).sum(1) if t.ndim > 2 else t.sum(1),
            lambda t: t.sum((1, 2)).mean(1) if t.ndim > 2 else t.sum(1),
        ],
    ),
}


def sum_examples(terms):
    """Sum over all axes but the first: (B, ...) to (B,)."""
    return terms.flatten(1).sum(1)


def reductions(terms, *mistakes):
    """Guesses from elementwise terms, which show `mistakes` already: the ways to reduce them wrongly."""
    return [((*mistakes, name), reduce(terms)) for name, (_, ways) in REDUCTIONS.items() for reduce in ways]
