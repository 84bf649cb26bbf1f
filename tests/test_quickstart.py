"""The checkpoint that ships, and the manifest that starts from it."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy as tensor_files

import rlvla
from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.core.success import wilson
from rlvla.core.types import Start, encode_instruction
from rlvla.plugins import BUILTIN
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.simulators.tabletop import Tabletop

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIGS = Path(str(files("rlvla.configs")))
SHIPPED = CONFIGS / "tabletop_sft"
EPISODES = 120


@pytest.fixture(scope="module")
def provenance() -> dict[str, Any]:
    record: dict[str, Any] = json.loads((SHIPPED / "provenance.json").read_text())
    return record


def successes(*, mislead: bool) -> int:
    """Count greedy successes on evaluation starts; `mislead` names a cube that is not meant."""
    simulator = Tabletop(task="reach", lanes=EPISODES)
    policy = OpenVLA(checkpoint="rlvla:tabletop_sft", critic="privileged").build(
        simulator.spec, seed=0
    )
    simulator.start(EPISODES)
    shown = {n: simulator.reset(n, Start("reach", "eval", n)) for n in range(EPISODES)}
    won = 0
    while shown:
        texts = [_other(one.instruction) if mislead else one.instruction for one in shown.values()]
        decided = policy.act(
            {
                "image/top": np.stack([one.images["top"] for one in shown.values()]),
                "proprio": np.stack([one.proprio for one in shown.values()]),
                "privileged": np.stack([one.privileged for one in shown.values()]),
                "instruction": np.stack([encode_instruction(text) for text in texts]),
            },
            seeds=np.zeros(len(shown), np.uint64),
            temperature=np.zeros(len(shown), np.float32),
        )
        for lane, action in zip(list(shown), decided["action"], strict=True):
            result = simulator.step(lane, action.astype(np.float32))
            shown[lane] = result.observation
            if result.terminated.any() or result.truncated.any():
                won += result.success
                del shown[lane]
    simulator.close()
    return won


def _other(instruction: str) -> str:
    following = {"red": "green", "green": "blue", "blue": "red"}
    return " ".join(following.get(word, word) for word in instruction.split())


def test_shipped_checkpoint_is_what_its_manifest_made(provenance: dict[str, Any]) -> None:
    manifest = CONFIGS / provenance["manifest"]["file"]
    assert sha256(manifest.read_bytes()).hexdigest() == provenance["manifest"]["sha256"]
    assert provenance["versions"]["rlvla"] == rlvla.__version__
    for name, digest in provenance["files"].items():
        assert sha256((SHIPPED / name).read_bytes()).hexdigest() == digest


def test_shipped_checkpoint_is_small_and_plain() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 8_000_000
    tensors = tensor_files.load_file(SHIPPED / "model.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert "vision_backbone.featurizer.pos_embed" in tensors


def test_shipped_policy_succeeds_as_recorded_and_only_if_it_is_told_the_truth(
    provenance: dict[str, Any],
) -> None:
    won = successes(mislead=False)
    low, high = wilson(won, EPISODES, z=2.58)
    assert low <= provenance["evaluation"]["rate"] <= high
    assert successes(mislead=True) <= won / 2


def test_the_quick_start_can_do_without_a_critic() -> None:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    plain, grouped = (
        load(CONFIGS / f"{name}.yaml", plugins.components)
        for name in ("quickstart", "quickstart_grpo")
    )
    assert (grouped.simulator, grouped.model) == (plain.simulator, plain.model)
    assert plain.phases[0].algorithm.grouping is None
    assert grouped.phases[0].algorithm.grouping is not None


def test_the_small_pi0_can_do_without_a_critic() -> None:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    plain, grouped = (
        load(CONFIGS / f"{name}.yaml", plugins.components)
        for name in ("tabletop_pi0", "tabletop_pi0_grpo")
    )
    assert (grouped.simulator, grouped.model) == (plain.simulator, plain.model)
    assert grouped.phases[0].algorithm == plain.phases[0].algorithm
    assert grouped.phases[0].budget == plain.phases[0].budget
    assert plain.phases[1].algorithm.grouping is None
    assert grouped.phases[1].algorithm.grouping is not None


@pytest.mark.parametrize("family", ["openvla", "openvla_oft", "pi0", "pi05"])
def test_one_manifest_teaches_all_families(
    family: str, call: Callable[..., tuple[object, str, str]]
) -> None:
    code, shown, _ = call("show", "tabletop_families", "-s", f"model.type={family}")
    assert code == 0
    assert f"  type: {family}\n  critic: privileged\n" in shown
    code, told, _ = call("validate", "tabletop_families", "-s", f"model.type={family}")
    assert code == 0
    assert f"would run into runs/tabletop-{family}" in told
