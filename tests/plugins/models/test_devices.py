"""Every model computes where its weights are.

Tensors that claim to be on another device than the CPU stand for those of a GPU: as there, no
operation takes some of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from toys.every_model import MODELS

from rlvla.core.testing.rows import decide, observations
from rlvla.plugins.models.footprint import pretend

if TYPE_CHECKING:
    from rlvla.core.types import Array

ELSEWHERE = torch.device("meta")


KINDS = ("sde_one_sum", "noise_all_sum", "cps_one_sum")
ONCE = [name for name in MODELS if name.count("_") < 2 or name.endswith(KINDS)]
"""Reductions of log-probabilities aside."""


@pytest.mark.parametrize("name", ONCE)
def test_a_policy_elsewhere_needs_nothing_of_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, spec = MODELS[name]
    policy = model.build(spec, seed=0)
    seen = observations(spec, rows=2)
    batch = {**seen, **decide(policy, seen)}
    fetched = list[torch.dtype]()

    def numpy(tensor: torch.Tensor) -> Array:
        assert tensor.device.type == "cpu"
        fetched.append(tensor.dtype)
        made: Any = np.ones(tensor.shape, str(tensor.dtype).removeprefix("torch."))
        return made

    monkeypatch.setattr(torch.Tensor, "numpy", numpy)
    with FakeTensorMode(allow_non_fake_inputs=True):
        pretend(policy.module, ELSEWHERE)
        scores = policy.evaluate(batch)
        assert {scores.log_prob.device, scores.value.device, scores.entropy.device} == {ELSEWHERE}
        assert policy.value(seen).device == ELSEWHERE
        decide(policy, seen)
    assert fetched
