"""One block of cases: make a database and its queries, ask all engines, judge, cut down what is unexplained."""

from collections import Counter
from random import Random
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import logic_styles
from compare import Asked, Verdict, first_line, judge
from generator import Database, Query, generator
from oracle import Answer, Engine, SQLite, Velaria, oracles
from partitions import Check, check
from tree import Node, shrink

BLOCK = 50
CUTS = 300
ROW_CUTS = 60

CUT_DOWN_EACH = 5

Finding = Dict[str, Any]


class Channel:
    """Where a block says what it is at and what came out of it."""

    def __init__(self, begin: Callable[[int], None], end: Callable[[List[str], Optional[Finding]], None]):
        self.begin, self.end = begin, end
        self.seen: Counter = Counter()  # type: ignore[type-arg]

    def worth_cutting(self, signature: Any) -> bool:
        """The first cases of a kind are cut down; the hundredth of the same bug would only cost time."""
        self.seen[signature] += 1
        return self.seen[signature] <= CUT_DOWN_EACH


def run_block(mode: str, seed: int, block: int, first: int, duckdb: bool, channel: Channel) -> None:
    """Runs one block from its case `first` on."""
    rng = Random("{}/{}/{}".format(seed, mode, block))
    BLOCKS[mode](rng, first, duckdb, channel)


def load(engine: Engine, setup: Sequence[Node]) -> None:
    for statement in setup:
        engine.rows(statement.sql(engine.name))


def loaded(database_setup: Sequence[Node], portable: bool, duckdb: bool) -> List[Engine]:
    engines: List[Engine] = [Velaria()]
    engines += oracles(portable, duckdb)
    for engine in engines:
        load(engine, database_setup)
    return engines


# -- differential queries -----------------------------------------------------------------------------------------------


def query_block(rng: Random, first: int, duckdb: bool, channel: Channel) -> None:
    # Without DuckDB nobody could judge a wide database.
    made = generator(rng, None if duckdb else True)
    database = made.database()
    engines = loaded(database.setup, database.portable, duckdb)
    for index in range(BLOCK):
        query = made.query()
        if index < first:
            continue
        channel.begin(index)
        asked = ask(engines, query.tree, query.ordered)
        verdict = judge(asked)
        found = None
        if verdict.unexplained:
            found = minimal(index, database, engines, query, asked, verdict, channel)
        channel.end(kinds_of(verdict), found)


def ask(engines: Sequence[Engine], tree: Node, ordered: bool) -> Asked:
    answers = {engine.name: engine.answer(tree.sql(engine.name)) for engine in engines}
    return Asked(tree.sql("velaria"), ordered, answers)


def kinds_of(verdict: Verdict) -> List[str]:
    """What a verdict counts as."""
    rules = ["rule:" + rule for rule in sorted(set(verdict.rules))] if verdict.kind == "documented" else []
    return [verdict.kind] + rules


def signature(asked: Asked, verdict: Verdict) -> Tuple[Any, ...]:
    """What has to stay the same while a case is cut down."""
    return (first_line(asked.velaria)[-12:] if asked.velaria.rows is None else "rows", tuple(verdict.unexplained))


def minimal(
    index: int,
    database: Database,
    engines: Sequence[Engine],
    query: Query,
    asked: Asked,
    verdict: Verdict,
    channel: Channel,
) -> Finding:
    wanted = signature(asked, verdict)
    if not channel.worth_cutting(wanted):
        return finding(index, database.setup, [asked.sql], asked.answers, verdict.unexplained)
    duckdb = "duckdb" in asked.answers

    def fails(tree: Node, on: Sequence[Engine]) -> bool:
        channel.begin(index)
        again = ask(on, tree, query.ordered)
        return signature(again, judge(again)) == wanted

    tree = shrink(query.tree, lambda smaller: fails(smaller, engines), CUTS)
    setup = fewer_rows(database.setup, lambda rows: fails(tree, loaded(rows, database.portable, duckdb)))
    last = ask(loaded(setup, database.portable, duckdb), tree, query.ordered)
    return finding(index, setup, [last.sql], last.answers, verdict.unexplained)


def fewer_rows(setup: List[Node], still_fails: Callable[[List[Node]], bool]) -> List[Node]:
    """Leaves out one INSERT after the other while the case still fails."""
    tries = ROW_CUTS
    for statement in list(setup):
        if tries > 0 and statement.text().startswith("INSERT"):
            tries -= 1
            shorter = [other for other in setup if other is not statement]
            if still_fails(shorter):
                setup = shorter
    return setup


def finding(
    index: int, setup: Sequence[Node], queries: Sequence[str], answers: Dict[str, Answer], against: Sequence[str]
) -> Finding:
    lines = [statement.sql("velaria") + ";" for statement in setup if used(statement, queries)]
    lines += [query + ";" for query in queries]
    lines += ["-- {}: {}".format(name, shown(answer)) for name, answer in answers.items()]
    velaria = next(iter(answers.values()))
    summary = "{} | {} | {}".format(", ".join(against), first_line(velaria) or "rows differ", " ; ".join(queries))
    return {"index": index, "summary": summary, "text": "\n".join(lines) + "\n"}


def used(statement: Node, queries: Sequence[str]) -> bool:
    name = statement.text().split()[2]
    return any(name in query for query in queries)


def shown(answer: Answer) -> str:
    if answer.rows is None:
        return "error: " + first_line(answer)
    rows = "{} rows: {}".format(len(answer.rows), answer.rows)
    return rows if len(rows) < 600 else rows[:600] + " …"


# -- changes of tables --------------------------------------------------------------------------------------------------


def change_block(rng: Random, first: int, duckdb: bool, channel: Channel) -> None:
    """DELETE, UPDATE and INSERT, each on the tables as they were made; what is compared is the table afterwards."""
    made = generator(rng, True)
    database = made.database()
    for index in range(BLOCK):
        table, tree = made.change()
        if index < first:
            continue
        channel.begin(index)
        answers = {engine.name: after(engine, table, tree) for engine in loaded(database.setup, True, duckdb)}
        asked = Asked(tree.sql("velaria"), False, answers)
        verdict = judge(asked)
        queries = [asked.sql, "SELECT * FROM " + table]
        found = finding(index, database.setup, queries, answers, verdict.unexplained) if verdict.unexplained else None
        channel.end(kinds_of(verdict), found)


def after(engine: Engine, table: str, change: Node) -> Answer:
    done = engine.answer(change.sql(engine.name))
    return done if done.rows is None else engine.answer("SELECT * FROM " + table)


# -- partition checks ---------------------------------------------------------------------------------------------------


def partition_block(rng: Random, first: int, duckdb: bool, channel: Channel) -> None:
    made = generator(rng)
    database = made.database()
    engine = loaded(database.setup, False, False)[0]
    for index in range(BLOCK):
        made_check = check(made)
        if index < first:
            continue
        channel.begin(index)
        kind, answers = partition_verdict(engine, made_check)
        found = minimal_check(index, database, engine, made_check, answers, channel) if kind == "unexplained" else None
        channel.end([kind.split(" ")[0]] + (["refused:" + kind.split(" ")[1]] if " " in kind else []), found)


def partition_verdict(engine: Engine, made: Check) -> Tuple[str, Dict[str, Answer]]:
    """`agreed`, `unexplained`, or `unjudged <code>` where a part was refused or ran into an error of its own."""
    whole = engine.answer(made.whole())
    parts = [engine.answer(part) for part in made.parts()]
    answers = {"whole": whole, **{"part {}".format(at): part for at, part in enumerate(parts, 1)}}
    failed = [answer for answer in [whole, *parts] if answer.rows is None]
    if any("VEL-9" in answer.error for answer in failed):
        return "unexplained", answers
    if failed:
        return "unjudged " + code_of(failed[0]), answers
    return ("agreed" if made.holds(whole, parts) else "unexplained"), answers


def code_of(answer: Answer) -> str:
    at = answer.error.find("VEL-")
    return answer.error[at : at + 8] if at >= 0 else "untyped"


def minimal_check(
    index: int, database: Database, engine: Engine, made: Check, answers: Dict[str, Answer], channel: Channel
) -> Finding:
    if not channel.worth_cutting(made.kind):
        return finding(index, database.setup, [made.whole(), *made.parts()], answers, [made.kind])

    def fails(condition: Node, source: Node) -> bool:
        channel.begin(index)
        return partition_verdict(engine, Check(made.kind, made.items, source, condition))[0] == "unexplained"

    condition = shrink(made.condition, lambda smaller: fails(smaller, made.source), CUTS)
    source = shrink(made.source, lambda smaller: fails(condition, smaller), CUTS)
    smaller = Check(made.kind, made.items, source, condition)

    def rows_fail(rows: List[Node]) -> bool:
        return partition_verdict(loaded(rows, False, False)[0], smaller)[0] == "unexplained"

    setup = fewer_rows(database.setup, rows_fail)
    answers = partition_verdict(loaded(setup, False, False)[0], smaller)[1]
    return finding(index, setup, [smaller.whole(), *smaller.parts()], answers, [made.kind])


# -- the styles of the SQLite logic tests -------------------------------------------------------------------------------


def style_block(rng: Random, first: int, duckdb: bool, channel: Channel) -> None:
    style = rng.choice(sorted(logic_styles.STYLES))
    script = logic_styles.STYLES[style](rng)
    velaria, sqlite = Velaria(), SQLite()
    setup = [Node("", statement) for statement in script.setup]
    load(sqlite, setup)
    refused = next((answer for answer in (velaria.answer(node.text()) for node in setup) if answer.rows is None), None)
    for index, query in enumerate(script.queries[:BLOCK]):
        if index < first:
            continue
        channel.begin(index)
        answers = {
            "velaria": velaria.answer(query.sql) if refused is None else refused,
            "sqlite": sqlite.answer(query.sql),
        }
        asked = Asked(
            query.sql,
            query.ordered,
            {name: lettered(query, answer, answers["sqlite"]) for name, answer in answers.items()},
        )
        verdict = judge(asked)
        found = finding(index, setup, [query.sql], asked.answers, [style]) if verdict.unexplained else None
        channel.end(kinds_of(verdict), found)


def lettered(query: logic_styles.Query, answer: Answer, expected: Answer) -> Answer:
    """The answer as the runner of those tests prints it: one letter a column says integer, real or text."""
    if answer.rows is None or expected.rows is None:
        return answer
    if not query.sql.startswith("SELECT"):
        return Answer(rows=[])  # What a change answers is each engine's own; the next query shows what it did.
    letters = (
        [letter([row[at] for row in expected.rows]) for at in range(len(expected.rows[0]))] if expected.rows else []
    )
    return Answer(
        rows=[
            tuple(printed(value, kind) for value, kind in zip(row, letters)) if letters else row for row in answer.rows
        ]
    )


def letter(values: List[Any]) -> str:
    if any(isinstance(value, str) for value in values):
        return "T"
    return "R" if any(isinstance(value, float) for value in values) else "I"


def printed(value: Any, kind: str) -> str:
    if value is None:
        return "NULL"
    try:
        if kind == "I":
            return str(int(value))
        return "{:.3f}".format(float(value)).replace("-0.000", "0.000") if kind == "R" else str(value) or "(empty)"
    except (ValueError, TypeError, OverflowError):
        return str(value)


BLOCKS = {"queries": query_block, "partitions": partition_block, "changes": change_block, "styles": style_block}
