from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.models.openvla.actions import actions_of
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.openvla_oft.construction import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.plugins.models.openvla_oft.policy import ParallelPolicy

    Arrays = Mapping[str, NDArray[Any]]

FIXTURE = Path(__file__).parent / "parity" / "openvla_oft"
VOCABULARY = 32000
LIBERO = SimulatorSpec(
    cameras={"agentview": (224, 224), "wrist": (224, 224)},
    proprio=8,
    action_low=(-1.0,) * 7,
    action_high=(1.0,) * 7,
    max_steps=10,
    control_hz=20.0,
)
TOKENIZER = (
    '{"version":"1.0","model":{"type":"WordLevel","vocab":{"reach":7,"?":0},"unk_token":"?"}}'
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as published, of random weights and tiny sizes."""
    path = tmp_path_factory.mktemp("openvla_oft")
    for file in FIXTURE.iterdir():
        if file.suffix in {".json", ".pt"}:
            shutil.copy(file, path)
    packed = (FIXTURE / "model.safetensors.gz").read_bytes()
    (path / "model.safetensors").write_bytes(gzip.decompress(packed))
    (path / "tokenizer.json").write_text(TOKENIZER)
    return path


@pytest.fixture(scope="module")
def reference() -> Arrays:
    """Inputs, and what the original implementation computed from them."""
    with np.load(FIXTURE / "ref.npz") as arrays:
        return dict(arrays)


def assert_near(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@torch.no_grad()
def answers(policy: ParallelPolicy, reference: Arrays) -> Tensor:
    network = policy.module
    dino, siglip, dino_2, siglip_2 = torch.tensor(reference["pixel_values"]).chunk(4, 1)
    tokens = [network.patches([(dino, siglip), (dino_2, siglip_2)])]
    if network.proprio_projector is not None:
        assert policy.extent.proprio is not None
        state = policy.extent.proprio.unit(reference["proprio"][None]).astype(np.float32)
        tokens.append(network.proprio_projector(torch.tensor(state)))
    ids = torch.tensor(reference["input_ids"])[:, 1:]
    prefix = network.prefix(torch.cat(tokens, 1), ids, torch.tensor([ids.shape[1]]))
    return network.answers(prefix, 56)


def test_regression_is_that_of_the_original(directory: Path, reference: Arrays) -> None:
    options = OpenVLAOFT(checkpoint=str(directory), family="libero", head="l1", proprio=True)
    policy = build(options, LIBERO, seed=0)
    hidden = answers(policy, reference)
    assert_near(hidden.numpy(), reference["hidden"])
    assert policy.module.action_head is not None
    unit = policy.module.action_head(hidden)[0].detach().double().numpy()
    assert_near(policy.reading.statistics.restore(unit), reference["actions_l1"])


def test_bins_are_those_of_the_original(directory: Path, reference: Arrays) -> None:
    policy = build(OpenVLAOFT(checkpoint=str(directory), family="libero"), LIBERO, seed=0)
    hidden = answers(policy, reference)
    assert_near(hidden.numpy(), reference["hidden_disc"])
    # The original chooses among all ids, where ours are the bins alone: random weights like others.
    tokens = policy.module.language_model.lm_head(hidden)[0].argmax(-1).reshape(8, 7).numpy()
    actions = actions_of(tokens, policy.reading.statistics, VOCABULARY)
    assert_near(actions, reference["actions_disc"])
