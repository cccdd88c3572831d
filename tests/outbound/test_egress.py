"""Which addresses an endpoint may name: a provider's, anywhere, and never those that only this machine may reach."""

from __future__ import annotations

import asyncio

import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.egress import is_neighbour, permitted
from inferpoint.outbound.http.transport import HttpTransport

ALLOWED = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "100.100.100.199", "8.8.8.8",
    "169.253.255.255", "169.255.0.0", "::1", "fd00::1", "fd00:ec2::253", "2606:4700::1", "::ffff:127.0.0.1",
    "2002:808:808::1", "198.18.0.1", "64:ff9b::808:808", "64:ff9b::a00:1", "64:ff9b:1::808:808",
    "64:ff9b:1:ffff::a00:1", "::8.8.8.8", "::ffff:0:8.8.8.8", "2001:0:808:808::f7f7:f7f7", "2606:4700::5efe:808:808",
]  # fmt: skip
FORBIDDEN = [
    "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255", "100.100.100.200", "168.63.129.16",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf:ffff::1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe",
    "2002:a9fe:a9fe::1", "0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "239.255.255.250", "ff02::1", "", "localhost",
    "192.0.2.1", "198.51.100.1", "240.0.0.1", "255.255.255.255", "0.1.2.3", "2001:db8::1", "fec0::1", "100::1",
    "::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::", "64:ff9b::100.100.100.200",
    "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0", "64:ff9b:1:ffff::a9fe:a9fe",
    "2001:0:808:808::5601:5601", "2001:0:a9fe:a9fe::f7f7:f7f7", "2606:4700::5efe:a9fe:a9fe",
    "2606:4700::200:5efe:a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", ALLOWED)
def test_private_and_public_addresses_may_be_called(address: str) -> None:
    """People run models in their own networks, and on their own machine."""
    assert permitted(address)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_gives_away_a_machines_own_credentials_may_not(address: str) -> None:
    """Link-local, metadata, multicast, reserved and no addresses, however IPv6 writes an address of IPv4."""
    assert not permitted(address)


@pytest.mark.parametrize(
    ("address", "neighbour"),
    [
        ("8.8.8.8", False), ("2606:4700::1", False), ("64:ff9b::808:808", False), ("127.0.0.1", True),
        ("10.0.0.1", True), ("100.64.0.1", True), ("198.18.0.1", True), ("::1", True),
        ("fd00::1", True), ("::ffff:10.0.0.1", True), ("64:ff9b::a00:1", True),
    ],
)  # fmt: skip
def test_an_address_that_is_not_everybodys_is_a_neighbours(address: str, *, neighbour: bool) -> None:
    """However IPv6 writes it."""
    assert is_neighbour(address) is neighbour


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "[fe80::1]"]
)
def test_no_spelling_of_an_address_leads_there(host: str) -> None:
    """A number in place of a name is refused as what it stands for, before anything is connected to."""

    async def call() -> None:
        transport = HttpTransport("0")
        try:
            await transport.send(Call(f"http://{host}/latest/meta-data?key=secret"))
        finally:
            await transport.close()

    with pytest.raises(InferenceError) as caught:
        asyncio.run(call())
    assert caught.value.kind is Kind.INVALID
    assert str(caught.value) == f"The address [http://{host}/latest/meta-data] may not be called"
