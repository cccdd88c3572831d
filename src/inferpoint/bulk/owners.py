"""The names of workers, by which whoever comes later on the same machine knows that one has died."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def own_name() -> str:
    """The name of a worker of this process: its machine, its process, and a word that no other worker has."""
    return "/".join((_machine(), str(os.getpid()), _begun(os.getpid()), secrets.token_hex(4)))


def has_died(owner: str) -> bool:
    """Whether *owner* was a process of this machine that is there no more; of others nothing is known."""
    machine, _, rest = owner.partition("/")
    process, _, rest = rest.partition("/")
    begun = rest.partition("/")[0]
    if machine != _machine() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return begun != _begun(int(process))


def _machine() -> str:
    """The machine's name with the number of its boot: two containers may have one name, and numbers of processes."""
    return f"{socket.gethostname()}:{_namespace()}"


def _namespace() -> str:
    """The name space of process numbers that this process is in, where the system has several."""
    try:
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return ""


def _begun(process: int) -> str:
    """When *process* began, so that another one of its number is told from it; empty where the system does not say."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
