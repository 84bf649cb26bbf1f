from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from toys.bench import Bench
from toys.network import Network, TinyPolicy

from rlvla.core.generator import Generator, shapes_of
from rlvla.core.slots import PARTS
from rlvla.core.types import Request
from rlvla.core.weights import Weights, weights_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Arrays


class Counting(TinyPolicy):
    """Remembers how many rows each pass had."""

    def __init__(self, module: Network) -> None:
        super().__init__(module)
        self.passes: list[int] = []

    def act(
        self, observations: Arrays, *, seeds: NDArray[np.uint64], temperature: NDArray[np.float32]
    ) -> dict[str, NDArray[np.generic]]:
        self.passes.append(len(seeds))
        return super().act(observations, seeds=seeds, temperature=temperature)


def test_a_decision_depends_on_its_row_and_seed_and_not_on_the_batch() -> None:
    bench = Bench()
    slots = [slot for one in bench.segments(8) for slot in one.slots]
    requests = [Request(0, slot, slot + 5, 1.0) for slot in slots]
    bench.generator.act(requests, version=0, rows=12)
    together = bench.slots.read(slots, "decision")
    for request in requests[::-1]:
        bench.generator.act([request], version=0, rows=1)
    alone = bench.slots.read(slots, "decision")
    for name, one in together.items():
        np.testing.assert_array_equal(one, alone[name])
    assert len(np.unique(together["tokens"])) == 5


def test_new_weights_are_taken_over_whole_and_reported() -> None:
    bench = Bench()
    (slot,) = bench.segments(1, length=1)[0].slots
    request = Request(0, slot, 1, 1.0)
    assert bench.generator.act([request], version=0, rows=1).version == 0
    before = bench.slots.read([slot], "decision")["value"]
    bench.trainer.accumulate(bench.segments(8))
    bench.trainer.step()
    bench.trainer.publish(5).result()
    assert bench.generator.act([request], version=5, rows=1).version == 5
    after = bench.slots.read([slot], *PARTS)
    assert after["value"] != before
    bench.trainer.publish(6).result()
    assert bench.generator.act([request], version=5, rows=1).version == 6
    np.testing.assert_array_equal(bench.slots.read([slot], "decision")["value"], after["value"])


def test_more_requests_than_rows_take_several_passes() -> None:
    bench = Bench()
    slots = [slot for one in bench.segments(3) for slot in one.slots]
    requests = [Request(0, slot, slot + 5, 1.0) for slot in slots]
    policy = Counting(Network(1, seed=0))
    shapes = shapes_of(policy.module)
    weights = Weights(shapes, bytearray(weights_bytes(shapes)))
    tensors = {name: one.detach().numpy() for name, one in policy.module.named_parameters()}
    weights.publish(0, tensors)
    bench.generator.act(requests, version=0, rows=12)
    expected = bench.slots.read(slots, "decision")
    Generator(policy, bench.slots, weights).act(requests, version=0, rows=5)
    assert policy.passes == [5, 5, 5]
    for name, one in bench.slots.read(slots, "decision").items():
        np.testing.assert_array_equal(one, expected[name], err_msg=name)
