"""What a policy takes and gives: known from a checkpoint's `config.json` alone, without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlvla.plugins.models.pi0.cameras import matched
from rlvla.plugins.models.pi0.location import is_orbax, located
from rlvla.plugins.models.pi0.robots import refuse_other

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.pi0 import Pi0
    from rlvla.plugins.models.pi0.robots import Robot

CAMERAS = "base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb"
"""What openpi calls its cameras, in the order of their tokens."""
IMAGES = "observation.images."
ACTION_DIM = 32
HORIZON = 50
NAMES = {False: "pi0", True: "pi05"}
"""Of the kind without and with adaptive norms."""
TOKENS = {False: 48, True: 200}
"""To which openpi cuts prompts; those of pi0.5 hold the state."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """The sizes and names that a policy's inputs and outputs follow from."""

    horizon: int
    """Actions of a chunk."""
    action_dim: int
    """To which states and actions are padded."""
    tokens: int
    """To which longer prompts are cut."""
    cameras: tuple[str, ...]
    """In the order of their tokens."""
    discrete: bool
    """The state is a part of the prompt."""
    words: bool = False
    """Prompts are made of a fixed word list; else a checkpoint's tokenizer makes them."""
    vision_heads: int | None = None
    """Heads of the vision tower, which no tensor tells; None if `config.json` does not either."""
    relative: tuple[int, ...] = ()
    """Elements of actions that are differences from the same elements of the state."""
    robot: Robot = "plain"
    """Whose numbers become others in states and actions of the model."""

    def plain(self) -> dict[str, Any]:
        """Return what `from_config` reads: openpi's fields and our own section."""
        return {
            "action_dim": self.action_dim,
            "action_horizon": self.horizon,
            "precision": "float32",
            "rlvla": {
                "tokens": self.tokens,
                "cameras": list(self.cameras),
                "discrete": self.discrete,
                "words": self.words,
                "vision_heads": self.vision_heads,
                "relative": list(self.relative),
                "robot": self.robot,
            },
        }


def interface_of(options: Pi0, spec: SimulatorSpec) -> Interface:
    """Return the interface of the policy that the options describe.

    Raise ValueError if it does not fit the simulator.
    """
    if options.checkpoint is None:
        made = _fresh(options, spec)
    else:
        made = from_config(_stated(options, options.checkpoint), adaptive=options.adaptive)
    if options.chunk is not None and options.chunk > made.horizon:
        raise ValueError(
            f"chunk must be at most {made.horizon}, the length of the chunks that the "
            f"checkpoint was trained on, got {options.chunk}"
        )
    longest = max(spec.action_dim, 0 if options.adaptive else spec.proprio)
    if longest > made.action_dim:
        raise ValueError(
            f"checkpoint has room for {made.action_dim} numbers in states and actions, "
            f"the simulator has {spec.proprio} and {spec.action_dim}"
        )
    matched(options.cameras, tuple(spec.cameras), made.cameras)
    if options.conventions is not None:
        told = options.conventions
        made = replace(made, relative=told.relative, robot=told.robot)
    if options.discrete is not None:
        made = replace(made, discrete=options.discrete)
    if options.relative is not None:
        made = replace(made, relative=tuple(options.relative))
    refuse_other(made.robot, spec)
    alien = [one for one in made.relative if not 0 <= one < min(spec.action_dim, spec.proprio)]
    if alien:
        raise ValueError(
            f"relative has {alien}, which must be elements of both action and proprio; the "
            f"simulator has {spec.action_dim} and {spec.proprio}"
        )
    return made


def _fresh(options: Pi0, spec: SimulatorSpec) -> Interface:
    """Return the interface of a policy that is made for this simulator, from a seed."""
    tiny = options.preset == "tiny"
    longest = max(spec.action_dim, 0 if options.adaptive else spec.proprio)
    return Interface(
        horizon=options.chunk or 1 if tiny else HORIZON,
        action_dim=longest if tiny else ACTION_DIM,
        tokens=TOKENS[options.adaptive],
        cameras=tuple(spec.cameras) if tiny else CAMERAS,
        discrete=options.adaptive,
        words=tiny,
    )


def _stated(options: Pi0, checkpoint: str) -> dict[str, Any]:
    """Return `config.json`, with the horizon of options or family where it states none."""
    path = located(checkpoint)
    config = config_of(path)
    stated = config.get("action_horizon", config.get("chunk_size"))
    if options.horizon not in (None, stated) and stated is not None:
        raise ValueError(f"horizon {options.horizon} is not that of the checkpoint, {stated}")
    family = None if options.conventions is None else options.conventions.horizon
    wanted = stated or options.horizon or family
    return config if wanted is None else config | {"action_horizon": wanted}


def config_of(path: Path) -> dict[str, Any]:
    """Return `config.json` of a checkpoint directory; arrays of JAX need none."""
    file = path / "config.json"
    if is_orbax(path) and not file.is_file():
        return {}
    try:
        config: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"checkpoint's file {file} is no JSON: {error}") from None
    return config


def from_config(config: Mapping[str, Any], *, adaptive: bool) -> Interface:
    """Return what `config.json` states, in the words of openpi, lerobot or transformers.

    What it does not is as in openpi, except the horizon: raise ValueError without one.
    """
    _refuse_others(config, adaptive=adaptive)
    own: Mapping[str, Any] = config.get("rlvla", {})
    horizon = config.get("action_horizon", config.get("chunk_size"))
    if horizon is None:
        raise ValueError(
            "horizon must be the length of the chunks that the checkpoint was trained on, or "
            "family the recipe that says so: its config.json states neither action_horizon "
            "(openpi) nor chunk_size (lerobot, transformers)"
        )
    return Interface(
        horizon=horizon,
        action_dim=config.get("action_dim", config.get("max_action_dim", ACTION_DIM)),
        tokens=own.get("tokens") or config.get("tokenizer_max_length", TOKENS[adaptive]),
        cameras=tuple(own.get("cameras") or _cameras(config)),
        discrete=own.get("discrete", adaptive),
        words=own.get("words", False),
        vision_heads=own.get("vision_heads") or _vision_heads(config),
        relative=tuple(own.get("relative", ())),
        robot=own.get("robot", "plain"),
    )


def _refuse_others(config: Mapping[str, Any], *, adaptive: bool) -> None:
    """Raise ValueError if the checkpoint says that it is of another family; openpi's do not."""
    wanted, family = NAMES[adaptive], config.get("type", config.get("model_type", NAMES[adaptive]))
    if family == NAMES[not adaptive]:
        raise ValueError(f"checkpoint is of {family}, not of {wanted}: write type: {family}")
    if family != wanted:
        raise ValueError(
            f"checkpoint's config.json is of the model_type {family!r}, expected {wanted!r}"
        )


def _cameras(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return lerobot's visual features without what all their names begin with, else openpi's."""
    features: Mapping[str, Any] = config.get("input_features", {})
    images = (name for name, one in features.items() if one["type"] == "VISUAL")
    return tuple(name.removeprefix(IMAGES) for name in images) or CAMERAS


def _vision_heads(config: Mapping[str, Any]) -> int | None:
    language: Mapping[str, Any] = config.get("vlm_config", {})
    vision: Mapping[str, Any] = language.get("vision_config", {})
    return vision.get("num_attention_heads")
