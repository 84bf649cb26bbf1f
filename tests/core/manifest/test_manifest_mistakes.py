"""Every kind of mistake is told in one line that begins with its place."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import ManifestError
from rlvla.core.manifest import load

if TYPE_CHECKING:
    from rlvla.core.registry import Components

GOOD = """rlvla: 1
name: first
simulator:
  type: toy
  lanes: 4
model: {type: tiny}
algorithm:
  type: learn
  lr: 1e-5
budget: {updates: 3}
async: {segment: 8}
"""

CHANGES = r"""
lr: -> lrr: => 9:3: algorithm.lrr: unknown key 'lrr', did you mean 'lr'?
lr: -> learning_rate: => 9:3: algorithm.learning_rate: unknown key 'learning_rate', did you mean 'lr
lr: -> num_envs: => 9:3: algorithm.num_envs: unknown key 'num_envs', did you mean 'simulator.lanes'?
async: -> asinc: => 11:1: asinc: unknown key 'asinc', did you mean 'async'?
segment -> staleness_threshold => 11:9: async.staleness_threshold: unknown key 'staleness_threshold'
segment -> xyz => 11:9: async.xyz: unknown key 'xyz', expected rollout, stream, max_staleness, segme
1e-5 -> fast => 9:3: algorithm.lr: expected a number, got 'fast'
lanes: 4 -> lanes: true => 5:3: simulator.lanes: expected a whole number, got true
segment: 8 -> stream: off => 11:9: async.stream: expected true or false, got 'off'
{segment: 8} -> yes => 11:1: async: expected a mapping, got 'yes'
lanes: 4 -> lanes: 4.5 => 5:3: simulator.lanes: expected a whole number, got 4.5
lanes: 4 -> lanes: => 5:3: simulator.lanes: expected a whole number, got null
lanes: 4 -> task: reech => 5:3: simulator.task: expected 'reach' or 'push', got 'reech', did you mea
lanes: 4 -> size: [64] => 5:3: simulator.size: expected a list of 2, got 1
lanes: 4 -> size: [64, big] => 5:14: simulator.size.1: expected a whole number, got 'big'
tiny} -> tiny, lora: {rank: 3}} => 6:28: model.lora.rank: unknown key 'rank', did you mean 'r'?
name: first\n ->  => 1:1: missing value 'name'
  type: toy\n ->  => 3:1: simulator: missing value 'type', expected broken, toy, wild
type: toy\n  lanes: 4 -> type: wild => 3:1: simulator: missing value 'lanes', expected a whole numbe
budget: {updates: 3}\n ->  => 1:1: missing value 'budget'
{updates: 3} -> {} => 10:1: budget: a budget needs updates, decisions or minutes
lanes: 4 -> lanes: 0 => 5:3: simulator.lanes: lanes must be at least 1, got 0
segment: 8 -> max_staleness: -1 => 11:9: async.max_staleness: max_staleness must be at least 0
tiny} -> tiny, lora: {r: 0}} => 6:28: model.lora.r: r must be at least 1, got 0
async: -> eval: {protocol: a@v1}\nasync: => 11:8: eval.protocol: simulator 'toy' as it is set up is
rlvla: 1 -> rlvla: 2 => 1:1: rlvla: expected 1, got 2
async: -> seed: -1\nasync: => 11:1: seed: must be at least 0
first -> ../first => 2:1: name: expected letters
type: toy -> type: toi => 4:3: simulator.type: no simulator named 'toi', did you mean 'toy'?
{type: tiny} -> huge => 6:1: model.type: no model named 'huge', expected tiny
toy -> broken => 4:3: simulator.type: the simulator 'broken' of plugin 'small' cannot be used: No mo
type: toy -> type: os.system => 4:3: simulator.type: no simulator named 'os.system'
lr: 1e-5 -> _target_: os.system => 9:3: algorithm._target_: unknown key '_target_', did you mean 'ty
lr: 1e-5 -> micro_batch_size: 24 => 9:3: algorithm.micro_batch_size: batch_size 64 is not divisible
segment: 8 -> segment: 7 => 11:9: async.segment: batch_size 64 is not divisible by async.segment 7
lanes: 4 -> lanes: 1 => 5:3: simulator.lanes: shards must be at most the 1 lanes, got
lr: 1e-5 -> ratio: chunk\n  advantage: action => 9:3: algorithm.ratio: ratio chunk is coarser
lr: 1e-5 -> noise: 0 => 9:3: algorithm.noise: noise is 0
lr: 1e-5 -> advantage: action => 9:3: algorithm.advantage: advantage action needs
tiny} -> tiny, chunk: 11} => 6:21: model.chunk: chunk must be at most 10, got 11
async: -> log: [console, jsonl, console]\nasync: => 11:23: log.2.type: a second logger of type 'cons
async: -> phases: []\nasync: => 7:1: algorithm: excludes 'phases', did you mean 'phases.0.algorithm'
async: -> plugins: [smal]\nasync: => 11:11: plugins.0: no plugin named 'smal', did you mean 'small'?
name: first -> name: a${simulator.lane} => 2:1: name: ${simulator.lane}: there is no 'lane' to refer
name: first -> name: ${name} => 2:1: name: this reference leads in a circle
name: first -> name: ${simulator} => 2:1: name: ${simulator} is not a single value
name: first -> name: ${${${seed}}} => 2:1: name: a reference is ${key.path}, not nested
name: first -> name: ${oc.env:HOME} => 2:1: name: ${oc.env:HOME}: expected ${key.path}
name: first -> name: ${env:HOME} => 2:1: name: ${env:HOME}: 'HOME' is not allowed, list it as `envir
name: first -> environment: [A_B]\nname: ${env:A_B} => 3:1: name: ${env:A_B}: the environment variab
model: {type: tiny} -> model: {type: tiny => 7:10: not valid YAML: expected ',' or '}', but got ':'
async: -> name: twice\nasync: => 11:1: key 'name' is given twice in the same mapping
name: first -> name: !!python/object/apply:os.system [id] => 2:7: tags are not supported
first -> fi\0rst => 2:9: not valid YAML: this control character is not allowed
first -> &a first\nextends: *a => 3:10: aliases are not supported
async: -> ? [a]\n: 1\nasync: => 11:3: a key must be a name
name: -> extends: nowhere.yaml\nname: => 2:1: extends: no such manifest 'nowhere.yaml'
name: -> extends: [3]\nname: => 2:11: extends: expected a file or name, got 3
name: -> extends: m.yaml\nname: => 2:1: extends: 'm.yaml' extends itself in a circle
"""
"""What is replaced, by what, and how the error begins; `\\n` and `\\0` are meant."""

WHOLE = {
    "root is a list": ("- 1\n", "1:1: expected a mapping of settings"),
    "empty": ("", "1:1: expected a mapping of settings"),
    "two documents": ("a: 1\n---\nb: 2\n", "2:1: a manifest is one YAML document"),
    "deep": ("[" * 5000, "1:66: nested deeper than 64"),
    "many values": ("a: [" + "1," * 20_000 + "]", "a manifest has at most 10000 values"),
    "large": ("#" * (1 << 20) + "\n", "1:1: larger than 1048576 bytes"),
    "bomb": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        "2:8: aliases are not supported",
    ),
    "long number": ("a: " + "9" * 10_000, "1:4: not valid YAML: a whole number has at most 30"),
    "reference bomb": (
        "".join(f"k{i}: ${{k{i + 1}}}${{k{i + 1}}}\n" for i in range(40)) + "k40: xx\n",
        "1:1: k0: this reference leads through more than 16 values",
    ),
}

OVERRIDES = """
algorithm.lrr=1 => algorithm.lrr: unknown key 'lrr', did you mean 'lr'?
learning_rate=1 => learning_rate: unknown key 'learning_rate', did you mean 'algorithm.lr'?
algorithm.lr=fast => algorithm.lr: expected a number, got 'fast'
async={segmnt: 4} => async.segmnt: unknown key 'segmnt', did you mean 'segment'?
async.segment=7 => async.segment: batch_size 64 is not divisible by async.segment 7
simulator=toi => simulator.type: no simulator named 'toi', did you mean 'toy'?
log.7.type=x => log: expected an index below 3, got '7'
name.x=1 => name: this is 'first' and holds no 'x'
name => expected key.path=value
=1 => expected key.path=value
name={ => the value is not valid YAML
"""


def told(path: Path, components: Components, *overrides: str) -> str:
    with pytest.raises(ManifestError) as caught:
        load(path, components, overrides=overrides)
    message = str(caught.value)
    assert message.isprintable()
    assert caught.value.exit_code == 2
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(GOOD)
    return path


def test_the_manifest_that_the_mistakes_are_made_in_is_right(
    path: Path, components: Components
) -> None:
    assert load(path, components).name == "first"


@pytest.mark.parametrize("mistake", CHANGES.strip().splitlines())
def test_a_mistake_is_told_with_its_line_and_column(
    mistake: str, path: Path, components: Components
) -> None:
    change, message = mistake.replace("\\n", "\n").replace("\\0", "\0").split(" => ")
    old, new = change.split(" -> ")
    path.write_text(GOOD.replace(old, new, 1))
    assert told(path, components).startswith(f"{path}:{message}")


@pytest.mark.parametrize("mistake", WHOLE)
def test_a_text_that_is_no_manifest_is_refused_at_once(
    mistake: str, path: Path, components: Components
) -> None:
    text, message = WHOLE[mistake]
    path.write_text(text)
    began = time.monotonic()
    told_message = told(path, components)
    assert time.monotonic() - began < 5
    assert told_message.startswith(f"{path}:")
    assert message in told_message


@pytest.mark.parametrize("mistake", OVERRIDES.strip().splitlines())
def test_a_mistake_in_an_override_names_the_override(
    mistake: str, path: Path, components: Components
) -> None:
    override, message = mistake.split(" => ")
    assert told(path, components, override).startswith(f"-s {override}: {message}")


def test_a_mistake_in_an_extended_file_names_that_file(path: Path, components: Components) -> None:
    base = path.with_name("base.yaml")
    base.write_text("seed: 1\nalgorithm: {type: learn, epochs: many}\n")
    path.write_text(f"extends: base.yaml\n{GOOD}")
    assert told(path, components).startswith(
        f"{base}:2:26: algorithm.epochs: expected a whole number, got 'many'"
    )


def test_the_first_of_several_mistakes_is_told(path: Path, components: Components) -> None:
    path.write_text(GOOD.replace("lanes: 4", "lanes: x").replace("1e-5", "y"))
    assert ":5:3: simulator.lanes:" in told(path, components)


def test_a_contradiction_in_the_first_of_two_phases_is_found(
    path: Path, components: Components
) -> None:
    phases = """phases:
  - {algorithm: {type: copy, batch_size: 7}, budget: {updates: 1}}
  - {algorithm: learn, budget: {updates: 1}}
"""
    start, _, rest = GOOD.partition("algorithm:")
    path.write_text(start + phases + rest.partition("budget: {updates: 3}\n")[2])
    assert ":8:30: phases.0.algorithm.batch_size: batch_size 7 is not" in told(path, components)


def test_demonstrations_need_a_simulator_with_an_expert(path: Path, components: Components) -> None:
    text = GOOD.replace("type: toy", "type: wild").replace("learn\n  lr: 1e-5", "copy")
    path.write_text(text)
    assert ":8:3: algorithm.type: needs demonstrations, but simulator 'wild' has" in told(
        path, components
    )


def test_a_component_of_a_broken_plugin_is_explained_by_its_error(
    path: Path, components: Components
) -> None:
    path.write_text(GOOD.replace("type: toy", "type: libero"))
    with pytest.raises(ManifestError, match=r"plugin 'rlvla_libero' failed to load: No module"):
        load(path, components, plugins={"rlvla_libero": ImportError("No module named 'bddl'")})


def test_a_required_plugin_that_failed_is_explained(path: Path, components: Components) -> None:
    path.write_text(f"{GOOD}plugins: [libero]\n")
    with pytest.raises(ManifestError, match=r"plugins\.0: plugin 'libero' failed to load: no"):
        load(path, components, plugins={"libero": ImportError("no")})


def test_a_missing_file_names_the_packaged_manifests(components: Components) -> None:
    assert told(Path("nowhere.yaml"), components).startswith("nowhere.yaml: no such manifest")


def test_what_is_not_a_file_is_refused(tmp_path: Path, components: Components) -> None:
    assert told(tmp_path, components) == f"{tmp_path}: this is not a file"


def test_text_that_is_not_utf8_is_located(path: Path, components: Components) -> None:
    path.write_bytes(b"rlvla: 1\nname: \xff\n")
    assert told(path, components) == f"{path}:2:7: expected UTF-8 text"


def test_a_chain_of_files_is_bounded(tmp_path: Path, components: Components) -> None:
    for i in range(12):
        (tmp_path / f"{i}.yaml").write_text(f"extends: {i + 1}.yaml\n")
    assert "extends: a manifest extends at most 8 levels" in told(tmp_path / "0.yaml", components)


def test_a_tree_of_files_is_bounded(tmp_path: Path, components: Components) -> None:
    for i in range(6):
        (tmp_path / f"{i}.yaml").write_text(f"extends: [{', '.join([f'{i + 1}.yaml'] * 8)}]\n")
    (tmp_path / "6.yaml").write_text("seed: 1\n")
    assert "extends: a manifest extends at most 8 levels or 64" in told(
        tmp_path / "0.yaml", components
    )


def test_nothing_that_a_manifest_names_is_imported(path: Path, components: Components) -> None:
    path.write_text(GOOD.replace("type: toy", "type: antigravity.fly"))
    told(path, components)
    assert "antigravity" not in sys.modules


def test_the_clock_does_not_end_a_deterministic_run(path: Path, components: Components) -> None:
    path.write_text(GOOD.replace("updates: 3", "minutes: 3") + "deterministic: true\n")
    assert told(path, components).startswith(
        f"{path}:10:10: budget.minutes: minutes cannot limit a deterministic run"
    )


def test_padding_is_not_for_deterministic_runs(path: Path, components: Components) -> None:
    path.write_text(GOOD + "deterministic: true\nschedulers: {padding: [64]}\n")
    assert "schedulers.padding: excludes 'deterministic: true', in which" in told(path, components)
