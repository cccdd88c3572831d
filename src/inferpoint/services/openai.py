"""OpenAI. https://platform.openai.com/docs/api-reference."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from urllib.parse import urlsplit

from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, oauth2, rate_headers, truncation
from inferpoint.protocols.openai import account
from inferpoint.protocols.openai.account import Options
from inferpoint.protocols.openai.batches import OpenAIBatches
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import embedding
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.openai.replies import CONTENT
from inferpoint.protocols.service import Grant, Limits, Origin, RateLimit, Rates, Service, rate_limit

HOST = "api.openai.com"  # that of a region has its name before
MISTRAL = "api.mistral.ai"  # https://docs.mistral.ai/capabilities/reasoning
# Models with an effort to choose, also under a maker's name or tuned; those named chat, pro and preview have none.
_REASONS = re.compile(r"(?:^|[/:])(?:o1(?!-mini)|o[3-9]|gpt-[5-9]|gpt-oss)(?!.*(?:chat|pro|preview))")
_PLAIN = re.compile(r"(?:^|[/:])(?:chatgpt|gpt-[34]|gpt-5.*chat|o1-(?:mini|preview))")  # without any
OAUTH2 = ("client_id", "scopes", "token_url")


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str | None = secret("The OpenAI API key; or else the OAuth2 settings.", default=None)
    client_secret: str | None = secret("The secret of the client that OAuth2 knows by its client ID.", default=None)
    client_id: str | None = setting("Who asks for OAuth2 tokens.", default=None, updatable=True)
    scopes: tuple[str, ...] | None = setting("What OAuth2 tokens are to be good for.", default=None, updatable=True)
    token_url: str | None = setting("Where OAuth2 tokens are asked for.", default=None, url=True, updatable=True)
    model_id: str = setting("The model to call, such as text-embedding-3-small.")
    organization_id: str | None = account.organization_id()
    url: str | None = setting("The address to call instead of OpenAI's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = setting(
        "The length of vectors to ask for; text-embedding-3 models and later.", default=None, at_least=1
    )
    similarity: str | None = embedding_settings.similarity()
    max_input_tokens: int | None = truncation.max_input_tokens()


def check(account: Account, _options: Options) -> tuple[str, ...]:
    """One kind of key, and all that it needs; texts and their order are Elasticsearch's."""
    if (account.api_key is None) == (account.client_secret is None):
        raise oauth2.refused("[service_settings] must have exactly one field of [api_key, client_secret] set")
    oauth2.check(account, OAUTH2, of="OpenAI")
    return ()


def ask(account: Account, _now: datetime, _origin: str) -> Call | None:
    """The call for a token, unless there is a key."""
    if account.client_secret is None:
        return None
    assert account.token_url is not None
    return oauth2.ask(account.token_url, account.client_id or "", account.client_secret, account.scopes or ())


def group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch; OpenAI limits by model."""
    return account.model_id, account.api_key or (account.client_id, account.client_secret), account.url


COUNTERS = (
    "Received a rate limit status code. Token limit [{x-ratelimit-limit-tokens}],"
    " remaining tokens [{x-ratelimit-remaining-tokens}]. Request limit [{x-ratelimit-limit-requests}],"
    " remaining requests [{x-ratelimit-remaining-requests}]"
)

LIMITS = Limits(inputs=2048, tokens=300_000)
EMBED = replace(
    embedding("OpenAI embeddings", EmbeddingSettings, Rates(default=3000, group=group, limits=lambda _: LIMITS)),
    check=check,
    failures=replace(FAILURES, phrases={**FAILURES.phrases, 429: COUNTERS}),
    batches=OpenAIBatches("/embeddings"),
)


@lru_cache(maxsize=256)
def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def thoughts(account: Account, origin: str) -> str | None:
    """OpenAI refuses messages with what a model thought, Mistral but in their content; others take it as it came."""
    host = _host(account.url or origin)
    if host == HOST or host.endswith(f".{HOST}"):
        return None
    return CONTENT if host == MISTRAL else ""


RATES = Rates(default=500, group=group)
_CHAT = chat("OpenAI chat completions", Account, RATES, thoughts=thoughts)


def hints(account: Account, origin: str) -> frozenset[str]:
    """Those of every chat; models that reason think as hard as asked, and those that do not refuse to be asked."""
    taken = _CHAT.hints(account, origin)
    if _REASONS.search(account.model_id):
        return taken | {Hint.THINKING, Hint.BUDGET}
    return taken - {Hint.EFFORT} if _PLAIN.search(account.model_id) else taken


CHAT = replace(_CHAT, check=check, hints=hints, batches=OpenAIBatches("/chat/completions"))

SERVICE = Service(
    name="openai",
    title="OpenAI",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.EMBEDDING: EMBED,
        TaskType.COMPLETION: CHAT,
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=account.sign,
    quota=rate_headers.openai,
    grant=Grant(ask, oauth2.read, oauth2.complaint),
    origin=Origin(lambda _: f"https://{HOST}/v1", "OPENAI_BASE_URL"),
)
