"""Checks of recordings."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.testing.conformance import check_description, check_row, expect
from rlvla.core.types import Field

if TYPE_CHECKING:
    from rlvla.core.interfaces import Recording
    from rlvla.core.recorded import RecordedEpisode
    from rlvla.core.types import Array, SimulatorSpec

EPISODES = 2


def check_recording(recording: Recording, spec: SimulatorSpec) -> None:
    """Check a recording that fits a simulator by its first episodes, which are read twice."""
    check_description(recording)
    recording.check(spec)
    first, again = ([*islice(recording.episodes(spec), EPISODES)] for _ in range(2))
    expect("a recording must have an episode", holds=first)
    expect("there must be as many episodes each time", holds=len(first) == len(again))
    for one, other in zip(first, again, strict=True):
        _check_episode(one, spec)
        shown, repeated = _row(one), _row(other)
        expect(
            "episodes must come in the same order each time",
            holds=all(np.array_equal(shown[name], repeated[name]) for name in shown),
        )


def _check_episode(episode: RecordedEpisode, spec: SimulatorSpec) -> None:
    length = len(episode.actions)
    expect("an episode must have an action", holds=length)
    images = {f"image/{name}": (*size, 3) for name, size in spec.cameras.items()}
    fields = {name: Field((length, *shape), "uint8") for name, shape in images.items()}
    fields["proprio"] = Field((length, spec.proprio), "float32")
    fields["actions"] = Field((length, spec.action_dim), "float32")
    check_row("an episode", _row(episode), fields)


def _row(episode: RecordedEpisode) -> dict[str, Array]:
    images = {f"image/{name}": one for name, one in episode.images.items()}
    return {**images, "proprio": episode.proprio, "actions": episode.actions}
