"""Models that run in a page: trained from a seed on data that come with the course, exported to ONNX.

    python -m publish.live [NAME ...]      train and export again

A file of this folder trains one model and says what its graphs compute. What they exported is committed in `models/`,
with checksums, and their weights are in the graphs under PyTorch's names, so that tests can compare a page's figures
with the model itself.
"""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
