"""Settings, options, signing and a queue that providers who speak OpenAI's format have in common beside it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from inferpoint.model.http import Call, json_call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Moment, RateLimit, rate_limit


@settings
class Account:
    """The account that calls, the model, and the address."""

    api_key: str = secret("The API key.")
    model_id: str = setting("The model to call.")
    url: str | None = setting("The address to call instead of the provider's own.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


def organization_id() -> Any:
    """The declaration of the setting `organization_id`, which `sign` sends."""
    return setting("The organization that is billed, where the key belongs to several.", default=None, updatable=True)


@settings
class Options:
    """The settings that may change from request to request."""

    user: str | None = setting(
        "The end user a request is made for, so that the provider can detect abuse.", default=None, updatable=True
    )
    headers: Mapping[str, str] | None = setting("Headers to send with the request.", default=None, updatable=True)


def sign(call: Call, account: Any, moment: Moment) -> Call:
    """The bearer's key or token and, where the account has one, the organization."""
    call = bearer(call, account, moment)
    if account.organization_id:
        call = call.with_headers({"openai-organization": account.organization_id})
    return call


def group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch."""
    return account.model_id, account.api_key, account.url


def post(url: str, body: dict[str, Any], options: object) -> Call:
    """A POST of *body* as JSON, with the end user and the headers of *options* where the task has those."""
    if not isinstance(options, Options):
        return json_call(url, body)
    call = json_call(url, body if options.user is None else {**body, "user": options.user})
    if not options.headers:
        return call
    return call.with_headers({name.lower(): value for name, value in options.headers.items()})
