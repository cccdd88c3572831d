"""Bulk jobs in OpenAPI."""

from __future__ import annotations

from inferpoint.api.elastic.job_request import JobRequest
from inferpoint.api.openapi.description import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    Parameter,
    Schema,
    listed,
    one_of,
    ref,
    told,
)
from inferpoint.bulk.job import FailureKind, JobState
from inferpoint.model.json_schema import SettingSchemas
from inferpoint.model.settings import declared

_WITHIN = told({"place": TEXT, "path": TEXT})
_IDS = told({"missing": TEXTS, "twice": TEXTS, "repeated": TEXTS})
_COUNTED = {"items": COUNT, "done": COUNT, "failed": COUNT, "rows": COUNT}
JOBS: dict[str, Schema] = {
    "JobRequest": {
        **SettingSchemas().object(declared(JobRequest)),
        "description": "A bulk job: texts of one place of the server's configuration become rows of another.",
        "examples": [
            {
                "inference_id": "my-embeddings",
                "source": {"place": "docs", "path": "2026/docs.jsonl"},
                "sink": {"place": "vectors", "path": "docs.jsonl"},
                "id": "id",
            }
        ],
    },
    "Job": told(
        {
            "name": TEXT,
            "state": one_of(*JobState),
            "inference_id": TEXT,
            "source": _WITHIN,
            "sink": _WITHIN,
            "text": TEXT,
            "keep": TEXTS,
            "chunk": FLAG,
            "mode": one_of("now", "batch"),
            "on_error": one_of("skip", "stop"),
            "max_failed": NUMBER,
            "task_settings": OBJECT,
            "started_by": TEXT,
            "created": TEXT,
            "counts": told(
                {
                    "planned": COUNT,
                    "done": COUNT,
                    "failed": COUNT,
                    "rows": COUNT,
                    "calls": COUNT,
                    "tokens": COUNT,
                    "shards": COUNT,
                    "shards_done": COUNT,
                },
                {"usd": NUMBER},
            ),
            "pace": told({"items_per_second": ANYTHING, "seconds_left": ANYTHING}),
        },
        {"finished": TEXT, "reason": TEXT, "id": TEXT, "limit": COUNT},
        description="A bulk job, how far it has come, and why it waits or has stopped.",
    ),
    "Jobs": told({"count": COUNT, "jobs": listed(ref("Job"))}),
    "RetriedJob": told({"items": COUNT, "job": ref("Job")}),
    "VerifiedJob": told(
        {"right": FLAG, **_COUNTED, "missing": COUNT, "twice": COUNT, "repeated": COUNT, "foreign": COUNT, "ids": _IDS},
        description="What was counted in the source and in the sink; of the ids some are named.",
    ),
    "Failures": told(
        {
            "failures": listed(told({"item": COUNT, "id": TEXT, "kind": one_of(*FailureKind), "reason": TEXT})),
            "next": {"type": ["integer", "null"], "description": "What `after` is for the next page."},
        }
    ),
}
PARAMETERS = {
    "job": Parameter("The name of a bulk job.", TEXT, "docs-1a2b3c4d"),
    "after": Parameter(
        "The number of the item after which the page begins.", {"type": "string", "pattern": "^[0-9]+$"}
    ),
}
