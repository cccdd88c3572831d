"""Named credentials: secrets that are kept once, and of which endpoints hold the name alone, written `@name`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from typing_extensions import override

from inferpoint.errors import invalid
from inferpoint.model import masks
from inferpoint.model.settings import declared

SIGN = "@"
_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?")
_PORTS = {"http": 80, "https": 443}


class Credential(str):
    """A secret as its users send it, which knows its `name` and to which `addresses` of a user's own it may go.

    Equal only to itself under the same name: who writes the secret out in place of the name changes something.
    """

    __slots__ = ("addresses", "name")

    name: str
    addresses: frozenset[str] | None

    def __new__(cls, secret: str, name: str, addresses: Iterable[str] | None = ()) -> Self:
        """*secret* called *name*; with None for *addresses* nobody knows them here."""
        credential = super().__new__(cls, secret)
        credential.name = name
        credential.addresses = None if addresses is None else frozenset(addresses)
        return credential

    @property
    def reference(self) -> str:
        """The text that stands for it wherever it is stored and shown."""
        return SIGN + self.name

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credential) and self.name == other.name and str.__eq__(self, other)

    @override
    def __ne__(self, other: object) -> bool:
        return not self == other

    @override
    def __hash__(self) -> int:
        return hash((self.name, str(self)))


def check_name(name: str) -> None:
    """`INVALID` unless *name* is one that a credential may have: the form of an endpoint's id."""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"Invalid name of a credential; '{name}' can contain lowercase alphanumeric (a-z and 0-9), hyphens,"
            " underscores or dots; must start and end with alphanumeric"
        )


def check_secret(secret: str) -> None:
    """`INVALID` unless *secret* may be one: no mask, no variable, and no reference itself."""
    if not secret:
        raise invalid("[value] must be a non-empty string")
    if problem := masks.no_key("[value]", secret) or (named(secret) and "[value] refers to a credential itself"):
        raise invalid(problem)


def named(text: Any) -> str | None:
    """The name of the credential that *text* refers to; None where it is something else."""
    name = text.removeprefix(SIGN) if isinstance(text, str) else text
    return name if name != text and _NAME.fullmatch(name) else None


def resolved(
    cls: type[Any], values: Mapping[str, Any], credentials: Mapping[str, Credential] | None, problems: list[str]
) -> Mapping[str, Any]:
    """*values* for *cls* with credentials in the places of references to them, each one of *credentials*.

    Without these, as where a file is checked, a reference stands for itself.
    """
    references = {
        setting.name: name
        for setting in declared(cls)
        if setting.secret and (name := named(values.get(setting.name))) is not None
    }
    if credentials is None:
        return {**values, **{one: Credential(SIGN + name, name, None) for one, name in references.items()}}
    problems += [f"[{one}] {missing(name)}" for one, name in references.items() if name not in credentials]
    return {**values, **{one: credentials[name] for one, name in references.items() if name in credentials}}


def missing(name: str) -> str:
    """The problem of a reference to a credential that is not there."""
    return f"There is no credential [{name}]: `inferpoint secrets set {name}` makes it"


def of(record: Any) -> dict[str, Credential]:
    """The credentials that a record of settings holds, by the settings' names."""
    values = {setting.name: getattr(record, setting.name) for setting in declared(record.__class__) if setting.secret}
    return {name: value for name, value in values.items() if isinstance(value, Credential)}


def origin(url: str) -> str:
    """The scheme, host and port of *url*, in the one form in which two are compared; ValueError where it has none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme)
    if not host or port is None:
        raise ValueError(f"[{url}] is no address of the form https://host:port")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def problem(credential: Credential, addresses: Iterable[str]) -> str | None:
    """Why *credential* may not go to all of *addresses*, which somebody has set beside a reference to it.

    Who may set an address and cannot read a secret could else have it sent to a place of their own.
    """
    if credential.addresses is None:
        return None
    strange = sorted({origin(address) for address in addresses} - credential.addresses)
    if not strange:
        return None
    return (
        f"The credential [{credential.name}] may not be sent to [{strange[0]}]: whoever knows its value can allow that"
        " by setting it with this address"
    )
