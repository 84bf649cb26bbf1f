from __future__ import annotations

import numpy as np
from toys.bench import Bench

from rlvla.core.slots import PARTS
from rlvla.core.types import Request


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
