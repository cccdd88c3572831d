"""OpenAI's chat messages and tools, to a conversation.

Spoken by OpenAI, Hugging Face and many a server, and by two faces of ours: Elasticsearch's `chat_completion` has the
same messages. What is refused is refused in Elasticsearch's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from inferpoint.errors import InferenceError, invalid
from inferpoint.model.chat import (
    CacheHint,
    Conversation,
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    Thought,
    Tool,
    ToolChoice,
    ToolMode,
    ToolUse,
)
from inferpoint.model.fields import Fields, Vocabulary
from inferpoint.model.hints import Hint
from inferpoint.model.http import present
from inferpoint.model.wording import JAVA_NAMES, as_java, nothing_in
from inferpoint.protocols.anthropic.requests import TOOL_HINTS
from inferpoint.protocols.openai.replies import OPAQUE, WORDS, content_parts, is_thought

_ROLES = {"developer": Role.SYSTEM} | {role.value: role for role in Role}
_MEMBERS = ("role", "content", "tool_calls", "tool_call_id", Hint.CACHE)
_FUNCTION = ("name", "description", "parameters", "strict", Hint.CACHE, *TOOL_HINTS)
_DETAILS = ("auto", "low", "high")
_ELSEWHERE = "The result is in the next message of the user."
# An assistant's turn comes back as a client keeps it, with members that say nothing.
_SILENT = ("refusal", "annotations", "audio", "function_call", "name", "provider_specific_fields")


class _Words(Vocabulary):
    """Elasticsearch's words for what is wrong with an object of a chat; `of` is what the object is called."""

    @override
    def not_object(self, of: str, value: Any) -> InferenceError:
        return invalid(f"Object [{of}] is not of the expected type. Expected [Map] but was [{_java_name(value)}]")

    @override
    def wrong_type(self, of: str, name: str, kind: type[Any], value: Any) -> InferenceError:
        return invalid(
            f"Field [{name}] in object [{of}] is not of the expected type."
            f" Expected [{JAVA_NAMES[kind]}] but was [{_java_name(value)}]"
        )

    @override
    def missing(self, of: str, name: str) -> InferenceError:
        return invalid(f"Field [{name}] in object [{of}] is required but was not found")

    @override
    def unknown(self, of: str, names: Sequence[str]) -> InferenceError:
        return invalid(f"[{of}] contains unknown fields [{', '.join(names)}]")


_WORDS = _Words()


def read(messages: Any, tools: Any = None, tool_choice: Any = None) -> Conversation:
    """The conversation that a request holds; what is wrong with it is `INVALID` and names the field.

    No tools in a list are no tools, and then a choice among them is none, as Kibana sends them.
    """
    choice = None if tool_choice is None else _choice(tool_choice)
    if tools == []:
        tools = choice = None
    turns = tuple([_message(message) for message in _filled(messages, "messages")])
    refuse_unasked(turns)
    declared = () if tools is None else tuple([_tool(tool) for tool in _filled(tools, "tools")])
    return Conversation(turns, declared, choice)


def refuse_unasked(messages: Sequence[Message]) -> None:
    """`INVALID` when a tool's turn answers a call that no turn made."""
    answered = [message.tool_call_id for message in messages if message.tool_call_id is not None]
    if not answered:
        return
    asked = {use.id for message in messages for use in message.tool_uses}
    for call_id in answered:
        if call_id not in asked:
            raise invalid(f"Field [tool_call_id] is [{call_id}], which no message before it asked for")


def _message(value: Any) -> Message:
    match value:
        case {"role": "system" | "user" | "assistant" as name, "content": str(text), **more} if text and not more:
            return Message(_ROLES[name], (TextPart(text),))  # as nearly all are
        case _:
            return _other_message(value)


def _other_message(value: Any) -> Message:
    message = _object(
        value, "message", "role", "content", "tool_calls", "tool_call_id", Hint.CACHE, *WORDS, *OPAQUE, *_SILENT
    )
    name = message.need("role", str)
    if name not in _ROLES:
        raise invalid(f"Unrecognized role [{name}] in object [message], must be one of [{', '.join(_ROLES)}]")
    role = _ROLES[name]
    uses = tuple(_tool_use(call) for call in _list(message.any("tool_calls"), "tool_calls"))
    if uses and role is not Role.ASSISTANT:
        raise invalid("Field [tool_calls] is only for messages of the role [assistant]")
    call_id = message.take("tool_call_id", str)
    if (role is Role.TOOL) != (call_id is not None):
        problem = "is required in a message" if role is Role.TOOL else "is only for messages"
        raise invalid(f"Field [tool_call_id] {problem} of the role [tool]")
    content, cache = message.any("content"), _cache(message)
    parts = (*_thoughts(message), *_answered(content), *uses) if role is Role.ASSISTANT else _parts(content)
    if role is Role.TOOL:
        return Message(role, parts, call_id, cache=cache)
    return Message(role, _marked(parts, cache))


def _thoughts(message: Fields) -> Sequence[Thought]:
    """What a model thought, with the names that it came by; in any other form it says nothing."""
    words = {name: value for name in WORDS if isinstance(value := message.any(name), str)}
    extra = {name: value for name in OPAQUE if (value := message.any(name))} or None
    if not words:
        return (Thought(extra=extra),) if extra else ()
    member, text = next(iter(words.items()))
    return (Thought(text, member=member, extra=extra),)


def _cache(fields: Fields) -> CacheHint | None:
    """The mark that a provider may keep what comes before, as clients of Anthropic's write it here too."""
    match fields.any(Hint.CACHE):
        case {"type": "ephemeral", "ttl": str(ttl)}:
            return CacheHint(ttl)
        case {"type": "ephemeral"}:
            return CacheHint()
        case _:
            return None


def _marked(parts: tuple[Part, ...], cache: CacheHint | None) -> tuple[Part, ...]:
    """The *parts* of a message whose mark is that of its last part."""
    if cache is None or not parts or isinstance(parts[-1], Thought):
        return parts
    return (*parts[:-1], replace(parts[-1], cache=cache))


def _parts(content: Any) -> tuple[Part, ...]:
    match content:
        case None:
            return ()
        case str():
            return (TextPart(content),) if content else ()
        case list():
            return tuple(_part(part) for part in cast("list[Any]", content))
        case _:
            token = _java_name(content)
            raise invalid(f"Expected an array start token or a value string token but found token [{token}]")


def _answered(content: Any) -> Iterator[Part]:
    """The parts of an assistant's turn, with what a model thought among them, as Mistral has it."""
    if not isinstance(content, list):
        yield from _parts(content)
        return
    for part in cast("list[Any]", content):
        if is_thought(part):
            yield from content_parts([part])
        else:
            yield _part(part)


def _part(value: Any) -> Part:
    part = _object(value, "content")
    cache = _cache(part)
    match part.any("type"):
        case "text" | "refusal" as kind:
            return TextPart(part.need(kind, str), cache)
        case "image_url":
            image = _object(part.need("image_url", dict), "image_url", "url", "detail")
            detail = image.take("detail", str)
            if detail is not None and detail not in _DETAILS:
                raise invalid(
                    f"Unrecognized detail [{detail}] in object [image_url], must be one of [{', '.join(_DETAILS)}]"
                )
            return ImagePart(image.need("url", str), detail, cache)
        case "file":
            file = _object(part.need("file", dict), "file", "file_data", "filename", "file_id")
            if file.any("file_id") is not None:
                raise invalid("Field [file_id] is not supported for content of type [file]")
            return FilePart(file.need("file_data", str), file.take("filename", str), cache)
        case None:
            raise invalid("Field [type] in object [content] is required but was not found")
        case kind:
            raise invalid(
                f"Unrecognized type [{as_java(kind)}] in object [content], must be one of [text, image_url, file]"
            )


def _tool_use(value: Any) -> ToolUse:
    call = _object(value, "tool_calls", "id", "type", "function", "index", "extra_content", Hint.CACHE)
    function = _object(call.need("function", dict), "function", "name", "arguments")
    called, name, extra = call.need("id", str), function.need("name", str), call.object("extra_content")
    return ToolUse(called, name, _arguments(function), _cache(call), extra)


def _arguments(function: Fields) -> str:
    """The arguments of a call as a string of JSON; some servers say them as an object, and their clients do too."""
    match arguments := function.any("arguments"):
        case str():
            return arguments
        case dict():
            return msgspec.json.encode(arguments).decode()
        case None:
            raise _WORDS.missing("function", "arguments")
        case _:
            raise _WORDS.wrong_type("function", "arguments", str, arguments)


def _tool(value: Any) -> Tool:
    tool = _object(value, "tools", "type", "function", Hint.CACHE, *TOOL_HINTS)
    match value:
        case {"type": kind} if kind != "function":
            raise invalid(f"Unrecognized type [{as_java(kind)}] in object [tools], must be one of [function]")
        case _:
            pass
    function = _object(tool.need("function", dict), "function", *_FUNCTION)
    return Tool(
        function.need("name", str),
        function.take("description", str),
        function.object("parameters"),
        function.take("strict", bool),
        _cache(tool) or _cache(function),
        present({name: tool.any(name) or function.any(name) for name in TOOL_HINTS}),
    )


def _choice(value: Any) -> ToolChoice:
    match value:
        case "auto" | "none" | "required":
            return ToolChoice(ToolMode(value))
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice(ToolMode.NAMED, name)
        case _:
            raise invalid(
                "Field [tool_choice] must be one of [auto, none, required], or an object that names a function"
            )


def _filled(value: Any, name: str) -> Sequence[Any]:
    if problem := nothing_in(name, value):
        raise invalid(problem)
    return _list(value, name)


def _list(value: Any, name: str) -> Sequence[Any]:
    if value is None:
        return ()
    entries: list[Any] = value
    if type(entries) is not list:
        raise invalid(f"Field [{name}] is not of the expected type. Expected [List] but was [{_java_name(value)}]")
    return entries


def _object(value: Any, of: str, *names: str) -> Fields:
    """The members of an object, which may have no others than *names* where some are given."""
    fields = Fields(value, of, _WORDS)
    if names:
        fields.only(*names)
    return fields


def _java_name(value: Any) -> str:
    return JAVA_NAMES.get(value.__class__, "null")
