"""Sizes of batches and their parts."""

from __future__ import annotations


def require_whole_batches(batch_size: int, micro_batch_size: int, minibatches: int = 1) -> None:
    """Raise ValueError unless all are positive and a batch is made of whole parts."""
    sizes = {
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "minibatches": minibatches,
    }
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    if batch_size % minibatches:
        raise ValueError(f"minibatches must divide batch_size, {batch_size}, got {minibatches}")
    if minibatches > 1 and (batch_size // minibatches) % micro_batch_size:
        raise ValueError(
            f"micro_batch_size must divide the {batch_size // minibatches} decisions of a "
            f"minibatch, got {micro_batch_size}"
        )
    if batch_size % micro_batch_size:
        raise ValueError(
            f"micro_batch_size must divide batch_size, {batch_size}, got {micro_batch_size}"
        )
