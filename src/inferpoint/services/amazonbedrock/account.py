"""The account, the address, the rates and the failures that every operation of Bedrock has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from urllib.parse import quote

import msgspec

from inferpoint.errors import InferenceError, Upstream, invalid
from inferpoint.model.http import Event, Reply, parse
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.eventstream import EXCEPTION
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.readers import broken
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit

PROVIDERS = ("amazontitan", "anthropic", "ai21labs", "cohere", "meta", "mistral")
# The partitions of AWS whose names end otherwise, by how their regions begin.
SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


@settings
class Account:
    """The account that calls, and the model of a provider."""

    access_key: str = secret("The AWS access key, of a user who may invoke the model.")
    secret_key: str = secret("The AWS secret key that belongs to the access key.")
    region: str = setting("The region where the model is deployed.", pattern=r"[a-z0-9]+(-[a-z0-9]+)+")
    provider: str = setting("Who made the model.", choices=PROVIDERS, any_case=True)
    model: str = setting("The id of a base model or inference profile, or an ARN.")
    rate_limit: RateLimit | None = rate_limit()


def refuse_unavailable(account: Account, task: str, providers: tuple[str, ...]) -> None:
    """`INVALID` when the provider's models cannot do *task*."""
    if account.provider not in providers:
        raise invalid(f"The [{task}] task type for provider [{account.provider}] is not available")


def address(account: Account) -> str:
    """Bedrock's runtime in the account's region."""
    suffix = next((suffix for start, suffix in SUFFIXES.items() if account.region.startswith(start)), "amazonaws.com")
    return f"https://bedrock-runtime.{account.region}.{suffix}"


def operation(account: Account, origin: str, name: str) -> str:
    """The URL of an operation on the model, whose id may hold colons and slashes."""
    return f"{origin}/model/{quote(account.model, safe='')}/{name}"


def group(account: Account) -> Hashable:
    """One queue for an account, as in Elasticsearch, where the first endpoint of an account sets its pace."""
    return account.access_key, account.secret_key


STATUSES = {
    "validationexception": 400,
    "servicequotaexceededexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "modelerrorexception": 424,
    "modelstreamerrorexception": 424,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "serviceunavailableexception": 503,
}


class _Refusal(msgspec.Struct, rename={"upper": "Message", "type": "__type"}):
    message: str | None = None
    upper: str | None = None
    type: str | None = None

    @property
    def text(self) -> str:
        return self.message or self.upper or ""


def complaint(reply: Reply) -> Upstream:
    """The message, from either spelling; and the type, from a header or `__type`, without namespace and address."""
    refusal = parse(reply.body, _Refusal, of="error")
    kind = reply.headers.get("x-amzn-errortype") or refusal.type or ""
    return Upstream(reply.status, refusal.text, kind.partition(":")[0].rpartition("#")[2] or None)


def raised(event: Event) -> InferenceError | None:
    """The error that an event of a stream is; None for an event that is none."""
    if not event.name.startswith(EXCEPTION):
        return None
    kind = event.name.removeprefix(EXCEPTION)
    return broken(Upstream(STATUSES.get(kind.lower(), 500), _message(event), kind))


def _message(event: Event) -> str:
    """The words of an exception; one of another form is no less an exception."""
    try:
        return parse(event.data or b"{}", _Refusal, of="Amazon Bedrock stream").text
    except InferenceError:
        return ""


def rates(limits: Callable[[Account], Limits]) -> Rates[Account]:
    """The rates of every operation, whose calls hold no more than *limits*."""
    return Rates(default=240, group=group, mixed=True, limits=limits)


FAILURES = Failures(
    complaint=complaint,
    phrases={403: "Received a permission denied error status code"},
    # The words of the schemas of models, and of Cohere's and Titan's own servers.
    oversize=told_by(
        inputs=(r"expected maximum item count", r"number of texts"),
        tokens=(
            r"expected maxLength",
            r"too many (input |total )?(text )?tokens",
            r"(input|prompt) is too long",
            r"(input length|prompt tokens).* exceed",
            r"maximum context length",
        ),
    ),
)
