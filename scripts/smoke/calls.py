"""The calls, one after the other: every command, and every way to end that needs no luck."""

from typing import Any, Iterator, Optional, Sequence

from surface import Answer

GROUP = "SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name"
ENDLESS = "SELECT COUNT(*) FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9"
GREEDY = "SELECT array_agg(v) FROM range(100000000) AS t(v)"
STREAM = "INSERT INTO output_sink SELECT key, SUM(value) AS total FROM input_stream GROUP BY key"
STREAM_ONCE = ("stream-sql-once", "--source-csv-dir", "in", "--sink-schema", "key STRING, total INT", "--query", STREAM)
LONG_STREAM = ("stream-sql", "--source-dir", "in", "--sink-schema", "key STRING, total INT", "--query", STREAM)
SEARCH = ("vector-search", "--csv", "vectors.csv", "--vector-column", "v", "--query-vector", "0,1")
TRACKED = ("csv-sql", "--csv", "scores.csv", "--query")

# Commands whose answer is one JSON document where standard output is no terminal.
DOCUMENTS = ("csv-sql", "file-sql", "vector-search", "sniff", "describe", "run", "artifacts", "index")


class Call:
    """A call, and what is expected of it."""

    def __init__(
        self,
        *arguments: str,
        code: int = 0,
        wants: str = "",
        stdin: str = "",
        stderr: str = "",
        tells: str = "",
        document: Optional[bool] = None,
        interrupted: bool = False,
        repeated: bool = False,
    ) -> None:
        self.arguments = arguments
        self.code = code
        # A piece of what it prints.
        self.wants = wants
        self.stdin = stdin
        # A piece of what it says on standard error, where it says anything.
        self.stderr = stderr
        # The name by which later calls know the run that it tells of.
        self.tells = tells
        self.interrupted = interrupted
        # Whether it is made until it prints what it should: it waits for what another process does.
        self.repeated = repeated
        self.command = command_of(arguments)
        formatted = "-o" in arguments or "--help" in arguments or "--jsonl" in arguments
        self.is_document = (arguments[0] in DOCUMENTS and not formatted) if document is None else document

    @property
    def name(self) -> str:
        return " ".join(self.arguments)

    def objections(self, answer: Answer) -> Iterator[str]:
        """Why `answer` is not what it should be."""
        if answer.code != self.code:
            yield "exit code {} instead of {}: {!r} {!r}".format(answer.code, self.code, answer.stdout, answer.stderr)
        elif self.wants.encode() not in answer.raw:
            yield "no {!r} in {!r}".format(self.wants, answer.raw)
        elif self.is_document and answer.document() is None:
            yield "not one JSON document: {!r}".format(answer.raw)
        elif self.is_document and not answer.raw.endswith(b"}\n"):
            yield "the document does not end its line"
        if self.stderr.encode() not in answer.stderr or (answer.stderr and not self.stderr):
            yield "standard error is {!r}".format(answer.stderr)


def command_of(arguments: Sequence[str]) -> str:
    """`run start` of its arguments."""
    groups = ("run", "artifacts", "index")
    words = [word for word in arguments if not word.startswith("-")]
    return " ".join(words[: 2 if words and words[0] in groups else 1])


def csv(*more: str, query: str = GROUP, file: str = "scores.csv", **expected: Any) -> Call:
    return Call("csv-sql", "--csv", file, "--query", query, *more, **expected)


def start(*action: str, **expected: Any) -> Call:
    return Call("run", "start", "--tag", "smoke", "--", *action, **expected)


CALLS = [
    # Questions.
    csv(wants='"total": 25.0'),
    csv("-o", "table", wants="alice"),
    csv("-o", "csv", wants="name,total\nalice,25.0"),
    csv("-o", "ndjson", wants='{"name":"alice","total":25.0}'),
    csv("-o", "markdown", wants="| alice |"),
    csv("-o", "parquet", wants="PAR1"),
    csv("-o", "arrow", wants="total"),
    csv("--help", wants="Example:"),
    Call("file-sql", "--input-path", "events.ndjson", "--query", "SELECT COUNT(*) AS n FROM input_table", wants='"n": 2'),
    Call("sql", "SELECT 1 + 1 AS two", wants='"two": 2'),
    Call("sql", "--jsonl", stdin='{"sql": "SELECT 1"}\n{"sql": "SELECT"}\n', wants='"ok":false'),
    Call(*SEARCH, wants='"row_id": 1'),
    Call("sniff", "scores.csv", wants='"delimiter": ","'),
    Call("describe", "scores.csv", wants="score"),
    Call("functions", "-o", "ndjson", wants="abs"),
    Call("shell", stdin="SELECT 1 AS one;\n.quit\n", wants="one"),
    # Refusals.
    csv(file="missing.csv", code=1, wants='"error_type": "file_not_found"'),
    csv(query="SELECT nope FROM input_table", code=1, wants='"code": "VEL-2001"'),
    csv(query="DROP VIEW input_table", code=1, wants='"code": "VEL-6004"'),
    Call("csv-sql", "--csv", "scores.csv", code=1, wants="the following arguments are required: --query"),
    Call("nosuch", code=1, wants='"error_type": "usage_error"', document=True),
    Call("sql", "--timeout", "0.2", ENDLESS, code=1, wants='"code": "VEL-8003"', document=True),
    Call("sql", "--memory-limit", "16MiB", GREEDY, code=1, wants='"code": "VEL-8001"', document=True),
    csv("-o", "csv", file="missing.csv", code=1, stderr="error: cannot stat source file"),
    # Tracked runs.
    start(*TRACKED, GROUP, tells="run", wants='"status": "succeeded"'),
    start("file-sql", "--input-path", "scores.csv", "--query", GROUP, tells="other_run", wants='"status": "succeeded"'),
    start(*SEARCH, wants='"row_id": 1'),
    start(*STREAM_ONCE, tells="stream_run", wants='"processed_batches": 1'),
    start("csv-sql", "--csv", "missing.csv", "--query", GROUP, code=1, wants='"status": "failed"'),
    Call("run", "start", "--timeout-ms", "200", "--", *TRACKED, ENDLESS, code=1, wants='"timed_out"'),
    start(code=1, wants="run start requires an action after '--'"),
    start("nosuch", code=1, wants="unsupported run action: nosuch"),
    Call("run", "show", "--run-id", "{run}", wants='"artifact_count": 1'),
    Call("run", "status", "--run-id", "{stream_run}", wants='"latest_progress"'),
    Call("run", "list", "--tag", "smoke", wants='"action": "vector-search"'),
    Call("run", "result", "--run-id", "{run}", wants='"total": 25.0'),
    Call("run", "diff", "--run-id", "{run}", "--other-run-id", "{other_run}", wants='"equal": true'),
    Call("run", "watch", "--run-id", "{run}", wants='"status": "succeeded"'),
    Call("run", "rerun", "--run-id", "{run}", wants='"status": "succeeded"'),
    Call("run", "start", "--detach", "--", *LONG_STREAM, tells="live_run", wants='"status": "running"'),
    Call("run", "status", "--run-id", "{live_run}", wants='"batches_processed": 1', repeated=True),
    Call("run", "cancel", "--run-id", "{live_run}", wants='"status": "cancelled"'),
    Call("run", "resume", "--run-id", "{live_run}", "--detach", wants='"status": "running"'),
    Call("run", "cancel", "--run-id", "{live_run}", wants='"status": "cancelled"'),
    Call("run", "resume", "--run-id", "{run}", code=1, wants='"error_type": "value_error"'),
    Call("run", "cancel", "--run-id", "{run}", code=1, wants='"error_type": "value_error"'),
    Call("run", "report", "--run-id", "{run}", wants='"path"'),
    Call("run", "open", "--run-id", "{run}", "--print", wants="report.html"),
    Call("run", "show", "--run-id", "missing-run", code=1, wants="run not found: missing-run"),
    Call("run", "show", "--run-id", "../../etc", code=1, wants="run not found: ../../etc"),
    Call("artifacts", "list", "--run-id", "{run}", wants='"format": "parquet"'),
    Call("artifacts", "preview", "--artifact-id", "{artifact}", "--limit", "1", wants='"truncated": true'),
    Call("artifacts", "export", "--artifact-id", "{artifact}", "-o", "out.csv", wants="out.csv", document=True),
    Call("artifacts", "open", "--artifact-id", "{artifact}", "--print", wants="result.parquet"),
    Call("artifacts", "preview", "--artifact-id", "missing", code=1, wants="artifact not found: missing"),
    Call("index", "rebuild", wants='"ok": true'),
    Call("run", "cleanup", wants='"deleted_run_ids": []'),
    Call("run", "cleanup", "--keep-last", "0", "--delete-files", wants='"ok": true'),
    # About itself.
    Call("ui", "--port", "0", wants="127.0.0.1", interrupted=True, document=True),
    Call("completions", "bash", wants="velaria-cli"),
    Call("man", wants=".TH"),
    Call("--version", wants="velaria-cli 0."),
    Call("--help", wants="Commands:"),
]
