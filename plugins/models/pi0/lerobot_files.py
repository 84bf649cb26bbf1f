"""pi0 and pi0.5 in the files of lerobot: a prefix, a config, and pipelines with statistics.

lerobot builds only the published sizes, and its config takes no fields but its own. Files of other
sizes have our section in it: rlvla reads them, lerobot refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from rlvla.plugins.models.pi0.interface import IMAGES
from rlvla.plugins.models.pi0.lerobot import NORMALIZER, PIPELINE
from rlvla.plugins.models.pi0.publishing import (
    published_tensors,
    section,
    variants,
    write_json,
)
from rlvla.plugins.models.shards import MODEL
from rlvla.plugins.models.tensors import rounded, write_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from rlvla.plugins.models.pi0.policy import PiPolicy
    from rlvla.plugins.models.pi0.scaling import Scale

EPSILON = 1e-8
"""What lerobot adds to a deviation."""
TOKENIZER = "google/paligemma-3b-pt-224"
POSTPROCESSOR = "policy_postprocessor.json"
STATE, ACTION = "observation.state", "action"


def write_lerobot(policy: PiPolicy, directory: Path, *, reduced: bool = False) -> None:
    """Write weights without our heads, `config.json`, both pipelines and the tokenizer.

    `reduced`: the weights are bfloat16.

    Raise ValueError for a policy whose actions are differences or in a frame of their own, for
    which lerobot has steps that are not written, and for a pi0.5 that is not told the state.
    """
    _refuse(policy)
    named = {f"model.{name}": one for name, one in published_tensors(policy).items()}
    write_tensors(rounded(named) if reduced else named, directory / MODEL)
    config = _config(policy) | {"dtype": "bfloat16" if reduced else "float32"}
    write_json(config | section(policy, config), directory / "config.json")
    statistics = _statistics(policy)
    before = _before(policy, config)
    for file, steps in ((PIPELINE, before), (POSTPROCESSOR, _after(config))):
        stem = file.removesuffix(".json")
        for number, step in enumerate(steps):
            if "norm_map" in step["config"]:
                step["state_file"] = f"{stem}_step_{number}_{step['registry_name']}.safetensors"
                write_tensors(statistics, directory / step["state_file"])
        write_json({"name": stem, "steps": steps}, directory / file)
    policy.reading.tokenizer.save(directory)


def _refuse(policy: PiPolicy) -> None:
    interface = policy.reading.interface
    unwritten = {
        "relative actions": bool(interface.relative),
        f"the numbers of {interface.robot}": interface.robot != "plain",
        "prompts of pi0.5 without the state": interface.discrete
        != policy.module.architecture.adaptive,
    }
    found = [what for what, is_so in unwritten.items() if is_so]
    if found:
        raise ValueError(f"{found[0]} have no form in lerobot's files here; `--to openpi` has one")


def _config(policy: PiPolicy) -> dict[str, Any]:
    architecture, interface = policy.module.architecture, policy.reading.interface
    side, normalised = architecture.image, _mode(policy)
    images = {
        f"{IMAGES}{name}": {"type": "VISUAL", "shape": [3, side, side]}
        for name in interface.cameras
    }
    state = {"type": "STATE", "shape": [len(policy.reading.scales.state.size)]}
    action = {"type": "ACTION", "shape": [len(policy.reading.scales.actions.size)]}
    return {
        "type": "pi05" if architecture.adaptive else "pi0",
        "n_obs_steps": 1,
        "input_features": images | {STATE: state},
        "output_features": {ACTION: action},
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": normalised, "ACTION": normalised},
        "device": "cpu",
        **variants(architecture),
        "chunk_size": interface.horizon,
        "n_action_steps": policy.sampler.chunk,
        "max_state_dim": interface.action_dim,
        "max_action_dim": interface.action_dim,
        "num_inference_steps": policy.sampler.sampling.steps,
        "image_resolution": [side, side],
        "tokenizer_max_length": interface.tokens,
    }


def _mode(policy: PiPolicy) -> str:
    return "QUANTILES" if policy.module.architecture.adaptive else "MEAN_STD"


def _statistics(policy: PiPolicy) -> dict[str, Tensor]:
    scales = policy.reading.scales
    return _of(STATE, scales.state) | _of(ACTION, scales.actions)


def _of(feature: str, scale: Scale) -> dict[str, Tensor]:
    """Return the statistics that make lerobot scale a feature alike, float32 as it keeps them."""
    numbers = {
        "mean": scale.shift,
        "std": scale.size - EPSILON,
        "q01": scale.shift - scale.size,
        "q99": scale.shift + scale.size,
    }
    return {f"{feature}.{name}": torch.tensor(one).float() for name, one in numbers.items()}


def _before(policy: PiPolicy, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps before the network; pi0.5 writes the normalised state into its prompt."""
    tokenize = _step(
        "tokenizer_processor",
        max_length=config["tokenizer_max_length"],
        task_key="task",
        padding_side="right",
        padding="max_length",
        truncation=True,
        tokenizer_name=TOKENIZER,
    )
    features = config["input_features"] | config["output_features"]
    normalise = _step(
        NORMALIZER, eps=EPSILON, features=features, norm_map=config["normalization_mapping"]
    )
    first = [_step("rename_observations_processor", rename_map={}), _step("to_batch_processor")]
    device = _step("device_processor", device="cpu", float_dtype=None)
    if not policy.module.architecture.adaptive:
        return [*first, _step("pi0_new_line_processor"), tokenize, device, normalise]
    write_state = _step(
        "pi05_prepare_state_tokenizer_processor_step", max_state_dim=config["max_state_dim"]
    )
    return [*first, normalise, write_state, tokenize, device]


def _after(config: dict[str, Any]) -> list[dict[str, Any]]:
    restore = _step(
        "unnormalizer_processor",
        eps=EPSILON,
        features=config["output_features"],
        norm_map=config["normalization_mapping"],
    )
    return [restore, _step("device_processor", device="cpu", float_dtype=None)]


def _step(name: str, **config: object) -> dict[str, Any]:
    return {"registry_name": name, "config": config}
