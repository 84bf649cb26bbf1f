"""What a right manifest means, where its values come from, and how it is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import construct, describe
from rlvla.core.document import parse
from rlvla.core.errors import ManifestError
from rlvla.core.manifest import compose, from_plain, load, origins, save, to_yaml
from rlvla.core.settings import Evaluating

if TYPE_CHECKING:
    from rlvla.core.registry import Components

GOOD = """rlvla: 1
name: first
environment: [TOKEN, LANES]
simulator: {type: toy, lanes: "${env:LANES}"}
model: {type: tiny, lora: {r: 4}, token: "Bearer ${secret:TOKEN}"}
algorithm: {type: learn, lr: 1e-5, betas: [0, 1]}
budget: {minutes: 3}
"""
CANARY = "c4n4ry!'\n\\x"
ENVIRONMENT = {"TOKEN": CANARY, "LANES": "6", "HOME": "/root"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(GOOD)
    return path


def test_components_are_built_with_the_types_of_their_options(
    path: Path, components: Components
) -> None:
    manifest: Any = load(path, components, environment=ENVIRONMENT)
    assert manifest.simulator.lanes == 6
    assert manifest.model.lora.r == 4
    assert manifest.phases[0].algorithm.lr == 1e-5
    assert manifest.phases[0].algorithm.betas == [0.0, 1.0]
    assert isinstance(manifest.phases[0].algorithm.betas[0], float)
    assert manifest.phases[0].budget.minutes == 3.0
    assert manifest.simulator.size == (64, 64)


def test_what_is_not_said_has_a_default(path: Path, components: Components) -> None:
    manifest = load(path, components, environment=ENVIRONMENT)
    assert manifest.seed == 0
    assert manifest.output_dir == Path("runs/first")
    assert [one["type"] for one in manifest.plain["log"]] == ["console", "jsonl", "tensorboard"]
    assert manifest.plain["runtime"]["type"] == "local"


def test_phases_train_one_after_the_other(path: Path, components: Components) -> None:
    kept, _, _ = GOOD.partition("algorithm:")
    path.write_text(
        f"""{kept}phases:
- {{algorithm: copy, budget: {{updates: 5}}}}
- {{algorithm: {{type: learn}}, budget: {{updates: 7}}}}
"""
    )
    manifest = load(path, components, environment=ENVIRONMENT)
    assert [(one.name, one.budget.updates) for one in manifest.phases] == [
        ("copy", 5),
        ("learn", 7),
    ]


def test_a_later_manifest_wins_key_by_key(path: Path, components: Components) -> None:
    (path.parent / "a.yaml").write_text("seed: 1\nasync: {segment: 4, stream: false}\n")
    (path.parent / "b.yaml").write_text("seed: 2\neval: {every: 3}\n")
    path.write_text(f"extends: [a.yaml, b.yaml]\n{GOOD}async: {{segment: 2}}\n")
    manifest = load(path, components, environment=ENVIRONMENT)
    assert (manifest.seed, manifest.evaluating.every) == (2, 3)
    assert (manifest.asynchrony.segment, manifest.asynchrony.stream) == (2, False)
    assert "extends" not in manifest.plain


def test_another_type_keeps_no_option_of_the_former(path: Path, components: Components) -> None:
    over = path.with_name("over.yaml")
    over.write_text("extends: m.yaml\nalgorithm: copy\nlog: [console]\n")
    manifest = load(over, components, environment=ENVIRONMENT)
    assert manifest.phases[0].name == "copy"
    assert len(manifest.loggers) == 1


def test_phases_replace_the_algorithm_of_what_is_extended(
    path: Path, components: Components
) -> None:
    over = path.with_name("over.yaml")
    over.write_text("extends: m.yaml\nphases: [{algorithm: copy, budget: {updates: 1}}]\n")
    assert [one.name for one in load(over, components, environment=ENVIRONMENT).phases] == ["copy"]


def test_a_packaged_manifest_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "packaged").mkdir()
    (tmp_path / "packaged" / "quick.yaml").write_text("seed: 3\n")
    (tmp_path / "mine.yaml").write_text("extends: quick\nname: mine\n")
    assert compose("quick", packaged=tmp_path / "packaged").data["seed"] == 3
    mine = compose(tmp_path / "mine.yaml", packaged=tmp_path / "packaged")
    assert (mine.data["seed"], mine.data["name"]) == (3, "mine")
    with pytest.raises(ManifestError, match="slow: no such manifest; packaged ones: quick"):
        compose("slow", packaged=tmp_path / "packaged")


def test_overrides_win_and_are_written_as_yaml(path: Path, components: Components) -> None:
    overrides = ["async.rollout=false", "algorithm.lr=2e-4", "runtime=inline", "log.0.key=a=b"]
    overrides += ["algorithm.betas.1=0.5", "model.lora=null", "eval={every: 2}"]
    manifest: Any = load(path, components, overrides=overrides, environment=ENVIRONMENT)
    assert manifest.asynchrony.rollout is False
    assert manifest.phases[0].algorithm.lr == 2e-4
    assert manifest.phases[0].algorithm.betas == [0.0, 0.5]
    assert manifest.plain["runtime"]["type"] == "inline"
    assert manifest.loggers[0].key == "a=b"
    assert manifest.model.lora is None
    assert manifest.evaluating.every == 2


def test_references_keep_their_type_and_join_texts(path: Path, components: Components) -> None:
    texts = "output_dir: out/${name}-${seed}-${algorithm.betas.1}-\\${x}\n"
    path.write_text(f"{GOOD}seed: 5\n{texts}eval: {{every: '${{seed}}'}}\n")
    manifest = load(path, components, environment=ENVIRONMENT)
    assert manifest.evaluating.every == 5
    assert manifest.output_dir == Path("out/first-5-1-${x}")
    assert from_plain(manifest.plain, components, environment=ENVIRONMENT) == manifest


def test_each_value_knows_its_origin(path: Path, components: Components) -> None:
    base = path.with_name("base.yaml")
    base.write_text("\neval: {every: 3, lanes: 2}\n")
    path.write_text(f"extends: base.yaml\n{GOOD}")
    overrides = ["eval.lanes=5"]
    found = {
        one.key: (one.value, one.where)
        for one in origins(path, components, overrides=overrides, environment=ENVIRONMENT)
    }
    assert found["eval.every"] == (3, f"{base}:2")
    assert found["eval.lanes"] == (5, "-s eval.lanes=5")
    assert found["eval.videos"] == (2, "default")
    assert found["model.lora.r"] == (4, f"{path}:6")
    assert found["model.lora.alpha"] == (16.0, "default")
    assert found["model.token"] == ("Bearer ${secret:TOKEN}", f"{path}:6")
    assert found["schedulers.sharding.shards"] == (2, "default")


def test_a_saved_manifest_is_loaded_back_equal(path: Path, components: Components) -> None:
    manifest = load(path, components, environment=ENVIRONMENT)
    save(manifest, path.with_name("saved.yaml"))
    again = load(path.with_name("saved.yaml"), components, environment=ENVIRONMENT)
    rebuilt = from_plain(manifest.plain, components, environment=ENVIRONMENT)
    assert again == rebuilt == manifest
    assert list(json.loads(json.dumps(manifest.plain))) == list(manifest.plain)


def test_a_secret_is_used_but_never_shown(path: Path, components: Components) -> None:
    manifest: Any = load(path, components, environment=ENVIRONMENT)
    assert str.__str__(manifest.model.token) == f"Bearer {CANARY}"
    shown = to_yaml(manifest) + repr(manifest) + json.dumps(manifest.plain) + repr(manifest.plain)
    assert "c4n4ry" not in shown
    assert "${secret:TOKEN}" in to_yaml(manifest)


@pytest.mark.parametrize(
    "line",
    [
        "simulator: {type: toy, task: '${secret:TOKEN}'}",
        "simulator: {type: toy, assets: '${secret:TOKEN}'}",
        "simulator: {type: '${secret:TOKEN}'}",
        "output_dir: x/${secret:TOKEN}",
        "seed: ${secret:TOKEN}",
        "algorithm: {type: learn, advantage: '${model.token}'}",
        "async: {segment: '${model.token}'}",
        "model: {type: tiny, echo: '${secret:TOKEN}'}",
    ],
)
def test_a_misplaced_secret_is_refused_unseen(
    line: str, path: Path, components: Components
) -> None:
    key = line.partition(":")[0]
    rest = [one for one in GOOD.splitlines() if not one.startswith(f"{key}:")]
    path.write_text("\n".join([*rest, line]))
    with pytest.raises(ManifestError) as caught:
        load(path, components, environment=ENVIRONMENT)
    assert "c4n4ry" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_only_listed_variables_are_read(path: Path, components: Components) -> None:
    path.write_text(GOOD.replace("name: first", "name: ${env:HOME}"))
    with pytest.raises(ManifestError, match="'HOME' is not allowed"):
        load(path, components, environment=ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("3.0e+4", 3e4),
        ("1_000", 1000),
        ("0x10", 16),
        ("010", 10),
        ("-.5", -0.5),
        (".inf", math.inf),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("TRUE", True),
        ("~", None),
        ("'1e-5'", "1e-5"),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    assert parse(f"a: {text}", "m.yaml").data == {"a": value}


def test_a_component_crosses_a_process_as_plain_data() -> None:
    component = Evaluating(episodes=3)
    plain = json.loads(json.dumps(describe(component)))
    assert plain["type"] == "rlvla.core.settings:Evaluating"
    assert construct(plain) == component
