from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.types import SimulatorSpec, encode_instruction

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.types import Array

TASKS = ("reach the red cube", "push the blue cube to the left", "zwiebel", "put it on the plate")


@pytest.fixture
def spec() -> SimulatorSpec:
    return SimulatorSpec(
        cameras={"top": (32, 32)},
        proprio=3,
        privileged=5,
        action_low=(-1.0, -0.5, 0.0, 2.0),
        action_high=(1.0, 0.5, 1.0, 6.0),
        max_steps=10,
        control_hz=5.0,
    )


@pytest.fixture
def observations(spec: SimulatorSpec) -> Callable[[int], dict[str, Array]]:
    def make(rows: int) -> dict[str, Array]:
        random = np.random.default_rng(0)
        instructions = [encode_instruction(TASKS[i % len(TASKS)]) for i in range(rows)]
        images = {
            f"image/{name}": random.integers(0, 256, (rows, *size, 3), dtype=np.uint8)
            for name, size in spec.cameras.items()
        }
        return images | {
            "proprio": random.random((rows, spec.proprio), np.float32),
            "privileged": random.random((rows, spec.privileged), np.float32),
            "instruction": np.stack(instructions),
        }

    return make
