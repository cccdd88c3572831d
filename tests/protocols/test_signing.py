"""What proves to a provider who calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from inferpoint.model.http import Call
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Moment

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    api_key: str | None


@pytest.mark.parametrize(
    ("key", "token", "proof"), [("k", "", "Bearer k"), (None, "t", "Bearer t"), ("k", "t", "Bearer t")]
)
def test_the_token_of_a_grant_is_what_is_sent(key: str | None, token: str, proof: str) -> None:
    """Whoever was granted a token calls with it, and with the key only where there is none."""
    signed = bearer(Call("https://a.test"), Account(key), Moment(NOON, token))
    assert signed.headers == {"authorization": proof}
