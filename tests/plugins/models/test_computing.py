from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from rlvla.core.errors import TrainingError
from rlvla.plugins.models import computing
from rlvla.plugins.models.compute import Compute
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.pi0 import Pi0, Pi05
from rlvla.plugins.models.pi0.siglip import Mlp

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.types import Array, SimulatorSpec
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
    from rlvla.plugins.models.pi0.policy import PiPolicy

    Make = Callable[[int], dict[str, Array]]
    Large = OpenVLA | Pi0
    Policy = OpenVLAPolicy | PiPolicy

CPU = torch.device("cpu")
MODELS: dict[str, Large] = {
    "openvla": OpenVLA(),
    "oft": OpenVLAOFT(chunk=2),
    "pi0": Pi0(chunk=2),
    "pi05": Pi05(critic="prefix"),
}
PARAMETRIZED = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
HALF = Compute(precision="bfloat16")


def act(policy: Policy, rows: dict[str, Array]) -> dict[str, Array]:
    count = len(rows["instruction"])
    heat = np.ones(count, np.float32)
    return dict(policy.act(rows, seeds=np.arange(count, dtype=np.uint64), temperature=heat))


def gradients(policy: Policy, batch: dict[str, Array]) -> dict[str, torch.Tensor]:
    """Return those of all that is trained, of a loss with every part in it."""
    scores = policy.evaluate(batch)
    loss = scores.log_prob.sum() + scores.value.sum()
    trained = {name: one for name, one in policy.module.named_parameters() if one.requires_grad}
    found = torch.autograd.grad(loss, [*trained.values()], materialize_grads=True)
    return dict(zip(trained, found, strict=True))


@PARAMETRIZED
def test_a_generator_in_bfloat16_decides_what_a_trainer_with_float32_masters_scores(
    model: Large, spec: SimulatorSpec, observations: Make
) -> None:
    half = replace(model, compute=HALF, lora=LoRA(r=4))
    exact = model.build(spec, seed=0)
    trainer, generator = (half.build(spec, seed=0) for _ in range(2))
    trainer.place(CPU, trains=True)
    generator.place(CPU, trains=False)
    rows = observations(5)
    decided = act(generator, rows)
    batch = rows | decided
    assert {name: one.dtype for name, one in decided.items()} == {
        name: one.dtype for name, one in act(exact, rows).items()
    }
    scores = trainer.evaluate(batch)
    assert scores.log_prob.dtype == scores.value.dtype == scores.entropy.dtype == torch.float32
    np.testing.assert_allclose(scores.log_prob.detach().numpy(), batch["log_prob"], atol=0.05)
    np.testing.assert_allclose(scores.value.detach().numpy(), batch["value"], atol=0.02)
    whole = exact.evaluate(batch).log_prob.detach().numpy()
    off = np.abs(scores.log_prob.detach().numpy() - whole).max()
    assert 0 < off < 0.2


@PARAMETRIZED
def test_masters_and_gradients_are_float32_and_the_rest_has_half_the_bits(
    model: Large, spec: SimulatorSpec, observations: Make
) -> None:
    policy = replace(model, compute=HALF, lora=LoRA(r=4)).build(spec, seed=0)
    policy.place(CPU, trains=True)
    kinds = {(one.requires_grad, one.dtype) for one in policy.module.parameters()}
    assert (True, torch.bfloat16) not in kinds
    frozen = [one for one in policy.module.parameters() if not one.requires_grad]
    halved = sum(one.numel() for one in frozen if one.dtype == torch.bfloat16)
    assert halved > 0.7 * sum(one.numel() for one in frozen)
    rows = observations(2)
    found = gradients(policy, rows | act(policy, rows))
    assert {one.dtype for one in found.values()} == {torch.float32}
    assert all(one.isfinite().all() for one in found.values())


@PARAMETRIZED
def test_a_copy_takes_over_trained_weights_rounded(model: Large, spec: SimulatorSpec) -> None:
    half = replace(model, compute=HALF)
    trainer, generator = (half.build(spec, seed=0) for _ in range(2))
    trainer.place(CPU, trains=True)
    generator.place(CPU, trains=False)
    masters = dict(trainer.module.named_parameters())
    kept = [
        name for name, one in generator.module.named_parameters() if one.dtype != torch.bfloat16
    ]
    assert all(one.dtype == torch.float32 for one in masters.values() if one.requires_grad)
    assert any(name.startswith("value_head.") for name in kept)
    for name, one in generator.module.named_parameters():
        torch.testing.assert_close(one.float(), masters[name].float(), rtol=2**-8, atol=0)


@PARAMETRIZED
def test_recomputed_gradients_are_the_same_and_less_is_kept(
    model: Large, spec: SimulatorSpec, observations: Make
) -> None:
    kept = model.build(spec, seed=0)
    recomputed = replace(model, compute=Compute(checkpointing=True)).build(spec, seed=0)
    rows = observations(3)
    batch = rows | act(kept, rows)
    sizes = list[int]()
    for policy in (kept, recomputed):
        counted = list[int]()

        def count(tensor: torch.Tensor, into: list[int] = counted) -> torch.Tensor:
            into.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            policy.evaluate(batch)
        sizes.append(sum(counted))
    assert sizes[1] < 0.6 * sizes[0]
    expected = gradients(kept, batch)
    for name, one in gradients(recomputed, batch).items():
        torch.testing.assert_close(one, expected[name], rtol=1e-5, atol=1e-6)


@PARAMETRIZED
def test_frozen_parts_are_trained_neither_themselves_nor_by_adapters(
    model: Large, spec: SimulatorSpec, observations: Make
) -> None:
    parts = {"openvla": "vision_backbone.", "pi0": ".vision_tower."}
    part = parts["pi0" if isinstance(model, Pi0) else "openvla"]
    frozen = cast("Any", replace)(model, freeze=["vision"])
    for one in (frozen, replace(frozen, lora=LoRA(r=4))):
        policy = one.build(spec, seed=0)
        trained = {name for name, p in policy.module.named_parameters() if p.requires_grad}
        assert not any(part in name for name in trained)
        assert any("q_proj" in name for name in trained)
        rows = observations(2)
        found = gradients(policy, rows | act(policy, rows))
        assert found.keys() == trained


@PARAMETRIZED
def test_everything_but_the_value_head_may_be_frozen(model: Large, spec: SimulatorSpec) -> None:
    parts = ["vision", "projector", "language"]
    parts += ["words", "expert"] if isinstance(model, Pi0) else []
    network = cast("Any", replace)(model, freeze=parts).build(spec, seed=0).module
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert all(name.startswith(("value_head", "action_", "state_", "time_")) for name in trained)


@PARAMETRIZED
def test_compiled_copies_decide_alike_and_compile_each_size_once(
    model: Large, spec: SimulatorSpec, observations: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the last stage, which makes machine code: that takes a minute."""
    monkeypatch.setattr(computing, "BACKEND", "aot_eager")
    computing.compiled.cache_clear()
    plain = model.build(spec, seed=0)
    compiled = replace(model, compute=Compute(compile=True)).build(spec, seed=0)
    compiled.place(CPU, trains=False)
    torch.compiler.reset()
    counters.clear()
    rows = observations(4)
    first = act(compiled, rows)
    graphs = counters["stats"]["unique_graphs"]
    assert 0 < graphs < 12
    for name, one in act(plain, rows).items():
        np.testing.assert_allclose(first[name], one, atol=1e-4)
    act(compiled, {name: np.roll(one, 1, 0) for name, one in rows.items()})
    assert counters["stats"]["unique_graphs"] == graphs
    assert not counters["graph_break"]
    computing.compiled.cache_clear()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
def test_machine_code_of_a_layer_does_alike() -> None:
    layer = Mlp(16, 32)
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = computing.through(layer, x)
        with computing.computing(Compute(compile=True), CPU):
            torch.testing.assert_close(computing.through(layer, x), plain)


def test_a_trainer_compiles_nothing(spec: SimulatorSpec, observations: Make) -> None:
    policy = Pi0(compute=Compute(compile=True)).build(spec, seed=0)
    policy.place(CPU, trains=True)
    counters.clear()
    act(policy, observations(2))
    assert not counters["stats"]


def test_more_sizes_than_are_compiled_are_an_error(
    spec: SimulatorSpec, observations: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "BACKEND", "eager")
    monkeypatch.setattr(computing, "SHAPES", 5)
    computing.compiled.cache_clear()
    torch.compiler.reset()
    policy = Pi0(compute=Compute(compile=True)).build(spec, seed=0)
    policy.place(CPU, trains=False)

    def act_in_many_sizes() -> None:
        for rows in range(1, 9):
            act(policy, observations(rows))

    with pytest.raises(TrainingError, match=r"give schedulers\.batching a padding"):
        act_in_many_sizes()
    computing.compiled.cache_clear()
    torch.compiler.reset()
