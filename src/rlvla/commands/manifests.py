"""Commands that read manifests and start nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from rlvla.commands.options import ManifestArgument, Overrides
from rlvla.commands.surroundings import failures
from rlvla.core.manifest import origins, to_yaml
from rlvla.core.wording import show as spell

if TYPE_CHECKING:
    from rlvla.commands.surroundings import Surroundings

Where = Annotated[bool, typer.Option("--origin", help="Show where each value was set.")]


def validate(context: typer.Context, manifest: ManifestArgument, overrides: Overrides) -> None:
    """Check a manifest; its first mistake is one line `file:line:column: ...` and exit code 2."""
    surroundings = cast("Surroundings", context.obj)
    resolved = surroundings.manifest(manifest, surroundings.plugins(), overrides=overrides)
    print(f"{manifest}: ok, {resolved.name!r} would run into {resolved.output_dir}")


def show(
    context: typer.Context,
    manifest: ManifestArgument,
    overrides: Overrides,
    *,
    origin: Where = False,
) -> None:
    """Print a manifest as it is run: merged with what it extends, defaults and overrides."""
    surroundings = cast("Surroundings", context.obj)
    plugins = surroundings.plugins()
    if not origin:
        print(to_yaml(surroundings.manifest(manifest, plugins, overrides=overrides)), end="")
        return
    values = origins(
        manifest,
        plugins.components,
        overrides=overrides,
        environment=surroundings.environment,
        plugins=failures(plugins),
    )
    for value in values:
        print(f"{value.key} = {spell(value.value)}  # {value.where}")
