#!/usr/bin/env python3
"""The corpus of nasty files (conformance/nasty), read by Velaria and its peers: who gets them right, and who only seems to.

Every engine reads with its most automatic reader and no option. Each file is read in a child process with a time limit; a
child that dies or hangs is replaced. README.md says how answers are judged.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Before this folder, in which this file has the name of the corpus.
sys.path.insert(0, str(HERE.parents[1] / "conformance"))

from nasty import judge  # noqa: E402 - found on the path above
from nasty.cases import CHAPTERS  # noqa: E402

ENGINES = ["velaria", "duckdb", "polars", "pandas", "datafusion"]
WORDS = [judge.RIGHT, judge.UNTYPED, judge.REFUSED, judge.WRONG, "crash", "hang"]
TIMEOUT_SECONDS = 30
MISSING_MARK = "missing: "


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        files = [(chapter, case) for chapter, case in chosen(arguments) if case.write(Path(folder))]
        scores = {}
        for engine in arguments.engines:
            found = score(arguments.python, engine, Path(folder), [case.file for _, case in files])
            if isinstance(found, str):
                print(f"{engine} is left out: {found}", file=sys.stderr)
            else:
                scores[engine] = found
    if arguments.verbose:
        print_files(scores, files)
    print_scores(scores, files)
    if arguments.output:
        arguments.output.write_text(json.dumps(scores, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    ours = [word for word, _ in scores.get("velaria", {}).values()]
    return 1 if {judge.WRONG, "crash", "hang"} & set(ours) else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    names = lambda text: text.split(",")  # noqa: E731 - the type of two options
    add("--engines", type=names, default=ENGINES, metavar="A,B", help="only these engines")
    add("--chapters", type=names, default=list(CHAPTERS), metavar="A,B", help="only these chapters of the corpus")
    add("--files", type=names, metavar="A,B", help="only these files")
    add("--python", default=os.environ.get("VELARIA_PYTHON_BIN", sys.executable), help="Python that has the engines")
    add("--verbose", action="store_true", help="print every file that an engine did not get right")
    add("--output", type=Path, metavar="FILE", help="where the verdicts go as JSON")
    return parser.parse_args()


def chosen(arguments):
    """The files that need no option: with options every engine would be told what it is to find out."""
    for chapter in arguments.chapters:
        for case in CHAPTERS[chapter]:
            if not case.options and (arguments.files is None or case.file in arguments.files):
                yield chapter, case


# -- children -----------------------------------------------------------------------------------------------------------


class Child:
    """A process that reads files with one engine, one after the other."""

    def __init__(self, python, engine):
        command = [python, str(HERE / "nasty_child.py"), engine]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, encoding="utf-8", **pipes)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def ask(self, path):
        """The word for one file and what there is to say about it."""
        try:
            self.process.stdin.write(path + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=TIMEOUT_SECONDS)
        except queue.Empty:
            return "hang", f"no answer in {TIMEOUT_SECONDS} s"
        except BrokenPipeError:
            line = ""
        if line:
            word, note = json.loads(line)
            return word, note
        return "crash", f"the process ended with {self.process.wait()}"

    def end(self):
        self.process.kill()
        self.process.wait()
        # Nobody reads what is left.
        self.process.stdin.close()


def score(python, engine, folder, files):
    """The word and the note for each file, or words that say why the engine is not there."""
    child, found = Child(python, engine), {}
    greeting = child.lines.get(timeout=120)
    try:
        if not greeting.startswith("ready"):
            return greeting.replace(MISSING_MARK, "").strip() or "its process does not start"
        for file in files:
            found[file] = child.ask(str(folder / file))
            if found[file][0] in ("crash", "hang"):
                child.end()
                child = Child(python, engine)
                child.lines.get(timeout=120)
    finally:
        child.end()
    return found


# -- what is printed ----------------------------------------------------------------------------------------------------


def print_files(scores, files):
    for chapter, case in files:
        words = {engine: found[case.file] for engine, found in scores.items()}
        if all(word == judge.RIGHT for word, _ in words.values()):
            continue
        print(f"\n{chapter}/{case.file}: {case.about}")
        for engine, (word, note) in words.items():
            print(f"  {engine:10} {word:8} {note}")
    print()


def print_scores(scores, files):
    chapters = list(dict.fromkeys(chapter for chapter, _ in files))
    sizes = Counter(chapter for chapter, _ in files)
    head = ["engine", *WORDS, *(f"{chapter} ({sizes[chapter]})" for chapter in chapters)]
    print(f"{len(files)} files; the last columns are the right ones by chapter\n")
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for engine, found in scores.items():
        counts = Counter(word for word, _ in found.values())
        right = Counter(chapter for chapter, case in files if found[case.file][0] == judge.RIGHT)
        cells = [engine, *(str(counts[word]) for word in WORDS), *(str(right[chapter]) for chapter in chapters)]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
