"""moto's S3: objects of a bucket keep the promises of objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from objects_promised import Promises

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import address
from inferpoint.errors import InferenceError, Kind


class TestBucket(Promises):
    @pytest.fixture
    def place(self, bucket: Callable[[], str]) -> objects.Objects:
        return objects.at(address(bucket() + "/below"))


def test_a_bucket_that_is_not_there_is_told(bucket: Callable[[], str]) -> None:
    """As what is not found."""
    bucket()
    with pytest.raises(InferenceError) as raised:
        objects.at(address("s3://no-such-bucket")).stat("x")
    assert raised.value.kind is Kind.NOT_FOUND
