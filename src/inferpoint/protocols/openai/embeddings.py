"""Embeddings in OpenAI's format, as a whole task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import Element
from inferpoint.model.http import NOT_JSON, Call, Reply, parse, unreadable
from inferpoint.model.requests import Contents, InferenceRequest, Tokens
from inferpoint.model.results import Embeddings
from inferpoint.protocols import truncation, vectors
from inferpoint.protocols.openai import chats, usage
from inferpoint.protocols.openai.account import Options, post
from inferpoint.protocols.openai.failures import FAILURES, text_of
from inferpoint.protocols.service import Rates, Task, floats


class Model(chats.Model, Protocol):
    """The settings that embeddings read beyond those of chats."""

    @property
    def similarity(self) -> str | None:
        """How the vectors compare, where the user said so."""
        ...

    @property
    def max_input_tokens(self) -> int | None:
        """The tokens, by estimate, beyond which an input is cut; None cuts nothing."""
        ...


M = TypeVar("M", bound=Model)
Members = Callable[[InferenceRequest, M, Any], Mapping[str, Any]]
FORMAT, PACKED = "encoding_format", "base64"


def as_asked(request: InferenceRequest, model: Any, _options: object) -> Mapping[str, Any]:
    """OpenAI's members: vectors in the form that is asked for, which passes through unread, of the length that was set.

    A server that takes no form is sent none, and answers numbers.
    """
    form = PACKED if request.packed else "float"
    return {FORMAT: None if FORMAT in request.left_out else form, "dimensions": model.dimensions}


def of_length(_request: InferenceRequest, model: Any, _options: object) -> Mapping[str, Any]:
    """The length that was set, for servers that know no form but numbers."""
    return {"dimensions": model.dimensions}


def embedding(
    label: str,
    settings: type[M],
    rates: Rates[M],
    *,
    path: str = "/embeddings",
    members: Members[M] = as_asked,
    element: Callable[[M], Element] = floats,
) -> Task[M, Any]:
    """The task of dense embeddings, of numbers that are an *element* each; what else differs is said by `replace`.

    *path* follows the service's address, *members* are those of the body beside the inputs and the model, or in place
    of them. Vectors compare by their dot product unless the user says otherwise: such vectors are normalised, so it is
    the cosine.
    """

    def encode(request: InferenceRequest, model: M, options: object, origin: str) -> Call:
        cut, _ = _cut(request, model)
        body = {"input": cut.inputs, "model": model.model_id, **members(cut, model, options)}
        return post(model.url or f"{origin}{path}", body, options)

    def decode(reply: Reply, request: InferenceRequest, model: M, _options: object) -> Embeddings:
        _, cut = _cut(request, model)
        result = embeddings(reply, request.count, label, packed=request.packed and element(model) is Element.FLOAT)
        answered = replace(result, cut=cut) if cut else result
        return answered if element is floats else vectors.of_integers(answered, element(model), of=f"{label} response")

    return Task(
        label=label,
        settings=settings,
        options=Options,
        encode=encode,
        decode=decode,
        takes_tokens=members is as_asked,
        unasked=frozenset({FORMAT} if members is as_asked else ()),
        similarity=lambda model: model.similarity or "dot_product",
        element=element,
        rates=rates,
        failures=FAILURES,
    )


def _cut(request: InferenceRequest, model: Model) -> tuple[InferenceRequest, frozenset[int]]:
    """The request with its inputs as long as the model takes them, and the places of those that were cut."""
    most = model.max_input_tokens
    if most is None:
        return request, frozenset()
    match request.input:
        case Tokens() as tokens:
            inputs, places = truncation.cut_tokens(tokens, most)
        case Contents() as contents:
            inputs, places = truncation.cut_texts(contents, most)
        case _:
            inputs, places = truncation.cut(request.texts, most)
    return replace(request, input=inputs), places


class _Row(msgspec.Struct):
    embedding: msgspec.Raw = vectors.NONE
    index: Any = None
    error: Any = None


class _Embeddings(msgspec.Struct):
    data: list[_Row | None]
    usage: Any = None


class _Slot(msgspec.Struct):
    """A row whose vector was taken out, and that says nothing else but its place."""

    embedding: Literal[0]
    index: Any = None
    error: None = None


class _Slots(msgspec.Struct):
    data: list[_Slot]
    usage: Any = None


_KEY = b'"embedding":'
_SLOTS = msgspec.json.Decoder(_Slots)


def embeddings(reply: Reply, count: int, of: str, *, packed: bool = False) -> Embeddings:
    """The vectors of a whole answer to *count* inputs, in the order of the inputs; each bad row is an error by itself.

    With *packed* those that came as base64 stay so. Many servers write an index into each row, some none, and some one
    that means nothing.
    """
    of = f"{of} response"
    if plain := _plain(reply.body, count):
        return plain
    answer = parse(reply.body, _Embeddings, of=of)
    rows = [(None, vectors.NONE) if row is None else (row.index, _embedding(row, of)) for row in answer.data]
    return vectors.embeddings(vectors.placed(rows, count), of=of, usage=usage.read(answer.usage), packed=packed)


def _plain(body: bytes, count: int) -> Embeddings | None:
    """The vectors of an answer that is as it should be, as nearly always, without reading them; else None."""
    parted = vectors.sliced(body, _KEY)
    if parted is None:
        return None
    rest, lists = parted
    try:
        answer = _SLOTS.decode(rest)
    except NOT_JSON:
        return None
    if len(answer.data) != len(lists):
        return None
    rows = [(row.index, vector) for row, vector in zip(answer.data, lists, strict=True)]
    placed = vectors.placed(rows, count)
    return None if None in placed else Embeddings(placed, usage.read(answer.usage))


def _embedding(row: _Row, of: str) -> msgspec.Raw | InferenceError:
    return row.embedding if row.error is None else unreadable(of, f"an input has an error: [{text_of(row.error)}]")
