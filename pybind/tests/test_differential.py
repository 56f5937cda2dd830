"""The differential suite: a small seed of it, and the comparison itself, which has to be able to fail."""

import importlib
import sys
from decimal import Decimal
from random import Random
from typing import Any, List

import pytest

from support import ROOT, need

SUITE = ROOT / "conformance" / "differential"
need("tomllib" if sys.version_info >= (3, 11) else "tomli")

sys.path.insert(0, str(SUITE))
compare = importlib.import_module("compare")
cases = importlib.import_module("cases")
generator = importlib.import_module("generator")
logic_styles = importlib.import_module("logic_styles")
oracle = importlib.import_module("oracle")
partitions = importlib.import_module("partitions")
run = importlib.import_module("run")
tree = importlib.import_module("tree")

ROWS = [(1, "a", 2.5), (2, None, None), (2, None, None), (3, "", -0.5)]


def outcomes(mode: str, seed: int, block: int) -> List[Any]:
    """The kinds and findings of one block, in this process."""
    ended: List[Any] = []
    channel = cases.Channel(lambda index: None, lambda kinds, finding: ended.append((kinds, finding)))
    cases.run_block(mode, seed, block, 0, oracle.has_duckdb(), channel)
    return ended


@pytest.mark.parametrize("mode", ["queries", "partitions", "changes"])
def test_a_small_seed_has_nothing_unexplained(mode: str, tmp_path: Any, capsys: Any) -> None:
    # Without it other statements are made, among them some that docs/sql/statements.md lists as refused.
    need("duckdb")
    code = run.main(["--" + mode, "200", "--seed", "20", "--results", str(tmp_path)])
    printed = capsys.readouterr().out
    assert code == 0, printed
    assert ", 0 unexplained" in printed


# -- the comparison catches what it is there for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        ROWS[:-1],
        ROWS + [(4, "b", 1.0)],
        [(1, "a", 2.5), (2, None, None), (3, "", -0.5), (3, "", -0.5)],
        [(1, "A", 2.5), (2, None, None), (2, None, None), (3, "", -0.5)],
        [(1, "a", 2.6), (2, None, None), (2, None, None), (3, "", -0.5)],
        [(1, "a", None), (2, None, None), (2, None, None), (3, "", -0.5)],
        [(1, "a", 2.5), (2, "", None), (2, None, None), (3, None, -0.5)],
        [(1, "a", 2.5), (2, None, 0), (2, None, None), (3, "", -0.5)],
        [("1", "a", 2.5), (2, None, None), (2, None, None), (3, "", -0.5)],
        [(1, "a"), (2, None), (2, None), (3, "")],
        [],
    ],
)
def test_rows_that_differ_do_not_agree(wrong: List[Any]) -> None:
    assert not compare.rows_agree(ROWS, wrong, False)
    assert not compare.rows_agree(wrong, ROWS, False)


def test_order_counts_only_where_the_query_fixes_it() -> None:
    assert compare.rows_agree(ROWS, ROWS[::-1], False)
    assert not compare.rows_agree(ROWS, ROWS[::-1], True)


@pytest.mark.parametrize(
    "one, two",
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (Decimal("1.500"), 1.5),
        (Decimal("7"), 7),
        (float("nan"), float("nan")),
        (0.1 + 0.2, 0.3),
        (None, None),
    ],
)
def test_spellings_of_one_value_agree(one: Any, two: Any) -> None:
    assert compare.rows_agree([(one,)], [(two,)], False)


@pytest.mark.parametrize(
    "one, two",
    [
        (None, 0),
        (None, ""),
        (None, float("nan")),
        (float("inf"), float("nan")),
        (float("inf"), float("-inf")),
        (9007199254740993, 9007199254740992),
        (Decimal("0.001"), Decimal("0.002")),
        ("1", 1),
        ("a", "a "),
    ],
)
def test_different_values_do_not_agree(one: Any, two: Any) -> None:
    assert not compare.rows_agree([(one,)], [(two,)], False)


def test_an_error_agrees_only_with_an_error_for_the_same_reason() -> None:
    rows, overflow = oracle.Answer(rows=[(1,)]), oracle.Answer(error="integer overflow [VEL-5004]")
    division, refused = oracle.Answer(error="division by zero [VEL-5005]"), oracle.Answer(
        error="no such thing [VEL-3001]"
    )
    assert compare.answers_agree(overflow, oracle.Answer(error="Out of Range Error: Overflow in addition"), False)
    assert not compare.answers_agree(overflow, rows, False)
    assert not compare.answers_agree(overflow, division, False)
    assert not compare.answers_agree(refused, refused, False)


def test_a_refusal_by_velaria_is_unexplained_and_one_by_the_oracle_is_no_opinion() -> None:
    rows, refused = oracle.Answer(rows=[(1,)]), oracle.Answer(error="no such thing")
    assert compare.judge(compare.Asked("SELECT 1", False, {"velaria": refused, "sqlite": rows})).kind == "unexplained"
    assert compare.judge(compare.Asked("SELECT 1", False, {"velaria": rows, "sqlite": refused})).kind == "unjudged"


def test_an_internal_error_is_unexplained_whatever_the_oracles_say() -> None:
    internal, refused = oracle.Answer(error="bug [VEL-9001]"), oracle.Answer(error="no such thing")
    assert (
        compare.judge(compare.Asked("SELECT 1", False, {"velaria": internal, "sqlite": refused})).kind == "unexplained"
    )


class LosesARow(oracle.Velaria):  # type: ignore[misc, name-defined]
    """An engine with a bug: answers of more than one row lack the last."""

    def rows(self, sql: str) -> List[Any]:
        answer = super().rows(sql)
        return answer[:-1] if len(answer) > 1 else answer


@pytest.mark.parametrize("mode", ["queries", "partitions", "changes", "styles"])
def test_a_planted_wrong_answer_is_found(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "Velaria", LosesARow)
    monkeypatch.setattr(cases, "CUTS", 5)
    monkeypatch.setattr(cases, "ROW_CUTS", 0)
    found = [finding for kinds, finding in outcomes(mode, 20, 0) if kinds[0] == "unexplained"]
    assert len(found) >= 3
    assert all(
        "SELECT" in finding["text"] and "CREATE TABLE" in finding["text"] or mode == "styles" for finding in found
    )


def test_a_child_that_dies_is_a_finding(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    child = "import sys; sys.stdin.readline(); print(3, flush=True); sys.exit(9)"
    monkeypatch.setattr(run, "CHILD", [sys.executable, "-c", child])
    monkeypatch.setattr(run, "BLOCK", 4)
    assert run.main(["--queries", "4", "--results", str(tmp_path)]) == 1
    assert "crash, exit code 9" in capsys.readouterr().out


# -- the rules ----------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_reason_and_every_reason_a_rule() -> None:
    listed = compare.documented()
    assert [rule["id"] for rule in listed] == list(compare.RULES)
    for rule in listed:
        page = (ROOT / rule["docs"].split("#")[0]).read_text(encoding="utf-8")
        assert rule["why"].endswith(".") and "| `{}` | ".format(rule["id"]) in page


def test_a_rule_does_not_explain_other_differences() -> None:
    """Wrong rows beside right ones, for a query that touches what every rule is about."""
    sql = "SELECT CAST(d AS INT) FROM t UNION SELECT 1 / 2 INTERSECT SELECT SUM(h) FROM t ORDER BY 1"
    wrong, right = oracle.Answer(rows=[(None,), (2,)]), oracle.Answer(rows=[(None,), (1,)])
    for ordered in (False, True):
        asked = compare.Asked(sql, ordered, {"velaria": wrong, "duckdb": right, "sqlite": right})
        assert compare.judge(asked).unexplained == ["duckdb", "sqlite"]


@pytest.mark.parametrize("error", ["integer overflow [VEL-5004]", "division by zero [VEL-5005]"])
def test_an_error_that_duckdb_does_not_have_is_unexplained(error: str) -> None:
    rows = oracle.Answer(rows=[(1,)])
    asked = compare.Asked("SELECT 1", False, {"velaria": oracle.Answer(error=error), "duckdb": rows, "sqlite": rows})
    assert compare.judge(asked).unexplained == ["duckdb", "sqlite"]


# -- the generator ------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_queries_each_time() -> None:
    def drawn() -> List[str]:
        made = generator.generator(Random("7"))
        setup = [statement.text() for statement in made.database().setup]
        return (
            setup + [made.query().tree.text() for _ in range(50)] + [partitions.check(made).whole() for _ in range(50)]
        )

    assert drawn() == drawn()


def test_the_engines_answer_most_of_what_is_generated() -> None:
    """A generator whose queries everybody refuses proves nothing."""
    judged = [kinds[0] for kinds, _ in outcomes("queries", 20, 0)]
    assert judged.count("unjudged") < len(judged) / 10


def test_a_failing_query_is_cut_down_to_what_fails() -> None:
    node, listing = tree.Node, tree.Listing
    bad = node("int", "ABS(", node("int", "bad"), ")")
    query = node(
        "query", "SELECT ", listing(", ", [node("", "a"), node("", bad)]), " FROM t", tree.Optional_("", " WHERE x")
    )
    assert tree.shrink(query, lambda smaller: "bad" in smaller.text()).text() == "SELECT bad FROM t"
