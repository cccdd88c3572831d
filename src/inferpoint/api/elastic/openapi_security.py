"""Elasticsearch's `_security` in OpenAPI, as far as keys go."""

from __future__ import annotations

from inferpoint.api.openapi.description import (
    COUNT,
    FLAG,
    NULL,
    OBJECT,
    TEXT,
    TEXTS,
    WHOLE,
    WORD,
    Parameter,
    Schema,
    asked,
    by_name,
    either,
    listed,
    ref,
    told,
)

_SWITCH: Schema = {"enum": ["", "true", "false"]}
_WANTED: dict[str, Schema] = {
    "role_descriptors": {**OBJECT, "description": "Roles, whose `cluster` holds the privileges."},
    "metadata": {**OBJECT, "description": "Anything; under `inferpoint` what the key may use."},
    "expiration": {**TEXT, "description": "After how long it ends, such as `30d`."},
}
_GRANTED = by_name(by_name(FLAG))

KEYS: dict[str, Schema] = {
    "KeyRequest": asked({"name": WORD}, _WANTED, examples=[{"name": "search", "expiration": "30d"}]),
    "KeyUpdate": asked({}, _WANTED, examples=[{"metadata": {"team": "search"}}]),
    "KeySelection": asked(
        {},
        {"ids": TEXTS, "id": TEXT, "name": TEXT, "owner": FLAG, "username": TEXT, "realm_name": TEXT},
        examples=[{"name": "search"}],
    ),
    "KeyQuery": asked(
        {},
        {"query": OBJECT, "sort": {}, "from": COUNT, "size": COUNT},
        description="The part of Elasticsearch's query language that suits keys. The body may be left out.",
        examples=[{"query": {"match_all": {}}, "size": 5}],
    ),
    "PrivilegesRequest": asked(
        {},
        {"cluster": TEXTS, "index": listed(OBJECT), "application": listed(OBJECT)},
        description="The body may be left out.",
        examples=[{"cluster": ["manage_inference"]}],
    ),
    "MadeKey": told({"id": TEXT, "name": TEXT, "api_key": TEXT, "encoded": TEXT}, {"expiration": WHOLE}),
    "Key": told(
        {
            "id": TEXT,
            "name": TEXT,
            "creation": WHOLE,
            "invalidated": FLAG,
            "metadata": OBJECT,
            "role_descriptors": OBJECT,
        },
        {"expiration": WHOLE, "invalidation": WHOLE, "username": TEXT, "realm": TEXT},
    ),
    "Keys": told({"api_keys": listed(ref("Key"))}),
    "FoundKeys": told({"total": COUNT, "count": COUNT, "api_keys": listed(ref("Key"))}),
    "Updated": told({"updated": FLAG}),
    "Invalidated": told(
        {"invalidated_api_keys": TEXTS, "previously_invalidated_api_keys": TEXTS, "error_count": COUNT}
    ),
    "User": told({"username": TEXT, "roles": TEXTS, "enabled": FLAG, "metadata": OBJECT}, {"api_key": OBJECT}),
    "Privileges": told(
        {
            "username": TEXT,
            "has_all_requested": FLAG,
            "cluster": by_name(FLAG),
            "index": _GRANTED,
            "application": by_name(_GRANTED),
        }
    ),
}
PARAMETERS = {
    "id": Parameter("The id of a key.", WORD, "VuaCfGcBCdbkQm-e5aOx"),
    "name": Parameter("The name of keys, with `*` for any letters.", TEXT),
    "owner": Parameter("Whether only the caller's own.", _SWITCH),
    "username": Parameter("Whose keys.", TEXT),
    "realm_name": Parameter("The realm of keys, of which there is one.", TEXT),
    "active_only": Parameter("Whether those that have ended are left out.", _SWITCH),
    "refresh": Parameter("Taken, and without a meaning here.", either(TEXT, NULL)),
    "with_limited_by": Parameter("Taken, and without a meaning here.", _SWITCH),
    "with_profile_uid": Parameter("Taken, and without a meaning here.", _SWITCH),
    "typed_keys": Parameter("Taken, and without a meaning here.", TEXT),
}
