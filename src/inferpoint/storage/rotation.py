"""A new secret key: all that is sealed is sealed anew by it, and the old one is forgotten.

Each of the steps leaves a store that opens, with the keys that are there: two keys first, then all rows in one
transaction, then one key. Killed in between, the next start goes on. The keys change inside of transactions alone, so
that whoever writes meanwhile, in any process, seals by the key that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sql

from inferpoint.storage import credentials
from inferpoint.storage.rows import resealed, select
from inferpoint.storage.schema import ENDPOINTS
from inferpoint.storage.store import Store
from inferpoint.storage.vault import Vault

_PURPOSE = "seal the secrets anew"


@dataclass(frozen=True)
class Rotation:
    """The id of the key that seals now, the number of rows that it sealed anew, and the ids of the `retired` keys."""

    key_id: str
    resealed: int
    retired: Sequence[str]


async def rotate(store: Store, vault: Vault) -> Rotation:
    """Have everything in *store* sealed by a new key; a rotation that was begun is finished, with its key.

    `INVALID` where the keys are not ours to make.
    """

    def reseal(connection: sql.Connection) -> int:
        vault.begin_rotation()
        return _reseal(connection, vault)

    def retire(_connection: sql.Connection) -> Sequence[str]:
        vault.refresh()
        return vault.end_rotation()

    count = await store.run(reseal, _PURPOSE)
    return Rotation(vault.key_id, count, await store.run(retire, _PURPOSE))


def _reseal(connection: sql.Connection, vault: Vault) -> int:
    """Seal every secret by the newest key, and say of how many rows."""
    count = credentials.reseal(connection, vault)
    for row in select(connection):
        changed = resealed(row, vault)
        if changed is not row:
            where = ENDPOINTS.c.inference_id == row.inference_id
            connection.execute(sql.update(ENDPOINTS).where(where).values(secrets=changed.secrets))
            count += 1
    return count
