from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from toys.line import Line
from toys.network import TinyPolicy
from toys.tiny import Tiny

from rlvla.core.testing import ConformanceError, check_algorithm, check_model
from rlvla.core.types import Field
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.algorithms.sft import SFT
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.simulators.tabletop import Tabletop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Algorithm, Model, Policy
    from rlvla.core.types import Arrays, Moment, SimulatorSpec

SPEC = Line().spec
TINY = cast("Model", Tiny())


class FaultyPolicy(TinyPolicy):
    """The tiny policy, except for one broken rule."""

    fault = ""

    def act(self, observations: Arrays, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
        decided: dict[str, Any] = super().act(observations, **options)
        if self.fault == "field":
            del decided["tokens"]
        if self.fault == "off":
            decided["log_prob"] = decided["log_prob"] + 1e-3
        if self.fault == "place":
            decided["action"][:] = decided["action"][:1] + len(decided["action"])
        if self.fault == "greedy":
            decided["action"] += options["seeds"][:, None, None].astype("float32")
        return decided

    def imitate(self, batch: Arrays) -> Tensor:
        loss = super().imitate(batch)
        return {"total": loss.sum(), "blind": loss.detach(), "nan": loss * torch.nan}.get(
            self.fault, loss
        )

    def load(self, directory: str) -> None:
        if self.fault != "load":
            super().load(directory)


@dataclass(frozen=True)
class Faulty:
    """The tiny model, except for one broken rule."""

    fault: str

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        fields = dict(Tiny().decision_fields(spec))
        wrong = {
            "no_value": ("value", None),
            "action": ("action", Field((1, 7), "float32")),
            "log_prob": ("log_prob", Field((1,), "float32")),
            "value": ("value", Field((5,), "float32")),
            "double": ("log_prob", Field(fields["log_prob"].shape, "float64")),
        }
        name, field = wrong.get(self.fault, ("action", fields["action"]))
        return {key: one for key, one in {**fields, name: field}.items() if one is not None}

    def build(self, spec: SimulatorSpec, *, seed: int) -> TinyPolicy:
        network = Tiny().build(spec, seed=seed).module
        if self.fault == "seed":
            torch.nn.init.normal_(network.value_head.weight)
        policy = FaultyPolicy(network)
        policy.fault = self.fault
        return policy


@pytest.mark.parametrize(
    ("model", "spec"),
    [
        (Tiny(), SPEC),
        (OpenVLA(), Tabletop(size=32).spec),
        (OpenVLA(critic="privileged"), Tabletop(size=16, task="push").spec),
    ],
)
def test_built_in_models_conform(model: Model, spec: SimulatorSpec) -> None:
    check_model(model, spec)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no_value", "decision_fields must hold 'value'"),
        ("action", r"'action' must have the shape \[C, 1\], it has \[1, 7\]"),
        ("log_prob", r"'log_prob' must have the shape \[1, K\]|must have the shape"),
        ("value", r"'value' must have the shape \[1\] or"),
        ("double", "'log_prob' of decision_fields must be float32, not float64"),
        ("seed", "equal seeds must build equal policies"),
        ("field", "what act returns must hold action, log_prob"),
        ("off", "at temperature 1, the log_prob of evaluate must equal what act recorded to 1e-05"),
        ("place", "a row's seed must alone decide its noise"),
        ("greedy", "at temperature 0 the seed must not matter|must alone decide"),
        ("total", r"imitate must return one loss a row, \[5\], it returns \[\]"),
        ("blind", "the loss of imitate must have a gradient"),
        ("nan", "the loss of imitate must be finite"),
        ("load", "load must restore 'policy_head.weight' bit for bit"),
    ],
)
def test_a_broken_model_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_model(cast("Model", Faulty(fault)), SPEC)


@pytest.mark.parametrize("algorithm", [PPO(), PPO(epochs=2), SFT(), SFT(value_coef=0.5)])
def test_built_in_algorithms_conform(algorithm: Algorithm) -> None:
    check_algorithm(algorithm, TINY, SPEC)


@dataclass(kw_only=True)
class FaultyPPO(PPO):
    """PPO, except for one broken rule."""

    fault: str = ""

    @property
    def normalised(self) -> tuple[str, ...]:
        return ("advantage", "surprise") if self.fault == "normalised" else ("advantage",)

    def parameter_groups(self, policy: torch.nn.Module) -> list[dict[str, object]]:
        groups = super().parameter_groups(policy)
        if self.fault == "rate":
            del groups[0]["lr"]
        return groups * 2 if self.fault == "twice" else groups

    def lr_scale(self, update: int) -> float:
        return -1.0 if self.fault == "scale" else 1.0

    def targets(self, segment: Arrays, bootstrap: Any) -> Arrays:  # noqa: ANN401 - passed on
        targets = super().targets(segment, bootstrap)
        if self.fault == "name":
            return {**targets, "reward": targets["return"]}
        return {name: one[1:] if self.fault == "short" else one for name, one in targets.items()}

    def loss(
        self,
        policy: Policy,
        batch: Arrays,
        moment: Moment,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        loss, metrics = super().loss(policy, batch, moment)
        wrong = {"mean": loss.mean(), "centred": loss - loss.mean(), "detached": loss.detach()}
        return wrong.get(self.fault, loss), metrics


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("scale", r"lr_scale\(0\) must be at least 0, it is -1"),
        ("rate", "parameter_groups must give each group an 'lr'"),
        ("twice", "parameter_groups must name no parameter twice"),
        ("short", "target 'advantage' must have one entry a decision, 6, it has 5"),
        ("name", "target 'reward' must not take the name of a field"),
        ("normalised", "normalised names 'surprise', which targets lacks"),
        ("mean", r"the loss must have one entry a decision, \[6\], it has \[\]"),
        ("centred", "must not depend on the micro-batch that it is in"),
        ("detached", "the loss must have a gradient"),
    ],
)
def test_a_broken_algorithm_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_algorithm(FaultyPPO(fault=fault), TINY, SPEC)
