"""What is done to keys, and what their callers may not do, in the audit trail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from in_process import CLIENT, Application
from making_keys import caller, make, management
from world import EMBEDDING, World, openai

from inferpoint.access.credentials import Credentials
from inferpoint.access.management import Wanted
from inferpoint.errors import InferenceError
from inferpoint.model.requests import INTERNAL
from inferpoint.storage.audit import AuditQuery

KEYS = "/_security/api_key"


def trail(world: World) -> list[dict[str, Any]]:
    """The entries, the oldest first."""
    return [dict(entry) for entry in world.run(world.engine.audit.entries(AuditQuery()))[1]][::-1]


def told(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(entry[name] for name in ("action", "target", "caller", "client", "outcome"))


def bearing(key: Credentials) -> dict[str, str]:
    return {"authorization": f"ApiKey {key.encoded}"}


def test_a_key_is_in_the_trail_without_its_secret(world: World) -> None:
    """Made, changed and ended, by whom and from where; a change of nothing is no entry."""
    admin, secret = make(world, "all")
    ask, headers = Application(world), bearing(secret)
    made = ask("POST", KEYS, {"name": "search"}, headers=headers).json
    wanted = {"metadata": {"inferpoint": {"inference_ids": ["a-*"]}}}
    assert ask("PUT", f"{KEYS}/{made['id']}", wanted, headers=headers).json == {"updated": True}
    assert ask("PUT", f"{KEYS}/{made['id']}", wanted, headers=headers).json == {"updated": False}
    assert ask("DELETE", KEYS, {"ids": [made["id"]]}, headers=headers).status == 200
    entries = [entry for entry in trail(world) if entry["target"] == made["id"]]
    who = (made["id"], admin.id, CLIENT, "success")
    assert [told(entry) for entry in entries] == [
        (action, *who) for action in ("create_api_key", "update_api_key", "invalidate_api_key")
    ]
    assert {"name": "name", "before": None, "after": "search"} in entries[0]["changes"]
    assert {"name": "privileges", "before": None, "after": ["all"]} in entries[0]["changes"]
    assert entries[1]["changes"] == [{"name": "metadata", "before": None, "after": wanted["metadata"]}]
    assert [change["name"] for change in entries[2]["changes"]] == ["invalidation"]
    written = json.dumps(trail(world))
    entry = world.keys.get(made["id"])
    assert entry is not None
    for hidden in (made["api_key"], made["encoded"], secret.secret, secret.encoded, entry[0].hash):
        assert hidden not in written


@pytest.mark.parametrize(
    ("method", "path", "body", "action", "target"),
    [
        ("PUT", "/_inference/text_embedding/e", openai(), "create_endpoint", "e"),
        ("PUT", "/_inference/e/_update", {"aliases": []}, "update_endpoint", "e"),
        ("DELETE", "/_inference/e", None, "delete_endpoint", "e"),
        ("POST", "/_inference/_apply", {"endpoints": []}, "apply_endpoints", ""),
        ("POST", "/_inference/e/_quotas/_release", None, "release_quota", "e"),
        ("PUT", "/_inference/_credentials/x", {"value": "sk-canary"}, "set_credential", "x"),
        ("DELETE", "/_inference/_credentials/x", None, "remove_credential", "x"),
        ("POST", "/_inference/_secrets/_rotate", None, "rotate_secret_key", ""),
        ("POST", KEYS, {"name": "n"}, "create_api_key", ""),
        ("PUT", f"{KEYS}/k", {}, "update_api_key", "k"),
        ("DELETE", KEYS, {"ids": ["k"]}, "invalidate_api_key", ""),
    ],
)
def test_what_a_key_may_not_change_is_written_down(
    world: World, method: str, path: str, body: Any, action: str, target: str
) -> None:
    """Refused before its body is read, with the key's public id, its address and why."""
    key, secret = make(world, "monitor_inference")
    assert Application(world)(method, path, body, headers=bearing(secret)).status == 403
    entry = trail(world)[-1]
    assert told(entry) == (action, target, key.id, CLIENT, "failure")
    assert (entry["kind"], "is unauthorized" in entry["reason"]) == ("forbidden", True)


def test_who_may_not_look_is_not_written_down(world: World) -> None:
    """The trail is of what changes something."""
    _, secret = make(world, "monitor_inference")
    before = len(trail(world))
    for path in ("/_inference/_credentials", "/_inference/_audit", KEYS):
        assert Application(world)("GET", path, headers=bearing(secret)).status == 403
    assert len(trail(world)) == before


@pytest.mark.parametrize("held", [{"inference_ids": ["mine-*"]}, {"task_types": ["text_embedding"]}])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_inference/_credentials", None),
        ("GET", "/_inference/_credentials/x", None),
        ("PUT", "/_inference/_credentials/x", {"value": "sk-canary"}),
        ("DELETE", "/_inference/_credentials/x", None),
        ("POST", "/_inference/_secrets/_rotate", None),
        ("GET", "/_inference/_audit", None),
    ],
)
def test_what_is_of_the_whole_server_is_for_no_key_that_is_held_to_endpoints(
    world: World, held: dict[str, Any], method: str, path: str, body: Any
) -> None:
    """Credentials, the key that seals and the trail, which are also of others' endpoints."""
    _, secret = make(world, "manage_inference", **held)
    _, free = make(world, "manage_inference")
    world.run(world.engine.credentials.put(INTERNAL, "x", {"value": "sk-canary-x"}))
    assert Application(world)(method, path, body, headers=bearing(secret)).status == 403
    assert (
        Application(world)(method, path, body, headers=bearing(free)).status != 403
    )  # a rotation is refused in memory


def test_a_key_that_is_refused_is_in_the_trail(world: World) -> None:
    """One that would have more than its maker, by its name; one that is not there, by its id."""
    key, _ = make(world, "manage_api_key", "monitor_inference")
    own = caller(world, key)
    keys = management(world)
    with pytest.raises(InferenceError, match="more than it has"):
        world.run(keys.create(own, "greedy", Wanted({"role": {"cluster": ["all"]}})))
    with pytest.raises(InferenceError, match="no API key owned"):
        world.run(keys.update(own, "nobody", Wanted()))
    assert [told(entry) for entry in trail(world)[-2:]] == [
        ("create_api_key", "greedy", key.id, "", "failure"),
        ("update_api_key", "nobody", key.id, "", "failure"),
    ]


def test_a_change_by_a_key_that_is_held_to_endpoints_is_written_down(world: World) -> None:
    """Another's endpoint is to it as one that is not there, also in the trail."""
    world.create("other", EMBEDDING, openai())
    key, secret = make(world, "manage_inference", inference_ids=["mine"])
    assert Application(world)("DELETE", "/_inference/other", headers=bearing(secret)).status == 404
    assert told(trail(world)[-1]) == ("delete_endpoint", "other", key.id, CLIENT, "failure")
