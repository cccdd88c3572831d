"""What can be asked of the server, by the names that Elasticsearch has for it, and the privilege that each needs."""

from __future__ import annotations

from typing import NamedTuple

from inferpoint.model.privileges import MANAGE, MANAGE_KEYS, MONITOR

_MONITOR, _ADMIN = "cluster:monitor/xpack/inference", "cluster:admin/xpack/inference"
_KEYS = "cluster:admin/xpack/security/api_key"


class Action(NamedTuple):
    """Something that is done, and the least privilege that allows it; None where any caller who is known may do it.

    `change` names what is changed in the audit trail, which has nothing of what changes nothing. What is `whole` is
    of the server, and so for nobody who is held to some endpoints.
    """

    name: str
    privilege: str | None
    change: str = ""
    whole: bool = False


INFER = Action(_MONITOR, MONITOR)
GET = Action(f"{_MONITOR}/get", MONITOR)
SERVICES = Action(f"{_MONITOR}/services/get", MONITOR)
QUOTAS = Action(f"{_MONITOR}/quotas/get", MONITOR)
METRICS = Action(f"{_MONITOR}/metrics/get", MONITOR)
PUT = Action(f"{_ADMIN}/put", MANAGE, "create_endpoint")
APPLY = Action(f"{_ADMIN}/put", MANAGE, "apply_endpoints")
UPDATE = Action(f"{_ADMIN}/update", MANAGE, "update_endpoint")
DELETE = Action(f"{_ADMIN}/delete", MANAGE, "delete_endpoint")
RELEASE = Action(f"{_ADMIN}/quotas/release", MANAGE, "release_quota")
GET_JOBS = Action(f"{_MONITOR}/jobs/get", MONITOR)
START_JOB = Action(f"{_ADMIN}/jobs/start", MANAGE, "start_job")
PAUSE_JOB = Action(f"{_ADMIN}/jobs/pause", MANAGE, "pause_job")
RESUME_JOB = Action(f"{_ADMIN}/jobs/resume", MANAGE, "resume_job")
CANCEL_JOB = Action(f"{_ADMIN}/jobs/cancel", MANAGE, "cancel_job")
RETRY_JOB = Action(f"{_ADMIN}/jobs/retry", MANAGE, "retry_job")
VERIFY_JOB = Action(f"{_ADMIN}/jobs/verify", MANAGE)
DELETE_JOB = Action(f"{_ADMIN}/jobs/delete", MANAGE, "delete_job")
GET_CREDENTIALS = Action(f"{_ADMIN}/credentials/get", MANAGE, whole=True)
PUT_CREDENTIAL = Action(f"{_ADMIN}/credentials/put", MANAGE, "set_credential", whole=True)
DELETE_CREDENTIAL = Action(f"{_ADMIN}/credentials/delete", MANAGE, "remove_credential", whole=True)
ROTATE = Action(f"{_ADMIN}/secrets/rotate", MANAGE, "rotate_secret_key", whole=True)
AUDIT = Action(f"{_ADMIN}/audit", MANAGE, whole=True)
CREATE_KEY = Action(f"{_KEYS}/create", MANAGE_KEYS, "create_api_key")
UPDATE_KEY = Action(f"{_KEYS}/update", MANAGE_KEYS, "update_api_key")
INVALIDATE_KEY = Action(f"{_KEYS}/invalidate", MANAGE_KEYS, "invalidate_api_key")
GET_KEY = Action(f"{_KEYS}/get", MANAGE_KEYS)
QUERY_KEYS = Action(f"{_KEYS}/query", MANAGE_KEYS)
MAIN = Action("cluster:monitor/main", None)
AUTHENTICATE = Action("cluster:admin/xpack/security/user/authenticate", None)
HAS_PRIVILEGES = Action("cluster:admin/xpack/security/user/has_privileges", None)
