"""Corrections that come with rlvla: how importance weights are kept in bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the corrections."""
    here = "rlvla.plugins.corrections"
    components.corrections.add("truncate", f"{here}.truncate:Truncate")
    components.corrections.add("mask", f"{here}.mask:Mask")
    components.corrections.add("reject", f"{here}.reject:Reject")
    components.corrections.add("m2po", f"{here}.m2po:M2PO")
    components.corrections.add("gipo", f"{here}.gipo:GIPO")
