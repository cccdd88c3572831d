"""What a field case's checks look at: the answer of any face, whole or streamed, as one document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from inferpoint.protocols.sse import ServerSentEvents

Document = dict[str, Any]


class Answer(Protocol):
    """One answer of the server."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


def document(answer: Answer, calls: Sequence[Mapping[str, Any]]) -> Document:
    """An answer, and the *calls* that the provider had for it.

    Always there are `status`, `headers`, `error`, the `words` of the error, how many `calls` there were, all of them as
    `upstream` and the body of the last as `sent`. A chat has `text`, `reasoning`, `tool_calls`, `finish` and `usage`,
    and Anthropic's its `blocks`; a stream has the `indexes` of its calls and whether it is `done`. A list has its
    `outcomes`, a ranking who was `ranked` and whether the `best_first`.
    """
    made: Document = {"status": answer.status, "headers": answer.headers, "calls": len(calls), "upstream": list(calls)}
    made |= {"text": "", "reasoning": "", "tool_calls": [], "error": None, "usage": None, "finish": None}
    if calls:
        made["sent"] = calls[-1]["body"]
    try:
        made["body"] = json.loads(answer.body)
    except ValueError:
        _Stream(made).read(answer.body)
    else:
        _read_whole(made, made["body"])
    made["words"] = "\n".join(_strings(made["error"])) or answer.body.decode("utf-8", "replace")
    return made


def problems(made: Document, checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each check that does not hold: what is `at` a place, and the one thing that should be true of it."""
    lines: list[str] = []
    for check in checks:
        place = check["at"]
        value = _at(made, place)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for name, wanted in check.items():
            if name != "at" and not _CHECKS[name](made, value, text, wanted):
                lines.append(f"{place} {name} {json.dumps(wanted, ensure_ascii=False)}, but it is {text[:400]}")
    return lines


_CHECKS: Mapping[str, Callable[[Document, Any, str, Any], bool]] = {
    "is": lambda _made, value, _text, wanted: value == wanted,
    "not": lambda _made, value, _text, wanted: value != wanted,
    "in": lambda _made, value, _text, wanted: value in wanted,
    "absent": lambda _made, value, _text, wanted: (value is None) is wanted,
    "at_least": lambda _made, value, _text, wanted: value is not None and value >= wanted,
    "at_most": lambda _made, value, _text, wanted: value is not None and value <= wanted,
    "same": lambda made, value, _text, wanted: value is not None and value == _at(made, wanted),
    "holds": lambda _made, value, _text, wanted: _holds(wanted, value),
    "contains": lambda _made, _value, text, wanted: wanted in text,
    "lacks": lambda _made, _value, text, wanted: wanted not in text,
    "matches": lambda _made, _value, text, wanted: re.search(wanted, text) is not None,
}


def _at(made: Any, place: str) -> Any:
    """What stands at a *place* of names and numbers with dots between; None where there is nothing."""
    for name in place.split("."):
        if isinstance(made, list):
            made = made[int(name)] if name.isdigit() and int(name) < len(made) else None
        else:
            made = made.get(name) if isinstance(made, Mapping) else None
    return made


def _holds(wanted: Any, value: Any) -> bool:
    """Whether *value* is as *wanted*, but for members of objects that it does not name."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(name in value and _holds(wanted[name], value[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_holds, wanted, value))
    return value == wanted


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inside for text in _strings(part)]


def _read_whole(made: Document, body: Mapping[str, Any]) -> None:
    made["error"], made["usage"] = body.get("error"), body.get("usage")
    if body.get("choices"):
        choice = body["choices"][0]
        message = choice["message"]
        made["text"], made["finish"] = message.get("content") or "", choice.get("finish_reason")
        made["reasoning"] = message.get("reasoning_content") or message.get("reasoning") or ""
        made["tool_calls"] = [
            {**{name: value for name, value in call.items() if name in ("id", "extra_content")}, **call["function"]}
            for call in message.get("tool_calls") or []
        ]
    elif body.get("type") == "message":
        made["finish"], made["stop_sequence"] = body["stop_reason"], body.get("stop_sequence")
        _read_blocks(made, body["content"])
    elif rows := next((value for value in body.values() if isinstance(value, list)), None):
        made["outcomes"] = ["error" if "error" in row else "ok" for row in rows]
        if "rerank" in body:
            scores = [row["relevance_score"] for row in rows]
            made["ranked"], made["best_first"] = sorted(row["index"] for row in rows), scores == sorted(scores)[::-1]


def _read_blocks(made: Document, blocks: Sequence[Mapping[str, Any]]) -> None:
    made["blocks"] = blocks
    made["text"] = "".join(block["text"] for block in blocks if block["type"] == "text")
    uses = [block for block in blocks if block["type"] == "tool_use"]
    made["tool_calls"] = [{name: use.get(name) for name in ("id", "name", "input")} for use in uses]


class _Stream:
    """The reader of one stream of OpenAI's chunks or of Anthropic's events, as their makers' own clients join them."""

    def __init__(self, made: Document) -> None:
        self._made = made
        self._calls: dict[int, dict[str, str]] = {}
        self._blocks: list[dict[str, Any]] = []
        self._open: set[int] = set()

    def read(self, body: bytes) -> None:
        """Read the events of *body*."""
        made = self._made
        made["done"] = False
        for event in ServerSentEvents().feed(body):
            if event.data == b"[DONE]":
                made["done"] = True
                continue
            data = json.loads(event.data)
            made["error"] = data.get("error") or made["error"]
            made["usage"] = data.get("usage") or made["usage"]
            for choice in data.get("choices") or []:
                self._choice(choice)
            self._event(data)
        made["indexes"] = sorted(self._calls)
        made["tool_calls"] = [call for _, call in sorted(self._calls.items())]
        if self._blocks:
            _read_blocks(made, [_closed(block) for block in self._blocks])

    def _choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self._made["text"] += delta.get("content") or ""
        self._made["reasoning"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
        self._made["finish"] = choice.get("finish_reason") or self._made["finish"]
        for piece in delta.get("tool_calls") or []:
            function = piece.get("function") or {}
            call = self._calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] += piece.get("id") or ""
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""

    def _event(self, data: Mapping[str, Any]) -> None:
        match data.get("type"):
            case "message_start":
                self._made["start_usage"] = data["message"].get("usage")
            case "content_block_start":
                self._open.add(data["index"])
                self._blocks.append(dict(data["content_block"]))
            case "content_block_delta":
                if data["index"] in self._open:
                    _join(self._blocks[data["index"]], data["delta"])
                else:
                    self._made["misplaced"] = True
            case "content_block_stop":
                self._open.discard(data["index"])
            case "message_delta":
                self._made["finish"] = data["delta"]["stop_reason"]
                self._made["stop_sequence"] = data["delta"].get("stop_sequence")
            case "message_stop":
                self._made["done"] = True
            case _:
                pass


def _join(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name in ("text", "thinking", "signature", "partial_json"):
        if name in delta:
            block[name] = (block.get(name) or "") + delta[name]


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    """A block with the pieces of its input as what they are; as they came, where they are no JSON."""
    pieces = block.pop("partial_json", "")
    if not pieces:
        return block
    try:
        return {**block, "input": json.loads(pieces)}
    except ValueError:
        return {**block, "input": pieces}
