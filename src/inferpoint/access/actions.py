"""What can be asked of the server, by the names that Elasticsearch has for it, and the privilege that each needs."""

from __future__ import annotations

from typing import NamedTuple

from inferpoint.model.privileges import MANAGE, MANAGE_KEYS, MONITOR

_MONITOR, _ADMIN = "cluster:monitor/xpack/inference", "cluster:admin/xpack/inference"
_KEYS = "cluster:admin/xpack/security/api_key"


class Action(NamedTuple):
    """Something that is done, and the least privilege that allows it; None where any caller who is known may do it."""

    name: str
    privilege: str | None


INFER = Action(_MONITOR, MONITOR)
GET = Action(f"{_MONITOR}/get", MONITOR)
SERVICES = Action(f"{_MONITOR}/services/get", MONITOR)
QUOTAS = Action(f"{_MONITOR}/quotas/get", MONITOR)
METRICS = Action(f"{_MONITOR}/metrics/get", MONITOR)
PUT = Action(f"{_ADMIN}/put", MANAGE)
UPDATE = Action(f"{_ADMIN}/update", MANAGE)
DELETE = Action(f"{_ADMIN}/delete", MANAGE)
RELEASE = Action(f"{_ADMIN}/quotas/release", MANAGE)
CREATE_KEY = Action(f"{_KEYS}/create", MANAGE_KEYS)
UPDATE_KEY = Action(f"{_KEYS}/update", MANAGE_KEYS)
INVALIDATE_KEY = Action(f"{_KEYS}/invalidate", MANAGE_KEYS)
GET_KEY = Action(f"{_KEYS}/get", MANAGE_KEYS)
QUERY_KEYS = Action(f"{_KEYS}/query", MANAGE_KEYS)
MAIN = Action("cluster:monitor/main", None)
AUTHENTICATE = Action("cluster:admin/xpack/security/user/authenticate", None)
HAS_PRIVILEGES = Action("cluster:admin/xpack/security/user/has_privileges", None)
