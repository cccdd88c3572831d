"""The providers: one file each, found by its name; and those that other distributions bring, by their entry points.

A file is called as its service, with `_` for `-`. No file is read before its service is named, or all are listed.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.wording import did_you_mean
from inferpoint.protocols.service import CONTRACT, Service

GROUP = "inferpoint.services"
_OWN = "inferpoint"
# Other names by which a service is found, as in Elasticsearch; what is made under one has the service's own name.
ALIASES: Mapping[str, str] = {
    "amazonsagemaker": "amazon_sagemaker",
    "elser": "elasticsearch",
    "hugging_face_elser": "hugging_face",
    "sagemaker": "amazon_sagemaker",
}


def find(name: str) -> Service:
    """The service called *name*, or of which that is an alias; `INVALID` where there is none.

    Its file is read when it is first named.
    """
    name = own_name(name)
    if _file(name) in _files() and (service := _own(_file(name))).name == name:
        return service
    if name in _brought():
        return _loaded(name)
    raise invalid(f"Unknown service [{name}]{did_you_mean(name, names())}")


def own_name(name: Any) -> Any:
    """The name of the service of which *name* is an alias; anything else as it is."""
    return ALIASES.get(name, name) if isinstance(name, str) else name


def names() -> list[str]:
    """The names of all services, sorted, for which our own are read; `CONFLICT` when two distributions claim one."""
    return sorted([*(_own(file).name for file in _files()), *_brought()])


def check_brought() -> None:
    """Read the services that other distributions bring.

    `CONFLICT` when two distributions claim one name, `INTERNAL` when one cannot be loaded or is no `Service` of ours.
    """
    for name in _brought():
        _loaded(name)


def _file(name: str) -> str:
    """The name of a service's file: a module's cannot have a hyphen, a service's can."""
    return name.replace("-", "_")


def _files() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


@cache
def _own(file: str) -> Service:
    return importlib.import_module(f"{__name__}.{file}").SERVICE


@cache
def _brought() -> Mapping[str, EntryPoint]:
    """The entry points of other distributions by the names of their services, none of them read."""
    claimed = dict.fromkeys([*_files(), *ALIASES], _OWN)
    entries: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if _file(entry.name) in claimed:
            raise InferenceError(
                Kind.CONFLICT,
                f"The service [{entry.name}] is claimed by two distributions:"
                f" [{claimed[_file(entry.name)]}] and [{_distribution(entry)}]",
            )
        claimed[_file(entry.name)] = _distribution(entry)
        entries[entry.name] = entry
    return entries


@cache
def _loaded(name: str) -> Service:
    """The service of another distribution, written for this contract and called what its entry point claims."""
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
    """The name of what was raised and its text, which may be empty or have many lines."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))
