"""One command line with a home and a folder of its own, and what it prints without what is different each time."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple, Type

if TYPE_CHECKING:
    from calls import Call

# A command that takes longer hangs.
SECONDS_MAX = 120

FILES = {
    "scores.csv": "name,score\nalice,10\nbob,22.5\nalice,15\n",
    "vectors.csv": "id,v\n1,[1 0]\n2,[0 1]\n",
    "events.ndjson": '{"event": "open"}\n{"event": "close"}\n',
    "in/part-000.csv": "key,value\nu1,1\nu2,4\nu1,2\n",
}

# What follows from the moment, the machine or chance.
MASKS: List[Tuple[str, str]] = [
    (r"[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8,32}", "[run]"),
    (r"artifact_[0-9a-f]{16}", "artifact_[id]"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "[moment]"),
    (r'"((?:[a-z_]+_)?(?:latency|elapsed|duration|checkpoint)_ms)": [0-9.e+-]+', r'"\1": [timing]'),
    (
        r'"(actor_speedup|compute_to_overhead_ratio|blocked_count|max_backlog_batches|batches_pulled)": [0-9.e+-]+',
        r'"\1": [timing]',
    ),
    (r'"([a-z_]+_bytes|bytes)": [0-9]+', r'"\1": [bytes]'),
    (r"needs [0-9.]+ [A-Z]*B more, but [0-9.]+ [A-Z]*B of", "needs [bytes] more, but [bytes] of"),
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:[port]"),
    (r"token=[0-9A-Za-z_-]+", "token=[token]"),
]


class Answer:
    """What a call printed, without what is different each time, and how it ended."""

    def __init__(self, code: int, stdout: bytes, stderr: bytes, raw: bytes) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        # As it was printed.
        self.raw = raw

    def document(self) -> Optional[Dict[str, object]]:
        """The one JSON document on standard output, or nothing where there is anything else."""
        try:
            found = json.loads(self.raw.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


def refuse(constant: str) -> None:
    raise ValueError("{} is no JSON".format(constant))


def unique(pairs: Sequence[Tuple[str, object]]) -> Dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


class Surface:
    """A command line, with a folder for its calls and a home for its runs."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = [absolute(command[0]), *command[1:]]
        self.known: Dict[str, str] = {}
        self.temporary = tempfile.TemporaryDirectory()
        self.work = Path(self.temporary.name).resolve()

    def __enter__(self) -> "Surface":
        for name, text in FILES.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.temporary.cleanup()

    def make(self, call: "Call") -> Answer:
        """Makes a call, and again while it has to be repeated."""
        answer = self.make_once(call)
        end = time.monotonic() + SECONDS_MAX
        while call.repeated and call.wants.encode() not in answer.raw and time.monotonic() < end:
            answer = self.make_once(call)
        return answer

    def make_once(self, call: "Call") -> Answer:
        """Makes a call once. A `{run}` or `{artifact}` in it is the one that a call before has told of."""
        arguments = [self.expand(argument) for argument in call.arguments]
        process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=str(self.work),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # What was read ahead of the first line would be lost to the rest.
            bufsize=0,
        )
        try:
            first = self.interrupt(process) if call.interrupted else b""
            stdout, stderr = process.communicate(None if call.interrupted else call.stdin.encode(), timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Answer(-1, b"", b"no end in sight", b"")
        raw = first + stdout
        answer = Answer(process.returncode, self.masked(raw), self.masked(stderr), raw)
        self.learn(call, answer)
        return answer

    def interrupt(self, process: "subprocess.Popen[bytes]") -> bytes:
        """Presses Ctrl-C when the program has printed its first line."""
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        return first

    def commands_below(self, path: Tuple[str, ...]) -> List[str]:
        """The commands that the help of `path` lists."""
        done = subprocess.run([*self.command, *path, "--help"], stdout=subprocess.PIPE, env=self.environment(), check=True)
        listed = re.search(r"^Commands:\n((?:  .*\n)+)", done.stdout.decode("utf-8"), re.MULTILINE)
        return re.findall(r"^  ([a-z][a-z-]*)", listed[1], re.MULTILINE) if listed else []

    def environment(self) -> Dict[str, str]:
        # The width of help is that of a pipe, and nothing of the checkout stands in for what is installed.
        dropped = ("COLUMNS", "PYTHONPATH", "PYTHONHOME", "VELARIA_LOG")
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        return dict(environment, VELARIA_HOME=str(self.work / "home"), PAGER="cat", BROWSER="true")

    def expand(self, argument: str) -> str:
        for name, value in self.known.items():
            argument = argument.replace("{" + name + "}", value)
        return argument

    def learn(self, call: "Call", answer: Answer) -> None:
        document = answer.document() or {}
        if call.tells and isinstance(document.get("run_id"), str):
            self.known[call.tells] = str(document["run_id"])
            artifacts = document.get("artifacts")
            if isinstance(artifacts, list) and artifacts:
                self.known[call.tells.replace("run", "artifact")] = artifacts[0]["artifact_id"]

    def masked(self, printed: bytes) -> bytes:
        try:
            text = printed.decode("utf-8")
        except UnicodeDecodeError:
            # A file on standard output is what it is.
            return printed
        text = text.replace(str(self.work), "[work]")
        for pattern, mask in MASKS:
            text = re.sub(pattern, mask, text)
        return text.encode()


def absolute(program: str) -> str:
    """The program from the root on, where it is a path: calls are made in another folder."""
    return str(Path(program).absolute()) if "/" in program else program
