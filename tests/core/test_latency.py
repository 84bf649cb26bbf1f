from __future__ import annotations

import math
import statistics
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.errors import ManifestError
from rlvla.core.latency import Curve, Latencies, Latency, Publish, load, save

if TYPE_CHECKING:
    from pathlib import Path

DRAWS = 20_000
LATENCIES = Latencies(
    step=Latency(mean_ms=20.0, cv=0.5, spread=0.1, straggle=0.01, straggle_factor=5.0),
    reset=Latency(samples_ms=(10.0, 30.0)),
    batch=Curve(base_ms=5.0, per_sample_ms=0.5),
    generator=Curve(base_ms=12.0, per_sample_ms=9.0),
    trainer=Curve(per_sample_ms=30.0),
    update_ms=4.0,
    publish=Publish(base_ms=100.0, blocking=True),
    source="made up",
)


def _draws(latency: Latency, *, lane: int = 0) -> list[float]:
    random = Random(1)
    return [latency.draw(random, lane) for _ in range(DRAWS)]


def test_without_variation_every_call_takes_the_mean() -> None:
    assert set(_draws(Latency(mean_ms=25.0))) == {0.025}
    assert set(_draws(Latency(cv=2.0))) == {0.0}


@pytest.mark.parametrize("cv", [0.1, 0.5, 1.0])
def test_a_log_normal_latency_has_its_mean_deviation_and_median(cv: float) -> None:
    drawn = _draws(Latency(mean_ms=20.0, cv=cv))
    assert statistics.fmean(drawn) == pytest.approx(0.02, rel=0.03)
    assert statistics.pstdev(drawn) == pytest.approx(0.02 * cv, rel=0.1)
    median = 0.02 / math.sqrt(1 + cv**2)
    assert statistics.median(drawn) == pytest.approx(median, rel=0.03)


def test_the_slowest_of_many_lanes_is_as_late_as_published() -> None:
    """E[max of 64] / mean at cv 0.5 is 2.77, by numerical integration elsewhere."""
    drawn = _draws(Latency(mean_ms=1000.0, cv=0.5))
    rounds = [max(drawn[first : first + 64]) for first in range(0, DRAWS - 64, 64)]
    assert statistics.fmean(rounds) == pytest.approx(2.77, rel=0.05)


def test_measured_times_are_drawn_each_as_often() -> None:
    latency = Latency(samples_ms=(10.0, 20.0, 60.0))
    drawn = _draws(latency)
    assert set(drawn) == {0.01, 0.02, 0.06}
    assert drawn.count(0.06) / DRAWS == pytest.approx(1 / 3, abs=0.02)
    assert latency.mean_s == pytest.approx(0.03)


def test_a_straggling_call_takes_longer() -> None:
    latency = Latency(mean_ms=10.0, straggle=0.2, straggle_factor=4.0)
    drawn = _draws(latency)
    assert drawn.count(0.04) / DRAWS == pytest.approx(0.2, abs=0.02)
    assert latency.mean_s == pytest.approx(0.016)


def test_a_lane_keeps_its_pace_and_lanes_differ_by_the_spread() -> None:
    latency = Latency(mean_ms=10.0, spread=0.3)
    assert len(set(_draws(latency, lane=5))) == 1
    paces = [latency.draw(Random(0), lane) for lane in range(4000)]
    assert statistics.fmean(paces) == pytest.approx(0.01, rel=0.03)
    assert statistics.pstdev(paces) == pytest.approx(0.003, rel=0.1)


def test_equal_seeds_draw_equal_times() -> None:
    latency = Latency(mean_ms=10.0, cv=0.5, straggle=0.1, straggle_factor=2.0)
    assert _draws(latency) == _draws(latency)


def test_a_batch_costs_a_fixed_part_and_one_per_sample() -> None:
    assert Curve(base_ms=12.0, per_sample_ms=9.0).seconds(4) == pytest.approx(0.048)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"mean_ms": -1.0}, "mean_ms"),
        ({"cv": math.inf}, "cv"),
        ({"samples_ms": (1.0, math.nan)}, "samples_ms"),
        ({"samples_ms": (1.0,), "mean_ms": 1.0}, "samples_ms"),
        ({"straggle": 1.5}, "straggle"),
    ],
)
def test_an_impossible_latency_is_refused_by_the_option_s_name(
    options: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        Latency(**options)


def test_what_is_saved_is_loaded_equal(tmp_path: Path) -> None:
    save(LATENCIES, tmp_path / "latencies.yaml")
    assert load(tmp_path / "latencies.yaml") == LATENCIES


@pytest.mark.parametrize(
    ("before", "after", "where", "what"),
    [
        ("cv: 0.5", "cv: -1", "3:3: step.cv", "at least 0"),
        ("cv: 0.5", "cw: 0.5", "3:3: step.cw", "unknown key 'cw', expected mean_ms, cv"),
        ("update_ms: 4.0", "update_ms: slow", "update_ms", "expected a number, got 'slow'"),
        ("trainer:\n", "coach:\n", "coach", "unknown key"),
        ("mean_ms: 20.0", "mean_ms: [", "", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_key(
    tmp_path: Path, before: str, after: str, where: str, what: str
) -> None:
    path = tmp_path / "latencies.yaml"
    save(LATENCIES, path)
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(ManifestError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}:")
    assert where in str(raised.value)
    assert what in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml")
