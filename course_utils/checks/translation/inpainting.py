"""The check of `inpaint`."""

# ruff: noqa: E501

from typing import ClassVar

import torch

from course_utils.checks.failures import Failure
from course_utils.checks.oracle import OracleCheck
from course_utils.checks.tensors import copies


class Inpaint(OracleCheck):
    name = "inpaint"
    arguments = ("image", "mask", "fill")
    differentiable = ("image", "fill")
    wrong_canary_mistake = "swapped"
    mistakes: ClassVar = {
        "swapped": "image and fill are swapped: the mask is 1 where the image is known, and the fill is for where it is 0.",
        "no-fill": "the hole stays empty: where the mask is 0 the fill is due.",
        "no-image": "the known part is lost: where the mask is 1 the image is due.",
        "fill-everywhere": "the fill is added everywhere: it belongs only where the mask is 0, so multiply it by 1 - mask.",
        "image-everywhere": "the image is there in the hole too: it belongs only where the mask is 1, so multiply it by the mask.",
        "returns-image": "you return the image as it came: where the mask is 0 the fill is due.",
        "returns-fill": "you return the fill alone: where the mask is 1 the image is due (is the mask never above your threshold?).",
        "same-mask-twice": "image and fill are multiplied by the same mask: one of them needs 1 - mask.",
        "subtracted": "the two parts are subtracted: add them.",
        "blended": "image and fill are mixed half and half: each pixel comes from one of them alone.",
        "fill-mean": "the hole gets a mean instead of the fill's own pixels.",
        "constant-fill": "the hole gets a constant: due are the fill's own pixels.",
        "black-is-hole": "pixels of value 0 are taken for holes, or for nothing to fill in: ask the mask where the hole is, not the values.",
        "larger-value": "you take the larger value of the two parts, which loses what is below 0: take the sum, or `torch.where`.",
        "absolute": "negative values are lost or turned: pixels stay as they are, whatever their range.",
        "clamped": "the result is cut off at 0, 1 or -1: pixels stay as they are, whatever their range.",
        "first-channel": "the mask works on the first channel only: it broadcasts over all of them.",
        "first-example": "the mask of the first example is used for all: each has its own.",
        "boolean-mask": "it fails for a boolean mask: `1 - mask` and `-mask` do not exist for booleans; convert it (`mask.to(image.dtype)`) or use `torch.where`.",
        "float-mask": "it fails for a mask of floats 0 and 1: `torch.where`, `~` and indexing want booleans, such as `mask.bool()`.",
        "not-broadcast": "it fails for a mask with fewer axes, or axes of length 1: let it broadcast, as `*` and `torch.where` do, or `expand` it to the shape of the image.",
        "partly-detached": "no gradient reaches the image or the fill: each must get it where it is shown.",
    }  # fmt: skip

    def cases(self, rng):
        """Masks for all channels, for all examples, for single values; floats and booleans."""
        return [
            draw(rng, (3, 3, 5, 4), (3, 1, 5, 4)),
            draw(rng, (2, 3, 4, 6), (2, 1, 4, 6), boolean=True),
            draw(rng, (3, 2, 4, 5), (1, 4, 5)),
            draw(rng, (2, 3, 6, 5), (6, 5), boolean=True),
            draw(rng, (4, 1, 3, 5), (4, 1, 3, 5)),
            draw(rng, (2, 3, 4, 5), (2, 3, 4, 5), boolean=True),
            draw(rng, (2, 3, 5, 4), (5, 4)),
        ]

    def far_cases(self, rng):
        """Nothing is missing, everything is missing, and values up to some hundreds."""
        whole, empty, large = (draw(rng, (2, 3, 4, 5), (2, 1, 4, 5)) for _ in range(3))
        whole["mask"], empty["mask"] = torch.ones_like(whole["mask"]), torch.zeros_like(empty["mask"])
        return [whole, empty, {**large, "image": 200 * large["image"], "fill": 200 * large["fill"]}]

    def single_case(self, rng):
        return draw(rng, (1, 3, 4, 5), (1, 1, 4, 5))

    def oracle(self, image, mask, fill):
        return torch.where(mask > 0.5, image, fill)

    def guesses(self, image, mask, fill):
        known = mask.to(image.dtype)
        hole = 1 - known
        right = known * image + hole * fill
        first = known.expand_as(image)[:1]
        one_channel = torch.cat([known.expand_as(image)[:, :1], torch.ones_like(image[:, 1:])], 1)
        black = known * image
        guesses = [
            ("swapped", hole * image + known * fill),
            ("returns-image", image),
            ("returns-fill", fill),
            ("no-fill", black),
            ("no-image", hole * fill),
            ("swapped", hole * image),
            ("swapped", known * fill),
            ("fill-everywhere", black + fill),
            ("image-everywhere", image + hole * fill),
            ("fill-everywhere", image + fill),
            ("same-mask-twice", known * (image + fill)),
            ("same-mask-twice", hole * (image + fill)),
            ("subtracted", black - hole * fill),
            ("subtracted", hole * fill - black),
            ("blended", (image + fill) / 2),
            ("blended", black + hole * (image + fill) / 2),
            ("blended", right / 2),
            *(("fill-mean", black + hole * mean) for mean in means(fill)),
            *(("fill-mean", black + hole * mean) for mean in means(image)),
            *(("fill-mean", black + hole * mean) for mean in means_of_known(image, known)),
            *(("constant-fill", black + hole * number) for number in (1.0, -1.0, 0.5)),
            ("black-is-hole", torch.where(black == 0, fill, black)),
            ("black-is-hole", torch.where(image == 0, fill, image)),
            ("black-is-hole", torch.where(hole * fill == 0, image, fill)),
            ("larger-value", torch.maximum(black, hole * fill)),
            ("larger-value", torch.maximum(image, fill)),
            ("absolute", right.abs()),
            ("absolute", right.relu()),
            *(("clamped", right.clamp(low, high)) for low, high in ((0, 1), (-1, 1), (None, 1))),
            ("first-channel", one_channel * image + (1 - one_channel) * fill),
            ("first-channel", one_channel * image + hole * fill),
            ("first-example", first * image + (1 - first) * fill),
        ]
        return [((name,), value) for name, value in guesses]

    def hint(self, results):
        """Which of the two parts is to blame."""
        known, hole = zip(*(self._parts(result) for result in results), strict=True)
        if all(known):
            return " Where the mask is 1 the result is right, where it is 0 it is wrong."
        return " Where the mask is 0 the result is right, where it is 1 it is wrong." if all(hole) else ""

    def _parts(self, result):
        """Whether the known part is right, and whether the hole is."""
        right = torch.isclose(result.value, result.expected, self.rtol, self.atol)
        known = (result.case["mask"] > 0.5).expand_as(right)
        return bool(right[known].all()), bool(right[~known].all())

    def explain_error(self, trial, case, failure):
        """Whether it takes a mask of another type, or one of the image's shape, or of both."""
        mask = case["mask"]
        other = mask.float() if mask.dtype == torch.bool else mask.bool()
        of_type = "boolean-mask" if mask.dtype == torch.bool else "float-mask"
        tries = [(of_type, other), ("not-broadcast", mask.expand_as(case["image"]))]
        tries.append((of_type, other.expand_as(case["image"])))
        for mistake, instead in tries:
            try:
                self.checked(trial, {**copies(case), "mask": instead.clone()})
            except Failure:
                continue
            return mistake
        return None

    def right_canary(self, image, mask, fill):
        return fill + mask.to(image.dtype) * (image - fill)

    def wrong_canary(self, image, mask, fill):
        return image + mask.to(image.dtype) * (fill - image)


def draw(rng, shape, mask_shape, boolean=False):
    """Images with values of both signs, also beyond 1, and some zeros; a mask that holds both 0 and 1."""
    image, fill = (rng.normal(*shape, scale=0.8) * (rng.uniform(*shape) < 0.85) for _ in range(2))
    mask = (rng.uniform(*mask_shape) < 0.6).float()
    mask.flatten()[:2] = torch.tensor([0.0, 1.0])
    return {"image": image, "mask": mask.bool() if boolean else mask, "fill": fill}


def means(image):
    """One for all, for each example, for each channel of each, and over the channels."""
    return [image.mean(axes, keepdim=True) for axes in ((0, 1, 2, 3), (1, 2, 3), (2, 3), (0, 2, 3), (1,))]


def means_of_known(image, known):
    known = known.expand_as(image)
    return [
        (known * image).sum(axes, keepdim=True) / known.sum(axes, keepdim=True)
        for axes in ((0, 1, 2, 3), (1, 2, 3), (2, 3))
    ]
