"""Elasticsearch's `_security` API, as far as its official clients' methods for API keys go.

https://www.elastic.co/docs/api/doc/elasticsearch/group/endpoint-security.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from inferpoint.access import actions
from inferpoint.access.key import ApiKey
from inferpoint.access.management import Management, Wanted
from inferpoint.api.elastic import read
from inferpoint.api.elastic.form import flag
from inferpoint.api.elastic.key_query import page
from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.api.openapi.description import Form
from inferpoint.engine.engine import Engine
from inferpoint.errors import Subject, invalid
from inferpoint.model import times
from inferpoint.model.fields import Fields
from inferpoint.model.privileges import ALL, PRIVILEGES
from inferpoint.model.wildcards import fits

_REALM = {"name": "_es_api_key", "type": "_es_api_key"}
_NOBODY = {"name": "__anonymous", "type": "__anonymous"}
_KEYS, _KEY = "/_security/api_key", "/_security/api_key/{id}"
_REFRESH = frozenset({"refresh"})
_SHOWN = frozenset({"with_limited_by", "with_profile_uid"})  # taken and left aside: neither exists here
_SELECTED = frozenset({"id", "name", "owner", "username", "realm_name", "active_only"})
_PRIVILEGES = "/_security/user/_has_privileges"
_CREATE, _CHANGED = Form("KeyRequest", "MadeKey"), Form("KeyUpdate", "Updated", optional=True)
_LISTED, _ENDED = Form(gives="Keys"), Form("KeySelection", "Invalidated")
_FOUND, _USER = Form("KeyQuery", "FoundKeys", optional=True), Form(gives="User")
_HAS = Form("PrivilegesRequest", "Privileges", optional=True)
_QUERY = _SHOWN | {"typed_keys"}


class Security:
    """The acts of the routes, on keys under *management*."""

    def __init__(self, management: Management) -> None:
        self._management = management

    def routes(self) -> Sequence[Route]:
        """The routes."""
        create, query = self.create, self.query
        return (
            Route("PUT", _KEYS, create, _REFRESH, _CREATE, action=actions.CREATE_KEY),
            Route("POST", _KEYS, create, _REFRESH, _CREATE, action=actions.CREATE_KEY),
            Route("GET", _KEYS, self.get, _SHOWN | _SELECTED, _LISTED, action=actions.GET_KEY),
            Route("DELETE", _KEYS, self.invalidate, form=_ENDED, action=actions.INVALIDATE_KEY),
            Route("PUT", _KEY, self.update, form=_CHANGED, action=actions.UPDATE_KEY),
            Route(
                "GET", "/_security/_query/api_key", query, _QUERY, Form(gives="FoundKeys"), action=actions.QUERY_KEYS
            ),
            Route("POST", "/_security/_query/api_key", query, _QUERY, _FOUND, action=actions.QUERY_KEYS),
            Route("GET", "/_security/_authenticate", self.authenticate, form=_USER, action=actions.AUTHENTICATE),
            Route("GET", _PRIVILEGES, has_privileges, form=Form(gives="Privileges"), action=actions.HAS_PRIVILEGES),
            Route("POST", _PRIVILEGES, has_privileges, form=_HAS, action=actions.HAS_PRIVILEGES),
        )

    async def create(self, _engine: Engine, request: Request) -> Response:
        """Make a key, and tell its secret once."""
        body = Fields(read.json_object(request))
        name = body.take("name", str)
        if name is None:
            raise invalid("api key name is required", subject=Subject.REQUEST)
        key, made = await self._management.create(request.manager, name, _wanted(body))
        expires = {} if key.expiration is None else {"expiration": key.expiration}
        return json_response({"id": key.id, "name": name, **expires, "api_key": made.secret, "encoded": made.encoded})

    async def update(self, _engine: Engine, request: Request) -> Response:
        """Change what a key may do, or when it ends."""
        wanted = _wanted(Fields(read.json_object(request) if request.body else {}))
        updated = await self._management.update(request.manager, request.path_params["id"], wanted)
        return json_response({"updated": updated})

    async def get(self, _engine: Engine, request: Request) -> Response:
        """Keys by id, name or owner, or all; one that is asked for by its id and is not there is a 404."""
        query = request.query
        for name in _SHOWN:
            flag(query, name)
        active, owner = flag(query, "active_only"), flag(query, "owner")
        wanted = _selection(
            [query["id"]] if "id" in query else None, query.get("name"), request.caller.name if owner else None, query
        )
        keys = self._management.seen(request.caller, wanted)
        shown = [written(key) for key in keys if not active or self._management.is_active(key)]
        return json_response({"api_keys": shown}, 404 if "id" in query and not shown else 200)

    async def query(self, _engine: Engine, request: Request) -> Response:
        """Keys that a query selects, sorted, and of those a page."""
        body = read.json_object(request) if request.body else {}
        keys = [written(key) for key in self._management.seen(request.caller, lambda _: True)]
        total, shown = page(keys, body)
        return json_response({"total": total, "count": len(shown), "api_keys": shown})

    async def invalidate(self, _engine: Engine, request: Request) -> Response:
        """End keys by id, name or owner."""
        body = Fields(read.json_object(request))
        ids, one = body.texts("ids"), body.take("id", str)
        name, owner = body.take("name", str), body.take("owner", bool)
        rest = {member: body.take(member, str) for member in ("username", "realm_name")}
        body.end()
        wanted = {member: value for member, value in rest.items() if value is not None}
        if ids is None and one is not None:
            ids = (one,)
        if not (ids or name or owner or wanted):
            problem = "One of [api key id(s), api key name, username, realm name] must be specified if [owner] flag"
            raise invalid(f"{problem} is false", subject=Subject.REQUEST)
        select = _selection(ids, name, request.caller.name if owner else None, wanted)
        keys = self._management.seen(request.caller, select)
        ended, before = await self._management.invalidate(request.manager, keys)
        members = {"invalidated_api_keys": ended, "previously_invalidated_api_keys": before, "error_count": 0}
        return json_response(members)

    async def authenticate(self, _engine: Engine, request: Request) -> Response:
        """Who is asking."""
        key, caller = self._management.own(request.caller), request.caller
        realm = _NOBODY if key is None else _REALM
        own = {} if key is None else {"api_key": {"id": key.id, "name": key.name}}
        members = {
            "username": caller.name,
            "roles": ["superuser"] if ALL in caller.privileges and key is None else [],
            "full_name": None,
            "email": None,
            "metadata": {} if key is None else key.metadata,
            "enabled": True,
            "authentication_realm": realm,
            "lookup_realm": realm,
            "authentication_type": "anonymous" if key is None else "api_key",
        }
        return json_response({**members, **own})


async def has_privileges(_engine: Engine, request: Request) -> Response:
    """Which privileges the caller has: none of indices and applications, as there are neither."""
    body = Fields(read.json_object(request) if request.body else {})
    cluster = {name: name in request.caller.privileges for name in body.texts("cluster") or ()}
    index = dict(_refused(body.array("index") or [], "index", "names"))
    application: dict[str, dict[str, dict[str, bool]]] = {}
    for entry in body.array("application") or []:
        name = Fields(entry, "application").need("application", str)
        application.setdefault(name, {}).update(_refused([entry], "application", "resources"))
    body.end()
    members = {
        "username": request.caller.name,
        "has_all_requested": all(cluster.values()) and not index and not application,
        "cluster": cluster,
        "index": index,
        "application": application,
    }
    return json_response(members)


def written(key: ApiKey) -> dict[str, Any]:
    """A key as it is shown, without its hash."""
    times_of_it = {"expiration": key.expiration, "invalidation": key.invalidation}
    return {
        "id": key.id,
        "name": key.name,
        "type": "rest",
        "creation": key.creation,
        "invalidated": key.invalidation is not None,
        **{name: time for name, time in times_of_it.items() if time is not None},
        "username": key.owner,
        "realm": _REALM["name"],
        "realm_type": _REALM["type"],
        "metadata": key.metadata,
        "role_descriptors": key.role_descriptors or _inherited(key),
    }


def _inherited(key: ApiKey) -> dict[str, Any]:
    """The rights that a key has of its maker, as a role."""
    return {"inherited": {"cluster": [name for name in PRIVILEGES if name in key.privileges]}}


def _wanted(body: Fields) -> Wanted:
    """What a body wants of a key, of which the name was read."""
    lifetime = body.take("expiration", str)
    wanted = Wanted(
        body.object("role_descriptors"),
        body.object("metadata"),
        None if lifetime is None else times.seconds(lifetime, name="expiration"),
    )
    body.end()
    if wanted.lifetime == 0:
        raise invalid("[expiration] must be greater than 0", subject=Subject.REQUEST)
    return wanted


def _selection(ids: Iterable[str] | None, name: str | None, owner: str | None, query: Any) -> Callable[[ApiKey], bool]:
    """What selects keys: all conditions together."""
    wanted = None if ids is None else frozenset(ids)
    username, realm = query.get("username"), query.get("realm_name")

    def selects(key: ApiKey) -> bool:
        return (
            (wanted is None or key.id in wanted)
            and (name is None or fits(name, key.name))
            and (owner is None or owner in (key.owner, key.id))
            and (username is None or username == key.owner)
            and (realm is None or realm == _REALM["name"])
        )

    return selects


def _refused(entries: Iterable[Any], of: str, names: str) -> Iterable[tuple[str, dict[str, bool]]]:
    for entry in entries:
        members = Fields(entry, of)
        privileges = members.text_or_texts("privileges") or ()
        for name in members.text_or_texts(names) or ():
            yield name, dict.fromkeys(privileges, False)
