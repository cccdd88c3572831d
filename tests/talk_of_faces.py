"""Clients of every face that chats: how they say a conversation, what they hear, and what they keep of it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from in_process import Application, Told
from talks import Spoken, usual

from inferpoint.model.chat import Content, ImagePart, Message, Part, Role, TextPart, Thought, Tool, ToolUse
from inferpoint.model.results import Usage

CUT = {"max_output_tokens": "length", "content_filter": "content_filter"}
ENDED = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


@dataclass(frozen=True)
class Heard:
    """An answer as a client reads it, and what it sends back of it as history."""

    parts: tuple[Part, ...]
    reason: str
    usage: Usage
    kept: tuple[Any, ...]


@dataclass(frozen=True)
class Asking:
    """Whom a client asks: a server, and an endpoint of it."""

    app: Application
    endpoint: str


class Client(ABC):
    """A client of one face."""

    @abstractmethod
    def says(self, message: Message) -> list[Any]:
        """A *message* in the face's own words."""

    @abstractmethod
    def asks(self, ask: Asking, history: Sequence[Any], tools: Sequence[Tool], *, stream: bool) -> Told:
        """What is answered to the *history* so far."""

    @abstractmethod
    def whole(self, told: Told) -> Heard:
        """A whole answer."""

    @abstractmethod
    def streamed(self, told: Told) -> Heard:
        """An answer in pieces, as its official client puts them together."""

    @abstractmethod
    def can_say(self, message: Message) -> Message:
        """What there is in this face of a *message*."""

    @abstractmethod
    def can_tell(self, spoken: Spoken) -> Spoken:
        """What there is in this face of an answer."""

    def keeps(self, spoken: Spoken) -> tuple[Part, ...]:
        """What there is of an answer in what its client sends back."""
        return self.can_tell(spoken).parts


class OpenAI(Client):
    """`/v1/chat/completions`."""

    def says(self, message: Message) -> list[Any]:
        told: dict[str, Any] = {"role": message.role.value, "content": [_openai_part(part) for part in message.content]}
        if message.tool_uses:
            told["content"] = told["content"] or None
            told["tool_calls"] = [
                {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}
                for use in message.tool_uses
            ]
        return [told if message.tool_call_id is None else {**told, "tool_call_id": message.tool_call_id}]

    def asks(self, ask: Asking, history: Sequence[Any], tools: Sequence[Tool], *, stream: bool) -> Told:
        body = {"model": ask.endpoint, "messages": history, "tools": _functions(tools), "stream": stream}
        return ask.app("POST", "/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})

    def whole(self, told: Told) -> Heard:
        (choice,) = told.json["choices"]
        return self._heard(choice["message"], choice["finish_reason"], told.json["usage"])

    def streamed(self, told: Told) -> Heard:
        *chunks, (_, done) = told.events
        assert done == "[DONE]", told.body
        message: dict[str, Any] = {"content": ""}
        reason, used = None, None
        for _, chunk in chunks:
            used = chunk.get("usage") or used
            for choice in chunk["choices"]:
                _grow(message, choice["delta"])
                reason = choice.get("finish_reason") or reason
        return self._heard({"role": "assistant", **message}, reason or "", used or {})

    def _heard(self, message: dict[str, Any], reason: str, used: dict[str, Any]) -> Heard:
        thought = "".join(message.get(name, "") for name in ("reasoning", "reasoning_content"))
        calls = [
            ToolUse(
                call["id"], call["function"]["name"], call["function"]["arguments"], extra=call.get("extra_content")
            )
            for call in message.get("tool_calls", ())
        ]
        parts = (Thought(thought), TextPart(message["content"] or ""), *calls)
        cache = used.get("prompt_tokens_details", {})
        usage = Usage(
            used["prompt_tokens"],
            used["completion_tokens"],
            cache.get("cached_tokens", 0),
            used.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
            cache.get("cache_write_tokens", 0),
        )
        assert used["total_tokens"] == usage.input + usage.output
        return Heard(usual(parts), reason, usage, (message,))

    def can_say(self, message: Message) -> Message:
        """A tool's result is words, and does not say that it failed."""
        if message.role is Role.TOOL:
            texts = tuple(part for part in message.parts if isinstance(part, TextPart))
            return msgspec.structs.replace(message, parts=texts, failed=False)
        return (
            msgspec.structs.replace(message, parts=usual(message.parts)) if message.role is Role.ASSISTANT else message
        )

    def can_tell(self, spoken: Spoken) -> Spoken:
        """Thoughts are words alone, before all others."""
        thoughtless = (Thought(part.text) if isinstance(part, Thought) else part for part in usual(spoken.parts))
        return replace(spoken, parts=tuple(thoughtless))

    def keeps(self, spoken: Spoken) -> tuple[Part, ...]:
        """With the names under which they came, and what stood beside them."""
        return usual(spoken.parts)


class Elasticsearch(OpenAI):
    """`/_inference/chat_completion/{id}`, whose chunks are OpenAI's."""

    def asks(self, ask: Asking, history: Sequence[Any], tools: Sequence[Tool], *, stream: bool) -> Told:
        path = f"/_inference/chat_completion/{ask.endpoint}{'/_stream' if stream else ''}"
        return ask.app("POST", path, {"messages": history, "tools": _functions(tools)})


class Responses(Client):
    """`/v1/responses`, for a client that repeats the whole conversation."""

    def says(self, message: Message) -> list[Any]:
        if message.role is Role.TOOL:
            output = [self._part(part) for part in message.content]
            return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": output}]
        if message.role is not Role.ASSISTANT:
            return [{"role": message.role.value, "content": [self._part(part) for part in message.content]}]
        return [self._item(part) for part in message.parts]

    def _item(self, part: Any) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
            case ToolUse(called, name, arguments):
                return {"type": "function_call", "call_id": called, "name": name, "arguments": arguments}
            case _:
                raise AssertionError(part)

    def _part(self, part: Content) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"type": "input_text", "text": text}
            case ImagePart(url):
                return {"type": "input_image", "image_url": url, "detail": "auto"}
            case _:
                raise AssertionError(part)

    def asks(self, ask: Asking, history: Sequence[Any], tools: Sequence[Tool], *, stream: bool) -> Told:
        declared = [function["function"] | {"type": "function"} for function in _functions(tools)]
        body = {"model": ask.endpoint, "input": history, "tools": declared, "store": False, "stream": stream}
        return ask.app("POST", "/v1/responses", body)

    def whole(self, told: Told) -> Heard:
        return self._heard(told.json)

    def streamed(self, told: Told) -> Heard:
        texts: dict[str, str] = {}
        for _, event in told.events:
            if event["type"].endswith(".delta"):
                texts[event["item_id"]] = texts.get(event["item_id"], "") + event["delta"]
        response = told.events[-1][1]["response"]
        for item in response["output"]:
            assert texts.get(item["id"], "") == "".join(self._words(item)), "what comes in pieces is what is whole"
        return self._heard(response)

    def _words(self, item: dict[str, Any]) -> Iterator[str]:
        match item["type"]:
            case "message":
                yield from (part["text"] for part in item["content"])
            case "reasoning":
                yield from (part["text"] for part in item["summary"])
            case kind:
                assert kind == "function_call"
                yield item["arguments"]

    def _heard(self, response: dict[str, Any]) -> Heard:
        parts: list[Part] = []
        for item in response["output"]:
            text = "".join(self._words(item))
            match item["type"]:
                case "message":
                    parts += [TextPart(text)] if text else []
                case "reasoning":
                    parts.append(Thought(text))
                case _:
                    parts.append(ToolUse(item["call_id"], item["name"], item["arguments"]))
        used = response["usage"]
        cache, told = used["input_tokens_details"], used["output_tokens_details"]
        counts = cache["cached_tokens"], told["reasoning_tokens"], cache["cache_write_tokens"]
        usage = Usage(used["input_tokens"], used["output_tokens"], *counts)
        return Heard(tuple(parts), self._reason(response, parts), usage, tuple(response["output"]))

    def _reason(self, response: dict[str, Any], parts: Sequence[Part]) -> str:
        if response["status"] == "completed":
            return "tool_calls" if any(isinstance(part, ToolUse) for part in parts) else "stop"
        assert response["status"] == "incomplete"
        return CUT[response["incomplete_details"]["reason"]]

    def can_say(self, message: Message) -> Message:
        """A tool's result does not say that it failed."""
        return msgspec.structs.replace(message, failed=False)

    def can_tell(self, spoken: Spoken) -> Spoken:
        """Seals are hidden in what is encrypted, or behind ids, which only the service reads."""
        return replace(spoken, parts=tuple(map(_words_of, spoken.parts)))

    def keeps(self, spoken: Spoken) -> tuple[Part, ...]:
        return spoken.parts


class Anthropic(Client):
    """`/v1/messages`, for a client that asks for thoughts."""

    def says(self, message: Message) -> list[Any]:
        if message.role is Role.TOOL:
            shown = [self._block(part) for part in message.parts]
            result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": shown}
            return [{"role": "user", "content": [{**result, "is_error": message.failed}]}]
        return [{"role": message.role.value, "content": [self._block(part) for part in message.parts]}]

    def _block(self, part: Any) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"type": "text", "text": text}
            case ImagePart(url) if url.startswith("http"):
                return {"type": "image", "source": {"type": "url", "url": url}}
            case ImagePart(url):
                kind, _, data = url.removeprefix("data:").partition(";base64,")
                return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
            case ToolUse(called, name, arguments):
                return {"type": "tool_use", "id": called, "name": name, "input": json.loads(arguments)}
            case _:
                raise AssertionError(part)

    def asks(self, ask: Asking, history: Sequence[Any], tools: Sequence[Tool], *, stream: bool) -> Told:
        declared = [{"name": tool.name, "input_schema": tool.parameters} for tool in tools]
        system = [block for message in history if message["role"] == "system" for block in message["content"]]
        turns = [message for message in history if message["role"] != "system"]
        body = {"model": ask.endpoint, "max_tokens": 9000, "messages": turns, "tools": declared, "stream": stream}
        thinking = {"type": "enabled", "budget_tokens": 2000}
        return ask.app("POST", "/v1/messages", {**body, "system": system, "thinking": thinking})

    def whole(self, told: Told) -> Heard:
        return self._heard(told.json)

    def streamed(self, told: Told) -> Heard:
        message: dict[str, Any] = {}
        open_: list[int] = []
        for name, event in told.events:
            assert name == event["type"]
            match name:
                case "message_start":
                    message = event["message"]
                case "content_block_start":
                    assert not open_
                    assert event["index"] == len(message["content"])
                    open_.append(event["index"])
                    message["content"].append(dict(event["content_block"]))
                case "content_block_delta":
                    assert open_ == [event["index"]]
                    self._grow(message["content"][-1], event["delta"])
                case "content_block_stop":
                    assert open_.pop() == event["index"]
                    block = message["content"][-1]
                    if "arguments" in block:
                        block["input"] = json.loads(block.pop("arguments"))
                case "message_delta":
                    message |= event["delta"]
                    message["usage"] |= event["usage"]
                case _:
                    assert name in ("ping", "message_stop")
        assert told.events[-1][0] == "message_stop", told.body
        return self._heard(message)

    def _grow(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case kind:
                assert kind == "input_json_delta"
                block["arguments"] = block.get("arguments", "") + delta["partial_json"]

    def _heard(self, message: dict[str, Any]) -> Heard:
        used = message["usage"]
        cached, written = used.get("cache_read_input_tokens", 0), used.get("cache_creation_input_tokens", 0)
        usage = Usage(used["input_tokens"] + cached + written, used["output_tokens"], cached, 0, written)
        parts = tuple(self._heard_part(block) for block in message["content"])
        kept = {"role": "assistant", "content": message["content"]}
        return Heard(parts, ENDED[message["stop_reason"]], usage, (kept,))

    def _heard_part(self, block: dict[str, Any]) -> Part:
        match block["type"]:
            case "text":
                return TextPart(block["text"])
            case "thinking":
                assert block["signature"], "clients send back no thought that is not sealed"
                return Thought(block["thinking"])
            case "redacted_thinking":
                return Thought("")
            case _:
                return ToolUse(block["id"], block["name"], json.dumps(block["input"]))

    def can_say(self, message: Message) -> Message:
        return message

    def can_tell(self, spoken: Spoken) -> Spoken:
        """Seals are the service's own, or hidden behind ids; tokens of thoughts are among the others."""
        return replace(
            spoken, parts=tuple(map(_words_of, spoken.parts)), usage=msgspec.structs.replace(spoken.usage, reasoning=0)
        )

    def keeps(self, spoken: Spoken) -> tuple[Part, ...]:
        return spoken.parts


CLIENTS: dict[str, Client] = {
    "elasticsearch": Elasticsearch(),
    "openai": OpenAI(),
    "responses": Responses(),
    "anthropic": Anthropic(),
}


def _words_of(part: Part) -> Part:
    """*part*, of a thought only the words, and of a call nothing that stood beside it."""
    match part:
        case Thought(text):
            return Thought(text)
        case ToolUse():
            return msgspec.structs.replace(part, extra=None)
        case _:
            return part


def _functions(tools: Sequence[Tool]) -> list[Any]:
    members = ("name", "description", "parameters")
    return [{"type": "function", "function": {name: getattr(tool, name) for name in members}} for tool in tools]


def _openai_part(part: Content) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            return {"type": "image_url", "image_url": {"url": url}}
        case _:
            raise AssertionError(part)


def _grow(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a *delta* to a message: words go on, pieces of calls belong to the call of their index."""
    for name, value in delta.items():
        match name:
            case "tool_calls":
                calls = message.setdefault("tool_calls", [])
                for piece in value:
                    if piece["index"] == len(calls):
                        begun = {"arguments": "", **piece["function"]}
                        beside = {name: piece[name] for name in ("extra_content",) if name in piece}
                        calls.append({"id": piece["id"], "type": piece["type"], "function": begun, **beside})
                    else:
                        assert piece.keys() == {"index", "function"}
                        calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
            case "role":
                assert value == "assistant"
            case _:
                message[name] = message.get(name, type(value)()) + value
