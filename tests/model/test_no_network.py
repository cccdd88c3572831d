from __future__ import annotations

import asyncio
import socket

import pytest


def test_a_pure_test_cannot_open_a_socket() -> None:
    """In the folders of pure functions a socket cannot be made; an event loop can."""
    with pytest.raises(AssertionError, match="opens a socket"):
        socket.create_connection(("127.0.0.1", 9))
    asyncio.run(asyncio.sleep(0))
