"""Thoughts in Anthropic's blocks, whose seals tell the service that can read them.

A signature, and the data of a redacted thought, are opaque to all but the service that gave them. Anthropic's own are
told as they came; before those of another service stands its name and a colon, which no base64 has. Another service's
thought without a signature has that alone: clients send back no thought that is not sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint.model.chat import Thought
from inferpoint.model.fields import Fields

KINDS = ("thinking", "redacted_thinking")
_OWN = "anthropic"  # the service whose form this is


def read(block: Fields, kind: str) -> Thought:
    """The thought in a block of one of the `KINDS`."""
    if kind == "thinking":
        text = block.need("thinking", str)
        origin, signature = _opened(block.take("signature", str) or "")
        thought = Thought(text, signature or None, origin=origin)
    else:
        origin, data = _opened(block.need("data", str))
        thought = Thought(redacted=data, origin=origin)
    block.end()
    return thought


def written(thought: Thought, service: str) -> Mapping[str, Any]:
    """The block of a thought that *service* gave."""
    if thought.redacted is not None:
        return {"type": "redacted_thinking", "data": sealed(thought.redacted, service)}
    return {"type": "thinking", "thinking": thought.text, "signature": sealed(thought.signature or "", service)}


def sealed(seal: str, service: str) -> str:
    """The *seal* of a thought as a client keeps it, with the name of the *service* whose it is."""
    return seal if service == _OWN else f"{service}:{seal}"


def _opened(seal: str) -> tuple[str, str]:
    """The service whose *seal* a client sends back, and the seal as it came; no name where nothing is sealed."""
    service, colon, own = seal.partition(":")
    if colon:
        return service, own
    return (_OWN if seal else ""), seal
