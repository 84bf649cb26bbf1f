"""How a large network is computed and which parts of it are trained; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Precision, memory and speed of a large network; none of it changes what is learned from.

    With `bfloat16` products of matrices, attention and what the layers hand on are bfloat16. Norms,
    output layers, value heads, the flow's own layers, log-probabilities and losses stay float32, as
    do all weights that are trained, with their gradients and optimizer state. Weights that are
    not, and all large ones of a generator's copy, are then kept in bfloat16.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 on a GPU, float32 on the CPU."""
    checkpointing: bool = False
    """Keep only the inputs of each layer for the backward pass and compute the rest again."""
    compile: bool = False
    """Let torch compile the layers of a generator's copy. Each size of a batch is compiled for
    itself, so give the batching scheduler its `padding`; prompts are padded to multiples of 16."""

    @property
    def multiple(self) -> int:
        """What lengths of prompts are multiples of."""
        return 16 if self.compile else 1
