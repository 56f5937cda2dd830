"""The command line as a module of its own, for programs that import ``velaria_cli``."""

from velaria.__main__ import entry_point, main

__all__ = ["main"]

if __name__ == "__main__":
    entry_point()
