"""Datasets in the format that LeRobot publishes, as demonstrations.

Read are `v2.1` and `v3.0`, which differ in how episodes are spread over files; images are PNGs in
the tables or videos. Everything is named as LeRobot does: `observation.state`, `action`,
`observation.images.CAMERA`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - read at run time as the type of an option
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import SimulatorSpec


@dataclass(frozen=True, kw_only=True)
class LeRobot:
    """Learn from a dataset on disk, whoever recorded it."""

    path: Path
    """The dataset's folder, which holds `meta` and `data`."""
    cameras: dict[str, str] = field(default_factory=dict[str, str])
    """The simulator's cameras by which of the dataset's they are, as `front: top`; a camera that
    is not among them has the same name there."""

    def check(self, spec: SimulatorSpec) -> None:
        """Raise ValueError unless cameras, state, actions and rate are the simulator's."""
        from rlvla.plugins.extras import needed
        from rlvla.plugins.recordings.lerobot.description import Description

        described = Description.of(self.path)
        described.check(spec, self.named(spec))
        needed("pyarrow", extra="datasets")
        if described.videos(self.named(spec)):
            needed("av", extra="video")

    def episodes(self, spec: SimulatorSpec) -> Iterator[RecordedEpisode]:
        """Yield the episodes in the dataset's order; raise TrainingError for what is not whole."""
        from rlvla.plugins.recordings.lerobot.description import Description
        from rlvla.plugins.recordings.lerobot.reading import Reading

        described = Description.of(self.path)
        described.check(spec, self.named(spec))
        for number, episode in Reading(described, self.named(spec)).episodes():
            least, most = episode.actions.min(0), episode.actions.max(0)
            low, high = (np.array(one, np.float32) for one in (spec.action_low, spec.action_high))
            if (least < low).any() or (most > high).any():
                raise TrainingError(
                    f"{self.path}: the actions of episode {number} are from {least.tolist()} to "
                    f"{most.tolist()}, the simulator takes {low.tolist()} to {high.tolist()}: "
                    "were they recorded in other units?"
                )
            yield episode

    def named(self, spec: SimulatorSpec) -> dict[str, str]:
        """Return the dataset's features by the simulator's cameras that they show."""
        from rlvla.plugins.recordings.lerobot.names import IMAGES

        return {name: f"{IMAGES}{self.cameras.get(name, name)}" for name in spec.cameras}
