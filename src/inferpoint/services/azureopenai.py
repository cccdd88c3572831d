"""Azure OpenAI: OpenAI's models, each deployed at a path of its own. https://learn.microsoft.com/azure/ai-services/openai."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace as changed

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import embedding_settings, oauth2, rate_headers, truncation
from inferpoint.protocols.auth import bearer, header
from inferpoint.protocols.openai.account import Options
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.embeddings import embedding
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.service import (
    Grant,
    Limits,
    Moment,
    Origin,
    RateLimit,
    Rates,
    Service,
    Task,
    rate_limit,
)

KEYS = ("entra_id", "api_key", "client_secret")
OAUTH2 = ("client_id", "scopes", "tenant_id")
ENTRA: Origin[Any] = Origin(lambda _: "https://login.microsoftonline.com", "AZURE_AUTHORITY_HOST")


@settings
class Account:
    """The resource that is called, and the deployment in it."""

    api_key: str | None = secret("The key of the resource; or else a token, or the OAuth2 settings.", default=None)
    entra_id: str | None = secret("A Microsoft Entra token.", default=None)
    client_secret: str | None = secret("The secret of the client that Entra knows by its client ID.", default=None)
    client_id: str | None = setting("Who asks Entra for tokens.", default=None, updatable=True)
    scopes: tuple[str, ...] | None = setting("What Entra's tokens are to be good for.", default=None, updatable=True)
    tenant_id: str | None = setting("Whose Entra is asked for tokens.", default=None, updatable=True)
    resource_name: str = setting("The name of the Azure OpenAI resource.", pattern="[a-zA-Z0-9-]+")
    deployment_id: str = setting("The name of the deployed model.")
    api_version: str = setting("The version of Azure's API, such as 2024-02-01.")
    rate_limit: RateLimit | None = rate_limit()

    @property
    def model_id(self) -> None:
        """No model is named beside its deployment."""

    @property
    def url(self) -> None:
        """No address but the resource's own."""


@settings
class EmbeddingSettings(Account):
    """A deployed embedding model."""

    dimensions: int | None = embedding_settings.dimensions()
    max_input_tokens: int | None = truncation.max_input_tokens()
    similarity: str | None = embedding_settings.similarity()


def check(account: Account, _options: Options) -> Sequence[str]:
    """One kind of key, and all that it needs; texts and their order are Elasticsearch's."""
    keys = [name for name in KEYS if getattr(account, name) is not None]
    if len(keys) != 1:
        problem = "[secret_settings] must have exactly one of [api_key], [entra_id], or [client_secret] field set"
        raise oauth2.refused(f"{problem}, received: [{', '.join(keys)}]" if keys else problem)
    oauth2.check(account, OAUTH2, of="Azure OpenAI")
    return ()


def ask(account: Account, _now: datetime, origin: str) -> Call | None:
    """The call for a token of Entra, where the account has a client's secret."""
    if account.client_secret is None:
        return None
    address = f"{origin}/{quote(account.tenant_id or '', safe='')}/oauth2/v2.0/token"
    return oauth2.ask(address, account.client_id or "", account.client_secret, account.scopes or ())


def sign(call: Call, account: Account, moment: Moment) -> Call:
    """The key in a header of Azure's own, or a token as the bearer's."""
    if account.api_key is not None:
        return header("api-key")(call, account, moment)
    return bearer(call, account, Moment(moment.time, moment.token or account.entra_id or ""))


def group(account: Account) -> Hashable:
    """One queue for a deployment, which is what Azure limits."""
    return account.resource_name, account.deployment_id


def deployed(task: Task[Any, Any]) -> Task[Any, Any]:
    """OpenAI's *task* at the path of the deployment, which is the model whatever a chat names."""

    def encode(request: InferenceRequest, account: Account, options: Options, origin: str) -> Call:
        if task.reader is not None:
            request = changed(request, input=changed(request.conversation, model=None))
        at = f"{origin}/openai/deployments/{quote(account.deployment_id, safe='')}"
        call = task.encode(request, account, options, at)
        return changed(call, url=f"{call.url}?api-version={quote(account.api_version, safe='')}")

    return replace(task, check=check, encode=encode, with_model=None)


COUNTERS = (
    "Received a rate limit status code. Remaining tokens [{x-ratelimit-remaining-tokens}]."
    " Remaining requests [{x-ratelimit-remaining-requests}]"
)
LIMITS = Limits(inputs=2048)
EMBEDDING_RATES = Rates(default=1440, group=group, limits=lambda _: LIMITS)
RATES = Rates(default=120, group=group)
REFUSALS = replace(FAILURES, phrases={**FAILURES.phrases, 429: COUNTERS})
EMBED = replace(deployed(embedding("Azure OpenAI embeddings", EmbeddingSettings, EMBEDDING_RATES)), failures=REFUSALS)
CHAT = deployed(chat("Azure OpenAI chat completions", Account, RATES))

SERVICE = Service(
    name="azureopenai",
    title="Azure OpenAI",
    tasks={
        TaskType.TEXT_EMBEDDING: EMBED,
        TaskType.COMPLETION: replace(CHAT, label="Azure OpenAI completion", failures=REFUSALS),
        TaskType.CHAT_COMPLETION: CHAT,
    },
    sign=sign,
    quota=rate_headers.openai,
    grant=Grant(ask, oauth2.read, oauth2.complaint, ENTRA),
    origin=Origin(lambda account: f"https://{account.resource_name}.openai.azure.com", "AZURE_OPENAI_ENDPOINT"),
)
