"""`python -m pytest tests/simulation --seed N` replays one seed."""

from __future__ import annotations

import pytest

CHUNKS, CHUNK = 12, 25
"""Seeds that are always run, in tests of so many."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="replay this seed of the simulation")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    seed = _asked(metafunc.config)
    chunks = [range(CHUNK * number, CHUNK * (number + 1)) for number in range(CHUNKS)]
    if seed is not None:
        chunks = [range(seed, seed + 1)]
    metafunc.parametrize("seeds", chunks, ids=[f"from {one[0]}" for one in chunks])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _asked(config) is not None:
        items[:] = [
            item
            for item in items
            if isinstance(item, pytest.Function) and "seeds" in item.fixturenames
        ]


def _asked(config: pytest.Config) -> int | None:
    """Return the seed to replay; the option is unknown if pytest was told of no test here."""
    seed: int | None = config.getoption("seed", default=None)
    return seed
