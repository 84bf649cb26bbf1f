from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from toys.line import Line
from toys.tiny import Tiny

from rlvla.core.errors import ManifestError, PluginError, PreflightError
from rlvla.core.starts import noise_seed
from rlvla.core.types import Start
from rlvla.plugins.models.seeded import seeded
from rlvla.plugins.world_model.making import describe, errors_of, make, words_in
from rlvla.plugins.world_model.network import Network
from rlvla.plugins.world_model.recording import Recorder, rows_of
from rlvla.plugins.world_model.training import imagined, learn
from rlvla.plugins.world_model.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.core.settings import Manifest
    from rlvla.core.types import StepResult
    from rlvla.plugins.world_model.description import Description
    from rlvla.plugins.world_model.recording import Episode


@pytest.fixture(name="network")
def _network(manifest: Manifest, episodes: Sequence[Episode]) -> Network:
    with seeded(0):
        return Network(described(manifest, episodes))


def test_episodes_are_those_of_the_first_training_starts(episodes: Sequence[Episode]) -> None:
    assert [one.start for one in episodes] == [Start("reach", "train", n) for n in range(40)]
    for one in episodes:
        *acted, last = one.frames
        assert all(frame.action is not None for frame in acted)
        assert last.action is None
        assert len(acted) == 12 or acted[-1].success


def test_what_is_recorded_came_of_what_is_recorded(
    manifest: Manifest, episodes: Sequence[Episode]
) -> None:
    simulator = manifest.simulator
    simulator.start(1)
    shown = simulator.reset(0, episodes[3].start)
    for frame in episodes[3].frames:
        assert np.array_equal(frame.observation.images["top"], shown.images["top"])
        assert np.array_equal(frame.observation.proprio, shown.proprio)
        if frame.action is not None:
            result = simulator.step(0, frame.action[None])
            assert frame.reward == result.reward[0]
            shown = result.observation
    simulator.close()


def test_some_actions_are_the_policys_and_some_are_random(
    manifest: Manifest, episodes: Sequence[Episode]
) -> None:
    own = [_own_actions(manifest, episodes[ordinal], ordinal) for ordinal in (0, 2)]
    assert all(own[0])
    assert any(own[1])
    assert not all(own[1])


def test_a_failure_before_its_time_is_refused() -> None:
    policy = Tiny().build(Line().spec, seed=0)
    with pytest.raises(PluginError, match=r"Start\(task=.* ended in failure before its time"):
        Recorder(Failing(), policy, seed=0).record(4)


def test_a_simulator_that_cannot_be_started_says_what_is_missing() -> None:
    policy = Tiny().build(Line().spec, seed=0)
    with pytest.raises(PreflightError, match=r"^simulator: the package is not installed$"):
        Recorder(Absent(), policy, seed=0).record(4)


def test_too_few_episodes_to_hold_some_out_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"^--episodes 1: these tasks need at least 2$"):
        make(manifest, tmp_path, episodes=1, updates=1, tell=lambda _: None)


def test_learning_lowers_the_errors_on_other_episodes(
    network: Network, manifest: Manifest, episodes: Sequence[Episode]
) -> None:
    description = described(manifest, episodes)
    others = Transitions(episodes[:10], description)
    before = errors_of(network, others)
    learn(network, Transitions(episodes[10:], description), updates=150, seed=0, tell=_silence)
    after = errors_of(network, others)
    assert after["colour"] < 0.95 * before["colour"]
    assert after["proprio"] < 0.5 * before["proprio"]


def test_learning_twice_gives_the_same(manifest: Manifest, episodes: Sequence[Episode]) -> None:
    description = described(manifest, episodes)
    networks = list[Network]()
    for _ in range(2):
        with seeded(0):
            networks.append(Network(description))
        learn(networks[-1], Transitions(episodes, description), updates=3, seed=1, tell=_silence)
    one, other = (network.state_dict() for network in networks)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_imagined_actions_follow_the_recorded_ones_to_the_end(
    network: Network, manifest: Manifest, episodes: Sequence[Episode]
) -> None:
    data = Transitions(episodes, described(manifest, episodes))
    rows = [at for at, _ in imagined(network, data, data.begun(), horizon=100)]
    assert torch.equal(torch.cat(rows).sort().values, data.acted())


def test_a_picture_is_mixed_of_now_then_and_new(
    network: Network, manifest: Manifest, episodes: Sequence[Episode]
) -> None:
    data = Transitions(episodes, described(manifest, episodes))
    at = data.acted()[:7]
    predicted = network(data.seen(at), data.action[at])
    assert predicted.images.shape == (7, 3, 24, 24)
    assert predicted.images.min() >= 0
    assert predicted.images.max() <= 1


@dataclass
class Failing(Line):
    """The line, every episode of which ends in failure at the first action."""

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        result = super().step(lane, actions)
        result.terminated[0] = True
        return result


@dataclass
class Absent(Line):
    """The line, whose package is not there."""

    def start(self, lanes: int) -> None:
        del lanes
        raise RuntimeError("the package is not installed")


def described(manifest: Manifest, episodes: Sequence[Episode]) -> Description:
    return replace(describe(manifest), words=words_in(episodes))


def _own_actions(manifest: Manifest, episode: Episode, ordinal: int) -> list[bool]:
    """Return of each action whether the policy chose it."""
    policy = manifest.model.build(manifest.simulator.spec, seed=manifest.seed)
    acted = [frame for frame in episode.frames if frame.action is not None]
    seeds = [noise_seed(manifest.seed, ordinal, decision) for decision in range(len(acted))]
    with torch.no_grad():
        decided = policy.act(
            rows_of([frame.observation for frame in acted]),
            seeds=np.array(seeds, np.uint64),
            temperature=np.ones(len(acted), np.float32),
        )
    chosen = zip(acted, decided["action"][:, 0], strict=True)
    return [np.allclose(np.asarray(frame.action), action, atol=1e-5) for frame, action in chosen]


def _silence(*_: object) -> None:
    """Hear nothing."""
