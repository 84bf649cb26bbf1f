from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import Start
from rlvla.plugins.simulators.envpool import EnvPool
from rlvla.plugins.simulators.envpool.pools import seed

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"on_success": "stop"}, "expected .end. or .continue., got .stop."),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(EnvPool, {"env": "HalfCheetah-v5", **options})


def test_options_survive_the_way_to_a_worker() -> None:
    adapter = EnvPool("MetaWorld/Push-v3", kwargs={"partially_observable": False}, max_steps=100)
    assert build(EnvPool, options_of(adapter)) == adapter


def test_seeds_that_are_measured_are_never_trained_on() -> None:
    measured = {seed(Start("any", "eval", index)) for index in range(500)}
    trained = {seed(Start("any", "train", index, run)) for index in range(250) for run in range(2)}
    assert len(measured) == len(trained) == 500
    assert not measured & trained
    assert max(measured | trained) < 2**31, "EnvPool takes no larger one"


@pytest.mark.skipif(find_spec("envpool") is not None, reason="it is installed here")
def test_an_interpreter_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(RuntimeError, match=r"envpool cannot be imported here .*rlvla sim install"):
        _ = EnvPool("HalfCheetah-v5").spec


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs the package, in the interpreter that has it."""
    run_package_tests("envpool")
