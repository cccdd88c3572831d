"""The settings, the calls, the rates and the failures that every task has."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any
from urllib.parse import quote

from inferpoint.errors import InferenceError, Kind, Upstream, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, json_call, parse, present
from inferpoint.model.settings import declared, rest, setting, settings
from inferpoint.model.wording import unknown_settings
from inferpoint.protocols import aws
from inferpoint.protocols.openai import failures
from inferpoint.protocols.service import Failures, Limits, Rates

OPENAI, ELASTIC = "openai", "elastic"
OF_OPENAI = (TaskType.TEXT_EMBEDDING, TaskType.COMPLETION, TaskType.CHAT_COMPLETION)
_BATCH = 256  # inputs a call, as in Elasticsearch
_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
_PRINTABLE = "[!-~]([ -~]*[!-~])?"  # what AWS takes in a header


@settings
class Account:
    """The account that calls, and the endpoint of a model."""

    access_key: str = aws.access_key()
    secret_key: str = aws.secret_key()
    endpoint_name: str = setting("The name of the endpoint.", pattern=_NAME)
    region: str = aws.region()
    api: str = setting("The form of requests and answers that the model's container has.", choices=(OPENAI, ELASTIC))
    target_model: str | None = setting(
        "The model to call where the endpoint has several; not in streams.", default=None, pattern=_PRINTABLE
    )
    target_container_hostname: str | None = setting(
        "The container to call where the endpoint has several.", default=None, pattern=_NAME
    )
    inference_component_name: str | None = setting(
        "The inference component to call where the endpoint has several.", default=None, pattern=_NAME
    )
    batch_size: int | None = setting("The most inputs of one call; 256 unless set.", default=None, at_least=1)


def _header(help: str, pattern: str = _PRINTABLE) -> Any:  # noqa: A002 - as of `setting`
    return setting(help, default=None, pattern=pattern, updatable=True)


@settings
class Options:
    """The settings that may change from request to request."""

    custom_attributes: str | None = _header("What the container is told beside the request.")
    enable_explanations: str | None = _header("An expression that says whether to explain the answer.")
    inference_id: str | None = _header("The id under which the request is captured.", "[!-~]([ -~]{0,62}[!-~])?")
    session_id: str | None = _header("The session that the request belongs to; NEW_SESSION begins one.")
    target_variant: str | None = _header("The variant of the model to call.", _NAME)
    extra: Mapping[str, Any] | None = rest("The task settings of the endpoint behind, for the API elastic.")


@settings
class OpenAIOptions(Options):
    """The settings of tasks that the API openai has."""

    user: str | None = setting("The end user a request is made for, for the API openai.", default=None, updatable=True)


def check(kind: TaskType) -> Callable[[Account, Options], tuple[str, ...]]:
    """A check that the API has the task *kind*, and that nothing is set which it has no place for."""

    def checked(account: Account, options: Options) -> tuple[str, ...]:
        if account.api == OPENAI and kind not in OF_OPENAI:
            raise InferenceError(
                Kind.UNSUPPORTED,
                f"Task [{kind}] is not compatible for service [sagemaker] and api [{OPENAI}]."
                f" Supported tasks: [[{', '.join(OF_OPENAI)}]]; for others [api] must be [{ELASTIC}]",
            )
        if account.api == OPENAI and options.extra:
            names = [option.name for option in declared(OpenAIOptions) if not option.rest]
            raise invalid(unknown_settings(options.extra, "amazon_sagemaker", f"the API {OPENAI}", names))
        return ()

    return checked


def address(account: Account) -> str:
    """SageMaker's runtime in the account's region."""
    return aws.address("runtime.sagemaker", account.region)


def call(account: Account, options: Options, origin: str, body: Mapping[str, Any], *, stream: bool = False) -> Call:
    """The call that gives the container *body*, with what AWS is told in headers; a stream takes fewer of them."""
    operation = "invocations-response-stream" if stream else "invocations"
    headers = {
        "accept": None if stream else "application/json",
        "x-amzn-sagemaker-accept": "application/json" if stream else None,
        "x-amzn-sagemaker-custom-attributes": options.custom_attributes,
        "x-amzn-sagemaker-enable-explanations": None if stream else options.enable_explanations,
        "x-amzn-sagemaker-inference-component": account.inference_component_name,
        "x-amzn-sagemaker-inference-id": options.inference_id,
        "x-amzn-sagemaker-session-id": options.session_id,
        "x-amzn-sagemaker-target-container-hostname": account.target_container_hostname,
        "x-amzn-sagemaker-target-model": None if stream else account.target_model,
        "x-amzn-sagemaker-target-variant": options.target_variant,
    }
    url = f"{origin}/endpoints/{quote(account.endpoint_name, safe='')}/{operation}"
    return json_call(url, body).with_headers(present(headers))


def group(account: Account) -> Hashable:
    """One queue for an endpoint of an account, and what is called of it."""
    return account.access_key, account.region, account.endpoint_name, account.inference_component_name


class _Refusal(aws.Refusal, rename={"upper": "Message", "type": "__type", "original": "OriginalMessage"}):
    original: str | None = None


def complaint(reply: Reply) -> Upstream:
    """The words of the container where it refused, in whatever form it has them, or else those of AWS."""
    refusal = parse(reply.body, _Refusal, of="error")
    words = refusal.text
    if refusal.original:
        try:
            words = failures.complaint(Reply(reply.status, refusal.original.encode())).message or refusal.original
        except InferenceError:
            words = refusal.original
    return Upstream(reply.status, words, aws.error_type(reply, refusal.type))


RATES = Rates(group=group)
EMBEDDING_RATES = Rates(group=group, limits=lambda account: Limits(inputs=account.batch_size or _BATCH))
FAILURES = Failures(
    complaint=complaint,
    phrases={
        400: "Received a validation error from SageMaker",
        424: "Received a model error from SageMaker",
        429: "Received a model not ready error from SageMaker",
        500: "Received an internal failure from SageMaker",
        503: "SageMaker is unavailable",
        530: "Received an internal dependency error from SageMaker",
    },
    oversize=failures.FAILURES.oversize,
)
