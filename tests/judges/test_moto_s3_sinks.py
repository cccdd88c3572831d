"""moto's S3: sinks of files keep their promises in a bucket."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
from sinks_promised import Place, Promises

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import address


class Files(Place):
    def __init__(self, bucket: str, name: str) -> None:
        self.bucket, self.address = bucket, f"{bucket}/below/{name}"

    def rows(self) -> list[dict[str, Any]]:
        place = objects.at(address(f"{self.bucket}/below"))
        rows: list[dict[str, Any]] = []
        for name, stat in place.list():
            if name == "out.jsonl.gz" or name.startswith("out/part-"):
                with place.open(name, stat) as file:
                    content = file.read()
                if name.endswith(".parquet"):
                    rows += pq.read_table(io.BytesIO(content)).to_pylist()
                else:
                    rows += [json.loads(line) for line in gzip.decompress(content).splitlines()]
        return rows


class TestFilesInBucket(Promises):
    @pytest.fixture(params=["out/", "out.jsonl.gz"])
    def place(self, request: pytest.FixtureRequest, bucket: Callable[[], str]) -> Place:
        return Files(bucket(), request.param)
