"""The endpoints of a configuration file: read, with all that is wrong and the lines where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from inferpoint.configuration.source import Place, Source
from inferpoint.endpoints import document, sections
from inferpoint.endpoints.resolved import task_of
from inferpoint.endpoints.sections import Context
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType, check_inference_id, task_type
from inferpoint.model.wording import did_you_mean

NAME = "endpoints"
_ID, _TYPE = "inference_id", "task_type"


def read(source: Source, values: Any, *, largest_chunk: int, problems: list[str]) -> Sequence[Mapping[str, Any]]:
    """The configurations in *values*, which are those of *source* with all references put in.

    They are a list, or an object by `task_type/inference_id` or by id.
    """
    configs: list[Mapping[str, Any]] = []
    for place, config in _listed(source, values, problems):
        told = _problems(config, largest_chunk)
        problems += [source.at((*place, *inner), f"[{config.get(_ID)}] {problem}") for inner, problem in told]
        if any(config.get(_ID) == other.get(_ID) for other in configs):
            problems.append(source.at(place, f"[{config.get(_ID)}] There is another endpoint of this id"))
        configs.append(config)
    return configs


def by_name(configs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """*configs* as an object by `task_type/inference_id`."""
    return {
        f"{config[_TYPE]}/{config[_ID]}": {name: one for name, one in config.items() if name not in (_ID, _TYPE)}
        for config in configs
    }


def _listed(source: Source, values: Any, problems: list[str]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Each endpoint with its place and its id, in whichever form they were written."""
    entries: dict[str | int, Any] = {}
    if isinstance(values, dict):
        entries.update(cast("dict[str, Any]", values))
    elif isinstance(values, list):
        entries.update(enumerate(cast("list[Any]", values)))
    elif values is not None:
        problems.append(source.at((NAME,), f"[{NAME}] must be a list, or an object by task_type/inference_id"))
    for key, value in entries.items():
        place = (NAME, key)
        if not isinstance(value, dict):
            problems.append(source.at(place, f"[{key}] An endpoint must be an object"))
            continue
        config = cast("dict[str, Any]", value)
        yield place, config if isinstance(key, int) else _named(key, config, source, problems)


def _named(key: str, config: dict[str, Any], source: Source, problems: list[str]) -> dict[str, Any]:
    """*config* with what its *key* says, which nothing in it may contradict."""
    kind, slash, inference_id = key.rpartition("/")
    named = {_ID: inference_id, **({_TYPE: kind} if slash else {})}
    problems += [
        source.at((NAME, key, name), f"[{key}] [{name}] is [{config[name]}], and the endpoint's name says [{value}]")
        for name, value in named.items()
        if config.get(name, value) != value
    ]
    return {**named, **config}


def _problems(config: Mapping[str, Any], largest_chunk: int) -> Iterator[tuple[Place, str]]:
    """What is wrong with an endpoint, and the place in it, as far as that is known."""
    try:
        inference_id, kind = config.get(_ID), task_type(str(config.get(_TYPE)))
        check_inference_id(str(inference_id))
        unknown = dict(_unknown(config, kind))
    except InferenceError as error:
        yield from (((), problem) for problem in error.problems)
        return
    yield from unknown.items()
    try:
        document.forced(config)
        left = _without(config, {**unknown, (_ID,): ""})
        document.parse(str(inference_id), kind, left, largest_chunk=largest_chunk)
    except InferenceError as error:
        yield from (((), problem) for problem in error.problems)


def _unknown(config: Mapping[str, Any], kind: TaskType) -> Iterator[tuple[Place, str]]:
    """The names that nobody knows, each with the one that may be meant."""
    _, task = task_of(config.get("service"), kind)
    context = Context(str(config.get(_ID)), kind, task)
    known = [_ID, _TYPE, "service", "force", *(section.name for section in sections.SECTIONS)]
    for name in config:
        if name not in known:
            yield (name,), f"[{name}] is no part of an endpoint{did_you_mean(name, known)}"
    for section in sections.SECTIONS:
        value: Any = config.get(section.name)
        if isinstance(value, dict):
            names = section.known(context)
            for name in section.unknown(value, context):
                yield (section.name, name), f"[{name}] is no setting of [{section.name}]{did_you_mean(name, names)}"


def _without(config: Mapping[str, Any], places: Mapping[Place, str]) -> dict[str, Any]:
    """*config* without what stands at *places*, which are in it or in its sections."""
    left: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            left[name] = {inner: one for inner, one in members if (name, inner) not in places}
        elif (name,) not in places:
            left[name] = value
    return left
