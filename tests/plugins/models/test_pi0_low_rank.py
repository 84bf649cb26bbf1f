"""Adapters of openpi's JAX code, held to the products that it makes of them, letter by letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from rlvla.plugins.models.pi0.low_rank import Merged

if TYPE_CHECKING:
    from torch import Tensor

L, N, D, H, F, R = 2, 4, 6, 3, 5, 2
LAYERS = "PaliGemma/llm/layers/"
EINSUMS = {
    "attn/q_einsum": ((N, D, H), "btd,ndh->btnh", "btd,ndr->btnr", "btnr,nrh->btnh"),
    "attn/kv_einsum_1": ((2, 1, D, H), "btd,ckdh->cbtkh", "btd,ckdr->cbtkr", "cbtkr,ckrh->cbtkh"),
    "attn/attn_vec_einsum": ((N, H, D), "btnh,nhd->btd", "btnh,nhr->btr", "btr,nrd->btd"),
}


class InMemory:
    """Arrays of a checkpoint without files."""

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self._arrays = arrays

    def outlined(self) -> dict[str, Tensor]:
        return {name: one.to("meta") for name, one in self._arrays.items()}

    def read(self, name: str) -> Tensor:
        return self._arrays[name]


def merged(arrays: dict[str, Tensor]) -> Merged:
    return Merged(InMemory(arrays))


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("name", EINSUMS)
def test_an_einsum_with_its_adapter_is_one_einsum(name: str) -> None:
    shape, whole, first, second = EINSUMS[name]
    w, a = random(L, *shape), random(L, *shape[:-1], R)
    b = random(L, *shape[:-2], R, shape[-1])
    stem = f"{LAYERS}{name}/"
    found = merged({f"{stem}w": w, f"{stem}lora_a": a, f"{stem}lora_b": b})
    assert found.outlined().keys() == {f"{stem}w"}
    x = random(2, 3, N, H) if "vec" in name else random(2, 3, D)
    for layer, ours in enumerate(found.read(f"{stem}w")):
        low = torch.einsum(second, torch.einsum(first, x, a[layer]), b[layer])
        torch.testing.assert_close(
            torch.einsum(whole, x, ours), torch.einsum(whole, x, w[layer]) + low
        )


@pytest.mark.parametrize("name", ["mlp/gating_einsum", "mlp_1/linear"])
def test_a_matrix_of_an_mlp_with_its_adapter_is_one_matrix(name: str) -> None:
    lead, height, width = ((L, 2), D, F) if "gating" in name else ((L,), F, D)
    w, a, b = random(*lead, height, width), random(*lead, height, R), random(*lead, R, width)
    stem = f"{LAYERS}{name}"
    found = merged({stem: w, f"{stem}_lora_a": a, f"{stem}_lora_b": b})
    assert found.outlined().keys() == {stem}
    x = random(3, height)
    torch.testing.assert_close(x @ found.read(stem), x @ w + x @ a @ b)


def test_arrays_without_adapters_are_what_they_are() -> None:
    w = random(L, D, F)
    assert merged({"linear": w}).read("linear") is w


@pytest.mark.parametrize(
    "shape_b", [None, (L, R + 1, D), (L, R, D + 1)], ids=["missing", "rank", "width"]
)
def test_an_adapter_that_fits_nothing_is_a_stranger(shape_b: tuple[int, ...] | None) -> None:
    arrays = {"linear": random(L, F, D), "linear_lora_a": random(L, F, R)}
    if shape_b is not None:
        arrays["linear_lora_b"] = random(*shape_b)
    assert merged(arrays).outlined().keys() == arrays.keys()
