"""The proof of an extra of the wheel: what it promises works, and what needs another package says which one.

Usage: extras.py plain | arrow | pandas | polars | notebook | all
"""

import importlib.util
import sys
from typing import Any, Callable, Dict, Tuple

import velaria

# The packages that programs import, for each extra.
EXTRAS: Dict[str, Tuple[str, ...]] = {
    "plain": (),
    "arrow": ("pyarrow",),
    "pandas": ("pandas", "pyarrow"),
    "polars": ("polars",),
    "notebook": ("IPython",),
    "all": ("pyarrow", "pandas", "polars", "IPython"),
}

ROWS = [("ada", 1), ("bo", None)]


def frame(session: velaria.Session) -> velaria.DataFrame:
    session.create_temp_view("people", session.create_dataframe_from_arrow({"name": ["ada", "bo"], "score": [1, None]}))
    return session.sql("SELECT name, score FROM people ORDER BY name")


def arrow(session: velaria.Session) -> None:
    table = frame(session).to_arrow()
    assert table.column_names == ["name", "score"], table
    session.create_temp_view("again", session.create_dataframe_from_arrow(table))
    assert session.sql("SELECT * FROM again").fetchall() == ROWS


def pandas(session: velaria.Session) -> None:
    table = frame(session).to_pandas()
    assert table["name"].tolist() == ["ada", "bo"], table
    session.create_temp_view("again", session.create_dataframe_from_arrow(table))
    assert session.sql("SELECT name FROM again").fetchall() == [("ada",), ("bo",)]


def polars(session: velaria.Session) -> None:
    table = frame(session).to_polars()
    assert table.rows() == ROWS, table
    session.create_temp_view("again", session.create_dataframe_from_arrow(table))
    assert session.sql("SELECT * FROM again").fetchall() == ROWS


def notebook(session: velaria.Session) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "velaria")
    answer = shell.run_line_magic("sql", "SELECT 1 + 1 AS two")
    assert answer.fetchall() == [(2,)], answer


# What each package makes possible.
PROMISES: Dict[str, Callable[[velaria.Session], None]] = {
    "pyarrow": arrow,
    "pandas": pandas,
    "polars": polars,
    "IPython": notebook,
}


def refusal(promise: Callable[[velaria.Session], Any], package: str) -> None:
    """Without its package, a promise ends with an error that names it."""
    try:
        with velaria.Session() as session:
            promise(session)
    except ImportError as error:
        assert package in str(error), error
    else:
        raise AssertionError("{} worked without {}".format(promise.__name__, package))


def main(extra: str) -> None:
    there = EXTRAS[extra]
    for package, promise in PROMISES.items():
        installed = importlib.util.find_spec(package) is not None
        assert installed == (package in there), "{}: {} is {}installed".format(extra, package, "" if installed else "not ")
        if installed:
            with velaria.Session() as session:
                promise(session)
        else:
            refusal(promise, package)
    print("{}: {}".format(extra, ", ".join(there) or "no package"))


if __name__ == "__main__":
    main(sys.argv[1])
