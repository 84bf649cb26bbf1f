from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

import rlvla
from rlvla import cli
from rlvla.commands.summary import summary
from rlvla.core.run_dir import record_evaluation
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANIFEST = """
rlvla: 1
name: small
simulator: {type: tabletop, size: 32, lanes: 2}
model: {type: openvla, preset: tiny}
algorithm: {type: ppo, batch_size: 8, micro_batch_size: 4}
async: {segment: 4}
budget: {updates: 2}
runtime: {type: inline}
schedulers: {sharding: {type: even, shards: 1}}
eval: {episodes: 2, lanes: 2, videos: 0}
log: [{type: jsonl}]
output_dir: run
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


@pytest.fixture(name="rlvla_")
def _rlvla(call: Callable[..., tuple[object, str, str]], tmp_path: Path) -> Callable[..., Ended]:
    """Run a command in a folder with a small manifest."""
    (tmp_path / "small.yaml").write_text(MANIFEST)
    return lambda *arguments: Ended(*call(*arguments))


def test_the_version_is_printed(rlvla_: Callable[..., Ended]) -> None:
    assert rlvla_("--version") == Ended(0, f"rlvla {rlvla.__version__}\n", "")


def test_help_names_every_command(rlvla_: Callable[..., Ended]) -> None:
    told = rlvla_("--help")
    assert told.code == 0
    names = "run resume eval validate show report plugins plan profile trace export sim doctor"
    assert [
        name
        for name in [*names.split(), "bench", "serve"]
        if not re.search(rf"^\W+{name} ", told.out, re.M)
    ] == []


@pytest.mark.parametrize(
    "command", ["run", "resume", "eval", "validate", "show", "report", "export", "doctor"]
)
def test_every_command_explains_itself(rlvla_: Callable[..., Ended], command: str) -> None:
    told = rlvla_(command, "--help")
    assert told.code == 0
    assert f"rlvla {command}" in told.out


@pytest.mark.parametrize(
    "arguments",
    [(), ("run", "--bogus"), ("bogus",), ("validate",), ("resume", "nowhere"), ("plugins",)],
)
def test_wrong_usage_exits_with_2(rlvla_: Callable[..., Ended], arguments: tuple[str, ...]) -> None:
    assert rlvla_(*arguments).code == 2


def test_a_right_manifest_is_valid(rlvla_: Callable[..., Ended]) -> None:
    expected = "small.yaml: ok, 'small' would run into run\n"
    assert rlvla_("validate", "small.yaml") == Ended(0, expected, "")


def test_a_mistake_is_one_line_that_begins_with_its_place(rlvla_: Callable[..., Ended]) -> None:
    told = rlvla_("validate", "small.yaml", "-s", "algorithm.lrr=1")
    assert (told.code, told.out) == (2, "")
    assert told.err == "-s algorithm.lrr=1: algorithm.lrr: unknown key 'lrr', did you mean 'lr'?\n"


@pytest.mark.parametrize("command", ["validate", "show", "run"])
def test_every_command_finds_a_mistake(
    rlvla_: Callable[..., Ended], tmp_path: Path, command: str
) -> None:
    (tmp_path / "small.yaml").write_text(MANIFEST.replace("size: 32", "size: big"))
    told = rlvla_(command, "small.yaml")
    assert told.code == 2
    assert re.fullmatch(r"small\.yaml:4:\d+: simulator\.size: expected .*\n", told.err)
    assert not (tmp_path / "run").exists()


def test_a_manifest_is_shown_as_it_is_run(rlvla_: Callable[..., Ended], tmp_path: Path) -> None:
    shown = rlvla_("show", "small.yaml", "-s", "seed=7")
    assert shown.code == 0
    assert "seed: 7\n" in shown.out
    (tmp_path / "again.yaml").write_text(shown.out)
    assert rlvla_("show", "again.yaml").out == shown.out


def test_values_are_shown_with_their_origin(rlvla_: Callable[..., Ended]) -> None:
    lines = rlvla_("show", "small.yaml", "--origin", "-s", "algorithm.lr=1e-4").out.splitlines()
    assert "name = 'small'  # small.yaml:3" in lines
    assert "algorithm.lr = 0.0001  # -s algorithm.lr=1e-4" in lines
    assert "algorithm.epochs = 1  # default" in lines


def test_plugins_are_listed(rlvla_: Callable[..., Ended]) -> None:
    lines = rlvla_("plugins", "list").out.splitlines()
    assert (
        "rlvla.plugins.algorithms   built in  algorithm:grpo, algorithm:ppo, algorithm:sft" in lines
    )


def test_a_component_is_shown_with_its_options(rlvla_: Callable[..., Ended]) -> None:
    shown = rlvla_("plugins", "show", "ppo")
    assert shown.code == 0
    assert shown.out.startswith("algorithm:ppo, from rlvla.plugins.algorithms\n")
    assert "  epochs: a whole number = 1\n      Passes over each batch" in shown.out
    assert rlvla_("plugins", "show", "algorithm:ppo").out == shown.out


def test_inherited_options_are_explained(rlvla_: Callable[..., Ended]) -> None:
    one, two = (rlvla_("plugins", "show", name).out for name in ("pi0", "pi05"))
    assert set(one.splitlines()[2:]) < set(two.splitlines())
    assert "How actions are drawn and scored." in two


def test_a_plugin_is_shown_with_all_its_components(rlvla_: Callable[..., Ended]) -> None:
    shown = rlvla_("plugins", "show", "rlvla.plugins.schedulers").out
    assert shown.startswith("rlvla.plugins.schedulers, built in\n")
    assert "\nbatching:dynamic, from" in shown
    assert "\nsharding:even, from" in shown


def test_an_unknown_plugin_is_an_error_that_lists_what_there_is(
    rlvla_: Callable[..., Ended],
) -> None:
    told = rlvla_("plugins", "show", "nope")
    assert told.code == 2
    assert told.err.startswith("no plugin or component named 'nope'; components: algorithm:grpo, ")


def test_components_are_checked(rlvla_: Callable[..., Ended]) -> None:
    told = rlvla_("plugins", "check", "rlvla.plugins.schedulers")
    unmade = "not checked, it has an option without default"
    checked = dict.fromkeys(("even", "locality", "stealing"), "ok")
    checked |= dict.fromkeys(("auto", "tables"), unmade)
    batching = ("adaptive", "dynamic", "greedy", "lockstep", "pipelined")
    expected = [f"batching:{name}: ok" for name in batching]
    expected += [f"sharding:{name}: {verdict}" for name, verdict in checked.items()]
    assert sorted(told.out.splitlines()) == sorted(expected)
    assert told.code == 0


def test_a_folder_that_is_no_run_is_refused(rlvla_: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in ("resume", "eval", "report"):
        told = rlvla_(command, "empty")
        assert told.code == 4
        assert told.err.startswith("rlvla: error[4]: empty is not the folder of a run: it holds no")


def test_a_run_can_be_made_judged_reported_and_resumed(
    rlvla_: Callable[..., Ended], tmp_path: Path
) -> None:
    made = rlvla_("run", "small.yaml")
    assert made.code == 0, made.err
    places = {line.partition(":")[0] for line in made.out.splitlines()}
    assert {"before", "after", "report", "checkpoints", "next"} <= places
    judged = rlvla_("eval", "run", "--episodes", "3")
    assert re.fullmatch(r"tabletop/reach@v1, version 2: success \d/3 = .*\n", judged.out), judged
    (tmp_path / "run" / "report.html").unlink()
    assert rlvla_("report", "run") == Ended(0, "run/report.html\n", "")
    assert (tmp_path / "run" / "report.html").exists()
    resumed = rlvla_("resume", "run")
    assert resumed.code == 0, resumed.err
    assert "after:" in resumed.out


def test_success_is_told_with_its_interval(tmp_path: Path) -> None:
    for moment, wins in (("before", 20), ("during", 30), ("after", 45)):
        episodes = [("reach", index < wins, 5) for index in range(50)]
        tally = Tally.count(episodes, protocol="tabletop/reach@v1", version=wins)
        record_evaluation(tmp_path, moment=moment, tally=tally)
    before, after, *_ = summary(tmp_path)
    assert before == (
        "before:      success 20/50 = 40 % (95 % interval 28 to 54), 5.0 steps, tabletop/reach@v1"
    )
    assert after.startswith("after:       success 45/50 = 90 % (95 % interval 79 to 96)")


PLUGIN = """
from pathlib import Path

from rlvla import hookimpl
from rlvla.core.errors import NoValidCheckpointError, PluginError, TrainingError
from rlvla.core.run import StoppedError

ERRORS = {
    "plugin": PluginError("it broke"),
    "checkpoint": NoValidCheckpointError("none is whole"),
    "group": ExceptionGroup("tasks", [ExceptionGroup("", [ValueError(), TrainingError("nan")])]),
    "stop": StoppedError(Path("runs/some")),
    "bug": KeyError("a bug"),
}

@hookimpl
def add_commands(app):
    @app.command()
    def fail(kind: str):
        raise ERRORS[kind]
"""


@pytest.fixture(name="_failing")
def _failing_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin that adds the command `fail`."""
    info = tmp_path / "site" / "rlvla_fail-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rlvla-fail\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlvla]\nfail = rlvla_fail\n")
    (info.parent / "rlvla_fail.py").write_text(PLUGIN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(info.parent)])


@pytest.fixture(name="_signals")
def _kept_signals() -> Iterator[None]:
    """Take back that signals are ignored, as they are where a process ends."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_failing", "_signals")
@pytest.mark.parametrize(
    ("kind", "code", "line"),
    [
        ("plugin", 3, "rlvla: error[3]: it broke\n"),
        ("checkpoint", 6, "rlvla: error[6]: none is whole\n"),
        ("group", 5, "rlvla: error[5]: nan\n"),
        ("stop", 75, "rlvla: stopped; continue with `rlvla resume runs/some`\n"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    rlvla_: Callable[..., Ended], kind: str, code: int, line: str
) -> None:
    assert rlvla_("fail", kind) == Ended(code, "", line)


@pytest.mark.usefixtures("_failing")
def test_a_bug_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rlvla", "fail", "bug"])
    with pytest.raises(KeyError, match="a bug"):
        cli.main()


@pytest.mark.usefixtures("_failing")
def test_a_plugin_adds_commands_unless_it_is_switched_off(
    rlvla_: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(r"^\W+fail ", rlvla_("--help").out, re.M)
    monkeypatch.setenv("RLVLA_PLUGINS", "")
    assert not re.search(r"^\W+fail ", rlvla_("--help").out, re.M)
    assert rlvla_("fail", "bug").code == 2


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlvla", "validate", "no/such.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("no/such.yaml: no such manifest; packaged ones: ")
    assert len(done.stderr.splitlines()) == 1
