"""An animation's frames are the figures drawn, in their order and for their time."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageSequence

from course_utils.animation import animate


def bar(figure, n):
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 4), ylim=(0, 1))
    ax.axis("off")
    ax.axvspan(n, n + 1, color="black")


def gif(shown):
    return Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", shown.data)[1])))


def test_frames_in_their_order_and_for_their_time():
    picture = gif(animate(bar, 4, alt="a bar", figsize=(1, 0.5), seconds=0.1, last_seconds=1.0))
    assert picture.info["loop"] == 0
    for n, frame in enumerate(ImageSequence.Iterator(picture)):
        dark = np.asarray(frame.convert("L"), dtype=float).mean(0).reshape(4, 20).mean(1) < 128
        assert dark.tolist() == [k == n for k in range(4)]
        assert frame.info["duration"] == (1000 if n == 3 else 100)
    assert n == 3


def test_words_for_those_who_do_not_see_it():
    assert 'alt="p &lt; &quot;q&quot;"' in animate(bar, 1, alt='p < "q"', figsize=(1, 0.5)).data


def test_no_frames():
    with pytest.raises(ValueError, match="at least 1 frame, got 0"):
        animate(bar, 0, alt="nothing")
