from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from rlvla.core.types import encode_instruction
from rlvla.plugins.models.openvla import PROMPT, presets
from rlvla.plugins.models.openvla.actions import CENTRES, Statistics, actions_of, tokens_of
from rlvla.plugins.models.openvla.prompt import Prompter, align
from rlvla.plugins.models.openvla.tokenizer import SPACE_PIECE, FileTokenizer, SmallTokenizer

if TYPE_CHECKING:
    from pathlib import Path

RANGE = Statistics(np.array([-0.5, 0.0]), np.array([1.5, 0.25]), np.array([True, True]))


def test_bins_survive_the_round_trip() -> None:
    tokens = np.stack([np.arange(31745, 32000)] * 2, -1)
    again = tokens_of(actions_of(tokens, RANGE, 32000), RANGE, 32000)
    np.testing.assert_array_equal(again, tokens)


def test_the_two_highest_bins_share_a_centre() -> None:
    first, second = actions_of(np.array([[31744, 31744], [31745, 31745]]), RANGE, 32000)
    np.testing.assert_array_equal(first, second)


@given(st.floats(-0.5, 1.5))
def test_an_action_is_met_to_half_a_bin(action: float) -> None:
    one = Statistics(RANGE.low[:1], RANGE.high[:1], RANGE.mask[:1])
    tokens = tokens_of(np.array([action]), one, 640)
    assert 640 - 256 <= tokens[0] < 640
    assert abs(actions_of(tokens, one, 640)[0] - action) <= 1 / 255 + 1e-9


def test_an_action_out_of_range_is_its_edge() -> None:
    tokens = tokens_of(np.array([[-9.0, 9.0]]), RANGE, 640)
    np.testing.assert_array_equal(tokens, [[639, 384]])


def test_unmasked_dimensions_are_left_alone() -> None:
    grip = Statistics(np.array([0.0]), np.array([1.0]), np.array([False]))
    assert actions_of(np.array([32000 - 1]), grip, 32000)[0] == CENTRES[0]
    assert tokens_of(np.array([-1.0]), grip, 32000)[0] == 31999


def test_a_dimension_without_range_is_constant() -> None:
    still = Statistics(np.array([2.0]), np.array([2.0]), np.array([True]))
    assert actions_of(tokens_of(np.array([2.0]), still, 640), still, 640)[0] == 2.0


def test_known_prompts_are_short_and_never_reach_the_bins() -> None:
    prompt = PROMPT.replace("{task}", "push the blue cube to the left")
    ids = SmallTokenizer().encode(prompt)
    assert len(ids) == 2 + 7
    assert max(ids) < presets.tiny((64, 64)).bins.start


@given(st.text(max_size=40))
def test_any_text_has_ids_below_the_bins(text: str) -> None:
    ids = SmallTokenizer().encode(text)
    assert all(3 <= token < presets.tiny((64, 64)).bins.start for token in ids)


def test_unknown_words_are_bytes_and_stay_distinct() -> None:
    encode = SmallTokenizer().encode
    assert encode("Käse") == [3 + byte for byte in "käse".encode()]
    assert encode("cube") != encode("cubes")


def test_prompts_end_together() -> None:
    prompts = align([[5, 6], [7]])
    np.testing.assert_array_equal(prompts.ids, [[5, 6], [0, 7]])
    np.testing.assert_array_equal(prompts.lengths, [2, 1])


def test_prompter_reads_instructions_in_lower_case() -> None:
    rows = np.stack([encode_instruction("Reach The Red Cube"), encode_instruction("reach")])
    prompts = Prompter(SmallTokenizer(), PROMPT)(rows)
    np.testing.assert_array_equal(prompts.lengths, [6, 3])


def test_a_tokenizer_file_ends_prompts_in_the_space_piece(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(WordLevel({"reach": 7, "?": 0}, unk_token="?")).save(str(path))
    assert FileTokenizer(path).encode("reach") == [7, SPACE_PIECE]
