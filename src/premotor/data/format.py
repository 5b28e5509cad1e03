"""Names, paths and tables of the LeRobot v3.0 layout.

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet
    videos/observation.images.<camera>/chunk-000/file-000.mp4
    meta/embodiment.json                       ours: units, frames and the hold rule, which the layout cannot say

The layout lets many episodes share a file or each have its own; the writer here gives each its own, so that what is
on disk is never written to again. Whoever reads must follow the indices in meta/episodes.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from premotor.core.errors import DatasetError, SpecMismatch
from premotor.core.spec import EmbodimentSpec

__all__ = [
    "ACTION",
    "BOOKKEEPING",
    "CODEBASE_VERSION",
    "EMBODIMENT",
    "FILES_PER_CHUNK",
    "IMAGE_PREFIX",
    "INFO",
    "STATE",
    "STATS",
    "TASKS",
    "EpisodeRow",
    "Feature",
    "data_file",
    "episodes_file",
    "features_for",
    "features_from_json",
    "read_json",
    "read_table",
    "replace_file",
    "row_schema",
    "sync_folder",
    "tasks_table",
    "video_file",
]

CODEBASE_VERSION = "v3.0"
FILES_PER_CHUNK = 1000
IMAGE_PREFIX = "observation.images."
STATE = "observation.state"
ACTION = "action"
# Columns that every data file has; their values follow from the position of a frame in its episode.
BOOKKEEPING = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EMBODIMENT = "meta/embodiment.json"

_DTYPES = {
    "float32": pa.float32(),
    "float64": pa.float64(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "bool": pa.bool_(),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One column or camera. dtype: a number type, "video" or "image". shape: (n,), or (H, W, 3) for a camera."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None = None
    info: Mapping[str, Any] | None = None

    @property
    def is_camera(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype in ("video", "image")

    @property
    def camera(self) -> str:
        """The short name of a camera: "front" for "observation.images.front"."""
        return self.name.removeprefix(IMAGE_PREFIX)

    def arrow_type(self) -> Any:
        """The parquet type of the column; LeRobot stores a shape of (1,) as a plain number."""
        base = _DTYPES[self.dtype]
        return base if self.shape == (1,) else pa.list_(base, self.shape[0])

    def to_json(self) -> dict[str, Any]:
        """The entry in info.json."""
        entry: dict[str, Any] = {
            "dtype": self.dtype,
            "shape": list(self.shape),
            "names": None if self.names is None else list(self.names),
        }
        return entry if self.info is None else {**entry, "info": dict(self.info)}


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeRow:
    """Where one episode lies.

    start, stop: its rows in the whole dataset. data: (chunk, file). videos: feature name -> (chunk, file, seconds from
    the beginning of that file).
    """

    index: int
    length: int
    start: int
    stop: int
    tasks: tuple[str, ...]
    data: tuple[int, int]
    videos: Mapping[str, tuple[int, int, float]]


def data_file(chunk: int, file: int) -> str:
    """Path of a data file under the root."""
    return f"data/chunk-{chunk:03d}/file-{file:03d}.parquet"


def video_file(feature: str, chunk: int, file: int) -> str:
    """Path of a video under the root."""
    return f"videos/{feature}/chunk-{chunk:03d}/file-{file:03d}.mp4"


def episodes_file(chunk: int, file: int) -> str:
    """Path of a file of episode rows under the root."""
    return f"meta/episodes/chunk-{chunk:03d}/file-{file:03d}.parquet"


def features_for(
    spec: EmbodimentSpec, extra: Mapping[str, tuple[str, tuple[int, ...]]], video_info: Mapping[str, Any]
) -> dict[str, Feature]:
    """The features of recordings of an embodiment, by name. Raises SpecMismatch for extras that cannot be stored."""
    features = [
        Feature(
            name=IMAGE_PREFIX + camera.name,
            dtype="video",
            shape=(camera.height, camera.width, 3),
            names=("height", "width", "channels"),
            info={"video.height": camera.height, "video.width": camera.width, **video_info},
        )
        for camera in spec.cameras
    ]
    features.append(_vector(STATE, tuple(dim.name for dim in spec.state)))
    features.append(_vector(ACTION, tuple(dim.name for dim in spec.action.dims)))
    taken = {feature.name for feature in features} | set(BOOKKEEPING) | {"task"}
    for name, (dtype, shape) in extra.items():
        if name in taken or "/" in name or not name:
            raise SpecMismatch(f"extra feature {name!r}: the name is taken or has a '/'; taken are {sorted(taken)}")
        if dtype not in _DTYPES or len(shape) > 1 or any(size < 1 for size in shape):
            raise SpecMismatch(
                f"extra feature {name!r}: {dtype} {shape} cannot be stored; give a flat shape () or (n,) "
                f"and one of {sorted(_DTYPES)}"
            )
        features.append(Feature(name=name, dtype=dtype, shape=tuple(shape) or (1,)))
    features += [Feature(name=name, dtype=dtype, shape=(1,)) for name, dtype in BOOKKEEPING.items()]
    return {feature.name: feature for feature in features}


def features_from_json(entries: Mapping[str, Any]) -> dict[str, Feature]:
    """Read the features of an info.json. Raises KeyError, TypeError or ValueError where an entry makes no sense."""
    return {
        name: Feature(
            name=name,
            dtype=str(entry["dtype"]),
            shape=tuple(int(size) for size in entry["shape"]),
            names=_flat_names(entry.get("names")),
            info=entry.get("info"),
        )
        for name, entry in entries.items()
    }


def row_schema(features: Iterable[Feature], statistics: Sequence[str]) -> Any:
    """The parquet schema of episode rows; said in full, as an empty list would leave a type open."""
    features = list(features)
    cameras = [feature.name for feature in features if feature.is_camera]
    fields = [("episode_index", pa.int64()), ("tasks", pa.list_(pa.string()))]
    whole = ["length", "data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index"]
    fields += [(name, pa.int64()) for name in [*whole, "meta/episodes/chunk_index", "meta/episodes/file_index"]]
    for camera in cameras:
        fields += [(f"videos/{camera}/{name}", pa.int64()) for name in ("chunk_index", "file_index")]
        fields += [(f"videos/{camera}/{name}", pa.float64()) for name in ("from_timestamp", "to_timestamp")]
    for feature in features:
        numbers = pa.list_(pa.float64())
        kind = pa.list_(pa.list_(numbers)) if feature.is_camera else numbers
        fields += [
            (f"stats/{feature.name}/{name}", pa.list_(pa.int64()) if name == "count" else kind) for name in statistics
        ]
    return pa.schema(fields)


def tasks_table(tasks: Sequence[str]) -> Any:
    """The table of task strings, with the string as pandas index: without it LeRobot silently reads numbers."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    column = {"metadata": None, "numpy_type": "object", "pandas_type": "unicode"}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **column, "numpy_type": "int64", "pandas_type": "int64"},
            {"name": "task", "field_name": "task", **column},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a json object. Raises DatasetError naming the file when it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing ({what}): give the folder that holds meta/info.json") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({what}): {error}; restore it from a copy") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds a {type(content).__name__}, not an object ({what}); restore it from a copy")
    return content


def read_table(path: Path, what: str, columns: Sequence[str] | None = None, filters: Any = None) -> Any:
    """Read a parquet file with one thread. Raises DatasetError naming the file when it is missing or damaged."""
    try:
        # use_threads=False: the files are small, and loaders already run one process a core.
        return pq.read_table(path, columns=columns, filters=filters, use_threads=False, partitioning=None)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing ({what}): restore it from a copy, or record that part again") from error
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{path} is damaged ({what}): {str(error).splitlines()[0]}; restore it from a copy, or record again"
        ) from error


def replace_file(temporary: Path, final: Path) -> None:
    """Move a finished file into place: its content is on disk before its name is, whatever happens in between."""
    handle = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _vector(name: str, names: tuple[str, ...]) -> Feature:
    return Feature(name=name, dtype="float32", shape=(len(names),), names=names)


def _flat_names(names: Any) -> tuple[str, ...] | None:
    # Older recordings group the names: {"motors": ["a", "b"]}.
    if isinstance(names, Mapping):
        names = [name for group in names.values() for name in (group if isinstance(group, list) else [group])]
    return None if names is None else tuple(str(name) for name in names)
