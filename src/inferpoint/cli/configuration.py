"""`inferpoint export`, `diff` and `apply`: the endpoints of a running server as a file; and the schema of that file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from inferpoint.cli.remote import URL, Url, ask_object, asking
from inferpoint.config import ENDPOINTS, Config, read_file
from inferpoint.errors import invalid

_DIFFERS = 2
_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_WORDS = {"create": "to create", "update": "to change", "delete": "to delete", "none": "as they are"}

Name = Annotated[str, typer.Argument(metavar="FILE", help="A configuration file: YAML, or TOML by its name.")]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the endpoints that the file does not have.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
Untried = Annotated[bool, typer.Option("--skip-validation", help="Call no provider.")]

config = typer.Typer(help="The configuration file.", no_args_is_help=True)


@asking
def export(url: Url = URL) -> None:
    """Print the endpoints of a server as a configuration file, with references in place of secrets."""
    from inferpoint.configuration import endpoints, yaml_file  # noqa: PLC0415 - no other command reads YAML

    exported = ask_object(url, "GET", "/_inference/_export")[ENDPOINTS]
    print(yaml_file.write({ENDPOINTS: endpoints.by_name(exported)}), end="")


@asking
def diff(file: Name, prune: Prune = False, url: Url = URL) -> None:  # noqa: FBT002 - a flag
    """Show what `apply` would change. Exit status: 0 when that is nothing, 1 for an error, 2 when it is something."""
    changes = _asked(url, file, {"dry_run": True, "prune": prune})
    if any(change["action"] != "none" for change in changes):
        raise typer.Exit(_DIFFERS)


@asking
def apply(
    file: Name,
    dry_run: Dry = False,  # noqa: FBT002
    prune: Prune = False,  # noqa: FBT002
    skip_validation: Untried = False,  # noqa: FBT002
    url: Url = URL,
) -> None:
    """Make a server's endpoints what a file says, each tried before it is kept. Exit status: 0, or 1 for an error."""
    _asked(url, file, {"dry_run": dry_run, "prune": prune, "skip_validation": skip_validation})


@config.command("schema")
def print_schema() -> None:
    """Print the JSON schema of the configuration file, for editors."""
    from inferpoint.configuration.schema import schema  # noqa: PLC0415 - it reads all services

    print(json.dumps(schema(Config), indent=2))


def _asked(url: str, file: str, flags: Mapping[str, bool]) -> list[dict[str, Any]]:
    """The changes that a server tells for the endpoints of *file*, printed; `INVALID` when one of them fails."""
    configs = read_file(file, os.environ).endpoints
    query = "&".join(f"{name}={str(flag).lower()}" for name, flag in flags.items())
    answer = ask_object(url, "POST", f"/_inference/_apply?{query}", {ENDPOINTS: configs})
    changes: list[dict[str, Any]] = answer["changes"]
    for line in _plan(changes):
        print(line)
    if answer["errors"]:
        failed = [f"[{change['inference_id']}] {change['error']}" for change in changes if "error" in change]
        raise invalid(*failed)
    return changes


def _plan(changes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The lines that tell of *changes*: each endpoint with its differences, and how many there are."""
    counts = dict.fromkeys(_WORDS, 0)
    for change in changes:
        action = change["action"]
        counts[action] += 1
        if action in _SIGNS:
            failed = "  (fails)" if "error" in change else ""
            yield f"{_SIGNS[action]} {change['inference_id']}{failed}"
            yield from (f"    {_difference(action, one)}" for one in change["differences"])
    yield ", ".join(f"{count} {_WORDS[action]}" for action, count in counts.items())


def _difference(action: str, difference: Mapping[str, Any]) -> str:
    name, before, after = difference["setting"], _shown(difference["before"]), _shown(difference["after"])
    if action == "update":
        return f"{name}: {before} -> {after}"
    return f"{name}: {before if action == 'delete' else after}"


def _shown(value: Any) -> str:
    if value is None:
        return "(not set)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
