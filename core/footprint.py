"""What a policy takes of memory, as a model may tell of itself before it is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes of one way to train a policy; those of a decision are for each in a batch."""

    name: str
    """The way, in a few words."""
    parameters: int
    """Numbers that the network has."""
    trained: int
    """Numbers of these that are trained."""
    frozen: int
    """Of the weights that are not trained, as a trainer holds them."""
    masters: int
    """Of the weights that are trained; of gradients as much again, of AdamW's state twice."""
    reduced: int
    """Of copies in which trained weights are multiplied with, if these are others."""
    kept: int
    """Of what a decision's forward pass keeps for its backward pass."""
    recomputed: int
    """The same if each layer keeps its inputs alone: all of these, and the rest of one layer."""
    checkpointing: bool
    """It is the latter that happens."""
    copy: int
    """Of a generator's weights."""
    remembered: int
    """Of what a decision's passes hand on to each other, such as keys and values."""

    @property
    def activations(self) -> int:
        """Bytes that a decision takes in training."""
        return self.recomputed if self.checkpointing else self.kept
