from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toys.segments import Made, following, made

from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.vtrace import VTrace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what rlax draws is deprecated by what JAX has become
    jax: Any = import_module("jax")
    rlax: Any = import_module("rlax")

jax.config.update("jax_enable_x64", True)
GAE: Any = jax.jit(rlax.truncated_generalized_advantage_estimation)
VTRACE: Any = jax.jit(rlax.vtrace_td_error_and_advantage)
LENGTH = 9
SEEDS, UNIT = st.integers(0, 9999), st.floats(0, 1)


def _columns(one: Made, gamma: float) -> tuple[Any, Any, Any, Any]:
    """Return values, those that follow, rewards and discounts, [L]; rlax knows no truncation."""
    discount = np.where(one.segment["terminated"], 0.0, gamma)
    then = following(one.segment, one.value, one.bootstrap)
    columns = (one.value, then, one.segment["reward"], discount)
    v, after, r, d = (column[:, 0] for column in columns)
    return v, after, r, d


@settings(deadline=None, derandomize=True, database=None)
@given(SEEDS, UNIT, UNIT)
def test_gae_agrees(seed: int, gamma: float, trace: float) -> None:
    one = made(seed=seed, length=LENGTH, cut=False)
    value, after, reward, discount = _columns(one, gamma)
    values = np.append(value, after[-1])
    # Where an episode ended the value of the next decision is another's, discounted by 0.
    theirs = GAE(reward, discount, trace, values)
    np.testing.assert_allclose(gae(one.steps(gamma), trace)[:, 0], theirs, atol=1e-12)


@settings(deadline=None, derandomize=True, database=None)
@given(SEEDS, UNIT, UNIT, st.floats(0.1, 3))
def test_vtrace_agrees(seed: int, gamma: float, trace: float, rho_bar: float) -> None:
    one = made(seed=seed, length=LENGTH, cut=False)
    value, after, reward, discount = _columns(one, gamma)
    ratio = one.ratio[:, 0]
    theirs = VTRACE(value, after, reward, discount, ratio, trace, rho_bar, rho_bar)
    advantage, target = VTrace(trace=trace, rho_bar=rho_bar, c_bar=1.0).of(
        one.steps(gamma), one.ratio
    )
    np.testing.assert_allclose(target[:, 0] - value, theirs.errors, atol=1e-12)
    weighted = np.minimum(rho_bar, ratio) * advantage[:, 0]
    np.testing.assert_allclose(weighted, theirs.pg_advantage, atol=1e-12)
