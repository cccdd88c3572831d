"""A BERT sentence encoder drawn as an ONNX graph straight from its weights; no torch is needed.

The graph takes `input_ids` and `attention_mask`, both [batch, length], and gives `embedding`, [batch, hidden]. Its
weights are the bytes of the safetensors file as they stand.
"""

from __future__ import annotations

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
    """The ONNX model, as the bytes of its file; *pooling* is `mean` or `cls`."""
    graph = _Graph(architecture, weights)
    shape = graph.node("Shape", "input_ids")
    mask = graph.node("Cast", "attention_mask", to=graph.onnx.TensorProto.FLOAT)
    bias = _attention_bias(graph, mask)
    states = _embed(graph, shape)
    for index in range(architecture.num_hidden_layers):
        states = _layer(graph, f"encoder.layer.{index}.", states, shape, bias)
    whole = graph.node("Concat", shape, graph.integers(architecture.hidden_size), axis=0)
    states = graph.node("Reshape", states, whole)
    pooled = _mean(graph, states, mask) if pooling == "mean" else graph.node("Gather", states, graph.integer(0), axis=1)
    if normalized:
        pooled = graph.node("LpNormalization", pooled, axis=1, p=2)
    return graph.model(pooled, architecture.hidden_size)


class _Graph:
    """A graph being drawn: each method adds one thing and answers its name."""

    def __init__(self, architecture: Architecture, weights: Tensors) -> None:
        self.onnx = extra("onnx", of="local")
        self.architecture = architecture
        self._weights = weights
        self._prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The result of the operator *kind*."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(self.onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """A tensor of the model."""
        data = bytes(self._weights.float32(self._prefix + name, shape))
        return self._constant(name, "FLOAT", shape, data, raw=True)

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
        inputs = [helper.make_tensor_value_info(name, proto.INT64, ["batch", "length"]) for name in _INPUTS]
        output = helper.make_tensor_value_info("embedding", proto.FLOAT, ["batch", size])
        graph = helper.make_graph(self._nodes, "bert", inputs, [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="inferpoint")
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    def _constant(self, name: str, kind: str, shape: tuple[int, ...], values: Any, *, raw: bool = False) -> str:
        if name not in self._constants:
            kind_number = getattr(self.onnx.TensorProto, kind)
            self._constants[name] = self.onnx.helper.make_tensor(name, kind_number, shape, values, raw=raw)
        return name


def _attention_bias(graph: _Graph, mask: str) -> str:
    """Nothing for a word piece, a very negative number for padding: [batch, 1, 1, length]."""
    padding = graph.node("Sub", graph.number(1), mask)
    return graph.node("Unsqueeze", graph.node("Mul", padding, graph.number(_MASKED)), graph.integers(1, 2))


def _embed(graph: _Graph, shape: str) -> str:
    """Words and their positions, all of the first type, as [batch * length, hidden]: the shape of all that follows."""
    architecture, hidden = graph.architecture, graph.architecture.hidden_size
    words = graph.weight("embeddings.word_embeddings.weight", architecture.vocab_size, hidden)
    places = graph.weight("embeddings.position_embeddings.weight", architecture.max_position_embeddings, hidden)
    types = graph.weight("embeddings.token_type_embeddings.weight", architecture.type_vocab_size, hidden)
    zero, one, two = (graph.integers(value) for value in range(3))
    length = graph.node("Slice", shape, one, two)
    position = graph.node("Slice", places, zero, length, zero)
    offset = graph.node("Add", position, graph.node("Gather", types, graph.integer(0)))
    states = graph.node("Add", graph.node("Gather", words, "input_ids"), offset)
    return _norm(graph, "embeddings.LayerNorm", graph.node("Flatten", states, axis=2))


def _layer(graph: _Graph, name: str, states: str, shape: str, bias: str) -> str:
    """One layer: attention, then a wide hidden step, each added to what came in and normalised."""
    hidden, wide = graph.architecture.hidden_size, graph.architecture.intermediate_size
    context = _attention(graph, f"{name}attention.self.", states, shape, bias)
    attended = _linear(graph, f"{name}attention.output.dense", context, hidden, hidden)
    states = _norm(graph, f"{name}attention.output.LayerNorm", graph.node("Add", states, attended))
    widened = graph.node("Gelu", _linear(graph, f"{name}intermediate.dense", states, hidden, wide))
    narrowed = _linear(graph, f"{name}output.dense", widened, wide, hidden)
    return _norm(graph, f"{name}output.LayerNorm", graph.node("Add", states, narrowed))


def _attention(graph: _Graph, name: str, states: str, shape: str, bias: str) -> str:
    """Each word piece's mixture of all the others' values, head by head."""
    hidden, heads = graph.architecture.hidden_size, graph.architecture.num_attention_heads
    by_head = graph.node("Concat", shape, graph.integers(heads, hidden // heads), axis=0)

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
    weight, bias = graph.weight(f"{name}.weight", hidden), graph.weight(f"{name}.bias", hidden)
    return graph.node("LayerNormalization", states, weight, bias, axis=-1, epsilon=graph.architecture.layer_norm_eps)


def _mean(graph: _Graph, states: str, mask: str) -> str:
    """The mean over the word pieces, padding left out."""
    pieces = graph.node("Mul", states, graph.node("Unsqueeze", mask, graph.integers(-1)))
    total = graph.node("ReduceSum", pieces, graph.integers(1), keepdims=0)
    return graph.node("Div", total, graph.node("ReduceSum", mask, graph.integers(1), keepdims=1))
