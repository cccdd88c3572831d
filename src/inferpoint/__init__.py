"""The Elasticsearch Inference API for every model provider, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inferpoint.errors import InferenceError
from inferpoint.version import __version__

if TYPE_CHECKING:
    from inferpoint.chunking import chunk
    from inferpoint.library import Inferpoint, connect

__all__ = ["InferenceError", "Inferpoint", "__version__", "chunk", "connect"]


def __getattr__(name: str) -> Any:
    """The library is read when it is first used, so that importing the package costs nothing."""
    if name == "chunk":
        from inferpoint.chunking import chunk  # noqa: PLC0415

        return chunk
    if name in __all__:
        from inferpoint import library  # noqa: PLC0415

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
