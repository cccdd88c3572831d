"""`inferpoint secrets`: named credentials of a running server, and the key that seals all that it keeps."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from inferpoint.cli.remote import URL, Url, ask, ask_object, asking
from inferpoint.cli.screen import Output, show

_COLUMNS = ("name", "addresses", "used_by", "fingerprint")

Name = Annotated[str, typer.Argument(help="The credential's name, to which endpoints refer as @NAME.")]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="An address to which it may be sent where an endpoint sets one of its own, as https://llm.example:8443;"
        " those that it has stay when none is named.",
    ),
]
Untried = Annotated[bool, typer.Option("--skip-validation", help="Call no provider.")]

secrets = typer.Typer(help="Named credentials and the secret key of a running server.", no_args_is_help=True)


@secrets.command("list")
@asking
def list_credentials(url: Url = URL, output: Output = "table") -> None:
    """List all credentials, without their values."""
    show(ask_object(url, "GET", "/_inference/_credentials")["credentials"], output, _COLUMNS)


@secrets.command("set")
@asking
def set_credential(
    name: Name,
    address: Addresses = None,
    skip_validation: Untried = False,  # noqa: FBT002 - a flag
    url: Url = URL,
) -> None:
    """Make a credential of what standard input holds, or give it another value; it is tried first where it is used."""
    if sys.stdin.isatty():
        raise typer.BadParameter(f"The value comes from standard input: inferpoint secrets set {name} < FILE")
    value = sys.stdin.read().rstrip("\r\n")
    body = {"value": value, **({"addresses": address} if address else {})}
    query = "?skip_validation" if skip_validation else ""
    answer = ask_object(url, "PUT", _path(name) + query, body)
    users = ", ".join(answer["used_by"]) or "no endpoint yet"
    print(f"Set {name} ({answer['fingerprint']}), used by {users}")


@secrets.command("remove")
@asking
def remove_credential(name: Name, url: Url = URL) -> None:
    """Forget a credential that no endpoint refers to."""
    ask(url, "DELETE", _path(name))
    print(f"Removed {name}")


@secrets.command("rotate")
@asking
def rotate(url: Url = URL) -> None:
    """Seal everything that is stored by a new secret key; what was begun and broken off is finished."""
    answer = ask_object(url, "POST", "/_inference/_secrets/_rotate")
    retired = ", ".join(answer["retired"]) or "none"
    print(f"Sealed {answer['resealed']} anew by the key {answer['key_id']}; keys that open nothing more: {retired}")


def _path(name: str) -> str:
    return f"/_inference/_credentials/{quote(name, safe='')}"
