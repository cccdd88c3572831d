"""OpenAI's responses, kept so that their items may be referred to; no service of ours asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from script import CACHED, READ, SIGNATURE, THINKING, WRITTEN, Answer, ToolCall, Turn

STREAM = "text/event-stream"
USAGE = {
    "input_tokens": READ,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": WRITTEN,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": READ + WRITTEN,
}


def read(body: Mapping[str, Any]) -> Turn:
    """What is asked."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return Turn(
        model=body["model"],
        words="\n".join(_text(item["content"]) for item in items if item.get("role") == "user"),
        tools=frozenset(tool["name"] for tool in body.get("tools", []) if tool["type"] == "function"),
        results=tuple(_text(item["output"]) for item in items if item.get("type") == "function_call_output"),
        thinks=(body.get("reasoning") or {}).get("effort", "none") != "none",
        streams=body.get("stream", False),
        cached=frozenset(),
        returned=tuple(_thought(item) for item in items if _is_thought(item)),
        fault=None,
    )


def refused(message: str) -> dict[str, Any]:
    """An error of the request."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def whole(answer: Answer) -> dict[str, Any]:
    """The answer as one object."""
    return _response(answer, "completed", _items(answer))


def stream(answer: Answer) -> Iterator[bytes]:
    """The answer in pieces."""
    for number, event in enumerate(_events(answer)):
        yield f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()


def _events(answer: Answer) -> Iterator[dict[str, Any]]:
    begun = _response(answer, "in_progress", [])
    yield from ({"type": f"response.{state}", "response": begun} for state in ("created", "in_progress"))
    for index, item in enumerate(_items(answer)):
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        for name, more in _pieces(item):
            yield {"type": f"response.{name}", "item_id": item["id"], "output_index": index, **more}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole(answer)}


def _pieces(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if item["type"] == "function_call":
        text = item["arguments"]
        yield from (("function_call_arguments.delta", {"delta": piece}) for piece in (text[:5], text[5:]))
        yield "function_call_arguments.done", {"arguments": text, "name": item["name"]}
        return
    names = {"reasoning": ("reasoning_summary_part", "reasoning_summary_text", "summary_index", "summary")}
    part_name, text_name, place, member = names.get(
        item["type"], ("content_part", "output_text", "content_index", "content")
    )
    part = item[member][0]
    more = {"logprobs": []} if text_name == "output_text" else {}
    yield f"{part_name}.added", {place: 0, "part": {**part, "text": ""}}
    for piece in (part["text"][:7], part["text"][7:]):
        yield f"{text_name}.delta", {place: 0, "delta": piece, **more}
    yield f"{text_name}.done", {place: 0, "text": part["text"], **more}
    yield f"{part_name}.done", {place: 0, "part": part}


def _empty(item: Mapping[str, Any]) -> dict[str, Any]:
    emptied = {"arguments": "", "content": [], "summary": []}
    return {**item, **{name: value for name, value in emptied.items() if name in item}}


def _items(answer: Answer) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        thought = {"summary": summary, "encrypted_content": SIGNATURE}
        items.append({"id": f"rs_{answer.number}", "type": "reasoning", **thought})
    if isinstance(answer.content, ToolCall):
        call = answer.content
        named = {"call_id": call.id, "name": call.name, "arguments": json.dumps(call.arguments)}
        return [*items, {"id": f"fc_{call.id}", "type": "function_call", "status": "completed", **named}]
    part = {"type": "output_text", "text": answer.content, "annotations": [], "logprobs": []}
    said = {"role": "assistant", "status": "completed"}
    return [*items, {"id": f"msg_{answer.number}", "type": "message", **said, "content": [part]}]


def _response(answer: Answer, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    about = {"id": f"resp_{answer.number}", "object": "response", "created_at": 1, "model": answer.model}
    unset = dict.fromkeys(("error", "incomplete_details", "instructions", "temperature", "top_p"))
    settings = {"metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    usage = USAGE if status == "completed" else None
    return {**about, **unset, **settings, "status": status, "output": output, "usage": usage}


def _is_thought(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "reasoning" or (item.get("type") == "item_reference" and _is_kept(item))


def _thought(item: Mapping[str, Any]) -> tuple[str, str | None]:
    if item["type"] == "item_reference":
        return THINKING, SIGNATURE
    return _text(item["summary"]), SIGNATURE if _is_kept(item) else item.get("encrypted_content")


def _is_kept(item: Mapping[str, Any]) -> bool:
    return item.get("id", "").startswith("rs_")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
