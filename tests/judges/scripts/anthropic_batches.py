"""Anthropic's client hands in a batch of messages, and reads what became of it: `anthropic_batches.py ADDRESS`."""

import json
import sys

from anthropic import Anthropic

batches = Anthropic(api_key="sk-ant-example", base_url=sys.argv[1], max_retries=0).messages.batches
requests = [
    {
        "custom_id": f"job-{place}-0",
        "params": {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": text}]},
    }
    for place, text in enumerate(["one", "three", "eleven", "late"])
]
batch = batches.create(requests=requests)
states = [batch.processing_status]
while batch.processing_status != "ended":
    batch = batches.retrieve(batch.id)
    states.append(batch.processing_status)
results = {one.custom_id: one.result for one in batches.results(batch.id)}
listed = [one.id for one in batches.list(limit=1)]
later = batches.create(requests=requests[:1])
cancelled = batches.cancel(later.id)
deleted = batches.delete(batch.id)
print(
    json.dumps(
        {
            "states": states,
            "counts": batch.request_counts.model_dump(),
            "results": {line: result.type for line, result in sorted(results.items())},
            "text": results["job-0-0"].message.content[0].text,
            "error": [results["job-1-0"].error.error.type, results["job-1-0"].error.error.message],
            "listed": listed == [batch.id],
            "cancelled": cancelled.processing_status,
            "deleted": deleted.type,
        }
    )
)
