"""`inferpoint quotas`: how much of each provider may be used, and the calls that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.cli.remote import URL, Url, ask_object
from inferpoint.cli.screen import Output, show

_COLUMNS = ("service", "inference_ids", "configured", "provider", "paused", "waiting", "breakers")


def quotas(url: Url = URL, output: Output = "table") -> None:
    """Show every rate limit of a running server, what the provider told of it, and who waits."""
    groups = ask_object(url, "GET", "/_inference/_quotas")["quotas"]
    show([_row(group) for group in groups] if output == "table" else groups, output, _COLUMNS)


def _row(quota: Mapping[str, Any]) -> dict[str, Any]:
    """A rate group in the words of a table."""
    configured, paused = quota["configured"], quota["paused_seconds"]
    limits = {name.removesuffix("_per_minute"): limit for name, limit in configured.items() if name != "burst"}
    buckets = {of: bucket for of, bucket in quota["provider"].items() if bucket is not None}
    lanes = {lane: queue for lane, queue in quota["waiting"].items() if queue["calls"]}
    return {
        "service": quota["service"],
        "inference_ids": quota["inference_ids"],
        "configured": [f"{limit} {of}/min" for of, limit in limits.items() if limit is not None],
        "provider": [f"{bucket['remaining']} of {bucket['limit']} {of} left" for of, bucket in buckets.items()],
        "paused": f"{paused:.1f}s" if paused else "",
        "waiting": [f"{queue['calls']} {lane} ({queue['oldest_seconds']:.1f}s)" for lane, queue in lanes.items()],
        "breakers": quota["breakers"],
    }
