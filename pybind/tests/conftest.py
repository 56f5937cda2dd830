"""Fixtures of all tests."""

import signal
from typing import Any, Callable, Iterator, List, Tuple

import pytest

import velaria

# A job that a shell starts in the background ignores SIGINT, and so would every child: the tests of Ctrl-C would wait for
# ever. Python's own handler is what an interactive interpreter has.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def session() -> Iterator[velaria.Session]:
    with velaria.Session() as opened:
        yield opened


@pytest.fixture
def rows(session: velaria.Session) -> Callable[[str], List[Tuple[Any, ...]]]:
    """The rows of a statement in a fresh session."""
    return lambda sql: session.sql(sql).fetchall()


@pytest.fixture
def people(session: velaria.Session) -> velaria.DataFrame:
    """Three rows, also known as the view ``people``."""
    frame = session.create_dataframe_from_arrow({"id": [1, 2, 3], "name": ["ada", None, "bo"], "score": [9.5, 7.0, None]})
    session.create_temp_view("people", frame)
    return frame
