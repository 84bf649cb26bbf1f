"""Models that come with rlvla."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the models."""
    components.models.add("latency", "rlvla.plugins.models.latency:LatencyModel")
    components.models.add("cnn", "rlvla.plugins.models.cnn:CNN")
    components.models.add("flow_mlp", "rlvla.plugins.models.flow_mlp:FlowMLP")
    components.models.add("mlp", "rlvla.plugins.models.mlp:MLP")
    components.models.add("openvla", "rlvla.plugins.models.openvla:OpenVLA")
    components.models.add("openvla_oft", "rlvla.plugins.models.openvla_oft:OpenVLAOFT")
    components.models.add("pi0", "rlvla.plugins.models.pi0:Pi0")
    components.models.add("pi05", "rlvla.plugins.models.pi0:Pi05")
