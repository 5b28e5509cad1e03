"""Perturbations of any world: axes at three strengths, as data, and what carries them out."""
