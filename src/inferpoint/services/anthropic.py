"""Anthropic. https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, json_call
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import rate_headers
from inferpoint.protocols.anthropic import failures, replies, requests, thinking
from inferpoint.protocols.anthropic.batches import MessageBatches
from inferpoint.protocols.anthropic.stream import Messages
from inferpoint.protocols.auth import header
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.service import Failures, Limits, Origin, Question, RateLimit, Rates, Service, Task, rate_limit

ADDRESS = "https://api.anthropic.com"
# The last version that takes temperature, top_p and top_k; 2026-10-21 refuses all three.
VERSION = "2023-06-01"
COMPLETIONS = "Anthropic chat completions"
_SAMPLING = ("temperature", "top_p", "top_k")
_COUNTED = (
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "context_management",
    "cache_control",
)  # fmt: skip


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The Anthropic API key.")
    model_id: str = setting("The model to call, such as claude-sonnet-5-5.")
    url: str | None = setting("The address to call instead of Anthropic's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


@settings
class Options:
    """The settings that may change from request to request; their bounds differ by model, and Anthropic checks them."""

    max_tokens: int = setting("The most tokens to generate.", at_least=1, updatable=True)
    temperature: float | None = setting("How random the answer is.", default=None, updatable=True)
    top_k: int | None = setting("Sample from the k likeliest tokens only.", default=None, updatable=True)
    top_p: float | None = setting(
        "Sample from the likeliest tokens whose probabilities add up to this.", default=None, updatable=True
    )


def advice(_account: Account, options: Options) -> Sequence[str]:
    """Anthropic's advice, which its API does not enforce."""
    if options.temperature is None or options.top_p is None:
        return ()
    return ("[temperature] and [top_p] are both set; change one of them, not both",)


def encode(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """A conversation, with what is set and nothing else: newer models refuse what they were not asked to take."""
    request = thinking.asking(request, model.model_id)
    body, asked = requests.request_body(request), request.conversation.thinking
    defaults: dict[str, Any] = {"model": model.model_id, "max_tokens": options.max_tokens}
    if asked is not None and asked.enabled:  # a budget counts as written, and a model that thinks samples freely
        defaults["max_tokens"] += asked.budget or 0
    else:
        defaults |= {name: getattr(options, name) for name in _SAMPLING}
    body |= {name: value for name, value in defaults.items() if name not in body}
    return _call(request, address(model, origin), body)


def address(model: Account, origin: str) -> str:
    """Where messages are posted."""
    return model.url or f"{origin}/v1/messages"


def encode_count(request: InferenceRequest, model: Account, _options: Options, origin: str) -> Call:
    """The question how many tokens a conversation has, which is told nothing of how to answer.

    https://docs.anthropic.com/en/api/messages-count-tokens.
    """
    asked = requests.request_body(request)
    body = {"model": model.model_id, **{name: asked[name] for name in _COUNTED if name in asked}}
    return _call(request, f"{address(model, origin)}/count_tokens", body)


def _call(request: InferenceRequest, url: str, body: Mapping[str, Any]) -> Call:
    return json_call(url, body).with_headers({"anthropic-version": VERSION, **requests.headers(request)})


def group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch; Anthropic limits by model."""
    return account.model_id, account.api_key, account.url


COUNTERS = (
    "Received a rate limit status code. Token limit [{anthropic-ratelimit-tokens-limit}],"
    " remaining tokens [{anthropic-ratelimit-tokens-remaining}], tokens reset [{anthropic-ratelimit-tokens-reset}]."
    " Request limit [{anthropic-ratelimit-requests-limit}],"
    " remaining requests [{anthropic-ratelimit-requests-remaining}],"
    " request reset [{anthropic-ratelimit-requests-reset}]. Retry after [{retry-after}]"
)

COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    check=advice,
    encode=encode,
    decode=partial(replies.completion, COMPLETIONS),
    reader=lambda _: Messages(COMPLETIONS),
    hints=lambda account, _origin: thinking.hints(requests.HINTS, account.model_id),
    with_model=lambda account, model: replace(account, model_id=model),
    batches=MessageBatches(address, {"anthropic-version": VERSION}),
    rates=Rates(default=50, group=group, limits=lambda _: Limits(inputs=1)),
    failures=Failures(
        complaint=failures.complaint,
        phrases={
            403: "Received a permission denied error status code",
            429: COUNTERS,
            529: "Received an Anthropic server is temporarily overloaded status code",
        },
        exhausted=failures.exhausted,
        oversize=told_by(tokens=(r"prompt is too long", r"exceed context limit")),
    ),
)
CHAT = replace(
    COMPLETE,
    decode=partial(replies.answer, COMPLETIONS),
    count=Question(encode=encode_count, decode=partial(replies.counted, COMPLETIONS)),
)

SERVICE = Service(
    name="anthropic",
    title="Anthropic",
    tasks={TaskType.COMPLETION: COMPLETE, TaskType.CHAT_COMPLETION: CHAT},
    sign=header("x-api-key"),
    quota=rate_headers.anthropic,
    origin=Origin(lambda _: ADDRESS, "ANTHROPIC_BASE_URL"),
)
