"""Demonstrations on disk in the LeRobot v3.0 layout: one writer, one reader, one check. Numpy, no torch."""

from premotor.data.draft import Draft, DraftWriter
from premotor.data.format import EpisodeRow, Feature
from premotor.data.health import Finding, check
from premotor.data.reader import Dataset, EpisodeData, Frame
from premotor.data.writer import DatasetWriter

__all__ = [
    "Dataset",
    "DatasetWriter",
    "Draft",
    "DraftWriter",
    "EpisodeData",
    "EpisodeRow",
    "Feature",
    "Finding",
    "Frame",
    "check",
]
