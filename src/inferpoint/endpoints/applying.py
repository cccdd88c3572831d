"""Endpoints as somebody wants them, against those that are: the plan of changes, and how they are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from inferpoint.access import actions
from inferpoint.access.decision import allow
from inferpoint.endpoints.differences import Difference, differences, frozen, other_head, update
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, invalid
from inferpoint.model.requests import Caller

_ID, _ALIASES = "inference_id", "aliases"
Config = Mapping[str, Any]


class Action(StrEnum):
    """What becomes of an endpoint."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """What becomes of one endpoint, and in what it differs; an *error* is why it does not."""

    inference_id: str
    action: Action
    differences: Sequence[Difference] = ()
    error: InferenceError | None = None


@dataclass(frozen=True)
class Order:
    """The endpoints that somebody wants, each a configuration with its `inference_id` and `task_type`.

    With `prune` all others are deleted; without `validate` no provider is called; a `dry_run` changes nothing.
    """

    endpoints: Sequence[Config]
    prune: bool = False
    validate: bool = True
    dry_run: bool = False

    def by_id(self) -> dict[str, Config]:
        """The configurations by their ids; `INVALID` unless each has one of its own."""
        ids = [config.get(_ID) for config in self.endpoints]
        if wrong := [str(one) for one in ids if not isinstance(one, str) or ids.count(one) > 1]:
            raise invalid(f"Every endpoint must have an [{_ID}] of its own, unlike [{wrong[0]}]")
        return {config[_ID]: config for config in self.endpoints}


async def applied(lifecycle: Lifecycle, caller: Caller, order: Order) -> list[Change]:
    """Carry *order* out, and say what became of each endpoint; one that fails keeps none of the others.

    Doing it again changes nothing. Aliases move in one step from who has them; deletions come last.
    """
    async with lifecycle.audit.failures(caller, actions.APPLY.change, ""):
        allow(caller, actions.APPLY)
        configs = order.by_id()
    changes = [_planned(lifecycle, caller, config) for config in order.endpoints]
    if order.prune:
        others = [resolved for resolved in lifecycle.all(caller) if resolved.endpoint.inference_id not in configs]
        changes += [_deletion(resolved) for resolved in others]
    if order.dry_run:
        return changes
    configs = {change.inference_id: configs[change.inference_id] for change in changes if _is_made(change)}
    return [await _carried_out(lifecycle, caller, change, configs, order) for change in changes]


def _planned(lifecycle: Lifecycle, caller: Caller, config: Config) -> Change:
    """The change that makes an endpoint what *config* says."""
    inference_id, action = config[_ID], Action.CREATE
    try:
        wanted = lifecycle.parsed(inference_id, config)
        stored = lifecycle.stored(caller, inference_id)
        between = differences(stored and stored.endpoint, wanted.endpoint)
        if stored is None:
            return Change(inference_id, action, between)
        action = Action.UPDATE
        heads = other_head(stored, wanted)
        changes = {} if heads else update(stored, wanted, config)
        if names := heads or frozen(stored, changes):
            shown = ", ".join(f"[{name}]" for name in names)
            problem = f"{shown} cannot be changed: make an endpoint of another id, and move the aliases to it"
            return Change(inference_id, action, between, invalid(problem))
        return Change(inference_id, action, between) if changes else Change(inference_id, Action.NONE)
    except InferenceError as error:
        return Change(inference_id, action, error=error)


def _is_made(change: Change) -> bool:
    """Whether there is a configuration by which *change* can be made."""
    return change.error is None and change.action is not Action.DELETE


def _deletion(resolved: Resolved) -> Change:
    return Change(resolved.endpoint.inference_id, Action.DELETE, differences(resolved.endpoint, None))


async def _carried_out(
    lifecycle: Lifecycle, caller: Caller, change: Change, configs: Mapping[str, Config], order: Order
) -> Change:
    """*change*, with the error that kept it from being made."""
    config = configs.get(change.inference_id, {})
    try:
        match change:
            case Change(error=InferenceError()):
                pass
            case Change(action=Action.DELETE):
                await lifecycle.delete(caller, change.inference_id)
            case Change(action=Action.CREATE):
                await _create(lifecycle, caller, config, validate=order.validate)
            case _:
                others = [one for inference_id, one in configs.items() if inference_id != change.inference_id]
                await _update(lifecycle, caller, config, _aliases(others), validate=order.validate)
    except InferenceError as error:
        return replace(change, error=error)
    return change


async def _create(lifecycle: Lifecycle, caller: Caller, config: Config, *, validate: bool) -> None:
    """Create an endpoint with those aliases that are free, then move the others to it."""
    inference_id = config[_ID]
    aliases = _aliases([config])
    taken = {alias for resolved in lifecycle.all(caller) for alias in resolved.endpoint.aliases} & {*aliases}
    free = {**config, _ALIASES: [alias for alias in aliases if alias not in taken]} if taken else config
    await lifecycle.create(caller, inference_id, free, validate=validate)
    if taken:
        moving = {name: config[name] for name in (_ALIASES, "force") if name in config}
        await lifecycle.update(caller, inference_id, moving, validate=validate)


async def _update(
    lifecycle: Lifecycle, caller: Caller, config: Config, wanted_elsewhere: Iterable[str], *, validate: bool
) -> None:
    """Change an endpoint; an alias that another one is to have stays until that one takes it."""
    inference_id = config[_ID]
    stored = lifecycle.get(caller, inference_id)
    changes = update(stored, lifecycle.parsed(inference_id, config), config)
    if _ALIASES in changes:
        kept = [alias for alias in stored.endpoint.aliases if alias in wanted_elsewhere]
        changes[_ALIASES] = list(dict.fromkeys([*(changes[_ALIASES] or ()), *kept]))
    if changes:
        forced = {"force": config["force"]} if "force" in config else {}
        await lifecycle.update(caller, inference_id, {**changes, **forced}, validate=validate)


def _aliases(configs: Iterable[Config]) -> list[str]:
    """All aliases that *configs* name."""
    return [alias for config in configs for alias in config.get(_ALIASES) or ()]
