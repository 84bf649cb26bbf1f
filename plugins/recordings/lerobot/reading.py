"""Reads the episodes of a dataset."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rlvla.core.errors import TrainingError
from rlvla.core.recorded import RecordedEpisode
from rlvla.plugins.extras import needed
from rlvla.plugins.recordings.lerobot.frames import filmed, unpacked
from rlvla.plugins.recordings.lerobot.names import ACTION, INDEX, STATE, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.plugins.recordings.lerobot.description import Description

Table: TypeAlias = Any
"""A table of pyarrow, or a column of one; the package is not typed."""


@dataclass(frozen=True)
class Reading:
    """A dataset and the features that show the simulator's cameras."""

    described: Description
    named: Mapping[str, str]

    def episodes(self) -> Iterator[tuple[int, RecordedEpisode]]:
        """Yield the episodes with their numbers, as the tables hold them."""
        tasks, films = self._tasks(), self._films()
        pictures = [one for one in self.named.values() if one not in films]
        columns = [*INDEX, "timestamp", STATE, ACTION, *pictures]
        for file in sorted((self.described.root / "data").rglob("*.parquet")):
            table = _read(file, columns)
            numbers = table["episode_index"].to_numpy()
            for number in np.unique(numbers).tolist():
                own = table.filter(numbers == number).sort_by("frame_index")
                yield number, self._episode(number, own, tasks, films)

    def _episode(
        self, number: int, table: Table, tasks: Mapping[int, str], films: Mapping[str, Films]
    ) -> RecordedEpisode:
        times = table["timestamp"].to_numpy()
        return RecordedEpisode(
            instruction=tasks[table["task_index"][0].as_py()],
            images={
                camera: films[feature].show(number, times)
                if feature in films
                else np.stack([unpacked(one["bytes"]) for one in table[feature].to_pylist()])
                for camera, feature in self.named.items()
            },
            proprio=_matrix(table[STATE]),
            actions=_matrix(table[ACTION]),
        )

    def _tasks(self) -> dict[int, str]:
        """Return the instructions by number."""
        root = self.described.root
        if not self.described.packed:
            lines = (root / "meta/tasks.jsonl").read_text().splitlines()
            return {one["task_index"]: one["task"] for one in map(json.loads, lines)}
        table = _read(root / TASKS)
        (names,) = (name for name in table.column_names if name != "task_index")
        return dict(zip(table["task_index"].to_pylist(), table[names].to_pylist(), strict=True))

    def _films(self) -> dict[str, Films]:
        """Return where the videos are, by feature."""
        features = self.described.videos(self.named)
        if not self.described.packed:
            return {one: Films(self.described, one, {}) for one in features}
        begins: dict[str, dict[int, Mapping[str, Any]]] = {one: {} for one in features}
        for file in sorted((self.described.root / "meta/episodes").rglob("*.parquet")):
            for row in _read(file).to_pylist() if features else ():
                for one in features:
                    begins[one][row["episode_index"]] = row
        return {one: Films(self.described, one, begins[one]) for one in features}


@dataclass(frozen=True)
class Films:
    """The videos of one camera."""

    described: Description
    feature: str
    rows: Mapping[int, Mapping[str, Any]]
    """What is told of each episode, if they share files."""

    def show(self, number: int, times: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return what an episode shows at its own times, uint8 [T, height, width, 3]."""
        info, key = self.described.info, f"videos/{self.feature}/"
        if self.described.packed:
            row = self.rows[number]
            where = {name: row[f"{key}{name}"] for name in ("chunk_index", "file_index")}
            begins = row[f"{key}from_timestamp"]
        else:
            chunk = number // info["chunks_size"]
            where, begins = {"episode_chunk": chunk, "episode_index": number}, 0.0
        path = info["video_path"].format(video_key=self.feature, **where)
        return filmed(self.described.root / path, (times + begins).tolist())


def _read(file: Path, columns: list[str] | None = None) -> Table:
    parquet = needed("pyarrow.parquet", extra="datasets")
    try:
        return parquet.read_table(file, columns=columns)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{file} cannot be read: {error}") from error


def _matrix(column: Table) -> NDArray[np.float32]:
    numbers = np.array(column.to_pylist(), np.float32)
    return numbers.reshape(len(numbers), -1)  # a single number is no list
