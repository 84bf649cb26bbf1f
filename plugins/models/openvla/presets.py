"""Sizes of the network, by preset and from a checkpoint's `config.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BINS = 256
"""Action bins: the last entries of the vocabulary before its padding."""
FAMILY = "openvla"
SPECIFIER = "no-align+fused-gelu-mlp"
LLAMA = {"hidden_act": "silu", "model_type": "llama", "rms_norm_eps": 1e-6, "rope_theta": 1e4}
"""What published decoders have in common."""
PUBLISHED_TOWERS = ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224")


@dataclass(frozen=True)
class Tower:
    """A vision transformer; its last block is part of the layout but never runs."""

    width: int
    depth: int
    heads: int
    hidden: int
    """Width of the MLPs."""


@dataclass(frozen=True)
class Decoder:
    """The Llama decoder."""

    width: int
    layers: int
    heads: int
    hidden: int
    """Width of the MLPs."""
    vocabulary: int
    """Token ids in use; the last 256 are the action bins."""
    padding: int
    """Unused rows of the embedding after the vocabulary."""


@dataclass(frozen=True)
class Architecture:
    """Everything that shapes of tensors and head counts follow from."""

    image: tuple[int, int]
    """Height and width of what the towers see, pixels."""
    patch: int
    dino: Tower
    siglip: Tower
    decoder: Decoder
    tokenizer: str
    """`words`, or `file` for the `tokenizer.json` beside the checkpoint."""
    registers: int = 4
    """Register tokens of the DINOv2 tower."""

    def __post_init__(self) -> None:
        if self.image[0] % self.patch or self.image[1] % self.patch:
            raise ValueError(f"image {self.image} is not a multiple of the patch size {self.patch}")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image[0] // self.patch, self.image[1] // self.patch

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return self.grid[0] * self.grid[1]

    @property
    def bins(self) -> slice:
        """Ids of the action bins."""
        return slice(self.decoder.vocabulary - BINS, self.decoder.vocabulary)


def tiny(image: tuple[int, int]) -> Architecture:
    """Return sizes that learn on a laptop's CPU."""
    return Architecture(
        image=image,
        patch=16,
        dino=Tower(width=64, depth=2, heads=2, hidden=192),
        siglip=Tower(width=64, depth=2, heads=2, hidden=192),
        decoder=Decoder(width=128, layers=3, heads=4, hidden=256, vocabulary=640, padding=64),
        tokenizer="words",
    )


def published() -> Architecture:
    """Return the sizes of `openvla/openvla-7b`: 7,541,237,184 parameters."""
    return Architecture(
        image=(224, 224),
        patch=14,
        dino=Tower(width=1024, depth=24, heads=16, hidden=4096),
        siglip=Tower(width=1152, depth=27, heads=16, hidden=4304),
        decoder=Decoder(
            width=4096, layers=32, heads=32, hidden=11008, vocabulary=32000, padding=64
        ),
        tokenizer="file",
    )


def to_config(architecture: Architecture) -> dict[str, Any]:
    """Return what `from_config` reads: the fields of the published file and our own section."""
    decoder = architecture.decoder
    return {
        "architectures": ["OpenVLAForActionPrediction"],
        "arch_specifier": SPECIFIER,
        "image_sizes": list(architecture.image),
        "model_type": FAMILY,
        "n_action_bins": BINS,
        "pad_to_multiple_of": decoder.padding,
        "text_config": {
            "hidden_size": decoder.width,
            "intermediate_size": decoder.hidden,
            "model_type": "llama",
            "num_attention_heads": decoder.heads,
            "num_hidden_layers": decoder.layers,
            "vocab_size": decoder.vocabulary + decoder.padding,
        },
        "torch_dtype": "float32",
        "use_fused_vision_backbone": True,
        "rlvla": {
            "patch": architecture.patch,
            "dino": asdict(architecture.dino),
            "siglip": asdict(architecture.siglip),
            "registers": architecture.registers,
            "tokenizer": architecture.tokenizer,
        },
    }


def from_config(config: Mapping[str, Any]) -> Architecture:
    """Return the sizes that a checkpoint's `config.json` states.

    What the published file leaves to `timm_model_ids` is in the section `rlvla` of our files;
    without it the towers are the published ones. Raise ValueError if it is of another family.
    """
    _refuse_others(config)
    full = published()
    section: Mapping[str, Any] | None = config.get("rlvla")
    if section is None and tuple(config.get("timm_model_ids", ())) != PUBLISHED_TOWERS:
        raise ValueError(
            f"checkpoint's config.json names the vision towers {config.get('timm_model_ids')}, "
            f"expected {list(PUBLISHED_TOWERS)} or a section 'rlvla' with their sizes"
        )
    own = section or to_config(full)["rlvla"]
    height, width = config["image_sizes"]
    return Architecture(
        image=(height, width),
        patch=own["patch"],
        dino=Tower(**own["dino"]),
        siglip=Tower(**own["siglip"]),
        decoder=_decoder(config),
        tokenizer=own["tokenizer"],
        registers=own["registers"],
    )


def _refuse_others(config: Mapping[str, Any]) -> None:
    family = config.get("model_type", config.get("type"))
    if family != FAMILY:
        stated = "states no model_type" if family is None else f"is of the model_type {family!r}"
        raise ValueError(
            f"checkpoint's config.json {stated}, expected {FAMILY!r}: it is of another family"
        )
    missing = {"image_sizes", "text_config", "pad_to_multiple_of"} - config.keys()
    if missing:
        raise ValueError(f"checkpoint's config.json lacks {', '.join(sorted(missing))}")
    for name, wanted in (("arch_specifier", SPECIFIER), ("use_fused_vision_backbone", True)):
        if config.get(name, wanted) != wanted:
            raise ValueError(
                f"checkpoint's config.json states {name} {config[name]!r}, expected {wanted!r}"
            )


def _decoder(config: Mapping[str, Any]) -> Decoder:
    text: Mapping[str, Any] = config["text_config"]
    full = published().decoder
    padding = int(config["pad_to_multiple_of"])
    heads = text.get("num_attention_heads", full.heads)
    for name, wanted in (*LLAMA.items(), ("num_key_value_heads", heads)):
        if text.get(name, wanted) != wanted:
            raise ValueError(
                f"checkpoint's text_config states {name} {text[name]!r}, expected {wanted!r}"
            )
    return Decoder(
        width=text.get("hidden_size", full.width),
        layers=text.get("num_hidden_layers", full.layers),
        heads=heads,
        hidden=text.get("intermediate_size", full.hidden),
        vocabulary=text["vocab_size"] - padding,
        padding=padding,
    )
