"""Signing a call, as pure functions of the call, the settings and the moment."""

from __future__ import annotations

from typing import Any

from inferpoint.model.http import Call
from inferpoint.protocols.service import Moment


def bearer(call: Call, settings: Any, _moment: Moment) -> Call:
    """`Authorization: Bearer` with the setting `api_key` (RFC 6750)."""
    return call.with_headers({"authorization": f"Bearer {settings.api_key}"})


def unsigned(call: Call, _settings: Any, _moment: Moment) -> Call:
    """For providers that ask for no key."""
    return call
