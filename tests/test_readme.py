from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlvla.core.errors import ManifestError
from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.plugins import BUILTIN

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def _block(language: str) -> str:
    match = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert match
    return match[1]


def _plugins() -> Plugins:
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    return plugins


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_its_manifest_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "reach.yaml"
    path.write_text(_block("yaml"))
    assert load(path, _plugins().components).name == "reach"


def test_its_error_message_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reach.yaml").write_text(_block("yaml").replace("preset:", "presett:"))
    quoted = re.search(r"`(reach\.yaml:\d.*?\?)`", README)
    assert quoted
    with pytest.raises(ManifestError, match=f"^{re.escape(quoted[1])}$"):
        load("reach.yaml", _plugins().components)


def test_its_plugin_is_the_example() -> None:
    assert _block("python") == (ROOT / "tests/example_plugin/rlvla_example/__init__.py").read_text()


def test_its_table_names_what_is_registered() -> None:
    named = {name for line in README.splitlines() for name in re.findall(r"^\| \w+ `(\w+)`", line)}
    registered = {name for registry in _plugins().components for name in registry}
    assert {"tabletop", "openvla"} <= named <= registered


def test_its_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"make (\w+)", README))
    assert {"quickstart", "test", "check"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()
