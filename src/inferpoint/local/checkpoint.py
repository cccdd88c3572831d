"""A BERT model as it is published: which files it has and what they say.

A sentence-transformers folder is of dense vectors; without its pooling the head tells: that of a masked language model
makes sparse vectors, as SPLADE's, that of a classification scores pairs, as a cross-encoder's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from inferpoint.errors import invalid
from inferpoint.local import safetensors
from inferpoint.local.bert import Architecture, cross_encoder, sentence_encoder, sparse_encoder
from inferpoint.model.endpoint import TaskType

T = TypeVar("T")

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
SENTENCES = "sentence_bert_config.json"
POOLING = "1_Pooling/config.json"
MODULES = "modules.json"
SPARSE_POOLING = "1_SpladePooling/config.json"
FILES = (WEIGHTS, TOKENIZER, CONFIG, SENTENCES, POOLING, MODULES, SPARSE_POOLING)
REQUIRED: Mapping[TaskType, tuple[str, ...]] = {
    TaskType.TEXT_EMBEDDING: (WEIGHTS, TOKENIZER, CONFIG, SENTENCES, POOLING),
    TaskType.SPARSE_EMBEDDING: (WEIGHTS, TOKENIZER, CONFIG),
    TaskType.RERANK: (WEIGHTS, TOKENIZER, CONFIG),
}

_TASKS = {
    "BertForMaskedLM": TaskType.SPARSE_EMBEDDING,
    "BertForSequenceClassification": TaskType.RERANK,
}
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
class _Kind:
    """The members of `config.json` that say what a model is for."""

    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SparsePooling:
    pooling_strategy: str = "max"
    activation_function: str = "relu"


@dataclass(frozen=True)
class Checkpoint:
    """The files of one model, read; `pooling` and whether vectors are `normalized` are of those for dense ones."""

    weights: bytes = field(repr=False)
    tokenizer: bytes = field(repr=False)
    architecture: Architecture
    max_tokens: int
    task: TaskType
    pooling: str = "mean"
    normalized: bool = True

    def graph(self) -> bytes:
        """The model as an ONNX file."""
        weights = safetensors.read(self.weights)
        match self.task:
            case TaskType.SPARSE_EMBEDDING:
                return sparse_encoder(self.architecture, weights)
            case TaskType.RERANK:
                return cross_encoder(self.architecture, weights)
            case _:
                return sentence_encoder(self.architecture, weights, pooling=self.pooling, normalized=self.normalized)

    @property
    def dimensions(self) -> int:
        """How many numbers the model answers for a text, or for a pair of them."""
        match self.task:
            case TaskType.SPARSE_EMBEDDING:
                return self.architecture.vocab_size
            case TaskType.RERANK:
                return 1
            case _:
                return self.architecture.hidden_size


def task(files: Collection[str], config: bytes) -> TaskType:
    """What a model with these *files* and this `config.json` is for: dense vectors, unless its head says otherwise."""
    if POOLING in files:
        return TaskType.TEXT_EMBEDDING
    kind = _json({CONFIG: config}, CONFIG, _Kind)
    return next((_TASKS[name] for name in kind.architectures if name in _TASKS), TaskType.TEXT_EMBEDDING)


def read(files: Mapping[str, bytes]) -> Checkpoint:
    """Read the *files*, which are named as they are published; what we cannot run is refused in one sentence."""
    architecture = _json(files, CONFIG, Architecture)
    architecture.check()
    _check_tokenizer(_json(files, TOKENIZER, _Tokenizer).model, architecture)
    sentences = _json(files, SENTENCES, _Sentences) if SENTENCES in files else _Sentences()
    common = Checkpoint(
        weights=files[WEIGHTS],
        tokenizer=files[TOKENIZER],
        architecture=architecture,
        max_tokens=_max_tokens(sentences, architecture),
        task=task(files, files[CONFIG]),
    )
    if common.task is not TaskType.TEXT_EMBEDDING:
        _check_sparse_pooling(files)
        return common
    pooling = _pooling(_json(files, POOLING, dict[str, Any]))
    return replace(common, pooling=pooling, normalized=_normalized(files))


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


def _check_sparse_pooling(files: Mapping[str, bytes]) -> None:
    """Refuse weights that are not made as SPLADE's are: by the largest logit, and its relu before the logarithm."""
    pooling = _json(files, SPARSE_POOLING, _SparsePooling) if SPARSE_POOLING in files else _SparsePooling()
    if pooling != _SparsePooling():
        problem = f"by [{pooling.pooling_strategy}] and [{pooling.activation_function}]"
        raise invalid(f"Only weights by [max] and [relu] are supported, and this model's are {problem}")


def _normalized(files: Mapping[str, bytes]) -> bool:
    """Whether the vectors have length one: as `modules.json` says, and without it they have."""
    if MODULES not in files:
        return True
    modules = [module.type.rpartition(".")[2] for module in _json(files, MODULES, list[_Module])]
    if modules not in _MODULES:
        raise invalid(f"Only a transformer, its pooling and normalizing are supported, and this model has {modules}")
    return "Normalize" in modules
