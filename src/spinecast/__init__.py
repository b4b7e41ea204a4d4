"""Spinecast: follow-up images, scores, fracture risk and loci from spine and bone images."""

__version__ = "0.1.0"
