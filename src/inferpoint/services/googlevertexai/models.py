"""The settings of chats."""

from __future__ import annotations

from inferpoint.model.settings import setting, settings
from inferpoint.services.googlevertexai.account import Account, location, project_id

PROVIDERS = ("ai21", "anthropic", "google", "hugging_face", "meta", "mistral")


@settings
class ChatSettings(Account):
    """A model of Google's, or one of another maker at an address of its own."""

    project_id: str | None = project_id(None)
    location: str | None = location()
    model_id: str | None = setting("The model to call, such as gemini-2.5-flash.", default=None)
    url: str | None = setting("The address of another maker's model.", default=None, url=True)
    streaming_url: str | None = setting("The address of another maker's model that streams.", default=None, url=True)
    provider: str = setting("The maker of the model.", default="google", choices=PROVIDERS, any_case=True)


@settings
class ThinkingConfig:
    """How a model of Google's thinks."""

    thinking_budget: int | None = setting(
        "The most tokens to think with; -1 leaves it to the model.", default=None, updatable=True
    )


@settings
class Options:
    """The settings that may change from request to request."""

    thinking_config: ThinkingConfig | None = setting(
        "How a model of Google's thinks, where a request does not say it.", default=None, updatable=True
    )
    max_tokens: int | None = setting("The most tokens to generate.", default=None, at_least=1, updatable=True)
