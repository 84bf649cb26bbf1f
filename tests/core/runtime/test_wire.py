from __future__ import annotations

import pytest

from rlvla.core.runtime.wire import Lines, decode, encode
from rlvla.core.segment import Segment
from rlvla.core.types import Outcome, Request, Start


def test_records_and_numbers_arrive_as_they_were_sent() -> None:
    records = [
        Segment(1, (1, 2), (-1, 4), (0, 1)),
        Start("reach", "eval", 7, 9),
    ]
    assert decode(encode([1, "act", records, {"into": 5, "text": "ü\n"}])) == [
        *(1, "act", records, {"into": 5, "text": "ü\n"})
    ]
    request = Request(2, 3, (1 << 64) - 1, 0.1)
    outcome = Outcome(0.1 + 0.2, 2, terminated=False, truncated=True, success=False)
    heard_request, heard_outcome = decode(encode([request, outcome]))
    assert (Request(*heard_request), Outcome(*heard_outcome)) == (request, outcome)
    assert encode(records).count(b"\n") == 1


def test_lines_are_put_together_from_any_pieces() -> None:
    lines = Lines()
    data = b'[1]\n["two"]\n[3'
    got = [line for byte in range(len(data)) for line in lines.feed(data[byte : byte + 1])]
    assert got == [b"[1]", b'["two"]']
    assert [*lines.feed(b"]\n\n")] == [b"[3]", b""]


def test_other_objects_do_not_travel() -> None:
    with pytest.raises(TypeError, match=r"1j\) does not travel between processes|1j does not"):
        encode([1j])
