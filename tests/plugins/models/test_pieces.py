"""Text is cut as sentencepiece itself cuts it, by models that it trains here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlvla.plugins.models.pi0.tokenizer import tokenizer_in
from rlvla.plugins.models.pieces import Pieces

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY: Any = sentencepiece  # has no types
SENTENCES = (
    "pick up the red cube and put it on the plate",
    "In: What action should the robot take to reach the blue ball?\nOut:",
    "Task: open the top drawer, State: 12 255 0 128;\nAction: ",
)
LIKE_LLAMA: dict[str, Any] = {"byte_fallback": True, "add_dummy_prefix": True}
LIKE_GEMMA: dict[str, Any] = {
    "byte_fallback": True,
    "add_dummy_prefix": False,
    "split_digits": True,
    "bos_id": 2,
    "eos_id": 1,
    "pad_id": 0,
    "unk_id": 3,
    "user_defined_symbols": ["<loc0001>", "\n\n", "\u2581\u2581", "\n", "<b>"],
}
WITHOUT_BYTES: dict[str, Any] = {"byte_fallback": False, "add_dummy_prefix": True}
KINDS = {"llama": LIKE_LLAMA, "gemma": LIKE_GEMMA, "without bytes": WITHOUT_BYTES}


def trained(path: Path, **options: Any) -> Path:  # noqa: ANN401 - of the library
    """Write the model that sentencepiece makes of a few sentences."""
    model = io.BytesIO()
    given_ = {
        "vocab_size": 360,
        "model_type": "bpe",
        "hard_vocab_limit": False,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
    }
    LIBRARY.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 9), model_writer=model, minloglevel=2, **given_ | options
    )
    file = path / "tokenizer.model"
    file.write_bytes(model.getvalue())
    return file


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("model"), **KINDS[request.param])


def test_prompts_have_the_ids_of_sentencepiece(model: Path) -> None:
    ours, theirs = Pieces(model), LIBRARY.SentencePieceProcessor(model_file=str(model))
    assert ours.bos == theirs.bos_id()
    for text in (*SENTENCES, "", " ", "\n", "the  the   the", "<loc0001>x<b>", "caf\u00e9 \u2603"):
        assert ours.encode(text) == theirs.encode(text), text
    assert len({*ours.encode(SENTENCES[0])}) > 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.sampled_from("abdeortu \n12\u2581<>\u00e9"), max_size=30))
def test_any_text_has_the_ids_of_sentencepiece(model: Path, text: str) -> None:
    theirs = LIBRARY.SentencePieceProcessor(model_file=str(model))
    assert Pieces(model).encode(text) == theirs.encode(text)


def test_pieces_that_are_not_used_are_taken_apart_again(tmp_path: Path) -> None:
    file = trained(tmp_path, **LIKE_LLAMA)
    theirs = LIBRARY.SentencePieceProcessor(model_file=str(file))
    whole = theirs.encode("the", out_type=str)
    assert whole == ["\u2581the"]
    entry = b"\n\x06\xe2\x96\x81the\x15"
    content = file.read_bytes()
    start = content.index(entry)
    assert content[start - 1] == len(entry) + 4
    # An entry with the kind 5 (unused) in the place of none (ordinary).
    end = start + len(entry) + 4
    changed = bytes([len(entry) + 6]) + content[start:end] + b"\x18\x05"
    file.write_bytes(content[: start - 1] + changed + content[end:])
    again = LIBRARY.SentencePieceProcessor(model_file=str(file))
    assert len(again.encode("the")) > 1
    assert Pieces(file).encode("the cube") == again.encode("the cube")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "unigram"}, "has model_type 1, expected 2 as the models of PaliGemma"),
        ({"normalization_rule_name": "nmt_nfkc"}, r"has precompiled_charsmap \d+, expected 0"),
        ({"remove_extra_whitespaces": True}, "has remove_extra_whitespaces 1, expected 0"),
    ],
)
def test_models_that_cut_otherwise_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Pieces(trained(tmp_path, **LIKE_LLAMA | options))


def test_a_file_that_was_cut_is_named(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.model"
    file.write_bytes(model.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"checkpoint's file .*tokenizer\.model cannot be read"):
        Pieces(file)
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(ValueError, match=r"checkpoint's file .*tokenizer\.model cannot be read"):
        Pieces(file)


def test_pi0_takes_the_model_where_there_is_no_json(model: Path, tmp_path: Path) -> None:
    text = SENTENCES[2]
    expected = LIBRARY.SentencePieceProcessor(model_file=str(model)).encode(text)
    tokenizer_in(model.parent).save(tmp_path)
    assert tokenizer_in(tmp_path).encode(text) == expected


def test_a_model_is_saved_as_it_was_read(model: Path, tmp_path: Path) -> None:
    Pieces(model).save(tmp_path)
    assert (tmp_path / "tokenizer.model").read_bytes() == model.read_bytes()
