"""Made-up rows to check models and algorithms with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import encode_instruction, observation_fields

if TYPE_CHECKING:
    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays, SimulatorSpec

INSTRUCTIONS = ("reach the red cube", "go to the dot")


def observations(spec: SimulatorSpec, *, rows: int) -> dict[str, Array]:
    """Return random observations of a simulator, always the same ones."""
    random = np.random.default_rng(0)
    made: dict[str, Array] = {}
    for name, field in observation_fields(spec).items():
        shape = (rows, *field.shape)
        is_image = field.dtype == "uint8"
        made[name] = (
            random.integers(0, 256, shape).astype(np.uint8)
            if is_image
            else random.normal(size=shape).astype(np.float32)
        )
    words = [encode_instruction(INSTRUCTIONS[i % len(INSTRUCTIONS)]) for i in range(rows)]
    return made | {"instruction": np.stack(words)}


def decide(policy: Policy, seen: Arrays, *, seed: int = 0, temperature: float = 1.0) -> Arrays:
    """Let the policy act on rows, row i with the sampling seed `seed + i`."""
    import torch

    rows = len(seen["proprio"])
    seeds = np.arange(seed, seed + rows, dtype=np.uint64)
    with torch.no_grad():  # as the generator does
        return policy.act(seen, seeds=seeds, temperature=np.full(rows, temperature, np.float32))


def results(decisions: Arrays) -> dict[str, Array]:
    """Return what came of decisions: the episode goes on, except at the end of the last chunk."""
    rows, chunk = decisions["action"].shape[:2]
    random = np.random.default_rng(1)
    terminated = np.zeros((rows, chunk), np.bool_)
    terminated[-1, 0] = True
    valid = np.ones((rows, chunk), np.bool_)
    valid[-1, 1:] = False
    reward = np.where(valid, random.random((rows, chunk)), 0).astype(np.float32)
    truncated = np.zeros_like(terminated)
    return {"reward": reward, "terminated": terminated, "truncated": truncated, "valid": valid}
