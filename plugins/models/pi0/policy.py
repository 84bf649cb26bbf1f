"""The policy: acting, scoring recorded decisions, values and imitation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rlvla.plugins.models.computing import computed, place, precise
from rlvla.plugins.models.flow.matching import lesson
from rlvla.plugins.models.flow.policy import Scores
from rlvla.plugins.models.pi0.checkpoint import restore, save_checkpoint
from rlvla.plugins.models.pi0.images import fitted
from rlvla.plugins.models.pi0.network import Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.models.compute import Compute
    from rlvla.plugins.models.flow.sampler import Denoiser, Sampler
    from rlvla.plugins.models.pi0.interface import Interface
    from rlvla.plugins.models.pi0.network import Network, Prefix
    from rlvla.plugins.models.pi0.prompt import Prompter
    from rlvla.plugins.models.pi0.robots import Frame
    from rlvla.plugins.models.pi0.scaling import Scales
    from rlvla.plugins.models.pi0.tokenizer import Tokenizer


PRECISE = ("action_", "state_proj", "time_mlp", "value_head", "noise_head")
"""Modules that are computed in float32, as openpi does; their names begin so."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How arrays become inputs, and what is denoised actions."""

    interface: Interface
    cameras: Mapping[str, str]
    """The simulator's camera of each of the model's that is shown, in the order of its tokens."""
    tokenizer: Tokenizer
    prompter: Prompter
    scales: Scales
    frame: Frame
    """In which the model has states and actions."""
    low: tuple[float, ...]
    """Bounds that cut what is executed, never what is recorded."""
    high: tuple[float, ...]
    critic: Literal["expert", "prefix", "privileged"]
    detach: bool
    """The value head's gradients stay out of the rest."""


@dataclass(frozen=True)
class Seen:
    """What the network made of observations."""

    prefix: Prefix
    state: Tensor
    """Normalised and padded, [B, action_dim]."""


class PiPolicy:
    """Denoises a chunk of actions; its first C are executed, D elements of each."""

    def __init__(
        self, network: Network, sampler: Sampler, reading: Reading, compute: Compute
    ) -> None:
        self.module = network
        self.compute = compute
        self.sampler = sampler
        self.reading = reading

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.module.action_in_proj.weight.device

    def place(self, device: torch.device, *, trains: bool) -> None:
        """Move to the device; see `interfaces.Placeable`."""
        place(self.module, device, self.compute, trains=trains, precise=PRECISE)
        if trains:
            self.compute = replace(self.compute, compile=False)

    @torch.inference_mode()
    @computed
    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row."""
        seen = self.see(observations)
        drawn = self.sampler.draw(
            self.denoiser(seen), seeds=seeds, temperature=temperature, device=self.device
        )
        executed = drawn.action[:, : self.sampler.chunk, : self.sampler.dimensions]
        scaled = self.reading.scales.actions.restore(executed.cpu().numpy())
        action = self.reading.frame.executed(scaled + self._base(observations))
        return drawn.record | {
            "action": np.clip(action, self.reading.low, self.reading.high).astype(np.float32),
            "log_prob": drawn.log_prob.cpu().numpy(),
            "value": self._value(observations, seen).cpu().numpy(),
        }

    @computed
    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions under the present weights, in normalised units."""
        seen = self.see(batch)
        scored = self.sampler.score(self.denoiser(seen), batch, device=self.device)
        return Scores(scored.log_prob, scored.entropy, self._value(batch, seen))

    @computed
    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, 1]."""
        unseen = self.reading.critic == "privileged"
        return self._value(observations, None if unseen else self.see(observations))

    @computed
    def imitate(self, batch: Arrays) -> Tensor:
        """Return the squared error of the velocity, mean over executed actions, [B].

        As openpi's it counts the elements that pad an action. What follows the executed actions in
        a chunk repeats the last of them and is not counted. Rows are numbered, also over a
        checkpoint, and their number is the seed of their noise: the same rows in the same order
        teach the same, however they are cut into batches.
        """
        actions, weight = self._taught(batch)
        first = int(self.module.imitated)
        self.module.imitated += len(actions)
        given = lesson(actions, np.arange(first, first + len(actions), dtype=np.uint64))
        velocity, _ = self.denoiser(self.see(batch))(given.point, given.time)
        error = (velocity - given.velocity).square().mean(-1)
        return (error * weight).sum(1) / weight.sum(1).clamp(min=1)

    def see(self, observations: Arrays) -> Seen:
        """Return what all steps of the flow look at."""
        side = self.module.architecture.image
        shown = [observations[f"image/{name}"] for name in self.reading.cameras.values()]
        state = self.reading.scales.state.normalise(self._state(observations))
        prompts = self.reading.prompter(observations["instruction"], state)
        inputs = Inputs(
            images=[fitted(self._tensor(images), side) for images in shown],
            shown=[self._tensor(np.ones(len(images), np.bool_)) for images in shown],
            ids=self._tensor(prompts.ids),
            valid=self._tensor(prompts.valid),
        )
        prefix = self.module.prefix(inputs, output=self.reading.critic == "prefix")
        return Seen(prefix, self._padded(state))

    def denoiser(self, seen: Seen) -> Denoiser:
        """Return what denoises actions; see `sampler.Denoiser`."""
        network = self.module

        def denoise(points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
            copies = len(points) // len(seen.state)
            prefix = seen.prefix.repeated(copies)
            state = seen.state.repeat_interleave(copies, 0)
            features = network.features(prefix, state, points, times)
            return network.velocity(features), network.raw_noise(features)

        return denoise

    @computed
    def remembered(self, observations: Arrays) -> list[Tensor]:
        """Return keys and values of images and prompt; see `footprint.Outline`."""
        return [one for layer in self.see(observations).prefix.seen for one in layer]

    def save(self, directory: str) -> None:
        """Write a checkpoint that the option `checkpoint` can name."""
        save_checkpoint(self, directory)

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        restore(self, Path(directory))

    def _value(self, observations: Arrays, seen: Seen | None) -> Tensor:
        """Return [B, 1], a function of the observation alone.

        So a value is the same estimate when a decision is made, when it is learned from and when
        a return is completed, which no value of a point on a drawn chain would be.
        """
        if seen is None or self.reading.critic == "privileged":
            features = self._tensor(observations["privileged"])
        elif self.reading.critic == "prefix":
            features = seen.prefix.mean()
        else:
            features = self._at_the_origin(seen)
        with precise(features.device):
            value: Tensor = self.module.value_head(
                features.detach() if self.reading.detach else features
            )
        return value

    def _at_the_origin(self, seen: Seen) -> Tensor:
        rows, interface = len(seen.state), self.reading.interface
        origin = seen.state.new_zeros(rows, interface.horizon, interface.action_dim)
        return self.module.features(seen.prefix, seen.state, origin, origin.new_ones(rows)).mean(1)

    def _taught(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        """Return normalised actions [B, H, A] and which of them count, [B, H]."""
        action = batch["action"]
        valid = batch.get("valid", np.ones(action.shape[:2], np.bool_))
        last = np.maximum(valid.sum(1) - 1, 0)
        places = np.minimum(np.arange(self.sampler.horizon), last[:, None])
        repeated = np.take_along_axis(action, places[..., None], 1)
        weight = np.zeros(places.shape, np.float32)
        weight[:, : valid.shape[1]] = valid
        meant = self.reading.frame.taught(repeated) - self._base(batch)
        decided = self.reading.scales.actions.normalise(meant)
        return self._padded(decided), self._tensor(weight)

    def _base(self, observations: Arrays) -> NDArray[np.float64]:
        """Return what is added to each action of a chunk, [B, 1, D]."""
        base = np.zeros((len(observations["instruction"]), 1, len(self.reading.low)))
        indices = list(self.reading.interface.relative)
        if indices:
            base[:, 0, indices] = self._state(observations)[:, indices]
        return base

    def _state(self, observations: Arrays) -> NDArray[np.float64]:
        return self.reading.frame.state(observations["proprio"])

    def _padded(self, numbers: NDArray[np.float64]) -> Tensor:
        """Return [..., action_dim] with zeros at the end; what does not fit is not shown."""
        room = self.reading.interface.action_dim
        return functional.pad(
            self._tensor(numbers.astype(np.float32)[..., :room]),
            (0, max(room - numbers.shape[-1], 0)),
        )

    def _tensor(self, array: Array) -> Tensor:
        # A copy: slots are shared memory that others write to.
        return torch.tensor(array).to(self.device)
