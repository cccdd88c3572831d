"""BERT models drawn as ONNX graphs straight from their weights; no torch is needed.

A graph takes `input_ids` and `attention_mask`, that of a cross-encoder also `token_type_ids`, all [batch, length], and
gives `embedding`: [batch, hidden] of a sentence encoder, [batch, vocabulary] of a sparse one, [batch, 1] of a
cross-encoder. Its weights are the bytes of the safetensors file as they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from inferpoint.errors import invalid
from inferpoint.extras import extra
from inferpoint.local.safetensors import Tensors

_OPSET = 20  # the first with an exact Gelu
_IR_VERSION = 10
_MASKED = -1e9
_INPUTS = ("input_ids", "attention_mask")
_TYPES = "token_type_ids"
_HEADS = ("cls.", "classifier.")  # the names of tensors that are no part of the encoder


@dataclass(frozen=True)
class Architecture:
    """The members of `config.json` that shape the graph."""

    model_type: str = ""
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"
    layer_norm_eps: float = 1e-12
    hidden_size: int = 0
    intermediate_size: int = 0
    num_attention_heads: int = 0
    num_hidden_layers: int = 0
    max_position_embeddings: int = 0
    type_vocab_size: int = 0
    vocab_size: int = 0

    def check(self) -> None:
        """`INVALID` for a model that this file cannot draw."""
        if self.model_type != "bert":
            raise invalid(f"Only models of type [bert] are supported, and this one is [{self.model_type}]")
        if self.hidden_act != "gelu":
            raise invalid(f"Only the activation [gelu] is supported, and this model has [{self.hidden_act}]")
        if self.position_embedding_type != "absolute":
            raise invalid(
                f"Only absolute positions are supported, and this model's are [{self.position_embedding_type}]"
            )
        sizes = (self.hidden_size, self.intermediate_size, self.num_attention_heads, self.num_hidden_layers)
        if min(*sizes, self.max_position_embeddings, self.type_vocab_size, self.vocab_size) < 1:
            raise invalid("The model's config.json lacks one of its sizes")
        if self.hidden_size % self.num_attention_heads:
            raise invalid("The model's hidden size is not a multiple of its number of attention heads")


def sentence_encoder(architecture: Architecture, weights: Tensors, *, pooling: str, normalized: bool) -> bytes:
    """The ONNX model of dense vectors, as the bytes of its file; *pooling* is `mean` or `cls`."""
    graph = _Graph(architecture, weights)
    states = graph.by_text(_encoded(graph), architecture.hidden_size)
    pooled = _mean(graph, states) if pooling == "mean" else _first(graph, states)
    if normalized:
        pooled = graph.node("LpNormalization", pooled, axis=1, p=2)
    return graph.model(pooled, architecture.hidden_size)


def sparse_encoder(architecture: Architecture, weights: Tensors) -> bytes:
    """The ONNX model of a weight for each word piece of the vocabulary, as the bytes of its file.

    SPLADE's: log(1 + relu(x)), where x is the largest of the logits of a masked language model over the text. The
    decoder's weights are those of the embedding where the file has no others.
    """
    graph, head, hidden = _Graph(architecture, weights), "cls.predictions.", architecture.hidden_size
    states = _linear(graph, f"{head}transform.dense", _encoded(graph), hidden, hidden)
    states = _norm(graph, f"{head}transform.LayerNorm", graph.node("Gelu", states))
    own = f"{head}decoder.weight"
    words = own if own in weights else "embeddings.word_embeddings.weight"
    decoder = graph.weight(words, architecture.vocab_size, hidden)
    bias = graph.weight(f"{head}bias", architecture.vocab_size)
    logits = graph.by_text(graph.node("Gemm", states, decoder, bias, transB=1), architecture.vocab_size)
    masked = graph.node("Add", logits, graph.node("Unsqueeze", _padding(graph), graph.integers(2)))
    largest = graph.node("ReduceMax", masked, graph.integers(1), keepdims=0)
    weight = graph.node("Log", graph.node("Add", graph.number(1), graph.node("Relu", largest)))
    return graph.model(weight, architecture.vocab_size)


def cross_encoder(architecture: Architecture, weights: Tensors) -> bytes:
    """The ONNX model of one score for a pair of texts, which no bound holds, as the bytes of its file."""
    graph, hidden = _Graph(architecture, weights, (*_INPUTS, _TYPES)), architecture.hidden_size
    first = _first(graph, graph.by_text(_encoded(graph), hidden))
    pooled = graph.node("Tanh", _linear(graph, "pooler.dense", first, hidden, hidden))
    return graph.model(_linear(graph, "classifier", pooled, hidden, 1), 1)


def _encoded(graph: _Graph) -> str:
    """The states of all word pieces after the last layer: [batch * length, hidden]."""
    bias = graph.node("Unsqueeze", _padding(graph), graph.integers(1, 2))
    states = _embed(graph)
    for index in range(graph.architecture.num_hidden_layers):
        states = _layer(graph, f"encoder.layer.{index}.", states, bias)
    return states


class _Graph:
    """A graph being drawn: each method adds one thing and answers its name."""

    def __init__(self, architecture: Architecture, weights: Tensors, inputs: Sequence[str] = _INPUTS) -> None:
        self.onnx = extra("onnx", of="local")
        self.architecture = architecture
        self._weights = weights
        self._prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        self.inputs = inputs
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self.shape = self.node("Shape", "input_ids")
        self.mask = self.node("Cast", "attention_mask", to=self.onnx.TensorProto.FLOAT)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The result of the operator *kind*."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """A tensor of the model."""
        data = bytes(self._weights.float32(self._full(name), shape))
        return self._constant(name, "FLOAT", shape, data, raw=True)

    def has(self, name: str) -> bool:
        """Whether the model has a tensor of that name."""
        return self._full(name) in self._weights

    def by_text(self, states: str, size: int) -> str:
        """What was [batch * length, size] as [batch, length, size]."""
        return self.node("Reshape", states, self.node("Concat", self.shape, self.integers(size), axis=0))

    def number(self, value: float) -> str:
        return self._constant(str(float(value)), "FLOAT", (), [value])

    def integer(self, value: int) -> str:
        return self._constant(str(value), "INT64", (), [value])

    def integers(self, *values: int) -> str:
        """A constant list of axes or sizes."""
        return self._constant(str(values), "INT64", (len(values),), values)

    def model(self, result: str, size: int) -> bytes:
        """The whole graph, checked, with *result* as its only output."""
        helper, proto = self.onnx.helper, self.onnx.TensorProto
        self._nodes.append(helper.make_node("Identity", [result], ["embedding"]))
        inputs = [helper.make_tensor_value_info(name, proto.INT64, ["batch", "length"]) for name in self.inputs]
        output = helper.make_tensor_value_info("embedding", proto.FLOAT, ["batch", size])
        graph = helper.make_graph(self._nodes, "bert", inputs, [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="inferpoint")
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    def _full(self, name: str) -> str:
        return name if name.startswith(_HEADS) else self._prefix + name

    def _constant(self, name: str, kind: str, shape: tuple[int, ...], values: Any, *, raw: bool = False) -> str:
        if name not in self._constants:
            kind_number = getattr(self.onnx.TensorProto, kind)
            self._constants[name] = self.onnx.helper.make_tensor(name, kind_number, shape, values, raw=raw)
        return name


def _padding(graph: _Graph) -> str:
    """Nothing for a word piece, a very negative number for padding: [batch, length]."""
    return graph.node("Mul", graph.node("Sub", graph.number(1), graph.mask), graph.number(_MASKED))


def _embed(graph: _Graph) -> str:
    """Words, their positions and types as [batch * length, hidden]: the shape of all that follows.

    All are of the first type, unless types are an input.
    """
    architecture, hidden = graph.architecture, graph.architecture.hidden_size
    words = graph.weight("embeddings.word_embeddings.weight", architecture.vocab_size, hidden)
    places = graph.weight("embeddings.position_embeddings.weight", architecture.max_position_embeddings, hidden)
    types = graph.weight("embeddings.token_type_embeddings.weight", architecture.type_vocab_size, hidden)
    zero, one, two = (graph.integers(value) for value in range(3))
    length = graph.node("Slice", graph.shape, one, two)
    position = graph.node("Slice", places, zero, length, zero)
    kind = graph.node("Gather", types, _TYPES if _TYPES in graph.inputs else graph.integer(0))
    offset = graph.node("Add", position, kind)
    states = graph.node("Add", graph.node("Gather", words, "input_ids"), offset)
    return _norm(graph, "embeddings.LayerNorm", graph.node("Flatten", states, axis=2))


def _layer(graph: _Graph, name: str, states: str, bias: str) -> str:
    """One layer: attention, then a wide hidden step, each added to what came in and normalised."""
    hidden, wide = graph.architecture.hidden_size, graph.architecture.intermediate_size
    context = _attention(graph, f"{name}attention.self.", states, bias)
    attended = _linear(graph, f"{name}attention.output.dense", context, hidden, hidden)
    states = _norm(graph, f"{name}attention.output.LayerNorm", graph.node("Add", states, attended))
    widened = graph.node("Gelu", _linear(graph, f"{name}intermediate.dense", states, hidden, wide))
    narrowed = _linear(graph, f"{name}output.dense", widened, wide, hidden)
    return _norm(graph, f"{name}output.LayerNorm", graph.node("Add", states, narrowed))


def _attention(graph: _Graph, name: str, states: str, bias: str) -> str:
    """Each word piece's mixture of all the others' values, head by head."""
    hidden, heads = graph.architecture.hidden_size, graph.architecture.num_attention_heads
    by_head = graph.node("Concat", graph.shape, graph.integers(heads, hidden // heads), axis=0)

    def projected(which: str, order: list[int]) -> str:
        flat = _linear(graph, name + which, states, hidden, hidden)
        return graph.node("Transpose", graph.node("Reshape", flat, by_head), perm=order)

    scale = graph.number(1 / sqrt(hidden // heads))
    query = graph.node("Mul", projected("query", [0, 2, 1, 3]), scale)
    scores = graph.node("MatMul", query, projected("key", [0, 2, 3, 1]))
    shares = graph.node("Softmax", graph.node("Add", scores, bias), axis=-1)
    mixed = graph.node("MatMul", shares, projected("value", [0, 2, 1, 3]))
    return graph.node("Reshape", graph.node("Transpose", mixed, perm=[0, 2, 1, 3]), graph.integers(-1, hidden))


def _linear(graph: _Graph, name: str, states: str, width_in: int, width_out: int) -> str:
    weight, bias = graph.weight(f"{name}.weight", width_out, width_in), graph.weight(f"{name}.bias", width_out)
    return graph.node("Gemm", states, weight, bias, transB=1)


def _norm(graph: _Graph, name: str, states: str) -> str:
    hidden = graph.architecture.hidden_size
    names = ("gamma", "beta") if graph.has(f"{name}.gamma") else ("weight", "bias")  # older files have the first
    weight, bias = (graph.weight(f"{name}.{which}", hidden) for which in names)
    return graph.node("LayerNormalization", states, weight, bias, axis=-1, epsilon=graph.architecture.layer_norm_eps)


def _first(graph: _Graph, states: str) -> str:
    """The state of the mark before a text."""
    return graph.node("Gather", states, graph.integer(0), axis=1)


def _mean(graph: _Graph, states: str) -> str:
    """The mean over the word pieces, padding left out."""
    pieces = graph.node("Mul", states, graph.node("Unsqueeze", graph.mask, graph.integers(-1)))
    total = graph.node("ReduceSum", pieces, graph.integers(1), keepdims=0)
    return graph.node("Div", total, graph.node("ReduceSum", graph.mask, graph.integers(1), keepdims=1))
