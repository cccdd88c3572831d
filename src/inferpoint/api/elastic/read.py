"""Bodies to requests, or an error that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from inferpoint.api.elastic import chunks, items
from inferpoint.api.elastic.form import boolean, flag
from inferpoint.api.face import Incoming
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model import times
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import Cutting, Documents, InferenceRequest, InputType, Texts, purpose

_PARSER = "cluster:internal/xpack/inference"
PARTIAL = "partial"
_FIELDS = ("input", "input_type", "task_settings", "timeout", PARTIAL, chunks.CHUNKED, *chunks.FIELDS)
_RERANK_FIELDS = ("input", "query", "return_documents", "top_n", "task_settings", "timeout", PARTIAL)
_PREVIEW_FIELDS = ("input", *chunks.FIELDS)
_TOKENS: dict[Any, str] = {
    str: "VALUE_STRING",
    bool: "VALUE_BOOLEAN",
    int: "VALUE_NUMBER",
    float: "VALUE_NUMBER",
    type(None): "VALUE_NULL",
    dict: "START_OBJECT",
}
_INPUT_TYPE = "input_type"


def json_object(incoming: Incoming) -> dict[str, Any]:
    """The body as an object."""
    if not incoming.body.strip():
        raise invalid("request body is required", subject=Subject.MISSING_BODY)
    try:
        value = msgspec.json.decode(incoming.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"[1:1] the body is not JSON: {error}", subject=Subject.BODY) from None
    if not isinstance(value, dict):
        raise invalid("[1:1] the body must be a JSON object", subject=Subject.BODY)
    return cast("dict[str, Any]", value)


def inference(incoming: Incoming, kind: TaskType | None, *, items_for: str | None = None) -> InferenceRequest:
    """What to infer. The query's timeout goes before the body's.

    With *items_for*, the service of an `embedding` endpoint, inputs may be objects.
    """
    body = _known(incoming, _FIELDS)
    options = _options(incoming.body, body)
    problems: list[str] = []
    if items_for is None:
        texts = _texts(incoming.body, body.get("input"), problems)
    else:
        texts = items.contents(body.get("input"), problems, service=items_for)
    input_type = _input_type(incoming.body, body.get(_INPUT_TYPE))
    if input_type is not None and kind is not None and not kind.embeds:
        problems.append(f"Field [input_type] cannot be specified for task type [{kind}]")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    if (kind is None or kind.embeds) and isinstance(options.get(_INPUT_TYPE), str):
        # Kibana's connector says it here, whatever the service; what stands at the top goes before it.
        input_type = input_type or _input_type(incoming.body, options[_INPUT_TYPE])
        options = {name: value for name, value in options.items() if name != _INPUT_TYPE}
    return InferenceRequest(
        texts,
        input_type,
        options=options,
        cutting=chunks.cutting(body, incoming.query),
        partial=partial(incoming, body),
        timeout=_seconds(incoming, body),
        caller=incoming.caller,
        request_id=incoming.request_id,
        journey=incoming.journey,
    )


def rerank(incoming: Incoming) -> InferenceRequest:
    """Which documents to put in order, and by what."""
    body = _known(incoming, _RERANK_FIELDS)
    problems: list[str] = []
    for name, kind in (("return_documents", bool), ("top_n", int)):
        value = body.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
            raise _wrong_type(incoming.body, name, value)
    documents = Documents(
        texts=items.documents(body.get("input"), problems),
        query=items.query(body.get("query"), problems),
        return_documents=body.get("return_documents"),
        top_n=body.get("top_n"),
    )
    if documents.top_n is not None and documents.top_n < 1:
        problems.append("Field [top_n] must be greater than or equal to 1")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    return InferenceRequest(
        documents,
        options=_options(incoming.body, body),
        partial=partial(incoming, body),
        timeout=_seconds(incoming, body),
        caller=incoming.caller,
        request_id=incoming.request_id,
        journey=incoming.journey,
    )


def preview(incoming: Incoming) -> tuple[InferenceRequest, Cutting]:
    """Which texts to cut, and how."""
    body = _known(incoming, _PREVIEW_FIELDS)
    problems: list[str] = []
    texts = _texts(incoming.body, body.get("input"), problems)
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    request = InferenceRequest(texts, caller=incoming.caller, request_id=incoming.request_id)
    return request, chunks.asked_for(body)


def partial(incoming: Incoming, body: Mapping[str, Any]) -> bool:
    """Whether inputs that cannot be embedded are to have errors of their own. The body goes before the query."""
    return boolean(body, PARTIAL, default=flag(incoming.query, PARTIAL))


def timeout(query: Mapping[str, str]) -> float | None:
    """The parameter `timeout` in seconds."""
    text = query.get("timeout")
    return None if text is None else times.seconds(text, name="timeout")


def position(body: bytes, name: str) -> str:
    """Where *name* stands as a key in *body*, as Elasticsearch's `[line:column]`."""
    at = max(0, body.find(msgspec.json.encode(name)))
    line, column = body.count(b"\n", 0, at) + 1, at - body.rfind(b"\n", 0, at)
    return f"[{line}:{column}]"


def token(value: Any) -> str:
    """What the parser of Elasticsearch calls the first token of *value*."""
    return _TOKENS.get(value.__class__, "START_ARRAY")


def _known(incoming: Incoming, names: Sequence[str]) -> dict[str, Any]:
    body = json_object(incoming)
    for name in body:
        if name not in names:
            raise _wrong_field(incoming.body, name, "unknown field [{name}]")
    return body


def _texts(body: bytes, value: Any, problems: list[str]) -> Texts:
    match value:
        case None:
            problems.append("Field [input] cannot be null")
            return ()
        case str():
            return (value,)
        case []:
            problems.append("Field [input] cannot be an empty array")
            return ()
        case [*texts] if all(isinstance(text, str) for text in texts):
            return tuple(texts)
        case [*_]:
            raise _wrong_field(body, "input", "failed to parse field [{name}]: every entry must be a string")
        case _:
            raise _wrong_type(body, "input", value)


def _options(body: bytes, given: Mapping[str, Any]) -> Mapping[str, Any]:
    options = given.get("task_settings")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise _wrong_type(body, "task_settings", options)
    return cast("dict[str, Any]", options)


def _input_type(body: bytes, value: Any) -> InputType | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(body, _INPUT_TYPE, value)
    return purpose(value)


def _seconds(incoming: Incoming, body: Mapping[str, Any]) -> float | None:
    seconds = timeout(incoming.query)
    if seconds is None and body.get("timeout") is not None:
        return _timeout(incoming.body, body["timeout"])
    return seconds


def _timeout(body: bytes, value: Any) -> float:
    if not isinstance(value, str):
        raise _wrong_type(body, "timeout", value)
    return times.seconds(value, name="timeout")


def _wrong_type(body: bytes, name: str, value: Any) -> InferenceError:
    return _wrong_field(body, name, f"{{name}} doesn't support values of type: {token(value)}")


def _wrong_field(body: bytes, name: str, problem: str) -> InferenceError:
    return invalid(f"{position(body, name)} [{_PARSER}] {problem.format(name=name)}", subject=Subject.BODY)
