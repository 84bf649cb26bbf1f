"""The command that measures how long the components of a manifest take on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import ManifestArgument, Overrides

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings

Output = Annotated[Path, typer.Option(dir_okay=False, help="Where to write what was measured.")]
Samples = Annotated[int, typer.Option(min=2, help="Simulator steps.")]
Repeats = Annotated[int, typer.Option(min=1, help="Times that each batch size is measured.")]


def profile(
    context: typer.Context,
    manifest: ManifestArgument,
    overrides: Overrides,
    output: Output = Path("latencies.yaml"),
    samples: Samples = 100,
    repeats: Repeats = 5,
) -> None:
    """Measure simulator, policy, training and publication on this machine, for `rlvla plan`.

    Everything happens in this process, one thing after the other, with the components that a run
    would have.
    """
    surroundings = cast("Surroundings", context.obj)
    resolved = surroundings.manifest(manifest, surroundings.plugins(), overrides=overrides)
    from rlvla.core.latency import save
    from rlvla.core.planning.profiling import profile as measure

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    save(measure(resolved, samples=samples, repeats=repeats, tell=tell), output)
    print(f"{output}: plan with `rlvla plan {manifest} --latencies {output}`")
