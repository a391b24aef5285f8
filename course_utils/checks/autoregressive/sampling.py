"""The check of `sample_images`: do the values follow the model's conditionals, each given all that come before it?

The model is a `ChainOfPixels`: given the values before it, a value has one, two or three possible levels. The images
that came are given to the model again, which tells the probability of each value given those before. A sampler that
fed the model anything else, or drew in another order, hits levels that are impossible.
"""

# ruff: noqa: E501

import numbers
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from course_utils.checks.autoregressive.laws import FEEDS, ORDERS, RASTER, Draws, feed_image, replay
from course_utils.checks.core import Check, Criterion
from course_utils.checks.failures import Failure
from course_utils.checks.randomness import derive_seed
from course_utils.checks.stubs import ChainOfPixels
from course_utils.checks.tensors import identical


@dataclass
class Case:
    """What the student's function is asked for."""

    model: ChainOfPixels
    num_samples: int

    @property
    def arguments(self):
        return self.model, self.num_samples, self.model.image_shape

    @property
    def shape(self):
        return (self.num_samples, *self.model.image_shape)

    def __str__(self):
        return f"num_samples {self.num_samples}, image_shape {self.model.image_shape}, {self.model.num_levels} levels"


class SampleImages(Check):
    name = "sample_images"
    arguments = ("model", "num_samples", "image_shape")
    wrong_canary_mistake = "columns-first"
    mistakes: ClassVar = {
        "wrong-shape": "the images have not the shape (num_samples, C, H, W).",
        "image-sides": "you index beyond the image: the model and the images are (B, C, H, W), with H rows and W columns that may differ in number.",
        "unit-range": "you return intensities: return the levels themselves, the integers 0 ... V - 1.",
        "float-levels": "the levels come as floating-point numbers: return them as int64 (`.long()`).",
        "other-integers": "the levels come in another integer type: return them as int64 (`.long()`).",
        "level-out-of-range": "some values are no level: levels are the integers 0 ... V - 1.",
        "truncated": "some levels never come: k / (V - 1) * (V - 1) may lie just below k, and `.long()` cuts it; keep the integers, or round.",
        "logits-as-probabilities": "the logits are taken for probabilities: they may be negative; apply softmax over the levels first.",
        "argmax": "you always take the most likely level: draw from the probabilities (`torch.multinomial`).",
        "same-image": "all images of a call are the same: every image needs draws of its own.",
        "raw-levels": "you feed the model with levels: it takes intensities, levels / (V - 1).",
        "divided-by-v": "you feed the model with levels / V: it takes levels / (V - 1), so that the last level is 1.",
        "symmetric-range": "you feed the model with values from -1 to 1: it takes levels / (V - 1).",
        "divided-by-255": "you feed the model with levels / 255: the number V of levels is the size of axis 1 of its logits.",
        "earlier-not-there": "values are drawn before those they depend on are in the image: begin at the top left, and put each drawn value into the image before the next call.",
        "columns-first": "you go down the columns: raster order is row after row, from left to right in each.",
        "channel-planes": "you draw one channel of the whole image after the other: at each pixel all channels are drawn before the next pixel.",
        "channels-apart": "the channels of a pixel do not see each other: draw channel 0, 1, 2 in turn, each from a new call with the drawn ones in the image.",
        "row-apart": "the pixels of a row do not see each other: go from left to right, each from a new call with the drawn ones in the image.",
        "softmax-axis": "the softmax is over a wrong axis: it is over the V levels, axis 1 of the logits.",
        "uniform-levels": "you draw the possible levels or all levels with equal probability: use the softmax of the logits.",
        "temperature": "the probabilities are a softmax of scaled logits (a temperature): use the logits as they are.",
        "sigmoid": "you draw from a sigmoid of single logits: the V levels share one softmax.",
        "shared-draw": "values of an image share their random numbers: draw fresh ones for every value.",
        "shared-over-samples": "images of a batch share their random numbers: draw fresh ones for every image.",
        "some-not-drawn": "some pixels are never drawn and stay as they were: go through all rows, columns and channels.",
        "fixed-seed": "two calls return the same images: a seed is set inside.",
        "same-generator-images": "two calls with the same generator return the same images: draw with `generator=generator`, which moves it on.",
        "generator-ignored": "the given generator is not used: pass `generator=generator` to every random function.",
        "global-touched": "with a generator given, the global one is drawn from or seeded: pass `generator=generator` to every random function.",
        "changes-model": "it changes the model's parameters: sampling only asks the model.",
        "far-overflow": "large logits (+-150) break it: exp overflows or vanishes; use `softmax`, which subtracts the maximum.",
    }  # fmt: skip

    def criteria(self):
        return [
            Criterion("signature", self.judge_signature, needed=True),
            Criterion("runs", self.judge_runs, needed=True),
            Criterion("type", self.judge_type, needed=True),
            Criterion("shape", self.judge_shape, needed=True),
            Criterion("value", self.judge_value, 4.0, needed=True),
            Criterion("colour", self.judge_colour, 3.0),
            Criterion("generator", self.judge_generator, 1.5),
            Criterion("far out", self.judge_far, 0.5),
            Criterion("contract", self.judge_contract, 1.0),
        ]

    # The needed criteria, on the same two calls, for grey and for binary images.

    def judge_runs(self, trial):
        cases = self._case(trial, (1, 3, 4), 23, 160), self._case(trial, (1, 3, 2), 2, 150)
        trial.outputs = [(case, self._call(trial, case)) for case in cases]

    def _case(self, trial, image_shape, num_levels, num_samples, shift=0.0):
        seed = derive_seed(trial.seed, image_shape, num_levels) % 2**31
        model = ChainOfPixels(image_shape=image_shape, num_levels=num_levels, shift=shift, seed=seed)
        return Case(model, num_samples)

    def _call(self, trial, case, **more):
        """What the student's function returns, of whatever kind."""
        try:
            return trial.call(*case.arguments, **more)
        except Failure as failure:
            failure.where = "; ".join(part for part in (failure.where, str(case)) if part)
            if failure.mistake is None:
                failure.mistake = self._name_error(failure.got)
                failure.message = self.sentence(failure.mistake) if failure.mistake else failure.message
            raise

    def _name_error(self, got):
        if "out of bounds for dimension" in got or "out of range" in got:
            return "image-sides"
        probabilities = ("contains either `inf`, `nan` or element < 0", "Simplex()", "interval(lower_bound=0.0, upper")
        return "logits-as-probabilities" if any(text in got for text in probabilities) else None

    def judge_type(self, trial):
        for case, output in trial.outputs:
            self._require_type(case, output)

    def _require_type(self, case, output):
        where, due = str(case), "an int64 tensor"
        kind = type(output).__name__
        if output is None:
            raise Failure(mistake="returns-nothing", where=where, got="None", expected=due)
        if not isinstance(output, torch.Tensor) or output.layout != torch.strided or output.is_complex():
            kinds = {"returns-array": np.ndarray, "returns-tuple": tuple | list, "returns-number": numbers.Number}
            mistake = next((name for name, types in kinds.items() if isinstance(output, types)), "no-tensor")
            raise Failure(f"it returns a {kind}, but {due} is due.", mistake, where, got=kind, expected=due)
        if output.dtype == torch.int64:
            return
        mistake = "other-integers"
        if output.is_floating_point():
            values = plain(output).double()
            in_unit = ((values >= 0) & (values <= 1)).all() and values.numel() and case.model.num_levels > 2
            mistake = "unit-range" if in_unit else "float-levels"
        raise Failure(mistake=mistake, where=where, got=str(output.dtype), expected="torch.int64")

    def judge_shape(self, trial):
        trial.draws = [self._draws(case, output) for case, output in trial.outputs]

    def _draws(self, case, output):
        got = tuple(output.shape)
        if got != case.shape:
            raise Failure(mistake="wrong-shape", where=str(case), got=f"shape {got}", expected=f"shape {case.shape}")
        images = plain(output)
        if ((images < 0) | (images >= case.model.num_levels)).any():
            got = f"values from {images.min()} to {images.max()}"
            due = f"levels from 0 to {case.model.num_levels - 1}"
            raise Failure(mistake="level-out-of-range", where=str(case), got=got, expected=due)
        return images

    def judge_value(self, trial):
        for (case, _), images in zip(trial.outputs, trial.draws, strict=True):
            self._require_law(trial, case, images)
        case = self._case(trial, (1, 3, 3), 5, 12)
        first, second = (self._draws(case, self._call(trial, case)) for _ in range(2))
        if torch.equal(first, second):
            raise Failure(mistake="fixed-seed", where=str(case), got="the same images twice")

    def judge_colour(self, trial):
        case = self._case(trial, (3, 2, 3), 5, 120)
        output = self._call(trial, case)
        self._require_type(case, output)
        self._require_law(trial, case, self._draws(case, output))

    def _require_law(self, trial, case, images):
        """Raise `Failure` unless the images can be draws from the model."""
        right = Draws(images, replay(case.model, images))
        if not right.trouble():
            return
        mistake = self._name_law(trial, case, images, right)
        impossible = right.impossible()
        if impossible.any():
            image, place = (int(index) for index in impossible.nonzero()[0])
            channels, _, width = case.model.image_shape
            pixel, channel = divmod(place, channels)
            row, column = divmod(pixel, width)
            got = f"level {int(images[image, channel, row, column])}"
            possible = (right.probs[image, place] > 1e-9).nonzero().flatten().tolist()
            where = f"images[{image}, {channel}, {row}, {column}] given the values before it; {case}"
            due = "level " + " or ".join(map(str, possible))
            message = (
                ""
                if mistake
                else "some values are impossible given those before them: the model did not see what it was due to see."
            )
        else:
            where, got, due = str(case), right.trouble(), "the model's probabilities"
            message = "" if mistake else "the levels do not come as often as the model says."
        raise Failure(message, mistake, where=where, got=got, expected=due)

    def _name_law(self, trial, case, images, right):
        """The id of the misconception that explains the images, or None."""
        if (images == images[:1]).all():
            return self._name_same_images(trial, case, images, right)
        for mistake, ways in self._wrong_replays():
            if self._explains(case.model, images, ways):
                return mistake
        explanations = []
        for mistake, probs in self._wrong_probs(case.model, images, right):
            draws = Draws(images, probs)
            if not draws.trouble():
                explanations.append((draws.log_likelihood(), mistake))
        if explanations:
            return max(explanations, key=lambda explanation: explanation[0])[1]
        return self._name_partly_right(case, images, right)

    def _name_same_images(self, trial, case, images, right):
        best = (right.probs.argmax(2) == right.levels).all()
        if best and all(torch.equal(images, self._draws(case, self._call(trial, case))) for _ in range(4)):
            return "argmax"
        pairs = [(case.model, images) for (case, _), images in zip(trial.outputs, trial.draws, strict=True)]
        # A sigmoid of logit 1 gives only zeros where level 1 is impossible.
        of_sigmoid = all(self._explains(*pair, {"probabilities": bernoulli}) for pair in pairs)
        return "sigmoid" if of_sigmoid else "same-image"

    def _wrong_replays(self):
        """Other ways to draw: (id, arguments of `replay`)."""
        for mistake, feed in FEEDS:
            yield mistake, {"feed": feed}
        for mistake, order in ORDERS:
            yield mistake, {"order": order}
        for mistake, order in ORDERS:
            for _, feed in FEEDS:
                yield mistake, {"order": order, "feed": feed}

    def _explains(self, model, images, ways):
        few = images[:8]  # a quick no
        return not any(Draws(some, replay(model, some, **ways)).trouble() for some in (few, images))

    def _wrong_probs(self, model, images, right):
        """Other probabilities to draw from, in the right order: (id, (N, K, V))."""
        possible = (right.probs > 1e-9).double()
        yield "uniform-levels", possible / possible.sum(2, keepdim=True)
        yield "uniform-levels", torch.full_like(right.probs, 1 / model.num_levels)
        yield "sigmoid", replay(model, images, probabilities=torch.sigmoid)
        yield "sigmoid", replay(model, images, probabilities=bernoulli)
        for axis in (0, 3, 4):  # over the one channel it makes all levels equal
            yield (
                "softmax-axis",
                replay(model, images, RASTER, probabilities=lambda logits, axis=axis: logits.softmax(axis)),
            )
        log_probs = right.probs.log()
        log_drawn = log_probs.gather(2, right.levels.unsqueeze(2)).squeeze(2)
        inverses = [1.1**n for n in range(-16, 17)]
        fits = [(log_drawn * b - (log_probs * b).logsumexp(2)).sum().item() for b in inverses]
        yield "temperature", (log_probs * inverses[fits.index(max(fits))]).softmax(2)

    def _name_partly_right(self, case, images, right):
        if not right.impossible().any():
            if right.samples_related(0.5):
                return "shared-over-samples"
            return "shared-draw" if right.values_related(0.5) else None
        num_levels = case.model.num_levels
        wrong = right.impossible().any(0)
        stuck = (right.levels == right.levels[:1]).all(0)
        if (stuck & wrong).any() and not wrong[~stuck].any():
            return "some-not-drawn"
        seen = set(images.unique().tolist())
        units = torch.arange(num_levels, dtype=torch.float32) / (num_levels - 1)
        cut = {k for k in range(num_levels) if int(units[k] * (num_levels - 1)) != k}
        if cut and seen == set(range(num_levels)) - cut:
            return "truncated"
        return "unit-range" if num_levels > 2 and seen <= {0, 1} else None

    # The criteria that give partial credit.

    def judge_generator(self, trial):
        case = self._case(trial, (1, 3, 4), 7, 12)
        seed = derive_seed(trial.seed, "generator")
        generator = torch.Generator().manual_seed(seed)
        start = generator.get_state()
        trial.seed_generators(derive_seed(trial.seed, "before"))
        before = trial.generator_states()
        first = self._drawn_with(trial, case, generator)
        if trial.generator_states() != before:
            used = not torch.equal(generator.get_state(), start)
            got = "both generators are used" if used else "the given generator stays as it was"
            raise Failure(mistake="global-touched" if used else "generator-ignored", where=str(case), got=got)
        second = self._drawn_with(trial, case, generator)
        trial.seed_generators(derive_seed(trial.seed, "after"))
        again = self._drawn_with(trial, case, torch.Generator().manual_seed(seed))
        other = self._drawn_with(trial, case, torch.Generator().manual_seed(seed + 1))
        if torch.equal(first, other) or not torch.equal(first, again):
            raise Failure(
                mistake="generator-ignored",
                where=str(case),
                got="images that do not depend on its seed"
                if torch.equal(first, other)
                else "other images for the same seed",
            )
        if torch.equal(first, second):
            raise Failure(mistake="same-generator-images", where=str(case), got="the same images twice")

    def _drawn_with(self, trial, case, generator):
        try:
            output = trial.call(*case.arguments, generator=generator)
        except Failure as failure:
            if failure.got.startswith("TypeError") and "generator" in failure.got:
                raise Failure(
                    mistake="wrong-names",
                    got=failure.got,
                    expected=f"{self.name}(model, num_samples, image_shape, generator=None)",
                ) from None
            raise
        self._require_type(case, output)
        return self._draws(case, output)

    def judge_far(self, trial):
        for shift in (150.0, -110.0):
            case = self._case(trial, (1, 2, 3), 5, 20, shift)
            where = f"logits near {shift:g}; {case}"
            try:
                output = trial.call(*case.arguments)
                self._require_type(case, output)
                trouble = Draws(images := self._draws(case, output), replay(case.model, images)).trouble()
            except Failure as failure:
                if failure.last:
                    raise
                raise Failure(mistake="far-overflow", where=where, got=failure.got) from None
            if trouble:
                raise Failure(mistake="far-overflow", where=where, got=trouble)

    def judge_contract(self, trial):
        case = self._case(trial, (3, 1, 2), 3, 1)
        state = {name: value.clone() for name, value in case.model.state_dict().items()}
        names = ("model", "num_samples", "image_shape")
        try:
            output = trial.call(**dict(zip(names, case.arguments, strict=True)))
            self._require_type(case, output)
            images = self._draws(case, output)
        except Failure as failure:
            if failure.got.startswith("TypeError") and "argument" in failure.got:
                raise Failure(mistake="wrong-names", got=failure.got, expected=self.signature) from None
            if failure.mistake in (None, "wrong-shape"):
                raise Failure(mistake="single-example", where=str(case), got=failure.got) from None
            raise
        if any(not identical(value, state[name]) for name, value in case.model.state_dict().items()):
            raise Failure(mistake="changes-model", where=str(case))
        if "colour" in trial.passed:
            self._require_law(trial, case, images)

    @torch.no_grad()
    def right_canary(self, model, num_samples, image_shape, generator=None):
        return self._canary(model, num_samples, image_shape, generator)

    @torch.no_grad()
    def wrong_canary(self, model, num_samples, image_shape, generator=None):
        return self._canary(model, num_samples, image_shape, generator, columns_first=True)

    def _canary(self, model, num_samples, image_shape, generator, columns_first=False):
        images = torch.zeros(num_samples, *image_shape, dtype=torch.int64)
        channels, height, width = image_shape
        places = [(i, j) for i in range(height) for j in range(width)]
        for i, j in sorted(places, key=lambda place: place[::-1]) if columns_first else places:
            for c in range(channels):
                logits = model(feed_image(images, model.num_levels))[:, :, c, i, j]
                images[:, c, i, j] = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
        return images


def bernoulli(logits):
    """Level 1 with the sigmoid of its own logit, otherwise level 0."""
    one = logits[:, 1:2].sigmoid()
    return torch.cat([1 - one, one, torch.zeros_like(logits[:, 2:])], 1)


def plain(output):
    """A copy on the CPU, without gradient or subclass."""
    with torch._C.DisableTorchFunctionSubclass():
        return output.detach().as_subclass(torch.Tensor).to("cpu", copy=True)
