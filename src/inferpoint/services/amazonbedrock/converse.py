"""Completions and chats: Converse and ConverseStream, which are the same for every provider's models.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from inferpoint.errors import invalid
from inferpoint.model.chat import Thinking
from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call, json_call, present
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.anthropic import thinking
from inferpoint.protocols.eventstream import AmazonEventStream
from inferpoint.protocols.service import Limits, Task
from inferpoint.services.amazonbedrock import account, conversation, replies
from inferpoint.services.amazonbedrock.account import PROVIDERS, Account
from inferpoint.services.amazonbedrock.batches import InvocationJobs
from inferpoint.services.amazonbedrock.dialect import CLAUDE
from inferpoint.services.amazonbedrock.stream import Events

NEW_TOKENS = 64
# Converse has no field for `top_k`: it goes in the request of the model itself, under the name it has there.
TOP_K = {"anthropic": "top_k", "cohere": "k", "mistral": "top_k"}
_EXACT = 2**53
_CLAUDES = frozenset({Hint.CACHE, Hint.EFFORT, Hint.THINKING, Hint.BUDGET, Hint.THOUGHTS})


@settings
class Options:
    """The settings that may change from request to request."""

    max_new_tokens: int | None = setting(
        f"The most tokens to generate; {NEW_TOKENS} where not set.", default=None, at_least=1, updatable=True
    )
    temperature: float | None = setting(
        "How random the answer is. Not to be used together with top_p or top_k.",
        default=None, at_least=0, at_most=1, updatable=True,
    )  # fmt: skip
    top_p: float | None = setting(
        "Sample from the likeliest tokens whose probabilities add up to this.",
        default=None, at_least=0, at_most=1, updatable=True,
    )  # fmt: skip
    top_k: float | None = setting(
        "Sample from the k likeliest tokens only; for anthropic, cohere and mistral.",
        default=None, above=0, updatable=True,
    )  # fmt: skip


def check(task: TaskType) -> Callable[[Account, Options], Sequence[str]]:
    """The check for *task*: whether the provider has such models, and whether they take a `top_k`; and AWS's advice."""

    def checked(model: Account, options: Options) -> Sequence[str]:
        account.refuse_unavailable(model, task, PROVIDERS)
        if options.top_k is not None and model.provider not in TOP_K:
            must = f"[provider] must be one of [{', '.join(sorted(TOP_K))}]"
            raise invalid(f"The [top_k] task parameter is not available for provider [{model.provider}]; {must}")
        return advice(options)

    return checked


def advice(options: Options) -> Sequence[str]:
    """AWS's advice, which Bedrock does not enforce."""
    if options.temperature is None:
        return ()
    others = [name for name, value in (("top_p", options.top_p), ("top_k", options.top_k)) if value is not None]
    return [f"[temperature] should not be used when [{name}] is set" for name in others]


def encode(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """A conversation, with the endpoint's options where it does not say; a completion's length is always bounded."""
    bounded = isinstance(request.input, tuple) and options.max_new_tokens is None
    request = thinking.asking(request, model.model)
    talk = request.conversation
    if talk.thinking is not None:
        options = _thinking(options, talk.thinking)
    defaults = {
        "maxTokens": NEW_TOKENS if bounded else options.max_new_tokens,
        "temperature": options.temperature,
        "topP": options.top_p,
    }
    body = conversation.request_body(request, model.provider)
    if limits := present(defaults) | body.get("inferenceConfig", {}):
        body["inferenceConfig"] = limits
    if options.top_k is not None:
        native = {TOP_K[model.provider]: _integral(options.top_k)}
        body["additionalModelRequestFields"] = body.get("additionalModelRequestFields", {}) | native
    called = model if talk.model is None else replace(model, model=talk.model)
    return json_call(account.operation(called, origin, "converse-stream" if request.stream else "converse"), body)


def _thinking(options: Options, asked: Thinking) -> Options:
    """*options* for a model that thinks: it samples freely, and its thoughts count as new tokens."""
    if not asked.enabled:
        return options
    limit = None if options.max_new_tokens is None else options.max_new_tokens + (asked.budget or 0)
    return replace(options, max_new_tokens=limit, temperature=None, top_p=None, top_k=None)


def hints(model: Account, _origin: str) -> frozenset[str]:
    """The hints that the provider's models have a place for."""
    return thinking.hints(_CLAUDES, model.model) if model.provider == CLAUDE else frozenset()


def _integral(number: float) -> float:
    """20.0 as 20: models that count refuse the point."""
    return int(number) if abs(number) < _EXACT and number == int(number) else number


COMPLETE = Task(
    label=replies.COMPLETIONS,
    settings=Account,
    options=Options,
    check=check(TaskType.COMPLETION),
    encode=encode,
    decode=replies.completion,
    reader=Events,
    framing=AmazonEventStream,
    hints=hints,
    with_model=lambda account, model: replace(account, model=model),
    batches=InvocationJobs("Converse"),
    rates=account.rates(lambda _: Limits(inputs=1)),
    failures=account.FAILURES,
)
CHAT = replace(COMPLETE, check=check(TaskType.CHAT_COMPLETION), decode=replies.chat)
