"""The service account that calls, and where Google's models are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import MISSING
from typing import Any
from urllib.parse import quote

from inferpoint.model.http import Call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.gemini.failures import failures
from inferpoint.protocols.service import Moment, RateLimit, rate_limit

TITLE = "Google Vertex AI"
GLOBAL, SEVERAL_REGIONS = "global", ("eu", "us")
FAILURES = failures(TITLE)


@settings
class Account:
    """The service account that calls."""

    service_account_json: str = secret("The key file of a service account of Google Cloud, a JSON text.")
    rate_limit: RateLimit | None = rate_limit()


def project_id(default: Any = MISSING) -> Any:
    """The declaration of the setting `project_id`, which is required unless there is a *default*."""
    return setting("The project that is billed.", default=default)


def location() -> Any:
    """The declaration of the setting `location`."""
    return setting(
        "The region of the model, such as us-central1; without one Google chooses.",
        default=None,
        pattern="[a-zA-Z0-9-]+",
    )


def sign(call: Call, _account: Account, moment: Moment) -> Call:
    """The token as the bearer's."""
    return call.with_headers({"authorization": f"Bearer {moment.token}"}) if moment.token else call


def host(account: Any) -> str:
    """The address of the account's location, or of all; rankings, which have no location, have one of their own."""
    if not hasattr(account, "location"):
        return "https://discoveryengine.googleapis.com"
    place = account.location or GLOBAL
    if place in SEVERAL_REGIONS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    return f"https://{'' if place == GLOBAL else f'{place}-'}aiplatform.googleapis.com"


def model_url(account: Any, model: str, method: str, origin: str) -> str:
    """The address of a *method* of a *model* of Google's, whose path names the location that its host has."""
    place = f"projects/{quote(account.project_id, safe='')}/locations/{account.location or GLOBAL}"
    return f"{origin}/v1/{place}/publishers/google/models/{quote(model, safe='')}:{method}"


def group(account: Any) -> Hashable:
    """One queue for a model of a project in a location, as in Elasticsearch; or of an address, where it has one."""
    address = getattr(account, "url", None) or getattr(account, "streaming_url", None)
    return account.project_id, account.location, account.model_id, address
