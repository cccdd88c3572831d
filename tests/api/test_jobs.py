"""Bulk jobs by HTTP: what may be asked of them, by whom, and in which words they are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hosting import REQUEST, hosting
from in_process import Application, Told
from making_keys import make
from world import COMPLETION, EMBEDDING, World, hugging_face, openai

from inferpoint.access.credentials import Credentials
from inferpoint.api.elastic.jobs import JobRoutes
from inferpoint.api.face import Route
from inferpoint.bulk.job import Failure, FailureKind, Job, JobState, Paid, Spec
from inferpoint.bulk.manifest import Manifest, Outcome, opened
from inferpoint.bulk.sinks.sink import Receipt
from inferpoint.model.endpoint import TaskType

MONITOR, MANAGE = "monitor_inference", "manage_inference"
JOBS, JOB = "/_inference/_jobs", "/_inference/_jobs/job"
ROUTES = JobRoutes(None).routes()
OF_ONE = [route for route in ROUTES if "{job}" in route.path]
IDS = [f"{route.method} {route.path}" for route in ROUTES]


@pytest.fixture
def ask(make_world: Callable[..., World], tmp_path: Path) -> Iterator[Application]:
    """A server with places and endpoints, on which no runner works."""
    world = make_world(validate=False)
    world.create("my-embeddings", EMBEDDING, openai(aliases=["alias"]))
    world.create("theirs", EMBEDDING, openai({"model_id": "other"}))
    world.create("writes", COMPLETION, openai())
    world.create("ours", EMBEDDING, hugging_face())
    world.create("ranks", TaskType.RERANK, hugging_face({"url": "https://tei.test/rerank"}))
    with hosting(world, tmp_path, ["a", "b", "c", "d", "e"]) as jobs:
        yield Application(world, jobs=jobs)


@pytest.fixture
def manifest(ask: Application, tmp_path: Path) -> Iterator[Manifest]:
    """The books of the server's jobs, which others have open, too."""
    assert ask
    books = opened(tmp_path / "jobs")
    yield books
    books.close()


def bearing(key: Credentials) -> dict[str, str]:
    return {"authorization": f"ApiKey {key.encoded}"}


def path_of(route: Route, name: str = "job") -> str:
    return route.path.replace("{job}", name)


def reason(told: Told) -> str:
    return told.json["error"]["reason"]


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_without_places_there_are_no_jobs(make_world: Callable[..., World], route: Route) -> None:
    """Every route says so, and how places are configured."""
    told = Application(make_world())(route.method, path_of(route), REQUEST if route.form.takes else None)
    assert (told.status, told.json["error"]["type"]) == (400, "illegal_argument_exception")
    assert "[bulk.places.NAME]" in reason(told)


def test_a_job_is_started_and_told(ask: Application) -> None:
    """What it is to do, what it has done, and by whom it was started, without an address; started again it goes on."""
    told = ask("POST", JOBS, {**REQUEST, "inference_id": "alias", "keep": ["lang"], "max_failed": 0.5})
    assert told.status == 200, told.body
    shown = told.json
    assert shown["inference_id"] == "my-embeddings"
    assert (shown["state"], shown["started_by"], shown["keep"]) == ("running", "anonymous", ["lang"])
    assert shown["counts"]["planned"] == 5
    assert shown["pace"] == {"items_per_second": None, "seconds_left": None}
    assert {name: shown[name] for name in ("source", "sink")} == {name: REQUEST[name] for name in ("source", "sink")}
    assert ask("GET", JOB).json == shown
    assert ask("GET", JOBS).json == {"count": 1, "jobs": [shown]}
    again = ask("POST", JOBS, {**REQUEST, "keep": ["lang"], "max_failed": 0.1}).json
    assert (again["created"], again["max_failed"]) == (shown["created"], 0.1)
    told = ask("POST", JOBS, {**REQUEST, "text": "other"})
    assert told.status == 400
    assert "with [text] [text] and not [other]" in reason(told)


def test_a_job_without_a_name_has_one(ask: Application) -> None:
    """The same that is asked twice is one job, whoever asks."""
    body = {name: value for name, value in REQUEST.items() if name != "name"}
    names = {ask("POST", JOBS, body).json["name"] for _ in range(2)}
    assert len(names) == 1
    assert ask("GET", f"{JOBS}/{names.pop()}").status == 200


def test_jobs_come_in_pages(ask: Application) -> None:
    """The newest first, and of those as many as are asked for."""
    for number in range(3):
        sink = {"place": "vectors", "path": f"{number}.jsonl"}
        assert ask("POST", JOBS, {**REQUEST, "name": f"j{number}", "sink": sink}).status == 200
        ask.world.clock.jump(1)
    page = ask("GET", JOBS, query="from=1&size=1").json
    assert (page["count"], [job["name"] for job in page["jobs"]]) == (3, ["j1"])
    assert ask("GET", JOBS, query="size=1001").status == 400


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"inference_id": None}, ["[job] does not contain the required setting [inference_id]"]),
    ({"inferenceid": "x"}, ["[inferenceid] is no member of a job, did you mean [inference_id]"]),
    ({"address": "s3://x"}, ["[address] is no member of a job"]),
    ({"source": "s3://bucket/x"}, ["[source] is not of the expected type"]),
    ({"source": {}}, ["[source] does not contain the required setting [place]"]),
    ({"source": {"place": "docs"}}, ["[source] does not contain the required setting [path]"]),
    ({"source": {"address": "s3://x"}}, ["unknown entries", "[place]", "[path]"]),
    ({"source": {"place": "dcs", "path": "../x"}}, ["[source.place] There is no place", "[source.path] No name"]),
    ({"source": {"place": "vectors", "path": "x"}}, ["[source.place] The place [vectors] is not one to read from"]),
    ({"sink": {"place": "docs", "path": "/x"}}, ["not one to write to", "[sink.path] A path begins with"]),
    ({"sink": {"place": "vectors", "path": "*.jsonl"}}, ["[sink.path]"]),
    ({"text": 1, "keep": "a", "chunk": 1}, ["field [text]", "field [keep]", "field [chunk]"]),
    ({"limit": 0, "max_failed": 2, "on_error": "x"}, ["[limit]", "[max_failed]", "[on_error]"]),
    (
        {"mode": "later", "poll": 0, "fallback": 6},
        ["[mode]", "[poll]", "[fallback]"],
    ),
]


@pytest.mark.parametrize(("members", "words"), WRONG, ids=[json.dumps(members) for members, _ in WRONG])
def test_all_that_is_wrong_with_a_body_is_told(ask: Application, members: dict[str, Any], words: list[str]) -> None:
    """At once, in Elasticsearch's form, and beside what else is wrong; no job is made."""
    told = ask("POST", JOBS, {**REQUEST, **members, "nothing": 1})
    assert (told.status, told.json["error"]["type"]) == (400, "validation_exception")
    assert all(one in reason(told) for one in [*words, "[nothing] is no member of a job"]), reason(told)
    assert ask("GET", JOBS).json["count"] == 0


@pytest.mark.parametrize(
    ("members", "status", "words"),
    [
        ({"inference_id": "nobody"}, 404, "Inference endpoint not found [nobody]"),
        ({"inference_id": "ranks"}, 400, "a job embeds texts"),
        ({"inference_id": "writes", "chunk": True}, 400, "Inputs cannot be chunked"),
        ({"name": "_all"}, 400, "[_all] is no name of a job"),
        ({"name": "A/../b"}, 400, "is no name of a job"),
        ({"source": {"place": "docs", "path": "none.jsonl"}}, 404, "place:docs/none.jsonl"),
        ({"source": {"place": "docs", "path": "2026/none/*.jsonl"}}, 404, "place:docs/2026"),
        ({"sink": {"place": "vectors", "path": "x"}}, 400, "place:vectors/x"),
        ({"keep": ["embedding"]}, 400, "[embedding] cannot be kept"),
        ({"task_settings": {"nothing": 1}}, 400, "nothing"),
        ({"inference_id": "ours", "mode": "batch"}, 405, "The service [hugging_face] has no batches"),
        ({"task_settings": {"headers": {"x-team": "sk-canary"}}}, 400, "[headers] may hold a secret"),
    ],
)
def test_a_job_that_cannot_be_is_refused(
    ask: Application, tmp_path: Path, members: dict[str, Any], status: int, words: str
) -> None:
    """Before anything is planned, in words that have neither an address nor a secret, and it is in the audit trail."""
    told = ask("POST", JOBS, {**REQUEST, **members})
    assert (told.status, words in reason(told)) == (status, True), reason(told)
    assert str(tmp_path) not in reason(told)
    assert "canary" not in reason(told)
    assert ask("GET", JOBS).json["count"] == 0
    entry = ask("GET", "/_inference/_audit").json["entries"][0]
    assert (entry["action"], entry["outcome"]) == ("start_job", "failure")
    assert not ask.world.provider.calls


def test_a_link_out_of_a_place_is_forbidden(ask: Application, tmp_path: Path) -> None:
    """What somebody left in a folder leads nowhere else."""
    (tmp_path / "docs/out.jsonl").symlink_to("/etc/hostname")
    told = ask("POST", JOBS, {**REQUEST, "source": {"place": "docs", "path": "out.jsonl"}})
    assert (told.status, reason(told)) == (403, "[out.jsonl] leads out of its place by a link")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        (JOBS, "PUT", 405),
        (JOBS, "DELETE", 405),
        (JOB, "POST", 405),
        (JOB, "PUT", 405),
        (f"{JOBS}/_update", "PUT", 405),
        (f"{JOBS}/_stream", "POST", 405),
        (f"{JOBS}/_chunk", "POST", 405),
        (f"{JOBS}/_all", "GET", 404),
        (f"{JOB}/_nothing", "POST", 404),
        ("/_inference/text_embedding/_jobs", "PUT", 400),
    ],
)
def test_jobs_are_no_endpoint(ask: Application, path: str, method: str, status: int) -> None:
    """The name is nobody's id, and no method of an endpoint reaches it."""
    assert ask(method, path, openai() if method in ("PUT", "POST") else None).status == status
    assert not ask.world.provider.calls


def test_a_jobs_states_are_changed_by_name(ask: Application) -> None:
    """Paused, resumed, ended; what cannot be is a 409 that says how it stands, and each is in the audit trail."""
    ask("POST", JOBS, REQUEST)
    for act, status, state in (
        ("pause", 200, "paused"),
        ("pause", 200, "paused"),
        ("resume", 200, "running"),
        ("resume", 200, "running"),
        ("cancel", 200, "cancelled"),
        ("resume", 409, "cancelled"),
        ("pause", 409, "cancelled"),
        ("retry", 409, "cancelled"),
    ):
        told = ask("POST", f"{JOB}/_{act}")
        assert told.status == status
        assert told.json["state"] == state if status == 200 else f"The job [job] is {state}" in reason(told)
    assert ask("DELETE", JOB).json == {"acknowledged": True}
    assert ask("GET", JOB).status == 404
    entries = ask("GET", "/_inference/_audit").json["entries"]
    actions = [entry["action"] for entry in entries if entry["outcome"] == "success" and entry["target"] == "job"]
    assert actions[::-1] == [
        "start_job", "pause_job", "pause_job", "resume_job", "resume_job", "cancel_job", "delete_job",
    ]  # fmt: skip
    (started,) = (entry for entry in entries if entry["action"] == "start_job")
    assert {change["name"]: change["after"] for change in started["changes"]} == {
        "inference_id": "my-embeddings",
        "source": "place:docs/2026/docs.jsonl",
        "sink": "place:vectors/docs.jsonl",
    }


def test_a_job_that_runs_is_not_forgotten(ask: Application) -> None:
    """Somebody may be about to write down what was paid for."""
    ask("POST", JOBS, REQUEST)
    told = ask("DELETE", JOB)
    assert (told.status, "pause it or cancel it first" in reason(told)) == (409, True)
    assert ask("GET", JOB).status == 200


def test_failures_come_in_pages(ask: Application, manifest: Manifest, tmp_path: Path) -> None:
    """By the numbers of their items, with what the next page begins after; no reason has an address in it."""
    ask("POST", JOBS, REQUEST)
    failures = [
        Failure(number, f"d{number}", FailureKind.REJECTED, f"[{tmp_path}/vectors/docs.jsonl] says no")
        for number in range(5)
    ]
    shard = manifest.claim("job", "somebody", 0.0, 60.0)
    assert shard is not None
    assert manifest.commit("job", "somebody", shard, Outcome(5, Receipt(0), failures, Paid()))
    seen: list[int] = []
    query = "size=2"
    while True:
        page = ask("GET", f"{JOB}/_failures", query=query).json
        seen += [one["item"] for one in page["failures"]]
        assert all(one["reason"] == "[place:vectors/docs.jsonl] says no" for one in page["failures"])
        if page["next"] is None:
            break
        query = f"size=2&after={page['next']}"
    assert seen == [0, 1, 2, 3, 4]
    assert ask("GET", f"{JOB}/_failures", query="after=x").status == 400


@pytest.fixture
def closed(ask: Application) -> Application:
    """A server with keys, and a job of an endpoint that is not for all of them."""
    admin = make(ask.world, "all")[1]
    told = ask("POST", JOBS, {**REQUEST, "inference_id": "theirs"}, headers=bearing(admin))
    assert told.status == 200, told.body
    return ask


@pytest.mark.parametrize("route", OF_ONE, ids=[f"{route.method} {route.path}" for route in OF_ONE])
@pytest.mark.parametrize("held", [{"inference_ids": ["my-*"]}, {"task_types": ["completion"]}])
def test_a_job_of_others_is_one_that_is_not_there(
    closed: Application, manifest: Manifest, route: Route, held: dict[str, Any]
) -> None:
    """Whatever is asked of a job whose endpoint is not for a key has the answer of one that does not exist."""
    known = make(closed.world, MANAGE, **held)[1]
    answers = [closed(route.method, path_of(route, name), headers=bearing(known)) for name in ("job", "missing")]
    bodies = {re.sub(r"\[(job|missing)\]", "[name]", told.body.decode()) for told in answers}
    assert {told.status for told in answers} == {404}
    assert len(bodies) == 1
    (job,) = manifest.jobs()
    assert job.state is JobState.RUNNING


def test_a_key_starts_and_sees_jobs_of_its_own_endpoints(closed: Application) -> None:
    """Of any other there is neither an endpoint nor a name to be had, and none in the list."""
    heads = bearing(make(closed.world, MANAGE, inference_ids=["my-*"])[1])
    told = closed("POST", JOBS, {**REQUEST, "inference_id": "theirs", "name": "x"}, headers=heads)
    assert (told.status, "not found [theirs]" in reason(told)) == (404, True)
    told = closed("POST", JOBS, REQUEST, headers=heads)
    assert (told.status, reason(told)) == (409, "There is another job of the name [job]")
    sink = {"place": "vectors", "path": "mine.jsonl"}
    assert closed("POST", JOBS, {**REQUEST, "name": "mine", "sink": sink}, headers=heads).status == 200
    assert [job["name"] for job in closed("GET", JOBS, headers=heads).json["jobs"]] == ["mine"]


def test_who_only_looks_changes_nothing(closed: Application, manifest: Manifest) -> None:
    """The privilege to monitor is for looking, that to manage for all else; both are Elasticsearch's own."""
    looking = bearing(make(closed.world, MONITOR)[1])
    for route in ROUTES:
        told = closed(route.method, path_of(route), REQUEST if route.form.takes else None, headers=looking)
        assert (told.status == 200) is (route.method == "GET"), route.path
        assert told.status in (200, 403)
    assert [job.state for job in manifest.jobs()] == [JobState.RUNNING]


def test_batches_are_not_for_a_key_with_limits(closed: Application) -> None:
    """What they use is known too late to be held to any."""
    heads = bearing(make(closed.world, MANAGE, budget={"tokens_per_day": 5})[1])
    body = {**REQUEST, "name": "later", "mode": "batch", "sink": {"place": "vectors", "path": "later.jsonl"}}
    told = closed("POST", JOBS, body, headers=heads)
    assert (told.status, "held to no limits" in reason(told)) == (403, True)
    told = closed("POST", JOBS, body, headers=bearing(make(closed.world, MANAGE)[1]))
    assert (told.status, told.json["mode"]) == (200, "batch")


def test_whoever_resumes_a_job_is_its_caller(closed: Application) -> None:
    """From then on it asks in that name, and counts against those limits."""
    key, known = make(closed.world, MANAGE)
    assert closed("POST", f"{JOB}/_pause", headers=bearing(known)).json["started_by"] != key.id
    assert closed("POST", f"{JOB}/_resume", headers=bearing(known)).json["started_by"] == key.id


def test_jobs_of_the_command_line_are_not_the_servers(ask: Application, manifest: Manifest) -> None:
    """One with addresses of its own in the same books is neither shown nor changed."""
    ask("POST", JOBS, REQUEST)
    (job,) = manifest.jobs()
    spec = Spec(endpoint="my-embeddings", source="/etc/passwd", sink="s3://bucket/x")
    assert manifest.add(Job("typed", JobState.RUNNING, spec, job.pinned, 0.0), [])
    assert [one["name"] for one in ask("GET", JOBS).json["jobs"]] == ["job"]
    assert ask("GET", f"{JOBS}/typed").status == 404
    assert ask("POST", f"{JOBS}/typed/_cancel").status == 404
    told = ask("POST", JOBS, {**REQUEST, "name": "typed"})
    assert (told.status, "another job" in reason(told)) == (409, True)
