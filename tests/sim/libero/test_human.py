"""LIBERO's own demonstrations: a small file in their layout."""

from pathlib import Path

import numpy as np
import pytest

from premotor.core.errors import DatasetError
from premotor.sim.libero.human import Human
from premotor.sim.libero.tasks import of_suite

SOUP, CHEESE, *_ = of_suite("object")


def write(path: Path, demos: dict[str, int], *, size: int = 6, without: str = "") -> None:
    """Demonstrations of so many steps, with numbers that can be told apart."""
    h5py = pytest.importorskip("h5py", reason="needs the package h5py: pip install 'premotor[libero]'")
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, steps in demos.items():
            values = {
                "actions": rng.uniform(-1, 1, (steps, 7)),
                "obs/ee_pos": rng.normal(size=(steps, 3)),
                "obs/ee_ori": rng.normal(size=(steps, 3)),
                "obs/gripper_states": rng.normal(size=(steps, 2)),
                "obs/agentview_rgb": rng.integers(0, 256, (steps, size, size, 3), np.uint8),
                "obs/eye_in_hand_rgb": rng.integers(0, 256, (steps, size, size, 3), np.uint8),
            }
            for key, value in values.items():
                if key != without:
                    file[f"data/{name}/{key}"] = value


def test_frames_are_turned_and_actions_are_metres(tmp_path: Path) -> None:
    write(tmp_path / f"{SOUP}_demo.hdf5", {"demo_10": 4, "demo_2": 3})
    write(tmp_path / f"{CHEESE}_demo.hdf5", {"demo_0": 2})
    found = Human(tmp_path, of_suite("object"))
    assert [len([*found.frames(number)]) for number in range(len(found))] == [3, 4, 2]
    assert found.spec.cameras[0].height == 6
    import h5py

    with h5py.File(tmp_path / f"{SOUP}_demo.hdf5") as file:
        demo = file["data/demo_2"]
        seen, action = [*found.frames(0)][1]
        assert np.array_equal(seen.images["agentview"], demo["obs/agentview_rgb"][1][::-1, ::-1])
        assert np.array_equal(seen.images["wrist"], demo["obs/eye_in_hand_rgb"][1][::-1, ::-1])
        parts = [demo[f"obs/{key}"][1] for key in ("ee_pos", "ee_ori", "gripper_states")]
        assert np.array_equal(seen.state, np.concatenate(parts))
        assert action[:3] == pytest.approx(demo["actions"][1][:3] * 0.05)
        assert action[6] == pytest.approx((1 - demo["actions"][1][6]) / 2)
    assert (seen.stamp_ns, seen.instruction) == (50_000_000, SOUP.replace("_", " "))


def test_what_is_not_there_or_damaged_is_said(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="needs the package h5py: pip install 'premotor[libero]'")
    with pytest.raises(DatasetError, match=rf"holds none of {SOUP}_demo.hdf5"):
        Human(tmp_path, [SOUP])
    file = tmp_path / f"{SOUP}_demo.hdf5"
    file.write_bytes(b"not hdf5")
    with pytest.raises(DatasetError, match="not a whole HDF5 file"):
        Human(tmp_path, [SOUP])
    write(file, {"demo_0": 2}, without="obs/ee_ori")
    with pytest.raises(DatasetError, match="has no data/demo_0/obs/ee_ori"):
        next(Human(tmp_path, [SOUP]).frames(0))
    write(tmp_path / f"{CHEESE}_demo.hdf5", {"demo_0": 2}, size=8)
    write(file, {"demo_0": 2})
    with pytest.raises(DatasetError, match="pictures of 6, 8 pixels"):
        Human(tmp_path, [SOUP, CHEESE])
