"""The command line: ``python -m velaria`` and the ``velaria-cli`` of the wheel."""

import os
import sys
from typing import Optional, Sequence

from velaria._velaria import cli_main, cli_program

_HELP = frozenset(["-h", "--help"])


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command line, without the program name, and return its exit code.

    Help ends the program once it is printed, as argparse does it.

    >>> from velaria.__main__ import main
    >>> main(["sql", "SELECT 1 AS one", "-o", "csv"])
    one
    1
    0
    """
    args = list(sys.argv[1:] if argv is None else argv)
    code = cli_main(args)
    if code == 0 and not _HELP.isdisjoint(args):
        raise SystemExit(0)
    return code


def entry_point() -> None:
    """Run the command line of this process and end it."""
    _open_missing_streams()
    try:
        sys.exit(cli_program(sys.argv[1:]))
    except KeyboardInterrupt:
        # Before or after the command, which hears signals itself: 128 + SIGINT, as shells expect it.
        sys.exit(130)


def _open_missing_streams() -> None:
    """Give the numbers of closed standard streams to nothing, so that no file that is opened later is taken for one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    entry_point()
