"""Images against the probabilities of their values: replays of how they may have been drawn, and statistics.

Values are numbered as they are due, k = 0 ... K - 1: rows, columns, channels. A replay asks the model for the
probabilities (N, K, V) that a sampler would have met which drew these images in some order, from some feed.
"""

import torch


def feed_image(levels, num_levels):
    """What a model takes: levels / (V - 1)."""
    return levels.float() / (num_levels - 1)


def in_groups(key):
    """An order of drawing: values are drawn by rising `key(c, i, j)`; those of an equal key come from one call."""

    def order(channels, height, width):
        groups = {}
        for i in range(height):
            for j in range(width):
                for c in range(channels):
                    groups.setdefault(key(c, i, j), []).append((i * width + j) * channels + c)
        return [groups[key] for key in sorted(groups)]

    return order


RASTER = in_groups(lambda c, i, j: (i, j, c))
# What is tried where the right order does not explain the images: (id, order). Orders in which a value sees the same
# as in one of these need no entry: from right to left, for instance, a pixel sees as much as with its row at once.
ORDERS = [
    ("earlier-not-there", in_groups(lambda c, i, j: 0)),
    ("columns-first", in_groups(lambda c, i, j: (j, i, c))),
    ("channels-apart", in_groups(lambda c, i, j: (i, j))),
    ("row-apart", in_groups(lambda c, i, j: i)),
    ("channel-planes", in_groups(lambda c, i, j: (c, i, j))),
    # Two mistakes at once.
    ("columns-first", in_groups(lambda c, i, j: (j, i))),
    ("columns-first", in_groups(lambda c, i, j: j)),
    ("row-apart", in_groups(lambda c, i, j: (i, c))),
    ("channel-planes", in_groups(lambda c, i, j: (c, j, i))),
    ("earlier-not-there", in_groups(lambda c, i, j: c)),
]
FEEDS = [
    ("raw-levels", lambda levels, num_levels: levels.float()),
    ("divided-by-v", lambda levels, num_levels: levels.float() / num_levels),
    ("symmetric-range", lambda levels, num_levels: 2 * feed_image(levels, num_levels) - 1),
    ("divided-by-255", lambda levels, num_levels: levels.float() / 255),
]


def softmax(logits):
    return logits.softmax(1)


@torch.no_grad()
def replay(model, images, order=None, feed=feed_image, probabilities=softmax):
    """The probabilities of all values of the images, (N, K, V) in float64, were they drawn in this way.

    What is not drawn yet is 0. Without an `order`, what comes later is there already, and one call tells all: for a
    causal model and a softmax over the levels that makes no difference. `probabilities` turns logits (N, V, C, H, W)
    to what is drawn from, up to a constant for each value.
    """
    channels, height, width = images.shape[1:]
    size = channels * height * width
    groups = order(channels, height, width) if order else [list(range(size))]
    drawn = torch.full((len(groups), size), order is None)
    for step, group in enumerate(groups):
        drawn[step + 1 :, group] = True
    # All steps in one call: each of them sees the images as far as they are drawn.
    drawn = drawn.reshape(-1, 1, height, width, channels).permute(0, 1, 4, 2, 3)
    seen = torch.where(drawn, images, 0)
    logits = model(feed(seen.flatten(0, 1), model.num_levels)).unflatten(0, seen.shape[:2]).double()
    found = torch.zeros(len(images), size, model.num_levels, dtype=torch.float64)
    for group, step_logits in zip(groups, logits, strict=True):
        found[:, group] = probabilities(step_logits).permute(0, 3, 4, 2, 1).flatten(1, 3)[:, group]
    return found / found.sum(2, keepdim=True)


class Draws:
    """The values of images, (N, K), and the probabilities (N, K, V) that they may have been drawn from.

    Each score is a sum of terms with mean 0 and variance known given what was drawn before, so over the root of the
    summed variances it is standard normal but for the few draws in small samples; these get a slack of four draws.
    """

    sigmas, slack = 6.0, 4.0
    num_excused = 2  # a random number that is exactly 0 may lead to a level that is impossible but for rounding

    def __init__(self, images, probs):
        self.levels = images.permute(0, 2, 3, 1).flatten(1)
        self.probs = probs
        self.drawn = probs.gather(2, self.levels.unsqueeze(2)).squeeze(2)

    def trouble(self):
        """In words why these are no draws from the probabilities, or an empty string."""
        share = self.impossible().double().mean().item()
        if share:
            return f"{100 * share:.3g} % of the values are impossible"
        if self.biased():
            return self.biased()
        if self.values_related() or self.samples_related():
            return "values that are not independent draws"
        return ""

    def impossible(self):
        """Whether each value, (N, K), has probability 0, but for a few that rounding may excuse."""
        impossible = ~(self.drawn > 1e-9)
        return impossible & (impossible.sum() > self.num_excused)

    def biased(self):
        """Which levels come too often or too rarely: in words, or an empty string."""
        probs, order = self.probs.sort(dim=2, descending=True)
        hits = (order == self.levels.unsqueeze(2)).double()
        for name, *score in self.bias_scores(probs, hits):
            if self._is_far(*score):
                error, variance = (float(value) for value in score)
                return f"the {name} comes {error:+.0f} times beyond its due, where {variance**0.5:.0f} would be usual"
        return ""

    def bias_scores(self, probs, hits):
        """(name, sum of errors, sum of variances) of the likeliest levels, over all values and for each alone."""
        for rank, name in enumerate(("most likely level", "second most likely level", "third most likely level")):
            if rank < probs.shape[2]:
                errors, variances = hits[..., rank] - probs[..., rank], probs[..., rank] * (1 - probs[..., rank])
                yield name, errors.sum(), variances.sum()
                if rank == 0:
                    for error, variance in zip(errors.sum(0), variances.sum(0), strict=True):
                        yield f"{name} of one pixel", error, variance
        errors = self.levels.flatten().bincount(minlength=self.probs.shape[2]) - self.probs.sum((0, 1))
        variances = (self.probs * (1 - self.probs)).sum((0, 1))
        for level, (error, variance) in enumerate(zip(errors, variances, strict=True)):
            yield f"level {level}", error, variance

    def log_likelihood(self):
        return self.drawn.log().sum()

    def values_related(self, correlation=0.0):
        """Whether values of the same image depend on each other beyond what the model says."""
        return any(self._is_far(*score, correlation) for score in self.value_scores())

    def samples_related(self, correlation=0.0):
        """Whether images of a batch depend on each other."""
        return any(self._is_far(*score, correlation) for score in self.sample_scores())

    def value_scores(self):
        place, variance = self._places()
        for lag in range(1, place.shape[1]):
            yield (place[:, lag:] * place[:, :-lag]).sum(), (variance[:, lag:] * place[:, :-lag] ** 2).sum()

    def sample_scores(self):
        place, variance = self._places()
        half = len(place) // 2
        pairs = (slice(0, half), slice(half, 2 * half)), (slice(0, 2 * half, 2), slice(1, 2 * half, 2))
        for one, other in pairs:
            yield (place[one] * place[other]).sum(), (variance[one] * variance[other]).sum()

    def _places(self):
        """Where each value lies in its distribution, from -1 to 1 with mean 0, and the variance of that."""
        below = torch.where(torch.arange(self.probs.shape[2]) < self.levels.unsqueeze(2), self.probs, 0.0).sum(2)
        return 2 * below + self.drawn - 1, (1 - (self.probs**3).sum(2)) / 3

    def _is_far(self, error, variance, correlation=0.0):
        return bool(abs(error) > self.sigmas * variance**0.5 + self.slack and abs(error) > correlation * variance)
