from __future__ import annotations

import contextlib
import json
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from in_process import CLIENT, Application
from making_keys import make
from world import EMBEDDING, SECRET, World, openai

from inferpoint.endpoints.applying import Order, applied
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS, Caller
from inferpoint.storage.audit import Audit, Change

ADA = Caller("ada", address="10.0.0.7")
LOOKING = Caller("bob", frozenset({"monitor_inference"}), address="10.0.0.8")
PATH = "/_inference/_audit"


def trail(world: World, query: str = "") -> list[dict[str, Any]]:
    """The entries, the oldest first."""
    return Application(world)("GET", PATH, query=query).json["entries"][::-1]


def told(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(entry[name] for name in ("action", "target", "caller", "client", "outcome"))


def test_every_change_is_written_down(world: World) -> None:
    """Who did what to what, from where, with the members that changed; what changes nothing is no entry."""
    ask = Application(world)
    ask("PUT", "/_inference/_credentials/main", {"value": "sk-canary-main"})
    ask("PUT", "/_inference/text_embedding/e", openai())
    ask("PUT", "/_inference/e/_update", {"task_settings": {"user": "u"}})
    ask("PUT", "/_inference/e/_update", {"task_settings": {"user": "u"}})
    ask("POST", "/_inference/e/_quotas/_release")
    ask("POST", "/_inference/e", {"input": "x"})
    ask("GET", "/_inference")
    ask("DELETE", "/_inference/e", query="dry_run")
    ask("DELETE", "/_inference/e")
    ask("DELETE", "/_inference/_credentials/main")
    entries = trail(world)
    who = ("anonymous", CLIENT, "success")
    assert [told(entry) for entry in entries] == [
        ("set_credential", "main", *who),
        ("create_endpoint", "e", *who),
        ("update_endpoint", "e", *who),
        ("release_quota", "e", *who),
        ("delete_endpoint", "e", *who),
        ("remove_credential", "main", *who),
    ]
    assert entries[2]["changes"] == [{"name": "task_settings.user", "before": None, "after": "u"}]
    assert {"name": "service_settings.model_id", "before": None, "after": "m"} in entries[1]["changes"]
    assert all(entry["time"].endswith("Z") for entry in entries)


def test_secrets_are_fingerprints(world: World) -> None:
    """Equal secrets are seen to be equal, others not, and none is told: also those in headers and addresses."""
    headers = {"task_settings": {"headers": {"x-tenant": "canary-tenant-1"}}}
    world.create("a", EMBEDDING, openai(**headers))
    world.create("b", EMBEDDING, openai())
    world.update("b", {"service_settings": {"api_key": "sk-canary-other"}})
    world.update("a", {"task_settings": {"headers": {"x-tenant": "canary-tenant-2"}}})
    entries = trail(world)
    assert "canary" not in json.dumps(entries)
    keys = [
        (change["before"], change["after"])
        for entry in entries
        for change in entry["changes"]
        if change["name"].endswith("api_key")
    ]
    (_, first), (_, second), (before, after) = keys
    assert first == second == before == world.endpoints.vault.fingerprint(SECRET)
    assert after not in (None, before)
    (change,) = entries[-1]["changes"]
    assert change["before"] != change["after"]


REFUSED: list[tuple[str, str, Any, str, str, str]] = [
    (
        "PUT",
        "/_inference/text_embedding/e",
        {"service": "none", "service_settings": {}},
        "create_endpoint",
        "e",
        "Unkn",
    ),
    ("PUT", "/_inference/Wrong", openai(), "create_endpoint", "Wrong", "Invalid inference_id"),
    ("PUT", "/_inference/none/_update", {"task_settings": {}}, "update_endpoint", "none", "does not exist"),
    ("DELETE", "/_inference/none", None, "delete_endpoint", "none", "not found"),
    ("POST", "/_inference/none/_quotas/_release", None, "release_quota", "none", "not found"),
    ("PUT", "/_inference/_credentials/x", {"value": "***"}, "set_credential", "x", "masked"),
    ("DELETE", "/_inference/_credentials/x", None, "remove_credential", "x", "not found"),
    ("POST", "/_inference/_secrets/_rotate", None, "rotate_secret_key", "", "nobody can put another"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "action", "target", "reason"), REFUSED, ids=[one[1] for one in REFUSED]
)
def test_what_is_refused_is_written_down(
    world: World, method: str, path: str, body: Any, action: str, target: str, reason: str
) -> None:
    """With what was wanted and why it was not done."""
    assert Application(world)(method, path, body).status >= 400
    (entry,) = trail(world)
    assert told(entry) == (action, target, "anonymous", CLIENT, "failure")
    assert reason in entry["reason"]
    assert entry["kind"] in ("invalid", "not_found")


def test_who_may_not_is_written_down(world: World) -> None:
    """Each action of somebody without the privilege, by name and address."""
    life, credentials, engine = world.engine.lifecycle, world.engine.credentials, world.engine
    for attempt in (
        life.create(LOOKING, "e", openai(), kind=EMBEDDING),
        life.update(LOOKING, "e", {"aliases": []}),
        life.delete(LOOKING, "e"),
        engine.release(LOOKING, "e"),
        applied(life, LOOKING, Order([])),
        credentials.put(LOOKING, "x", {"value": "sk-canary"}),
        credentials.delete(LOOKING, "x"),
        credentials.rotate(LOOKING),
    ):
        with pytest.raises(InferenceError, match="unauthorized"):
            world.run(attempt)
    entries = trail(world)
    assert len(entries) == 8
    assert {(entry["caller"], entry["client"], entry["kind"]) for entry in entries} == {
        ("bob", "10.0.0.8", "forbidden")
    }


def test_the_trail_is_for_administrators(world: World) -> None:
    """Who may only ask neither reads it nor sees credentials."""
    _, key = make(world, "monitor_inference")
    for path in (PATH, "/_inference/_credentials", "/_inference/_credentials/x"):
        assert Application(world)("GET", path, headers={"x-api-key": key.encoded}).status == 403


def test_entries_are_found_by_page_time_and_member(world: World) -> None:
    """The newest first; `count` is of all that the conditions hold for."""
    for number in range(5):
        world.run(world.engine.audit.record(ADA if number % 2 else ANONYMOUS, f"act{number % 3}", f"t{number}"))
        world.run(world.clock.sleep(60))
    ask = Application(world)

    def targets(query: str) -> tuple[int, list[str]]:
        answer = ask("GET", PATH, query=query).json
        return answer["count"], [entry["target"] for entry in answer["entries"]]

    times = [entry["time"] for entry in trail(world)]
    assert times == sorted(times)
    assert targets("") == (5, ["t4", "t3", "t2", "t1", "t0"])
    assert targets("from=1&size=2") == (5, ["t3", "t2"])
    assert targets("caller=ada") == (2, ["t3", "t1"])
    assert targets("action=act1&caller=anonymous") == (1, ["t4"])
    assert targets("target=t2") == (1, ["t2"])
    assert targets(f"start={times[1]}&end={times[3]}") == (2, ["t2", "t1"])
    assert targets("end=0") == (0, [])
    assert targets("start=0&end=99999999999999999") == (5, ["t4", "t3", "t2", "t1", "t0"])
    for wrong in ("from=-1", "size=1001", "size=x", "start=yesterday", "end=2026-99-99", "who=ada", f"from={'9' * 30}"):
        assert ask("GET", PATH, query=wrong).status == 400


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET caller = 'eve'", "DELETE FROM audit", "REPLACE INTO audit VALUES (1, '', '', '', '', '')"],
)
def test_nothing_that_was_written_changes(world: World, tmp_path: Path, statement: str) -> None:
    """Neither by us nor by whoever opens the file with SQLite's own program."""
    kept = World(folder=tmp_path)
    kept.run(kept.engine.audit.record(ADA, "act", "t"))
    kept.store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "inferpoint.db")) as connection:
        connection.execute("PRAGMA recursive_triggers=ON")
        with pytest.raises(sqlite3.IntegrityError, match="the audit trail is append-only"):
            connection.execute(statement)


def test_a_file_has_the_same_as_lines(tmp_path: Path) -> None:
    """For its owner alone; a line is a line whatever stands in it, and a file that was moved is made anew."""
    world = World(folder=tmp_path, audit_file=tmp_path / "audit.jsonl")
    strange = 'a\n{"forged": 1}\r\x1b[31m\u2028\x85\ud800'
    changes = [
        Change(strange, strange, {"x": strange}),
        *(Change(str(number), None, "y" * 10_000) for number in range(100)),
    ]
    world.run(world.engine.audit.record(Caller(strange * 100, address="::1"), "act", strange * 1000, changes))
    file = tmp_path / "audit.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = file.read_bytes().splitlines()
    assert line.isascii()
    assert b"\x1b" not in line
    assert len(line) < 64 * 1024
    entry = json.loads(line)
    assert [entry] == trail(world)
    assert (len(entry["changes"]), entry["more_changes"]) == (50, 51)
    file.rename(tmp_path / "moved")
    world.create("e", EMBEDDING, openai())
    assert json.loads(file.read_text("ascii"))["action"] == "create_endpoint"
    world.store.close()


def test_an_action_whose_record_fails_stays_done(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The log has the record then: what is full must keep nobody from deleting."""

    async def fails(*_: Any, **__: Any) -> None:
        raise InferenceError(Kind.INTERNAL, "Failed to write the audit trail: disk is full")

    written = Audit(world.store, world.clock.now, tmp_path)  # a folder, to which nothing can be appended
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "run", fails)
        world.run(written.record(ADA, "act", "t"))
    assert "disk is full" in caplog.text
    assert f"cannot be written to {tmp_path}" in caplog.text
    assert caplog.text.count('"action": "act", "target": "t", "caller": "ada"') == 2
