"""OpenAI. https://platform.openai.com/docs/api-reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from inferpoint.errors import Subject, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call
from inferpoint.model.inference import Completion, Embeddings, InferenceRequest, Texts, Tokens
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import oauth2, quotas, truncation
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.openai import completions, messages
from inferpoint.protocols.openai import embeddings as wire
from inferpoint.protocols.openai.statuses import PHRASES, RETRIED, exhausted
from inferpoint.protocols.service import (
    SIMILARITIES,
    Grant,
    Limits,
    Moment,
    Origin,
    RateLimit,
    Service,
    Task,
    rate_limit,
)

ADDRESS = "https://api.openai.com/v1"
EMBEDDINGS = "OpenAI embeddings"
COMPLETIONS = "OpenAI chat completions"
OAUTH2 = ("client_id", "scopes", "token_url")


@settings
class Account:
    """Who calls which model."""

    api_key: str | None = secret("The OpenAI API key; or else the OAuth2 settings.", default=None)
    client_secret: str | None = secret("The secret of the client that OAuth2 knows by its client ID.", default=None)
    client_id: str | None = setting("Who asks for OAuth2 tokens.", default=None, updatable=True)
    scopes: tuple[str, ...] | None = setting("What OAuth2 tokens are to be good for.", default=None, updatable=True)
    token_url: str | None = setting("Where OAuth2 tokens are asked for.", default=None, url=True, updatable=True)
    model_id: str = setting("The model to call, such as text-embedding-3-small.")
    organization_id: str | None = setting(
        "The organization that is billed, where the key belongs to several.", default=None, updatable=True
    )
    url: str | None = setting("The address to call instead of OpenAI's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = setting(
        "The length of vectors to ask for; text-embedding-3 models and later.", default=None, at_least=1
    )
    similarity: str | None = setting("How the vectors compare.", default=None, choices=SIMILARITIES)
    max_input_tokens: int | None = truncation.max_input_tokens()


@settings
class Options:
    """What may change from request to request."""

    user: str | None = setting(
        "The end user a request is made for, so that OpenAI can detect abuse.", default=None, updatable=True
    )
    headers: Mapping[str, str] | None = setting("Headers to send with the request.", default=None, updatable=True)


def check(account: Account, _options: Options) -> None:
    """One kind of key, and all that it needs."""
    if (account.api_key is None) == (account.client_secret is None):
        problem = "[service_settings] must have exactly one field of [api_key, client_secret] set"
        raise invalid(problem, subject=Subject.SETTINGS)
    given = {name: getattr(account, name) for name in OAUTH2}
    missing = [name for name, value in given.items() if value is None]
    if account.api_key is not None and len(missing) == len(given):
        return
    if account.client_secret is None:
        missing = sorted([*missing, "client_secret"])
    elif len(missing) == len(given):
        problem = f"OAuth2 requires the fields [{', '.join(missing)}], to be set."
        raise invalid(problem, subject=Subject.SETTINGS)
    if missing:
        raise invalid(
            f"[service_settings] all OpenAI OAuth2 fields must be provided together; missing: [{', '.join(missing)}]",
            subject=Subject.SETTINGS,
        )


def ask(account: Account, _now: datetime) -> Call | None:
    """The call for a token, unless there is a key."""
    if account.client_secret is None:
        return None
    assert account.token_url is not None
    return oauth2.ask(account.token_url, account.client_id or "", account.client_secret, account.scopes or ())


def sign(call: Call, account: Account, moment: Moment) -> Call:
    """The key or token and, where there is one, the organization."""
    call = bearer(call, account, moment)
    if account.organization_id:
        call = call.with_headers({"openai-organization": account.organization_id})
    return call


def embed(request: InferenceRequest, model: EmbeddingSettings, options: Options, origin: str) -> Call:
    """Vectors are asked for as numbers, which pass through unread; `dimensions` only when the user set it."""
    given, _ = _cut(request, model)
    inputs = given.inputs if isinstance(given, Tokens) else given
    body: dict[str, Any] = {"input": inputs, "model": model.model_id, "encoding_format": "float"}
    if model.dimensions is not None:
        body["dimensions"] = model.dimensions
    return _call(model.url or f"{origin}/embeddings", body, options)


def embeddings(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: Options) -> Embeddings:
    """OpenAI's own form."""
    _, which = _cut(request, model)
    return replace(wire.embeddings(reply, EMBEDDINGS), cut=len(which))


def _cut(request: InferenceRequest, model: EmbeddingSettings) -> tuple[Texts | Tokens, frozenset[int]]:
    if isinstance(request.input, Tokens):
        return truncation.cut_tokens(request.input, model.max_input_tokens)
    return truncation.cut(request.texts, model.max_input_tokens)


def chat(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """A conversation; a completion is one of a single turn, as OpenAI's plain completions are no more."""
    talk = request.conversation
    body = {
        **messages.request_body(talk),
        "model": talk.model or model.model_id,
        "n": 1,
        "stream": request.stream,
        **request.params,
    }
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    return _call(model.url or f"{origin}/chat/completions", body, options)


def completion(reply: Reply, _request: InferenceRequest, _model: Account, _options: Options) -> Completion:
    """Every choice, in its order."""
    return completions.completion(reply, COMPLETIONS)


def _call(url: str, body: dict[str, Any], options: Options) -> Call:
    if options.user is not None:
        body["user"] = options.user
    return json_call(url, body).with_headers({name.lower(): value for name, value in (options.headers or {}).items()})


def _group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch; OpenAI limits by model."""
    return account.model_id, account.api_key or (account.client_id, account.client_secret), account.url


def _similarity(model: EmbeddingSettings) -> str:
    """OpenAI's vectors are normalised, so the dot product is the cosine and cheaper."""
    return model.similarity or "dot_product"


COUNTERS = (
    "Received a rate limit status code. Token limit [{x-ratelimit-limit-tokens}],"
    " remaining tokens [{x-ratelimit-remaining-tokens}]. Request limit [{x-ratelimit-limit-requests}],"
    " remaining requests [{x-ratelimit-remaining-requests}]"
)

EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=Options,
    check=check,
    encode=embed,
    encode_tokens=embed,
    decode=embeddings,
    limits=lambda _: Limits(inputs=2048, tokens=300_000),
    default_rate=lambda _: 3000,
    rate_group=_group,
    similarity=_similarity,
    phrases={**PHRASES, 429: COUNTERS},
    retried=RETRIED,
)
CHAT = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    check=check,
    encode=chat,
    decode=completion,
    reader=lambda _: completions.Chunks(COMPLETIONS),
    with_model=lambda account, model: replace(account, model_id=model),
    default_rate=lambda _: 500,
    rate_group=_group,
    phrases=PHRASES,
    retried=RETRIED,
)

SERVICE = Service(
    name="openai",
    title="OpenAI",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.EMBEDDING: EMBED,
        TaskType.COMPLETION: CHAT,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=sign,
    complaint=completions.complaint,
    quota=quotas.openai,
    exhausted=exhausted,
    grant=Grant(ask, oauth2.read, oauth2.complaint),
    origin=Origin(lambda _: ADDRESS, "OPENAI_BASE_URL"),
)
