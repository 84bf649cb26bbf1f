"""Exports of a run: whole and compared with the policy, or not there."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from rlvla.core import card
from rlvla.core.agreement import compare
from rlvla.core.checkpoint import Checkpoints
from rlvla.core.errors import ManifestError, PreflightError, TrainingError
from rlvla.core.run_dir import locked

if TYPE_CHECKING:
    from pathlib import Path

    from rlvla.core.agreement import Agreement
    from rlvla.core.interfaces import Exportable, Exporter, Model, Policy
    from rlvla.core.settings import Manifest

SUMS = "SHA256SUMS"
"""Hashes of all other files, as `sha256sum -c` checks them."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was exported."""

    path: Path
    step: int
    """The version of the weights."""
    agreement: Agreement


def export_run(
    run_dir: Path, manifest: Manifest, *, to: str, target: Path, reduced: bool = False
) -> Export:
    """Write the newest valid checkpoint of a run to the new folder `target` in the layout `to`.

    `reduced`: with weights in bfloat16. Raise ManifestError for a layout that the model does not
    have, PreflightError if the target is there or cannot be written, TrainingError if there is no
    checkpoint or what was read back is not the policy.
    """
    exporter = exporter_of(manifest.model, to)
    if reduced and exporter.write_reduced is None:
        raise ManifestError(f"--to {to}: this layout has no weights in bfloat16")
    if target.exists():
        raise PreflightError(f"{target} is there already: remove it or name another --output")
    with locked(run_dir):
        checkpoints = Checkpoints(run_dir / "checkpoints", keep=manifest.checkpointing.keep)
        checkpoint = checkpoints.newest()
        if checkpoint is None:
            raise TrainingError(f"{run_dir} holds no checkpoint to export")
        policy = manifest.model.build(manifest.simulator.spec, seed=manifest.seed)
        policy.load(str(checkpoint.path))
    partial = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        partial.mkdir(parents=True)
        agreement = _written(exporter, policy, partial, manifest, reduced=reduced)
        told = card.Card.of_run(run_dir, manifest, to=to, step=checkpoint.step, agreement=agreement)
        (partial / card.NAME).write_text(told.text())
        (partial / SUMS).write_text(sums(partial))
        partial.rename(target)
    except OSError as error:
        raise PreflightError(f"{target} could not be written: {error}") from error
    except ValueError as error:
        raise TrainingError(f"no export to {to}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Export(path=target, step=checkpoint.step, agreement=agreement)


def exporter_of(model: Model, to: str) -> Exporter[Any]:
    """Return the exporter called `to`; raise ManifestError that lists those of the model."""
    if not hasattr(model, "exports"):
        raise ManifestError(f"--to {to}: this run's model cannot be exported")
    exports = cast("Exportable", model).exports
    if to not in exports:
        choices = ", ".join(sorted(exports))
        raise ManifestError(f"--to {to}: expected one of {choices} for the model of this run")
    return exports[to]


def sums(folder: Path) -> str:
    """Return a line for each file of a folder: its sha256 and its path there."""
    lines: list[str] = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _written(
    exporter: Exporter[Any], policy: Policy, folder: Path, manifest: Manifest, *, reduced: bool
) -> Agreement:
    """Write, read and compare; raise ValueError if what was read is another policy."""
    write = (exporter.write_reduced if reduced else None) or exporter.write
    write(policy, folder)
    spec = manifest.simulator.spec
    again = exporter.read(folder, spec, manifest.seed + 1)
    agreement = compare(exporter, policy, again, spec, reduced=reduced)
    if not agreement.holds:
        raise ValueError(f"what was read back is not the policy: {agreement.line()}")
    return agreement
