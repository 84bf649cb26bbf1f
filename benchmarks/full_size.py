"""How fast OpenVLA and pi0 decide and learn, of what the device allows.

    python benchmarks/full_size.py --size tiny
    python benchmarks/full_size.py --size full --model openvla

Writes random weights in the published layout into a temporary folder (15 GB for OpenVLA, 6.5 GB
for pi0), loads them as a run does, decides in batches and takes a step of PPO with low-rank
adapters, layers recomputed. On a GPU products are bfloat16. Observations are random. The bound and
its share are those of `roofline.py`.
"""

from __future__ import annotations

import argparse
import gc
import resource
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from published import write_openvla, write_pi0
from roofline import Device, counted, measured, seconds

from rlvla.core.descent import Descent
from rlvla.core.testing.rows import observations, results
from rlvla.core.types import Moment, SimulatorSpec
from rlvla.plugins.algorithms.ppo import PPO
from rlvla.plugins.models.compute import Compute
from rlvla.plugins.models.lora import LoRA
from rlvla.plugins.models.openvla import OpenVLA
from rlvla.plugins.models.openvla import presets as openvla
from rlvla.plugins.models.pi0 import Pi0
from rlvla.plugins.models.pi0 import presets as pi0

if TYPE_CHECKING:
    from rlvla.core.types import Arrays
    from rlvla.plugins.models.openvla.policy import OpenVLAPolicy
    from rlvla.plugins.models.pi0.policy import PiPolicy

    Policy: TypeAlias = OpenVLAPolicy | PiPolicy
    Model: TypeAlias = OpenVLA | Pi0

BATCHES = (1, 8, 32, 64)
MICRO = {"full": 8, "tiny": 4}
LORA = LoRA(r=32, alpha=16)


def specification(size: str) -> SimulatorSpec:
    """Return a simulator with one camera and an arm of 7 dimensions."""
    side = 224 if size == "full" else 64
    return SimulatorSpec(
        cameras={"base_0_rgb": (side, side)},
        proprio=8,
        privileged=0,
        action_low=(-1.0,) * 7,
        action_high=(1.0,) * 7,
        max_steps=100,
        control_hz=10.0,
    )


def written(name: str, size: str, path: Path, device: torch.device) -> Model:
    """Write a checkpoint; return the model that loads it."""
    spec, full = specification(size), size == "full"
    if name == "openvla":
        sizes = openvla.published() if full else openvla.tiny((64, 64))
        write_openvla(path, sizes, spec, device)
        return OpenVLA(checkpoint=str(path), lora=LORA)
    small = pi0.tiny(adaptive=False, image=64, action_dim=8)
    write_pi0(path, pi0.published(adaptive=False) if full else small, spec, device)
    return Pi0(checkpoint=str(path), lora=LORA)


def built(model: Model, spec: SimulatorSpec, device: torch.device, *, trains: bool) -> Policy:
    """Load a policy as a trainer or a generator has it."""
    began = time.perf_counter()
    policy = model.build(spec, seed=0)
    policy.place(device, trains=trains)
    print(f"  loaded in {time.perf_counter() - began:.1f} s", flush=True)
    return policy


def decided(policy: Policy, seen: Arrays) -> Arrays:
    """Let the policy act."""
    rows = len(seen["proprio"])
    return policy.act(
        seen, seeds=np.arange(rows, dtype=np.uint64), temperature=np.ones(rows, np.float32)
    )


def decide(policy: Policy, spec: SimulatorSpec, peak: Device) -> None:
    """Print decisions a second, by the size of the batch."""
    compute, policy.compute = policy.compute, replace(policy.compute, compile=False)
    with counted(policy.module) as work:  # which a compiled layer would hide
        decided(policy, observations(spec, rows=1))
    policy.compute = compute
    print(f"  a decision: {work.flops:.3g} FLOP, {work.bytes:.3g} bytes of weights", flush=True)
    for batch in BATCHES:
        seen = observations(spec, rows=batch)
        taken = seconds(lambda seen=seen: decided(policy, seen), policy.device, repeats=3)
        share = work.least(peak, batch) / taken
        print(
            f"  batch {batch:3}: {batch / taken:9.2f} decisions/s, {1000 * taken:8.1f} ms, "
            f"{share:5.1%} of the bound",
            flush=True,
        )


def update(policy: Policy, spec: SimulatorSpec, peak: Device, rows: int) -> None:
    """Print how long a step of PPO takes, forward and backward and the optimizer's part."""
    algorithm = PPO(batch_size=rows, micro_batch_size=rows, normalise_advantage="none")
    descent = Descent(algorithm, policy.module)
    seen = observations(spec, rows=rows)
    made = decided(policy, seen)
    batch = {**seen, **made, **results(made)}
    batch |= algorithm.targets(batch, np.zeros((rows, 1), np.float32))

    def backward() -> None:
        loss, _ = algorithm.loss(policy, batch, Moment(0, 0, {}, {}))
        torch.autograd.backward(loss, torch.full_like(loss, 1 / rows))

    with counted(policy.module) as work:
        backward()
    descent.forget()
    taken = seconds(backward, policy.device, repeats=3)
    stepped = seconds(lambda: descent.step(0, norm=descent.norm().item()), policy.device, repeats=3)
    share = work.least(peak, 1) / taken
    print(
        f"  update of {rows} decisions: {1000 * taken:.1f} ms forward and backward, "
        f"{share:.1%} of the bound, {1000 * stepped:.1f} ms optimizer",
        flush=True,
    )


def memory(device: torch.device) -> str:
    """Return how much memory there was at most since the last time, as text."""
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return f"{most / 1e9:.1f} GB of the GPU at most"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB resident at most"


def measure(name: str, size: str, device: torch.device, peak: Device, options: Compute) -> None:
    """Measure one model."""
    spec = specification(size)
    print(f"{name}, {size} size", flush=True)
    with TemporaryDirectory() as folder:
        model = replace(written(name, size, Path(folder), device), compute=options)
        decide(built(model, spec, device, trains=False), spec, peak)
        print(f"  deciding: {memory(device)}", flush=True)
        gc.collect()
        update(built(model, spec, device, trains=True), spec, peak, MICRO[size])
        print(f"  learning: {memory(device)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure policies of the published size.")
    parser.add_argument("--size", choices=("tiny", "full"), default="tiny")
    parser.add_argument("--model", choices=("openvla", "pi0"), help="by default both")
    parser.add_argument("--compile", action="store_true", help="compile the generator's layers")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cpu":
        torch.set_num_threads(1)  # as workers do
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU, one thread"
    peak = measured(device, dtype)
    print(f"on {named}: {peak.flops:.3g} FLOP/s in {dtype}, {peak.bandwidth:.3g} bytes/s")
    options = Compute(checkpointing=True, compile=arguments.compile)
    for name in [arguments.model] if arguments.model else ["openvla", "pi0"]:
        measure(name, arguments.size, device, peak, options)


if __name__ == "__main__":
    main()
