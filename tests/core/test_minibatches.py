from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from toys.bench import Bench
from toys.state import saved_state

from rlvla.core.component import build
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from pathlib import Path


def test_every_pass_takes_a_step_for_each_minibatch(tmp_path: Path) -> None:
    bench = Bench(PPO(batch_size=32, micro_batch_size=4, epochs=3, minibatches=4))
    for _ in range(2):
        bench.trainer.accumulate(bench.segments(8))
        bench.trainer.step()
    bench.trainer.save(str(tmp_path))
    steps = [int(one) for name, one in saved_state(tmp_path).items() if name.endswith("/step")]
    assert steps == [2 * 3 * 4] * 2
    assert bench.trainer.updates == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"minibatches": 0}, "minibatches must be at least 1, got 0"),
        ({"minibatches": 3}, "minibatches must divide batch_size, 32, got 3"),
        (
            {"minibatches": 4, "micro_batch_size": 16},
            "micro_batch_size must divide the 8 decisions of a minibatch, got 16",
        ),
    ],
)
def test_parts_that_are_not_whole_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}"):
        build(PPO, {"batch_size": 32, "micro_batch_size": 4, **options})
