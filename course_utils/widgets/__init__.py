"""Widgets of the course: sliders that redraw a figure, and the figure alone where nothing could move them.

`interactive_figure` joins any controls to any drawing; the other functions are drawings for it. What they return is
shown by a notebook when it is the last value of a cell: an ipywidgets box where there is a front end, and a matplotlib
figure where there is none (a script, or COURSE_STATIC=1, with which the course builds its notebooks).
"""

from course_utils.widgets.clustering import kmeans_stepper
from course_utils.widgets.codes import code_sliders
from course_utils.widgets.density import density_explorer, likelier_image, mixture_fitter
from course_utils.widgets.figure import has_front_end, interactive_figure
from course_utils.widgets.flow import flow_layers
from course_utils.widgets.game import gan_game
from course_utils.widgets.latent import beta_slider, latent_explorer
from course_utils.widgets.pixels import mask_explorer, pixel_sampler
from course_utils.widgets.styles import style_mixer
from course_utils.widgets.walk import latent_walk

__all__ = [
    "beta_slider",
    "code_sliders",
    "density_explorer",
    "flow_layers",
    "gan_game",
    "has_front_end",
    "interactive_figure",
    "kmeans_stepper",
    "latent_explorer",
    "latent_walk",
    "likelier_image",
    "mask_explorer",
    "mixture_fitter",
    "pixel_sampler",
    "style_mixer",
]
