"""What each kind of component must do: the contracts between the core and its plugins.

A component is a dataclass. Its fields are its options in the manifest, its construction is
cheap, and importing it pulls in neither torch nor a simulator; what is expensive happens in
`start` or `build`, in the process that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from rlvla.core.assignment import Assignment
    from rlvla.core.types import (
        Arrays,
        Field,
        Grouping,
        Moment,
        Observation,
        Queue,
        SimulatorSpec,
        Start,
        StepResult,
        Training,
    )
    from rlvla.core.workers import Job, Workers


class Simulator(Protocol):
    """A backend that owns lanes and steps them; used by one thread of one process.

    It never resets a lane by itself: after an episode's end the next call for that lane is
    `reset`. Calls for different lanes come in any order and do not influence each other.
    """

    lanes: int
    """How many lanes a run trains on, over all shards."""

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        ...

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; available before `start` and without heavy imports."""
        ...

    def start(self, lanes: int) -> None:
        """Acquire what `lanes` lanes need; they are then numbered from 0."""
        ...

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode; may be called in the middle of another."""
        ...

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions, float32 [C, D]."""
        ...

    def close(self) -> None:
        """Release everything; the simulator is not used again."""
        ...


class BatchSimulator(Simulator, Protocol):
    """A simulator whose `spec.batched` is true: it steps many lanes in one call.

    A call names lanes in any order, each once. Only lanes of a split are stepped together; the
    others keep their state.
    """

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes."""
        ...

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        ...


class ExpertSimulator(Simulator, Protocol):
    """A simulator that also knows how its tasks are done."""

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return the scripted expert's next action for the lane's present state, float32 [D]."""
        ...


class Scores(Protocol):
    """A policy's view of recorded decisions, differentiable."""

    log_prob: Tensor
    """[B, C, K]: of each of the K stochastic elements (tokens) of each action, under the recorded
    sampling parameters."""
    entropy: Tensor
    """[B, C, K]."""
    value: Tensor
    """[B, V]: V is 1 (chunk level) or C (action level)."""


class Policy(Protocol):
    """A model that acts and can be trained; it is a `torch.nn.Module` (see `module`).

    Batches are numpy arrays by name, stacked on the first axis: the fields of
    `types.observation_fields`, and where stated those of `Model.decision_fields`.
    """

    @property
    def module(self) -> nn.Module:
        """The parameters and buffers: what is trained, published and saved."""
        ...

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        """Decide for each row; return the fields of `Model.decision_fields`, stacked.

        `seeds` [B] alone decide the sampling noise of a row, so that the noise depends neither
        on the row's place nor on the rest of the batch. `temperature` [B] of 0 is greedy.
        """
        ...

    def evaluate(self, batch: Arrays) -> Scores:
        """Score recorded decisions (observation and decision fields) under the present weights.

        At equal weights `log_prob` equals what `act` recorded, to 1e-5 in float32.
        """
        ...

    def value(self, observations: Arrays) -> Tensor:
        """Estimate the return from each observation, [B, V]."""
        ...

    def imitate(self, batch: Arrays) -> Tensor:
        """Return the supervised loss of the actions in `batch["action"]`, [B]."""
        ...

    def save(self, directory: str) -> None:
        """Write a checkpoint into an existing directory, one that the model's options can name."""
        ...

    def load(self, directory: str) -> None:
        """Restore what `save` wrote, bit for bit."""
        ...


class Model(Protocol):
    """Describes and builds a policy."""

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `Policy.act` writes.

        At least `action` float32 [C, D] in the simulator's units, `log_prob` float32 [C, K],
        `value` float32 [V] if there is a critic, and whatever `Policy.evaluate` needs to score
        the decision again.
        """
        ...

    def build(self, spec: SimulatorSpec, *, seed: int) -> Policy:
        """Build the policy in float32 on the CPU, from a checkpoint or from `seed`."""
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


class Proximal(Protocol):
    """Where log-probabilities of a policy beside the trained one come from.

    As an option of an algorithm: those of the proximal policy, the centre of the clip.
    """

    @property
    def needs(self) -> Sequence[str]:
        """Fields that the model must record."""
        ...

    @property
    def decoupled(self) -> bool:
        """Whether it is another policy than the one that decided; else `follow` returns None."""
        ...

    def follow(self, training: Training, name: str) -> Follower | None:
        """Return what follows a training; None if the behaviour's record is all that is wanted.

        `name` is what the algorithm calls the policy.
        """
        ...


class Follower(Protocol):
    """A policy beside the trained one, in the trainer's process, which tells it how it goes on.

    For each version: `begin`, then `arrive` with all rows of the batch, then `step` after each
    optimizer step; `log_prob` for each micro-batch, from when its rows have arrived.
    """

    def begin(self, version: int) -> None:
        """Learn that the weights have become `version`, and the batch of it begins."""
        ...

    def arrive(self, rows: Arrays) -> Arrays:
        """Return fields to keep with rows that have just arrived, each `NAME/...`.

        The weights are still those of the version: no optimizer step has been taken.
        """
        ...

    def step(self, metrics: Mapping[str, float]) -> None:
        """Learn that an optimizer step was taken, and what `loss` told of its decisions: means."""
        ...

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Return the log-probabilities of recorded decisions, [B, C, K], without gradient.

        `current` are those under the weights as they are; `version` is that of the batch.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """Return all that it holds, so that it goes on bit for bit."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
        ...


class Correction(Protocol):
    """Keeps importance weights in bounds."""

    @property
    def needs(self) -> Sequence[str]:
        """Fields that the model must record."""
        ...

    def check(self, *, level: str, decoupled: bool) -> None:
        """Raise ValueError if it does not fit ratios of this level: token, action or chunk.

        `decoupled`: there is a proximal policy beside the behaviour policy, and its weight is
        what is bounded; else it is the ratio itself.
        """
        ...

    @property
    def clips(self) -> bool:
        """Whether the ratio is still clipped."""
        ...

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the logarithms of the weights to use instead; -inf takes an entry out.

        `log_weight` is [B, C, K], [B, C, 1] or [B, 1, 1], as the ratios are, 0 where an action was
        not executed; `valid` bool [B, C], None for all. A decision's weights depend on it alone.
        """
        ...


class Batching(Protocol):
    """Decides when waiting requests become a batch for a generator."""

    def rule(self, groups: Mapping[int, int]) -> BatchingRule:
        """Return a fresh rule for one generator; `groups` maps the lanes it serves to groups.

        Raise ValueError if the options do not fit them.
        """
        ...


class BatchingRule(Protocol):
    """The batching of one generator. No clock, no I/O: what it knows, it is told.

    The core's batcher asks when the generator is free and anything changed, keeps the order of
    arrival and starts a request's clock when it is enqueued.
    """

    def take(self, queue: Queue) -> Sequence[int]:
        """Return which of `queue.lanes` to serve now, as rising positions; none to wait on."""
        ...

    def patience_ms(self, waited_ms: float) -> float | None:
        """Return after how long `take` should be asked again even if nothing arrives."""
        ...

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn that the generator took `seconds` for a batch of `size` requests.

        For `waited` of these its turn at a device that it shares was waited for (`turns` of the
        placement): exactly 0 if that was free at once or is its own.
        """
        ...


class Sharding(Protocol):
    """Decides which simulator worker owns a lane and which generator serves it."""

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return the assignment of `lanes` lanes; raise ValueError if the options do not fit.

        `batched`: the simulator steps the lanes of a worker at once, so that each worker more
        makes its batches smaller; they stay whole unless an option says otherwise.
        """
        ...


class Logger(Protocol):
    """Records metrics rows."""

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Begin; `run_dir` exists."""
        ...

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Record one row; `row["step"]` is the version, names are like `train/loss`."""
        ...

    def close(self) -> None:
        """Flush and release."""
        ...


class Runtime(Protocol):
    """Makes the workers: objects here, processes, latency models or remote actors.

    A runtime that needs an event loop of its own kind has an attribute `loop_factory`, which
    makes one; a run on it then happens on such a loop.
    """

    def open(self, job: Job, logs: Path) -> AbstractAsyncContextManager[Workers]:
        """Start the workers; leaving the context ends them, whatever happened inside.

        What workers print goes into files in the folder `logs`.
        """
        ...
