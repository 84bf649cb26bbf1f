from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from rlvla.core.report import write_report
from rlvla.core.run_dir import record_evaluation, write_exit, write_versions
from rlvla.core.success import Tally

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "img", "br", "path", "rect", "circle", "polyline", "polygon"}


class Balance(HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page_of(run_dir: Path) -> str:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    page = path.read_text()
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert "script" not in balance.seen
    assert not re.search(r"https?://", page)
    return page


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A finished run."""
    run = tmp_path / "tabletop-reach"
    (run / "videos").mkdir(parents=True)
    rows = [
        {
            "step": step,
            "phase": "ppo",
            "train/loss": 1 / (step + 1),
            "rollout/success": step / 100,
            "async/staleness_mean": 0.4,
            "async/staleness_max": 1,
            "time/decisions_per_s": 812.0,
            "time/seconds": 2.0,
            "wait/simulator": 0.1,
            "wait/generator": 0.3 if step else None,
            "wait/trainer": 0.05,
            "ledger/produced": 64 * step,
            "ledger/trained": 60 * step,
            "ledger/dropped_crash": 4,
            "pace/step_p50_ms": 10.0,
            "pace/step_p95_ms": 20.0,
            "pace/slowest": 3,
            "replaced/recycled": 17,
        }
        for step in range(60)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for moment, version, successes in (("before", 0, 20), ("during", 30, 31), ("after", 59, 46)):
        episodes = [("reach", number < successes, 20) for number in range(50)]
        tally = Tally.count(episodes, protocol="tabletop/reach@v1", version=version)
        record_evaluation(run, moment=moment, tally=tally)
    lanes = [{"lane": lane, "steps": 40, "mean_ms": 50.0 - lane} for lane in range(20)]
    (run / "paces.json").write_text(json.dumps(lanes))
    write_exit(run, code=0, message="done")
    write_versions(run, seed=0, threads=1)
    (run / "manifest.resolved.yaml").write_text("rlvla: 1\nname: tabletop-reach\n")
    (run / "videos" / "after-0.webp").write_bytes(b"RIFFsmall")
    (run / "videos" / "after 1.webp").write_bytes(b"x" * 1_000_000)
    return run


def test_a_report_tells_success_before_and_after_with_intervals(run_dir: Path) -> None:
    page = page_of(run_dir)
    assert "<b>40%</b><span>success before training</span>" in page
    assert "<b>92%</b><span>success after training</span>" in page
    assert "46/50 = 92%" in page
    assert page.count('class="whisker"') == 2
    assert page.count('class="band') == 1
    assert "Measured by tabletop/reach@v1 on eval starts." in page


def test_a_report_shows_every_metric_and_the_ledger(run_dir: Path) -> None:
    page = page_of(run_dir)
    for title in ("train/loss", "success", "staleness", "share of time waited"):
        assert f"<h3>{title}</h3>" in page
    assert "<td>dropped crash</td>" in page
    assert '<td class="number">3\N{THIN SPACE}540</td>' in page
    assert "<h3>ledger/" not in page


def test_a_report_weighs_the_waiting_by_time(run_dir: Path) -> None:
    page = page_of(run_dir)
    waited = page.split("Who waited")[1].split("</section>")[0]
    assert re.findall(r">(\d+%)</text>", waited)[3:] == ["10%", "30%", "5%"]


def test_a_report_shows_the_slowest_lanes_and_why_workers_were_replaced(run_dir: Path) -> None:
    page = page_of(run_dir)
    slowest = page.split("Slowest lanes")[1].split("</section>")[0]
    assert "<th>mean ms</th>" in slowest
    assert slowest.count("<tr>") == 1 + 8
    assert '<td>recycled</td><td class="number">17</td>' in page
    assert "<h3>time of a step in ms</h3>" in page
    assert "<h3>pace/slowest" not in page


def test_small_videos_are_embedded_and_large_ones_linked(run_dir: Path) -> None:
    page = page_of(run_dir)
    assert '<img src="data:image/webp;base64,UklGRnNtYWxs"' in page
    assert '<img src="videos/after%201.webp"' in page


def test_a_linked_video_is_not_followed(run_dir: Path) -> None:
    (run_dir / "secret").write_text("secret")
    (run_dir / "videos" / "leak.webp").symlink_to(run_dir / "secret")
    assert "leak" not in page_of(run_dir)


def test_an_mp4_is_played(run_dir: Path) -> None:
    (run_dir / "videos" / "after-2.mp4").write_bytes(b"film")
    assert '<video src="data:video/mp4;base64,ZmlsbQ==" controls' in page_of(run_dir)


def test_an_empty_folder_still_has_a_report(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "not ended" in page
    assert "<section>" not in page


@pytest.mark.parametrize("name", ["evaluations.json", "versions.json", "exit.json", "paces.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "[1]", '{"code": []}', '[{"moment": 1}]'])
def test_a_damaged_file_is_left_out(run_dir: Path, name: str, text: str) -> None:
    (run_dir / name).write_text(text)
    assert "train/loss" in page_of(run_dir)


@pytest.mark.parametrize(
    ("code", "words"), [(75, "stopped, can be resumed"), (5, "exit code 5"), (0, "done")]
)
def test_the_end_of_the_run_is_told(run_dir: Path, code: int, words: str) -> None:
    write_exit(run_dir, code=code, message="cause & effect")
    page = page_of(run_dir)
    assert f">{words}</span><p>cause &amp; effect</p>" in page


def test_text_of_the_run_is_never_markup(run_dir: Path) -> None:
    row = {"step": 60, f"train/{EVIL}": 1.0, f"ledger/{EVIL}": 2, "phase": EVIL}
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    tally = Tally.count([(EVIL, True, 3)], protocol=EVIL, version=60)
    record_evaluation(run_dir, moment=EVIL, tally=tally)
    write_exit(run_dir, code=0, message=EVIL)
    (run_dir / "versions.json").write_text(json.dumps({EVIL: EVIL}))
    (run_dir / "manifest.resolved.yaml").write_text(f"name: $style {EVIL}\n")
    (run_dir / "videos" / '"><b>.webp').write_bytes(b"x")
    page = page_of(run_dir)
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert "name: $style &lt;script" in page
    assert '"><b>' not in page
