"""The providers' own SDKs take our stand-in of their batches for the provider, and others' stand-ins take our calls."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from batch_provider import BatchProvider, Outcome, serving
from botocore.config import Config
from real_processes import ROOT, Aimock, environ, run
from stand_ins import StandIn
from world import COMPLETION, World, openai

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.batches import Ended, Waiting
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.model.results import Completion
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.protocols import s3
from inferpoint.protocols.service import Moment
from inferpoint.services.amazonbedrock.account import Account

SCRIPTS = Path(__file__).parent / "scripts"


def judged(script: str, provider: BatchProvider, home: Path) -> dict[str, Any]:
    """What a provider's own client understood of our stand-in."""
    python = ROOT / ".venvs/judges-sdks/bin/python"
    assert python.exists(), "`make .venvs/judges-sdks/.installed` installs the SDKs"
    with serving(provider) as address:
        ended = run((str(python), str(SCRIPTS / script), address), environ(home))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_openai_s_client_hands_in_a_batch(tmp_path: Path) -> None:
    """And reads its states, counts, answers and errors, its place in the list, and its end."""
    understood = judged("openai_batches.py", BatchProvider(Outcome(statuses={1: 400}), Outcome(polls=9)), tmp_path)
    assert understood == {
        "states": ["validating", "in_progress", "completed"],
        "counts": {"total": 3, "completed": 2, "failed": 1},
        "answers": {"job-0-0": [3.0, 0.0, 1.0], "job-0-2": [6.0, 0.0, 1.0]},
        "refused": {"job-0-1": 400},
        "listed": True,
        "cancelled": "cancelled",
        "deleted": True,
    }


def test_anthropic_s_client_hands_in_a_batch(tmp_path: Path) -> None:
    """And reads its states, counts and results, its place in the list, and its end."""
    provider = BatchProvider(Outcome(end="expired", done=0.75, statuses={1: 400}), Outcome(polls=9))
    assert judged("anthropic_batches.py", provider, tmp_path) == {
        "states": ["in_progress", "in_progress", "ended"],
        "counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 1},
        "results": {"job-0-0": "succeeded", "job-1-0": "errored", "job-2-0": "succeeded", "job-3-0": "expired"},
        "text": "one",
        "error": ["invalid_request_error", "line refused with 400"],
        "listed": True,
        "cancelled": "ended",
        "deleted": "message_batch_deleted",
    }


def client(service: str, address: str, keys: Mapping[str, str]) -> Any:
    """Amazon's own client of a service at *address*."""
    return botocore.session.Session().create_client(
        service,
        "us-east-1",
        endpoint_url=address,
        aws_access_key_id=keys["access_key"],
        aws_secret_access_key=keys["secret_key"],
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )


def test_amazon_s_client_hands_in_a_job() -> None:
    """And reads its states and counts, finds it by its name, gets its file, and stops it; a token makes no second."""
    provider = BatchProvider(Outcome(statuses={1: 400}))
    keys = {"access_key": "AKIDEXAMPLE", "secret_key": "secret"}
    lines = [{"recordId": f"job-0-{place}", "modelInput": {"inputText": text}} for place, text in enumerate("ab")]
    with serving(provider) as address:
        bucket, bedrock = client("s3", address, keys), client("bedrock", address, keys)
        bucket.put_object(Bucket="bucket", Key="job/lines.jsonl", Body="\n".join(map(json.dumps, lines)))
        asked = {
            "jobName": "job-1", "clientRequestToken": "job-1", "roleArn": "arn:aws:iam::123456789012:role/batch",
            "modelId": "amazon.titan-embed-text-v2:0", "modelInvocationType": "InvokeModel",
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://bucket/job/lines.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/job/"}},
        }  # fmt: skip
        arns = {bedrock.create_model_invocation_job(**asked)["jobArn"] for _ in range(2)}
        assert len(arns) == 1
        (arn,) = arns
        number = arn.rpartition("/")[2]
        jobs = [bedrock.get_model_invocation_job(jobIdentifier=number) for _ in range(2)]
        assert [job["status"] for job in jobs] == ["InProgress", "Completed"]
        assert (jobs[1]["successRecordCount"], jobs[1]["errorRecordCount"]) == (1, 1)
        listed = bedrock.list_model_invocation_jobs(nameContains="job-1")["invocationJobSummaries"]
        assert [(one["jobArn"], one["clientRequestToken"]) for one in listed] == [(arn, "job-1")]
        written = bucket.get_object(Bucket="bucket", Key=f"job/{number}/lines.jsonl.out")["Body"].read()
        with pytest.raises(bedrock.exceptions.ConflictException):
            bedrock.stop_model_invocation_job(jobIdentifier=number)
    answers = {line["recordId"]: line for line in map(json.loads, written.splitlines())}
    assert answers["job-0-0"]["modelOutput"]["embedding"] == [1.0, 0.0, 1.0]
    assert answers["job-0-1"]["error"] == {"errorCode": 400, "errorMessage": "line refused with 400"}


def test_moto_takes_what_we_do_with_objects(moto: StandIn, keys: dict[str, str]) -> None:
    """It computes our signatures anew; what we put its own client gets, and what we delete is gone."""
    bucket = client("s3", moto.url, keys)
    bucket.create_bucket(Bucket="batches.of-ours")
    ours = {"region": "us-east-1", "provider": "amazontitan", "model": "m", "access_key": keys["access_key"]}
    account = Account(**ours, secret_key=keys["secret_key"])
    uri = "s3://batches.of-ours/a_folder/job-1/lines.jsonl"

    async def sent(*calls: Call) -> list[Reply]:
        transport = HttpTransport("0")
        try:
            signed = [s3.sign(call, account, Moment(datetime.now(UTC))) for call in calls]
            return [await (await transport.send(call)).read() for call in signed]
        finally:
            await transport.close()

    put, got = asyncio.run(sent(s3.call("PUT", moto.url, uri, b"{}\n"), s3.call("GET", moto.url, uri)))
    assert (put.status, got.status, got.body) == (200, 200, b"{}\n")
    assert bucket.get_object(Bucket="batches.of-ours", Key="a_folder/job-1/lines.jsonl")["Body"].read() == b"{}\n"
    gone = asyncio.run(sent(s3.call("DELETE", moto.url, uri), s3.call("GET", moto.url, uri)))
    assert [reply.status for reply in gone] == [204, 404]
    account = Account(**ours, secret_key="another")
    assert [reply.status for reply in asyncio.run(sent(s3.call("GET", moto.url, uri)))] == [403]


def answered(call: Call) -> Reply:
    """The reply of a server on loopback."""
    request = urllib.request.Request(call.url, call.body or None, dict(call.headers), method=call.method)
    try:
        with urllib.request.urlopen(request) as response:
            return Reply(
                response.status, response.read(), {name.lower(): text for name, text in response.headers.items()}
            )
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read())


@pytest.mark.parametrize("outcome", ["completed", "failed", "expired", "cancelled"])
def test_aimock_takes_our_batches(aimock: Aimock, make_world: Callable[..., World], outcome: str) -> None:
    """From the file to the answers, or to what it says became of them; and a batch of it is found by its name."""
    world = make_world(answered, validate=False, environ={"OPENAI_BASE_URL": f"{aimock.url}/v1"})
    headers = {"x-aimock-batch-outcome": outcome}
    world.create("e", COMPLETION, openai(task_settings={"headers": headers}))
    walk = world.engine.batches(world.engine.find(ANONYMOUS, "e"))
    requests = {number: InferenceRequest((text,)) for number, text in enumerate(["one", "two"])}
    name = f"job-{outcome}-{time.time_ns()}"
    planned = world.run(walk.plan(requests, name))
    batch = world.run(walk.submit(planned, requests))
    adopted = world.run(walk.adopt(planned))
    assert adopted == batch
    assert isinstance(world.run(walk.look(batch)), Waiting)
    ended = world.run(walk.look(batch))
    assert isinstance(ended, Ended)
    if outcome == "failed":
        with pytest.raises(InferenceError, match="Mock batch failure"):
            world.run(walk.collect(batch, ended, requests))
        return
    answers = world.run(walk.collect(batch, ended, requests))
    if outcome == "completed":
        assert [one.choices[0].text for one in answers.values() if isinstance(one, Completion)] == [
            "Mock batch completion"
        ] * 2
        world.run(walk.discard(batch, ended))
    else:
        assert [one.kind for one in answers.values() if isinstance(one, InferenceError)] == [Kind.CUT_OFF] * 2
