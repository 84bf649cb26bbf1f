"""Every model that comes with rlvla, in every way that it samples, and a simulator for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.models.cnn import CNN
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.flow_mlp import FlowMLP
from rlvla.plugins.models.latency import LatencyModel
from rlvla.plugins.models.mlp import MLP
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla_oft import OpenVLAOFT
from rlvla.plugins.models.pi0 import Pi0, Pi05

if TYPE_CHECKING:
    from rlvla.core.interfaces import Model

SPEC = SimulatorSpec(
    cameras={"top": (32, 32)},
    proprio=3,
    privileged=5,
    action_low=(-1.0, -0.5, 0.0, 2.0),
    action_high=(1.0, 0.5, 1.0, 6.0),
    max_steps=10,
    control_hz=5.0,
)
DISCRETE = SimulatorSpec(
    cameras={},
    proprio=3,
    privileged=0,
    action_low=(0.0, 0.0),
    action_high=(4.0, 1.0),
    max_steps=10,
    control_hz=5.0,
    discrete=True,
)
SAMPLINGS = {
    f"{kind}_{stochastic}_{reduce}": FlowSampling(
        kind=kind, stochastic=stochastic, reduce=reduce, steps=3
    )
    for kind in ("sde", "noise", "cps")
    for stochastic in ("one", "all")
    for reduce in ("sum", "mean")
}
MODELS: dict[str, tuple[Model, SimulatorSpec]] = {
    "mlp": (MLP(), SPEC),
    "mlp_discrete": (MLP(), DISCRETE),
    "cnn": (CNN(), SPEC),
    "latency": (LatencyModel(chunk=2), SPEC),
    "openvla": (OpenVLA(), SPEC),
    "oft": (OpenVLAOFT(chunk=2, proprio=True, values="action"), SPEC),
    **{
        f"flow_mlp_{name}": (FlowMLP(sampling=one, chunk=2), SPEC)
        for name, one in SAMPLINGS.items()
    },
    **{f"pi0_{name}": (Pi0(sampling=one, chunk=2), SPEC) for name, one in SAMPLINGS.items()},
    **{f"pi05_{name}": (Pi05(sampling=one), SPEC) for name, one in SAMPLINGS.items()},
    "pi0_prefix": (Pi0(critic="prefix"), SPEC),
    "pi05_prefix": (Pi05(critic="prefix", discrete_state_input=False), SPEC),
}
