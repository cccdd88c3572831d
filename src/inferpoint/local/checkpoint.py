"""A sentence-transformers model as it is published: which files it has and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from inferpoint.errors import invalid
from inferpoint.local import safetensors
from inferpoint.local.bert import Architecture, sentence_encoder

T = TypeVar("T")

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
SENTENCES = "sentence_bert_config.json"
POOLING = "1_Pooling/config.json"
MODULES = "modules.json"
REQUIRED = (WEIGHTS, TOKENIZER, CONFIG, SENTENCES, POOLING)

_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


@dataclass(frozen=True)
class _Sentences:
    max_seq_length: int | None = None


@dataclass(frozen=True)
class _Module:
    type: str


@dataclass(frozen=True)
class _WordPiece:
    type: str = ""
    vocab: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class _Tokenizer:
    model: _WordPiece


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model, read."""

    weights: bytes = field(repr=False)
    tokenizer: bytes = field(repr=False)
    architecture: Architecture
    max_tokens: int
    pooling: str
    normalized: bool

    def graph(self) -> bytes:
        """The model as an ONNX file."""
        weights = safetensors.read(self.weights)
        return sentence_encoder(self.architecture, weights, pooling=self.pooling, normalized=self.normalized)


def read(files: Mapping[str, bytes]) -> Checkpoint:
    """Read the *files*, which are named as they are published; what we cannot run is refused in one sentence."""
    architecture = _json(files, CONFIG, Architecture)
    architecture.check()
    _check_tokenizer(_json(files, TOKENIZER, _Tokenizer).model, architecture)
    return Checkpoint(
        weights=files[WEIGHTS],
        tokenizer=files[TOKENIZER],
        architecture=architecture,
        max_tokens=_max_tokens(_json(files, SENTENCES, _Sentences), architecture),
        pooling=_pooling(_json(files, POOLING, dict[str, Any])),
        normalized=_normalized(files),
    )


def _json(files: Mapping[str, bytes], name: str, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(files[name], type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"[{name}] cannot be read: {error}") from None


def _check_tokenizer(tokenizer: _WordPiece, architecture: Architecture) -> None:
    if tokenizer.type != "WordPiece":
        raise invalid(f"Only tokenizers of type [WordPiece] are supported, and this one is [{tokenizer.type}]")
    largest = max(tokenizer.vocab.values(), default=-1)
    if largest >= architecture.vocab_size:
        raise invalid(f"The tokenizer has a word piece {largest} where the model knows {architecture.vocab_size}")


def _max_tokens(sentences: _Sentences, architecture: Architecture) -> int:
    stated = sentences.max_seq_length or architecture.max_position_embeddings
    if not 2 < stated <= architecture.max_position_embeddings:
        raise invalid(f"The model has {architecture.max_position_embeddings} positions but takes {stated} word pieces")
    return stated


def _pooling(config: Mapping[str, Any]) -> str:
    chosen = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise invalid(f"Only the poolings mean and cls are supported, and this model has {chosen}")
    return _POOLINGS[chosen[0]]


def _normalized(files: Mapping[str, bytes]) -> bool:
    """Whether the vectors have length one: as `modules.json` says, and without it they have."""
    if MODULES not in files:
        return True
    modules = [module.type.rpartition(".")[2] for module in _json(files, MODULES, list[_Module])]
    if modules not in _MODULES:
        raise invalid(f"Only a transformer, its pooling and normalizing are supported, and this model has {modules}")
    return "Normalize" in modules
