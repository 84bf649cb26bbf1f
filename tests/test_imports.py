from __future__ import annotations

import ast
import json
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PATTERNS = ("core/**/*.py", "plugins/**/*.py", "src/rlvla/*.py", "src/rlvla/commands/*.py")
SOURCES = sorted(chain.from_iterable(ROOT.glob(pattern) for pattern in PATTERNS))
HEAVY = {"torch", "mujoco", "transformers", "peft", "tensorboard", "gymnasium", "PIL"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
HARMLESS = {"pickle.UnpicklingError"}
UNSAFE_CALLS = {"eval", "exec", "compile", "yaml.load", "os.system"}

LOADED = """
import json, sys
try:
    {statement}
except SystemExit:
    pass
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that are loaded in a fresh interpreter after `statement`."""
    code = LOADED.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _command(*arguments: str) -> str:
    return f"sys.argv = {['rlvla', *arguments]}; from rlvla.cli import main; main()"


@pytest.mark.parametrize(
    "statement",
    [
        "import rlvla",
        _command("--help"),
        _command("run", "--help"),
        _command("plugins", "list"),
        _command("plugins", "show", "tabletop"),
        _command("show", "tabletop_sft", "--origin"),
    ],
)
def test_what_needs_no_torch_loads_none(statement: str) -> None:
    loaded = _loaded_by(statement)
    assert "rlvla" in loaded
    assert not loaded & HEAVY


def test_the_sources_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in SOURCES}
    assert {"core/types.py", "plugins/__init__.py", "src/rlvla/cli.py"} <= names


def test_core_never_imports_a_plugin() -> None:
    core = [path for path in SOURCES if path.is_relative_to(ROOT / "core")]
    guilty = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in core
        for module in _imports(path)
        if module.startswith(("rlvla.plugins", "rlvla.commands", "rlvla.cli"))
    ]
    assert guilty == []


def test_nothing_imports_what_executes_data() -> None:
    guilty = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in SOURCES
        for module in _imports(path)
        if module.partition(".")[0] in UNSAFE_MODULES and module not in HARMLESS
    ]
    assert guilty == []


def test_nothing_calls_what_executes_data() -> None:
    guilty = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call.func)}"
        for path in SOURCES
        for call in _calls(path)
        if ast.unparse(call.func) in UNSAFE_CALLS or _allows_pickle(call) or _loads_code(call)
    ]
    assert guilty == []


def test_only_the_command_line_reads_its_own_environment_switch() -> None:
    switch = "RLVLA_PLUGINS"
    guilty = [path.name for path in SOURCES if switch in path.read_text() and path.stem != "cli"]
    assert guilty == []


def _allows_pickle(call: ast.Call) -> bool:
    return any(
        one.arg == "allow_pickle" and ast.unparse(one.value) != "False" for one in call.keywords
    )


def _loads_code(call: ast.Call) -> bool:
    """Whether torch may load more than tensors."""
    only = {one.arg: ast.unparse(one.value) for one in call.keywords}.get("weights_only")
    return ast.unparse(call.func) == "torch.load" and only != "True"


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _calls(path: Path) -> Iterator[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return (node for node in nodes if isinstance(node, ast.Call))
