"""The first key of a server: its administrator's, from the environment or made where others may reach the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from inferpoint.access import actions, credentials
from inferpoint.access.callers import Callers
from inferpoint.access.credentials import ADMIN, LEAST_SECRET, Credentials
from inferpoint.access.key import ApiKey
from inferpoint.access.keys import Keys
from inferpoint.access.records import record
from inferpoint.access.variables import ADMIN_KEY, ADMIN_KEY_FILE
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.privileges import ALL
from inferpoint.model.requests import ANONYMOUS, INTERNAL
from inferpoint.storage.audit import Audit
from inferpoint.telemetry.log import inform

_NAME = "administrator"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def begin(callers: Callers, clock: Clock, audit: Audit, environ: Mapping[str, str], *, is_open: bool) -> None:
    """See to the administrator's key, and say so where there is none."""
    made = await _administrator(callers.keys, clock, audit, environ, needed=not is_open)
    if made is not None:  # to whoever started the server, and never to the log
        print(f"The administrator's API key, shown this once: {made.encoded}", flush=True)
    elif callers.everybody:
        inform("There are no API keys: whoever reaches this server may do everything, until the first key is made")


async def _administrator(
    keys: Keys, clock: Clock, audit: Audit, environ: Mapping[str, str], *, needed: bool
) -> Credentials | None:
    """Make the administrator's key what *environ* says; or make one that is new, if one is *needed* and there is none.

    That one is given, to be shown once. `INVALID` for a key that anybody could guess.
    """
    chosen = _chosen(environ)
    if chosen is None and (not needed or len(keys)):
        return None
    wanted = chosen or credentials.made()
    entry = keys.get(wanted.id)
    before = None if entry is None else entry[0]
    if before is not None and before.hash == wanted.hash:  # as it was made, or changed or ended since by its owner
        return None
    now = round(clock.now().timestamp() * 1000)
    key = ApiKey(wanted.id, _NAME, wanted.hash, INTERNAL.name, now, (ALL,))
    await keys.put([(key, before)])
    await record(audit, INTERNAL, actions.CREATE_KEY, None, key)
    return None if chosen else wanted


def _chosen(environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that the environment has for the administrator."""
    source, text = ADMIN_KEY, environ.get(ADMIN_KEY, "").strip()
    if not text and (file := environ.get(ADMIN_KEY_FILE)):
        source = ADMIN_KEY_FILE
        try:
            text = Path(file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise InferenceError(Kind.INVALID, f"The file {file} of {ADMIN_KEY_FILE} cannot be read") from None
    elif not text:
        return None
    chosen = credentials.encoded(text)
    if chosen is None or len(chosen.secret) < LEAST_SECRET or not (text.isascii() and text.isprintable()):
        raise invalid(
            f"The key in {source} must have a secret of [{LEAST_SECRET}] characters at least, such as random ones"
        )
    if not _ID.fullmatch(chosen.id) or chosen.id in (ANONYMOUS.name, INTERNAL.name):
        raise invalid(f"The key in {source} must have an id of letters, digits, - and _, or none, which is [{ADMIN}]")
    return chosen
