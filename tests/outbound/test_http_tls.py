"""TLS to a provider: what the environment trusts, and a certificate's fault in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from certificates import HERE, THERE, Authority, Days
from cryptography import x509
from raw_calls import OK, both, provided, sent
from raw_provider import Line

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that is trusted."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def patient(line: Line) -> None:
    while await line.request():
        await line.say(OK)


def test_a_provider_that_is_trusted_is_called(authority: Authority) -> None:
    """Whom `SSL_CERT_FILE` names is trusted; connections are kept under TLS too, and large bodies arrive whole."""

    async def main() -> None:
        async with provided(patient, authority.server(HERE)) as (provider, transport):
            for body in (b"{}", b"x" * 3_000_000, b"{}"):
                assert (await sent(transport, Call(f"{provider.url}/x", body))).body == b"ok"
            assert [[len(asked.body) for asked in line.asked] for line in provider.lines] == [[2, 3_000_000, 2]]

    both(main)


@pytest.mark.parametrize(
    ("names", "days", "alone", "reason"),
    [
        (HERE, (-2, -1), False, "its certificate has expired"),
        (HERE, (1, 2), False, "its certificate is not valid yet"),
        (HERE, (-1, 1), True, "its certificate is self-signed"),
        (THERE, (-1, 1), False, "its certificate is for another host"),
    ],
)
def test_a_certificates_fault_is_called_one(
    authority: Authority, names: Sequence[x509.GeneralName], days: Days, alone: bool, reason: str
) -> None:
    """A certificate that is not trusted is the reason that is told, in plain words, and nothing is sent."""

    async def main() -> None:
        async with provided(patient, authority.server(names, days, alone=alone)) as (provider, transport):
            with pytest.raises(InferenceError) as caught:
                await sent(transport, Call(f"{provider.url}/x", b"{}"))
            assert caught.value.kind is Kind.CUT_OFF
            assert str(caught.value) == f"Could not reach [{provider.url}/x]: {reason}"
            assert not any(line.asked for line in provider.lines)

    both(main)


def test_an_unknown_authority_is_called_one(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who signed a certificate must be known here."""
    other = tmp_path / "other"
    other.mkdir()
    server = authority.server(HERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(other, "Another authority").file))

    async def main() -> None:
        async with provided(patient, server) as (provider, transport):
            with pytest.raises(InferenceError, match="is signed by an authority that is not trusted here"):
                await sent(transport, Call(f"{provider.url}/x", b"{}"))

    both(main)


def test_a_provider_without_tls_is_called_one() -> None:
    """An address that begins with https and is served without it is told as that."""

    async def act(line: Line) -> None:
        await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with provided(act) as (provider, transport):
            with pytest.raises(InferenceError, match="it does not speak TLS as it should"):
                await sent(transport, Call(f"https://127.0.0.1:{provider.port}/x", b"{}"))

    both(main)
