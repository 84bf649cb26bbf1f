"""Whether policy gradients through flow policies learn: a bandit that imitation alone solves badly.

    python benchmarks/flow_bandit.py --seeds 3

A context c of -1 or 1, actions of 2 elements, the goal (c, -c): success is an action nearer to it
than 0.5. The policy first imitates actions around half the goal (deviation 0.5), of which few
succeed, then the algorithm `grpo` takes over: 64 groups of 8 decisions an iteration, a clipped
ratio for each element, 2 epochs. Success is that of 4096 actions made by Euler steps from random
starts, so that noise of the steps flatters nobody.

Network, sampling and scores are those of the model `flow_mlp`, steps those of the core's trainer.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from rlvla.core.descent import Descent
from rlvla.core.types import Moment, SimulatorSpec
from rlvla.plugins.algorithms.grpo import GRPO
from rlvla.plugins.models.flow.sampling import FlowSampling
from rlvla.plugins.models.flow_mlp import FlowMLP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array
    from rlvla.plugins.models.flow.policy import FlowPolicy

    Floats: TypeAlias = NDArray[np.float32]

METHODS = {
    "one step, sde": FlowSampling(kind="sde", stochastic="one"),
    "all steps, sde": FlowSampling(kind="sde", stochastic="all"),
    "all steps, cps": FlowSampling(kind="cps", stochastic="all"),
    "all steps, noise": FlowSampling(kind="noise", stochastic="all", low=0.08, high=0.3),
}
SPEC = SimulatorSpec(
    cameras={},
    proprio=1,
    action_low=(-2.0, -2.0),
    action_high=(2.0, 2.0),
    max_steps=1,
    control_hz=1.0,
)
GROUPS, MEMBERS, EPOCHS, CLIP, LR = 64, 8, 2, 0.2, 5e-4
IMITATIONS, IMITATED, IMITATION_LR = 3000, 256, 1e-3
TESTED = 4096


@dataclass(frozen=True)
class Outcome:
    """What became of one policy."""

    before: float
    """Success after imitation."""
    after: float
    """Success after GRPO."""
    off: float
    """Largest distance from 1 of a ratio at equal weights."""
    seconds: float
    """Of GRPO."""


def contexts(random: np.random.Generator, count: int) -> Floats:
    """Return contexts, [count, 1]."""
    return random.choice([-1.0, 1.0], (count, 1)).astype(np.float32)


def succeeded(context: Floats, action: Array) -> NDArray[np.bool_]:
    """Return which actions [N, 2] are near the goal."""
    distance: Floats = np.linalg.norm(action - context * (1.0, -1.0), axis=1)
    return distance < 0.5


def imitate(policy: FlowPolicy, random: np.random.Generator) -> None:
    """Teach actions around half the goal."""
    optimizer = torch.optim.Adam(policy.module.parameters(), IMITATION_LR)
    for _ in range(IMITATIONS):
        context = contexts(random, IMITATED)
        action = random.normal(context * (0.5, -0.5), 0.5).astype(np.float32)[:, None]
        loss = policy.imitate({"proprio": context, "action": action}).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def decide(policy: FlowPolicy, random: np.random.Generator) -> dict[str, Array]:
    """Return an iteration's decisions, each an episode of its own."""
    context = contexts(random, GROUPS).repeat(MEMBERS, 0)
    count = len(context)
    seeds = random.integers(2**64, size=count, dtype=np.uint64)
    heat = np.ones(count, np.float32)
    decided = policy.act({"proprio": context}, seeds=seeds, temperature=heat)
    return {
        "proprio": context,
        **decided,
        "reward": succeeded(context, decided["action"][:, 0]).astype(np.float32)[:, None],
        "valid": np.ones((count, 1), np.bool_),
        "segment": np.arange(count),
        "group": np.arange(count) // MEMBERS,
    }


def improve(policy: FlowPolicy, random: np.random.Generator, iterations: int) -> float:
    """Run GRPO; return how far ratios of unchanged weights were from 1."""
    algorithm = GRPO(
        lr=LR,
        group_size=MEMBERS,
        batch_size=GROUPS * MEMBERS,
        micro_batch_size=GROUPS * MEMBERS,
        epochs=EPOCHS,
        clip_low=CLIP,
        clip_high=CLIP,
    )
    descent = Descent(algorithm, policy.module)
    off = 0.0
    for update in range(iterations):
        rows = decide(policy, random)
        batch = {**rows, **algorithm.complete(rows, policy)}
        for epoch in range(EPOCHS):
            loss, metrics = algorithm.loss(policy, batch, Moment(update, update, {}))
            if epoch == 0:
                off = max(off, float((metrics["ratio"] - 1).abs().max()))
            torch.autograd.backward(loss.mean())
            descent.step(update, norm=descent.norm().item())
    return off


def success(policy: FlowPolicy) -> float:
    """Return the share of successes of Euler steps from random starts."""
    random = np.random.default_rng(0)
    context = contexts(random, TESTED)
    start = torch.from_numpy(random.normal(size=(TESTED, 1, 2)).astype(np.float32))
    with torch.inference_mode():
        made = policy.sampler.denoise(policy.module.denoiser(torch.from_numpy(context)), start)
    return float(succeeded(context, 2 * made[:, 0].numpy()).mean())


def run(sampling: FlowSampling, seed: int, iterations: int) -> Outcome:
    """Imitate, then improve."""
    random = np.random.default_rng(seed)
    policy = FlowMLP(sampling=sampling).build(SPEC, seed=seed)
    imitate(policy, random)
    before, began = success(policy), time.perf_counter()
    off = improve(policy, random, iterations)
    return Outcome(before, success(policy), off, time.perf_counter() - began)


def main() -> None:
    """Run every method with every seed and print a table."""
    parser = argparse.ArgumentParser(description="Run every method with every seed.")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--iterations", type=int, default=150, help="of GRPO")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'method':16} {'seed':>5} {'before':>7} {'after':>7} {'|ratio - 1|':>12} {'seconds':>8}"
    )
    for name, sampling in METHODS.items():
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            one = run(sampling, seed, arguments.iterations)
            print(
                f"{name:16} {seed:5} {one.before:7.1%} {one.after:7.1%} {one.off:12.1e} "
                f"{one.seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
