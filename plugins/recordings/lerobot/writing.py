"""Writes a dataset of LeRobot's version 3.0, with images as PNGs in its tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.plugins.extras import needed
from rlvla.plugins.recordings.lerobot import names
from rlvla.plugins.recordings.lerobot.frames import packed
from rlvla.plugins.recordings.lerobot.statistics import Statistics

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import Array, SimulatorSpec

FILE_MB, META_MB = 100, 200
"""What a table may have come to before the next one begins, and a video, of which there is none."""


class Writer:
    """Appends episodes to a dataset in an empty folder; it is whole when it is closed."""

    def __init__(self, root: Path, spec: SimulatorSpec) -> None:
        self._arrow = needed("pyarrow", extra="datasets")
        self._parquet = needed("pyarrow.parquet", extra="datasets")
        self._root, self._spec = root, spec
        self._features = _features(spec)
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, object]] = []
        self._frames = 0
        self._statistics = Statistics()
        self._file = -1
        self._table: Any = None

    def add(self, episode: RecordedEpisode) -> None:
        """Append an episode."""
        images = {f"{names.IMAGES}{name}": one for name, one in episode.images.items()}
        numbers = {names.STATE: episode.proprio, names.ACTION: episode.actions}
        task = self._tasks.setdefault(episode.instruction, len(self._tasks))
        steps = np.arange(len(episode.actions))
        columns: dict[str, object] = {
            **{name: [{"bytes": packed(one)} for one in shown] for name, shown in images.items()},
            **{name: _cells(one) for name, one in numbers.items()},
            "timestamp": (steps / self._spec.control_hz).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full_like(steps, len(self._episodes)),
            "index": self._frames + steps,
            "task_index": np.full_like(steps, task),
        }
        self._append(columns)
        self._statistics.add({**images, **numbers})
        self._note(episode.instruction, len(steps))

    def close(self) -> None:
        """Write what describes the dataset, which has an episode at least."""
        self._table.close()
        self._write_tasks()
        episodes = self._root / names.EPISODES.format(chunk_index=0, file_index=0)
        episodes.parent.mkdir(parents=True)
        self._parquet.write_table(self._arrow.Table.from_pylist(self._episodes), episodes)
        stats, info = json.dumps(self._statistics.summary(), indent=4), self._info()
        (self._root / names.STATS).write_text(stats)
        (self._root / names.INFO).write_text(json.dumps(info, indent=4))

    def _append(self, columns: dict[str, object]) -> None:
        """Write a table as a row group of the present file, or of the next if that is full."""
        table = self._arrow.table(columns, self._schema())
        path = self._root / names.DATA.format(**self._place())
        if self._table is None or path.stat().st_size > FILE_MB * 1_000_000:
            if self._table is not None:
                self._table.close()
            self._file += 1
            path = self._root / names.DATA.format(**self._place())
            path.parent.mkdir(parents=True, exist_ok=True)
            self._table = self._parquet.ParquetWriter(path, table.schema)
        self._table.write_table(table)

    def _place(self) -> dict[str, int]:
        chunk, file = divmod(self._file, names.CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def _note(self, task: str, length: int) -> None:
        """Remember what is told of an episode that was just appended."""
        first, self._frames = self._frames, self._frames + length
        self._episodes.append(
            {
                "episode_index": len(self._episodes),
                "tasks": [task],
                "length": length,
                "dataset_from_index": first,
                "dataset_to_index": self._frames,
                **{f"data/{name}": one for name, one in self._place().items()},
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )

    def _schema(self) -> Any:  # noqa: ANN401 - a schema
        arrow = self._arrow
        kinds = {"float32": arrow.float32(), "int64": arrow.int64()}
        image = arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})
        schema: dict[str, Any] = {}
        for name, feature in self._features.items():
            (length, *_), kind = feature["shape"], feature["dtype"]
            single = kinds.get(kind, image)
            plain = length == 1 or kind == "image"
            schema[name] = single if plain else arrow.list_(single, length)
        return arrow.schema(schema)

    def _write_tasks(self) -> None:
        """Write the instructions as the index of a pandas table, by which LeRobot finds them."""
        index = "__index_level_0__"
        columns = {"task_index": [*self._tasks.values()], index: [*self._tasks]}
        told = {
            "index_columns": [index],
            "columns": [
                {"name": "task_index", "field_name": "task_index", "pandas_type": "int64"}
                | {"numpy_type": "int64", "metadata": None},
                {"name": None, "field_name": index, "pandas_type": "unicode"}
                | {"numpy_type": "object", "metadata": None},
            ],
            "column_indexes": [],
        }
        table = self._arrow.table(columns).replace_schema_metadata({"pandas": json.dumps(told)})
        (self._root / names.TASKS).parent.mkdir(parents=True, exist_ok=True)
        self._parquet.write_table(table, self._root / names.TASKS)

    def _info(self) -> dict[str, object]:
        rate = self._spec.control_hz
        return {
            "codebase_version": "v3.0",
            "robot_type": "simulation",
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": names.CHUNK,
            "data_files_size_in_mb": FILE_MB,
            "video_files_size_in_mb": META_MB,
            "fps": int(rate) if rate == int(rate) else rate,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": names.DATA,
            "video_path": None,
            "features": self._features,
        }


def _features(spec: SimulatorSpec) -> dict[str, Any]:
    """Return the columns of the tables, as LeRobot describes them."""
    pixels = ["height", "width", "channels"]
    images = {
        f"{names.IMAGES}{name}": {"dtype": "image", "shape": [*size, 3], "names": pixels}
        for name, size in spec.cameras.items()
    }
    lengths = {names.STATE: spec.proprio, names.ACTION: spec.action_dim, "timestamp": 1}
    numbers = {
        name: {"dtype": "float32", "shape": [length], "names": None}
        for name, length in lengths.items()
        if length
    }
    whole = {name: {"dtype": "int64", "shape": [1], "names": None} for name in names.INDEX}
    return {**images, **numbers, **whole}


def _cells(rows: Array) -> list[object]:
    """Return numbers [T, N] as the cells of a column, in which a single one is no list."""
    cells: list[object] = (rows[:, 0] if rows.shape[1] == 1 else rows).tolist()
    return cells
