"""Applications of translation, lecture 14: what an image can be made from, one idea a file.

`inpainting` (fill a hole, with what a generator finds plausible), `blending` (paste without a seam), `super_resolution`
(more pixels), `colourisation` (colours for a grey image), `style_transfer` (one image's texture on another, by
optimisation), `adain_transfer` (the same by one pass of a network).
"""
