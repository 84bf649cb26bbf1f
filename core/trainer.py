"""The trainer: owns the weights, accumulates exact gradients, takes optimizer steps, publishes."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch as tensor_files
import torch

from rlvla.core.batch import Batch
from rlvla.core.demonstrations import Demonstrations
from rlvla.core.descent import Descent
from rlvla.core.errors import TrainingError
from rlvla.core.followers import Followers
from rlvla.core.generator import OnHost, trained_parameters
from rlvla.core.reader import Reader, slots_of
from rlvla.core.reduction import reduced
from rlvla.core.runtime.turn import NO_TURN
from rlvla.core.statistics import Statistics
from rlvla.core.types import Moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.interfaces import Algorithm, CoTraining, Policy
    from rlvla.core.segment import Segment
    from rlvla.core.slots import Slots
    from rlvla.core.types import Array, Arrays
    from rlvla.core.weights import Weights

FOLLOWERS = "followers.safetensors"
COTRAINING = 1
"""Tells the draws of demonstrations beside a batch from other draws of its update."""
_FILES: Any = tensor_files  # safetensors leaves PathLike without its argument


class Trainer:
    """Turns segments into versions of the weights.

    The gradient of an optimizer step is the sum over its decisions of their losses, divided by the
    decisions (with groups: episodes) that the step is meant to have: a global denominator, so
    micro-batch size does not change it, nor does the order of arrival while a pass is one step.
    With several `epochs` the first pass happens as segments arrive, the others over the whole
    batch.
    """

    def __init__(
        self,
        policy: Policy,
        algorithm: Algorithm,
        slots: Slots,
        weights: Weights,
        *,
        seed: int,
    ) -> None:
        self.updates = 0
        self._version = -1
        self.turn = NO_TURN
        """What the backward passes happen in: a turn at a GPU that others use, too."""
        self.followers = Followers({})
        """What the algorithm compares the policy with."""
        self._policy = policy
        self._algorithm = algorithm
        self._reader = Reader(policy, algorithm, slots)
        self._weights = weights
        self._seed = seed
        self._publisher = ThreadPoolExecutor(1, "publisher")
        self._published: Future[None] = Future()
        self._published.set_result(None)
        self._parameters = trained_parameters(policy.module)
        self._descent = Descent(algorithm, policy.module)
        self._grouped = algorithm.grouping is not None
        self._minibatch = algorithm.batch_size // algorithm.minibatches
        """Decisions of an optimizer step; with groups: episodes."""
        self._statistics = {name: Statistics() for name in algorithm.normalised}
        self.demonstrations = Demonstrations()
        """What is learned from beside, or in place of, the policy's own decisions."""
        self._begin()

    def accumulate(self, segments: Sequence[Segment]) -> None:
        """Add segments to the batch; see `TrainerWorker.accumulate`."""
        rows = self._targeted(segments)
        if self.followers:
            with self.turn:
                rows |= self.followers.arrive(rows, slots_of(segments))
        if self._algorithm.whole:
            self._batch.add(rows)
            return
        self._batch.add({**rows, **self._algorithm.complete(rows, self._policy)})
        if all(one.known for one in self._statistics.values()):
            self._backward_over(self._batch, whole=False)

    def foresee(self, segments: Sequence[Segment]) -> None:
        """Have what follows see decisions that wait; see `TrainerWorker.foresee`."""
        rows = self._reader.decided(segments)
        with self.turn:
            self.followers.foresee(rows, slots_of(segments))

    def store(self, segments: Sequence[Segment]) -> None:
        """Keep demonstrations; see `TrainerWorker.store`."""
        if self._algorithm.demonstrations:
            self.demonstrations.add(self._targeted(segments))
        else:  # beside a batch: the expert's rewards are no part of its targets
            self.demonstrations.add(self._reader.rows(segments))

    def step(self) -> dict[str, float]:
        """Finish the batch; see `TrainerWorker.step`."""
        if self._algorithm.demonstrations:
            self._batch = self.demonstrations.draw(
                self._algorithm.batch_size, self._seed, self.updates
            )
        if self._algorithm.whole:
            with self.turn:
                fields = self._algorithm.complete(self._batch.rows(), self._policy)
            self._batch.extend(fields)
        for one in self._statistics.values():
            if not one.known:
                one.finish()
        self._backward_over(self._batch)
        for epoch in range(1, self._algorithm.epochs):
            self._backward_again(epoch)
        for one in self._statistics.values():
            one.finish()
        self.updates += 1
        steps = len(self._metrics["grad_norm"])
        metrics = {name: reduced(name, torch.cat(parts)) for name, parts in self._metrics.items()}
        self._renew(self._version + 1)
        metrics |= self.followers.metrics()
        self._begin()
        return {**metrics, "optimizer_steps": steps}

    def publish(self, version: int) -> Future[None]:
        """Copy the weights for the generators, beside what follows; see `TrainerWorker.publish`.

        Tensor by tensor, until the next optimizer step at the latest: it waits for the copy.
        """
        tensors = OnHost(self._parameters)
        if version > self._version:
            self._renew(version)
        self._published = self._publisher.submit(self._weights.publish, version, tensors)
        return self._published

    def save(self, directory: str) -> None:
        """Write all training state; see `TrainerWorker.save`."""
        self._policy.save(directory)
        state = {"updates": self.updates, "statistics": self._moments()}
        Path(directory, "trainer.json").write_text(json.dumps(state))
        _FILES.save_file(self._descent.tensors(), Path(directory, "optimizer.safetensors"))
        if followed := self.followers.state():
            _FILES.save_file(followed, Path(directory, FOLLOWERS))

    def load(self, directory: str, version: int) -> None:
        """Restore what `save` wrote; see `TrainerWorker.load`."""
        self._published.result()
        self._policy.load(directory)
        state = json.loads(Path(directory, "trainer.json").read_text())
        self.updates = state["updates"]
        self._statistics = {name: Statistics(one) for name, one in state["statistics"].items()}
        self._descent.restore(self._read_file(Path(directory, "optimizer.safetensors")))
        followed = Path(directory, FOLLOWERS)
        self.followers.restore(self._read_file(followed) if followed.exists() else {}, version)
        self._version = version
        self._begin()
        self.publish(version).result()

    def close(self) -> None:
        """End the copying."""
        self._publisher.shutdown()

    def _read_file(self, file: Path) -> dict[str, torch.Tensor]:
        """Return tensors where the weights are."""
        device = next(iter(self._parameters.values())).device
        tensors: dict[str, torch.Tensor] = _FILES.load_file(file, device=str(device))
        return tensors

    def _renew(self, version: int) -> None:
        self._version = version
        self.followers.begin(version)

    def _begin(self) -> None:
        self._batch = Batch()
        self._backwarded = 0
        self._metrics: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
        self._descent.forget()

    def _targeted(self, segments: Sequence[Segment]) -> dict[str, Array]:
        rows = self._reader.targeted(segments)
        for name, one in self._statistics.items():
            one.add(rows[name])
        return rows

    def _backward_over(self, batch: Batch, *, whole: bool = True) -> None:
        """Go on where this pass has come to: to its end, or as far as micro-batches are full.

        What follows the training sees all rows of a batch before its first optimizer step.
        """
        size = self._algorithm.micro_batch_size
        ends = batch.ends(self._minibatch, segments=self._grouped)
        for rows in batch.cut(size, ends, start=self._backwarded, whole=whole):
            if self.followers and not whole and self._backwarded + len(rows["version"]) in ends:
                return
            self._backward(rows)
            if self._backwarded in ends:
                self._descend()

    def _backward_again(self, epoch: int) -> None:
        random = np.random.default_rng((self._seed, self.updates, epoch))
        self._backwarded = 0
        self._backward_over(self._batch.shuffled(random, segments=self._grouped))

    def _backward(self, batch: Arrays) -> None:
        moments = {name: one.moments() for name, one in self._statistics.items()}
        moment = Moment(self._version, self.updates, moments, self.followers.scores)
        with self.turn:
            loss, metrics = self._algorithm.loss(self._policy, batch, moment)
            self._propagate(loss, self._minibatch)
        for name, values in {"loss": loss.detach(), **metrics}.items():
            self._metrics[name].append(values)
        if self.followers:
            self.followers.note(metrics)
        self._backwarded += len(loss)

    def _propagate(self, loss: torch.Tensor, count: int) -> None:
        """Add the gradient of a mean over `count` losses, of which these are some, [B]."""
        losses = loss.detach()
        if not math.isfinite(losses.sum().item()):  # a clipped ratio of NaN has no gradient
            raise TrainingError(f"the loss of update {self.updates} is not finite")
        torch.autograd.backward(loss, torch.full_like(losses, 1 / count))

    def _cotrain(self, cotraining: CoTraining) -> None:
        """Add the gradient of the demonstrations that the present step learns from."""
        step = len(self._metrics["grad_norm"])
        drawn = self.demonstrations.draw(
            cotraining.batch_size, self._seed, self.updates, step, COTRAINING
        )
        for batch in drawn.cut(self._algorithm.micro_batch_size):
            with self.turn:
                loss, metrics = cotraining.loss(self._policy, batch)
                self._propagate(loss, cotraining.batch_size)
            for name, values in metrics.items():
                self._metrics[name].append(values)

    def _descend(self) -> None:
        if (cotraining := self._algorithm.cotraining) is not None:
            self._cotrain(cotraining)
        norm = self._descent.norm()
        length = norm.item()
        if not math.isfinite(length):
            raise TrainingError(f"the gradient of update {self.updates} is not finite")
        self._published.result()  # the copy reads what the step changes
        self._descent.step(self.updates, norm=length)
        if self.followers:
            self.followers.step()
        self._metrics["grad_norm"].append(norm[None])

    def _moments(self) -> dict[str, list[float]]:
        return {name: one.state() for name, one in self._statistics.items()}
