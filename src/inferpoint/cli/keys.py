"""`inferpoint keys`: the API keys of a running server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from inferpoint.cli.remote import URL, Url, ask_object, asking
from inferpoint.cli.screen import Output, show
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import present
from inferpoint.model.privileges import ALL, MONITOR, PRIVILEGES

_PATH, _QUERY = "/_security/api_key", "/_security/_query/api_key"
_COLUMNS = ("id", "name", "privileges", "held to", "expires", "state")
_MOST = 10_000
_BUDGET = ("tokens_per_day", "tokens_per_month", "usd_per_day", "usd_per_month")

KeyId = Annotated[str, typer.Argument(help="The key's id.")]
Name = Annotated[str | None, typer.Option(help="What the key is called; its team, where nothing is said.")]
Privileges = Annotated[
    list[str] | None,
    typer.Option("--privilege", help=f"What it may do: {', '.join(PRIVILEGES)}. {MONITOR}, where nothing is said."),
]
Admin = Annotated[bool, typer.Option("--admin", help="Make it an administrator's: it may do everything.")]
Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoints", metavar="PATTERN", help="The ids of endpoints that it is held to.")
]
TaskTypes = Annotated[
    list[str] | None, typer.Option("--task-type", metavar="TYPE", help="The task types that it is held to.")
]
Team = Annotated[str | None, typer.Option(help="Whose key it is.")]
Requests = Annotated[int | None, typer.Option("--requests-per-minute", help="How many requests it may make a minute.")]
Tokens = Annotated[int | None, typer.Option("--tokens-per-minute", help="How many tokens it may use a minute.")]
Limit = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="NAME=NUMBER", help=f"What it may use in all: {', '.join(_BUDGET)}."),
]
Share = Annotated[float | None, typer.Option(help="Its weight where several wait for one provider; 1 is usual.")]
Expires = Annotated[str | None, typer.Option(metavar="TIME", help="How long it is good for, such as 30d.")]

keys = typer.Typer(help="API keys of a running server.", no_args_is_help=True)


@keys.command("create")
@asking
def create_key(
    name: Name = None,
    privileges: Privileges = None,
    admin: Admin = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    endpoints: Endpoints = None,
    task_types: TaskTypes = None,
    team: Team = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    budget: Limit = None,
    share: Share = None,
    expires: Expires = None,
    url: Url = URL,
    output: Output = "table",
) -> None:
    """Make a key, and print it: it is shown this once."""
    held = _held(endpoints, task_types, requests_per_minute, tokens_per_minute, budget, {"team": team, "share": share})
    body = {
        "name": name or team or "key",
        "role_descriptors": _roles([ALL] if admin else privileges or [MONITOR]),
        "metadata": {"inferpoint": held} if held else None,
        "expiration": expires,
    }
    made = ask_object(url, "POST", _PATH, present(body))
    if output == "json":
        show(made, output, ())
    else:
        print(f"Created {made['id']}, called {made['name']}. Its key, shown this once:\n{made['encoded']}")


@keys.command("list")
@asking
def list_keys(url: Url = URL, output: Output = "table") -> None:
    """List all keys that the one that asks may see."""
    rows = ask_object(url, "POST", _QUERY, {"size": _MOST, "sort": ["creation"]})["api_keys"]
    show([_row(key) for key in rows] if output == "table" else rows, output, _COLUMNS)


@keys.command("show")
@asking
def show_key(key_id: KeyId, url: Url = URL, output: Output = "json") -> None:
    """Show one key."""
    key = _key(url, key_id)
    show([_row(key)] if output == "table" else key, output, _COLUMNS)


@keys.command("update")
@asking
def update_key(
    key_id: KeyId,
    privileges: Privileges = None,
    endpoints: Endpoints = None,
    task_types: TaskTypes = None,
    team: Team = None,
    requests_per_minute: Requests = None,
    tokens_per_minute: Tokens = None,
    budget: Limit = None,
    share: Share = None,
    expires: Expires = None,
    url: Url = URL,
) -> None:
    """Change what is said of a key; all else stays as it is."""
    held = _held(endpoints, task_types, requests_per_minute, tokens_per_minute, budget, {"team": team, "share": share})
    metadata = None
    if held:
        before = _key(url, key_id)["metadata"]
        ours = before.get("inferpoint", {})
        if "budget" in held:
            held["budget"] = {**ours.get("budget", {}), **held["budget"]}
        metadata = {**before, "inferpoint": {**ours, **held}}
    body = {"role_descriptors": privileges and _roles(privileges), "metadata": metadata, "expiration": expires}
    answer = ask_object(url, "PUT", f"{_PATH}/{quote(key_id, safe='')}", present(body))
    print(f"Updated {key_id}" if answer["updated"] else f"{key_id} is so already")


@keys.command("invalidate")
@asking
def invalidate_keys(key_ids: Annotated[list[str], typer.Argument(help="The keys' ids.")], url: Url = URL) -> None:
    """End keys at once, with all that runs by them."""
    answer = ask_object(url, "DELETE", _PATH, {"ids": key_ids})
    for key_id in answer["invalidated_api_keys"]:
        print(f"Invalidated {key_id}")
    for key_id in answer["previously_invalidated_api_keys"]:
        print(f"{key_id} was invalidated before")
    known = {*answer["invalidated_api_keys"], *answer["previously_invalidated_api_keys"]}
    if missing := [key_id for key_id in key_ids if key_id not in known]:
        raise _not_found(missing[0])


def _key(url: str, key_id: str) -> dict[str, Any]:
    """One key as the server shows it."""
    rows = ask_object(url, "POST", _QUERY, {"query": {"ids": {"values": [key_id]}}})["api_keys"]
    if not rows:
        raise _not_found(key_id)
    return rows[0]


def _not_found(key_id: str) -> InferenceError:
    return InferenceError(Kind.NOT_FOUND, f"API key not found [{key_id}]")


def _roles(privileges: list[str]) -> dict[str, Any]:
    return {"inferpoint": {"cluster": privileges}}


def _held(
    endpoints: list[str] | None,
    task_types: list[str] | None,
    requests: int | None,
    tokens: int | None,
    budget: list[str] | None,
    others: Mapping[str, Any],
) -> dict[str, Any]:
    """What a key is held to, as its metadata says it."""
    limits = {"requests_per_minute": requests, "tokens_per_minute": tokens}
    budgets = None if not budget else dict(_limit(text) for text in budget)
    return present(
        {"inference_ids": endpoints or None, "task_types": task_types or None, **limits, "budget": budgets, **others}
    )


def _limit(text: str) -> tuple[str, float]:
    """A budget's name and number."""
    name, _, number = text.partition("=")
    try:
        return name.replace("-", "_"), float(number) if "." in number else int(number)
    except ValueError:
        raise typer.BadParameter(f"--budget is NAME=NUMBER, not {text}") from None


def _row(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key in the words of a table."""
    names = {name for role in key["role_descriptors"].values() for name in role.get("cluster", ())}
    expiration = key.get("expiration")
    ends = None if expiration is None else datetime.fromtimestamp(expiration / 1000, UTC)
    expired = ends is not None and ends <= datetime.now(UTC)
    return {
        "id": key["id"],
        "name": key["name"],
        "privileges": sorted(names),
        "held to": key["metadata"].get("inferpoint", {}),
        "expires": "" if ends is None else ends.isoformat(timespec="seconds"),
        "state": "invalidated" if key["invalidated"] else "expired" if expired else "valid",
    }
