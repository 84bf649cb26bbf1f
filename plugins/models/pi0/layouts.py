"""Names of the tensors in the files of others, as openpi's PyTorch files have them.

openpi itself; lerobot, which puts `model.` before each; and transformers' own names of pi0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

EMBEDDING = "paligemma_with_expert.paligemma.lm_head.weight"
_PALIGEMMA = "paligemma_with_expert.paligemma.model."
_EXPERT = "paligemma_with_expert.gemma_expert."
_TRANSFORMERS = (
    (
        re.compile(r"^model\.vlm\.vision_tower\.(?!vision_model\.)"),
        "model.vlm.vision_tower.vision_model.",
    ),
    (re.compile(r"^model\.vlm\."), _PALIGEMMA),
    (re.compile(r"^model\.dit\."), f"{_EXPERT}model."),
    (re.compile(r"^embed_action_time\."), ""),
)
_LEROBOT = (re.compile(r"^model\.(?!vlm\.|dit\.)"), "")
_COPY = f"{_PALIGEMMA}language_model.embed_tokens.weight"
_NEVER_RUN = {f"{_EXPERT}lm_head.weight", f"{_EXPERT}model.embed_tokens.weight"}
"""Words of the expert, which has none."""


def published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under openpi's names, each once and only those that are used.

    The embedding and the output layer are one tensor; a file may have it under either name.
    """
    named = {_renamed(name): tensor for name, tensor in state.items()}
    kept = {name: tensor for name, tensor in named.items() if name not in _NEVER_RUN}
    copy = kept.pop(_COPY, None)
    if copy is not None and not _equal(copy, kept.setdefault(EMBEDDING, copy)):
        raise ValueError(
            f"checkpoint has two embeddings: {EMBEDDING} and {_COPY} differ, where pi0 has one; "
            "remove the one that was not trained"
        )
    return kept


def _equal(one: Tensor, two: Tensor) -> bool:
    """Whether two tensors are equal; of those without memory only shapes can be."""
    return one.shape == two.shape and (one.is_meta or one.equal(two))


def _renamed(name: str) -> str:
    for pattern, replacement in (_LEROBOT, *_TRANSFORMERS):
        name = pattern.sub(replacement, name)
    return name
