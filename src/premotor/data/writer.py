"""The one writer: episodes recorded frame by frame, each on disk for good once save_episode has returned.

How a crash is survived. Frames go into a hidden folder beside the data. Saving moves finished files into place by
rename, in an order in which every moment is a consistent dataset: videos, task strings, episode rows, numbers,
statistics, and last info.json, whose total_episodes says how many episodes there are. What lies beyond that number
is not there to any reader, and is cleared away when the dataset is opened for writing again.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from premotor.core.agree import agree, spec_from_json, spec_to_json
from premotor.core.errors import DatasetError, SpecMismatch
from premotor.core.spec import EmbodimentSpec
from premotor.core.types import Image
from premotor.data import format as layout
from premotor.data.draft import Draft, DraftWriter
from premotor.data.statistics import STATISTICS, Statistics, merge, of_column, to_json
from premotor.data.video import video_info

__all__ = ["DatasetWriter"]

_PARTIAL = ".partial"
_ROWS_PER_FILE = 100  # episode rows that share a file: it is written anew at every save, so it must stay small


class DatasetWriter:
    """Records episodes of one embodiment.

    Use it as a context manager: leaving it through an exception (Ctrl-C too) drops the episode being recorded and
    keeps all that were saved.
    """

    def __init__(
        self,
        root: str | Path,
        spec: EmbodimentSpec,
        fps: int | None = None,
        *,
        extra_features: Mapping[str, tuple[str, tuple[int, ...]]] | None = None,
        resume: bool = False,
    ) -> None:
        """Start a dataset in the folder `root`, or go on with the one that is there.

        fps: frames a second, the spec's rate unless told. extra_features: column name -> (dtype, shape () or (n,)).
        resume: append to a dataset that this class wrote with the same spec; starts a new one where there is none.
        Raises DatasetError when `root` is taken, in use or damaged, SpecMismatch when it holds something else.
        """
        rate = spec.rate_hz if fps is None else fps
        if rate != int(rate) or rate < 1:
            raise SpecMismatch(f"{rate} frames a second: LeRobot datasets need a whole number of at least 1")
        self.root = Path(root)
        self.spec = spec
        self.fps = int(rate)
        self.features = layout.features_for(spec, extra_features or {}, video_info(self.fps))
        self._columns = [feature for feature in self.features.values() if not feature.is_camera]
        self._cameras = {feature.camera: feature for feature in self.features.values() if feature.is_camera}
        self._tasks: list[str] = []
        self._episodes = 0
        self._frames = 0
        self._statistics: dict[str, Statistics] = {}
        self._rows: list[dict[str, Any]] = []
        self._rows_file = 0
        self._closed = False
        self._lock = self._take_folder(resume)
        try:
            self._open(resume)
        except BaseException:
            os.close(self._lock)
            raise
        self._draft = DraftWriter(self._partial, self.features.values(), self.fps)

    @property
    def episodes(self) -> int:
        """Episodes saved so far, those of earlier recordings included."""
        return self._episodes

    @property
    def pending(self) -> int:
        """Frames of the episode being recorded."""
        return len(self._draft)

    @property
    def scratch(self) -> Path:
        """A folder for drafts made elsewhere (draft.py); it goes when the writer does."""
        return self._partial

    def add_frame(
        self, images: Mapping[str, Image], state: ArrayLike, action: ArrayLike, task: str, **extra: ArrayLike
    ) -> None:
        """Add one frame: camera name -> (H, W, 3) uint8 RGB, state (S,), action (A,), instruction, and every extra.

        Raises SpecMismatch for wrong names, shapes or types and for numbers that are not finite; nothing is added then.
        """
        self._usable()
        self._draft.add_frame(images, state, action, task, **extra)

    def save_episode(self) -> int:
        """Put the episode on disk and return its index; from then on no crash can lose it.

        Raises DatasetError when no frame was added.
        """
        self._usable()
        if not self.pending:
            raise DatasetError(f"{self.root}: the episode has no frames; call add_frame before save_episode")
        self._closed = True  # what fails now leaves the draft unfinished
        draft = self._draft.finish()
        self._closed = False
        return self.add_episode(draft)

    def add_episode(self, draft: Draft) -> int:
        """Take over an episode that was recorded elsewhere, as save_episode would; its videos are moved.

        Raises DatasetError when it is empty, SpecMismatch when it is of another robot.
        """
        self._usable()
        self._fits(draft)
        # Until the last rename has happened, this object and the folder may tell different stories.
        self._closed = True
        tasks = list(dict.fromkeys([*self._tasks, *draft.tasks]))
        columns = self._episode_columns(draft, tasks)
        statistics = {name: of_column(values.reshape(len(draft), -1)) for name, values in columns.items()}
        for name, feature in self._cameras.items():
            statistics[feature.name] = draft.statistics[name]
        totals = {name: merge(self._statistics.get(name), entry) for name, entry in statistics.items()}
        row = self._row(draft, statistics)
        rows, rows_file = [*self._rows, row], self._rows_file
        place = divmod(self._episodes, layout.FILES_PER_CHUNK)

        for name, feature in self._cameras.items():
            layout.replace_file(draft.videos[name], self.root / layout.video_file(feature.name, *place))
        if len(tasks) > len(self._tasks):
            self._publish(layout.tasks_table(tasks), layout.TASKS)
        self._publish(
            pa.Table.from_pylist(rows, schema=layout.row_schema(self.features.values(), STATISTICS)),
            layout.episodes_file(0, rows_file),
        )
        self._publish(self._data_table(columns), layout.data_file(*place))
        self._publish_json(to_json(totals), layout.STATS)
        self._publish_json(self._info(self._episodes + 1, self._frames + len(draft), len(tasks)), layout.INFO)

        self._tasks, self._statistics = tasks, totals
        self._episodes += 1
        self._frames += len(draft)
        full = len(rows) >= _ROWS_PER_FILE
        self._rows, self._rows_file = ([], rows_file + 1) if full else (rows, rows_file)
        self._closed = False
        return self._episodes - 1

    def discard_episode(self) -> None:
        """Forget the frames added since the last save."""
        self._usable()
        self._draft.drop()

    def finalize(self) -> None:
        """Close the dataset; calling it again does nothing. Raises DatasetError while frames wait to be saved."""
        if self._lock < 0:
            return
        if not self._closed and self.pending:
            raise DatasetError(
                f"{self.root}: {self.pending} frames are not saved; call save_episode or discard_episode first"
            )
        self._close()

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finalize; after an exception the unfinished episode is dropped."""
        if kind is None:
            self.finalize()
        elif self._lock >= 0:
            self._close()

    # Opening

    def _take_folder(self, resume: bool) -> int:
        """Lock the folder for this process; the lock goes with the process, however that ends."""
        if self.root.exists() and not self.root.is_dir():
            raise DatasetError(f"{self.root} is a file; give a folder")
        if not resume and self.root.is_dir() and any(self.root.iterdir()):
            raise DatasetError(f"{self.root} is not empty; give a new folder, or resume=True to go on with a dataset")
        self.root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DatasetError(f"{self.root} is being recorded to by another process; stop it or wait") from error
        return lock

    def _open(self, resume: bool) -> None:
        self._partial = self.root / _PARTIAL
        shutil.rmtree(self._partial, ignore_errors=True)
        # A worker of a recording that was killed may still put its last file there.
        self._partial.mkdir(exist_ok=True)
        if resume and (self.root / layout.INFO).exists():
            self._load()
            return
        # Names of a recording that died before its first info.json are no recording.
        if resume and any(path.name not in (_PARTIAL, "meta") for path in self.root.iterdir()):
            raise DatasetError(f"{self.root} is no dataset (no {layout.INFO}) and not empty; give a new folder")
        self._publish_json(spec_to_json(self.spec), layout.EMBODIMENT)
        self._publish_json(self._info(0, 0, 0), layout.INFO)

    def _load(self) -> None:
        """Take up a dataset where its last committed episode ended."""
        if not (self.root / layout.EMBODIMENT).exists():
            raise DatasetError(
                f"{self.root} was not recorded by premotor (no {layout.EMBODIMENT}); record to a new folder and join "
                "the two with LeRobot's lerobot-edit-dataset"
            )
        agree(spec_from_json(layout.read_json(self.root / layout.EMBODIMENT, "the embodiment")), self.spec)
        info = layout.read_json(self.root / layout.INFO, "the description")
        mine = self._info(0, 0, 0)
        for key in ("codebase_version", "fps", "features"):
            if info.get(key) != mine[key]:
                raise SpecMismatch(f"{self.root}: {key} is {info.get(key)}, this recording has {mine[key]}")
        self._episodes, self._frames = int(info["total_episodes"]), int(info["total_frames"])
        if info["total_tasks"]:
            table = layout.read_table(self.root / layout.TASKS, "the task strings")
            self._tasks = table.sort_by("task_index").column("task").to_pylist()
        self._clear_uncommitted()
        self._load_rows()

    def _clear_uncommitted(self) -> None:
        """Remove the files of an episode whose saving was cut off; their place is the one after the last episode."""
        place = divmod(self._episodes, layout.FILES_PER_CHUNK)
        leftovers = [layout.data_file(*place)]
        leftovers += [layout.video_file(feature.name, *place) for feature in self._cameras.values()]
        for name in leftovers:
            (self.root / name).unlink(missing_ok=True)

    def _load_rows(self) -> None:
        """Read the episode rows: for the statistics of all, and to go on with the last file of rows."""
        names = [feature.name for feature in self.features.values()]
        found = 0
        for path in sorted((self.root / "meta/episodes/chunk-000").glob("file-*.parquet")):
            rows = layout.read_table(path, "episode rows").to_pylist()
            kept = [row for row in rows if row["episode_index"] < self._episodes]
            for row in kept:
                entry = {name: _row_statistics(row, name) for name in names}
                self._statistics = {name: merge(self._statistics.get(name), entry[name]) for name in names}
            found += len(kept)
            self._rows, self._rows_file = kept, int(path.stem.removeprefix("file-"))
            if len(kept) < len(rows):
                self._replace_rows(path)
        if len(self._rows) >= _ROWS_PER_FILE:
            self._rows, self._rows_file = [], self._rows_file + 1
        if found != self._episodes:
            raise DatasetError(
                f"{self.root}/meta/episodes has {found} of {self._episodes} episodes; restore it from a copy"
            )

    def _replace_rows(self, path: Path) -> None:
        if self._rows:
            self._publish(
                pa.Table.from_pylist(self._rows, schema=layout.row_schema(self.features.values(), STATISTICS)),
                str(path.relative_to(self.root)),
            )
        else:
            path.unlink()

    # Recording

    def _usable(self) -> None:
        if self._closed:
            raise DatasetError(f"{self.root}: this writer is closed or failed; open the dataset with resume=True")

    def _fits(self, draft: Draft) -> None:
        """Raise unless the draft has frames, and the columns and cameras of this dataset."""
        if not len(draft):
            raise DatasetError(f"{self.root}: the draft has no frames; add some before it is finished")
        shapes = {column.name: (len(draft), *column.shape) for column in self._columns}
        wanted = {name: shape for name, shape in shapes.items() if name not in layout.BOOKKEEPING}
        found = {name: values.shape for name, values in draft.columns.items()}
        if found != wanted or set(draft.videos) != set(self._cameras):
            raise SpecMismatch(
                f"{self.root}: the draft has {found} and cameras {sorted(draft.videos)}; "
                f"this dataset has {wanted} and {sorted(self._cameras)}"
            )

    def _close(self) -> None:
        if not self._closed:
            self._draft.drop()
        self._closed = True
        shutil.rmtree(self._partial, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1

    # Tables

    def _episode_columns(self, draft: Draft, tasks: list[str]) -> dict[str, NDArray[Any]]:
        """All columns of the episode: (T,) or (T, D)."""
        steps = np.arange(len(draft))
        number = {task: index for index, task in enumerate(tasks)}
        return {
            **draft.columns,
            "timestamp": (steps / self.fps).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full(len(draft), self._episodes),
            "index": steps + self._frames,
            "task_index": np.array([number[task] for task in draft.tasks]),
        }

    def _data_table(self, columns: Mapping[str, NDArray[Any]]) -> Any:
        arrays = {}
        for column in self._columns:
            flat = pa.array(columns[column.name].reshape(-1))
            kind = column.arrow_type()
            arrays[column.name] = (
                flat.cast(kind) if column.shape == (1,) else pa.FixedSizeListArray.from_arrays(flat, type=kind)
            )
        return pa.table(arrays)

    def _row(self, draft: Draft, statistics: Mapping[str, Statistics]) -> dict[str, Any]:
        chunk, file = divmod(self._episodes, layout.FILES_PER_CHUNK)
        row: dict[str, Any] = {
            "episode_index": self._episodes,
            "tasks": list(dict.fromkeys(draft.tasks)),
            "length": len(draft),
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self._frames,
            "dataset_to_index": self._frames + len(draft),
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": self._rows_file,
        }
        for feature in self._cameras.values():
            row[f"videos/{feature.name}/chunk_index"] = chunk
            row[f"videos/{feature.name}/file_index"] = file
            row[f"videos/{feature.name}/from_timestamp"] = 0.0
            row[f"videos/{feature.name}/to_timestamp"] = len(draft) / self.fps
        for name, entry in statistics.items():
            row.update({f"stats/{name}/{statistic}": entry[statistic].tolist() for statistic in STATISTICS})
        return row

    def _info(self, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
        return {
            "codebase_version": layout.CODEBASE_VERSION,
            "robot_type": self.spec.name,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": tasks,
            "chunks_size": layout.FILES_PER_CHUNK,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{episodes}"},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
            "features": {name: feature.to_json() for name, feature in self.features.items()},
        }

    # Files

    def _publish(self, table: Any, name: str) -> None:
        temporary = self._partial / "table.parquet"
        # Statistics of columns and dictionaries help no reader here and are half of a small file.
        pq.write_table(table, temporary, write_statistics=False, use_dictionary=False, store_schema=True)
        layout.replace_file(temporary, self.root / name)

    def _publish_json(self, content: Mapping[str, Any], name: str) -> None:
        temporary = self._partial / "text.json"
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        layout.replace_file(temporary, self.root / name)


def _row_statistics(row: Mapping[str, Any], feature: str) -> Statistics:
    return {name: np.asarray(row[f"stats/{feature}/{name}"]) for name in STATISTICS}
