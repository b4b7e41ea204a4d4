"""Images: read safely, prepare, store and compare."""

from spinecast.images.image import Image

__all__ = ["Image"]
