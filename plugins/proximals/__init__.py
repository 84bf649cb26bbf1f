"""Proximal policies that come with rlvla: where the centre of the clip is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the proximal policies."""
    here = "rlvla.plugins.proximals"
    components.proximals.add("behaviour", f"{here}.behaviour:Behaviour")
    components.proximals.add("recompute", f"{here}.recompute:Recompute")
    components.proximals.add("snapshot", f"{here}.snapshot:Snapshot")
    components.proximals.add("old_logit_model", f"{here}.old_logit_model:OldLogitModel")
    components.proximals.add("interrupt", f"{here}.interrupt:Interrupt")
    components.proximals.add("ewma", f"{here}.ewma:Ewma")
    components.proximals.add("interpolate", f"{here}.interpolate:Interpolate")
