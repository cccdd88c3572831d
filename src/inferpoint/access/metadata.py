"""What a key's maker writes: its name, `role_descriptors`, and the limits of `metadata.inferpoint`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from inferpoint.errors import Subject, invalid
from inferpoint.model.caller_limits import CallerLimits, take_limits, take_share
from inferpoint.model.endpoint import task_type
from inferpoint.model.fields import Fields
from inferpoint.model.privileges import PRIVILEGES
from inferpoint.model.scope import EVERYWHERE, Scope
from inferpoint.model.wording import did_you_mean

OURS = "inferpoint"  # the member of a key's metadata that says what it may use
LONGEST_NAME = 256
# Members of Elasticsearch's role descriptors; all but the first are about what is not here, and grant nothing.
_CLUSTER = "cluster"
_OTHERS = ("indices", "index", "remote_indices", "remote_cluster", "applications", "run_as", "global")
_COMMENTS = ("metadata", "transient_metadata", "description")


class Granted(NamedTuple):
    """What a key is held to, as its metadata says."""

    scope: Scope | None
    share: float
    limits: CallerLimits | None


def check_name(name: str) -> None:
    """`INVALID`, with every problem, unless *name* can be a key's, which stands in lists and logs."""
    problems: list[str] = []
    if not name.strip():
        problems.append("api key name must not be blank")
    if len(name) > LONGEST_NAME:
        problems.append(f"api key name must not be more than {LONGEST_NAME} characters long")
    if name != name.strip():
        problems.append("api key name may not begin or end with whitespace")
    if name.startswith("_"):
        problems.append("api key name may not begin with an underscore")
    if not name.isprintable():
        problems.append("api key name may not hold characters that are not printable")
    if problems:
        raise invalid(*problems, subject=Subject.REQUEST)


def privileges(role_descriptors: Mapping[str, Any]) -> tuple[str, ...]:
    """The cluster privileges that *role_descriptors* name, together; `INVALID` for a name without a meaning here."""
    names: set[str] = set()
    for role, descriptor in role_descriptors.items():
        fields = Fields(descriptor, f"role_descriptors.{role}")
        names.update(fields.texts(_CLUSTER) or ())
        for member in (*_OTHERS, *_COMMENTS):
            fields.any(member)
        fields.end()
    for name in sorted(names):
        if name not in PRIVILEGES:
            raise invalid(
                f"unknown cluster privilege [{name}]. a privilege must be one of [{','.join(PRIVILEGES)}]"
                f"{did_you_mean(name, PRIVILEGES)}",
                subject=Subject.ARGUMENT,
            )
    return tuple(name for name in PRIVILEGES if name in names)


def granted(metadata: Mapping[str, Any]) -> Granted:
    """What *metadata* holds its key to; `INVALID` for an unknown name: a misspelt limit must not be no limit."""
    ours = metadata.get(OURS)
    fields = Fields({} if ours is None else ours, f"metadata.{OURS}")
    names, kinds = fields.texts("inference_ids"), fields.texts("task_types")
    limits, share = take_limits(fields), take_share(fields)
    team = fields.take("team", str)
    if team is not None and not (team and team.isprintable()):
        raise invalid(f"{fields.name('team')} must be text that can be printed", subject=Subject.BODY)
    fields.end()
    task_types = None if kinds is None else frozenset(task_type(kind).value for kind in kinds)
    scope = Scope(names, task_types)
    return Granted(None if scope == EVERYWHERE else scope, share, limits)


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """`INVALID` when a name is Elasticsearch's own, or what is ours cannot be read."""
    if any(name.startswith("_") for name in metadata):
        raise invalid("API key metadata keys may not start with [_]", subject=Subject.REQUEST)
    granted(metadata)


def inheriting(metadata: Mapping[str, Any], maker: Mapping[str, Any]) -> dict[str, Any]:
    """*metadata* with what the key of its *maker* is held to and it does not say itself."""
    theirs, own = _ours(maker), _ours(metadata)
    if not theirs:
        return dict(metadata)
    budgets = [part["budget"] for part in (theirs, own) if isinstance(part.get("budget"), dict)]
    merged = {**theirs, **own}
    if budgets:
        merged["budget"] = {**budgets[0], **budgets[-1]}
    return {**metadata, OURS: merged}


def exceeding(of: Granted, own: Granted) -> Iterable[str]:
    """The names of what a key that is *of* so much would have more of than a key with its *own*."""
    if own.scope is not None and not (of.scope or EVERYWHERE).within(own.scope):
        yield "inference_ids, task_types"
    if of.share > own.share:
        yield "share"
    if own.limits is not None:
        for name in CallerLimits.__struct_fields__:
            least, wanted = getattr(own.limits, name), None if of.limits is None else getattr(of.limits, name)
            if least is not None and (wanted is None or wanted > least):
                yield name


def _ours(metadata: Mapping[str, Any]) -> dict[str, Any]:
    ours = metadata.get(OURS)
    return cast("dict[str, Any]", ours) if isinstance(ours, dict) else {}
