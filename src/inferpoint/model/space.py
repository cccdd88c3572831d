"""The space that an endpoint's vectors are of: those of two spaces cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_MODEL = ("provider", "model", "model_id")
_NO_MATTER = frozenset({"rate_limit", "similarity", "max_input_tokens"})


def space(service: str, shown: Mapping[str, Any]) -> str:
    """A text that is equal for two endpoints of one service and model, whose settings are *shown*.

    Where no setting names the model, whatever they are is taken for what decides of it, such as an address.
    """
    model = {name: shown[name] for name in _MODEL if name in shown}
    deciding = model or {name: value for name, value in shown.items() if name not in _NO_MATTER}
    return msgspec.json.encode([service, deciding], order="sorted").decode()
