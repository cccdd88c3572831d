"""Named credentials at rest: sealed like all secrets, and held by the endpoints that refer to them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sql

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.credentials import SIGN, Credential, missing, named
from inferpoint.storage.rows import StoredEndpoint
from inferpoint.storage.schema import CREDENTIALS, ENDPOINTS
from inferpoint.storage.vault import Vault


def select(connection: sql.Connection, vault: Vault) -> dict[str, Credential]:
    """Every credential, by its name; one that does not open is missing, as its users say."""
    credentials: dict[str, Credential] = {}
    for row in connection.execute(sql.select(CREDENTIALS)).mappings():
        try:
            secret = vault.open(row["secret"], _place(row["name"]))
        except InferenceError:
            continue
        credentials[row["name"]] = Credential(secret, row["name"], row["addresses"])
    return credentials


def names(connection: sql.Connection) -> Sequence[str]:
    """The names of all credentials, whether or not they open."""
    return connection.scalars(sql.select(CREDENTIALS.c.name).order_by(CREDENTIALS.c.name)).all()


def put(connection: sql.Connection, vault: Vault, credential: Credential) -> None:
    """Store *credential*, and give every endpoint that refers to it a new version."""
    vault.refresh()
    connection.execute(sql.delete(CREDENTIALS).where(CREDENTIALS.c.name == credential.name))
    row: dict[str, Any] = {
        "name": credential.name,
        "secret": vault.seal(str(credential), _place(credential.name)),
        "addresses": sorted(credential.addresses or ()),
    }
    connection.execute(sql.insert(CREDENTIALS).values(row))
    for inference_id in used_by(connection, credential.name):
        version = sql.update(ENDPOINTS).where(ENDPOINTS.c.inference_id == inference_id).values(version=uuid.uuid4().hex)
        connection.execute(version)


def remove(connection: sql.Connection, name: str) -> None:
    """Forget a credential; `NOT_FOUND` when there is none of that *name*, `CONFLICT` while an endpoint refers to it."""
    if users := used_by(connection, name):
        problem = f"The credential [{name}] is used by {', '.join(f'[{one}]' for one in users)}"
        raise InferenceError(Kind.CONFLICT, problem)
    if connection.execute(sql.delete(CREDENTIALS).where(CREDENTIALS.c.name == name)).rowcount == 0:
        raise not_found(name)


def used_by(connection: sql.Connection, name: str) -> Sequence[str]:
    """The ids of the endpoints that refer to the credential called *name*, usable or not."""
    secrets = sql.type_coerce(ENDPOINTS.c.secrets, sql.Text)
    reference = f'"{SIGN}{name}"'  # whole, in JSON: what is sealed has no quotation mark
    ids = sql.select(ENDPOINTS.c.inference_id).where(secrets.contains(reference, autoescape=True))
    return connection.scalars(ids.order_by(ENDPOINTS.c.inference_id)).all()


def refuse_missing(connection: sql.Connection, endpoint: StoredEndpoint) -> None:
    """`INVALID` when *endpoint* refers to a credential that is gone."""
    for name in filter(None, map(named, endpoint.secrets.values())):
        if connection.scalar(sql.select(sql.func.count()).where(CREDENTIALS.c.name == name)) == 0:
            raise invalid(missing(name))


def reseal(connection: sql.Connection, vault: Vault) -> int:
    """Seal every credential by the newest key, and say how many were sealed by another."""
    count = 0
    for row in connection.execute(sql.select(CREDENTIALS)).mappings().all():
        sealed = vault.resealed(row["secret"], _place(row["name"]))
        if sealed != row["secret"]:
            connection.execute(sql.update(CREDENTIALS).where(CREDENTIALS.c.name == row["name"]).values(secret=sealed))
            count += 1
    return count


def not_found(name: str) -> InferenceError:
    """The refusal of what is asked of a credential that is not there."""
    return InferenceError(Kind.NOT_FOUND, f"Credential not found [{name}]")


def _place(name: str) -> str:
    return SIGN + name
