"""Where a source or a sink is, as its user wrote it: a path or a URL, with secrets by reference only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec

from inferpoint.configuration.references import References
from inferpoint.configuration.source import Source
from inferpoint.errors import invalid

_REFERENCE = re.compile(r"\$\$?\{[^}]*\}")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<who>.*)@)?(?P<host>[^/]*)(?P<path>/.*)?", re.DOTALL)
_QUERY = re.compile(r"\?([A-Za-z_]+=.*)", re.DOTALL)  # of a path, a question mark may be a part
_SECRET = re.compile(r"pass|secret|token|key|sig|credential", re.IGNORECASE)
_MARK = "\ue000"  # stands for a reference while an address is taken apart: its value may hold what separates parts


class Address(msgspec.Struct, frozen=True):
    """An address taken apart, with its references' values: only `written` may be shown.

    `scheme` and `host` are empty for a path in the file system; `host` has the port, or is a bucket.
    """

    written: str
    scheme: str
    host: str
    path: str
    user: str | None = None
    password: str | None = None
    query: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Address({self.written!r})"

    def only(self, *names: str) -> None:
        """See that the address says nothing by `?name=` but these *names*, or raise `INVALID`."""
        for name in self.query:
            if name not in names:
                allowed = ", ".join(f"[{one}]" for one in names) or "none"
                raise invalid(f"[{self.written}] has a parameter [{name}], which is not known; known is {allowed}")


class Addresses:
    """The addresses that a job's specification stands for: those that it has, unless it names places."""

    def kept(self, written: str) -> str:
        """What is written down for *written*: of a path one that is the same wherever it is read again."""
        relative = "://" not in written and not written.startswith(("/", "$")) and written != "-"
        return str(Path.cwd() / written) + "/" * written.endswith("/") if relative else written

    def source(self, written: str) -> str:
        """The address of a source."""
        return written

    def sink(self, written: str) -> str:
        """The address of a sink."""
        return written


def address(written: str, environ: Mapping[str, str] | None = None) -> Address:
    """What *written* says, with `${NAME}` from *environ* and `${file:PATH}`, which stands for a file's text.

    `INVALID` when a reference has no value, or a password or key is written out, which is not repeated.
    """
    references = _REFERENCE.findall(written)
    plain = _REFERENCE.sub(_MARK, written)
    query: dict[str, str] = {}
    if match := _QUERY.search(plain):
        plain = plain[: match.start()]
        query = {name: unquote(value) for name, _, value in (pair.partition("=") for pair in match[1].split("&"))}
    url = _URL.fullmatch(plain)
    user, colon, password = (url["who"] or "").partition(":") if url else ("", "", "")
    _by_reference({"password": password, **{name: value for name, value in query.items() if _SECRET.search(name)}})
    values = iter(_values(references, os.environ if environ is None else environ))
    parts = url.groupdict("") if url else {"scheme": "", "host": "", "path": plain}

    def filled(part: str) -> str:
        return re.sub(_MARK, lambda _: next(values), part)

    return Address(
        written,
        parts["scheme"].lower(),
        user=filled(unquote(user)) or None,
        password=filled(unquote(password)) if colon else None,
        host=filled(parts["host"]),
        path=filled(parts["path"]),
        query={name: filled(value) for name, value in query.items()},
    )


def _by_reference(secrets: Mapping[str, str]) -> None:
    for name, value in secrets.items():
        if value.strip(_MARK):
            raise invalid(
                f"The {name} must not be written into an address, which is kept and shown: put it into a variable of "
                "the environment and write ${NAME} in its place, or into a file and write ${file:PATH}"
            )


def _values(references: list[str], environ: Mapping[str, str]) -> list[str]:
    resolving = References(Source("address", {}, {}), environ, Path())
    values: list[str] = resolving.resolved(references)
    if resolving.problems:
        raise invalid(*(problem.removeprefix("address:1: ") for problem in resolving.problems))
    return values
