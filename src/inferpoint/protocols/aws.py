"""What Amazon's services have in common beside their signatures: addresses of regions, and the form of errors."""

from __future__ import annotations

from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Upstream
from inferpoint.model.http import Event, Reply, parse
from inferpoint.model.settings import secret, setting
from inferpoint.protocols.eventstream import EXCEPTION

# The partitions of AWS whose names end otherwise, by how their regions begin.
_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


def access_key() -> Any:
    """The declaration of the setting `access_key`."""
    return secret("The AWS access key, of a user who may invoke the model.")


def secret_key() -> Any:
    """The declaration of the setting `secret_key`."""
    return secret("The AWS secret key that belongs to the access key.")


def region() -> Any:
    """The declaration of the setting `region`."""
    return setting("The region where the model is deployed.", pattern=r"[a-z0-9]+(-[a-z0-9]+)+")


def address(host: str, region: str) -> str:
    """Where a *host* of AWS is in a *region*."""
    suffix = next((suffix for start, suffix in _SUFFIXES.items() if region.startswith(start)), "amazonaws.com")
    return f"https://{host}.{region}.{suffix}"


class Refusal(msgspec.Struct, rename={"upper": "Message", "type": "__type"}):
    """An error body, whose message has either spelling."""

    message: str | None = None
    upper: str | None = None
    type: str | None = None

    @property
    def text(self) -> str:
        """The message; empty where none is told."""
        return self.message or self.upper or ""


def error_type(reply: Reply, told: str | None = None) -> str | None:
    """The type of an error, from a header or as *told* in the body, without namespace and address."""
    kind = reply.headers.get("x-amzn-errortype") or told or ""
    return kind.partition(":")[0].rpartition("#")[2] or None


def complaint(reply: Reply) -> Upstream:
    """The message and the type of an error."""
    refusal = parse(reply.body, Refusal, of="error")
    return Upstream(reply.status, refusal.text, error_type(reply, refusal.type))


def exception(event: Event) -> tuple[str, str] | None:
    """The type and the words of the exception that an *event* of a stream is; None for an event that is none.

    One of another form is no less an exception: it has no words.
    """
    if not event.name.startswith(EXCEPTION):
        return None
    try:
        words = parse(event.data or b"{}", Refusal, of="exception").text
    except InferenceError:
        words = ""
    return event.name.removeprefix(EXCEPTION), words
