"""Records that cross stages: what a simulator shows, what a policy decides, what came of it.

Shapes use C for the actions of a chunk and D for the dimensions of an action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.interfaces import Policy

Array: TypeAlias = "NDArray[Any]"
"""An array whose dtype is stated by a `Field` or a docstring."""

Arrays: TypeAlias = Mapping[str, Array]
"""Named arrays: the row of one decision, or a batch of rows stacked on the first axis."""

Score: TypeAlias = "Callable[[Arrays, Tensor], Tensor]"
"""Takes a batch and its log-probabilities [B, C, K] under the policy that is trained, detached;
returns those under another policy."""

Split: TypeAlias = Literal["train", "eval"]

INSTRUCTION_BYTES = 128
"""Room for an instruction in a slot: UTF-8, padded with zeros."""


@dataclass(frozen=True)
class Field:
    """Shape and dtype of one named array of a decision's row."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class SimulatorSpec:
    """What a simulator shows and takes; known without starting it."""

    cameras: Mapping[str, tuple[int, int]]
    """Camera name to (height, width); images are uint8 [height, width, 3], upright RGB."""
    proprio: int
    """Length of the robot's own state, float32; 0 if there is none."""
    privileged: int = 0
    """Length of the simulator's state that only training sees, float32; 0 if there is none."""
    action_low: tuple[float, ...]
    """Smallest value of each of the D action dimensions."""
    action_high: tuple[float, ...]
    """Largest value of each of the D action dimensions."""
    discrete: bool = False
    """Actions are whole numbers, and what lies between two is taken for the nearest."""
    max_steps: int
    """Actions after which an episode is truncated."""
    control_hz: float
    """Actions per second of simulated time."""
    batched: bool = False
    """The lanes of a worker are stepped all at once: see `interfaces.BatchSimulator`."""

    @property
    def action_dim(self) -> int:
        """D."""
        return len(self.action_low)


@dataclass(frozen=True)
class Start:
    """From where an episode begins; equal starts give equal episodes under equal actions."""

    task: str
    split: Split
    index: int
    """Ordinal among the starts of the task and split."""
    seed: int = 0
    """The run's seed for training starts; 0 for evaluation, whose starts never change."""


@dataclass(frozen=True)
class Observation:
    """What a lane shows before an action."""

    images: Mapping[str, NDArray[np.uint8]]
    """Camera name to uint8 [height, width, 3]."""
    proprio: NDArray[np.float32]
    """Float32 [proprio]."""
    instruction: str
    privileged: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """Float32 [privileged]; never an input of the policy that acts."""


@dataclass(frozen=True)
class StepResult:
    """What came of a chunk of C actions in one lane.

    The chunk stops at the first action after which the episode is over; what follows in the
    chunk was not executed: `valid` is false there and the reward 0.
    """

    observation: Observation
    """After the last executed action; the true final observation if the episode is over."""
    reward: NDArray[np.float32]
    """Float32 [C]."""
    terminated: NDArray[np.bool_]
    """Bool [C]: the task's own end (success or failure) came with this action."""
    truncated: NDArray[np.bool_]
    """Bool [C]: the episode was cut by its time limit after this action."""
    valid: NDArray[np.bool_]
    """Bool [C]: the action was executed."""
    success: bool
    """The task is achieved."""


class Outcome(NamedTuple):
    """The part of a `StepResult` that the event loop sees; a tuple, as it travels as a list."""

    reward: float
    """Sum over the chunk."""
    steps: int
    """Executed actions."""
    terminated: bool
    truncated: bool
    success: bool

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


class Acted(NamedTuple):
    """What a generator tells of a batch that it decided; a tuple, as it travels as a list."""

    version: int
    """Of the weights that decided."""
    waited_s: float = 0.0
    """How long its turn at what it shares was waited for; exactly 0 if that was free at once."""


class Request(NamedTuple):
    """A lane that waits for a decision on the observation in its slot; it travels as a list."""

    lane: int
    slot: int
    seed: int
    """Of the sampling noise: a function of run, episode and decision, never of slot or batch."""
    temperature: float
    """Of sampling; 0 decodes greedily."""
    version: int = -1
    """The only version of the weights that may decide; -1 for any that is new enough."""


@dataclass(frozen=True)
class Queue:
    """What a batching rule sees of the lanes that one generator serves."""

    lanes: Sequence[int]
    """Lanes that wait for a decision, the longest waiting first."""
    active: AbstractSet[int]
    """Lanes that are between two decisions or wait: no other can come."""
    waited_ms: float
    """How long the first has waited."""
    time_s: float
    """Now, on the run's monotonic clock."""
    since_s: Sequence[float] = ()
    """When each of `lanes` was enqueued, on that clock; empty where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What may be known of a training that is about to begin."""

    policy: Policy
    """That is trained: its weights change."""
    steps: int
    """Optimizer steps from one version to the next."""
    micro_batch_size: int
    """Decisions that a forward pass has room for."""
    max_staleness: int
    """Most versions that a decision may be behind when its batch begins."""


@dataclass(frozen=True)
class Moment:
    """What a loss may know of the training around it."""

    version: int
    """Of the weights when the batch began; minus a decision's own, that is its staleness."""
    updates: int
    """Batches before this one."""
    moments: Mapping[str, tuple[float, float]]
    """Mean and standard deviation of each target that the algorithm wants normalised, over the
    batches before this one (of this one, if it is the first)."""
    scores: Mapping[str, Score] = field(default_factory=dict[str, "Score"])
    """Of the policies that the algorithm wants the trained one compared with, by name; one whose
    log-probabilities are those of the record is left out."""


def observation_fields(spec: SimulatorSpec) -> dict[str, Field]:
    """Return the fields of a row that the simulator writes before an action."""
    images = {f"image/{name}": Field((*size, 3), "uint8") for name, size in spec.cameras.items()}
    return images | {
        "proprio": Field((spec.proprio,), "float32"),
        "privileged": Field((spec.privileged,), "float32"),
        "instruction": Field((INSTRUCTION_BYTES,), "uint8"),
    }


def result_fields(chunk: int) -> dict[str, Field]:
    """Return the fields of a row that the simulator writes after a chunk of actions."""
    return {
        "reward": Field((chunk,), "float32"),
        "terminated": Field((chunk,), "bool"),
        "truncated": Field((chunk,), "bool"),
        "valid": Field((chunk,), "bool"),
    }


@lru_cache(maxsize=1024)
def encode_instruction(text: str) -> NDArray[np.uint8]:
    """Return `text` as uint8 [INSTRUCTION_BYTES]; raise ValueError if it does not fit."""
    data = text.encode()
    if len(data) > INSTRUCTION_BYTES:
        raise ValueError(
            f"instruction has {len(data)} bytes, at most {INSTRUCTION_BYTES} fit: {text!r}"
        )
    return np.frombuffer(data.ljust(INSTRUCTION_BYTES, b"\0"), np.uint8)


def decode_instruction(row: NDArray[np.uint8]) -> str:
    """Return the text that `encode_instruction` wrote."""
    return row.tobytes().rstrip(b"\0").decode()
