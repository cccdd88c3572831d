"""Nobody reads the log: the pipe that it goes to is full, as under a supervisor that hangs."""

from __future__ import annotations

from contextlib import closing

from raw_http import ask_on, connection
from victim import Victim

REQUESTS = 3000  # with lines of 300 bytes each; a pipe holds 64 KB
FLAGS = ("--log-format=json",)


def attack(victim: Victim) -> None:
    with victim.server.unread(), closing(connection(victim.url)) as line:
        for number in range(REQUESTS):
            assert ask_on(line, "GET", f"/nowhere/{number}").status == 404
    victim.server.until(rf"/nowhere/{REQUESTS - 1}\b".encode())
