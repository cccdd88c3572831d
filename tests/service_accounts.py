"""A key file of a service account of Google Cloud, made anew for each run."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

TOKENS = "https://tokens.test/token"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """The account's key."""
    return rsa.generate_private_key(65537, 2048)


def key_file(**members: object) -> str:
    """The file as Google writes it, with *members* in place of its own; one that is None is left out."""
    pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = {
        "type": "service_account",
        "project_id": "p-1",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "a@p-1.test",
        "client_id": "1",
        "token_uri": TOKENS,
    }
    return json.dumps({name: value for name, value in {**own, **members}.items() if value is not None})
