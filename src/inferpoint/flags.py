"""The flags of `inferpoint serve`: made from the declared settings, each with its variable, default and values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from inferpoint.config import FILE, Config, File, combined, flat, read_file, variable
from inferpoint.model.settings import Setting

_EPILOG = (
    "Flags go before variables, and those before the file."
    " Exit status: 0 when it was told to stop, 1 for a failure, 2 for a wrong flag."
)


def from_command_line(arguments: Sequence[str], environ: Mapping[str, str], program: str) -> tuple[Config, File]:
    """The configuration that *arguments* and *environ* ask for, and the file with what else there is to be.

    A wrong flag ends the program with its usage.
    """
    parser = argparse.ArgumentParser(prog=program, description="Run the server.", epilog=_EPILOG)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"A YAML or TOML file of these settings, by their names, and of endpoints. [{FILE}]",
    )
    for _, option in flat():
        flag, shown = "--" + option.name.replace("_", "-"), _help(option).replace("%", "%%")
        if option.kind is bool:
            parser.add_argument(flag, action="store_true", default=None, help=shown)
        else:
            parser.add_argument(flag, metavar=_values(option), help=shown)
    flags = vars(parser.parse_args(arguments))
    name = flags.pop("config") or environ.get(FILE)
    file = read_file(name, environ, flags) if name else File({})
    return combined(file.settings, environ, flags), file


def _values(option: Setting) -> str:
    """The values that an option takes, as its usage shows them."""
    return "|".join(map(str, option.choices)) or ("N" if option.kind is int else option.name.rpartition("_")[2].upper())


def _help(option: Setting) -> str:
    """What an option is for, its bounds and its default, and the variable that sets it as well."""
    name = variable(option)
    if option.kind is bool:
        return f"{option.help} [{name}=true]"
    least, most = option.at_least, option.at_most
    bounds = "" if least is None else f"{least:.0f} or more, " if most is None else f"{least:.0f} to {most:.0f}, "
    return f"{option.help} [{name}, {bounds}default: {option.default}]"
