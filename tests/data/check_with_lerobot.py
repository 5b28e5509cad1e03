"""Let LeRobot read what we write, and read what LeRobot writes; the outcome goes to results/lerobot_interop.json.

Run by hand, as it needs a Python environment that has LeRobot 0.6 or newer (which wants another torch than ours):

    python tests/data/check_with_lerobot.py /path/to/lerobot-environment/bin/python

It records a few episodes, has LeRobot's own LeRobotDataset load them (every frame, both video backends where they are
installed, delta_timestamps, and each moment at which saving an episode can be cut off), has LeRobot record the same
frames, and reads those here. Exit code 1 when anything differs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

FPS = 20
LENGTHS = (60, 45, 75)
TASKS = ("put the blue cup in the bowl", "stack the red block on the green block", "open the drawer")
CAMERAS = ("front", "wrist")
SIDE = 128
COLOURS = [(215, 25, 25), (25, 50, 215), (25, 165, 50), (240, 215, 25), (130, 40, 180), (235, 235, 235)]
LEAST_PSNR = 40.0  # dB, all pixels
LEAST_PSNR_COLOURED = 34.0  # dB, pixels in a strong colour


def main() -> int:
    """Run both directions and write the outcome."""
    from premotor.core.spec import ActionSpec, CameraSpec, DimSpec, EmbodimentSpec

    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    joints = tuple(DimSpec(name=f"joint{i}", unit="rad", kind="absolute", low=-3, high=3) for i in range(7))
    spec = EmbodimentSpec(
        name="check",
        cameras=tuple(CameraSpec(name=name, height=SIDE, width=SIDE) for name in CAMERAS),
        state=joints,
        action=ActionSpec(dims=joints, frame="joint", rotation="none", hold="measured_position"),
        rate_hz=FPS,
    )
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        episodes = recording()
        np.savez(base / "recording.npz", **{f"{i}/{k}": v for i, e in enumerate(episodes) for k, v in e.items()})
        ours = write(base / "ours", spec, episodes)
        write(base / "again", spec, episodes, moments=base / "moments")
        command = [sys.argv[1], __file__, "inside", folder]
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{folder}/hf", "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        subprocess.run(command, check=True, env={**os.environ, **offline})
        outcome = json.loads((base / "outcome.json").read_text())
        outcome["premotor_writes"] = ours
        outcome["premotor_reads_lerobot"] = read_theirs(base / "theirs", episodes)
    failures = find_failures(outcome)
    outcome = {"command": "make check-lerobot", "passed": not failures, "failures": failures, **outcome}
    target = Path(__file__).parents[2] / "results/lerobot_interop.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(outcome, indent=1) + "\n")
    print(json.dumps(outcome, indent=1))
    return 1 if failures else 0


def recording() -> list[dict[str, Any]]:
    """Episodes of small coloured things, smooth at their edges, moving over a table."""
    rng = np.random.default_rng(0)
    grid = (np.arange(SIDE * 4) + 0.5) / 4
    down, across = np.meshgrid(grid, grid, indexing="ij")
    episodes = []
    for index, length in enumerate(LENGTHS):
        episode: dict[str, Any] = {
            "state": rng.normal(size=(length, 7)).cumsum(0).astype(np.float32),
            "action": rng.normal(size=(length, 7)).astype(np.float32),
            "expert": rng.random(length) < 0.5,
            "task": np.array([TASKS[index]] * length),
        }
        for camera in CAMERAS:
            places, ways = rng.uniform(15, SIDE - 15, (6, 2)), rng.normal(size=(6, 2)) / 4
            frames = np.empty((length, SIDE, SIDE, 3), np.uint8)
            for step in range(length):
                canvas = np.repeat((150 + 8 * np.sin(down / 3))[..., None], 3, 2) * (1.0, 0.9, 0.75)
                for k, colour in enumerate(COLOURS):
                    row, column = places[k] + step * ways[k]
                    radius = 4 + k % 3
                    reach = np.hypot if k % 2 else lambda a, b: np.maximum(np.abs(a), np.abs(b))
                    canvas[reach(down - row, across - column) < radius] = colour
                frames[step] = canvas.reshape(SIDE, 4, SIDE, 4, 3).mean((1, 3)).round()
            episode[camera] = frames
        episodes.append(episode)
    return episodes


def write(root: Path, spec: Any, episodes: list[dict[str, Any]], moments: Path | None = None) -> dict[str, Any]:
    """Record with our writer, a session an episode; keep a copy of the folder at each moment of the last save."""
    from premotor.data import DatasetWriter
    from premotor.data import format as layout

    before = time.process_time()
    extra: dict[str, tuple[str, tuple[int, ...]]] = {"expert": ("bool", ())}
    real = layout.replace_file

    def keeping(temporary: Path, final: Path) -> None:
        if moments is not None:
            shutil.copytree(root, moments / str(len(list(moments.glob("*")))))
        real(temporary, final)

    for index, episode in enumerate(episodes):
        with DatasetWriter(root, spec, extra_features=extra, resume=index > 0) as writer:
            for step, task in enumerate(episode["task"]):
                images = {name: episode[name][step] for name in CAMERAS}
                writer.add_frame(
                    images, episode["state"][step], episode["action"][step], str(task), expert=episode["expert"][step]
                )
            if index == len(episodes) - 1:
                layout.replace_file = keeping
            writer.save_episode()
            layout.replace_file = real
    spent = time.process_time() - before
    return {"cpu_seconds": round(spent, 2), "frames": sum(LENGTHS), "size_kb": kilobytes(root)}


def read_theirs(root: Path, episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Read with our reader what LeRobot recorded."""
    from premotor.data import Dataset, check

    dataset = Dataset(root)
    result: dict[str, Any] = {"episodes": len(dataset.episodes), "findings": [str(f.message) for f in check(root)]}
    result["numbers_equal"] = result["tasks_equal"] = True
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in CAMERAS}
    for index, episode in enumerate(episodes):
        got = dataset.episode(index)
        result["numbers_equal"] &= all(np.array_equal(getattr(got, key), episode[key]) for key in ("state", "action"))
        result["tasks_equal"] &= list(got.tasks) == episode["task"].tolist()
        for name in CAMERAS:
            pictures[name].append(got.images[name])
    result["psnr"] = {name: psnr([e[name] for e in episodes], pictures[name]) for name in CAMERAS}
    return result


def find_failures(outcome: dict[str, Any]) -> list[str]:
    """Everything that is not as it must be."""
    failures = [f"no video backend ran: {outcome['backends']}"] if not outcome["lerobot_reads_premotor"] else []
    for backend, result in outcome["lerobot_reads_premotor"].items():
        failures += [f"{backend}: {key} is false" for key, value in result.items() if value is False]
        for camera, (whole, coloured) in result["psnr"].items():
            if whole < LEAST_PSNR or coloured < LEAST_PSNR_COLOURED:
                failures.append(f"{backend}: {camera} has {whole} dB, {coloured} dB on strong colours")
    failures += [f"moment {k}: {text}" for k, text in enumerate(outcome["moments_of_saving"]) if text != "consistent"]
    theirs = outcome["premotor_reads_lerobot"]
    failures += [f"reading LeRobot's: {key} is false" for key, value in theirs.items() if value is False]
    return [*failures, *theirs["findings"]]


def psnr(wanted: list[Any], got: list[Any]) -> list[float]:
    """(dB over all pixels, dB over the pixels in a strong colour)."""
    a, b = np.concatenate(wanted).astype(float), np.concatenate(got).astype(float)
    coloured = np.ptp(a, axis=-1) > 90
    errors = [np.mean((a - b) ** 2), np.mean((a[coloured] - b[coloured]) ** 2)]
    return [round(float(10 * np.log10(255**2 / error)), 1) for error in errors]


def kilobytes(root: Path) -> int:
    """Size of a folder."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1000


# What follows runs in LeRobot's environment, where premotor is not installed.


def inside(base: Path) -> None:
    """Load our dataset with LeRobot, and let LeRobot record the same frames."""
    import lerobot

    with np.load(base / "recording.npz") as arrays:
        episodes = [{k: arrays[f"{i}/{k}"] for k in ("state", "action", "task", *CAMERAS)} for i in range(len(LENGTHS))]
    backends: dict[str, str] = {}
    reads: dict[str, Any] = {}
    for backend in ("torchcodec", "pyav"):
        try:
            __import__("torchcodec" if backend == "torchcodec" else "av")
        except (ImportError, OSError, RuntimeError) as error:
            backends[backend] = f"not available: {str(error).splitlines()[0]}"
            continue
        backends[backend] = "available"
        reads[backend] = inside_read(base / "ours", backend, episodes)
    moments = [inside_moment(path) for path in sorted((base / "moments").iterdir(), key=lambda p: int(p.name))]
    outcome = {
        "lerobot": lerobot.__version__,
        "backends": backends,
        "lerobot_reads_premotor": reads,
        "moments_of_saving": moments,
        "lerobot_writes": inside_write(base / "theirs", episodes),
    }
    (base / "outcome.json").write_text(json.dumps(outcome))


def inside_read(root: Path, backend: str, episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare every item that LeRobot gives with what was recorded."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/ours", root=root, video_backend=backend)
    ahead = {"action": [k / FPS for k in range(10)], "observation.images.front": [-1 / FPS, 0.0]}
    windows = LeRobotDataset("local/ours", root=root, video_backend=backend, delta_timestamps=ahead)
    keys = ("state_equal", "action_equal", "task_equal", "timestamps_equal", "delta_timestamps_equal")
    result: dict[str, Any] = dict.fromkeys(keys, True)
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in CAMERAS}
    at = 0
    for number, episode in enumerate(episodes):
        length = len(episode["state"])
        for step in range(length):
            item = dataset[at]
            result["state_equal"] &= np.array_equal(item["observation.state"].numpy(), episode["state"][step])
            result["action_equal"] &= np.array_equal(item["action"].numpy(), episode["action"][step])
            result["task_equal"] &= item["task"] == str(episode["task"][step])
            result["timestamps_equal"] &= (
                abs(item["timestamp"].item() - step / FPS) < 1e-4 and item["episode_index"].item() == number
            )
            for name in CAMERAS:
                image = item[f"observation.images.{name}"].numpy()
                pictures[name].append((image.transpose(1, 2, 0) * 255).round().astype(np.uint8)[None])
            if step % 7 == 0 or step == length - 1:
                result["delta_timestamps_equal"] &= same_window(windows[at], episode, step, pictures["front"])
            at += 1
    result["frames"] = len(dataset)
    result["all_frames"] = len(dataset) == at
    result["statistics_loaded"] = set(dataset.meta.stats["action"]) >= {"min", "max", "mean", "std", "q01", "q99"}
    result["psnr"] = {name: psnr([e[name] for e in episodes], pictures[name]) for name in CAMERAS}
    return result


def same_window(item: dict[str, Any], episode: dict[str, Any], step: int, front: list[np.ndarray]) -> bool:
    """Whether a window of future actions and of the last two frames is what was recorded, padding included."""
    length = len(episode["state"])
    rows = np.minimum(np.arange(step, step + 10), length - 1)
    padded = np.arange(step, step + 10) >= length
    images = (item["observation.images.front"].numpy().transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    before = front[-1 - (step > 0)]
    return bool(
        np.array_equal(item["action"].numpy(), episode["action"][rows])
        and np.array_equal(item["action_is_pad"].numpy(), padded)
        and np.array_equal(images, np.concatenate([before, front[-1]]))
    )


def inside_moment(root: Path) -> str:
    """Read a folder as it was in the middle of saving an episode."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    try:
        dataset = LeRobotDataset("local/moment", root=root, video_backend="pyav")
        lengths = (sum(LENGTHS[:-1]), sum(LENGTHS))
        item = [dataset[at] for at in (0, LENGTHS[0], len(dataset) - 1)][-1]
        found = (len(dataset), int(item["index"]), item["task"] in TASKS)
        return "consistent" if found[0] in lengths and found[1:] == (found[0] - 1, True) else f"differs: {found}"
    except Exception as error:  # noqa: BLE001 - whatever LeRobot raises is the outcome
        return repr(error)


def inside_write(root: Path, episodes: list[dict[str, Any]]) -> dict[str, Any]:
    """Let LeRobot record the same frames with its default settings."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    names = [f"joint{i}" for i in range(7)]
    vector = {"dtype": "float32", "shape": (7,), "names": names}
    camera = {"dtype": "video", "shape": (SIDE, SIDE, 3), "names": ["height", "width", "channels"]}
    features = {f"observation.images.{name}": camera for name in CAMERAS}
    features |= {"observation.state": vector, "action": vector}
    before, children = time.process_time(), os.times()
    dataset = LeRobotDataset.create("local/theirs", fps=FPS, features=features, root=root, use_videos=True)
    for episode in episodes:
        for step, task in enumerate(episode["task"]):
            frame = {f"observation.images.{name}": episode[name][step] for name in CAMERAS}
            frame |= {"observation.state": episode["state"][step], "action": episode["action"][step]}
            dataset.add_frame({**frame, "task": str(task)})
        dataset.save_episode()
    dataset.finalize()
    after = os.times()
    spent = time.process_time() - before + after.children_user - children.children_user
    return {"cpu_seconds": round(spent, 2), "frames": sum(LENGTHS), "size_kb": kilobytes(root)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["inside"]:
        inside(Path(sys.argv[2]))
    else:
        sys.exit(main())
