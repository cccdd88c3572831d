"""The deployed model: where it is, what it can do, and how its calls are signed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from inferpoint.errors import invalid
from inferpoint.model.http import Call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.auth import bearer, header
from inferpoint.protocols.service import Moment, RateLimit, Rates, rate_limit

TOKEN, REALTIME, BOTH = ("token",), ("realtime",), ("realtime", "token")
# What is deployed how: the types of endpoints of each provider, by task.
DEPLOYED: Mapping[str, Mapping[str, Sequence[str]]] = {
    "text_embedding": {"openai": TOKEN, "cohere": TOKEN},
    "rerank": {"cohere": TOKEN},
    "completion": {
        "openai": TOKEN, "cohere": TOKEN, "meta": BOTH,
        "mistral": REALTIME, "microsoft_phi": REALTIME, "databricks": REALTIME,
    },
}  # fmt: skip
PROVIDERS = ("cohere", "databricks", "meta", "microsoft_phi", "mistral", "openai")


@settings
class Account:
    """A deployed model."""

    api_key: str = secret("The key of the deployed model.")
    target: str = setting("The address of the deployed model.", url=True)
    provider: str = setting("The maker of the model.", choices=PROVIDERS, any_case=True)
    endpoint_type: str = setting("How the model is paid for and called.", choices=BOTH, any_case=True)
    rate_limit: RateLimit | None = rate_limit()

    @property
    def model_id(self) -> None:
        """No model is named beside its address."""

    @property
    def url(self) -> str:
        """The whole address, which is the target itself but for the task's path of what is paid for by its tokens."""
        if self.provider == "openai" or self.endpoint_type == "realtime":
            return self.target
        return f"{address(self)}{self.path}"

    @property
    def path(self) -> str:
        """The path of completions."""
        return "/v1/chat/completions"


def check(task: str) -> Callable[[Account, Any], Sequence[str]]:
    """The check that *task* is to be had of the provider's models, deployed as they are; texts are Elasticsearch's."""

    def checked(account: Account, _options: object) -> Sequence[str]:
        providers = DEPLOYED[task]
        types = providers.get(account.provider)
        what = f"[{task}] task type for provider [{account.provider}] is not available"
        if types is None:
            raise invalid(f"The {what}; [provider] must be one of [{', '.join(sorted(providers))}]")
        if account.endpoint_type not in types:
            must = f"[endpoint_type] must be [{', '.join(types)}]"
            raise invalid(f"The [{account.endpoint_type}] endpoint type with {what}; {must}")
        return ()

    return checked


def address(account: Account) -> str:
    """The target, whatever it ends with."""
    return account.target.rstrip("/")


def sign(call: Call, account: Account, moment: Moment) -> Call:
    """The key in a header of Azure's own for OpenAI's models, and as the bearer's for others."""
    return header("api-key")(call, account, moment) if account.provider == "openai" else bearer(call, account, moment)


def passed_on(call: Call) -> Call:
    """*call* with the header without which Azure's endpoints take no members but those that all models have."""
    return replace(call, headers={**call.headers, "extra-parameters": "pass-through"})


RATES: Rates[Account] = Rates(default=240, group=address)
