"""The account, the address, the rates and the failures that every operation of Bedrock has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from urllib.parse import quote

from inferpoint.errors import InferenceError, Upstream, invalid
from inferpoint.model.http import Event
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import aws, s3
from inferpoint.protocols.oversize import told_by
from inferpoint.protocols.readers import broken
from inferpoint.protocols.service import Failures, Limits, RateLimit, Rates, rate_limit

PROVIDERS = ("amazontitan", "anthropic", "ai21labs", "cohere", "meta", "mistral")


@settings
class Account:
    """The account that calls, and the model of a provider."""

    access_key: str = aws.access_key()
    secret_key: str = aws.secret_key()
    region: str = aws.region()
    provider: str = setting("Who made the model.", choices=PROVIDERS, any_case=True)
    model: str = setting("The id of a base model or inference profile, or an ARN.")
    rate_limit: RateLimit | None = rate_limit()
    batch_role_arn: str | None = setting(
        "The role by which Bedrock reads and writes the files of batches.", default=None, updatable=True
    )
    batch_s3_uri: str | None = setting(
        "Where the files of batches are, such as s3://bucket/folder.", default=None, updatable=True, pattern=s3.URI
    )


def refuse_unavailable(account: Account, task: str, providers: tuple[str, ...]) -> None:
    """`INVALID` when the provider's models cannot do *task*."""
    if account.provider not in providers:
        raise invalid(
            f"The [{task}] task type for provider [{account.provider}] is not available;"
            f" [provider] must be one of [{', '.join(sorted(providers))}]"
        )


def address(account: Account) -> str:
    """Bedrock's runtime in the account's region."""
    return aws.address("bedrock-runtime", account.region)


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


def raised(event: Event) -> InferenceError | None:
    """The error that an event of a stream is; None for an event that is none."""
    if (exception := aws.exception(event)) is None:
        return None
    kind, words = exception
    return broken(Upstream(STATUSES.get(kind.lower(), 500), words, kind))


def rates(limits: Callable[[Account], Limits]) -> Rates[Account]:
    """The rates of every operation, whose calls hold no more than *limits*."""
    return Rates(default=240, group=group, mixed=True, limits=limits)


FAILURES = Failures(
    complaint=aws.complaint,
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
