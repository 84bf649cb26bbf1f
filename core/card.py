"""The model card of an export: what was trained, on what, and how well it is known to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.run_dir import EVALUATIONS, VERSIONS
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rlvla.core.agreement import Agreement
    from rlvla.core.settings import Manifest

NAME = "README.md"
SOFTWARE = ("rlvla", "torch", "numpy", "transformers", "peft", "python")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card tells."""

    manifest: Manifest
    to: str
    """The layout."""
    step: int
    """The version of the weights that were exported."""
    agreement: Agreement
    evaluations: tuple[Mapping[str, Any], ...]
    """As the run recorded them."""
    software: Mapping[str, Any]
    """Versions, as the run recorded them."""

    @staticmethod
    def of_run(
        run_dir: Path, manifest: Manifest, *, to: str, step: int, agreement: Agreement
    ) -> Card:
        """Return the card of an export of version `step` of a run."""
        return Card(
            manifest=manifest,
            to=to,
            step=step,
            agreement=agreement,
            evaluations=tuple(_content(run_dir / EVALUATIONS, [])),
            software=_content(run_dir / VERSIONS, {}),
        )

    def text(self) -> str:
        """Return the card in Markdown, with the header that model hubs read."""
        rows = [f"| {name} | {value} |" for name, value in self._facts()]
        return "\n".join(
            [
                *self._header(),
                f"# {self.manifest.name}",
                "",
                f"A policy that was trained with rlvla, in the layout `{self.to}`. It was read "
                f"back after writing: {self.agreement.line()}.",
                "",
                "| | |",
                "|---|---|",
                *rows,
                "",
                "## Success",
                "",
                *self._success(),
                "",
                "`SHA256SUMS` holds the hash of each file: `sha256sum -c SHA256SUMS`.",
                "",
            ]
        )

    def _header(self) -> list[str]:
        base = self._model.get("checkpoint")
        based = [f"base_model: {json.dumps(base)}"] if base else []
        return ["---", "tags: [robotics, reinforcement-learning, rlvla]", *based, "---", ""]

    def _facts(self) -> Iterable[tuple[str, object]]:
        manifest = self.manifest
        yield "model", f"`{self._model['type']}`"
        yield "base checkpoint", f"`{self._model.get('checkpoint') or 'none, from the seed'}`"
        yield "trained by", ", then ".join(f"`{phase.name}`" for phase in manifest.phases)
        yield "simulator", f"`{manifest.plain['simulator']['type']}`"
        yield "tasks", ", ".join(f"`{task}`" for task in manifest.simulator.tasks)
        yield "seed", manifest.seed
        yield "version", f"{self.step} (updates of the weights)"
        yield "weights", "bfloat16" if self.agreement.reduced else "float32"
        known = [name for name in SOFTWARE if self.software.get(name)]
        yield "software", ", ".join(f"{name} {self.software[name]}" for name in known) or "unknown"

    def _success(self) -> list[str]:
        if not self.evaluations:
            return ["Not evaluated."]
        lines = ["Held-out starts, greedy decoding; the interval is Wilson's at 95 %.", ""]
        lines += ["| version | protocol | success |", "|---|---|---|"]
        for record in self.evaluations:
            tally = Tally.from_json(record)
            which = (
                f"**{tally.version}, this one**" if tally.version == self.step else tally.version
            )
            lines.append(f"| {which} | `{tally.protocol}` | {tally.line()} |")
        if all(record["version"] != self.step for record in self.evaluations):
            lines += ["", f"The version that was exported, {self.step}, was not evaluated."]
        return lines

    @property
    def _model(self) -> Mapping[str, Any]:
        model: Mapping[str, Any] = self.manifest.plain["model"]
        return model


def _content(path: Path, missing: Any) -> Any:  # noqa: ANN401 - any content of a JSON file
    return json.loads(path.read_text()) if path.is_file() else missing
