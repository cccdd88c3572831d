"""Bodies to requests, or an error that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from inferpoint.api.elastic import chunks
from inferpoint.api.face import Incoming
from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model import times
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import Cutting, InferenceRequest, InputType, Texts, purpose

_PARSER = "cluster:internal/xpack/inference"
_FIELDS = ("input", "input_type", "task_settings", "timeout", chunks.CHUNKED, *chunks.FIELDS)
_PREVIEW_FIELDS = ("input", *chunks.FIELDS)
_TOKENS: dict[Any, str] = {
    str: "VALUE_STRING",
    bool: "VALUE_BOOLEAN",
    int: "VALUE_NUMBER",
    float: "VALUE_NUMBER",
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


def inference(incoming: Incoming, kind: TaskType | None) -> InferenceRequest:
    """What to infer. The query's timeout goes before the body's."""
    body = _known(incoming, _FIELDS)
    options = _options(incoming.body, body)
    problems: list[str] = []
    texts = _texts(incoming.body, body.get("input"), problems)
    input_type = _input_type(incoming.body, body.get(_INPUT_TYPE))
    if input_type is not None and kind is not None and not kind.embeds:
        problems.append(f"Field [input_type] cannot be specified for task type [{kind}]")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)
    if (kind is None or kind.embeds) and isinstance(options.get(_INPUT_TYPE), str):
        # Kibana's connector says it here, whatever the service; what stands at the top goes before it.
        input_type = input_type or _input_type(incoming.body, options[_INPUT_TYPE])
        options = {name: value for name, value in options.items() if name != _INPUT_TYPE}
    seconds = timeout(incoming.query)
    if seconds is None and body.get("timeout") is not None:
        seconds = _timeout(incoming.body, body["timeout"])
    return InferenceRequest(
        texts,
        input_type,
        options=options,
        cutting=chunks.cutting(body, incoming.query),
        timeout=seconds,
        caller=incoming.caller,
        request_id=incoming.request_id,
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


def timeout(query: Mapping[str, str]) -> float | None:
    """The parameter `timeout` in seconds."""
    text = query.get("timeout")
    return None if text is None else times.seconds(text, name="timeout")


def position(body: bytes, name: str) -> str:
    """Where *name* stands as a key in *body*, as Elasticsearch's `[line:column]`."""
    at = max(0, body.find(msgspec.json.encode(name)))
    line, column = body.count(b"\n", 0, at) + 1, at - body.rfind(b"\n", 0, at)
    return f"[{line}:{column}]"


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


def _timeout(body: bytes, value: Any) -> float:
    if not isinstance(value, str):
        raise _wrong_type(body, "timeout", value)
    return times.seconds(value, name="timeout")


def _wrong_type(body: bytes, name: str, value: Any) -> InferenceError:
    token = _TOKENS.get(value.__class__, "START_ARRAY")
    return _wrong_field(body, name, f"{{name}} doesn't support values of type: {token}")


def _wrong_field(body: bytes, name: str, problem: str) -> InferenceError:
    return invalid(f"{position(body, name)} [{_PARSER}] {problem.format(name=name)}", subject=Subject.BODY)
