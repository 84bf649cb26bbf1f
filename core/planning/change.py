"""Changes of a manifest: what to write where, as on a command line."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from rlvla.core.document import dump
from rlvla.core.manifest import from_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.manifest import Environment
    from rlvla.core.registry import Components
    from rlvla.core.settings import Manifest


def changed(
    manifest: Manifest,
    changes: Mapping[str, object],
    components: Components,
    environment: Environment,
) -> Manifest:
    """Return a manifest with other values at dotted keys; raise ManifestError if it is wrong."""
    plain: dict[str, Any] = {**manifest.plain}
    for key, value in changes.items():
        _put(plain, key, value)
    return from_plain(plain, components, environment=environment)


def snippet(changes: Mapping[str, object]) -> str:
    """Return changes as the YAML to write into a manifest."""
    plain: dict[str, Any] = {}
    for key, value in changes.items():
        _put(plain, key, value)
    return dump(plain)


def _put(plain: dict[str, Any], key: str, value: object) -> None:
    """Set a value, in copies of the mappings on the way to it."""
    first, _, rest = key.partition(".")
    if not rest:
        plain[first] = deepcopy(value)
        return
    plain[first] = {**plain.get(first, {})}
    _put(plain[first], rest, value)
