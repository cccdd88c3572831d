"""Signatures, with botocore as the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from unittest import mock
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from inferpoint.model.http import Call
from inferpoint.protocols.auth import sigv4
from inferpoint.protocols.service import Moment

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EIGHT = datetime(2026, 11, 20, 8, tzinfo=UTC)
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x"
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"


@dataclass(frozen=True)
class Account:
    access_key: str = "AKIDEXAMPLE"
    secret_key: str = SECRET
    region: str = "us-east-1"


def signed(call: Call, account: Account = Account(), time: datetime = EIGHT, service: str = "bedrock") -> Call:
    return sigv4(service)(call, account, Moment(time))


def judged(call: Call, account: Account, time: datetime, service: str) -> str:
    """The `Authorization` that botocore gives the same request."""
    request = AWSRequest(call.method, call.url, dict(call.headers), call.body)
    with mock.patch("botocore.auth.get_current_datetime", return_value=time.astimezone(UTC)):
        SigV4Auth(Credentials(account.access_key, account.secret_key), service, account.region).add_auth(request)
    return request.headers["Authorization"]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("amazon.titan-embed-text-v2:0", "7e22113ad360fd501c838332193b5210101fa8547138248d4b953a89aa641ae8"),
        (ARN, "af146cf9ea33d0265f8e4548e65a46b891f8527855ebe07a0f6c9219d281a418"),
    ],
)
def test_the_published_vectors(model: str, signature: str) -> None:
    """provider-wire-contracts 4.2: encoded once on the wire, twice in what is signed."""
    headers = {"content-type": "application/json", "accept": "application/json"}
    call = Call(f"{HOST}/model/{quote(model, safe='')}/invoke", b'{"inputText":"hello"}', headers)
    assert signed(call).headers == {
        **headers,
        "x-amz-date": "20261120T080000Z",
        "authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/us-east-1/bedrock/aws4_request,"
            f" SignedHeaders=accept;content-type;host;x-amz-date, Signature={signature}"
        ),
    }


NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-"), min_size=1, max_size=12)
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
SEGMENTS = st.one_of(
    st.sampled_from(["", ".", "..", "model", "invoke", ARN, "us.meta.llama3-1-8b-instruct-v1:0", "a b", "~", "%2F"]),
    ANY_TEXT,
)
PATHS = st.lists(SEGMENTS.map(lambda segment: quote(segment, safe="")), max_size=5).map(lambda s: "/" + "/".join(s))
PAIRS = st.tuples(ANY_TEXT.filter(bool), st.none() | ANY_TEXT).map(
    lambda pair: "=".join(quote(each, safe="") for each in pair if each is not None)
)
HOSTS = st.sampled_from([
    HOST, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "http://127.0.0.1:4566", "http://localhost:80",
    "https://proxy.test:443", "https://proxy.test:8443", "http://[::1]:5556", "http://proxy.test:443",
])  # fmt: skip
# Blanks and tabs, at the ends and in the middle, many at once.
VALUES = st.lists(st.sampled_from(["a", "application/json", "é", "=", ",", " ", "  ", "\t"]), max_size=8).map("".join)
LEFT_OUT = ["user-agent", "expect", "connection", "transfer-encoding", "x-amzn-trace-id", "traceparent", "baggage"]
SPELLINGS: list[Callable[[str], str]] = [str.lower, str.title, str.upper]
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "accept", "x-amzn-bedrock-trace", *LEFT_OUT])
    | NAMES.map(lambda name: f"x-{name}"),
    st.tuples(st.sampled_from(SPELLINGS), VALUES),
    max_size=6,
).map(lambda headers: {spelled(name): value for name, (spelled, value) in headers.items()})
CALLS = st.builds(
    lambda host, path, query, body, headers, method: Call(f"{host}{path}{query}", body, headers, method),
    HOSTS,
    PATHS,
    st.lists(PAIRS, max_size=4).map(lambda pairs: "?" + "&".join(pairs) if pairs else ""),
    st.binary(max_size=200),
    HEADERS,
    st.sampled_from(["POST", "GET", "PUT", "DELETE"]),
)
ACCOUNTS = st.builds(
    Account,
    st.from_regex(r"AKID[A-Z0-9]{4,12}", fullmatch=True),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40),
    st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]),
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).flatmap(  # noqa: DTZ001 - the zone comes next
    lambda naive: st.integers(-12, 14).map(lambda hours: naive.replace(tzinfo=timezone(timedelta(hours=hours))))
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS, ACCOUNTS, TIMES, st.sampled_from(["bedrock", "sagemaker", "iam"]))
@example(Call(f"{HOST}/model/{quote(ARN, safe='')}/converse", b"{}"), Account(), EIGHT, "bedrock")
@example(Call(HOST), Account(), EIGHT, "bedrock")
@example(Call(HOST, headers={"X-Amzn-Bedrock-Trace": "ENABLED", "Accept": "a"}), Account(), EIGHT, "bedrock")
def test_every_signature_is_the_one_that_botocore_makes(
    call: Call, account: Account, time: datetime, service: str
) -> None:
    """Paths, queries, headers, bodies, hosts, accounts and times of every sort."""
    path, _, query = call.url.partition("?")
    event(f"query: {bool(query)}, encoded in the path: {'%' in path}, headers: {bool(call.headers)}")
    after = signed(call, account, time, service)
    assert after.headers["authorization"] == judged(call, account, time, service)


@given(CALLS)
def test_signing_adds_two_headers_and_changes_nothing_else(call: Call) -> None:
    """What goes over the wire is what was encoded."""
    after = signed(call)
    assert (after.url, after.body, after.method) == (call.url, call.body, call.method)
    assert {name: after.headers[name] for name in call.headers} == call.headers
    assert after.headers.keys() - call.headers.keys() == {"x-amz-date", "authorization"}


@given(CALLS)
def test_a_signed_call_can_be_signed_again(call: Call) -> None:
    """An attempt after another has the time of its own; nothing of the first signature gets into the second."""
    later = EIGHT + timedelta(minutes=16)
    assert signed(signed(call), time=later) == signed(call, time=later)


@pytest.mark.parametrize("spelled", ["a=%7e", "a=~", "a=%7E"])
def test_a_query_is_signed_in_one_spelling(spelled: str) -> None:
    """AWS decodes a query before it checks: three spellings of it are one."""
    assert signed(Call(f"{HOST}/?{spelled}")).headers == signed(Call(f"{HOST}/?a=~")).headers


def test_the_host_is_signed_as_it_is_called() -> None:
    """An endpoint that was moved is signed for where it is now; in the case in which the transport will write it."""
    moved = [signed(Call(f"{origin}/model/m/invoke")) for origin in (HOST, "http://127.0.0.1:4566", "http://LOCAL:80")]
    assert len({call.headers["authorization"] for call in moved}) == 3
    assert all("host" not in call.headers for call in moved)
    assert moved[2] == signed(Call("http://LOCAL:80/model/m/invoke"))
    assert moved[2].headers == signed(Call("http://LOCAL/model/m/invoke")).headers
    assert moved[2].headers != signed(Call("http://local/model/m/invoke")).headers
