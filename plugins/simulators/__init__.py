"""Simulators: the backends that own lanes and step them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlvla.core.diagnosis import Diagnosis
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the simulators by name."""
    components.simulators.add("envpool", "rlvla.plugins.simulators.envpool:EnvPool")
    components.simulators.add("latency", "rlvla.plugins.simulators.latency:LatencySimulator")
    components.simulators.add("gymnasium", "rlvla.plugins.simulators.gymnasium:Gymnasium")
    components.simulators.add("libero", "rlvla.plugins.simulators.libero:Libero")
    components.simulators.add("maniskill", "rlvla.plugins.simulators.maniskill:ManiSkill")
    components.simulators.add("metaworld", "rlvla.plugins.simulators.metaworld:Metaworld")
    components.simulators.add("robocasa", "rlvla.plugins.simulators.robocasa:Robocasa")
    components.simulators.add("robosuite", "rlvla.plugins.simulators.robosuite:Robosuite")
    components.simulators.add("tabletop", "rlvla.plugins.simulators.tabletop:Tabletop")


@hookimpl
def diagnose() -> Iterable[Diagnosis]:
    """Say what draws on this machine."""
    from rlvla.plugins.simulators import diagnosis

    return diagnosis.diagnose()
