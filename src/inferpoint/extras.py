"""Libraries that not everybody installs: imported on first use, and missed in one clear sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from inferpoint.errors import InferenceError, Kind


def extra(module: str, *, of: str) -> Any:
    """The *module*, which the extra named *of* brings."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InferenceError(
            Kind.UNSUPPORTED,
            f"[{module}] cannot be imported ({error}); install it with: pip install 'inferpoint[{of}]'",
        ) from None
