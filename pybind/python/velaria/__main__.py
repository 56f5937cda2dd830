"""The command line: ``python -m velaria`` and the ``velaria-cli`` of the wheel."""

import sys
from typing import Optional, Sequence

from velaria._velaria import cli_main


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command line, without the program name, and return its exit code."""
    return cli_main(list(sys.argv[1:] if argv is None else argv))


def entry_point() -> None:
    """Run the command line of this process and end it."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # 128 + SIGINT, as shells expect it.
        sys.exit(130)


if __name__ == "__main__":
    entry_point()
