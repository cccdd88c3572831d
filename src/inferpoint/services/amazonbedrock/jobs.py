"""What Bedrock tells of its batch jobs.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from inferpoint.model.http import Reply, parse

NONE = msgspec.Raw(b"null")  # in the place of an answer


class Job(msgspec.Struct, rename="camel"):
    """A job, as it is told of by itself and in a list."""

    job_arn: str
    status: str = ""
    message: str | None = None
    submit_time: datetime | None = None
    client_request_token: str | None = None
    total_record_count: int | None = None
    success_record_count: int | None = None
    error_record_count: int | None = None

    @property
    def id(self) -> str:
        """The last part of the job's ARN, by which it is asked for and under which it writes."""
        return self.job_arn.rpartition("/")[2]

    @property
    def seconds(self) -> float:
        """When it was made, in seconds of the day."""
        return 0.0 if self.submit_time is None else self.submit_time.timestamp()


class Page(msgspec.Struct, rename="camel"):
    """Some of the account's jobs."""

    invocation_job_summaries: list[Job] = []
    next_token: str | None = None


class Error(msgspec.Struct, rename="camel"):
    """What went wrong with a line."""

    error_code: int | str = 500
    error_message: str = ""


class Answer(msgspec.Struct, rename="camel"):
    """A line of a file of answers."""

    record_id: str
    model_output: msgspec.Raw = NONE
    error: Error | None = None


def read(reply: Reply) -> Job:
    """The job that a reply tells of."""
    return parse(reply.body, Job, of="Amazon Bedrock job")
