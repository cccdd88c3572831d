"""`inferpoint quotas`: how much of each provider may be used, and who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.cli.remote import URL, Url, ask_object
from inferpoint.cli.screen import Form, Output, show

_COLUMNS = ("service", "inference_ids", "configured", "provider", "paused", "waiting", "breakers")


def quotas(url: Url = URL, output: Form = Output.TABLE) -> None:
    """Show every rate limit of a running server, what the provider told of it, and who waits."""
    found = ask_object(url, "GET", "/_inference/_quotas")["quotas"]
    show([_row(each) for each in found] if output is Output.TABLE else found, output, _COLUMNS)


def _row(quota: Mapping[str, Any]) -> dict[str, Any]:
    """A rate group in the words of a table."""
    configured, paused = quota["configured"], quota["paused_seconds"]
    limits = {"requests": configured["requests_per_minute"], "tokens": configured["tokens_per_minute"]}
    told = {of: bucket for of, bucket in quota["provider"].items() if bucket is not None}
    waiting = {lane: each for lane, each in quota["waiting"].items() if each["calls"]}
    return {
        "service": quota["service"],
        "inference_ids": quota["inference_ids"],
        "configured": [f"{limit} {of}/min" for of, limit in limits.items() if limit is not None],
        "provider": [f"{bucket['remaining']} of {bucket['limit']} {of} left" for of, bucket in told.items()],
        "paused": f"{paused:.1f}s" if paused else "",
        "waiting": [f"{each['calls']} {lane} ({each['oldest_seconds']:.1f}s)" for lane, each in waiting.items()],
        "breakers": quota["breakers"],
    }
