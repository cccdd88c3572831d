"""`POST /v2/embed` over endpoints that embed text. https://docs.cohere.com/reference/embed."""

from __future__ import annotations

from typing import Any, cast

from inferpoint.api.face import Request, Response, json_response
from inferpoint.api.headers import TRUNCATED
from inferpoint.api.requests import fields
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.requests import InputType, Texts
from inferpoint.model.results import Embeddings
from inferpoint.model.vectors import length, packed

_PURPOSES = {
    "search_document": InputType.INGEST,
    "search_query": InputType.SEARCH,
    "classification": InputType.CLASSIFICATION,
    "clustering": InputType.CLUSTERING,
}
_FORMS = ("float", "base64")
_SILENT = {"truncate": "END", "priority": 0}  # what is done anyhow: a text is cut at its end, where it is cut


async def embed(engine: Engine, request: Request) -> Response:
    """The vector of each text, in each of the forms that are asked for."""
    body = fields(request)
    model, purpose, texts = body.need("model", str), body.need("input_type", str), _texts(body)
    forms, dimensions = body.texts("embedding_types") or ("float",), body.take("output_dimension", int)
    for name, value in _SILENT.items():
        if body.take(name, type(value)) not in (None, value):
            raise invalid(f"[{name}] must be [{value}]")
    body.end()
    if purpose not in _PURPOSES:
        raise invalid(f"[input_type] must be one of [{', '.join(_PURPOSES)}], not [{purpose}]")
    if strange := [form for form in forms if form not in _FORMS]:
        raise invalid(f"[embedding_types] may hold [{', '.join(_FORMS)}], not [{', '.join(strange)}]")
    resolved = engine.find(request.caller, model)
    kind = resolved.endpoint.task_type
    kind = kind if kind is TaskType.EMBEDDING else TaskType.TEXT_EMBEDDING
    inference = request.inference(texts, input_type=_PURPOSES[purpose], packed="float" not in forms)
    result = await engine.infer(resolved, inference, kind)
    assert isinstance(result, Embeddings)
    own = length(result.vectors[0])
    if dimensions not in (None, own):
        raise invalid(f"[output_dimension] is [{dimensions}], but the vectors of [{model}] have [{own}]")
    headers = {TRUNCATED: str(len(result.cut))} if result.cut else None
    return json_response(_told(request.request_id, texts, result, forms), headers=headers)


def _told(name: str, texts: Texts, result: Embeddings, forms: tuple[str, ...]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "float": result.vectors,
        "base64": [packed(vector) for vector in result.vectors] if "base64" in forms else [],
    }
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    if result.usage is not None:
        meta["billed_units"] = {"input_tokens": result.usage.input}
    embeddings = {form: written[form] for form in forms}
    return {
        "id": name, "embeddings": embeddings, "texts": texts, "meta": meta, "response_type": "embeddings_by_type",
    }  # fmt: skip


def _texts(body: Fields) -> Texts:
    """The texts of `texts`, or of `inputs`, whose contents may be of one text each."""
    texts, items = body.texts("texts"), body.array("inputs")
    if texts and items:
        raise invalid("[texts] and [inputs] cannot both be there")
    if items:
        return tuple(_content(item, place) for place, item in enumerate(items))
    if not texts:
        raise invalid("[texts] must be an array of at least one string")
    return texts


def _content(value: Any, place: int) -> str:
    match value:
        case {"content": [{"type": "text", "text": str()}]}:
            return cast("str", value["content"][0]["text"])
        case _:
            raise invalid(f"[inputs[{place}]] must have a [content] of one item of the type [text]")
