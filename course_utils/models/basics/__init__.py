"""First models, lecture 1: learning with labels and without, one idea a file.

With labels: `classifier`, `regression`, `unet` (a label for each pixel), `detector` (boxes), `captioner` (sentences).
Without: `kmeans`, `mean_shift`, `pca`.
"""
