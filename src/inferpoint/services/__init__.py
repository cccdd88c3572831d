"""The providers: one file each, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from inferpoint.errors import invalid
from inferpoint.protocols.service import Service


def find(name: str) -> Service:
    """The service called *name*; its file is read when it is first named. An unknown name is `INVALID`."""
    if name not in names():
        raise invalid(f"Unknown service [{name}]")
    return _load(name)


def names() -> list[str]:
    """The names of all services, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


@cache
def _load(name: str) -> Service:
    return importlib.import_module(f"{__name__}.{name}").SERVICE
