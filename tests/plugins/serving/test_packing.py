from __future__ import annotations

import importlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.plugins.serving.packing import MessageError, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Mapping


msgpack: Any = importlib.import_module("msgpack")


def raw(value: object) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


def array(**changed: object) -> Mapping[bytes, object]:
    """Return the published layout of the array [1, 2] of float32, with changes."""
    made = {
        b"__ndarray__": True,
        b"data": bytes.fromhex("0000803f00000040"),
        b"dtype": "<f4",
        b"shape": [2],
    }
    return made | {name.encode(): value for name, value in changed.items()}


def test_an_array_is_read_from_its_published_layout() -> None:
    read: Any = unpack(raw({"x": array(), "deep": {"y": array(shape=[1, 2])}}))
    assert read["x"].dtype == np.float32
    assert read["x"].tolist() == [1, 2]
    assert read["deep"]["y"].tolist() == [[1, 2]]


def test_an_array_is_written_in_its_published_layout() -> None:
    data = pack({"x": np.array([1, 2], np.float32)})
    assert msgpack.unpackb(data) == {"x": array()}


def test_a_numpy_scalar_is_read() -> None:
    read: Any = unpack(raw({"x": {b"__npgeneric__": True, b"data": 3, b"dtype": "<i8"}}))
    assert read["x"] == 3
    assert read["x"].dtype == np.int64


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i2", ">i4", "<f2", "<f8"])
def test_arrays_of_numbers_come_back_as_they_were(dtype: str) -> None:
    sent = np.arange(6).astype(dtype).reshape(2, 3)
    read: Any = unpack(pack({"x": sent}))
    assert read["x"].dtype == sent.dtype
    np.testing.assert_array_equal(read["x"], sent)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dtype": "|O"}, "a dtype is bool"),
        ({"dtype": "|V8"}, "a dtype is bool"),
        ({"dtype": "<f4,<f4"}, "a dtype is bool"),
        ({"dtype": 4}, "a dtype is bool"),
        ({"shape": [3]}, "has 12 bytes, not 8"),
        ({"shape": [-1, -2]}, "sizes of at least 0"),
        ({"shape": [True, 2]}, "sizes of at least 0"),
        ({"shape": [1] * 9}, "at most 8 sizes"),
        ({"shape": [1 << 62, 1 << 62]}, "bytes, not 8"),
        ({"shape": 2}, "its shape as a list"),
        ({"data": "text"}, "its data as bytes"),
    ],
)
def test_an_array_that_is_none_is_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(MessageError, match=told):
        unpack(raw({"x": array(**changed)}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x91" * 100_000,  # a list in a list in a list
        b"\xdd\xff\xff\xff\xff",  # a list of 4 thousand million
        b"\xdc\x03\xe9" + b"\x80" * 1001,
        b"\x92" + (b"\xdc\x02\x58" + b"\x80" * 600) * 2,  # 1200 maps in short lists
        b"\xc9\x00\x00\x00\x01\x05x",  # an extension
        raw({1: 2}),
        raw({"x": 1}) + b"\x00",
        raw({"x": {b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}}),
        raw({"x": {b"__npgeneric__": True, b"data": "1", b"dtype": "|u1"}}),
        b"\x81\xa1x\xa1\xff",  # a text that is not UTF-8
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        unpack(data)


def test_garbage_is_refused_or_read_and_nothing_else_happens() -> None:
    dice = random.Random(0)
    whole = raw({"image": array(), "words": "go", "n": [1, 2.5, None]})
    refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            unpack(bytes(data[: dice.randint(1, len(data))]))
        except MessageError:
            refused += 1
    assert 1000 < refused < 3000


def test_what_is_no_array_of_numbers_is_not_sent() -> None:
    with pytest.raises(TypeError, match="arrays of numbers"):
        pack({"x": np.array([None])})
