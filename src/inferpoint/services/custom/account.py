"""The settings that every task has, and the call that they describe."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from inferpoint.errors import Subject, invalid
from inferpoint.model.checks import wrong_header_value, wrong_url
from inferpoint.model.http import Call
from inferpoint.model.settings import declared, secret, setting, settings
from inferpoint.model.templates import filled
from inferpoint.protocols.openai.failures import FAILURES as OF_OPENAI
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit
from inferpoint.services.custom.paths import check_path

_IN_A_PATH = "/:@!$&'()*+,;="


@settings
class Account:
    """The call of a provider, in templates that secrets and parameters are filled in."""

    secret_parameters: Mapping[str, str] | None = secret("Values of templates that are never shown.", default=None)
    url: str = setting("The address to call, of which scheme and host are written out.", url=True, template=True)
    headers: Mapping[str, str] | None = setting("Headers to send.", default=None, template=True)
    query_parameters: tuple[tuple[str, str], ...] | None = setting(
        "Parameters of the address, as pairs of a name and a value.", default=None, template=True
    )
    request: str = setting("The body to send, whose values are filled in as JSON.", template=True)
    batch_size: int = setting("The most inputs of one call.", default=10, at_least=1)
    rate_limit: RateLimit | None = rate_limit()


@settings
class Options:
    """The settings that may change from request to request."""

    parameters: Mapping[str, str | int | float | bool] | None = setting(
        "Values of templates.", default=None, updatable=True, merged=True
    )


def check(account: Any, options: Options) -> tuple[str, ...]:
    """The paths can be followed, and no parameter has the name of a secret."""
    parser = account.response.json_parser
    for one in declared(parser.__class__):
        path = getattr(parser, one.name)
        if path is not None and not one.choices:
            check_path(one.name, path)
    secrets: Mapping[str, str] = account.secret_parameters or {}
    if both := [name for name in options.parameters or {} if name in secrets]:
        problem = f"[task_settings] [parameters] must not have the names of secret parameters [{', '.join(both)}]"
        raise invalid(problem, subject=Subject.SETTINGS)
    return ()


def call(account: Account, options: Options, inputs: Mapping[str, Any]) -> Call:
    """The call with secrets, parameters and *inputs* in it; these are known in the body alone.

    `INVALID` names the field and the placeholder for which there is nothing, or what the values make of it.
    """
    values = {**(options.parameters or {}), **(account.secret_parameters or {})}
    headers = {"content-type": "application/json"}
    for name, template in (account.headers or {}).items():
        field = f"header.{name}"
        headers[name.lower()] = text = filled(template, values, _plain, field=field)
        if wrong_header_value(text):
            raise invalid(f"What is filled in in field [{field}] cannot be written as a header")
    body = filled(account.request, {**values, **inputs}, _json, field="request")
    return Call(_address(account, values), body.encode(), headers)


def _address(account: Account, values: Mapping[str, Any]) -> str:
    """The address; what is filled in is a part of its path or its parameters, and never leads out of them."""
    url = filled(account.url, values, lambda value: quote(_plain(value), safe=_IN_A_PATH), field="url")
    if (reason := wrong_url(url)) or not {".", ".."}.isdisjoint(url.partition("?")[0].split("/")):
        why = reason or "it leads out of its path"
        raise invalid(f"What is filled in in field [url] is no part of an address: {why}")
    pairs = [
        f"{_encoded(name)}={_encoded(filled(text, values, _plain, field=f'query parameters: [{name}]'))}"
        for name, text in account.query_parameters or ()
    ]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}" if pairs else url


def _encoded(text: str) -> str:
    """*text* in a form, as Java encodes it (WHATWG URL, application/x-www-form-urlencoded)."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def group(account: Account) -> Hashable:
    """One queue for an address and the secrets that go there."""
    return account.url, tuple(sorted((account.secret_parameters or {}).items()))


RATES = Rates(default=10_000, group=group)
EMBEDDING_RATES = Rates(default=10_000, group=group, limits=lambda account: Limits(inputs=account.batch_size))
FAILURES = Failures(complaint=OF_OPENAI.complaint, oversize=OF_OPENAI.oversize)  # wherever others have their words
