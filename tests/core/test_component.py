"""Options become what the type hints say, or a sentence that says why not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence  # noqa: TC003 - read at run time, as by `build`
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from rlvla.core.component import OptionError, build, construct, describe, options_of


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Nested options."""

    size: float = 1.0
    made: int = field(default=3, init=False)


@dataclass(frozen=True, kw_only=True)
class Outer:
    """One option of each type."""

    whole: int = 1
    number: float = 1.0
    flag: bool = False
    either: Literal["a", 1] = "a"
    many: Sequence[str] = ()
    pair: tuple[int, str] = (1, "x")
    scales: Mapping[str, float] = field(default_factory=dict[str, float])
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None
    mixed: int | list[int] = 0
    path: Path | None = None
    anything: Any = None

    def __post_init__(self) -> None:
        if self.whole == 0:
            raise ValueError(f"a zero is not wanted, and whole is {self.whole}")
        if 1 / self.number > 1e9:
            raise ValueError(f"number is too small, got {self.number}")


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({"whole": 1.0}, ("whole",), "expected a whole number, got 1.0"),
        ({"number": True}, ("number",), "expected a number, got true"),
        ({"number": 10**400}, ("number",), "this number is too large"),
        ({"flag": 1}, ("flag",), "expected true or false, got 1"),
        ({"either": "b"}, ("either",), "expected 'a' or 1, got 'b'"),
        ({"many": "abc"}, ("many",), "expected a list, got 'abc'"),
        ({"pair": [1]}, ("pair",), "expected a list of 2, got 1"),
        ({"pair": [1, 2]}, ("pair", 1), "expected a text, got 2"),
        ({"scales": [1]}, ("scales",), "expected a mapping, got a list"),
        ({"scales": {"x": "y"}}, ("scales", "x"), "expected a number, got 'y'"),
        ({"inner": 3}, ("inner",), "expected a mapping, got 3"),
        ({"inner": {"made": 3}}, ("inner", "made"), "unknown key 'made'"),
        ({"maybe": {"size": "big"}}, ("maybe", "size"), "expected a number, got 'big'"),
        ({"mixed": "x"}, ("mixed",), "expected a whole number or a list, got 'x'"),
        ({"mixed": [None]}, ("mixed", 0), "expected a whole number, got null"),
        ({"path": 3}, ("path",), "expected a path or null, got 3"),
        ({"maybe": "x" * 99}, ("maybe",), "expected a mapping or null, got 'xxxxxx"),
        ({"flag": 1 << 99}, ("flag",), "expected true or false, got a huge number"),
        ({"whole": 0}, (), "a zero is not wanted"),
        ({"number": 0}, (), "float division by zero"),
    ],
)
def test_a_wrong_option_is_named_and_explained(
    options: dict[str, object], place: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        build(Outer, options)
    assert caught.value.place == place
    assert str(caught.value).startswith(message)


def test_a_component_crosses_a_process_as_json() -> None:
    component = Outer(
        number=2,
        many=("a", "b"),
        scales={"x": 1.0},
        maybe=Inner(size=3.0),
        path=Path("p"),
        mixed=[1],
    )
    assert construct(json.loads(json.dumps(describe(component)))) == component


def test_what_is_not_a_dataclass_has_no_options() -> None:
    with pytest.raises(TypeError, match="no options"):
        options_of(3)
    with pytest.raises(TypeError, match="takes no options"):
        build(int, {})


def test_a_type_that_is_not_there_at_run_time_is_explained() -> None:
    @dataclass
    class Lost:
        where: Nowhere  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore

    with pytest.raises(TypeError, match=r"Lost's options must be imported .* also at run time"):
        build(Lost, {"where": 1})
