"""The command `inferpoint`, and `python -m inferpoint`."""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130  # as a shell tells of SIGINT


def main() -> None:
    """Run the command; an error is one sentence on standard error and exit status 1.

    `serve` goes past the command line's libraries: a running server does not carry what only prints tables. Who
    interrupts a command knows it: nothing is said of it, from the first moment on.
    """
    try:
        from inferpoint.errors import InferenceError  # noqa: PLC0415 - what is imported depends on the command

        try:
            if sys.argv[1:2] == ["serve"]:
                _serve(sys.argv[2:])
            else:
                from inferpoint import cli  # noqa: PLC0415

                cli.run()
        except InferenceError as error:
            sys.exit(f"inferpoint: {error}")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _serve(arguments: list[str]) -> None:
    """Serve in this process; or supervise several that do, without what only they need.

    Where nobody types, in a worker or with a log for programs, a failure is a line of the log.
    """
    from inferpoint import config, flags  # noqa: PLC0415
    from inferpoint.errors import InferenceError  # noqa: PLC0415
    from inferpoint.telemetry import log  # noqa: PLC0415
    from inferpoint.workers.dumps import forbid_core_dumps  # noqa: PLC0415
    from inferpoint.workers.inheritance import inherited  # noqa: PLC0415

    forbid_core_dumps()
    wanted, file = flags.from_command_line(arguments, os.environ, "inferpoint serve")
    is_worker = inherited(os.environ) is not None
    with log.opened(wanted.log_format, wanted.log_level) as lines:
        for problem in () if is_worker else config.unknown_variables(os.environ):
            log.warn(problem)
        try:
            if wanted.workers > 1 and not is_worker:
                from inferpoint.workers import supervisor  # noqa: PLC0415

                supervisor.supervise(wanted, arguments, os.environ)
            else:
                from inferpoint import app  # noqa: PLC0415

                app.serve(wanted, os.environ, lines.answered, file)
        except InferenceError as error:
            if not is_worker and wanted.log_format == "text":
                raise
            log.fail(str(error))
            sys.exit(1)


if __name__ == "__main__":
    main()
