"""Checks of assignment a2_autoregressive: six pieces of autoregressive models, one file for each idea.

The oracles are written here, apart from `course_utils.models`. Tables of mistakes give each its sentence.
"""

from course_utils.checks.autoregressive.convolution import MaskedConvolution
from course_utils.checks.autoregressive.likelihood import PixelLogProb
from course_utils.checks.autoregressive.logistic import DiscretizedLogisticLogProb
from course_utils.checks.autoregressive.made import MadeMasks
from course_utils.checks.autoregressive.masks import CausalMask
from course_utils.checks.autoregressive.sampling import SampleImages

made_masks = MadeMasks()
causal_mask = CausalMask()
MaskedConv2d = MaskedConvolution()
pixel_log_prob = PixelLogProb()
sample_images = SampleImages()
discretized_logistic_log_prob = DiscretizedLogisticLogProb()

CHECKS = {
    check.name: check
    for check in (
        made_masks,
        causal_mask,
        MaskedConv2d,
        pixel_log_prob,
        sample_images,
        discretized_logistic_log_prob,
    )
}
