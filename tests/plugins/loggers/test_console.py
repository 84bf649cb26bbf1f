from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.registry import Components
from rlvla.plugins import loggers
from rlvla.plugins.loggers.console import Console, Remaining, duration, line

if TYPE_CHECKING:
    from collections.abc import Mapping

ROW: Mapping[str, float | int | str] = {
    "step": 40,
    "phase": "ppo",
    "budget/fraction": 0.25,
    "time/decisions_per_s": 812.4,
    "rollout/success": 0.617,
    "eval/success_rate": 0.58,
    "async/staleness_mean": 0.41,
    "async/staleness_max": 1,
    "async/batch_size": 11.62,
    "wait/simulator": 0.12,
    "wait/generator": 0.30,
    "wait/trainer": 0.05,
}


def test_a_line_tells_all_there_is_to_know() -> None:
    assert line(ROW, 185.0) == (
        "ppo 40 (25 %, 3 min 05 s left) · decisions/s 812 · success 62% · eval 58% · "
        "staleness 0.41 max 1 · batch 11.6 · waiting simulator 12%, generator 30%, trainer 5%"
    )


def test_a_line_leaves_out_what_is_unknown() -> None:
    assert line({"step": 3, "time/decisions_per_s": 9}, None) == "update 3 · decisions/s 9"


def test_without_a_terminal_there_is_one_plain_line_per_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = Console(every=2)
    logger.start("runs/[reach]", {"name": "tabletop"})
    for step in range(5):
        logger.log({"step": step, "phase": "[ppo]"})
    logger.log({"step": 5, "eval/success_rate": 0.5})
    logger.close()
    assert capsys.readouterr().out.splitlines() == [
        "tabletop: runs/[reach]",
        "[ppo] 0",
        "[ppo] 2",
        "[ppo] 4",
        "[ppo] 5 · eval 50%",
    ]


def test_on_a_terminal_the_display_is_live(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    logger = Console()
    logger.start("runs/reach", {})
    logger.log(ROW)
    logger.close()
    shown = capsys.readouterr().out
    for expected in ("ppo 40", "25%", "decisions/s", "812", "generator 30%", "0.41 max 1"):
        assert expected in shown


def test_the_time_left_follows_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 100.0, 130.0, 160.0])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    clock = Remaining()
    assert clock.left({"budget/fraction": 0.5, "phase": "sft"}) is None  # resumed half way
    assert clock.left({"budget/fraction": 0.75, "phase": "sft"}) == 100.0
    assert clock.left({"step": 1}) is None
    assert clock.left({"budget/fraction": 0.0, "phase": "ppo"}) is None
    assert clock.left({"budget/fraction": 0.25, "phase": "ppo"}) == 90.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations_are_said_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        Console(every=0)


def test_the_loggers_are_registered_and_can_be_made() -> None:
    components = Components()
    loggers.register(components)
    assert list(components.loggers) == ["console", "jsonl", "tensorboard"]
    for name in components.loggers:
        components.loggers[name]().close()
