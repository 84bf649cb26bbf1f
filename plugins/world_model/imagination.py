"""Episodes that the network plays: all lanes of a worker in one call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from rlvla.core.errors import PreflightError
from rlvla.core.types import Observation, StepResult
from rlvla.plugins.world_model.beginnings import read_beginnings
from rlvla.plugins.world_model.network import Seen, load
from rlvla.plugins.world_model.views import joined, parted, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Start
    from rlvla.plugins.world_model.description import Description


class Column(NamedTuple):
    """What came of one action, [lanes] each; as in `StepResult`."""

    reward: Array
    terminated: Array
    truncated: Array
    valid: Array


class Imagination:
    """Steps lanes whose state is what they show, and what they showed at first.

    Every call computes all lanes in their places, whoever is asked for, and leaves the others as
    they were: so a lane's episode depends on its neighbours in no bit.
    """

    def __init__(
        self,
        folder: Path,
        description: Description,
        lanes: int,
        *,
        certainty: float,
        device: str,
    ) -> None:
        self._odds = math.log(certainty / (1 - certainty))
        self._device = torch.device(device)
        if self._device.type == "cuda" and not torch.cuda.is_available():
            raise PreflightError("simulator.device is cuda, but torch finds no CUDA device here")
        self._words, self._spec = description.words, description.spec
        self._low, self._high = np.array([self._spec.action_low, self._spec.action_high])
        self._network = load(folder, description).to(self._device)
        self._beginnings = read_beginnings(folder, self._spec.cameras)
        height, width = next(iter(self._spec.cameras.values()))
        images = torch.zeros(lanes, 3 * description.cameras, height, width)
        proprio = torch.zeros(lanes, self._spec.proprio)
        words = torch.zeros(lanes, len(description.words))
        seen = (images, images.clone(), proprio, words)
        self._seen = Seen(*(one.to(self._device) for one in seen))
        self._instructions = [""] * lanes
        self._left = np.zeros(lanes, np.int64)

    def reset(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        """Begin an episode in each of these lanes."""
        shown = [self._beginnings.of(start) for start in starts]
        for lane, one in zip(lanes, shown, strict=True):
            images = joined(one.images, [*self._spec.cameras]) / 255
            words = words_of(one.instruction, self._words)
            now = Seen(images, images, torch.from_numpy(one.proprio), words)
            for rows, row in zip(self._seen, now, strict=True):
                rows[lane] = row.to(self._device)
            self._instructions[lane] = one.instruction
            self._left[lane] = self._spec.max_steps
        return shown

    def step(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        named = np.isin(np.arange(len(self._left)), lanes)
        if (self._left[named] == 0).any():
            raise RuntimeError(f"of lanes {[*lanes]} one is at its episode's end; reset it first")
        everyone = np.zeros((len(named), *actions.shape[1:]), np.float32)
        everyone[lanes] = actions.clip(self._low, self._high)
        columns = [self._advance(everyone[:, at], named) for at in range(actions.shape[1])]
        chunk = Column(*(np.stack(parts, 1) for parts in zip(*columns, strict=True)))
        return [
            StepResult(
                self._shown(lane),
                **{name: part[lane] for name, part in chunk._asdict().items()},
                success=bool(chunk.terminated[lane].any()),
            )
            for lane in lanes
        ]

    def close(self) -> None:
        """Release nothing: the network is this object's alone."""

    @torch.inference_mode()
    def _advance(self, actions: NDArray[np.float32], named: NDArray[np.bool_]) -> Column:
        """Execute one action in those lanes that are named and not at their episode's end."""
        going = named & (self._left > 0)
        predicted = self._network(self._seen, torch.from_numpy(actions).to(self._device))
        images = (predicted.images * 255).round() / 255
        moves = torch.from_numpy(going).to(self._device)
        self._seen.images[moves] = images[moves]
        self._seen.proprio[moves] = predicted.proprio[moves]
        achieves = predicted.success > self._odds
        reward = predicted.reward.gather(1, achieves.long()[:, None])[:, 0]
        # Bytes cannot say that a colour is not finite, so the reward does.
        reward[~images.isfinite().all((1, 2, 3))] = torch.nan
        success = achieves.cpu().numpy() & going
        self._left[going] -= 1
        truncated = going & ~success & (self._left == 0)
        self._left[success] = 0
        return Column(np.where(going, reward.cpu().numpy(), 0), success, truncated, going)

    def _shown(self, lane: int) -> Observation:
        images = (self._seen.images[lane] * 255).round().to(torch.uint8)
        return Observation(
            parted(images, self._spec),
            self._seen.proprio[lane].cpu().numpy().copy(),
            self._instructions[lane],
        )
