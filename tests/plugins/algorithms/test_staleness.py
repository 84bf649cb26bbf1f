"""Decoupled ratios: golden vectors, identities, and what an independent implementation says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from rlvla.core.followers import follow
from rlvla.core.types import Field, Moment, SimulatorSpec
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.algorithms.surrogate import Surrogate
from rlvla.plugins.corrections.gipo import GIPO
from rlvla.plugins.corrections.mask import Mask
from rlvla.plugins.corrections.truncate import Truncate
from rlvla.plugins.proximals.interpolate import Interpolate
from rlvla.plugins.proximals.recompute import Recompute

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Score

    MakePolicy = Callable[..., Policy]
    MakeBatch = Callable[..., dict[str, Array]]

CLIP = 0.2
SPEC = SimulatorSpec(
    cameras={}, proprio=5, action_low=(-1.0,), action_high=(1.0,), max_steps=10, control_hz=10.0
)
FIELDS = {"log_prob": Field((3, 2), "float32"), "value": Field((1,), "float32")}


def _surrogate(level: Any = "token", **options: Any) -> Surrogate:  # noqa: ANN401 - passed on
    return Surrogate(level=level, clip_low=CLIP, clip_high=CLIP, **options)


def _logs(*rows: list[float]) -> list[Tensor]:
    """Return the logarithms of probabilities as those of decisions of one token, [B, 1, 1]."""
    return [torch.tensor(row, dtype=torch.float64).log()[:, None, None] for row in rows]


def _drawn(size: int = 64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return log-probs under present, proximal and behaviour, [B, 2, 3], and advantages [B, 1]."""
    random = torch.Generator().manual_seed(seed)
    behaviour = torch.randn(size, 2, 3, generator=random, dtype=torch.float64) - 2
    near, far = (
        0.3 * torch.randn(size, 2, 3, generator=random, dtype=torch.float64) for _ in range(2)
    )
    advantage = torch.randn(size, 1, generator=random, dtype=torch.float64)
    return behaviour + near + far, behaviour + near, behaviour, advantage


def _loss(surrogate: Surrogate, present: Tensor, proximal: Tensor, *rest: Tensor) -> Tensor:
    behaviour, advantage = rest
    return surrogate.terms(present - proximal, advantage, None, proximal - behaviour)["policy_loss"]


def test_the_golden_vector() -> None:
    present, proximal, behaviour = _logs([0.5, 0.2, 0.1], [0.4, 0.25, 0.2], [0.5, 0.2, 0.1])
    advantage = torch.tensor([[1.0], [-1.0], [2.0]], dtype=torch.float64)
    terms = _surrogate().terms(present - proximal, advantage, None, proximal - behaviour)
    np.testing.assert_allclose(terms["ratio"], [1.25, 0.8, 0.5])
    np.testing.assert_allclose(terms["weight"], [0.8, 1.25, 2.0])
    np.testing.assert_allclose(terms["policy_loss"], [-0.96, 1.0, -2.0])
    assert float(terms["policy_loss"].mean()) == pytest.approx(-0.653333, abs=1e-6)
    plain = _surrogate().terms(present - behaviour, advantage, None)["policy_loss"]
    assert float(plain.mean()) == pytest.approx(-0.666667, abs=1e-6)


def test_weight_times_ratio_is_the_ratio_to_the_behaviour() -> None:
    present, proximal, behaviour, advantage = _drawn()
    terms = _surrogate("chunk").terms(present - proximal, advantage, None, proximal - behaviour)
    expected = (present - behaviour).sum((1, 2)).exp()
    torch.testing.assert_close(terms["weight"] * terms["ratio"], expected)


def test_around_the_behaviour_it_is_the_ordinary_objective() -> None:
    present, _, behaviour, advantage = _drawn()
    decoupled = _loss(_surrogate(), present, behaviour, behaviour, advantage)
    plain = _surrogate().terms(present - behaviour, advantage, None)["policy_loss"]
    assert torch.equal(decoupled, plain)


def test_at_the_proximal_policy_the_gradient_is_that_of_importance_sampling() -> None:
    _, proximal, behaviour, advantage = _drawn()
    present = proximal.clone().requires_grad_()
    surrogate = _surrogate(correction=Truncate(cap=1.1))
    torch.autograd.backward([_loss(surrogate, present, proximal, behaviour, advantage).sum()])
    weight = (proximal - behaviour).exp().clamp(max=1.1)
    expected = -weight * advantage[:, :, None] / 6
    assert present.grad is not None
    torch.testing.assert_close(present.grad, expected)


def test_it_is_the_logarithmic_form_of_hilton_and_others() -> None:
    present, proximal, behaviour, advantage = _drawn(512)
    ours = _loss(_surrogate(), present, proximal, behaviour, advantage)
    gain = advantage[:, :, None]
    bounds = np.log(1 - CLIP), np.log(1 + CLIP)
    clipped = (present - proximal).clamp(*bounds) + proximal - behaviour
    theirs = (-gain * (present - behaviour).exp()).maximum(-gain * clipped.exp())
    torch.testing.assert_close(ours, theirs.mean((1, 2)), rtol=1e-12, atol=1e-13)


@pytest.mark.filterwarnings("ignore")
def test_it_agrees_with_torchrl() -> None:
    objectives = pytest.importorskip("torchrl.objectives")
    modules = pytest.importorskip("torchrl.modules")
    nn = pytest.importorskip("tensordict.nn")
    tensordict = pytest.importorskip("tensordict")
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 5, dtype=torch.float64)
    actor = modules.ProbabilisticActor(
        nn.TensorDictModule(network, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
    )
    oracle = objectives.ClipPPOLoss(
        actor,
        delay_actor=True,
        clip_epsilon=CLIP,
        normalize_advantage=False,
        entropy_bonus=False,
        critic_coeff=None,
        reduction="none",
    )
    seen = torch.randn(32, 4, dtype=torch.float64)
    action = torch.randint(5, (32,))
    behaviour = torch.randn(32, 5, dtype=torch.float64).log_softmax(-1)
    behaviour = behaviour.gather(1, action[:, None])[:, 0]
    advantage = torch.randn(32, 1, dtype=torch.float64)

    def log_prob() -> Tensor:
        scores = network(seen).log_softmax(-1)
        return scores.gather(1, action[:, None])[:, 0].detach()

    proximal = log_prob()
    with torch.no_grad():
        for parameter in oracle.actor_network_params.values(True, True):
            parameter.data += 0.1 * torch.randn_like(parameter)
    with oracle.actor_network_params.to_module(oracle.actor_network):
        present = log_prob()
    batch = tensordict.TensorDict(
        {
            "observation": seen,
            "action": action,
            "action_log_prob": behaviour,
            "advantage": advantage,
        },
        [32],
    )
    theirs = oracle(batch)["loss_objective"].flatten()
    entries = (one[:, None, None] for one in (present, proximal, behaviour))
    ours = _loss(_surrogate(), *entries, advantage)
    assert not torch.equal(present, proximal)
    torch.testing.assert_close(ours, theirs.detach())


def test_gipo_by_its_formula() -> None:
    present, _, behaviour, advantage = _drawn()
    present.requires_grad_()
    surrogate = _surrogate(correction=GIPO(sigma=0.5))
    loss = surrogate.terms(present - behaviour, advantage, None)["policy_loss"]
    torch.autograd.backward([loss.sum()])
    log_ratio = (present - behaviour).detach()
    trust = (-0.5 * (log_ratio / 0.5) ** 2).exp()
    expected = -advantage[:, :, None] * log_ratio.exp() * trust
    torch.testing.assert_close(loss, expected.mean((1, 2)))
    assert present.grad is not None
    torch.testing.assert_close(present.grad, expected / 6)


@pytest.mark.parametrize(("ratio", "trust"), [(2.0, 0.38), (0.5, 0.38), (1.25, 0.905)])
def test_the_published_weights_of_gipo(ratio: float, trust: float) -> None:
    log_ratio = torch.tensor([[[np.log(ratio)]]])
    damped = GIPO().bounded(log_ratio, None) - log_ratio
    assert float(damped.exp()) == pytest.approx(trust, abs=0.003)


def test_what_is_masked_is_still_counted() -> None:
    present, proximal, behaviour, advantage = _drawn()
    correction = Mask(low=0.8, high=1.25)
    masked = _surrogate(correction=correction).terms(
        present - proximal, advantage, None, proximal - behaviour
    )
    weight = (proximal - behaviour).exp()
    inside = (weight >= 0.8) & (weight <= 1.25)
    gain, ratio = advantage[:, :, None], (present - proximal).exp()
    entries = weight * (-gain * ratio).maximum(-gain * ratio.clamp(1 - CLIP, 1 + CLIP))
    torch.testing.assert_close(masked["policy_loss"], (entries * inside).sum((1, 2)) / 6)
    torch.testing.assert_close(masked["weight_masked"], (~inside).double().mean((1, 2)))
    assert 0.1 < float(inside.double().mean()) < 0.9


def test_active_is_what_still_has_a_gradient() -> None:
    present, proximal, behaviour, advantage = _drawn()
    present.requires_grad_()
    surrogate = _surrogate(correction=Mask(low=0.8, high=1.25))
    terms = surrogate.terms(present - proximal, advantage, None, proximal - behaviour)
    torch.autograd.backward([terms["policy_loss"].sum()])
    assert present.grad is not None
    torch.testing.assert_close(terms["active"], (present.grad != 0).double().mean((1, 2)))


def _scores(policy: Policy, batch: dict[str, Array]) -> dict[str, Score]:
    """Return scores of a proximal policy that is a little off the policy."""
    random = np.random.default_rng(5)
    scored = policy.evaluate(batch).log_prob.detach().numpy()
    batch["proximal"] = scored + 0.2 * random.normal(size=scored.shape)
    return {"proximal": lambda batch, _: torch.from_numpy(batch["proximal"])}


@pytest.mark.parametrize("level", ["token", "action", "chunk"])
def test_neither_micro_batches_nor_order_change_the_gradient(
    make_policy: MakePolicy, make_batch: MakeBatch, level: Literal["token", "action", "chunk"]
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=8, drift=0.3)
    moment = Moment(0, 0, {"advantage": (0.0, 1.0)}, _scores(policy, batch))
    algorithm = PPO(
        proximal=Recompute(), correction=Mask(low=0.7, high=1.5), ratio_level=level, kl_coef=0.0
    )
    gradients: list[Tensor] = []
    order = np.random.default_rng(0).permutation(8)
    for size in (8, 4, 1):
        for first in range(0, 8, size):
            part = {name: one[order[first : first + size]] for name, one in batch.items()}
            loss, _ = algorithm.loss(policy, part, moment)
            torch.autograd.backward([loss.sum() / 8])
        parameters = policy.module.parameters()
        gradients.append(torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]))
        policy.module.zero_grad()
        order = np.arange(8)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients[2], gradients[0], rtol=0, atol=1e-12)
    _, metrics = algorithm.loss(policy, batch, moment)
    assert metrics.keys() >= {"weight", "weight_max", "weight_ess", "weight_masked", "active"}


def test_what_was_not_executed_changes_neither_weights_nor_loss(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6, drift=0.3)
    moment = Moment(0, 0, {"advantage": (0.0, 1.0)}, _scores(policy, batch))
    algorithm = PPO(proximal=Recompute(), correction=Truncate(cap=1.2))
    clean, _ = algorithm.loss(policy, batch, moment)
    poison = np.where(batch["valid"], 0.0, np.nan)[:, :, None]
    poisoned = {**batch, "proximal": batch["proximal"] + poison}
    dirty, metrics = algorithm.loss(policy, poisoned, moment)
    assert not batch["valid"].all()
    assert torch.equal(clean, dirty)
    assert all(one.isfinite().all() for one in metrics.values())


def test_the_penalty_is_the_k3_divergence_from_the_first_weights(
    make_policy: MakePolicy, make_batch: MakeBatch
) -> None:
    policy = make_policy(chunk=3, elements=2, values=1)
    batch = make_batch(policy, size=6)
    batch["version"] = np.zeros(6, np.int64)
    algorithm = PPO(kl_coef=0.7, normalise_advantage="none")
    followers = follow(policy, algorithm, max_staleness=0)
    followers.begin(0)
    torch.manual_seed(0)
    first = policy.evaluate(batch).log_prob.detach().numpy()
    with torch.no_grad():
        for parameter in policy.module.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    followers.begin(1)
    batch |= followers.arrive(batch)
    moment = Moment(1, 1, {}, followers.scores)
    penalised, metrics = algorithm.loss(policy, batch, moment)
    plain, _ = replace(algorithm, kl_coef=0.0).loss(policy, batch, moment)
    log_ratio = first - policy.evaluate(batch).log_prob.detach().numpy()
    k3 = np.exp(log_ratio) - 1 - log_ratio
    expected = [one[valid].mean() for one, valid in zip(k3, batch["valid"], strict=True)]
    assert min(expected) > 0
    np.testing.assert_allclose(metrics["reference_kl"].numpy(), expected)
    np.testing.assert_allclose((penalised - plain).detach().numpy(), 0.7 * np.array(expected))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"correction": Truncate()}, "correction.type 'truncate' bounds the weight of a proximal"),
        (
            {"correction": GIPO(), "proximal": Interpolate()},
            "correction.type 'gipo' damps the ratio to the behaviour policy; it needs proximal:",
        ),
        (
            {"correction": Mask(level="token")},
            "correction.level 'token' is finer than ratio_level 'action'",
        ),
    ],
)
def test_what_does_not_fit_is_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        PPO(**options).check(SPEC, FIELDS)


@dataclass(frozen=True, kw_only=True)
class Demanding(Interpolate):
    """Wants more than models record."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ("log_prob", "logits", "hidden")


def test_what_the_model_does_not_record_is_named() -> None:
    with pytest.raises(ValueError, match="proximal needs a model that records logits, hidden"):
        PPO(proximal=Demanding()).check(SPEC, FIELDS)
