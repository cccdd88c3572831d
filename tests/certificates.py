"""Certificates of an authority that a test has made."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Days = tuple[int, int]
NOW = datetime.now(UTC)
HERE: Sequence[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
THERE: Sequence[x509.GeneralName] = [x509.DNSName("provider.example")]


class Authority:
    """Signs certificates, and is known by one."""

    def __init__(self, folder: Path, name: str = "An authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([_named(name)])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._pem(self._signed(self._key, self._name, None, (-1, 1), own=True)))

    def server(self, names: Sequence[x509.GeneralName], days: Days = (-1, 1), *, alone: bool = False) -> ssl.SSLContext:
        """What a server needs with a certificate for *names*, valid between the *days*; signed by itself if *alone*."""
        file = self._folder / "server.pem"
        file.write_bytes(self._pair(x509.Name([_named("A provider")]), names, days, own=alone))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def pair(self, file: str, name: str, *, passphrase: bytes | None = None) -> Path:
        """A file with the certificate of *name*, somebody here, and its key, encrypted where there is a passphrase."""
        path = self._folder / file
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")
        path.write_bytes(self._pair(x509.Name([organization, _named(name)]), HERE, (-1, 1), passphrase=passphrase))
        return path

    def _pair(
        self,
        name: x509.Name,
        names: Sequence[x509.GeneralName],
        days: Days,
        *,
        own: bool = False,
        passphrase: bytes | None = None,
    ) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        sealing = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)
        return private + self._pem(self._signed(key, name, names, days, own=own))

    def _signed(
        self,
        key: ec.EllipticCurvePrivateKey,
        name: x509.Name,
        names: Sequence[x509.GeneralName] | None,
        days: Days,
        *,
        own: bool,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if own else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + timedelta(days=days[0]))
            .not_valid_after(NOW + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(key if own else self._key, hashes.SHA256())

    def _pem(self, certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)
