"""Arrays as openpi's JAX code saves them: the folder `params`, written by orbax.

The tree of names is in `_METADATA`; each array is one of zarr, in a database of many (OCDBT) or in
a folder of its own.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from rlvla.plugins.models.pi0.location import FOLDER, METADATA

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

ROOT, LEAF = "params", "value"
"""Levels of the tree that are no part of a name; the last is there if training saved it."""


class Arrays:
    """The arrays of a checkpoint by their names, as `PaliGemma/img/pos_embedding`."""

    def __init__(self, checkpoint: Path) -> None:
        """Open them without reading any; raise ValueError if one is missing or not whole."""
        self._folder = checkpoint / FOLDER
        self._library = _library()
        content = json.loads((self._folder / METADATA).read_text())
        keys = [_keys(one) for one in content["tree_metadata"].values()]
        self._driver = "zarr3" if content.get("use_zarr3") else "zarr"
        self._many = content.get("use_ocdbt", (self._folder / "manifest.ocdbt").is_file())
        # Else parts of arrays that are zero everywhere are not stored.
        self._complete = content.get("store_array_data_equal_to_fill_value", False)
        self._stores = {
            "/".join(one[1:] if one[-1] != LEAF else one[1:-1]): self._opened(one)
            for one in keys
            if one[0] == ROOT
        }

    def outlined(self) -> dict[str, Tensor]:
        """Return the arrays without memory."""
        return {
            name: torch.empty(tuple(store.shape), device="meta")
            for name, store in self._stores.items()
        }

    def read(self, name: str) -> Tensor:
        """Return an array in float32; raise ValueError if it is not whole."""
        single = self._library.cast(self._stores[name], self._library.float32)
        try:
            return torch.from_numpy(single.read().result())
        except ValueError as error:
            raise self._fault(name, error) from None

    def _opened(self, keys: list[str]) -> Any:  # noqa: ANN401 - the library has no types
        name = ".".join(keys)
        store: dict[str, Any] = {"driver": "file", "path": f"{self._folder / name}/"}
        if self._many:
            base = {"driver": "file", "path": f"{self._folder}/"}
            store = {"driver": "ocdbt", "base": base, "path": f"{name}/"}
        spec = {
            "driver": self._driver,
            "kvstore": store,
            "fill_missing_data_reads": not self._complete,
        }
        try:
            return self._library.open(spec, open=True, read=True).result()
        except ValueError as error:
            raise self._fault(name, error) from None

    def _fault(self, name: str, error: ValueError) -> ValueError:
        cause = str(error).partition(" [tensorstore_spec")[0]
        return ValueError(f"checkpoint's array {name} in {self._folder} cannot be read: {cause}")


def _keys(entry: dict[str, Any]) -> list[str]:
    return [str(one["key"]) for one in entry["key_metadata"]]


def _library() -> Any:  # noqa: ANN401 - it has no types
    try:
        return import_module("tensorstore")
    except ImportError:
        raise ValueError(
            "checkpoint holds arrays of JAX, which need the package tensorstore: "
            "pip install 'rlvla[jax]'"
        ) from None
