"""What is counted of each request, and what the metrics tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from batches import Late, all_of, faulty, together
from clock import settle
from prometheus_client.parser import text_string_to_metric_families
from world import CHAT, COMPLETION, EMBEDDING, World, body, in_turn, json_reply, like_openai, openai

from inferpoint.engine.report import groups
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest, InputType, RequestStats

MakeWorld = Callable[..., World]


def metrics(world: World) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    return parsed(world.run(world.telemetry.exposition()))


def parsed(text: bytes) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """What Prometheus would read: each sample's values by its labels', in the order of their names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def limited(**rate: int) -> Any:
    return openai({"rate_limit": rate})


def counting(call: Call) -> Reply:
    """As OpenAI, with ten tokens for each input and seven for what it writes."""
    said = body(call)
    if "messages" in said:
        choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        return json_reply({"id": "1", "model": "m", "choices": [choice], "usage": usage})
    data = [{"index": n, "embedding": [n]} for n in range(len(said["input"]))]
    tokens = 10 * len(data)
    return json_reply({"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


async def ask(world: World, inference_id: str, *texts: str, **more: Any) -> RequestStats:
    request = InferenceRequest(texts, **more)
    await world.inferring(inference_id, request)
    return request.stats


def test_calls_and_attempts_are_counted_over_a_list(make_world: MakeWorld) -> None:
    """Three calls of which one is tried again are four attempts; they waited at the same time, the last the longest."""
    first = in_turn(Reply(503, headers={"retry-after": "1"}), Reply(200))
    world = make_world(lambda call: like_openai(call) if first(call).status == 200 else Reply(503), validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=60))
    stats = world.run(ask(world, "e", *map(str, range(2 * 2048 + 1))))
    assert (stats.calls, stats.attempts) == (3, 4)
    assert stats.queued >= 2


def test_chunks_are_counted_as_their_requests(make_world: MakeWorld) -> None:
    """The calls of all chunks are those of the one request, and a cache is asked for chunks."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai(cache={}))
    words = " ".join(f"word{number}" for number in range(40))
    chunking = Chunking({"strategy": "word", "max_chunk_size": 10, "overlap": 0})
    first = world.run(ask(world, "e", words, chunking=chunking))
    assert (first.calls, first.known, first.asked) == (1, 0, 4)
    again = world.run(ask(world, "e", words, chunking=chunking))
    assert (again.calls, again.known, again.asked) == (0, 4, 4)


def test_who_shares_a_call_is_told_of_one(make_world: MakeWorld) -> None:
    """Each of several requests says one call, and how long it has waited itself."""
    world = make_world(counting, validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=30))

    async def crowd() -> list[RequestStats]:
        tasks = [asyncio.ensure_future(ask(world, "e", "first"))]
        await settle()
        tasks.append(asyncio.ensure_future(ask(world, "e", "early")))
        await world.clock.advance(1.5)
        tasks += [asyncio.ensure_future(ask(world, "e", *texts)) for texts in (("late", "early"), ("last",))]
        await world.clock.advance(1)
        return await asyncio.gather(*tasks)

    found = asyncio.run(crowd())
    assert [(each.calls, each.attempts) for each in found] == [(1, 1)] * 4
    assert [each.queued for each in found] == pytest.approx([0, 2, 0.5, 0.5])
    assert len(world.provider.calls) == 2
    read = metrics(world)
    assert read["inferpoint_merged_requests_total"] == {("openai",): 3}
    assert read["inferpoint_single_flight_inputs_total"] == {("openai",): 1}
    assert read["inferpoint_call_inputs_sum"] == {("openai",): 4}
    assert read["inferpoint_call_inputs_count"] == read["inferpoint_call_fill_ratio_count"] == {("openai",): 2}
    assert 0 < read["inferpoint_call_fill_ratio_sum"]["openai",] < 0.01


def test_who_joins_a_call_on_its_way_is_told_of_its_own_time(make_world: MakeWorld) -> None:
    """What the call had waited, and been at the provider, before somebody joined it is not theirs."""
    world = make_world(lambda call: Late(world.clock, 5, counting(call)), validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=30))

    async def joins() -> list[RequestStats]:
        tasks = [asyncio.ensure_future(ask(world, "e", "before"))]
        await settle()
        tasks.append(asyncio.ensure_future(ask(world, "e", "a")))
        await world.clock.advance(4)
        tasks.append(asyncio.ensure_future(ask(world, "e", "a")))
        return await world.clock.drive(all_of(*tasks))

    found = asyncio.run(joins())
    assert [each.queued for each in found] == pytest.approx([0, 2, 0])
    assert [each.upstream for each in found] == pytest.approx([5, 5, 3])
    assert len(world.provider.calls) == 2


def test_a_call_is_counted_once(make_world: MakeWorld) -> None:
    """Also for who leaves because of what it brought, while what became of its other inputs is still looked for."""
    world = make_world(faulty("bad"), validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=60))
    request = InferenceRequest(("bad", "good"))
    together(world, world.inferring("e", request))
    assert (request.stats.calls, request.stats.attempts) == (2, 2)
    assert len(world.provider.calls) == 2


def test_a_full_call_is_told_as_full(world: World) -> None:
    """The fill is the part of what a call may hold, at most 1."""
    world.create("e", EMBEDDING, openai())
    world.infer("e", *map(str, range(2048)))
    filled = metrics(world)["inferpoint_call_fill_ratio_bucket"]
    assert (filled["0.95", "openai"], filled["1.0", "openai"]) == (1, 2)  # the first is the validation


def test_a_request_that_leaves_the_queue_says_how_long_it_was_there(make_world: MakeWorld) -> None:
    """Though it was never sent."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=1))

    async def leave() -> RequestStats:
        await ask(world, "e", "first")
        request = InferenceRequest(("second",), timeout=90.0)
        task = asyncio.ensure_future(world.inferring("e", request))
        await world.clock.advance(7)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return request.stats

    left = asyncio.run(leave())
    assert (left.calls, left.queued, left.upstream) == (0, pytest.approx(7), 0)


def test_metrics_tell_what_was_learnt_beside_what_was_configured(make_world: MakeWorld) -> None:
    """For each rate group its limits, what the provider says is left, its pause; who waits, by lane."""
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "400",
        "x-ratelimit-reset-requests": "30s",
    }
    world = make_world(in_turn(json_reply({"data": [{"index": 0, "embedding": [1]}]}, **headers)), validate=False)
    made = world.create("e", EMBEDDING, limited(requests_per_minute=6, tokens_per_minute=9000))
    group = made.group

    async def wait() -> None:
        await ask(world, "e", "x")
        tasks = [
            asyncio.ensure_future(ask(world, "e", "y", input_type=input_type, timeout=60.0))
            for input_type in (InputType.SEARCH, InputType.INGEST, None)
        ]
        await world.clock.advance(4)
        world.limiter.pause(group, 60, "")
        read.update(parsed(await world.telemetry.exposition()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    read: dict[str, Mapping[tuple[str, ...], float]] = {}
    asyncio.run(wait())
    of = group, "requests", "openai"
    assert read["inferpoint_limit_per_minute"] == {of: 6, (group, "tokens", "openai"): 9000}
    assert (read["inferpoint_provider_limit"], read["inferpoint_provider_remaining"]) == ({of: 500}, {of: 400})
    lanes = [(group, lane, "openai") for lane in ("search", "other", "ingest")]
    assert read["inferpoint_queue_calls"] == dict.fromkeys(lanes, 1)
    assert read["inferpoint_queue_oldest_seconds"] == pytest.approx(dict.fromkeys(lanes, 4))
    assert read["inferpoint_paused_seconds"] == {(group, "openai"): pytest.approx(60)}


def test_what_a_provider_told_fills_up_with_time(make_world: MakeWorld) -> None:
    """What is left is what was told until all is there again, and then all; the time until then runs down."""
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "400",
        "x-ratelimit-reset-requests": "30s",
    }
    world = make_world(in_turn(json_reply({"data": [{"index": 0, "embedding": [1]}]}, **headers)), validate=False)
    world.create("e", EMBEDDING, openai())
    world.infer("e", "x")

    async def told(seconds: float) -> tuple[int, float]:
        await world.clock.advance(seconds)
        (report,) = await world.limiter.groups()
        assert report.told.requests is not None
        return report.told.requests.remaining, report.told.requests.full_in

    assert asyncio.run(told(20)) == (400, pytest.approx(10))
    assert asyncio.run(told(20)) == (500, 0)


def test_tokens_are_counted_as_estimated_and_as_used(make_world: MakeWorld) -> None:
    """Both for the same calls, embeddings and what models write; a provider that tells nothing counts for neither."""
    world = make_world(counting, validate=False)
    world.create("e", EMBEDDING, openai())
    world.infer("e", "a" * 30, "b" * 30)
    read = metrics(world)["inferpoint_tokens_total"]
    assert read == {("openai", "used"): 20, ("openai", "estimated"): 22}
    world.create("c", COMPLETION, openai())
    world.infer("c", "x")
    after = metrics(world)["inferpoint_tokens_total"]
    assert after["openai", "used"] == 32
    assert after["openai", "estimated"] > 250
    world.provider.answer = like_openai
    world.infer("e", "c")
    assert metrics(world)["inferpoint_tokens_total"] == after


def test_metrics_tell_of_all_caches(make_world: MakeWorld) -> None:
    """Hits, misses, and what is held, until the endpoint and its cache are gone."""
    world = make_world(validate=False)
    for name in ("a", "b"):
        world.create(name, EMBEDDING, openai(cache={}))
        world.infer(name, "x", "y")
    world.infer("a", "x", "z")
    read = metrics(world)
    assert (read["inferpoint_cache_hits_total"][()], read["inferpoint_cache_misses_total"][()]) == (1, 5)
    assert read["inferpoint_cache_entries"][()] == 5
    size = read["inferpoint_cache_bytes"][()]
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "a"))
    read = metrics(world)
    assert read["inferpoint_cache_entries"][()] == 2
    assert 0 < read["inferpoint_cache_bytes"][()] < size


def test_quotas_are_of_every_group(make_world: MakeWorld) -> None:
    """Endpoints that share one are named together; one that nobody has called is there, but none that nobody has."""
    world = make_world(counting, validate=False)
    for name in ("a", "b"):
        world.create(name, EMBEDDING, openai())
    world.create("other", CHAT, openai({"model_id": "n", "rate_limit": {"requests_per_minute": 7}}))
    world.infer("a", "x")
    first, second = world.run(world.engine.quotas(ANONYMOUS))
    assert (list(first.inference_ids), first.breakers) == (["a", "b"], {"https://api.openai.com": "closed"})
    assert (list(second.inference_ids), second.standing.rate.requests) == (["other"], 7)
    for name in ("a", "b", "other"):
        world.run(world.engine.lifecycle.delete(ANONYMOUS, name))
    assert world.run(world.engine.quotas(ANONYMOUS)) == []
    assert [*world.run(groups(world.limiter, world.endpoints.all()))] == []
    assert len(world.run(world.limiter.groups())) == 1
