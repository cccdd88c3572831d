"""The certificates by which the server speaks TLS, read anew when their files change."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from inferpoint.errors import InferenceError, Kind
from inferpoint.telemetry.log import inform, warn

_PROTOCOL = "http/1.1"
_LONGEST_SUBJECT = 200  # characters
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "domainComponent": "DC",
}


class _EncryptedError(Exception):
    """A private key has a passphrase."""


@dataclass(frozen=True)
class CertificateFiles:
    """The certificate chain of the server and its private key; and the authorities whose clients alone are let in."""

    chain: str
    key: str
    authorities: str | None = None


class Certificates:
    """What new connections are secured by: always the newest pair of *files* that was whole.

    `INVALID` when the files are none of what they should be at the beginning; later that is told in the log.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self._seen = self._read = self._stamp()
        self._newest = self.context = _context(files)
        self.context.sni_callback = self._hand_over

    def refresh(self) -> None:
        """Look whether the files have changed and stayed so since the last look, and read them if so."""
        stamp = self._stamp()
        is_settled, self._seen = stamp == self._seen, stamp
        if not is_settled or stamp == self._read:
            return
        self._read = stamp
        try:
            self._newest = _context(self._files)
        except InferenceError as error:
            warn(f"{error}; connections are still secured by what was there before")
        else:
            inform(f"The certificate {self._files.chain} was read anew, for new connections")

    def _stamp(self) -> tuple[object, ...]:
        """A value that differs when a file was written or replaced."""
        return tuple(_stamp(name) for name in (self._files.chain, self._files.key, self._files.authorities) if name)

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        """Have a connection that begins use the newest pair; the loop knows only the first."""
        connection.context = self._newest


def subject(certificate: Mapping[str, Any] | None) -> str:
    """Whom a client's *certificate*, as `ssl` tells it, is for: `CN=search,O=Acme`; empty without one."""
    if not certificate:
        return ""
    names = (pair for names in certificate.get("subject", ()) for pair in names)
    return ",".join(f"{_SHORT.get(name, name)}={value}" for name, value in names)[:_LONGEST_SUBJECT]


def _stamp(name: str) -> object:
    try:
        state = os.stat(name)  # noqa: PTH116 - a path would be made each second
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ino, state.st_size


def _context(files: CertificateFiles) -> ssl.SSLContext:
    """What one pair of files is spoken by; HTTP/2 is not, whatever a client would like."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols([_PROTOCOL])
    try:
        context.load_cert_chain(files.chain, files.key, password=_refuse)
    except _EncryptedError:
        problem = f"The private key {files.key} is encrypted; the server takes one without a passphrase"
        raise InferenceError(Kind.INVALID, problem) from None
    except OSError as error:
        problem = f"The certificate {files.chain} with the key {files.key} cannot be read: {error}"
        raise InferenceError(Kind.INVALID, problem) from None
    if files.authorities is not None:
        _let_in_only(context, files.authorities)
    return context


def _let_in_only(context: ssl.SSLContext, authorities: str) -> None:
    """Take no client without a certificate of the *authorities*."""
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # who was let in once is looked at again
    context.options |= ssl.OP_NO_TICKET
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        problem = f"The authorities of clients {authorities} cannot be read: {error}"
        raise InferenceError(Kind.INVALID, problem) from None


def _refuse() -> NoReturn:
    raise _EncryptedError
