"""Objects in Amazon S3, and in stores that speak its protocol: as whole bodies, one call each.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

import hashlib
from typing import Any

from inferpoint.model.http import Call
from inferpoint.protocols.auth import sigv4
from inferpoint.protocols.service import Moment

# An address of S3 in which no character needs another spelling, in a URL or in a signature.
URI = r"s3://[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*"
DIGEST = "x-amz-content-sha256"  # no other service of Amazon's is told it
_SIGN = sigv4("s3")


def call(method: str, origin: str, uri: str, body: bytes = b"") -> Call:
    """The call that does *method* to the object at *uri*, such as `s3://bucket/key`."""
    headers = {DIGEST: hashlib.sha256(body).hexdigest()}
    return Call(f"{origin}/{uri.removeprefix('s3://')}", body, headers, method)


def is_one(call: Call) -> bool:
    """Whether *call* was made here."""
    return DIGEST in call.headers


def sign(call: Call, settings: Any, moment: Moment) -> Call:
    """The call with S3's signature by the settings `access_key`, `secret_key` and `region`."""
    return _SIGN(call, settings, moment)
