"""Checks of assignment a5_translation: six functions of styles, patches, translation and inpainting, one file an idea.

The oracles are written here in float64, apart from `course_utils.models`. Tables of mistakes give each its sentence.
"""

from course_utils.checks.translation.cycle import CycleConsistencyLoss
from course_utils.checks.translation.inpainting import Inpaint
from course_utils.checks.translation.mixing import MixStyles
from course_utils.checks.translation.normalisation import Adain
from course_utils.checks.translation.patches import ReceptiveField
from course_utils.checks.translation.pix2pix import Pix2PixGeneratorLoss

adain = Adain()
mix_styles = MixStyles()
receptive_field = ReceptiveField()
pix2pix_generator_loss = Pix2PixGeneratorLoss()
cycle_consistency_loss = CycleConsistencyLoss()
inpaint = Inpaint()

CHECKS = {
    check.name: check
    for check in (
        adain,
        mix_styles,
        receptive_field,
        pix2pix_generator_loss,
        cycle_consistency_loss,
        inpaint,
    )
}
