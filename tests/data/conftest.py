"""A small robot with two small cameras, and a way to record it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec
from premotor.data import DatasetWriter

Record = Callable[..., None]


@pytest.fixture(scope="session")
def spec() -> EmbodimentSpec:
    dims = tuple(DimSpec(name=f"joint{i}", unit="rad", kind="absolute", low=-3, high=3) for i in range(3))
    return EmbodimentSpec(
        name="small",
        cameras=(CameraSpec(name="front", height=32, width=48), CameraSpec(name="wrist", height=32, width=32)),
        state=dims,
        action=ActionSpec(dims=dims[:2], frame="joint", rotation="none", hold="measured_position"),
        rate_hz=20.0,
    )


@pytest.fixture(scope="session")
def record(spec: EmbodimentSpec) -> Record:
    """Record episodes whose numbers tell where they belong, under a picture that moves."""

    def record(writer: DatasetWriter, episodes: int = 1, frames: int = 12) -> None:
        for _ in range(episodes):
            for step in range(frames):
                images = {c.name: np.full((c.height, c.width, 3), 40, np.uint8) for c in spec.cameras}
                for image in images.values():
                    image[4 + step % 20 : 12 + step % 20, 4:20] = (200, 30, 30)
                state = np.array([writer.episodes, step, 0.5])
                writer.add_frame(images, state, state[:2] / 10, f"task {writer.episodes % 3}")
            writer.save_episode()

    return record


@pytest.fixture
def recorded(tmp_path: Path, spec: EmbodimentSpec, record: Record) -> Path:
    """The folder of a dataset of three episodes, one longer than a second."""
    with DatasetWriter(tmp_path / "set", spec) as writer:
        record(writer, episodes=2)
        record(writer, frames=45)
    return tmp_path / "set"
