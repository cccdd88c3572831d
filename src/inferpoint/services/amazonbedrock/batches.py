"""Batches: jobs that read their lines from S3 and write the answers there.

https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from typing_extensions import override

from inferpoint.errors import Upstream, invalid
from inferpoint.model.batches import BatchLimits, Ended, Submitted, Waiting
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.protocols import aws, s3
from inferpoint.protocols.auth import sigv4
from inferpoint.protocols.batches import At, Batches, Line, Listed, Page
from inferpoint.protocols.service import Moment, Origin
from inferpoint.services.amazonbedrock.account import STATUSES
from inferpoint.services.amazonbedrock.jobs import NONE, Answer, Error, read
from inferpoint.services.amazonbedrock.jobs import Page as Jobs

_GOES_ON = frozenset({"Submitted", "Validating", "Scheduled", "InProgress", "Stopping"})
_FILE = "lines.jsonl"
_HOURS = 24
_FULL = "servicequotaexceeded"
_BEDROCK = sigv4("bedrock")


class InvocationJobs(Batches[Any]):
    """The batches of calls that are of the *invocation* type InvokeModel or Converse.

    AWS sets quotas by model and region, and of a hundred lines at the least.
    """

    limits = BatchLimits(50_000, 200_000_000)
    origin = Origin(lambda account: aws.address("bedrock", account.region), "AWS_ENDPOINT_URL_BEDROCK")
    files = Origin(lambda account: aws.address("s3", account.region), "AWS_ENDPOINT_URL_S3")
    repeatable = True

    def __init__(self, invocation: str) -> None:
        self._invocation = invocation

    @override
    def sign(self, call: Call, settings: Any, moment: Moment, /) -> Call:
        return s3.sign(call, settings, moment) if s3.is_one(call) else _BEDROCK(call, settings, moment)

    @override
    def check(self, at: At[Any], /) -> None:
        missing = [name for name in ("batch_role_arn", "batch_s3_uri") if not getattr(at.settings, name)]
        if missing:
            raise invalid(f"Batches need the service settings [{', '.join(missing)}]")

    @override
    def written(self, line: Line, /) -> bytes:
        return msgspec.json.encode({"recordId": line.id, "modelInput": msgspec.Raw(line.call.body)})

    @override
    def upload(self, name: str, lines: Sequence[bytes], at: At[Any], /) -> Call:
        return s3.call("PUT", at.files, _key(at, name, _FILE), b"\n".join(lines) + b"\n")

    @override
    def create(self, name: str, _lines: Sequence[bytes], _file: str, _first: Call, at: At[Any], /) -> Call:
        sent, answers = _key(at, name, _FILE), _key(at, name, "")
        body = {
            "jobName": name,
            "clientRequestToken": name,
            "roleArn": at.settings.batch_role_arn,
            "modelId": at.settings.model,
            "modelInvocationType": self._invocation,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": sent, "s3InputFormat": "JSONL"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": answers}},
            "timeoutDurationInHours": _HOURS,
        }
        return json_call(f"{at.origin}/model-invocation-job", body)

    @override
    def created(self, reply: Reply, /) -> str:
        return read(reply).id

    @override
    def ask(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(_of(batch, at), method="GET")

    @override
    def state(self, reply: Reply, /) -> Waiting | Ended:
        """The state; a job that was stopped or ran out of time has the answers that it had come to."""
        job = read(reply)
        good, bad = job.success_record_count or 0, job.error_record_count or 0
        if job.status in _GOES_ON:
            return Waiting(good, bad, job.total_record_count or 0)
        if job.status == "Failed":
            return Ended(refusal=Upstream(400, job.message or ""))
        return Ended(() if job.status == "Expired" else (_FILE,), good + bad)

    @override
    def fetch(self, place: str, batch: Submitted, at: At[Any], /) -> Call:
        return s3.call("GET", at.files, _key(at, batch.name, f"{batch.id}/{place}.out"))

    @override
    def answer(self, line: bytes, /) -> tuple[str, Reply]:
        answer = parse(line, Answer, of="Amazon Bedrock batch")
        if answer.model_output != NONE:
            return answer.record_id, Reply(200, bytes(answer.model_output))
        error = answer.error or Error()
        code = str(error.error_code)
        status = int(code) if code.isdigit() else STATUSES.get(code.lower(), 500)
        return answer.record_id, Reply(status, msgspec.json.encode({"message": error.error_message}))

    @override
    def cancel(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(f"{_of(batch, at)}/stop")

    @override
    def list(self, name: str, after: str | None, at: At[Any], /) -> Call:
        more = "" if after is None else f"&nextToken={quote(after, safe='')}"
        order = "sortBy=CreationTime&sortOrder=Descending"
        return Call(f"{at.origin}/model-invocation-jobs?nameContains={name}&{order}{more}", method="GET")

    @override
    def listed(self, reply: Reply, /) -> Page:
        page = parse(reply.body, Jobs, of="Amazon Bedrock list of jobs")
        jobs = page.invocation_job_summaries
        return Page([Listed(job.id, job.seconds, job.client_request_token) for job in jobs], page.next_token)

    @override
    def discard(self, batch: Submitted, ended: Ended, at: At[Any], /) -> Sequence[Call]:
        files = [_FILE, *(f"{batch.id}/{place}.out" for place in ended.results)]
        return [s3.call("DELETE", at.files, _key(at, batch.name, file)) for file in files]

    @override
    def is_full(self, upstream: Upstream, /) -> bool:
        return (upstream.type or "").lower().startswith(_FULL) or super().is_full(upstream)


def _key(at: At[Any], name: str, file: str) -> str:
    return f"{at.settings.batch_s3_uri}/{name}/{file}"


def _of(batch: Submitted, at: At[Any]) -> str:
    return f"{at.origin}/model-invocation-job/{quote(batch.id, safe='')}"
