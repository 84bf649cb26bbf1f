"""A simulator worker: the lanes of one shard, between their simulator and the shared rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from rlvla.core.errors import LaneLostError, PluginError
from rlvla.core.runtime.turn import NO_TURN
from rlvla.core.types import Outcome, StepResult, encode_instruction, result_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import BatchSimulator, ExpertSimulator, Simulator
    from rlvla.core.slots import Slots
    from rlvla.core.types import Array, Field, Observation, Start
    from rlvla.core.workers import Beginning, Move


class Shard:
    """Steps lanes and lets nothing malformed or not finite into the shared rows."""

    def __init__(self, simulator: Simulator, lanes: Sequence[int], slots: Slots) -> None:
        self._simulator = simulator
        self._local = {lane: number for number, lane in enumerate(lanes)}
        self._slots = slots
        self.turn = NO_TURN
        """What a batched simulator works in: a turn at a GPU that others use, too."""
        self._observations = _Promise(slots.layout.parts["observation"])
        self._results = _Promise(slots.layout.parts["result"])
        self._single = _Promise(result_fields(1))
        simulator.start(len(lanes))

    def reset(self, lane: int, start: Start, into: int) -> None:
        """Begin an episode; see `ShardWorker.reset`."""
        self._write_observation(lane, self._reset(lane, start), into)

    def replay(self, lane: int, start: Start, slots: Sequence[int], into: int) -> None:
        """Begin an episode and repeat what was decided; see `ShardWorker.replay`."""
        observation = self._reset(lane, start)
        for slot in slots:
            actions = self._slots.read_one(slot, "decision", "action")
            observation = self._step(lane, actions).observation
        self._write_observation(lane, observation, into)

    def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        """Begin episodes in many lanes at once; see `ShardWorker.reset_batch`."""
        lanes = [lane for lane, _, _ in beginnings]
        starts = [start for _, start, _ in beginnings]
        simulator = cast("BatchSimulator", self._simulator)
        try:
            with self.turn:
                observations = simulator.reset_batch([self._local[one] for one in lanes], starts)
        except Exception as error:
            raise LaneLostError(lanes[0], "env_error", f"reset_batch raised {error!r}") from error
        for (lane, _, into), observation in zip(beginnings, observations, strict=True):
            self._write_observation(lane, observation, into)

    def step(self, lane: int, slot: int, into: int) -> Outcome:
        """Execute the actions in `slot`; see `ShardWorker.step`."""
        actions = self._slots.read_one(slot, "decision", "action")
        return self._write(lane, self._step(lane, actions), slot, into)

    def step_batch(self, moves: Sequence[Move]) -> list[Outcome]:
        """Execute the actions of many lanes at once; see `ShardWorker.step_batch`."""
        lanes = [lane for lane, _, _ in moves]
        actions = self._slots.read_field([slot for _, slot, _ in moves], "decision", "action")
        simulator = cast("BatchSimulator", self._simulator)
        try:
            with self.turn:
                results = simulator.step_batch([self._local[lane] for lane in lanes], actions)
        except Exception as error:
            raise LaneLostError(lanes[0], "env_error", f"step_batch raised {error!r}") from error
        return [
            self._write(lane, result, slot, into)
            for (lane, slot, into), result in zip(moves, results, strict=True)
        ]

    def demonstrate(self, lane: int, slot: int, into: int) -> Outcome:
        """Let the expert act; see `ShardWorker.demonstrate`."""
        expert = getattr(self._simulator, "expert", None)
        if expert is None:
            raise PluginError(
                f"simulator {type(self._simulator).__name__} has no expert: "
                "it cannot demonstrate for supervised training"
            )
        fields = self._slots.layout.parts["decision"]
        row = {name: np.zeros((1, *one.shape), one.dtype) for name, one in fields.items()}
        result = self._demonstrated(lane, row["action"][0])
        self._slots.write("decision", [slot], row)
        return self._write(lane, result, slot, into)

    def close(self) -> None:
        """Close the simulator."""
        self._simulator.close()

    def _demonstrated(self, lane: int, actions: Array) -> StepResult:
        """Write a chunk that the expert chooses action by action, as it sees what comes of each.

        What the episode's end keeps from being chosen repeats the last action.
        """
        expert = cast("ExpertSimulator", self._simulator).expert
        results: list[StepResult] = []
        for index in range(len(actions)):
            actions[index:] = expert(self._local[lane])
            results.append(self._step(lane, actions[index : index + 1]))
            self._single.check(lane, _row(results[-1]))
            if results[-1].terminated.any() or results[-1].truncated.any():
                break
        return _joined(results, len(actions))

    def _reset(self, lane: int, start: Start) -> Observation:
        try:
            return self._simulator.reset(self._local[lane], start)
        except Exception as error:
            raise LaneLostError(lane, "env_error", f"reset raised {error!r}") from error

    def _step(self, lane: int, actions: Array) -> StepResult:
        try:
            return self._simulator.step(self._local[lane], actions)
        except Exception as error:
            raise LaneLostError(lane, "env_error", f"step raised {error!r}") from error

    def _write(self, lane: int, result: StepResult, slot: int, into: int) -> Outcome:
        row = _row(result)
        self._results.check(lane, row)
        self._slots.write_row("result", slot, row)
        self._write_observation(lane, result.observation, into)
        return Outcome(
            reward=sum(result.reward.tolist()),
            steps=sum(result.valid.tolist()),
            terminated=True in result.terminated.tolist(),
            truncated=True in result.truncated.tolist(),
            success=bool(result.success),
        )

    def _write_observation(self, lane: int, observation: Observation, into: int) -> None:
        row: dict[str, Array] = {f"image/{name}": one for name, one in observation.images.items()}
        row["proprio"] = observation.proprio
        row["privileged"] = observation.privileged
        try:
            row["instruction"] = encode_instruction(observation.instruction)
        except ValueError as error:
            raise LaneLostError(lane, "contract", str(error)) from error
        self._observations.check(lane, row)
        self._slots.write_row("observation", into, row)


def _row(result: StepResult) -> dict[str, Array]:
    """Return what is written of a result beside its observation."""
    return {
        "reward": result.reward,
        "terminated": result.terminated,
        "truncated": result.truncated,
        "valid": result.valid,
    }


def _joined(results: Sequence[StepResult], chunk: int) -> StepResult:
    """Return the results of single actions as that of a chunk of `chunk` actions."""
    columns = {
        name: np.pad(
            np.concatenate([_row(one)[name] for one in results]), (0, chunk - len(results))
        )
        for name in _row(results[0])
    }
    return StepResult(results[-1].observation, **columns, success=results[-1].success)


class _Promise:
    """What a simulator promised to give of one part of a row."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = [(name, one.shape, np.dtype(one.dtype)) for name, one in fields.items()]
        self._names = fields.keys()

    def check(self, lane: int, row: Mapping[str, Array]) -> None:
        """Raise `LaneLostError` unless `row` is as promised, and all of it is finite."""
        if row.keys() != self._names:
            raise LaneLostError(
                lane,
                "contract",
                f"expected {sorted(self._names)}, the simulator gave {sorted(row)}",
            )
        for name, shape, dtype in self._fields:
            array = np.asanyarray(row[name])
            if array.shape != shape or array.dtype != dtype:
                raise LaneLostError(
                    lane,
                    "contract",
                    f"{name!r}: expected {dtype} {list(shape)}, "
                    f"the simulator gave {array.dtype} {list(array.shape)}",
                )
            if dtype.kind == "f" and b"\0" in np.isfinite(array).tobytes():
                raise LaneLostError(lane, "nan", f"{name!r} is not finite")
