"""A call to a transport and its whole reply."""

from __future__ import annotations

from inferpoint.model.http import Call, Reply
from inferpoint.outbound.transport import Transport


async def sent(transport: Transport, call: Call) -> Reply:
    return await (await transport.send(call)).read()
