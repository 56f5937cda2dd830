"""What the texts of a file mean: numbers, dates, booleans, vectors, and columns that change their type late.

The rule behind every answer: a value gets a type only if its text can have no other meaning and the type keeps all of it.
"""

from typing import Any, List

from .model import Case, Table, long_table, ragged, refused, table


def column(*values: str) -> str:
    """A file of two columns: a running number and `values`, which are quoted where they hold a comma."""
    cells = ('"{}"'.format(value) if "," in value else value for value in values)
    return "id,v\n" + "".join("{},{}\n".format(number, cell) for number, cell in enumerate(cells, 1))


def values(word: str, *found: Any) -> Table:
    return table("id:BIGINT v:" + word, *([number, value] for number, value in enumerate(found, 1)))


def texts(name: str, about: str, *found: str, **more: Any) -> Case:
    """A column that has to stay text, letter by letter."""
    return Case(name + ".csv", about, column(*found), values("TEXT", *found), **more)


def numbers() -> List[Case]:
    return [
        Case(
            "decimal_comma.csv",
            "a comma before the decimals",
            "id;v\n1;1,5\n2;-0,25\n3;100,0\n",
            values("DOUBLE", 1.5, -0.25, 100.0),
        ),
        Case(
            "decimal_comma_quoted.csv",
            "decimal commas between commas",
            'id,v\n1,"1,5"\n2,"-0,25"\n3,"100,0"\n',
            values("DOUBLE", 1.5, -0.25, 100.0),
        ),
        Case(
            "decimal_comma_said.csv",
            "a comma that could be either, said to be the decimal one",
            'id,v\n1,"1,234"\n2,"5,678"\n',
            values("DOUBLE", 1.234, 5.678),
            {"decimal": ","},
        ),
        Case(
            "thousands_english.csv",
            "1,234.50",
            'id,v\n1,"1,234.50"\n2,"12,345,678.25"\n3,9.75\n',
            values("DOUBLE", 1234.5, 12345678.25, 9.75),
        ),
        Case(
            "thousands_german.csv",
            "1.234,50, and 1.234 beside it",
            "id;v;n\n1;1.234,50;1.234\n2;12.345.678,25;5.678.901\n3;9,75;12\n",
            table("id:BIGINT v:DOUBLE n:BIGINT", [1, 1234.5, 1234], [2, 12345678.25, 5678901], [3, 9.75, 12]),
        ),
        Case(
            "thousands_french.csv",
            "1 234,50",
            "id;v\n1;1 234,50\n2;12 345 678,25\n3;9,75\n",
            values("DOUBLE", 1234.5, 12345678.25, 9.75),
        ),
        Case(
            "thousands_hard_blank.csv",
            "a hard blank between the thousands",
            "id;v\n1;1\u00a0234,50\n2;12\u00a0345\u00a0678,25\n3;9,75\n",
            values("DOUBLE", 1234.5, 12345678.25, 9.75),
        ),
        Case(
            "thousands_swiss.csv",
            "1'234.50",
            column("1'234.50", "12'345'678.25", "9.75"),
            values("DOUBLE", 1234.5, 12345678.25, 9.75),
        ),
        Case(
            "thousands_ambiguous.csv",
            "1,234 is a thousand or a bit more than one",
            'id,v\n1,"1,234"\n2,"5,678"\n',
            values("TEXT", "1,234", "5,678"),
            warning=r"\bv\b",
        ),
        Case(
            "thousands_said.csv",
            "the same, said to be thousands",
            'id,v\n1,"1,234"\n2,"5,678"\n',
            values("BIGINT", 1234, 5678),
            {"thousands": ","},
        ),
        texts(
            "thousands_indian", "groups of two are not understood and not changed", "12,34,567", "1,00,000", "10,00,000"
        ),
        texts("thousands_wrong", "groups that are none", "1,2345.5", "12,34.5", "1,,234.5"),
        texts("percent", "a percent sign is a unit", "10%", "2.5%", "100%"),
        texts("currency", "so is a currency", "$10.00", "€2.50", "100 USD"),
        texts("accounting", "brackets for minus, and a minus behind", "(10.00)", "2.50", "7.00-"),
        texts("leading_zeros", "codes are no numbers", "00123", "01067", "99999"),
        Case(
            "leading_zeros_late.csv",
            "one code at the end of numbers",
            lambda: column(*map(str, range(1, 6000)), "007").encode(),
            long_table("id:BIGINT v:TEXT", lambda: [[n, str(n)] for n in range(1, 6000)] + [[6000, "007"]]),
        ),
        Case(
            "zeros.csv",
            "zeros that lead nothing",
            "id,v,w\n1,0,0.5\n2,10,-0.5\n3,-7,0\n",
            table("id:BIGINT v:BIGINT w:DOUBLE", [1, 0, 0.5], [2, 10, -0.5], [3, -7, 0.0]),
        ),
        texts("phones", "phone numbers", "+4930123456", "+498912345", "+12025550123"),
        texts("hexadecimal", "0x10 is a text", "0x10", "0xff", "0x7f", forgiven=(values("BIGINT", 16, 255, 127),)),
        texts("hex_ids", "ids, some of which look like numbers", "12e5", "3a9f", "0077"),
        texts("underscores", "digits with underscores", "1_000", "2_000_000", "3_0"),
        texts("cards", "groups of four digits", "4111 1111 1111 1111", "5500 0000 0000 0004", "3400 0000 0000 0009"),
        texts("addresses", "versions and addresses", "1.2.3", "10.0.0.1", "1.2.3.4"),
        Case(
            "integer_limits.csv",
            "the ends of 64 bits",
            column("9223372036854775807", "-9223372036854775808", "0"),
            values("BIGINT", 2**63 - 1, -(2**63), 0),
        ),
        Case(
            "integer_wide.csv",
            "integers above 64 bits keep their digits",
            column("1", "9223372036854775808", "-99999999999999999999"),
            values("DECIMAL(38,0)", "1", "9223372036854775808", "-99999999999999999999"),
        ),
        Case(
            "integer_38.csv",
            "38 digits",
            column("9" * 38, "-" + "9" * 38),
            values("DECIMAL(38,0)", "9" * 38, "-" + "9" * 38),
        ),
        texts("integer_39", "39 digits fit no number", "1" + "0" * 38, "2", "3"),
        Case(
            "integer_wide_late.csv",
            "one wide integer behind 5,000 others",
            lambda: column(*["7"] * 5000, "18446744073709551615").encode(),
            long_table(
                "id:BIGINT v:DECIMAL(38,0)",
                lambda: [[n, "7"] for n in range(1, 5001)] + [[5001, "18446744073709551615"]],
            ),
        ),
        Case(
            "exponents.csv", "exponents", column("1e5", "1.5E-3", "-2e+2"), values("DOUBLE", 100000.0, 0.0015, -200.0)
        ),
        texts("exponent_too_large", "1e999 is no number that a DOUBLE could hold", "1.5", "1e999", "2.5"),
        Case(
            "not_numbers.csv",
            "NaN and infinity between numbers",
            column("1.5", "NaN", "inf", "-inf"),
            values("DOUBLE", 1.5, "NaN", "Infinity", "-Infinity"),
            also=(values("TEXT", "1.5", "NaN", "inf", "-inf"),),
            forgiven=(values("DOUBLE", 1.5, None, "Infinity", "-Infinity"),),
        ),
        texts("not_numbers_names", "Nan is a name and inf a district", "Nan", "inf", "Anna"),
        Case(
            "plus_signs.csv",
            "a plus sign before small numbers",
            column("+1.5", "-2.5", "+3.5"),
            values("DOUBLE", 1.5, -2.5, 3.5),
            also=(values("TEXT", "+1.5", "-2.5", "+3.5"),),
        ),
        Case(
            "long_decimals.csv",
            "money with all of its digits",
            column("0.1", "1234567.89", "-0.01"),
            values("DOUBLE", 0.1, 1234567.89, -0.01),
        ),
        Case(
            "all_null.csv",
            "a column without any value",
            "a,b,c\n1,,x\n2,,y\n",
            table("a:BIGINT b:TEXT c:TEXT", [1, None, "x"], [2, None, "y"]),
        ),
        Case(
            "nulls_first.csv",
            "values only behind many empty fields",
            lambda: ("a,b\n" + "1,\n" * 3000 + "2,7\n").encode(),
            long_table("a:BIGINT b:BIGINT", lambda: [[1, None]] * 3000 + [[2, 7]]),
        ),
    ]


def booleans() -> List[Case]:
    return [
        Case(
            "booleans.csv",
            "true and false in any case",
            column("true", "FALSE", "True"),
            values("BOOLEAN", True, False, True),
        ),
        texts(
            "booleans_words",
            "yes and no are words",
            "yes",
            "no",
            "yes",
            forgiven=(values("BOOLEAN", True, False, True),),
        ),
        texts(
            "booleans_letters", "t and f are letters", "t", "f", "t", forgiven=(values("BOOLEAN", True, False, True),)
        ),
        texts("booleans_mixed", "true and 1 are not the same", "true", "1", "0"),
    ]


def dates() -> List[Case]:
    return [
        Case(
            "dates_iso.csv",
            "ISO dates",
            column("2024-01-31", "1969-12-31", "2024-02-29"),
            values("DATE", "2024-01-31", "1969-12-31", "2024-02-29"),
        ),
        Case(
            "dates_dots.csv",
            "31.12.2024",
            column("31.12.2024", "01.02.2023", "15.06.2022"),
            values("DATE", "2024-12-31", "2023-02-01", "2022-06-15"),
        ),
        Case(
            "dates_month_first.csv",
            "12/31/2024",
            column("12/31/2024", "01/02/2023", "6/15/2022"),
            values("DATE", "2024-12-31", "2023-01-02", "2022-06-15"),
        ),
        Case(
            "dates_day_first.csv",
            "31/12/2024",
            column("31/12/2024", "01/02/2023", "15/6/2022"),
            values("DATE", "2024-12-31", "2023-02-01", "2022-06-15"),
        ),
        texts(
            "dates_ambiguous",
            "no day above 12: nobody can say which is the month",
            "01/02/2024",
            "03/04/2024",
            "12/11/2024",
            warning=r"\bv\b",
        ),
        Case(
            "dates_ambiguous_said.csv",
            "the same, with the order said",
            column("01/02/2024", "03/04/2024", "12/11/2024"),
            values("DATE", "2024-02-01", "2024-04-03", "2024-11-12"),
            {"date_order": "dmy"},
        ),
        Case(
            "dates_ambiguous_month.csv",
            "and with the other",
            column("01/02/2024", "03/04/2024", "12/11/2024"),
            values("DATE", "2024-01-02", "2024-03-04", "2024-12-11"),
            {"date_order": "mdy"},
        ),
        texts("dates_contrary", "some say day first, some month first", "13/01/2024", "01/13/2024", "05/06/2024"),
        Case(
            "dates_late_order.csv",
            "the order shows only behind 3,000 records",
            lambda: column(*["01/02/2024"] * 3000, "12/31/2024").encode(),
            long_table(
                "id:BIGINT v:DATE", lambda: [[n, "2024-01-02"] for n in range(1, 3001)] + [[3001, "2024-12-31"]]
            ),
            also=(
                long_table(
                    "id:BIGINT v:TEXT", lambda: [[n, "01/02/2024"] for n in range(1, 3001)] + [[3001, "12/31/2024"]]
                ),
            ),
        ),
        texts("dates_impossible", "the 30th of February", "2024-02-28", "2024-02-30", "2024-03-01"),
        texts("dates_short_years", "years of two digits", "31.12.24", "01.02.23", "15.06.22"),
        texts("dates_parts", "months and ranges", "2024-01", "1-2", "2024-W07"),
        texts("dates_mixed", "two ways to write a date", "2024-01-31", "31.01.2024", "2024-02-01"),
        Case(
            "timestamps.csv",
            "with a blank and with a T",
            column("2024-01-31 10:20:30", "2024-01-31T23:59:59", "1969-12-31 00:00:00"),
            values("TIMESTAMP", "2024-01-31T10:20:30", "2024-01-31T23:59:59", "1969-12-31T00:00:00"),
        ),
        Case(
            "timestamps_micro.csv",
            "microseconds",
            column("2024-01-31 10:20:30.123456", "2024-01-31 10:20:30.5", "2024-01-31 10:20:30"),
            values("TIMESTAMP", "2024-01-31T10:20:30.123456", "2024-01-31T10:20:30.5", "2024-01-31T10:20:30"),
        ),
        Case(
            "timestamps_nano.csv",
            "nanoseconds are not cut",
            column("2024-01-31 10:20:30.123456789", "2024-01-31 10:20:30"),
            values("TIMESTAMP(9)", "2024-01-31T10:20:30.123456789", "2024-01-31T10:20:30"),
            also=(values("TEXT", "2024-01-31 10:20:30.123456789", "2024-01-31 10:20:30"),),
        ),
        Case(
            "timestamps_utc.csv",
            "in UTC",
            column("2024-01-31T10:20:30Z", "2024-02-01T00:00:00Z"),
            values("TIMESTAMPTZ", "2024-01-31T10:20:30Z", "2024-02-01T00:00:00Z"),
        ),
        Case(
            "timestamps_offsets.csv",
            "with offsets",
            column("2024-01-31T10:20:30+02:00", "2024-01-31T10:20:30-05:30"),
            values("TIMESTAMPTZ", "2024-01-31T08:20:30Z", "2024-01-31T15:50:30Z"),
        ),
        texts("timestamps_half_zoned", "some with a zone, some without", "2024-01-31T10:20:30Z", "2024-01-31T10:20:30"),
        Case(
            "times.csv",
            "times of day",
            column("10:20:30", "00:00:00", "23:59:59"),
            values("TIME", "10:20:30", "00:00:00", "23:59:59"),
        ),
        texts("times_long", "hours above 23 are no time of day", "10:20:30", "26:30:00", "100:00:00"),
    ]


def late(
    name: str, about: str, rows: int, usual: str, odd: str, word: str, usual_value: Any, odd_value: Any, **more: Any
) -> Case:
    """A column of `rows` usual values and then an odd one, in a file that goes on."""

    def content() -> bytes:
        return ("id,v\n" + "7,{}\n".format(usual) * rows + "8,{}\n".format(odd) + "7,{}\n".format(usual) * 10).encode()

    def found() -> List[List[Any]]:
        return [[7, usual_value]] * rows + [[8, odd_value]] + [[7, usual_value]] * 10

    return Case("late_{}_{}.csv".format(name, rows), about, content, long_table("id:BIGINT v:" + word, found), **more)


def changes() -> List[Case]:
    made = []
    for rows in (5000, 200000):
        made += [
            late("float", "a float behind integers", rows, "12", "0.5", "DOUBLE", 12.0, 0.5),
            late(
                "text",
                "a text behind integers, which keep how they were written",
                rows,
                "12",
                "unknown",
                "TEXT",
                "12",
                "unknown",
            ),
            late(
                "float_text",
                "a text behind floats, which keep how they were written",
                rows,
                "1.50",
                "unknown",
                "TEXT",
                "1.50",
                "unknown",
            ),
            late("boolean_text", "a text behind booleans", rows, "TRUE", "maybe", "TEXT", "TRUE", "maybe"),
            late("date_text", "a text behind dates", rows, "31.12.2024", "unknown", "TEXT", "31.12.2024", "unknown"),
        ]
    said = late("said", "", 200000, "12", "unknown", "TEXT", "12", "unknown")
    return made + [
        Case(
            "late_refused.csv",
            "an error instead of a wider type, on demand",
            said.content,
            refused("VEL-5003", r"late_refused\.csv:200002\b.*unknown"),
            {"on_type_error": "error"},
        ),
        Case(
            "late_nulled.csv",
            "NULL instead of a wider type, on demand",
            said.content,
            long_table("id:BIGINT v:BIGINT", lambda: [[7, 12]] * 200000 + [[8, None]] + [[7, 12]] * 10),
            {"on_type_error": "null"},
        ),
        Case(
            "types_said.csv",
            "types that are said",
            "zip,n\n01067,1\n99999,2\n",
            table("zip:BIGINT n:DOUBLE", [1067, 1.0], [99999, 2.0]),
            {"types": {"zip": "BIGINT", "n": "DOUBLE"}},
        ),
        Case(
            "types_said_wrong.csv",
            "a value that does not have the type that was said",
            "n\n1\nx\n",
            refused("VEL-5003", r"types_said_wrong\.csv:3\b.*'?x"),
            {"types": {"n": "BIGINT"}},
        ),
        Case(
            "types_text.csv",
            "everything is text on demand",
            "a,b,c\n01,1.50,true\n",
            table("a:TEXT b:TEXT c:TEXT", ["01", "1.50", "true"]),
            {"all_text": True},
        ),
    ]


def vectors() -> List[Case]:
    three = values("FLOAT[3]", [1.0, 2.0, 3.0], [4.0, 5.0, 6.5])
    bad = "VEL-5003 VEL-5008 VEL-5011 VEL-5001"
    return [
        Case("vector_blanks.csv", "[1 2 3]", "id,v\n1,[1 2 3]\n2,[4 5 6.5]\n", three),
        Case("vector_quoted.csv", '"[1,2,3]" between commas', 'id,v\n1,"[1,2,3]"\n2,"[4,5,6.5]"\n', three),
        Case("vector_semicolon.csv", "[1,2,3] between semicolons", "id;v\n1;[1,2,3]\n2;[4,5,6.5]\n", three),
        Case(
            "vector_unquoted.csv",
            "[1,2,3] unquoted between commas is three fields",
            "id,v\n1,[1,2,3]\n2,[4,5,6.5]\n",
            ragged("vector_unquoted.csv", 2, 2, 4),
        ),
        Case(
            "vector_spaces.csv",
            "blanks, tabs, signs and exponents",
            column("[ 1, 2 ,3 ]", "[+1 -2\t1e-3]"),
            values("FLOAT[3]", [1.0, 2.0, 3.0], [1.0, -2.0, 0.0010000000474974513]),
        ),
        Case(
            "vector_null.csv",
            "a vector that is missing",
            column("[1 2]", "", "[3 4]"),
            values("FLOAT[2]", [1.0, 2.0], None, [3.0, 4.0]),
        ),
        Case("vector_one.csv", "one dimension", column("[1]", "[2.5]"), values("FLOAT[1]", [1.0], [2.5])),
        Case(
            "vector_wide.csv",
            "2,000 dimensions",
            lambda: column(*["[" + " ".join(map(str, range(row, row + 2000))) + "]" for row in range(3)]).encode(),
            long_table(
                "id:BIGINT v:FLOAT[2000]",
                lambda: [[row + 1, [float(n) for n in range(row, row + 2000)]] for row in range(3)],
            ),
        ),
        Case(
            "vector_off.csv",
            "vectors that have to stay text",
            column("[1 2 3]", "[4 5 6.5]"),
            values("TEXT", "[1 2 3]", "[4 5 6.5]"),
            {"vectors": False},
        ),
        texts("vector_notes", "texts in brackets", "[note] hello", "[1] see below", "[a b]"),
        Case(
            "vector_ragged.csv",
            "two dimensions after three",
            column("[1 2 3]", "[1 2]"),
            refused(bad, r"vector_ragged\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_word.csv",
            "a word in a vector",
            column("[1 2 3]", "[1 2 x]"),
            refused(bad, r"vector_word\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_nan.csv",
            "NaN in a vector",
            column("[1 2 3]", "[1 nan 3]"),
            refused(bad, r"vector_nan\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_hole.csv",
            "a hole in a vector",
            column("[1,2,3]", "[1,,2]"),
            refused(bad, r"vector_hole\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_open.csv",
            "a vector that is not closed",
            column("[1 2 3]", "[1 2 3"),
            refused(bad, r"vector_open\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_empty.csv",
            "a vector of nothing",
            column("[1 2 3]", "[]"),
            refused(bad, r"vector_empty\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_huge.csv",
            "a number that no FLOAT can hold",
            column("[1 2 3]", "[1 1e400 3]"),
            refused(bad, r"vector_huge\.csv:3\b"),
            {"vectors": True},
        ),
        Case(
            "vector_nested.csv",
            "a vector in a vector",
            column("[1 2 3]", "[[1] 2 3]"),
            refused(bad, r"vector_nested\.csv:3\b"),
            {"vectors": True},
        ),
    ]


CASES = [*numbers(), *booleans(), *dates(), *changes(), *vectors()]
