"""`python -m pytest tests/simulation --seed N` replays one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FIRST, CHUNKS, CHUNK = 0, 12, 25


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="replay this seed alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    seed: int | None = metafunc.config.getoption("seed", default=None)
    if seed is not None:
        metafunc.parametrize("seeds", [[seed]], ids=[f"seed {seed}"])
        return
    begins = range(FIRST, FIRST + CHUNKS * CHUNK, CHUNK)
    chunks = [range(first, first + CHUNK) for first in begins]
    metafunc.parametrize("seeds", chunks, ids=[f"seeds from {one[0]}" for one in chunks])
