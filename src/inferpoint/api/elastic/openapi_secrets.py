"""Credentials, the key that seals and the audit trail in OpenAPI."""

from __future__ import annotations

from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    TEXT,
    TEXTS,
    WORD,
    Parameter,
    Schema,
    asked,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.storage.audit import FAILURE, SUCCESS

SECRETS: dict[str, Schema] = {
    "CredentialRequest": asked(
        {"value": WORD},
        {"addresses": {**TEXTS, "description": "Those of users' own that it may be sent to."}},
        more=False,
        examples=[{"value": "sk-example", "addresses": ["https://llm.example:8443"]}],
    ),
    "Credential": told(
        {"name": TEXT, "addresses": TEXTS, "fingerprint": TEXT, "used_by": TEXTS},
        description="A credential as everybody may see it, with a fingerprint in place of its value.",
    ),
    "Credentials": told({"credentials": listed(ref("Credential"))}),
    "Removed": told({"acknowledged": FLAG}),
    "Rotation": told({"key_id": TEXT, "resealed": COUNT, "retired": TEXTS}),
    "AuditTrail": told({"count": COUNT, "entries": listed(ref("AuditEntry"))}),
    "AuditEntry": told(
        {
            "time": TEXT,
            "action": TEXT,
            "target": TEXT,
            "caller": TEXT,
            "client": TEXT,
            "outcome": one_of(SUCCESS, FAILURE),
        },
        {
            "changes": listed(told({"name": TEXT, "before": ANYTHING, "after": ANYTHING})),
            "more_changes": COUNT,
            "kind": TEXT,
            "reason": TEXT,
        },
        description="Who changed what, when, from where and with what outcome.",
    ),
}
_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_TIME = "as 2026-11-28T14:00:00Z, or in milliseconds of the Unix epoch."
PARAMETERS = {
    "credential": Parameter("The name of a credential.", WORD, "openai-main"),
    "from": Parameter("How many of the newest entries are left out.", _NUMBER),
    "size": Parameter("How many entries are wanted, 1000 at most.", _NUMBER),
    "start": Parameter(f"The time of the first entry, {_TIME}", TEXT),
    "end": Parameter(f"The time before which the last entry is, {_TIME}", TEXT),
    "action": Parameter("What was done.", TEXT),
    "target": Parameter("What it was done to.", TEXT),
    "caller": Parameter("Who did it.", TEXT),
}
