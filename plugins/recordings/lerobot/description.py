"""What a dataset says of itself, and whether that fits a simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.plugins.recordings.lerobot.names import ACTION, IMAGES, INFO, STATE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rlvla.core.types import SimulatorSpec

VERSIONS = ("v2.1", "v3.0")


@dataclass(frozen=True)
class Description:
    """`meta/info.json` of the dataset in a folder."""

    root: Path
    info: Mapping[str, Any]

    @classmethod
    def of(cls, root: Path) -> Description:
        """Read it; raise ValueError if there is none, or a version that nobody here knows."""
        try:
            info: Mapping[str, Any] = json.loads((root / INFO).read_text())
            version = info.get("codebase_version")
        except OSError as error:
            raise ValueError(f"path {root} is no LeRobot dataset: it has no {INFO}") from error
        except (ValueError, AttributeError) as error:
            raise ValueError(f"path {root}: its {INFO} cannot be read: {error}") from error
        if version not in VERSIONS:
            raise ValueError(
                f"path {root} is a LeRobot dataset of version {version}, known are "
                f"{' and '.join(VERSIONS)}"
            )
        missing = [name for name in ("features", "fps") if name not in info]
        if missing:
            raise ValueError(f"path {root}: its {INFO} has no {missing[0]}")
        return cls(root, info)

    @property
    def packed(self) -> bool:
        """Whether episodes share files, as since v3.0."""
        return bool(self.info["codebase_version"] == "v3.0")

    def videos(self, named: Mapping[str, str]) -> list[str]:
        """Return those of the features of cameras that are videos."""
        return [one for one in named.values() if self._features[one]["dtype"] == "video"]

    def check(self, spec: SimulatorSpec, named: Mapping[str, str]) -> None:
        """Raise ValueError unless the dataset shows and does what the simulator shows and takes.

        `named` are the features by the simulator's cameras that they show.
        """
        self._check_cameras(spec, named)
        for feature, length in ((STATE, spec.proprio), (ACTION, spec.action_dim)):
            shape = self._features.get(feature, {"shape": [0]})["shape"]
            if list(shape) != [length]:
                raise ValueError(
                    f"path {self.root}: {feature!r} has the shape {list(shape)}, the simulator's "
                    f"is {[length]}"
                )
        if self.info["fps"] != spec.control_hz:
            raise ValueError(
                f"path {self.root} has {self.info['fps']:g} actions a second, the simulator "
                f"{spec.control_hz:g}"
            )

    def _check_cameras(self, spec: SimulatorSpec, named: Mapping[str, str]) -> None:
        shown = [one.removeprefix(IMAGES) for one in self._features if one.startswith(IMAGES)]
        for camera, feature in named.items():
            if feature not in self._features:
                raise ValueError(
                    f"cameras: the dataset shows {', '.join(shown) or 'nothing'}, not "
                    f"{feature.removeprefix(IMAGES)}; say which of them is the simulator's "
                    f"{camera!r}, as `cameras: {{{camera}: {next(iter(shown), '...')}}}`"
                )
            size = _size(self._features[feature])
            if size != [*spec.cameras[camera], 3]:
                raise ValueError(
                    f"path {self.root}: {feature!r} has the shape {size}, the simulator's camera "
                    f"{camera!r} has {[*spec.cameras[camera], 3]}"
                )

    @property
    def _features(self) -> Mapping[str, Any]:
        features: Mapping[str, Any] = self.info["features"]
        return features


def _size(feature: Mapping[str, Any]) -> list[int]:
    """Return height, width and channels, of which some datasets name the channels first."""
    shape = list(feature["shape"])
    first = str((feature.get("names") or ["height"])[0]).startswith("channel")
    return [*shape[1:], shape[0]] if first else shape
