#!/usr/bin/env python3
"""Writes the corpus of nasty files into a folder: `python conformance/nasty/generate.py FOLDER [--list] [NAME ...]`.

The same bytes come out on every day. Only the standard library is needed.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nasty.cases import CASES, CHAPTERS  # noqa: E402 - the package is found beside this file, and is not installed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the files go")
    parser.add_argument("names", nargs="*", help="only these files")
    parser.add_argument("--list", action="store_true", help="print what there is")
    arguments = parser.parse_args()
    if arguments.list or arguments.folder is None:
        for chapter, cases in CHAPTERS.items():
            print("{} ({})".format(chapter, len(cases)))
            for case in cases:
                print("  {:32} {}".format(case.file, case.about))
        return 0
    unknown = set(arguments.names) - {case.file for case in CASES}
    if unknown:
        parser.error("no such file in the corpus: " + ", ".join(sorted(unknown)))
    chosen = [case for case in CASES if not arguments.names or case.file in arguments.names]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    bytes_written = sum(case.write(arguments.folder).stat().st_size for case in chosen)
    print("{} files, {:.1f} MB".format(len(chosen), bytes_written / 1e6))
    return 0


if __name__ == "__main__":
    sys.exit(main())
