"""What `act` records is what `evaluate` scores, for every model and every way of sampling."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys.every_model import MODELS

from rlvla.core.types import encode_instruction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, SimulatorSpec

TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N", "Z")), max_size=40)

Batch: TypeAlias = tuple[list[str], list[float], list[int], int, list[int]]


@cache
def _policy(name: str) -> Policy:
    model, spec = MODELS[name]
    return model.build(spec, seed=0)


def _rows(spec: SimulatorSpec, texts: Sequence[str], seed: int) -> dict[str, Array]:
    random, count = np.random.default_rng(seed), len(texts)
    images = {
        f"image/{name}": random.integers(0, 256, (count, *size, 3), dtype=np.uint8)
        for name, size in spec.cameras.items()
    }
    return images | {
        "proprio": random.normal(size=(count, spec.proprio)).astype(np.float32),
        "privileged": random.random((count, spec.privileged), np.float32),
        "instruction": np.stack([encode_instruction(text) for text in texts]),
    }


@st.composite
def _batches(draw: st.DrawFn) -> Batch:
    """Return instructions, temperatures and seeds of 1 to 9 rows, and how they are scored.

    That is: in parts of some size, in some order. Prompts of other lengths are padded otherwise.
    """
    texts = draw(st.lists(TEXTS, min_size=1, max_size=9))
    count = len(texts)
    heats = st.one_of(st.just(0.0), st.floats(0.125, 3.0, width=32))
    return (
        texts,
        draw(st.lists(heats, min_size=count, max_size=count)),
        draw(st.lists(st.integers(0, 2**64 - 1), min_size=count, max_size=count)),
        draw(st.integers(1, count)),
        draw(st.permutations(range(count))),
    )


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=10, deadline=None)
@given(batch=_batches())
def test_a_score_is_the_record(name: str, batch: Batch) -> None:
    texts, heats, seeds, size, order = batch
    policy, (_, spec) = _policy(name), MODELS[name]
    rows = _rows(spec, texts, seeds[0])
    temperature = np.array(heats, np.float32)
    with torch.no_grad():  # as the generator does
        decided = policy.act(rows, seeds=np.array(seeds, np.uint64), temperature=temperature)
    recorded: dict[str, Any] = {**rows, **decided}
    for first in range(0, len(order), size):
        part = {key: one[order[first : first + size]] for key, one in recorded.items()}
        scores = policy.evaluate(part)
        for key in ("log_prob", "value"):
            scored = getattr(scores, key).detach().numpy()
            tolerance = 1e-5 * max(1.0, float(np.abs(part[key]).max()))
            np.testing.assert_allclose(scored, part[key], rtol=0, atol=tolerance, err_msg=key)
        value = policy.value(part).detach().numpy()
        np.testing.assert_allclose(value, part["value"], atol=1e-5, rtol=1e-5)
