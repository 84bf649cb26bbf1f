"""`rlvla record`: from a simulator's expert, or a trained policy, to a dataset."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import Overrides
from rlvla.commands.run import manifest_of
from rlvla.core.errors import ManifestError
from rlvla.core.folder import new_folder
from rlvla.core.started import started
from rlvla.core.starts import Starts

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings
    from rlvla.core.settings import Manifest
    from rlvla.plugins.recordings.playing import Decide

Played = Annotated[
    str | None,
    typer.Argument(metavar="MANIFEST", help="A YAML file or a packaged manifest; or quickstart."),
]
Out = Annotated[Path, typer.Option(help="The dataset's folder, which must not be there yet.")]
Episodes = Annotated[int, typer.Option(min=1, help="Successful episodes to record.")]
Run = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="The run whose policy plays; none: an expert."),
]


def record(
    context: typer.Context,
    overrides: Overrides,
    out: Out,
    manifest: Played = None,
    run: Run = None,
    episodes: Episodes = 50,
) -> None:
    """Record successful episodes of a simulator as a LeRobot dataset.

    The simulator's own expert plays, or the newest checkpoint of a run, which decides greedily.
    """
    surroundings = cast("Surroundings", context.obj)
    if run is not None and manifest is not None:
        raise ManifestError(f"MANIFEST {manifest} and --run exclude each other: a run has its own")
    chosen = manifest or "quickstart" if run is None else manifest_of(run)
    plugins = surroundings.plugins()
    read = surroundings.manifest(chosen, plugins, overrides=overrides, trains=False)
    decide = _expert(read) if run is None else _trained(run, read)
    from rlvla.plugins.recordings.lerobot.writing import Writer
    from rlvla.plugins.recordings.playing import Player

    simulator = read.simulator
    with new_folder(out):
        writer = Writer(out, simulator.spec)
        with started(simulator, 1):
            starts = Starts(simulator.tasks, seed=read.seed)
            played = islice(Player(simulator, decide).successes(starts), episodes)
            for number, episode in enumerate(played, 1):
                writer.add(episode)
                typer.echo(f"{number}/{episodes}: {len(episode.actions)} actions", err=True)
        writer.close()
    typer.echo(f"recorded {episodes} episodes in {out}")


def _expert(manifest: Manifest) -> Decide:
    expert = getattr(manifest.simulator, "expert", None)
    if expert is None:
        kind = manifest.plain["simulator"]["type"]
        raise ManifestError(f"simulator {kind!r} has no expert; record a policy, by --run")
    return lambda shown: expert(0)[None]


def _trained(run: Path, manifest: Manifest) -> Decide:
    from rlvla.plugins.recordings.playing import deciding
    from rlvla.plugins.serving.trained import trained

    return deciding(trained(run, manifest).policy)
