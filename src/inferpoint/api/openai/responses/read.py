"""The body of `POST /v1/responses`: what is asked of a model, and what a response tells back of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from inferpoint.api.openai.responses import items, tools
from inferpoint.api.openai.responses.store import Kept
from inferpoint.api.openai.responses.tools import Tools
from inferpoint.errors import invalid
from inferpoint.model.chat import Conversation, Message, Role, TextPart
from inferpoint.model.fields import Fields
from inferpoint.model.http import present

_LOGPROBS = "message.output_text.logprobs"
_PREVIOUS = "previous_response_id"
# What only OpenAI's own servers can do, or what has no place in an answer here.
_UNANSWERED = ("background", "context_management", "conversation", "moderation", "prompt", "top_logprobs")
# What says nothing to a model: it is about tools that OpenAI runs, or how a cache of OpenAI's is kept.
_SILENT = ("client_metadata", "max_tool_calls", "prompt_cache_options", "stream_options")
# What is kept of a response is kept here, so that `store` and `metadata` are no hints to a provider.
_HINTS = ("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier")
# Members that a response repeats, and what it says where a request did not.
_TOLD: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "model": "",
    "parallel_tool_calls": True,
    _PREVIOUS: None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "top_p": None,
    "truncation": "disabled",
}


@dataclass(frozen=True)
class Asked:
    """A request: the conversation and how to go on; the items that are its own, and those before them, as JSON.

    `told` are the members of the response that come from the request, `tools` those that the model may call, `hints`
    members that a provider may leave aside.
    """

    model: str
    conversation: Conversation
    params: Mapping[str, Any]
    user: str | None
    stream: bool
    store: bool
    before: tuple[bytes, ...]
    items: tuple[bytes, ...]
    told: Mapping[str, Any]
    tools: Tools
    hints: Mapping[str, Any]


def asked(members: dict[str, Any], kept: Kept) -> Asked:
    """The request of a body's *members*, with what it names of what is *kept*; `INVALID` names what is wrong."""
    fields = Fields(members)
    model, stream, store = fields.need("model", str), fields.take("stream", bool), fields.take("store", bool)
    before, own = _before(fields, kept), _items(fields.any("input"), kept)
    if not before and not own:
        raise invalid("[input] is required, and must not be empty")
    declared = tools.read(fields)
    conversation = _conversation(fields, declared, before, own)
    params = _params(fields, tools_declared=bool(declared.functions))
    hints, user = _hints(fields), fields.take("user", str)
    _check_rest(fields)
    told = {name: default if members.get(name) is None else members[name] for name, default in _TOLD.items()}
    told["tools"] = declared.told
    return Asked(
        model=model,
        conversation=conversation,
        params=params,
        user=user,
        stream=stream or False,
        store=store is not False,
        before=before,
        items=tuple(msgspec.json.encode(item) for item in own),
        told=told,
        tools=declared,
        hints={**declared.offered, **hints},
    )


def _before(fields: Fields, kept: Kept) -> tuple[bytes, ...]:
    """The items of the response to go on from, and of those before it."""
    previous = fields.take(_PREVIOUS, str)
    return () if previous is None else kept.previous(previous).history


def _items(value: Any, kept: Kept) -> Sequence[Any]:
    """The items of a request; a text is a user's message, and a reference what it refers to."""
    match value:
        case None:
            return ()
        case str():
            return ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]},)
        case list():
            return [_referred(item, place, kept) for place, item in enumerate(cast("list[Any]", value))]
        case _:
            raise invalid("[input] must be a string or an array of items")


def _referred(item: Any, place: int, kept: Kept) -> Any:
    if not isinstance(item, dict) or items.kind(cast("dict[str, Any]", item)) != "item_reference":
        return cast("Any", item)
    reference = Fields(item, f"input[{place}]")
    reference.any("type")
    name = reference.need("id", str)
    reference.end()
    return msgspec.json.decode(kept.item(name))


def _conversation(fields: Fields, declared: Tools, before: Sequence[bytes], own: Sequence[Any]) -> Conversation:
    instructions = fields.take("instructions", str)
    system = (Message(Role.SYSTEM, (TextPart(instructions),)),) if instructions else ()
    history = [msgspec.json.decode(item) for item in before]
    return Conversation(
        messages=system + items.messages([*history, *own], len(history)),
        tools=declared.functions,
        tool_choice=declared.choice,
        max_tokens=fields.take("max_output_tokens", int),
        temperature=fields.take("temperature", float),
        top_p=fields.take("top_p", float),
        reasoning_effort=_effort(fields.object("reasoning") or {}),
    )


def _effort(reasoning: Mapping[str, Any]) -> str | None:
    """How hard to think; a summary is told wherever a provider tells thoughts, asked for or not."""
    fields = Fields(reasoning, "reasoning")
    effort = fields.take("effort", str)
    fields.take("summary", str)
    fields.take("generate_summary", str)
    fields.end()
    return effort


def _params(fields: Fields, *, tools_declared: bool) -> dict[str, Any]:
    """Members without a place of ours, as chats call them."""
    text = Fields(fields.object("text") or {}, "text")
    parallel = fields.take("parallel_tool_calls", bool)
    params = {
        "parallel_tool_calls": parallel if tools_declared else None,
        "response_format": _format(text.object("format")),
        "verbosity": text.take("verbosity", str),
    }
    text.end()
    return {name: value for name, value in params.items() if value is not None}


def _hints(fields: Fields) -> dict[str, Any]:
    """Members that a provider may leave aside; the tier that everybody has is not told."""
    hints = present({name: fields.take(name, str) for name in _HINTS})
    return {name: value for name, value in hints.items() if value not in ("auto", "default")}


def _format(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    fields = Fields(value, "text.format")
    kind = fields.need("type", str)
    if kind in ("text", "json_object"):
        fields.end()
        return None if kind == "text" else {"type": kind}
    if kind != "json_schema":
        raise invalid(f"{fields.name('type')} must be one of [text, json_object, json_schema], not [{kind}]")
    schema: dict[str, Any] = {
        "name": fields.need("name", str),
        "schema": fields.object("schema"),
        "description": fields.take("description", str),
        "strict": fields.take("strict", bool),
    }
    fields.end()
    if schema["schema"] is None:
        raise invalid(f"{fields.name('schema')} is required")
    return {"type": kind, "json_schema": {name: member for name, member in schema.items() if member is not None}}


def _check_rest(fields: Fields) -> None:
    """Refuse by name what cannot be done; let go what says nothing to a model."""
    if _LOGPROBS in (fields.texts("include") or ()):
        raise invalid(f"[include] cannot hold [{_LOGPROBS}]")
    truncation = fields.take("truncation", str)
    if truncation not in (None, "disabled"):
        raise invalid(f"[truncation] must be [disabled], not [{truncation}]")
    fields.object("metadata")
    for name in _SILENT:
        fields.any(name)
    fields.refuse(*_UNANSWERED)
    fields.end()
