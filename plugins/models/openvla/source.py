"""Where the files of a checkpoint are, and what its JSON files say; imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rlvla.plugins.models.directory import directory
from rlvla.plugins.models.openvla.actions import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.plugins.models.openvla.conventions import Conventions

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_FOLDER = "lora_adapter"
STATISTICS = "dataset_statistics.json"
SIMULATOR = "simulator"
"""Name of the statistics that are the bounds of the simulator's actions."""


@dataclass(frozen=True)
class Source:
    """The directories of a checkpoint: one, or two if its adapters are not merged."""

    own: Path
    """Of what belongs to the fine-tune."""
    base: Path
    """Of `config.json` and `model.safetensors`."""
    adapter: Path | None = None
    """Of adapters that the weights still lack."""

    def file(self, name: str) -> Path | None:
        """Return the file called `name`, that of the fine-tune first; None if there is none."""
        found = (folder / name for folder in (self.own, self.base))
        return next((path for path in found if path.is_file()), None)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the content of the JSON file called `name`; None if there is none."""
        path = self.file(name)
        return None if path is None else _content(path)

    @property
    def config(self) -> dict[str, Any]:
        """`config.json`, its `norm_stats` overridden by `dataset_statistics.json` if there."""
        config, override = _content(self.base / "config.json"), self.read(STATISTICS)
        return config if override is None else config | {"norm_stats": override}

    @property
    def components(self) -> list[Path]:
        """The files that OpenVLA-OFT puts beside the weights."""
        return sorted(self.own.glob("*--*_checkpoint.pt"))

    @property
    def own_layout(self) -> bool:
        """Whether rlvla wrote the checkpoint."""
        return "rlvla" in self.config


def source_of(checkpoint: str | None, base: str | None) -> Source | None:
    """Return where the options `checkpoint` and `base` point; None for a policy from the seed.

    Raise ValueError if the files that they promise are not there.
    """
    if checkpoint is None:
        if base is not None:
            raise ValueError("base needs a checkpoint, whose adapters were trained on it")
        return None
    adapter = _adapter(Path(checkpoint))
    if adapter is None:
        if base is not None:
            raise ValueError(
                f"base is of use only to a checkpoint of adapters alone; {checkpoint!r} is none"
            )
        return _whole(checkpoint)
    if base is None:
        trained_on = _content(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
        raise ValueError(
            f"base must name the directory of {trained_on!r}: checkpoint {checkpoint!r} holds "
            "only adapters that were trained on it"
        )
    return Source(Path(checkpoint), _whole(base).base, adapter)


def cameras_of(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the cameras that a checkpoint of ours was trained on; None where none are stated."""
    stated = config.get("rlvla", {}).get("cameras")
    return None if stated is None else tuple(stated)


def statistics_of(
    config: Mapping[str, Any], name: str | None, conventions: Conventions
) -> Statistics:
    """Return the statistics of actions called `name`, or the only ones."""
    chosen, entry = _chosen(config, name)
    return _read(chosen, entry, "action", conventions)


def proprio_statistics_of(
    config: Mapping[str, Any], name: str | None, conventions: Conventions
) -> Statistics | None:
    """Return those of proprioception; None where a checkpoint of ours takes it as it is."""
    chosen, entry = _chosen(config, name)
    if "proprio" in entry and entry["proprio"] is None:
        return None
    return _read(chosen, entry, "proprio", conventions)


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"checkpoint's file {path} is no JSON: {error}") from None
    return content


def _adapter(path: Path) -> Path | None:
    """Return where a checkpoint without weights has its adapters, if it has any."""
    if list(path.glob("model*.safetensors*")):
        return None
    folders = (path / ADAPTER_FOLDER, path)
    return next((one for one in folders if (one / ADAPTER_CONFIG).is_file()), None)


def _whole(checkpoint: str) -> Source:
    try:
        path = directory(checkpoint)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
    return Source(path, path)


def _chosen(config: Mapping[str, Any], name: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the name and entry of statistics; those of LIBERO's datasets end in `_no_noops`."""
    known: Mapping[str, Any] = config.get("norm_stats") or {}
    if not known:
        raise ValueError(
            "statistics are not in the checkpoint: neither norm_stats in config.json nor "
            f"{STATISTICS}; {SIMULATOR!r} would take the bounds of the simulator's actions"
        )
    if name is None and len(known) > 1:
        raise ValueError(f"statistics must name one of {', '.join(sorted(known))}")
    candidates = [next(iter(known))] if name is None else [name, f"{name}_no_noops"]
    chosen = next((one for one in candidates if one in known), None)
    if chosen is None:
        choices = ", ".join(sorted(known))
        raise ValueError(f"statistics {name!r} are not in the checkpoint, it has: {choices}")
    return chosen, cast("Mapping[str, Any]", known[chosen])


def _read(name: str, entry: Mapping[str, Any], what: str, conventions: Conventions) -> Statistics:
    missing = [key for key in conventions.bounds if key not in entry.get(what, {})]
    if missing:
        raise ValueError(
            f"statistics {name!r} of the checkpoint lack {', '.join(missing)} of {what}"
        )
    return Statistics.of_dataset(entry[what], conventions.bounds)
