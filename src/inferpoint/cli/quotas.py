"""`inferpoint quotas`: how much of each provider may be used, and the calls that wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from inferpoint.cli.remote import URL, InferenceId, Url, ask_object, asking, path
from inferpoint.cli.screen import Output, show
from inferpoint.model.times import human

_OWN_COLUMNS = ("key", "limit", "used", "of", "whole_in")
_COLUMNS = ("service", "inference_ids", "configured", "provider", "paused", "waiting", "breakers")


quotas = typer.Typer(help="Rate limits of a running server: without a command, all of them.")


@quotas.callback(invoke_without_command=True)
@asking
def list_quotas(context: typer.Context, url: Url = URL, output: Output = "table") -> None:
    """Show every rate limit of a running server, what the provider told of it, who waits; and what keys may use."""
    if context.invoked_subcommand is not None:
        return
    answer = ask_object(url, "GET", "/_inference/_quotas")
    if output != "table":
        show(answer["quotas"], output, _COLUMNS)
        return
    show([_row(group) for group in answer["quotas"]], output, _COLUMNS)
    if callers := answer.get("callers"):
        show([row for caller in callers for row in _own_limits(caller)], output, _OWN_COLUMNS)


@quotas.command("release")
@asking
def release_quota(inference_id: InferenceId, url: Url = URL) -> None:
    """End the pause of an endpoint's rate limit: its next call goes at once."""
    (group,) = ask_object(url, "POST", f"{path(inference_id)}/_quotas/_release")["quotas"]
    print(f"Released {', '.join(group['inference_ids'])}")


def _own_limits(caller: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each limit of a caller's own in the words of a table."""
    for name, limit in caller["limits"].items():
        used = {"used": f"{limit['used']:g}", "of": f"{limit['limit']:g}", "whole_in": human(limit["whole_in_seconds"])}
        yield {"key": caller["caller"], "limit": name, **used}


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
        "paused": f"{paused:.1f}s: {quota['paused_because']}" if paused else "",
        "waiting": [f"{queue['calls']} {lane} ({queue['oldest_seconds']:.1f}s)" for lane, queue in lanes.items()],
        "breakers": quota["breakers"],
    }
