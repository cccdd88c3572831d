"""OpenAI's client hands in a batch, and reads what became of it: `openai_batches.py ADDRESS`."""

import io
import json
import sys

from openai import OpenAI

client = OpenAI(api_key="sk-example", base_url=f"{sys.argv[1]}/v1", max_retries=0)
texts = ["one", "three", "eleven"]
lines = [
    {"custom_id": f"job-0-{place}", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": [text]}}
    for place, text in enumerate(texts)
]
file = client.files.create(purpose="batch", file=("job.jsonl", io.BytesIO("\n".join(map(json.dumps, lines)).encode())))
batch = client.batches.create(
    input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"inferpoint_job": "job"}
)
states = [batch.status]
while batch.status not in ("completed", "failed", "expired", "cancelled"):
    batch = client.batches.retrieve(batch.id)
    states.append(batch.status)
answers = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
refused = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
listed = [(one.id, one.metadata, one.request_counts.total) for one in client.batches.list(limit=1)]
later = client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
cancelled = client.batches.cancel(later.id)
deleted = client.files.delete(file.id)
print(
    json.dumps(
        {
            "states": states,
            "counts": batch.request_counts.model_dump(),
            "answers": {line["custom_id"]: line["response"]["body"]["data"][0]["embedding"] for line in answers},
            "refused": {line["custom_id"]: line["response"]["status_code"] for line in refused},
            "listed": [[batch.id, {"inferpoint_job": "job"}, 3]] == [list(one) for one in listed],
            "cancelled": cancelled.status,
            "deleted": deleted.deleted,
        }
    )
)
