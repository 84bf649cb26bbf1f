"""Sizes of small networks with parallel decoding."""

from __future__ import annotations

from rlvla.plugins.models.openvla.presets import Architecture, Decoder, Tower

CHUNK = 2
"""Actions of a tiny policy's decision. The tabletop's episodes have 4 to 40 actions: with the
published 8 most of a reach would be one decision, and nobody demonstrates how to go on from where
it missed."""


def tiny(image: tuple[int, int]) -> Architecture:
    """Return sizes that learn on a laptop's CPU, with fewer than 700,000 parameters.

    A chunk costs one pass over many slots, so they are smaller than those of one action.
    """
    tower = Tower(width=48, depth=2, heads=2, hidden=96)
    return Architecture(
        image=image,
        patch=16,
        dino=tower,
        siglip=tower,
        decoder=Decoder(width=96, layers=3, heads=4, hidden=128, vocabulary=640, padding=64),
        tokenizer="words",
    )
