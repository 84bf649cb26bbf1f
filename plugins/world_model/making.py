"""How a world model is made: recorded, learned, and measured on episodes that are held out."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

import rlvla
from rlvla.core.errors import ManifestError
from rlvla.plugins.models.seeded import seeded
from rlvla.plugins.world_model.beginnings import HELD_OUT, Beginning, Beginnings
from rlvla.plugins.world_model.description import Description, public
from rlvla.plugins.world_model.network import Network, save
from rlvla.plugins.world_model.recording import Recorder
from rlvla.plugins.world_model.training import imagined, learn
from rlvla.plugins.world_model.transitions import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rlvla.core.settings import Manifest
    from rlvla.plugins.world_model.recording import Episode
    from rlvla.plugins.world_model.training import Losses

EVERY = 100
"""Updates between two lines of progress."""
PROVENANCE = "provenance.json"


def make(
    manifest: Manifest, output: Path, *, episodes: int, updates: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Make the folder of a world model; return its errors on held-out episodes.

    Raise ManifestError if there can be none of the manifest's simulator, or of so few episodes.
    """
    description = describe(manifest)
    least = 2 * len(description.tasks)  # of each task one to learn from and one that is held out
    if episodes < least:
        raise ManifestError(f"--episodes {episodes}: these tasks need at least {least}")
    recorded = record(manifest, episodes)
    actions = sum(len(one.frames) - 1 for one in recorded)
    tell(f"{episodes} episodes recorded: {actions} actions, {_successes(recorded)} successes")
    description = replace(description, words=words_in(recorded))
    with seeded(manifest.seed):
        network = Network(description)
    learned = [one for one in recorded if one.start.index % HELD_OUT]
    data = Transitions(learned, description)
    learn(network, data, updates=updates, seed=manifest.seed, tell=_progress(updates, tell))
    others = [one for one in recorded if not one.start.index % HELD_OUT]
    errors = errors_of(network, Transitions(others, description))
    output.mkdir(parents=True, exist_ok=True)
    description.write(output)
    save(network, output)
    _beginnings(recorded).write(output)
    told = {
        "versions": {"rlvla": rlvla.__version__, "torch": torch.__version__},
        "seed": manifest.seed,
        "simulator": manifest.plain["simulator"],
        "model": manifest.plain["model"],
        "episodes": episodes,
        "actions": actions,
        "updates": updates,
        "held_out": errors,
    }
    (output / PROVENANCE).write_text(json.dumps(told, indent=1) + "\n")
    return errors


def record(manifest: Manifest, episodes: int) -> list[Episode]:
    """Play the manifest's policy, untrained, in its simulator."""
    simulator, seed = manifest.simulator, manifest.seed
    policy = manifest.model.build(simulator.spec, seed=seed)
    return Recorder(simulator, policy, seed=seed).record(episodes)


def describe(manifest: Manifest) -> Description:
    """Return what is known of a world model before an episode is recorded: all but its words."""
    try:
        return Description(
            simulator=manifest.plain["simulator"]["type"],
            spec=public(manifest.simulator.spec),
            tasks=(*manifest.simulator.tasks,),
        )
    except ValueError as error:
        raise ManifestError(f"simulator: {error}") from None


def words_in(recorded: Sequence[Episode]) -> tuple[str, ...]:
    """Return the words of all instructions, in order."""
    texts = {one.frames[0].observation.instruction for one in recorded}
    return (*sorted({word for text in texts for word in text.lower().split()}),)


@torch.no_grad()
def errors_of(network: Network, data: Transitions) -> dict[str, float]:
    """Return how far off whole episodes are that are imagined from their first frame.

    `colour` and `proprio` are mean absolute errors, that of colours over the pixels that change.
    """
    sums: dict[str, float] = defaultdict(float)
    for at, predicted in imagined(network, data, data.begun(), horizon=len(data.first)):
        moved, success, claimed = data.moved(at), data.success[at], predicted.success > 0
        colours = (predicted.images - data.shown(at + 1)).abs().mean(1)
        sums["colours"] += colours[moved].sum().item()
        sums["moved"] += moved.sum().item()
        sums["proprio"] += (predicted.proprio - data.proprio[at + 1]).abs().mean(1).sum().item()
        sums["right"] += (claimed & success).sum().item()
        sums["claimed"] += claimed.sum().item()
        sums["success"] += success.sum().item()
    return {
        "colour": sums["colours"] / max(sums["moved"], 1),
        "proprio": sums["proprio"] / len(data.acted()),
        "precision of success": sums["right"] / max(sums["claimed"], 1),
        "recall of success": sums["right"] / max(sums["success"], 1),
    }


def _progress(updates: int, tell: Callable[[str], None]) -> Callable[[int, Losses], None]:
    def hear(update: int, losses: Losses) -> None:
        if (update + 1) % EVERY == 0:
            told = (f"{name} {loss.item():.2g}" for name, loss in losses._asdict().items())
            tell(f"update {update + 1} of {updates}: {', '.join(told)}")

    return hear


def _beginnings(recorded: Sequence[Episode]) -> Beginnings:
    return Beginnings([Beginning(one.start.task, one.frames[0].observation) for one in recorded])


def _successes(recorded: Sequence[Episode]) -> int:
    return sum(frame.success for one in recorded for frame in one.frames)
