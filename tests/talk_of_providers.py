"""Providers of every wire that chats, played: what they are asked is read as documented, and not by our code."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
from frames import event, frame
from hypothesis import strategies as st
from talks import SEALED, SEALS, TEXTS, Item, Manner, Spoken, meaning, usual, without_thoughts
from world import Arrived

from inferpoint.model.chat import ImagePart, Message, Role, TextPart, Thought, ToolUse
from inferpoint.model.http import Call

MADE_FOR = "The result of the tool call {}:"
STOPPED = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
BESIDE = st.none() | SEALS.map(lambda seal: {"reasoning_details": [{"type": "reasoning.encrypted", "data": seal}]})
REASONS = {
    "stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "ERROR_TOXIC",
}  # fmt: skip
BEDROCKS = {**STOPPED, "content_filter": "content_filtered"}
UNSEALED = "skip_thought_signature_validator"  # of the first call of a turn of another model's
CALL, NO = "functionCall", {"parts": ()}  # members of Gemini's, and none of them
LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Wire(ABC):
    """How one kind of provider is asked, and how it answers."""

    manner: Manner
    ids: re.Pattern[str] = LEGAL  # of calls, as far as they are taken as they are

    @abstractmethod
    def heard(self, call: Call) -> list[Message]:
        """The conversation that a *call* holds."""

    @abstractmethod
    def taken(self, message: Message) -> Message:
        """What there is in this wire of a *message*."""

    @abstractmethod
    def tools(self, call: Call) -> Mapping[str, Any]:
        """The schemas of the tools that a *call* declares, by their names."""

    @abstractmethod
    def whole(self, spoken: Spoken) -> Any:
        """An answer as JSON."""

    @abstractmethod
    def streamed(self, spoken: Spoken) -> bytes:
        """An answer as a stream."""

    def streams(self, call: Call) -> bool:
        return json.loads(call.body).get("stream", False)

    def wanted(self, messages: Sequence[Message]) -> list[Item]:
        """What a provider must hear of *messages*."""
        return meaning(self.taken(message) for message in messages)


def wire_of(call: Call) -> Wire:
    """The wire in which a *call* is written."""
    path = call.url.partition("?")[0]
    if path.endswith(("/converse", "/converse-stream")):
        return Converse(claude="anthropic.claude" in path)
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return Gemini()
    if "anthropic-version" in call.headers or "anthropic_version" in json.loads(call.body):
        return Messages()
    for place, wire in OWN.items():
        if place in call.url:
            return wire()
    if "messages" in json.loads(call.body):
        return Completions()
    raise AssertionError(f"nobody here reads what {call.url} is asked: its wire needs a class of its own")


def asks_for_token(call: Call) -> bool:
    """Whether a *call* is no chat, but for what one is signed with."""
    return b"grant_type=" in call.body


def answer(spoken: Spoken, cuts: Sequence[float], call: Call) -> Arrived:
    """How a provider answers a *call*: *spoken*, whole, or streamed and cut at these parts of its length."""
    if asks_for_token(call):
        return Arrived(200, [b'{"access_token": "t", "expires_in": 3600}'], {"content-type": "application/json"})
    wire = wire_of(call)
    if not wire.streams(call):
        return Arrived(200, [json.dumps(wire.whole(spoken)).encode()], {"content-type": "application/json"})
    body = wire.streamed(spoken)
    places = [0, *sorted(int(len(body) * cut) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    return Arrived(200, pieces, {"content-type": "text/event-stream"})


def pieces(text: Any) -> list[Any]:
    return [text[place : place + 3] for place in range(0, len(text), 3)]


def shown_after(messages: Sequence[Message], taken: Callable[[Message], Message]) -> Iterator[Message]:
    """What is *taken* of *messages*, and the images of tools' results in a user's turn after these."""
    shown: list[Any] = []
    for message in messages:
        if message.role is not Role.TOOL and shown:
            yield Message(Role.USER, tuple(shown))
            shown = []
        yield taken(message)
        images = [part for part in message.content if isinstance(part, ImagePart)]
        if message.role is Role.TOOL and images:
            shown += [TextPart(MADE_FOR.format(message.tool_call_id)), *images]
    if shown:
        yield Message(Role.USER, tuple(shown))


class Completions(Wire):
    """OpenAI's chat completions. https://platform.openai.com/docs/api-reference/chat."""

    manner = Manner(
        st.builds(Thought, TEXTS, member=st.sampled_from(["reasoning", "reasoning_content"]), extra=BESIDE),
        free=False,
        addresses=True,
        reasoning=True,
        beside=st.none() | SEALS.map(lambda seal: {"google": {"thought_signature": seal}}),
    )
    ids = re.compile(r".*", re.DOTALL)

    def heard(self, call: Call) -> list[Message]:
        return [self._message(message) for message in json.loads(call.body)["messages"]]

    def _message(self, message: Mapping[str, Any]) -> Message:
        extra = {name: message[name] for name in ("reasoning_details",) if name in message} or None
        parts: list[Any] = [
            Thought(message[name], member=name, extra=extra)
            for name in ("reasoning", "reasoning_content")
            if message.get(name)
        ]
        match message.get("content"):
            case str() as text:
                parts += [TextPart(text)] if text else []
            case None:
                pass
            case listed:
                parts += [self._part(part) for part in listed]
        for call in message.get("tool_calls") or ():
            assert call["type"] == "function"
            function, extra = call["function"], call.get("extra_content")
            parts.append(ToolUse(call["id"], function["name"], function["arguments"], extra=extra))
        return Message(Role(message["role"]), tuple(parts), message.get("tool_call_id"))

    def _part(self, part: Mapping[str, Any]) -> Any:
        match part["type"]:
            case "text":
                return TextPart(part["text"])
            case "image_url":
                return ImagePart(part["image_url"]["url"])
            case kind:
                raise AssertionError(kind)

    def wanted(self, messages: Sequence[Message]) -> list[Item]:
        """What a tool shows is a user's turn after all results, as they are of words alone; a failure is a word."""
        return meaning(shown_after(messages, self.taken))

    def taken(self, message: Message) -> Message:
        match message.role:
            case Role.ASSISTANT:
                return msgspec.structs.replace(message, parts=usual(message.parts))
            case Role.TOOL:
                texts = "".join(part.text for part in message.parts if isinstance(part, TextPart))
                words = texts or ("The result is in the user's message below." if message.parts else "")
                words = f"Error: {words}" if message.failed else words
                return msgspec.structs.replace(message, parts=(TextPart(words),) if words else (), failed=False)
            case _:
                return message

    def tools(self, call: Call) -> Mapping[str, Any]:
        declared = json.loads(call.body).get("tools", [])
        return {tool["function"]["name"]: tool["function"]["parameters"] for tool in declared}

    def whole(self, spoken: Spoken) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": None, **dict(self._words(spoken))}
        if calls := self._calls(spoken):
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": spoken.reason}
        return {"id": "chatcmpl-1", "model": "m", "choices": [choice], "usage": self._usage(spoken)}

    def streamed(self, spoken: Spoken) -> bytes:
        deltas: list[Any] = [{"role": "assistant", "content": ""}]
        deltas += [{member: piece} for member, words in self._words(spoken) for piece in pieces(words)]
        for index, call in enumerate(self._calls(spoken)):
            deltas.append({"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in pieces(call["function"]["arguments"])
            ]
        chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": spoken.reason}]})
        chunks.append({"choices": [], "usage": self._usage(spoken)})
        told = [json.dumps({"id": "chatcmpl-1", "model": "m", **chunk}, ensure_ascii=False) for chunk in chunks]
        return "".join(f"data: {chunk}\n\n" for chunk in [*told, "[DONE]"]).encode()

    def _words(self, spoken: Spoken) -> Iterator[tuple[str, Any]]:
        for part in spoken.parts:
            match part:
                case Thought(text, member=member, extra=extra):
                    yield member, text
                    yield from (extra or {}).items()
                case TextPart(text):
                    yield "content", text
                case _:
                    pass

    def _calls(self, spoken: Spoken) -> list[dict[str, Any]]:
        return [
            {
                "id": use.id,
                "type": "function",
                "function": {"name": use.name, "arguments": use.arguments},
                **({"extra_content": use.extra} if use.extra else {}),
            }
            for use in spoken.parts
            if isinstance(use, ToolUse)
        ]

    def _usage(self, spoken: Spoken) -> dict[str, Any]:
        used = spoken.usage
        return {
            "prompt_tokens": used.input,
            "completion_tokens": used.output,
            "total_tokens": used.input + used.output,
            "prompt_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.cache_written},
            "completion_tokens_details": {"reasoning_tokens": used.reasoning},
        }


class Gemini(Wire):
    """Gemini's contents. https://ai.google.dev/api/generate-content."""

    manner = Manner(
        st.builds(Thought, TEXTS, SEALS) | st.builds(Thought, signature=SEALS),
        free=True,
        addresses=True,
        reasoning=True,
        cache_writes=False,
        beside=st.none() | SEALS.map(lambda seal: {"google": {"thought_signature": seal}}),
    )
    ids = re.compile(r".*", re.DOTALL)
    reasons: Mapping[str, str] = {
        "stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY",
    }  # fmt: skip

    def streams(self, call: Call) -> bool:
        return "streamGenerateContent?alt=sse" in call.url

    def heard(self, call: Call) -> list[Message]:
        body = json.loads(call.body)
        told = [Message(Role.SYSTEM, (TextPart(part["text"]),)) for part in body.get("systemInstruction", NO)["parts"]]
        called: dict[str, str] = {}
        for content in body["contents"]:
            parts = content["parts"]
            assert parts
            if content["role"] == "model":
                told += [Message(Role.ASSISTANT, (self._part(part),)) for part in parts]
                assert all("thoughtSignature" in part for part in [part for part in parts if CALL in part][:1])
                called = {part["functionCall"]["id"]: part["functionCall"]["name"] for part in parts if CALL in part}
            elif "functionResponse" in parts[0]:
                results = [part["functionResponse"] for part in parts]
                assert {result["id"]: result["name"] for result in results} == called, "all calls of a turn at once"
                told += map(self._result, results)
            else:
                told += [Message(Role.USER, (self._part(part),)) for part in parts]
        return told

    def _part(self, part: Mapping[str, Any]) -> Any:
        seal = part.get("thoughtSignature")
        match part:
            case {"functionCall": {"id": str(called), "name": str(name), "args": arguments}}:
                sealed = seal not in (None, UNSEALED)
                extra = {"google": {"thought_signature": seal}} if sealed else None
                return ToolUse(called, name, json.dumps(arguments), extra=extra)
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}}:
                return ImagePart(f"data:{kind};base64,{data}")
            case {"fileData": {"mimeType": "image/png", "fileUri": str(url)}}:
                return ImagePart(url)
            case {"text": str(text)} if seal or part.get("thought"):
                assert bool(text) is part.get("thought", False)
                return Thought(text, seal)
            case {"text": str(text)}:
                return TextPart(text)
            case _:
                raise AssertionError(part)

    def _result(self, result: Mapping[str, Any]) -> Message:
        ((word, text),) = result["response"].items()
        assert word in ("output", "error")
        return Message(Role.TOOL, (TextPart(text),) if text else (), result["id"], word == "error")

    def wanted(self, messages: Sequence[Message]) -> list[Item]:
        """What a tool shows is a user's after all results, as they are of words alone."""
        return meaning(shown_after(messages, self.taken))

    def taken(self, message: Message) -> Message:
        if message.role is not Role.TOOL:
            return message
        return msgspec.structs.replace(message, parts=(TextPart(message.text),) if message.text else ())

    def tools(self, call: Call) -> Mapping[str, Any]:
        declared = [tool for tools in json.loads(call.body).get("tools", ()) for tool in tools["functionDeclarations"]]
        return {tool["name"]: tool["parametersJsonSchema"] for tool in declared}

    def whole(self, spoken: Spoken) -> Any:
        return self._answer([self._told(part) for part in spoken.parts], self.reasons[spoken.reason], spoken)

    def streamed(self, spoken: Spoken) -> bytes:
        parts = [piece for part in spoken.parts for piece in self._pieces(self._told(part))]
        events = [self._answer([part], None, spoken) for part in parts]
        events.append(self._answer([], self.reasons[spoken.reason], spoken))
        return "".join(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n" for event in events).encode()

    def _pieces(self, part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Words in pieces, of which the last is sealed."""
        told = pieces(part.get("text", "")) or [part.get("text")]
        for text in told[:-1]:
            yield {name: value for name, value in part.items() if name != "thoughtSignature"} | {"text": text}
        yield {**part, "text": told[-1]} if "text" in part else dict(part)

    def _told(self, part: Any) -> dict[str, Any]:
        match part:
            case Thought(text, signature):
                return {"text": text, "thoughtSignature": signature, **({"thought": True} if text else {})}
            case TextPart(text):
                return {"text": text}
            case ToolUse(called, name, arguments, extra=extra):
                seal = {"thoughtSignature": extra["google"]["thought_signature"]} if extra else {}
                return {"functionCall": {"id": called, "name": name, "args": json.loads(arguments)}, **seal}
            case _:
                raise AssertionError(part)

    def _answer(self, parts: Sequence[Any], reason: str | None, spoken: Spoken) -> dict[str, Any]:
        content = {"content": {"role": "model", "parts": parts}} if parts else {}
        used = spoken.usage
        usage = {
            "promptTokenCount": used.input,
            "cachedContentTokenCount": used.cached,
            "candidatesTokenCount": used.output - used.reasoning,
            "thoughtsTokenCount": used.reasoning,
            "totalTokenCount": used.input + used.output,
        }
        candidate = {**content, "index": 0, **({"finishReason": reason} if reason else {})}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g", "responseId": "r"}


class Groq(Completions):
    """Groq's chat completions, whose thoughts have one name. https://console.groq.com/docs/reasoning."""

    def taken(self, message: Message) -> Message:
        named = (
            msgspec.structs.replace(part, member="reasoning", extra=None) if isinstance(part, Thought) else part
            for part in message.parts
        )
        return super().taken(msgspec.structs.replace(message, parts=tuple(named)))


class SageMaker(Completions):
    """OpenAI's chats in the payloads of an endpoint of SageMaker, which cut its events wherever they please.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html
    """

    def streams(self, call: Call) -> bool:
        return call.url.endswith("/invocations-response-stream")

    def streamed(self, spoken: Spoken) -> bytes:
        body = super().streamed(spoken)
        headers = {":message-type": "event", ":event-type": "PayloadPart"}
        return b"".join(frame(headers, body[place : place + 41]) for place in range(0, len(body), 41))


class Watsonx(Completions):
    """IBM watsonx's chats, which stream at a path of their own. https://cloud.ibm.com/apidocs/watsonx-ai."""

    def streams(self, call: Call) -> bool:
        return call.url.partition("?")[0].endswith("/chat_stream")


class Cohere(Completions):
    """Cohere's chats of the second version, with thoughts among the content. https://docs.cohere.com/reference/chat."""

    manner = Manner(st.builds(Thought, TEXTS), free=False, addresses=True, reasoning=False, caches=False)

    def whole(self, spoken: Spoken) -> Any:
        content = [self._content(part) for part in spoken.parts if not isinstance(part, ToolUse)]
        message = {"role": "assistant", "content": content, "tool_calls": self._calls(spoken)}
        reason = REASONS[spoken.reason]
        return {"id": "c-1", "finish_reason": reason, "message": message, "usage": self._usage(spoken)}

    def streamed(self, spoken: Spoken) -> bytes:
        events: list[Any] = [("message-start", {"id": "c-1", "delta": {"message": {"role": "assistant"}}})]
        for place, part in enumerate(part for part in spoken.parts if not isinstance(part, ToolUse)):
            content = self._content(part)
            kind = content["type"]
            begun = {"type": kind, kind: ""}
            events.append(("content-start", {"index": place, "delta": {"message": {"content": begun}}}))
            events += [
                ("content-delta", {"index": place, "delta": {"message": {"content": {kind: piece}}}})
                for piece in pieces(content[kind])
            ]
            events.append(("content-end", {"index": place}))
        for place, call in enumerate(self._calls(spoken)):
            begun = {**call, "function": {**call["function"], "arguments": ""}}
            events.append(("tool-call-start", {"index": place, "delta": {"message": {"tool_calls": begun}}}))
            for piece in pieces(call["function"]["arguments"]):
                more = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                events.append(("tool-call-delta", {"index": place, "delta": more}))
            events.append(("tool-call-end", {"index": place}))
        last = {"finish_reason": REASONS[spoken.reason], "usage": self._usage(spoken)}
        events.append(("message-end", {"delta": last}))
        told = [(name, json.dumps({"type": name, **body}, ensure_ascii=False)) for name, body in events]
        return "".join(f"event: {name}\ndata: {body}\n\n" for name, body in told).encode()

    def _content(self, part: Any) -> dict[str, Any]:
        if isinstance(part, Thought):
            return {"type": "thinking", "thinking": part.text}
        return {"type": "text", "text": part.text}

    def _usage(self, spoken: Spoken) -> dict[str, Any]:
        return {"tokens": {"input_tokens": spoken.usage.input, "output_tokens": spoken.usage.output}}


class Mistral(Completions):
    """Mistral's chat completions, with thoughts among the content. https://docs.mistral.ai/capabilities/reasoning."""

    manner = replace(Completions.manner, thoughts=st.builds(Thought, TEXTS))

    def heard(self, call: Call) -> list[Message]:
        messages = json.loads(call.body)["messages"]
        assert not any(message.keys() & {"reasoning", "reasoning_content"} for message in messages), (
            "Mistral refuses both"
        )
        return super().heard(call)

    def _part(self, part: Mapping[str, Any]) -> Any:
        if part["type"] == "thinking":
            return Thought("".join(chunk["text"] for chunk in part["thinking"]))
        return super()._part(part)

    def whole(self, spoken: Spoken) -> Any:
        answered = super().whole(spoken)
        answered["choices"][0]["message"]["content"] = self._chunks(spoken.parts) or ""
        return answered

    def _words(self, spoken: Spoken) -> Iterator[tuple[str, Any]]:
        for part in spoken.parts:
            if not isinstance(part, ToolUse):
                yield "content", self._chunks([part])

    def _chunks(self, parts: Sequence[Any]) -> list[Any]:
        """Parts of content, in which a thought has several."""
        chunks: list[Any] = []
        for part in parts:
            match part:
                case Thought(text):
                    thought = [{"type": "text", "text": piece} for piece in pieces(text)]
                    chunks.append({"type": "thinking", "thinking": thought, "closed": True})
                case TextPart(text):
                    chunks.append({"type": "text", "text": text})
                case _:
                    pass
        return chunks


class Messages(Wire):
    """Anthropic's messages. https://docs.anthropic.com/en/api/messages."""

    manner = Manner(SEALED, free=True, addresses=True, reasoning=True)

    def heard(self, call: Call) -> list[Message]:
        body = json.loads(call.body)
        system = [Message(Role.SYSTEM, (TextPart(block["text"]),)) for block in body.get("system", ())]
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2), roles
        return [*system, *(told for message in body["messages"] for told in self._messages(message))]

    def _messages(self, message: Mapping[str, Any]) -> Iterator[Message]:
        content = message["content"]
        blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        assert blocks
        for block in blocks:
            if block["type"] == "tool_result":
                shown = tuple(self._part(inner) for inner in block.get("content", ()))
                yield Message(Role.TOOL, shown, block["tool_use_id"], block.get("is_error", False))
            else:
                yield Message(Role(message["role"]), (self._part(block),))

    def _part(self, block: Mapping[str, Any]) -> Any:
        match block:
            case {"type": "text", "text": str(text)}:
                assert text.strip(), "Anthropic refuses blank texts"
                return TextPart(text)
            case {"type": "image", "source": {"type": "url", "url": str(url)}}:
                return ImagePart(url)
            case {"type": "image", "source": {"type": "base64", "media_type": str(kind), "data": str(data)}}:
                return ImagePart(f"data:{kind};base64,{data}")
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                return Thought(text, signature)
            case {"type": "redacted_thinking", "data": str(data)}:
                return Thought(redacted=data)
            case {"type": "tool_use", "id": str(called), "name": str(name), "input": arguments}:
                return ToolUse(called, name, json.dumps(arguments))
            case _:
                raise AssertionError(block)

    def taken(self, message: Message) -> Message:
        """Thoughts that nobody signed are of another maker, and have no place."""
        unsigned = any(thought.signature is thought.redacted is None for thought in message.thoughts)
        return without_thoughts(message) if unsigned else message

    def tools(self, call: Call) -> Mapping[str, Any]:
        return {tool["name"]: tool["input_schema"] for tool in json.loads(call.body).get("tools", [])}

    def whole(self, spoken: Spoken) -> Any:
        shell = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c"}
        used = self._fresh(spoken) | self._output(spoken)
        ended = {"stop_reason": STOPPED[spoken.reason], "stop_sequence": None}
        blocks = [self._block(part) for part in spoken.parts]
        return {**shell, "content": blocks, "usage": used, **ended}

    def streamed(self, spoken: Spoken) -> bytes:
        message = {**self.whole(replace(spoken, parts=())), "stop_reason": None, "usage": self._fresh(spoken)}
        events: list[Any] = [{"type": "message_start", "message": message}, {"type": "ping"}]
        for index, part in enumerate(spoken.parts):
            begun, deltas = self._in_pieces(part)
            events.append({"type": "content_block_start", "index": index, "content_block": begun})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        ended = {"stop_reason": STOPPED[spoken.reason], "stop_sequence": None}
        events.append({"type": "message_delta", "delta": ended, "usage": self._output(spoken)})
        events.append({"type": "message_stop"})
        return "".join(f"event: {told['type']}\ndata: {json.dumps(told)}\n\n" for told in events).encode()

    def _in_pieces(self, part: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The block as it begins, and the deltas after it."""
        block = self._block(part)
        match part:
            case TextPart(text):
                return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(text)]
            case Thought(text, str(signature)):
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(text)]
                seal = {"type": "signature_delta", "signature": signature}
                return {**block, "thinking": "", "signature": ""}, [*deltas, seal]
            case ToolUse(arguments=arguments):
                told = "" if arguments == "{}" else arguments
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(told)]]
                return {**block, "input": {}}, deltas
            case _:
                return block, []

    def _block(self, part: Any) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"type": "text", "text": text}
            case Thought(redacted=str(data)):
                return {"type": "redacted_thinking", "data": data}
            case Thought(text, signature):
                return {"type": "thinking", "thinking": text, "signature": signature}
            case ToolUse(called, name, arguments):
                return {"type": "tool_use", "id": called, "name": name, "input": json.loads(arguments)}
            case _:
                raise AssertionError(part)

    def _fresh(self, spoken: Spoken) -> dict[str, Any]:
        used = spoken.usage
        return {
            "input_tokens": used.input - used.cached - used.cache_written,
            "cache_read_input_tokens": used.cached,
            "cache_creation_input_tokens": used.cache_written,
            "output_tokens": 0,
        }

    def _output(self, spoken: Spoken) -> dict[str, Any]:
        return {
            "output_tokens": spoken.usage.output,
            "output_tokens_details": {"thinking_tokens": spoken.usage.reasoning},
        }


# Wires that are told by a part of their address.
OWN: Mapping[str, type[Wire]] = {
    "groq.com": Groq,
    "mistral.ai": Mistral,
    "/publishers/mistral/": Mistral,
    "/v2/chat": Cohere,
    "/ml/v1/text/chat": Watsonx,
    "//runtime.sagemaker.": SageMaker,
}


class Converse(Wire):
    """Bedrock's Converse. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

    def __init__(self, *, claude: bool) -> None:
        self._claude = claude
        self.manner = Manner(SEALED, free=True, addresses=False, reasoning=False)

    def streams(self, call: Call) -> bool:
        return call.url.endswith("/converse-stream")

    def heard(self, call: Call) -> list[Message]:
        body = json.loads(call.body)
        system = [Message(Role.SYSTEM, (TextPart(block["text"]),)) for block in body.get("system", ())]
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2), roles
        return [*system, *(told for message in body["messages"] for told in self._messages(message))]

    def _messages(self, message: Mapping[str, Any]) -> Iterator[Message]:
        assert message["content"]
        for block in message["content"]:
            if "toolResult" in block:
                result = block["toolResult"]
                shown = tuple(self._part(inner) for inner in result["content"])
                assert result.get("status") in (None, "error")
                yield Message(Role.TOOL, shown, result["toolUseId"], result.get("status") == "error")
            else:
                yield Message(Role(message["role"]), (self._part(block),))

    def _part(self, block: Mapping[str, Any]) -> Any:
        match block:
            case {"text": str(text)}:
                assert text.strip(), "Bedrock refuses blank texts"
                return TextPart(text)
            case {"image": {"format": str(kind), "source": {"bytes": str(data)}}}:
                return ImagePart(f"data:image/{kind};base64,{data}")
            case {"reasoningContent": {"reasoningText": {"text": str(text), "signature": str(signature)}}}:
                return Thought(text, signature)
            case {"reasoningContent": {"redactedContent": str(data)}}:
                return Thought(redacted=data)
            case {"toolUse": {"toolUseId": str(called), "name": str(name), "input": arguments}}:
                return ToolUse(called, name, json.dumps(arguments))
            case _:
                raise AssertionError(block)

    def taken(self, message: Message) -> Message:
        """Claude alone knows a failure when it sees one, and its thoughts again."""
        unsigned = any(thought.signature is thought.redacted is None for thought in message.thoughts)
        if unsigned:
            message = without_thoughts(message)
        if message.failed and not self._claude:
            return msgspec.structs.replace(message, parts=(TextPart("Error:"), *message.parts), failed=False)
        return message

    def tools(self, call: Call) -> Mapping[str, Any]:
        declared = [tool["toolSpec"] for tool in json.loads(call.body).get("toolConfig", {"tools": []})["tools"]]
        return {tool["name"]: tool["inputSchema"]["json"] for tool in declared}

    def whole(self, spoken: Spoken) -> Any:
        message = {"role": "assistant", "content": [self._block(part) for part in spoken.parts]}
        ended = {"stopReason": BEDROCKS[spoken.reason], "usage": self._usage(spoken)}
        return {"output": {"message": message}, **ended, "metrics": {"latencyMs": 1}}

    def streamed(self, spoken: Spoken) -> bytes:
        frames = [event("messageStart", {"role": "assistant"})]
        for index, part in enumerate(spoken.parts):
            here = {"contentBlockIndex": index}
            if isinstance(part, ToolUse):
                begun = {"toolUse": {"toolUseId": part.id, "name": part.name}}
                frames.append(event("contentBlockStart", {**here, "start": begun}))
            frames += [event("contentBlockDelta", {**here, "delta": delta}) for delta in self._deltas(part)]
            frames.append(event("contentBlockStop", here))
        frames.append(event("messageStop", {"stopReason": BEDROCKS[spoken.reason]}))
        frames.append(event("metadata", {"usage": self._usage(spoken), "metrics": {"latencyMs": 1}}))
        return b"".join(frames)

    def _deltas(self, part: Any) -> list[dict[str, Any]]:
        match part:
            case TextPart(text):
                return [{"text": piece} for piece in pieces(text)]
            case Thought(redacted=str(data)):
                return [{"reasoningContent": {"redactedContent": data}}]
            case Thought(text, signature):
                told = [{"reasoningContent": {"text": piece}} for piece in pieces(text)]
                return [*told, {"reasoningContent": {"signature": signature}}]
            case ToolUse(arguments=arguments):
                told = "" if arguments == "{}" else arguments
                return [{"toolUse": {"input": piece}} for piece in pieces(told)]
            case _:
                raise AssertionError(part)

    def _block(self, part: Any) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"text": text}
            case Thought(redacted=str(data)):
                return {"reasoningContent": {"redactedContent": data}}
            case Thought(text, signature):
                return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
            case ToolUse(called, name, arguments):
                return {"toolUse": {"toolUseId": called, "name": name, "input": json.loads(arguments)}}
            case _:
                raise AssertionError(part)

    def _usage(self, spoken: Spoken) -> dict[str, Any]:
        used = spoken.usage
        fresh = used.input - used.cached - used.cache_written
        return {
            "inputTokens": fresh,
            "outputTokens": used.output,
            "totalTokens": used.input + used.output,
            "cacheReadInputTokens": used.cached,
            "cacheWriteInputTokens": used.cache_written,
        }
