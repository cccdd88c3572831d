"""What becomes of each field of a chat at each service, for the table of it: the services themselves are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace as changed

from inferpoint import services
from inferpoint.errors import InferenceError
from inferpoint.model import hints
from inferpoint.model.chat import Thinking, Thought
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import declared
from inferpoint.testing.conversations import Exchange, RecordedTask, asking

Change = Callable[[dict[str, Any]], None]
SENT, MAPPED, DROPPED, REFUSED, SILENT = "sent on", "mapped", "dropped as a hint", "refused by name", "left out"
OUTCOMES = (SENT, MAPPED, DROPPED, REFUSED, SILENT)
OTHERS = 9  # so many services are told as all others
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}}}


@dataclass(frozen=True)
class Asked:
    """A service's models as the table has them: an endpoint of theirs, at its usual address."""

    label: str
    exchange: Exchange
    model: Mapping[str, str]

    @property
    def settings(self) -> Any:
        """The settings of a recorded conversation, with a model that has all that its maker's models have."""
        return replace(self.exchange.settings, **self.model)

    def call(self, request: InferenceRequest, heeded: frozenset[str]) -> Call:
        """The call of *request*, which has no hints but those that are *heeded*."""
        unknown = hints.carried(request) - heeded
        task, options = self.exchange.task, self.exchange.options
        user = request.hints.get("user")
        if user is not None and hasattr(options, "user"):  # an option, where a task has one
            options, unknown = replace(options, user=user), unknown | {"user"}
        return task.encode(hints.without(request, unknown), self.settings, options, self.exchange.origin)

    def outcome(self, field: Field) -> str:
        """What becomes of *field*."""
        task = self.exchange.task
        heeded = task.hints(self.settings, self.exchange.origin)
        before = self.call(asking(field.before()), heeded)
        request = field.request()
        own = hints.own_thoughts(request, self.exchange.of.service.name)
        try:
            after = self.call(own, heeded)
        except InferenceError:
            return REFUSED
        if after.body == before.body and after.headers == before.headers:
            return DROPPED if own is not request or hints.carried(request) - heeded else SILENT
        return SENT if field.name in _names(msgspec.json.decode(after.body)) else MAPPED


@dataclass(frozen=True)
class Field:
    """A field of a chat, as a change of a request in OpenAI's form or of what is read from one."""

    title: str
    name: str
    change: Change = lambda _: None
    base: Change = lambda _: None
    read: Callable[[InferenceRequest], InferenceRequest] = lambda request: request

    def before(self) -> dict[str, Any]:
        """A request without it."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
        self.base(body)
        return body

    def request(self) -> InferenceRequest:
        """A request with it."""
        body = self.before()
        self.change(body)
        return self.read(asking(body))


def _names(value: Any) -> Iterator[str]:
    """The names of all members in a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _member(name: str, value: Any, base: Change = lambda _: None, title: str = "") -> Field:
    return Field(title or f"`{name}`", name, lambda body: body.update({name: value}), base)


def _tools(body: dict[str, Any]) -> None:
    body["tools"] = [TOOL]


def _part(title: str, name: str, part: Any) -> Field:
    return Field(title, name, lambda body: body["messages"][0].update(content=[{"type": "text", "text": "Hi"}, part]))


def _turns(body: dict[str, Any]) -> None:
    """A tool was called, and has answered."""
    body["tools"] = [TOOL]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    body["messages"] += [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
    ]


def _shown(body: dict[str, Any]) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    body["messages"][-1]["content"] = [{"type": "text", "text": "seen"}, image]


def _thought(body: dict[str, Any]) -> None:
    body["messages"][1]["reasoning"] = "Look."


def _sealed(request: InferenceRequest) -> InferenceRequest:
    first, answer, *turns = request.conversation.messages
    answer = changed(answer, parts=(Thought("Look.", "c2lnbmVk", origin="another"), *answer.parts))
    return changed(request, input=changed(request.conversation, messages=(first, answer, *turns)))


def _thinking(request: InferenceRequest) -> InferenceRequest:
    return changed(request, input=changed(request.conversation, thinking=Thinking(enabled=True, budget=2048)))


def _failed(request: InferenceRequest) -> InferenceRequest:
    *turns, last = request.conversation.messages
    return changed(request, input=changed(request.conversation, messages=(*turns, changed(last, failed=True))))


FIELDS = (
    _member("temperature", 0.5),
    _member("top_p", 0.5),
    _member("max_completion_tokens", 7),
    _member("stop", ["END"]),
    _member("tools", [TOOL]),
    _member("tool_choice", "required", _tools, "`tool_choice`: `required`"),
    _member("tool_choice", {"type": "function", "function": {"name": "look"}}, _tools, "`tool_choice`: a function"),
    _member("parallel_tool_calls", False, _tools, "`parallel_tool_calls`: `false`"),
    _member("response_format", SCHEMA, title="`response_format`: `json_schema`"),
    _member("response_format", {"type": "json_object"}, title="`response_format`: `json_object`"),
    _part("an image in the request", "image_url", {
        "type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}
    }),
    _part("an image by its address", "image_url", {"type": "image_url", "image_url": {"url": "https://a.test/a.png"}}),
    _part("a file in the request", "file", {
        "type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    }),
    Field("an image in a tool's result", "", _shown, _turns),
    Field("that a tool failed (`is_error`)", "is_error", base=_turns, read=_failed),
    _member("reasoning_effort", "high"),
    Field("`thinking` with a budget", "thinking", read=_thinking),
    Field("`reasoning` of an earlier turn", "reasoning", _thought, _turns),
    Field("a thought that another service sealed", "", base=_turns, read=_sealed),
    Field("`cache_control` of a text", "cache_control", lambda body: body["messages"][0].update(
        content=[{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    )),
    _member("user", "u-1"),
    _member("service_tier", "flex"),
    _member("prompt_cache_key", "k"),
    _member("seed", 7),
    _member("presence_penalty", 0.5),
    _member("frequency_penalty", 0.5),
    _member("logprobs", True),
    _member("top_k", 5),
    _member("of_its_own", 1, title="any other"),
)  # fmt: skip

# Of services whose models differ: which of their recorded conversations stands for which models.
SEVERAL: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "amazon_sagemaker": {"of `api` `openai`": ("api", "openai"), "of `api` `elastic`": ("api", "elastic")},
    "amazonbedrock": {"of Claude": ("provider", "anthropic"), "of others": ("provider", "cohere")},
    "googlevertexai": {
        "of Gemini": ("provider", "google"),
        "of Claude": ("provider", "anthropic"),
        "of Mistral": ("provider", "mistral"),
        "of Meta, Hugging Face and AI21": ("provider", "meta"),
    },
}
# Models that think, where the recorded ones do not.
MODELS = {
    "`openai`": {"model_id": "gpt-5"},
    "`anthropic`": {"model_id": "claude-opus-4-5"},
    "`amazonbedrock` of Claude": {"model": "anthropic.claude-opus-4-5-v1:0"},
    "`googlevertexai` of Gemini": {"model_id": "gemini-2.5-flash"},
}


def asked(recorded: Path) -> Iterator[Asked]:
    """Every service that chats, with the models that it has of each kind."""
    for name in services.names():
        service = services.find(name)
        if TaskType.CHAT_COMPLETION not in service.tasks:
            continue
        exchanges = RecordedTask(service, TaskType.CHAT_COMPLETION, recorded / name).exchanges()
        for suffix, wanted in SEVERAL.get(name, {"": None}).items():
            label = f"`{name}` {suffix}".rstrip()
            found = next(one for one in exchanges if wanted is None or getattr(one.settings, wanted[0]) == wanted[1])
            yield Asked(label, found, _known(found, MODELS.get(label, {})))


def _known(exchange: Exchange, model: Mapping[str, str]) -> Mapping[str, str]:
    assert set(model) <= {one.name for one in declared(exchange.task.settings)}
    return model


def table(recorded: Path) -> str:
    """Fields by what becomes of them, with the services of which that is so."""
    every = list(asked(recorded))
    lines = ["| field | " + " | ".join(OUTCOMES) + " |", "|---" * (len(OUTCOMES) + 1) + "|"]
    for field in FIELDS:
        outcomes = {one.label: one.outcome(field) for one in every}
        groups = [[label for label, found in outcomes.items() if found == outcome] for outcome in OUTCOMES]
        most = max(groups, key=len)
        rest = "all" if len(most) == len(every) else "all others" if len(most) >= OTHERS else ", ".join(most)
        cells = [rest if group is most else ", ".join(group) for group in groups]
        lines.append(f"| {field.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
