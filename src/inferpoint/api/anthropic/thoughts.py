"""Thoughts in Anthropic's blocks, whose seals tell the service that can read them.

A signature, and the data of a redacted thought, are opaque to all but the service that gave them. Anthropic's own are
told as they came; before those of another service stands its name and a colon, which no base64 has. Another service's
thought without a signature has that alone, or before a JSON object with what stood beside the thought and goes back
with it: clients send back no thought that is not sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.model.chat import Thought
from inferpoint.model.fields import Fields
from inferpoint.model.http import parse, present
from inferpoint.protocols.openai.requests import THOUGHT as USUAL

KINDS = ("thinking", "redacted_thinking")
_OWN = "anthropic"  # the service whose form this is


class _Beside(msgspec.Struct):
    member: str = ""
    extra: dict[str, Any] | None = None


def read(block: Fields, kind: str) -> Thought:
    """The thought in a block of one of the `KINDS`."""
    if kind == "thinking":
        text = block.need("thinking", str)
        origin, signature = _opened(block.take("signature", str) or "")
        thought = _with_beside(Thought(text, signature or None, origin=origin))
    else:
        origin, data = _opened(block.need("data", str))
        thought = Thought(redacted=data, origin=origin)
    block.end()
    return thought


def written(thought: Thought, service: str) -> Mapping[str, Any]:
    """The block of a thought that *service* gave."""
    if thought.redacted is not None:
        return {"type": "redacted_thinking", "data": sealed(thought.redacted, service)}
    return {"type": "thinking", "thinking": thought.text, "signature": signature(thought, service)}


def signature(thought: Thought, service: str) -> str:
    """The seal of a *thought* of *service* whose words are told; empty where Anthropic sealed none."""
    usual = thought.member in ("", USUAL) and not thought.extra
    return sealed(thought.signature or ("" if usual else _beside(thought)), service)


def sealed(seal: str, service: str) -> str:
    """The *seal* of a thought as a client keeps it, with the name of the *service* whose it is."""
    return seal if service == _OWN else f"{service}:{seal}"


def _beside(thought: Thought) -> str:
    members = {"member": thought.member or None, "extra": thought.extra}
    return msgspec.json.encode(present(members)).decode()


def _with_beside(thought: Thought) -> Thought:
    """*thought* with what stood beside it, where its signature is that and no signature."""
    if thought.signature is None or not thought.signature.startswith("{"):
        return thought
    beside = parse(thought.signature.encode("utf-8", "surrogatepass"), _Beside, of="signature of a thought")
    return replace(thought, signature=None, member=beside.member, extra=beside.extra)


def _opened(seal: str) -> tuple[str, str]:
    """The service whose *seal* a client sends back, and the seal as it came; no name where nothing is sealed."""
    service, colon, own = seal.partition(":")
    if colon:
        return service, own
    return (_OWN if seal else ""), seal
