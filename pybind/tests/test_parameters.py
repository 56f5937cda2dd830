"""Values for the parameters of a statement."""

import datetime
import decimal
from typing import Any

import pytest

import velaria
from velaria import errors

UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -7,
        -(2**63),
        2**63 - 1,
        0.1,
        -1e300,
        "it's; -- \"x\" \\ \n é",
        b"\x00\xff",
        decimal.Decimal("-12.50"),
        datetime.date(2026, 3, 29),
        datetime.datetime(2026, 3, 29, 10, 30, 0, 5),
        datetime.datetime(2026, 3, 29, 10, 30, tzinfo=UTC),
        datetime.time(10, 30, 0, 5),
        [1, 2, None],
    ],
)
def test_a_value_comes_back_as_it_was_given(session: velaria.Session, value: Any) -> None:
    (row,) = session.sql("SELECT ? AS v", [value]).fetchall()
    assert row == (value,)
    assert type(row[0]) is type(value)


def test_values_go_to_places_by_position_and_by_name(session: velaria.Session) -> None:
    assert session.sql("SELECT ? - ? AS v", (5, 3)).fetchall() == [(2,)]
    assert session.sql("SELECT $2 - $1 AS v", [5, 3]).fetchall() == [(-2,)]
    assert session.sql("SELECT :a - $b + :a AS v", {"a": 5, "b": 3}).fetchall() == [(7,)]
    assert session.sql("SELECT 1 AS v LIMIT ?", [0]).fetchall() == []


def test_an_aware_datetime_is_moved_to_utc(session: velaria.Session) -> None:
    east = datetime.datetime(2026, 3, 29, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert session.sql("SELECT ? AS v", [east]).fetchall() == [(east.astimezone(UTC),)]


def test_a_timedelta_is_an_interval(session: velaria.Session) -> None:
    step = datetime.timedelta(days=-1, seconds=3, microseconds=5)
    moved = session.sql("SELECT TIMESTAMP '2026-03-29 00:00:00' + ? AS v", [step]).fetchall()
    assert moved == [(datetime.datetime(2026, 3, 29) + step,)]


def test_text_is_never_read_as_sql(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t (name STRING)")
    session.sql("INSERT INTO t VALUES (?)", ["x'); DROP TABLE t; --"])
    assert session.sql("SELECT name FROM t").fetchall() == [("x'); DROP TABLE t; --",)]


def test_what_does_not_fit_is_a_usage_error(session: velaria.Session) -> None:
    with pytest.raises(errors.UsageError, match="no value for parameter \\?"):
        session.sql("SELECT ?, ?", [1])
    with pytest.raises(errors.UsageError, match="the statement has no parameter :b"):
        session.sql("SELECT :a", {"a": 1, "b": 2})
    with pytest.raises(errors.ArgumentTypeError, match="a value of type object cannot be a parameter"):
        session.sql("SELECT ?", [object()])
    with pytest.raises(errors.ArgumentTypeError, match="params must be a list, a tuple or a dict"):
        session.sql("SELECT ?", "x")
