"""What holds for every CSV file, shown on random ones: nothing is lost, nothing depends on threads, quotes read back.

Every case is made from a seed that stands in its failure. VELARIA_LAW_CASES asks for more of them.
"""

import csv
import io
import os
import math
import random
import re
import struct
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

import velaria

SEEDS = range(int(os.environ.get("VELARIA_LAW_CASES", "40")))

# Nothing is left to be found out: the laws are about reading, not about guessing.
PLAIN: Dict[str, Any] = {
    "delimiter": ",",
    "quote": '"',
    "escape": "",
    "comment": "",
    "header": True,
    "skip_rows": 0,
    "encoding": "utf-8",
    "compression": "none",
    "all_text": True,
}

Row = List[Optional[str]]


def read_csv(session: velaria.Session, path: Path, **options: Any) -> Any:
    reader: Any = session.read_csv
    return reader(str(path), **{**PLAIN, **options})


def rows_of(frame: Any) -> List[Row]:
    return [list(row) for row in frame.fetchall()]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path


# -- good rows and rejects are all rows ----------------------------------------------------------------------------------


def word(rng: random.Random) -> str:
    return "".join(rng.choice("abcxyz0189 .;'äß€") for _ in range(rng.randint(1, 6)))


def corrupted(rng: random.Random, line: str) -> str:
    """The line with some characters dropped, doubled or put in; it never becomes two lines and never an empty one."""
    characters = list(line)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(characters) + 1)
        action = rng.choice(["drop", "double", "put"])
        if action == "put" or place == len(characters):
            characters.insert(place, rng.choice([",", ",", "x", "\t", " ", "#", "\\", "é"]))
        elif action == "drop" and len(characters) > 1:
            del characters[place]
        else:
            characters.insert(place, characters[place])
    return "".join(characters)


def split(line: str) -> Row:
    return [field or None for field in line.split(",")]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quote", ["", '"'])
def test_corruption_keeps_good_rows_and_rejects_equal_to_rows_in(
    session: velaria.Session, tmp_path: Path, seed: int, quote: str
) -> None:
    rng = random.Random(seed)
    width, count = rng.randint(2, 5), rng.randint(1, 400)
    lines = [",".join(word(rng) for _ in range(width)) for _ in range(count)]
    lines = [corrupted(rng, line) if rng.random() < 0.2 else line for line in lines]
    end = rng.choice(["\n", "\r\n"])
    header = ",".join("k{}".format(column) for column in range(width))
    path = write(tmp_path / "x.csv", end.join([header, *lines]) + (end if rng.random() < 0.8 else ""))

    frame = read_csv(session, path, bad_rows="collect", quote=quote)
    kept, told = rows_of(frame), told_of(frame)

    good = [split(line) for line in lines if len(split(line)) == width]
    bad = [(number, line) for number, line in enumerate(lines, 2) if len(split(line)) != width]
    assert kept == good, seed
    assert [(line, raw) for line, _, raw in told] == bad, seed
    assert len(kept) + len(told) == count
    content = path.read_bytes()
    for _, offset, raw in told:
        assert content[offset : offset + len(raw.encode())] == raw.encode(), seed


def told_of(frame: Any) -> List[Tuple[int, int, str]]:
    """Line, byte offset and raw text of the rejects."""
    rejects = frame.rejects()
    at = {name: index for index, name in enumerate(rejects.columns)}
    return [(row[at["line"]], row[at["byte_offset"]], row[at["raw"]]) for row in rejects.fetchall()]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quote_that_is_never_closed_costs_one_record(session: velaria.Session, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = ["{},{}".format(number, rng.choice("abc")) for number in range(rng.randint(1, 300))]
    hurt = rng.randrange(len(lines))
    lines[hurt] = '{},"{}'.format(hurt, rng.choice("abc"))
    path = write(tmp_path / "x.csv", "\n".join(["k,t", *lines, ""]))
    frame = read_csv(session, path, bad_rows="collect")
    assert rows_of(frame) == [line.split(",") for number, line in enumerate(lines) if number != hurt], seed
    assert [(line, raw) for line, _, raw in told_of(frame)] == [(hurt + 2, lines[hurt])], seed


@pytest.mark.parametrize("seed", SEEDS)
def test_filling_keeps_every_short_record(session: velaria.Session, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    width = rng.randint(2, 6)
    records = [[word(rng) for _ in range(rng.randint(1, width))] for _ in range(rng.randint(1, 100))]
    header = ",".join("k{}".format(column) for column in range(width))
    path = write(tmp_path / "x.csv", "\n".join([header, *map(",".join, records), ""]))
    expected = [[*record, *[None] * (width - len(record))] for record in records]
    assert rows_of(read_csv(session, path, bad_rows="fill")) == expected, seed


# -- threads and pieces do not show --------------------------------------------------------------------------------------

# Above the size from which one file is read by several threads, and no multiple of anything.
LARGE_BYTES = 23_456_789


@pytest.mark.parametrize("seed", range(3))
def test_threads_do_not_show_in_the_rows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "large.csv"
    records = write_large(rng, path)
    statement = (
        "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids, SUM(CAST(id AS BIGINT)) AS total, "
        "SUM(LENGTH(t)) AS letters, COUNT(t) AS texts, MIN(t) AS low, MAX(t) AS high FROM large"
    )
    answers = []
    for threads in (1, 2, 3, 8):
        with velaria.Session(threads=threads) as session:
            session.create_temp_view("large", read_csv(session, path))
            answers.append(session.sql(statement).fetchall())
            tail = "SELECT id, t FROM large WHERE CAST(id AS BIGINT) % 10007 = 0 ORDER BY CAST(id AS BIGINT)"
            answers[-1] += session.sql(tail).fetchall()
    assert answers[0][0][:3] == (records, records, records * (records - 1) // 2)
    assert all(answer == answers[0] for answer in answers), seed


def write_large(rng: random.Random, path: Path) -> int:
    """Records with quoted texts of several lines that look like records, in pieces that repeat with other numbers."""
    texts = [
        rng.choice(["plain", '"a\nb,c\n1,2"', '"he ""said"""', "", '""', '"\r\n"', '"' + "y" * 40 + '"'])
        for _ in range(997)
    ]
    records = written = 0
    with path.open("wb") as out:
        out.write(b"id,t\n")
        while written < LARGE_BYTES:
            piece = "".join("{},{}\n".format(records + index, text) for index, text in enumerate(texts)).encode()
            records += len(texts)
            written += out.write(piece)
    return records


# -- a sample does not show in the types ---------------------------------------------------------------------------------

VALUES = [
    ["1", "-20", "300"],
    ["1.5", "-0.25", "1e3"],
    ["true", "false", "TRUE"],
    ["2024-01-31", "1999-12-31", "2024-02-29"],
    ["2024-01-31 10:20:30", "1999-12-31T23:59:59"],
    ["9223372036854775808", "-99999999999999999999"],
    ["x", "007", "+49", "1e999", "n/a"],
]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_size_of_the_sample_does_not_show(session: velaria.Session, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    columns = [column(rng) for _ in range(3)]
    lines = [",".join(row) for row in zip(*columns)]
    path = write(tmp_path / "x.csv", "\n".join(["a,b,c", *lines, ""]))
    answers = []
    for sample_bytes in (1, 500, 1 << 24):
        frame = read_csv(session, path, all_text=False, sample_bytes=sample_bytes)
        answers.append([[plain(value) for value in row] for row in frame.fetchall()])
    assert answers[0] == answers[1] == answers[2], seed


def plain(value: Any) -> str:
    """A value with its type: 1, 1.0 and "1" are three."""
    return "{} {!r}".format(type(value).__name__, value)


def column(rng: random.Random) -> List[str]:
    """Values of one kind for long, and then perhaps one of another."""
    values = rng.choices(rng.choice(VALUES), k=2000)
    if rng.random() < 0.7:
        values[rng.randrange(1500, 2000)] = rng.choice(rng.choice(VALUES))
    return values


@pytest.mark.parametrize("seed", SEEDS)
def test_a_limit_gives_rows_of_the_file(session: velaria.Session, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    table = [[text(rng), text(rng)] for _ in range(rng.randint(1, 50))]
    path = write(tmp_path / "x.csv", written(table, ",", "\n", True))
    frame = read_csv(session, path)
    count = rng.randint(0, 60)
    assert rows_of(frame.limit(count)) == table[:count], seed


# -- quotes --------------------------------------------------------------------------------------------------------------

LETTERS = ["a", "b", ",", ";", '"', "'", "\n", "\r\n", "\r", "\t", " ", "\\", "#", "é", "🙂", "\u2028", "\u0085"]


def text(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, 8)))


def written(table: List[List[str]], delimiter: str, end: str, always: bool) -> str:
    """A table with a header by RFC 4180: quotes where there have to be some, or always."""

    def field(value: str) -> str:
        has_to_be = any(mark in value for mark in (delimiter, '"', "\n", "\r"))
        return '"{}"'.format(value.replace('"', '""')) if always or has_to_be else value

    names = ["k{}".format(column) for column in range(len(table[0]))]
    return "".join(delimiter.join(map(field, row)) + end for row in [names, *table])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rfc_4180_is_read_as_by_the_csv_module(
    session: velaria.Session, tmp_path: Path, seed: int, always: bool, delimiter: str
) -> None:
    rng = random.Random(seed)
    width = rng.randint(2, 4)
    table = [[text(rng) for _ in range(width)] for _ in range(rng.randint(1, 40))]
    content = written(table, delimiter, rng.choice(["\n", "\r\n", "\r"]), always)
    read_by_python = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))[1:]
    assert read_by_python == table
    # Python does not tell an empty field from a quoted empty one.
    missing = "" if always else None
    found = rows_of(read_csv(session, write(tmp_path / "x.csv", content), delimiter=delimiter))
    assert found == [[value or missing for value in row] for row in read_by_python], seed


# -- vectors -------------------------------------------------------------------------------------------------------------

BLANK = "[ \t]"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
VECTOR = re.compile(r"\[{0}*{1}(?:(?:{0}*,{0}*|{0}+){1})*{0}*\]".format(BLANK, NUMBER))


def oracle(vector: str) -> Optional[List[float]]:
    """The numbers of a vector by the grammar of the documentation, slowly; None if it is none."""
    if not VECTOR.fullmatch(vector):
        return None
    try:
        numbers = [struct.unpack("<f", struct.pack("<f", float(word)))[0] for word in re.findall(NUMBER, vector)]
    except OverflowError:
        return None
    return numbers if all(math.isfinite(number) for number in numbers) else None


PARTS = [
    "0",
    "1",
    "-2.5",
    "+3",
    "1e-3",
    "7.",
    ".5",
    "1e38",
    "1e39",
    "1e400",
    "nan",
    "inf",
    "x",
    "",
    "--1",
    "1e",
    "[1]",
    "0x1",
]


def vector_text(rng: random.Random) -> str:
    """A text near the grammar: mostly in it, or one step beside it."""
    usual = PARTS[: 8 if rng.random() < 0.7 else len(PARTS)]
    separators = [" ", ",", ", ", " ,", "\t"] + ([";", ",,", ""] if rng.random() < 0.2 else [])
    inner = rng.choice(usual)
    for _ in range(rng.randint(0, 4)):
        inner += rng.choice(separators) + rng.choice(usual)
    opened, closed = ("[", "]") if rng.random() < 0.9 else (rng.choice(["[", "", "[["]), rng.choice(["]", "", "]]"]))
    return opened + rng.choice(["", " ", "\t"]) + inner + rng.choice(["", " "]) + closed


@pytest.mark.parametrize("seed", range(10 * len(SEEDS)))
def test_a_vector_is_read_exactly_as_the_grammar_says(session: velaria.Session, tmp_path: Path, seed: int) -> None:
    vector = vector_text(random.Random(seed))
    expected = oracle(vector)
    path = write(tmp_path / "x.csv", "id|v\n1|{}\n".format(vector))
    dimensions = 2 if expected is None else len(expected)
    options = {"delimiter": "|", "quote": "", "all_text": False, "types": {"v": "FLOAT[{}]".format(dimensions)}}
    if expected is None:
        with pytest.raises(velaria.Error):
            read_csv(session, path, **options).fetchall()
    else:
        found = read_csv(session, path, **options).fetchall()
        assert [list(value) for _, value in found] == [expected], vector


@pytest.mark.parametrize(
    ("vector", "numbers"),
    [
        ("[1 2 3]", [1.0, 2.0, 3.0]),
        ("[ 1, 2 ,3 ]", [1.0, 2.0, 3.0]),
        ("[+1\t1e-3]", [1.0, 0.0010000000474974513]),
        ("[]", None),
        ("[1,,2]", None),
        ("[1;2]", None),
        ("[1 x]", None),
        ("[1 nan]", None),
        ("[1e39]", None),
        ("[[1] 2]", None),
        ("[1 2", None),
    ],
)
def test_the_oracle_knows_the_grammar(vector: str, numbers: Optional[List[float]]) -> None:
    assert oracle(vector) == numbers
