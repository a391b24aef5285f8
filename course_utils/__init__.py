"""Reference implementations, data, checks and grading of the course on deep generative models.

Importing this package imports nothing heavy: submodules load torch when they are asked for.
"""

__version__ = "0.1.0"
