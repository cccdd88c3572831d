"""What is known of the calls of one version of an endpoint, worked out once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from inferpoint.calls.sizing import Sizing
from inferpoint.endpoints.resolved import Resolved
from inferpoint.protocols.batches import At, Batches

_REMEMBERED = 1000  # versions of endpoints
_WHENEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Plan:
    """The facts of a version's calls, and what their answers taught.

    `origin` is the address of its provider, `needs_token` whether calls are signed with the token of a grant, which
    `token_origin` gives. `sizing` is how much they may hold, `left_out` names the members of our own that the server
    refuses, and `key_refused` says that the log has been told that it refuses the key.
    """

    def __init__(self, resolved: Resolved, environ: Mapping[str, str]) -> None:
        service, settings = resolved.service, resolved.endpoint.settings
        self.origin = "" if service.origin is None else service.origin.of(settings, environ)
        grant = service.grant
        self.token_origin = "" if grant is None or grant.origin is None else grant.origin.of(settings, environ)
        self.needs_token = grant is not None and grant.ask(settings, _WHENEVER, self.token_origin) is not None
        self.sizing = Sizing(resolved.task.rates.limits(settings), resolved.rate)
        self.left_out: frozenset[str] = frozenset()
        self.key_refused = False


class Plans:
    """The plans of the versions that were called last. Services are moved by *environ*."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._plans: dict[str, Plan] = {}

    def of(self, resolved: Resolved) -> Plan:
        """The plan of the calls of this version of an endpoint."""
        version = resolved.endpoint.version
        try:
            return self._plans[version]
        except KeyError:
            while len(self._plans) >= _REMEMBERED:
                del self._plans[next(iter(self._plans))]
            plan = self._plans[version] = Plan(resolved, self._environ)
            return plan

    def at(self, resolved: Resolved, batches: Batches[Any]) -> At[Any]:
        """The account of the endpoint, and the addresses of its *batches* and of their files."""
        settings, environ = resolved.endpoint.settings, self._environ
        origin = self.of(resolved).origin if batches.origin is None else batches.origin.of(settings, environ)
        return At(settings, origin, "" if batches.files is None else batches.files.of(settings, environ))
