"""Copies the policy of a finished run into `configs/`, with the record of where it came from.

rlvla run tabletop_sft && python scripts/ship_checkpoint.py runs/tabletop-sft tabletop_sft
"""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs"
POLICY = ("model.safetensors", "config.json")


def main(run: str, name: str) -> None:
    """Ship the newest checkpoint of `run` as `rlvla:NAME`, made by the manifest `NAME.yaml`."""
    newest = max(Path(run, "checkpoints").glob("step-*"))
    target = CONFIGS / name
    target.mkdir(exist_ok=True)
    for file in POLICY:
        shutil.copyfile(newest / file, target / file)
    record = {
        "manifest": {"file": f"{name}.yaml", "sha256": _digest(CONFIGS / f"{name}.yaml")},
        "files": {file: _digest(target / file) for file in POLICY},
        "versions": json.loads(Path(run, "versions.json").read_text()),
        "evaluation": _last_evaluation(Path(run)),
    }
    for private in ("host", "command", "platform"):
        record["versions"].pop(private)
    (target / "provenance.json").write_text(json.dumps(record, indent=2) + "\n")


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _last_evaluation(run: Path) -> dict[str, object]:
    evaluations: list[dict[str, object]] = json.loads((run / "evaluations.json").read_text())
    return next(one for one in reversed(evaluations) if one["moment"] == "after")


if __name__ == "__main__":
    main(*sys.argv[1:])
