from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch

from rlvla.core.footprint import Footprint
from rlvla.core.planning.memory import policies
from rlvla.plugins.models.latency import LatencyModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from rlvla.core.settings import Manifest
    from rlvla.core.types import SimulatorSpec

    Make = Callable[..., Manifest]

MB = 1_000_000
WHOLE = Footprint(
    name="whole",
    parameters=40,
    trained=30,
    frozen=1 * MB,
    masters=10 * MB,
    reduced=5 * MB,
    kept=3 * MB,
    recomputed=2 * MB,
    checkpointing=False,
    copy=7 * MB,
    remembered=MB // 2,
)


@dataclass(frozen=True, kw_only=True)
class Told(LatencyModel):
    """A model that tells what it takes, half as much on a CPU."""

    def footprints(self, spec: SimulatorSpec, *, device: str) -> Sequence[Footprint]:
        """Return one way, on this kind of device."""
        del spec
        return [WHOLE if device == "cuda" else replace(WHOLE, copy=3 * MB, masters=4 * MB)]


def planned(manifest: Make, *placement: str) -> Manifest:
    made = manifest("placement={}", *placement)
    return replace(made, model=cast("Any", Told()))


def test_a_model_that_tells_nothing_is_not_mentioned(manifest: Make) -> None:
    assert [*policies(manifest(), None)] == []


def test_a_machine_holds_trainer_generator_and_what_they_share(manifest: Make) -> None:
    """1 + 4 x 4 + 5 + 4 x 3, 3 + 5 x 0.5 and two versions of 4 MB."""
    (found,) = policies(planned(manifest), None)
    assert found.fits
    assert found.text.startswith(
        "whole, 30 of 40 parameters trained: this machine holds 47.5 MB of "
    )
    for part in (
        "trainer: frozen weights 1 MB, trained weights 4 MB, gradients 4 MB, optimizer 8 MB, ",
        "activations of 4 decisions, 8 MB with checkpointing, 12 MB; ",
        "generator 0: weights 3 MB, what 5 decisions remember 2.5 MB; ",
        "shared memory: 2 versions of trained weights 8 MB",
    ):
        assert part in found.text


def test_workers_on_one_gpu_share_its_memory(manifest: Make) -> None:
    """1 + 4 x 10 + 5 + 4 x 3 of the trainer, 7 + 5 x 0.5 of the generator."""
    both = ("placement.trainer={gpus: [3]}", "placement.generator={gpus: [3]}")
    for have, fits in ((68 * MB, True), (67 * MB, False)):
        gpu, host = policies(planned(manifest, *both), have)
        assert (gpu.fits, host.fits) == (fits, True)
        assert f"GPU 3 holds 67.5 MB of {have // MB} MB" in gpu.text
        assert "this machine holds 20 MB" in host.text


def test_a_gpu_that_is_not_here_is_not_judged(
    manifest: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    apart = ("placement.trainer={gpus: [0]}", "placement.generator={gpus: [1]}")
    trainer, generator, _ = policies(planned(manifest, *apart), None)
    for found in (trainer, generator):
        assert found.fits
        assert "which is not here to be asked" in found.text
