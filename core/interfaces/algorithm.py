"""Algorithms: how decisions become a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.interfaces.model import Policy
    from rlvla.core.interfaces.recording import Recording
    from rlvla.core.interfaces.staleness import Proximal
    from rlvla.core.segment import Grouping
    from rlvla.core.types import Arrays, Field, Moment, SimulatorSpec


class CoTraining(Protocol):
    """A loss on demonstrations that is added to that on the policy's own decisions."""

    @property
    def demonstrations(self) -> int:
        """Expert episodes to record before training."""
        ...

    @property
    def batch_size(self) -> int:
        """Decisions of them in each optimizer step."""
        ...

    def loss(self, policy: Policy, batch: Arrays) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each demonstrated decision [B], and metrics of each [B].

        Its mean over the `batch_size` decisions of a step is added to the loss of that step.
        """
        ...


class Algorithm(Protocol):
    """An objective: how decisions become a loss. The core's trainer does the rest.

    Each decision weighs `minibatches / batch_size` in the gradient of the step that it is a part
    of, whatever the arrival order and the micro-batch it fell into. With groups the batch is
    counted in episodes: there the loss of a decision must be its share of that of its episode.
    """

    batch_size: int
    """Decisions (with `grouping`: episodes, a multiple of its size) per version of the weights."""
    micro_batch_size: int
    """Decisions per forward and backward pass; divides `batch_size / minibatches`, unless there
    are groups."""
    epochs: int
    """Passes over each batch, with `minibatches` optimizer steps each."""
    minibatches: int
    """Optimizer steps per pass, each on an equal part of the batch; divides `batch_size`."""
    max_grad_norm: float
    """The gradient is scaled down to this norm."""
    temperature: float
    """Of the sampling that makes training decisions."""

    @property
    def grouping(self) -> Grouping | None:
        """How episodes are compared; None if segments of fixed length are learned from."""
        ...

    @property
    def demonstrations(self) -> int:
        """Expert episodes to learn from; 0 to learn from the policy's own decisions."""
        ...

    @property
    def recording(self) -> Recording | None:
        """Where these, or those of `cotraining`, are recorded, which then is at most so many;
        None: the simulator's expert plays them."""
        ...

    @property
    def cotraining(self) -> CoTraining | None:
        """What is learned from demonstrations beside the policy's own decisions, if anything."""
        ...

    def check(self, spec: SimulatorSpec, model: Mapping[str, Field]) -> None:
        """Raise ValueError if the options contradict each other or what the model records."""
        ...

    @property
    def compared(self) -> Mapping[str, Proximal]:
        """The policies that `loss` compares the trained one with, by name; see `Moment.scores`."""
        ...

    def parameter_groups(self, policy: nn.Module) -> list[dict[str, object]]:
        """Return AdamW parameter groups of the trainable parameters."""
        ...

    def lr_scale(self, update: int) -> float:
        """Return what all groups' learning rates are multiplied by in update number `update`."""
        ...

    def targets(self, segment: Arrays, bootstrap: NDArray[np.float32]) -> Arrays:
        """Return what the loss of each decision of a segment needs beyond its row.

        NaN stands for no target, as for an action that was never executed; no statistic counts it.

        `segment` holds the rows of a segment in time order, [L, ...]; `bootstrap` [L, V] the
        value of the true next observation where `Segment.bootstrap` names one, else 0; V is 0 if
        the model has no critic.
        """
        ...

    @property
    def whole(self) -> bool:
        """Whether `complete` must see the whole batch; then nothing is trained on before."""
        ...

    def complete(self, rows: Arrays, policy: Policy) -> Arrays:
        """Return what the loss needs of several segments at once, one entry a row.

        `rows` holds whole segments with their targets, `version`, `segment` (a number of its own
        for each) and `group` (the same for episodes of one start, -1 without `grouping`): those
        that have just arrived, among them whole groups only, or, if `whole`, the batch. `policy`
        then has the weights before its first step. What has the name of a field of `rows`
        replaces it.
        """
        ...

    def loss(
        self, policy: Policy, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of each decision [B] and metrics of each decision [B].

        `batch` holds rows with their targets, what `complete` returned, and `version` int64 [B],
        of the weights that made each decision.
        """
        ...

    @property
    def normalised(self) -> Sequence[str]:
        """Names of the targets whose running mean and deviation `loss` wants."""
        ...
