"""The account that calls, its tokens of IBM Cloud, the rates and the failures that every task has."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from inferpoint.model.http import Call, json_call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.service import Limits, Origin, RateLimit, Rates, rate_limit

IAM: Origin[Any] = Origin(lambda _: "https://iam.cloud.ibm.com", "WATSONX_AI_AUTH_URL")
API_KEY = "urn:ibm:params:oauth:grant-type:apikey"


@settings
class Account:
    """A project, and the model."""

    api_key: str = secret("The IBM Cloud API key.")
    url: str = setting(
        "The address of the region, such as https://us-south.ml.cloud.ibm.com; its host alone will do.",
        pattern="(https?://)?[a-zA-Z0-9.:-]+/?",
    )
    api_version: str = setting("The version of the API, a date such as 2024-05-02.")
    project_id: str = setting("The project that is billed.")
    model_id: str = setting("The model to call, such as ibm/granite-3-8b-instruct.")
    rate_limit: RateLimit | None = rate_limit()


def post(account: Account, path: str, body: Mapping[str, Any]) -> Call:
    """A call at *path* of the account's region, in its version of the API."""
    root = account.url if "://" in account.url else f"https://{account.url}"
    return json_call(f"{root.rstrip('/')}/ml/v1/text/{path}?version={quote(account.api_version, safe='')}", body)


def ask(account: Account, _now: datetime, origin: str) -> Call:
    """The call for a token, which IBM Cloud gives for its key (cloud.ibm.com/apidocs/iam-identity-token-api)."""
    form = urlencode({"grant_type": API_KEY, "apikey": account.api_key})
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Call(f"{origin}/identity/token", form.encode(), headers)


def group(account: Account) -> Hashable:
    """One queue for a model of a project, as in Elasticsearch."""
    return account.url, account.project_id, account.model_id


RATES = Rates(default=120, group=group)
EMBEDDING_RATES = Rates(default=120, group=group, limits=lambda _: Limits(inputs=1000))
