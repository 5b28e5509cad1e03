"""The reader of LeRobot v3.0 datasets, our own and others', videos or stored pictures."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from premotor.core.agree import spec_from_json
from premotor.core.errors import DatasetError
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Image
from premotor.data import format as layout
from premotor.data.format import EpisodeRow, Feature
from premotor.data.video import decode_image, decode_video

__all__ = ["Dataset", "EpisodeData", "Frame"]

_TABLES_BYTES = 256 << 20  # of data files whose numbers are kept at hand


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeData:
    """One episode of T frames, numbers in the types they are stored in.

    images: camera -> (T, H, W, 3) uint8 RGB. state: (T, S). action: (T, A). timestamps: (T,) seconds from its start.
    tasks: T instructions. extras: every other column -> (T, n).
    """

    index: int
    images: Mapping[str, Image]
    state: NDArray[Any]
    action: NDArray[Any]
    timestamps: NDArray[Any]
    tasks: tuple[str, ...]
    extras: Mapping[str, NDArray[Any]]

    @property
    def task(self) -> str:
        """The instruction that the episode began with."""
        return self.tasks[0]

    def __len__(self) -> int:
        """Its frames."""
        return len(self.timestamps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame: images (H, W, 3) uint8 RGB, state (S,), action (A,), timestamp in seconds, extras (n,)."""

    episode: int
    step: int
    images: Mapping[str, Image]
    state: NDArray[Any]
    action: NDArray[Any]
    timestamp: float
    task: str
    extras: Mapping[str, NDArray[Any]]


class Dataset:
    """A dataset opened for reading. `len` is its number of frames; `episodes` says where each episode lies."""

    def __init__(self, root: str | Path, *, check_files: bool = True) -> None:
        """Read the descriptions, and look that every file they speak of is there (unless told not to).

        Raises DatasetError naming the file, the episode and the next step.
        """
        self.root = Path(root)
        info = layout.read_json(self.root / layout.INFO, "the description of the dataset")
        version = info.get("codebase_version")
        if not isinstance(version, str) or not version.startswith("v3."):
            raise DatasetError(
                f"{self.root} is of version {version!r}, wanted v3.x; convert it with LeRobot's "
                "convert_dataset_v21_to_v30"
            )
        try:
            self.features: dict[str, Feature] = layout.features_from_json(info["features"])
            self.fps = float(info["fps"])
            self.robot: str = str(info.get("robot_type"))
            total, frames = int(info["total_episodes"]), int(info["total_frames"])
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{self.root / layout.INFO}: {error!r}; restore it from a copy") from error
        for needed in (layout.STATE, layout.ACTION):
            if needed not in self.features:
                raise DatasetError(f"{self.root} has no {needed!r}; it has {sorted(self.features)}")
        self.cameras = {feature.camera: feature for feature in self.features.values() if feature.is_camera}
        self.tasks = self._read_tasks() if total else ()
        self.episodes = self._read_episodes(total, frames)
        self._starts = np.array([episode.start for episode in self.episodes])
        self._tables: OrderedDict[str, Any] = OrderedDict()
        self._tables_bytes = 0
        if check_files:
            for episode, path in self.missing_files():
                raise DatasetError(
                    f"{path} is missing (episode {episode}): restore it from a copy, or record the dataset again; "
                    "`premotor info` lists everything that is damaged"
                )

    def __len__(self) -> int:
        """Frames of all episodes."""
        return self.episodes[-1].stop if self.episodes else 0

    @property
    def spec(self) -> EmbodimentSpec | None:
        """What the recorded robot sends and accepts; None where others recorded, whose layout cannot say."""
        if not (self.root / layout.EMBODIMENT).exists():
            return None
        return spec_from_json(layout.read_json(self.root / layout.EMBODIMENT, "the embodiment"))

    @property
    def statistics(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Feature -> statistic -> array, from stats.json. Raises DatasetError where there is none."""
        content = layout.read_json(self.root / layout.STATS, "the statistics")
        return {name: {key: np.asarray(value) for key, value in entry.items()} for name, entry in content.items()}

    def missing_files(self) -> list[tuple[int, Path]]:
        """(first episode that needs it, file) for each data file and video that is not there or is empty."""
        missing, seen = [], set()
        for episode in self.episodes:
            names = [layout.data_file(*episode.data)]
            names += [layout.video_file(name, chunk, file) for name, (chunk, file, _) in episode.videos.items()]
            for name in names:
                path = self.root / name
                if name not in seen and not (path.is_file() and path.stat().st_size > 0):
                    missing.append((episode.index, path))
                seen.add(name)
        return missing

    def episode(self, index: int, cameras: Sequence[str] | None = None) -> EpisodeData:
        """Read one episode whole. cameras: which to decode, all unless told; () reads numbers only.

        Raises DatasetError naming file and episode for damage, and for unknown episodes and cameras.
        """
        row = self._row(index)
        images = {name: self._images(row, name, 0, row.length) for name in self._wanted(cameras)}
        columns = self._numbers(row)
        tasks = tuple(self._task(row, int(number)) for number in columns["task_index"][:, 0])
        return EpisodeData(
            index=index,
            images=images,
            state=columns[layout.STATE],
            action=columns[layout.ACTION],
            timestamps=columns["timestamp"][:, 0],
            tasks=tasks,
            extras={name: columns[name] for name in self._extras()},
        )

    def frame(self, index: int, cameras: Sequence[str] | None = None) -> Frame:
        """Read one frame by its place in the whole dataset. Raises DatasetError as `episode` does."""
        if not 0 <= index < len(self):
            raise DatasetError(f"{self.root}: no frame {index}; frames are 0 .. {len(self) - 1}")
        row = self.episodes[int(np.searchsorted(self._starts, index, side="right")) - 1]
        step = index - row.start
        columns = self._numbers(row)
        return Frame(
            episode=row.index,
            step=step,
            images={name: self._images(row, name, step, 1)[0] for name in self._wanted(cameras)},
            state=columns[layout.STATE][step],
            action=columns[layout.ACTION][step],
            timestamp=float(columns["timestamp"][step, 0]),
            task=self._task(row, int(columns["task_index"][step, 0])),
            extras={name: columns[name][step] for name in self._extras()},
        )

    # Descriptions

    def _read_tasks(self) -> tuple[str, ...]:
        path = self.root / layout.TASKS
        table = layout.read_table(path, "the task strings")
        # Written by pandas without a name, the index of strings is called __index_level_0__.
        strings = [field.name for field in table.schema if pa.types.is_string(field.type)]
        if "task_index" not in table.column_names or len(strings) != 1:
            raise DatasetError(f"{path} has columns {table.column_names}, wanted task_index and the task strings")
        pairs = zip(table.column("task_index").to_pylist(), table.column(strings[0]).to_pylist(), strict=True)
        by_number = dict(pairs)
        if sorted(by_number) != list(range(len(by_number))):
            raise DatasetError(f"{path}: task numbers {sorted(by_number)} do not count from 0; restore it from a copy")
        return tuple(by_number[number] for number in range(len(by_number)))

    def _read_episodes(self, total: int, frames: int) -> tuple[EpisodeRow, ...]:
        folder = self.root / "meta/episodes"
        videos = [feature.name for feature in self.features.values() if feature.dtype == "video"]
        rows: list[EpisodeRow] = []
        for path in sorted(folder.glob("chunk-*/file-*.parquet")) if total else []:
            schema_columns = _row_columns(videos)
            table = layout.read_table(path, "episode rows", columns=schema_columns)
            lacking = set(schema_columns) - set(table.column_names)
            if lacking:
                raise DatasetError(f"{path} lacks {sorted(lacking)}; restore it from a copy")
            rows += [_episode_row(entry, videos) for entry in table.to_pylist()]
        # A row beyond the count is of an episode whose saving was cut off: it is not part of the dataset.
        rows = sorted((row for row in rows if row.index < total), key=lambda row: row.index)
        if [row.index for row in rows] != list(range(total)):
            raise DatasetError(
                f"{folder} describes {len(rows)} of the {total} episodes that {layout.INFO} counts; "
                "restore it from a copy, or record again"
            )
        position = 0
        for row in rows:
            if row.start != position or row.stop - row.start != row.length or row.length < 1:
                raise DatasetError(f"{folder}: episode {row.index} has rows {row.start} to {row.stop}, not {position}")
            position = row.stop
        if position != frames:
            raise DatasetError(f"{folder} adds up to {position} frames, {layout.INFO} counts {frames}")
        return tuple(rows)

    # One episode

    def _row(self, index: int) -> EpisodeRow:
        if not 0 <= index < len(self.episodes):
            raise DatasetError(f"{self.root}: no episode {index}; episodes are 0 .. {len(self.episodes) - 1}")
        return self.episodes[index]

    def _wanted(self, cameras: Sequence[str] | None) -> list[str]:
        wanted = list(self.cameras if cameras is None else cameras)
        unknown = [name for name in wanted if name not in self.cameras]
        if unknown:
            raise DatasetError(f"{self.root}: no camera {unknown}; cameras are {sorted(self.cameras)}")
        return wanted

    def _extras(self) -> list[str]:
        known = {layout.STATE, layout.ACTION, *layout.BOOKKEEPING}
        return [feature.name for feature in self._columns() if feature.name not in known]

    def _columns(self) -> list[Feature]:
        # Text and matrices of other recorders are left out: nothing here could use them.
        return [f for f in self.features.values() if f.dtype not in ("video", "image", "string") and len(f.shape) == 1]

    def _task(self, row: EpisodeRow, number: int) -> str:
        if not 0 <= number < len(self.tasks):
            raise DatasetError(
                f"{self.root}: episode {row.index} has task {number}, {layout.TASKS} has {len(self.tasks)}; "
                "restore it from a copy"
            )
        return self.tasks[number]

    def _numbers(self, row: EpisodeRow) -> dict[str, NDArray[Any]]:
        """All number columns of an episode: (T, n) each."""
        name = layout.data_file(*row.data)
        if name not in self._tables:
            columns = [feature.name for feature in self._columns()]
            self._tables[name] = layout.read_table(self.root / name, f"episode {row.index}", columns=columns)
            self._tables_bytes += self._tables[name].nbytes
            while len(self._tables) > 1 and self._tables_bytes > _TABLES_BYTES:
                self._tables_bytes -= self._tables.popitem(last=False)[1].nbytes
        self._tables.move_to_end(name)
        table = self._episode_rows(self._tables[name], row)
        return {feature.name: self._array(table, feature, row) for feature in self._columns()}

    def _episode_rows(self, table: Any, row: EpisodeRow) -> Any:
        path = self.root / layout.data_file(*row.data)
        lacking = {"episode_index", "frame_index"} - set(table.column_names)
        if lacking:
            raise DatasetError(f"{path} lacks the columns {sorted(lacking)} (episode {row.index}); restore it")
        if table.num_rows != row.length or not pc.all(pc.equal(table["episode_index"], row.index)).as_py():
            table = table.filter(pc.equal(table["episode_index"], row.index))
        steps = table["frame_index"].to_numpy()
        if not np.array_equal(steps, np.arange(row.length)):
            raise DatasetError(
                f"{path} gives {len(steps)} frames of episode {row.index} or gives them out of order, "
                f"wanted 0 .. {row.length - 1}; restore it from a copy, or record the episode again"
            )
        return table

    def _array(self, table: Any, feature: Feature, row: EpisodeRow) -> NDArray[Any]:
        where = f"{self.root / layout.data_file(*row.data)} (episode {row.index})"
        if feature.name not in table.column_names:
            raise DatasetError(f"{where} lacks the column {feature.name!r}; restore it from a copy")
        column = table[feature.name].combine_chunks()
        if not pa.types.is_primitive(column.type):
            column = column.flatten()
        if column.null_count or len(column) != row.length * feature.shape[0]:
            raise DatasetError(
                f"{where}: {feature.name!r} has {len(column)} numbers, {column.null_count} of them empty, "
                f"wanted {row.length} x {feature.shape[0]}; restore it from a copy"
            )
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False).reshape(row.length, feature.shape[0])
        return values

    def _images(self, row: EpisodeRow, camera: str, first: int, count: int) -> Image:
        feature = self.cameras[camera]
        try:
            if feature.dtype == "image":
                return self._stored_pictures(row, feature, first, count)
            chunk, file, start_s = row.videos[feature.name]
            path = self.root / layout.video_file(feature.name, chunk, file)
            return decode_video(path, start_s=start_s, first=first, count=count, fps=self.fps, shape=feature.shape)
        except DatasetError as error:
            raise DatasetError(f"episode {row.index}, camera {camera!r}: {error}") from error

    def _stored_pictures(self, row: EpisodeRow, feature: Feature, first: int, count: int) -> Image:
        path = self.root / layout.data_file(*row.data)
        wanted = (pc.field("episode_index") == row.index) & (pc.field("frame_index") >= first)
        wanted &= pc.field("frame_index") < first + count
        column = layout.read_table(path, "stored pictures", columns=[feature.name], filters=wanted)[feature.name]
        if len(column) != count:
            raise DatasetError(f"{path} gives {len(column)} of {count} pictures; restore it from a copy")
        frames = np.empty((count, *feature.shape), dtype=np.uint8)
        for step, entry in enumerate(column.to_pylist(), start=first):
            if not entry or not entry.get("bytes"):
                raise DatasetError(f"{path} holds no picture for frame {step}, only a path; embed them with LeRobot")
            picture = decode_image(entry["bytes"], f"{path}, frame {step}")
            if picture.shape != feature.shape:
                raise DatasetError(f"{path}, frame {step} is {picture.shape}, info.json says {feature.shape}")
            frames[step - first] = picture
        return frames


def _row_columns(videos: Sequence[str]) -> list[str]:
    names = ["episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index"]
    names += ["data/chunk_index", "data/file_index"]
    return names + [
        f"videos/{video}/{name}" for video in videos for name in ("chunk_index", "file_index", "from_timestamp")
    ]


def _episode_row(entry: Mapping[str, Any], videos: Sequence[str]) -> EpisodeRow:
    return EpisodeRow(
        index=entry["episode_index"],
        length=entry["length"],
        start=entry["dataset_from_index"],
        stop=entry["dataset_to_index"],
        tasks=tuple(entry["tasks"]),
        data=(entry["data/chunk_index"], entry["data/file_index"]),
        videos={
            video: (
                entry[f"videos/{video}/chunk_index"],
                entry[f"videos/{video}/file_index"],
                float(entry[f"videos/{video}/from_timestamp"]),
            )
            for video in videos
        },
    )
