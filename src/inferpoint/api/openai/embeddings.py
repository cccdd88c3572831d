"""`POST /v1/embeddings`, with members of ours that other makers' clients send by `extra_body`.

`input_type` says what the vectors are for. With `partial` an input that cannot be embedded has an error of its own;
with `chunked` each input has its chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from inferpoint.api.face import Request, Response, json_response
from inferpoint.api.headers import FAILED, TRUNCATED
from inferpoint.api.openai import errors
from inferpoint.api.requests import USER, fields, for_user
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.requests import Chunking, Texts, Tokens, purpose
from inferpoint.model.results import Chunk, ChunkedEmbeddings, Embeddings, Usage
from inferpoint.model.vectors import length, packed

_PACKED = "base64"
_FORMATS = ("float", _PACKED)
_CHUNKING = ("chunking_settings", "return_text", "fold")


async def embed(engine: Engine, request: Request) -> Response:
    """The embedding of each input."""
    body = fields(request)
    name, asked = body.need("model", str), inputs(body.any("input"))
    encoding, dimensions = body.take("encoding_format", str) or "float", body.take("dimensions", int)
    user, input_type = body.take(USER, str), body.take("input_type", str)
    chunking, partial = _chunking(body), body.take("partial", bool) or False
    body.end()
    if encoding not in _FORMATS:
        raise invalid(f"[encoding_format] must be one of [{', '.join(_FORMATS)}], not [{encoding}]")
    resolved = engine.find(request.caller, name)
    endpoint = resolved.endpoint
    _refuse_other_length(dimensions, endpoint.dimensions, name)
    kind = TaskType.EMBEDDING if endpoint.task_type is TaskType.EMBEDDING else TaskType.TEXT_EMBEDDING
    inference = request.inference(
        asked,
        input_type=None if input_type is None else purpose(input_type),
        chunking=chunking,
        partial=partial,
        packed=encoding == _PACKED and chunking is None,
    )
    result = await engine.infer(resolved, for_user(resolved, inference, user), kind)
    assert isinstance(result, Embeddings | ChunkedEmbeddings)
    _refuse_other_length(dimensions, _length(result), name)
    used = result.usage or Usage()
    usage = {"prompt_tokens": used.input, "total_tokens": used.input}
    told = {"object": "list", "data": _rows(result, encoding), "model": name, "usage": usage}
    return json_response(told, headers=_headers(result))


def inputs(value: Any) -> Texts | Tokens:
    """The inputs that a member `input` holds: a text or several, or either as tokens."""
    match value:
        case str():
            return (value,)
        case [str(), *_]:
            return Fields({"input": value}).texts("input") or ()
        case [int(), *_] if _are_tokens(value):
            return Tokens((tuple(value),))
        case [[_, *_], *_] if all(_are_tokens(entry) for entry in value):
            return Tokens(tuple(tuple(row) for row in cast("list[list[int]]", value)))
        case None:
            raise invalid("[input] is required")
        case _:
            raise invalid(
                "[input] must be a string, an array of strings, of tokens, or of arrays of tokens; none empty"
            )


def _are_tokens(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(type(token) is int and token >= 0 for token in cast("list[Any]", value))
        and value != []
    )


def _chunking(body: Fields) -> Chunking | None:
    """How the inputs are to be cut; None where the body does not ask for it."""
    if body.take("chunked", bool):
        fold = body.take("fold", bool)
        settings, return_text = body.object("chunking_settings"), body.take("return_text", bool) or False
        return Chunking(settings, return_text, fold is not False)
    if asked := [name for name in _CHUNKING if body.any(name) is not None]:
        raise invalid(*(f"[{name}] needs [chunked] to be true" for name in asked))
    return None


def _refuse_other_length(dimensions: int | None, own: int | None, model: str) -> None:
    if dimensions is not None and own not in (None, dimensions):
        raise invalid(
            f"[dimensions] is [{dimensions}], but the vectors of [{model}] have [{own}]; it cannot be changed here"
        )


def _length(result: Embeddings | ChunkedEmbeddings) -> int | None:
    """How many numbers the vectors have; None where there is no vector."""
    rows: Sequence[Any] = (
        result.vectors
        if isinstance(result, Embeddings)
        else [chunk.vector for chunks in result.inputs for chunk in chunks]
    )
    return next((length(vector) for vector in rows if vector is not None), None)


def _rows(result: Embeddings | ChunkedEmbeddings, encoding: str) -> list[dict[str, Any]]:
    """A row for each input; one that could not be embedded has an error, and null for its embedding."""
    if isinstance(result, Embeddings):
        rows: list[dict[str, Any]] = [{"embedding": _encoded(vector, encoding)} for vector in result.vectors]
    else:
        rows = [{"embedding": None, "chunks": [_chunk(chunk) for chunk in chunks]} for chunks in result.inputs]
    for index, error in result.errors.items():
        rows[index] = {"embedding": None, "error": errors.told(error), "status": errors.status(error)}
    return [{"object": "embedding", "index": index, **row} for index, row in enumerate(rows)]


def _encoded(vector: Any, encoding: str) -> Any:
    return packed(vector) if encoding == _PACKED and vector is not None else vector


def _chunk(chunk: Chunk) -> dict[str, Any]:
    """A chunk, its vector always as numbers: clients that ask for base64 unasked read only what they know."""
    text = {} if chunk.text is None else {"text": chunk.text}
    return {"start_offset": chunk.start_offset, "end_offset": chunk.end_offset, **text, "embedding": chunk.vector}


def _headers(result: Embeddings | ChunkedEmbeddings) -> dict[str, str]:
    shortened = len(result.cut) if isinstance(result, Embeddings) else result.cut
    counts = {TRUNCATED: shortened, FAILED: len(result.errors)}
    return {name: str(count) for name, count in counts.items() if count}
