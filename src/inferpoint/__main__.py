"""The command `inferpoint`, and `python -m inferpoint`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command; an error is one sentence on standard error and exit status 1.

    `serve` goes past the command line's libraries: a running server does not carry what only prints tables.
    """
    from inferpoint.errors import InferenceError  # noqa: PLC0415 - what is imported depends on the command

    try:
        if sys.argv[1:2] == ["serve"]:
            from inferpoint import app, config  # noqa: PLC0415

            app.serve(config.from_command_line(sys.argv[2:], os.environ, "inferpoint serve"), os.environ)
        else:
            from inferpoint import cli  # noqa: PLC0415

            cli.run()
    except InferenceError as error:
        sys.exit(f"inferpoint: {error}")


if __name__ == "__main__":
    main()
