"""The providers: one file each, found by its name; and those that other distributions bring, by their entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.protocols.service import CONTRACT, Service

GROUP = "inferpoint.services"
_OWN = "inferpoint"


def find(name: str) -> Service:
    """The service called *name*; its file is read when it is first named. An unknown name is `INVALID`."""
    if name in _built_in():
        return _own(name)
    if name in _brought():
        return _loaded(name)
    raise invalid(f"Unknown service [{name}]")


def names() -> list[str]:
    """The names of all services, sorted; `CONFLICT` when two distributions claim one."""
    return sorted([*_built_in(), *_brought()])


def _built_in() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


@cache
def _own(name: str) -> Service:
    return importlib.import_module(f"{__name__}.{name}").SERVICE


@cache
def _brought() -> Mapping[str, EntryPoint]:
    """What other distributions bring, none of it read yet."""
    claimed = dict.fromkeys(_built_in(), _OWN)
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in claimed:
            raise InferenceError(
                Kind.CONFLICT,
                f"The service [{entry.name}] is claimed by two distributions:"
                f" [{claimed[entry.name]}] and [{_distribution(entry)}]",
            )
        claimed[entry.name] = _distribution(entry)
        found[entry.name] = entry
    return found


@cache
def _loaded(name: str) -> Service:
    """A service that another distribution brings, written for this contract and called what it claims."""
    entry = _brought()[name]
    whose = f"The service [{name}] of the distribution [{_distribution(entry)}]"
    try:
        service = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module raises, it is one sentence
        raise InferenceError(Kind.INTERNAL, f"{whose} cannot be loaded: {_in_one_line(error)}") from None
    if not isinstance(service, Service) or service.name != name:
        raise InferenceError(Kind.INTERNAL, f"{whose} is not a Service of that name")
    if service.contract != CONTRACT:
        problem = f"{whose} was written for contract [{service.contract}]; this version has contract [{CONTRACT}]"
        raise InferenceError(Kind.INTERNAL, problem)
    return service


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "unknown"


def _in_one_line(error: BaseException) -> str:
    """What was raised, and what it says; it may be nothing, or many lines."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
