"""The service account that calls, its tokens, and where Google's models are."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from inferpoint.errors import InferenceError
from inferpoint.model.http import NOT_JSON, Call
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import oauth2
from inferpoint.protocols.gemini.failures import failures
from inferpoint.protocols.service import Moment, RateLimit, rate_limit

TITLE = "Google Vertex AI"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600  # seconds, the longest that Google takes
TOKENS = "https://oauth2.googleapis.com/token"
GLOBAL, SEVERAL_REGIONS = "global", ("eu", "us")
FAILURES = failures(TITLE)


@settings
class Account:
    """The service account that calls."""

    service_account_json: str = secret("The key file of a service account of Google Cloud, a JSON text.")
    rate_limit: RateLimit | None = rate_limit()


def project_id(default: Any = MISSING) -> Any:
    """The declaration of the setting `project_id`, which is required unless there is a *default*."""
    return setting("The project that is billed.", default=default)


def location() -> Any:
    """The declaration of the setting `location`."""
    return setting(
        "The region of the model, such as us-central1; without one Google chooses.",
        default=None,
        pattern="[a-zA-Z0-9-]+",
    )


class _Key(msgspec.Struct):
    """The members of a key file that a token is asked for with."""

    type: str
    client_email: str
    private_key: str
    token_uri: str = TOKENS
    private_key_id: str | None = None


def check(account: Account, _options: object) -> Sequence[str]:
    """A key file that can be signed with; `INVALID` says what is wrong with another, without a word of it."""
    _signer(_read(account))
    return ()


def _refused(problem: str) -> InferenceError:
    return oauth2.refused(f"[secret_settings] Invalid value received. [service_account_json] {problem}")


def _read(account: Account) -> _Key:
    try:
        key = msgspec.json.decode(account.service_account_json, type=_Key)
    except (*NOT_JSON, UnicodeEncodeError):
        needed = "[type], [client_email] and [private_key]"
        raise _refused(f"must be the JSON of a service account's key, with {needed}") from None
    if key.type != "service_account":
        raise _refused("must be the key of a [service_account], and not credentials of another [type]")
    if not key.token_uri.startswith(("https://", "http://")):
        raise _refused("must have an address as its [token_uri]")
    return key


def _signer(key: _Key) -> Any:
    """The private key of a key file."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - only where it is called
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private = load_pem_private_key(key.private_key.encode(), None)
    except Exception:  # noqa: BLE001 - whatever OpenSSL says of a text, which is secret
        private = None
    if not isinstance(private, RSAPrivateKey):
        raise _refused("must have an RSA key in PEM as its [private_key]")
    return private


def ask(account: Account, now: datetime) -> Call:
    """The call for a token, by an assertion that the account signs (RFC 7523).

    https://developers.google.com/identity/protocols/oauth2/service-account.
    """
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    key, issued = _read(account), int(now.timestamp())
    header = {"alg": "RS256", "typ": "JWT", **({"kid": key.private_key_id} if key.private_key_id else {})}
    claims = {
        "iss": key.client_email, "scope": SCOPE, "aud": key.token_uri, "iat": issued, "exp": issued + LIFETIME,
    }  # fmt: skip
    signed = f"{_part(header)}.{_part(claims)}"
    signature = _base64(_signer(key).sign(signed.encode(), PKCS1v15(), SHA256()))
    form = urlencode({"grant_type": JWT_BEARER, "assertion": f"{signed}.{signature}"})
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Call(key.token_uri, form.encode(), headers)


def _part(members: Mapping[str, Any]) -> str:
    return _base64(msgspec.json.encode(members))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(call: Call, _account: Account, moment: Moment) -> Call:
    """The token as the bearer's."""
    return call.with_headers({"authorization": f"Bearer {moment.token}"}) if moment.token else call


def host(account: Any) -> str:
    """The address of the account's location, or of all; rankings, which have no location, have one of their own."""
    if not hasattr(account, "location"):
        return "https://discoveryengine.googleapis.com"
    place = account.location or GLOBAL
    if place in SEVERAL_REGIONS:
        return f"https://aiplatform.{place}.rep.googleapis.com"
    return f"https://{'' if place == GLOBAL else f'{place}-'}aiplatform.googleapis.com"


def model_url(account: Any, model: str, method: str, origin: str) -> str:
    """The address of a *method* of a *model* of Google's, whose path names the location that its host has."""
    place = f"projects/{quote(account.project_id, safe='')}/locations/{account.location or GLOBAL}"
    return f"{origin}/v1/{place}/publishers/google/models/{quote(model, safe='')}:{method}"


def group(account: Any) -> Hashable:
    """One queue for a model of a project in a location, as in Elasticsearch; or of an address, where it has one."""
    address = getattr(account, "url", None) or getattr(account, "streaming_url", None)
    return account.project_id, account.location, account.model_id, address
