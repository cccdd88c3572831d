"""`_inference/_credentials`, `_secrets/_rotate` and `_audit`: what only those need who manage the server."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from inferpoint.access import actions
from inferpoint.api.elastic import read
from inferpoint.api.elastic.form import flag, number, wrong_value
from inferpoint.api.face import Request, Response, Route, json_response
from inferpoint.api.openapi.description import Form
from inferpoint.engine.engine import Engine
from inferpoint.storage.audit import AuditQuery

_CONDITIONS = ("action", "target", "caller")
_LARGEST_PAGE = 1000
_LATEST_MILLISECONDS = 253_402_300_799_999  # of the year 9999
_PUT = frozenset({"timeout", "skip_validation"})
_AUDIT = frozenset({"from", "size", "start", "end", *_CONDITIONS})


async def list_credentials(engine: Engine, request: Request) -> Response:
    """All credentials, or one, without their values."""
    credentials = engine.credentials.all(request.caller, request.path_params.get("credential"))
    return json_response({"credentials": [asdict(credential) for credential in credentials]})


async def put_credential(engine: Engine, request: Request) -> Response:
    """Make a credential, or give it another value."""
    credential = await engine.credentials.put(
        request.manager,
        request.path_params["credential"],
        read.json_object(request),
        validate=not flag(request.query, "skip_validation"),
        seconds=read.timeout(request.query),
    )
    return json_response(asdict(credential))


async def delete_credential(engine: Engine, request: Request) -> Response:
    """Forget a credential that no endpoint refers to."""
    await engine.credentials.delete(request.manager, request.path_params["credential"])
    return json_response({"acknowledged": True})


async def rotate(engine: Engine, request: Request) -> Response:
    """Seal everything that is stored by a new key."""
    return json_response(asdict(await engine.credentials.rotate(request.manager)))


async def audit(engine: Engine, request: Request) -> Response:
    """The entries of the audit trail, the newest first."""
    query = request.query
    asked = AuditQuery(
        skip=number(query, "from", 0, 2**53),
        size=number(query, "size", 100, _LARGEST_PAGE),
        start=_time(query.get("start"), "start"),
        end=_time(query.get("end"), "end"),
        conditions={name: query[name] for name in _CONDITIONS if name in query},
    )
    count, entries = await engine.audit.entries(asked)
    return json_response({"count": count, "entries": entries})


def _time(text: str | None, name: str) -> datetime | None:
    """A time of day in ISO 8601, of UTC where it names no other, or in milliseconds of the Unix epoch."""
    if text is None:
        return None
    try:
        if text.isascii() and text.isdigit() and len(text) < 20:
            return datetime.fromtimestamp(min(int(text), _LATEST_MILLISECONDS) / 1000, UTC)
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong_value(name, text, "a time as 2026-11-28T14:00:00Z, or in milliseconds") from None


_ONE = "/_inference/_credentials/{credential}"
_LISTED, _SET = Form(gives="Credentials"), Form("CredentialRequest", "Credential")
ROUTES = (
    Route("GET", "/_inference/_credentials", list_credentials, form=_LISTED, action=actions.GET_CREDENTIALS),
    Route("GET", _ONE, list_credentials, form=_LISTED, action=actions.GET_CREDENTIALS),
    Route("PUT", _ONE, put_credential, _PUT, _SET, action=actions.PUT_CREDENTIAL),
    Route("DELETE", _ONE, delete_credential, form=Form(gives="Removed"), action=actions.DELETE_CREDENTIAL),
    Route("POST", "/_inference/_secrets/_rotate", rotate, form=Form(gives="Rotation"), action=actions.ROTATE),
    Route("GET", "/_inference/_audit", audit, _AUDIT, Form(gives="AuditTrail"), action=actions.AUDIT),
)
