"""Loggers that come with rlvla: where the metrics of a run go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the loggers."""
    components.loggers.add("console", "rlvla.plugins.loggers.console:Console")
    components.loggers.add("jsonl", "rlvla.plugins.loggers.jsonl:Jsonl")
    components.loggers.add("tensorboard", "rlvla.plugins.loggers.tensorboard:TensorBoard")
