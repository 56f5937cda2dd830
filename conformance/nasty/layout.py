"""How records and fields are told apart: delimiters, quotes, line ends, headers, lines that are no records, ragged rows."""

from typing import List

from .model import Case, long_table, ragged, refused, table

# What a column is called that has no name in the file.
UNNAMED = "c{}"

PEOPLE = table("id:BIGINT name:TEXT", [1, "ann"], [2, "bob"], [3, "eve"])
PAIRS = table("a:BIGINT b:TEXT", [1, "x"], [2, "y"])


def delimiters() -> List[Case]:
    made = []
    for name, mark in [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|"), ("caret", "^")]:
        lines = ["id{0}name{0}note", "1{0}ann{0}plain", '2{0}bob{0}"one{0}two, three; four|five"', "3{0}eve{0}"]
        rows = [[1, "ann", "plain"], [2, "bob", "one{}two, three; four|five".format(mark)], [3, "eve", None]]
        content = "\n".join(line.format(mark) for line in lines) + "\n"
        expect = table("id:BIGINT name:TEXT note:TEXT", *rows)
        made.append(
            Case("delimiter_{}.csv".format(name), "fields are told apart by a {}".format(name), content, expect)
        )
    return made + [
        Case(
            "delimiter_tab.tsv",
            "a .tsv file whose texts hold commas",
            "id\tplace\n1\tParis, France\n2\tRome, Italy\n",
            table("id:BIGINT place:TEXT", [1, "Paris, France"], [2, "Rome, Italy"]),
        ),
        Case(
            "delimiter_in_dates.csv",
            "semicolons beat the commas and colons inside the values",
            "when;what\n10:00:00;a,b\n11:30:00;c,d\n12:45:00;e,f\n",
            table("when:TIME what:TEXT", ["10:00:00", "a,b"], ["11:30:00", "c,d"], ["12:45:00", "e,f"]),
        ),
        Case(
            "delimiter_ambiguous.csv",
            "comma and semicolon both make two columns of text out of every line",
            "k,l;m\np,q;r\ns,t;u\n",
            refused("VEL-7003", "delimiter"),
        ),
        Case(
            "delimiter_ambiguous_said.csv",
            "the same file, with the delimiter said",
            "k,l;m\np,q;r\ns,t;u\n",
            table([("k,l", "TEXT"), ("m", "TEXT")], ["p,q", "r"], ["s,t", "u"]),
            {"delimiter": ";"},
        ),
        Case(
            "sep_line.csv",
            "the first line is what spreadsheets write: sep=;",
            "sep=;\nid;name\n1;ann\n2;bob\n3;eve\n",
            PEOPLE,
        ),
        Case("sep_line_crlf.csv", "sep= names the tab", "sep=\t\r\nid\tname\r\n1\tann\r\n2\tbob\r\n3\teve\r\n", PEOPLE),
    ]


def quotes() -> List[Case]:
    text = "a:BIGINT t:TEXT"
    return [
        Case(
            "quote_double.csv",
            "quoted fields with the delimiter and doubled quotes",
            'a,t\n1,"x, y"\n2,"he said ""no"""\n3,""""\n',
            table(text, [1, "x, y"], [2, 'he said "no"'], [3, '"']),
        ),
        Case(
            "quote_single.csv",
            "fields are quoted with an apostrophe",
            "a,t\n1,'x, y'\n2,'z'\n3,'p, q, r'\n",
            table(text, [1, "x, y"], [2, "z"], [3, "p, q, r"]),
        ),
        Case(
            "quote_apostrophes.csv",
            "apostrophes that quote nothing",
            "a,t\n1,O'Neil\n2,it's\n3,'tis\n4,rock 'n' roll\n",
            table(text, [1, "O'Neil"], [2, "it's"], [3, "'tis"], [4, "rock 'n' roll"]),
        ),
        Case(
            "quote_none.csv",
            "no field is quoted, and quotes are data",
            'a,t\n1,"x\n2,y"\n3,"z"\n',
            table(text, [1, '"x'], [2, 'y"'], [3, '"z"']),
            {"quote": ""},
        ),
        Case(
            "quote_all.csv",
            "every field is quoted, numbers too",
            '"a","t"\r\n"1","x"\r\n"2","y"\r\n',
            table(text, [1, "x"], [2, "y"]),
        ),
        Case(
            "quote_inches.csv",
            "a quote inside of an unquoted field is data",
            'a,t\n1,5" pipe\n2,6" pipe\n3,plain\n',
            table(text, [1, '5" pipe'], [2, '6" pipe'], [3, "plain"]),
        ),
        Case(
            "quote_inches_strict.csv",
            "the same file where quotes have to be right",
            'a,t\n1,x\n2,6" pipe\n3,plain\n',
            refused("VEL-5001 VEL-5008", r"quote_inches_strict\.csv:3\b"),
            {"strict_quotes": True},
        ),
        Case(
            "quote_backslash.csv",
            "quotes inside are escaped by a backslash",
            'a,t\n1,"he said \\"no, never\\""\n2,"\\"x\\""\n3,plain\n',
            table(text, [1, 'he said "no, never"'], [2, '"x"'], [3, "plain"]),
        ),
        Case(
            "quote_backslash_said.csv",
            "one escaped quote, with the escape said",
            'a,t\n1,"x \\" y"\n',
            table(text, [1, 'x " y']),
            {"escape": "\\"},
        ),
        Case(
            "quote_windows_paths.csv",
            "a backslash before the closing quote is data",
            'a,t\n1,"C:\\temp\\"\n2,"C:\\Program Files, x86\\"\n3,"D:\\"\n',
            table(text, [1, "C:\\temp\\"], [2, "C:\\Program Files, x86\\"], [3, "D:\\"]),
        ),
        Case(
            "quote_text_behind.csv",
            "text behind a closing quote: nobody can say what was meant",
            'a,t\n1,x\n2,"y"z\n3,w\n',
            refused("VEL-5001 VEL-5008", r"quote_text_behind\.csv:3\b"),
            forgiven=(table(text, [1, "x"], [2, '"y"z'], [3, "w"]),),
        ),
        Case(
            "quote_unterminated.csv",
            "a quote that is never closed must not swallow the rest of the file",
            'a,t\n1,x\n2,"y\n3,z\n4,w\n',
            refused("VEL-5001 VEL-5008", r"quote_unterminated\.csv:3\b"),
            forgiven=(table(text, [1, "x"], [2, '"y'], [3, "z"], [4, "w"]),),
        ),
        Case(
            "quote_unterminated_late.csv",
            "the same, far behind the head of the file",
            lambda: ("a,t\n" + "".join("{},x\n".format(n) for n in range(150000)) + '7,"y\n' + "8,z\n" * 5000).encode(),
            refused("VEL-5001 VEL-5008", r"quote_unterminated_late\.csv:150002\b"),
            forgiven=(long_table(text, lambda: [[n, "x"] for n in range(150000)] + [[7, '"y']] + [[8, "z"]] * 5000),),
        ),
        Case(
            "quote_empty.csv",
            "an empty field is NULL, a quoted empty field is an empty text",
            'a,t\n1,""\n2,\n3,x\n',
            table(text, [1, ""], [2, None], [3, "x"]),
        ),
        Case(
            "quote_empty_numbers.csv",
            "in a column of quoted numbers, quoted nothing is no number",
            '"a","n"\n"1","5"\n"2",""\n"3","7"\n',
            table("a:BIGINT n:BIGINT", [1, 5], [2, None], [3, 7]),
            also=(table("a:BIGINT n:TEXT", [1, "5"], [2, ""], [3, "7"]),),
        ),
        Case(
            "quote_newlines.csv",
            "line ends inside of quotes, LF and CRLF, are data",
            'a,t\n1,"one\ntwo"\n2,"three\r\nfour"\n3,"\n"\n',
            table(text, [1, "one\ntwo"], [2, "three\r\nfour"], [3, "\n"]),
        ),
        Case(
            "quote_long_letters.csv",
            "quoted texts of hundreds of lines that look like records",
            lambda: ("a,t\n" + "".join('{},"{}"\n'.format(n, letter(n)) for n in range(200))).encode(),
            long_table(text, lambda: [[n, letter(n)] for n in range(200)]),
        ),
        Case(
            "quote_blanks.csv",
            "blanks around fields are data",
            "a,t\n1, x\n2,y \n3,  \n",
            table(text, [1, " x"], [2, "y "], [3, "  "]),
        ),
        Case(
            "quote_blanks_trimmed.csv",
            "blanks around fields, dropped on demand",
            "a , t\n1 , x \n 2,y\n",
            table(text, [1, "x"], [2, "y"]),
            {"trim": True},
        ),
    ]


def letter(number: int) -> str:
    return "".join("{},line {}\n".format(line, number) for line in range(300))


def line_ends() -> List[Case]:
    return [
        Case("line_lf.csv", "LF", "a,b\n1,x\n2,y\n", PAIRS),
        Case("line_crlf.csv", "CRLF", "a,b\r\n1,x\r\n2,y\r\n", PAIRS),
        Case("line_cr.csv", "CR alone, as on old machines", "a,b\r1,x\r2,y\r", PAIRS),
        Case(
            "line_mixed.csv",
            "all three kinds in one file",
            "a,b\r\n1,x\n2,y\r3,z\r\n",
            table("a:BIGINT b:TEXT", [1, "x"], [2, "y"], [3, "z"]),
        ),
        Case("line_no_last.csv", "no line end behind the last record", "a,b\n1,x\n2,y", PAIRS),
        Case("line_no_last_quoted.csv", "the file ends with a closing quote", 'a,b\r\n1,x\r\n2,"y"', PAIRS),
        Case(
            "line_no_last_empty.csv",
            "the file ends with a delimiter",
            "a,b\n1,x\n2,",
            table("a:BIGINT b:TEXT", [1, "x"], [2, None]),
        ),
        Case("line_blank_middle.csv", "blank lines between records", "a,b\n\n1,x\n\n\n2,y\n", PAIRS),
        Case("line_blank_end.csv", "blank lines behind the last record", "a,b\r\n1,x\r\n2,y\r\n\r\n\r\n", PAIRS),
        Case("line_blank_start.csv", "blank lines before the header", "\n\na,b\n1,x\n2,y\n", PAIRS),
        Case(
            "line_unicode.csv",
            "characters that are line ends elsewhere: U+2028, U+0085, form feed, vertical tab",
            "a,t\n1,x\u2028y\n2,x\u0085y\n3,x\fy\n4,x\vy\n",
            table("a:BIGINT t:TEXT", [1, "x\u2028y"], [2, "x\u0085y"], [3, "x\fy"], [4, "x\vy"]),
        ),
    ]


def other_lines() -> List[Case]:
    return [
        Case(
            "comment_top.csv",
            "comments before the header",
            "# made by hand\n# twice\nid,name\n1,ann\n2,bob\n3,eve\n",
            PEOPLE,
        ),
        Case(
            "comment_middle.csv",
            "comments between records",
            "id,name\n1,ann\n# bob, or robert\n2,bob\n#end\n3,eve\n",
            PEOPLE,
            {"comment": "#"},
        ),
        Case(
            "comment_is_data.csv",
            "colours are no comments",
            "colour,name\n#ff0000,red\n#00ff00,green\n#0000ff,blue\n",
            table("colour:TEXT name:TEXT", ["#ff0000", "red"], ["#00ff00", "green"], ["#0000ff", "blue"]),
        ),
        Case(
            "comment_header.csv",
            "a header that begins like a comment",
            "#id,name\n1,ann\n2,bob\n3,eve\n",
            table("#id:BIGINT name:TEXT", [1, "ann"], [2, "bob"], [3, "eve"]),
        ),
        Case(
            "comment_one_column.csv",
            "one column of tags",
            "tag\n#a\n#b\n#c\n",
            table("tag:TEXT", ["#a"], ["#b"], ["#c"]),
        ),
        Case(
            "preamble.csv",
            "a title and a date before the header",
            "Monthly report\nmade on Tuesday\n\nid,name\n1,ann\n2,bob\n3,eve\n",
            PEOPLE,
        ),
        Case(
            "preamble_delimiter.csv",
            "a title with the delimiter in it",
            "Report, monthly, north\nid;name\n1;ann\n2;bob\n3;eve\n",
            PEOPLE,
        ),
        Case(
            "preamble_said.csv",
            "lines to leave out, with their number said",
            "x,y\n1,2\nid,name\n1,ann\n2,bob\n3,eve\n",
            PEOPLE,
            {"skip_rows": 2},
        ),
        Case(
            "footer_total.csv",
            "a line of totals that is a record by its shape stays a record",
            "id,name,amount\n1,ann,10\n2,bob,20\nTotal,,30\n",
            table("id:TEXT name:TEXT amount:BIGINT", ["1", "ann", 10], ["2", "bob", 20], ["Total", None, 30]),
        ),
        Case(
            "footer_ragged.csv",
            "a count behind the records is no record",
            "id,name\n1,ann\n2,bob\n(2 rows)\n",
            ragged("footer_ragged.csv", 4, 2, 1),
        ),
        Case(
            "footer_collected.csv",
            "the same, left out and told",
            "id,name\n1,ann\n2,bob\n3,eve\n(3 rows)\n",
            PEOPLE,
            {"bad_rows": "collect"},
            rejects=((5, "(3 rows)"),),
        ),
    ]


def ragged_rows() -> List[Case]:
    three = "a:BIGINT b:BIGINT c:BIGINT"
    return [
        Case(
            "ragged_short.csv",
            "a field is missing",
            "a,b,c\n1,2,3\n4,5\n6,7,8\n",
            ragged("ragged_short.csv", 3, 3, 2),
        ),
        Case(
            "ragged_long.csv",
            "a field too many",
            "a,b,c\n1,2,3\n4,5,6,7\n8,9,10\n",
            ragged("ragged_long.csv", 3, 3, 4),
        ),
        Case(
            "ragged_first.csv",
            "the first record is the bad one",
            "a,b,c\n1,2\n4,5,6\n8,9,10\n",
            ragged("ragged_first.csv", 2, 3, 2),
        ),
        Case(
            "ragged_last.csv",
            "the file was cut in its last record",
            "a,b,c\n1,2,3\n4,5,6\n8,9",
            ragged("ragged_last.csv", 4, 3, 2),
        ),
        Case(
            "ragged_header.csv",
            "the header is too short for every record",
            "a,b\n1,2,3\n4,5,6\n",
            ragged("ragged_header.csv", 2, 2, 3),
        ),
        Case(
            "ragged_trailing.csv",
            "records end with a delimiter, the header does not",
            "a,b\n1,2,\n4,5,\n",
            ragged("ragged_trailing.csv", 2, 2, 3),
            forgiven=(table("a:BIGINT b:BIGINT", [1, 2], [4, 5]),),
        ),
        Case(
            "ragged_quoted.csv",
            "lines are counted as an editor counts them",
            'a,b,c\n1,"2\n2\n2",3\n\n4,5\n',
            ragged("ragged_quoted.csv", 6, 3, 2),
        ),
        Case(
            "ragged_late.csv",
            "far behind the head of the file",
            lambda: ("a,b\n" + "1,x\n" * 300000 + "2\n").encode(),
            ragged("ragged_late.csv", 300002, 2, 1),
        ),
        Case(
            "ragged_filled.csv",
            "missing fields become NULL on demand",
            "a,b,c\n1,2,3\n4,5\n6\n",
            table(three, [1, 2, 3], [4, 5, None], [6, None, None]),
            {"bad_rows": "fill"},
        ),
        Case(
            "ragged_filled_long.csv",
            "nothing fills a record that is too long",
            "a,b,c\n1,2,3\n4,5,6,7\n",
            ragged("ragged_filled_long.csv", 3, 3, 4),
            {"bad_rows": "fill"},
        ),
        Case(
            "ragged_collected.csv",
            "bad records are left out and told, whole",
            'a,b,c\n1,2,3\n4,5\n6,7,8\n"9",10,11,12\n13,14,15\n',
            table(three, [1, 2, 3], [6, 7, 8], [13, 14, 15]),
            {"bad_rows": "collect"},
            rejects=((3, "4,5"), (5, '"9",10,11,12')),
        ),
        Case(
            "ragged_collected_all.csv",
            "nothing but bad records",
            "a,b,c\n1\n2\n",
            table("a:TEXT b:TEXT c:TEXT"),
            {"bad_rows": "collect", "delimiter": ",", "header": True},
            rejects=((2, "1"), (3, "2")),
        ),
    ]


def headers() -> List[Case]:
    unnamed = [UNNAMED.format(column) for column in range(3)]
    return [
        Case("header_only.csv", "a header and nothing else", "a,b\n", table("a:TEXT b:TEXT")),
        Case("header_only_cut.csv", "a header without its line end", "a,b", table("a:TEXT b:TEXT")),
        Case(
            "header_none_numbers.csv",
            "numbers from the first line on",
            "1,2,3\n4,5,6\n7,8,9\n",
            table([(name, "BIGINT") for name in unnamed], [1, 2, 3], [4, 5, 6], [7, 8, 9]),
        ),
        Case(
            "header_none_dates.csv",
            "records from the first line on, as their dates and numbers show",
            "2024-01-01,ann,1.5\n2024-01-02,bob,2.5\n2024-01-03,eve,3.5\n",
            table(
                list(zip(unnamed, ["DATE", "TEXT", "DOUBLE"])),
                ["2024-01-01", "ann", 1.5],
                ["2024-01-02", "bob", 2.5],
                ["2024-01-03", "eve", 3.5],
            ),
        ),
        Case(
            "header_none_said.csv",
            "texts alone, and it is said that there is no header",
            "ann,rome\nbob,oslo\n",
            table(list(zip(unnamed[:2], ["TEXT", "TEXT"])), ["ann", "rome"], ["bob", "oslo"]),
            {"header": False},
        ),
        Case(
            "header_texts.csv",
            "texts alone: the first record is the header",
            "name,city\nann,rome\nbob,oslo\n",
            table("name:TEXT city:TEXT", ["ann", "rome"], ["bob", "oslo"]),
        ),
        Case(
            "header_years.csv",
            "years as names, and it is said that there is a header",
            "land,2023,2024\nDE,83,84\nFR,67,68\n",
            table("land:TEXT 2023:BIGINT 2024:BIGINT", ["DE", 83, 84], ["FR", 67, 68]),
            {"header": True},
        ),
        Case(
            "header_given.csv",
            "names for a file without any",
            "1,x\n2,y\n",
            PAIRS,
            {"header": False, "columns": ["a", "b"]},
        ),
        Case(
            "header_duplicate.csv",
            "a name that stands twice",
            "a,b,a\n1,2,3\n",
            refused("VEL-2006", "duplicate column: a"),
            forgiven=(table("a:BIGINT b:BIGINT c2:BIGINT", [1, 2, 3]),),
        ),
        Case(
            "header_case.csv",
            "names that differ in case are two names",
            "a,A\n1,2\n",
            table("a:BIGINT A:BIGINT", [1, 2]),
            forgiven=(table("a:BIGINT c1:BIGINT", [1, 2]),),
        ),
        Case(
            "header_empty_first.csv",
            "the unnamed index of pandas",
            ",a,b\n0,x,1.5\n1,y,2.5\n",
            table([(unnamed[0], "BIGINT"), ("a", "TEXT"), ("b", "DOUBLE")], [0, "x", 1.5], [1, "y", 2.5]),
        ),
        Case(
            "header_empty_last.csv",
            "every line ends with a delimiter",
            "a,b,\n1,x,\n2,y,\n",
            table([("a", "BIGINT"), ("b", "TEXT"), (unnamed[2], "TEXT")], [1, "x", None], [2, "y", None]),
        ),
        Case(
            "header_empty_two.csv",
            "two columns without a name",
            "a,,\n1,2,3\n",
            table([("a", "BIGINT"), (unnamed[1], "BIGINT"), (unnamed[2], "BIGINT")], [1, 2, 3]),
        ),
        Case(
            "header_odd.csv",
            "keywords, blanks, quotes and a formula as names",
            'select,"my, name","a ""b""",=cmd|calc,Größe\n1,2,3,4,5\n',
            table(
                [
                    ("select", "BIGINT"),
                    ("my, name", "BIGINT"),
                    ('a "b"', "BIGINT"),
                    ("=cmd|calc", "BIGINT"),
                    ("Größe", "BIGINT"),
                ],
                [1, 2, 3, 4, 5],
            ),
        ),
        Case(
            "header_newline.csv",
            "a name of two lines",
            'id,"first\nname"\n1,ann\n',
            table([("id", "BIGINT"), ("first\nname", "TEXT")], [1, "ann"]),
        ),
    ]


def shapes() -> List[Case]:
    return [
        Case("one_column.csv", "one column", "name\nann\nbob\n", table("name:TEXT", ["ann"], ["bob"])),
        Case("one_column_numbers.csv", "one column of numbers", "n\n1\n2\n", table("n:BIGINT", [1], [2])),
        Case(
            "one_column_blank.csv",
            "in one column a blank line is a record whose field is empty",
            "n\n1\n\n3\n",
            table("n:BIGINT", [1], [None], [3]),
        ),
        Case("one_record.csv", "one record", "a,b\n1,x\n", table("a:BIGINT b:TEXT", [1, "x"])),
        Case("columns_1000.csv", "1,000 columns", lambda: wide(1000), wide_table(1000)),
        Case("columns_20000.csv", "20,000 columns", lambda: wide(20000), wide_table(20000)),
        Case(
            "field_10mb.csv",
            "one field of 10 MB",
            lambda: b"a,t\n1," + b"x" * 10_000_000 + b"\n2,y\n",
            long_table("a:BIGINT t:TEXT", lambda: [[1, "x" * 10_000_000], [2, "y"]]),
        ),
        Case(
            "field_10mb_quoted.csv",
            "one quoted field of 10 MB of lines",
            lambda: b'a,t\n1,"' + b"x,y\n" * 2_500_000 + b'"\n2,y\n',
            long_table("a:BIGINT t:TEXT", lambda: [[1, "x,y\n" * 2_500_000], [2, "y"]]),
        ),
        Case(
            "field_too_long.csv",
            "a field above the limit that was asked for",
            lambda: b"a,t\n1,x\n2," + b"x" * 5000 + b"\n",
            refused("VEL-5008 VEL-5001 VEL-8001", r"field_too_long\.csv:3\b"),
            {"max_field_bytes": 1000},
        ),
    ]


def wide(columns: int) -> bytes:
    names = ",".join("k{}".format(column) for column in range(columns))
    rows = (",".join(str(row * column) for column in range(columns)) for row in range(3))
    return "\n".join([names, *rows, ""]).encode()


def wide_table(columns: int):
    return long_table(
        " ".join("k{}:BIGINT".format(column) for column in range(columns)),
        lambda: [[row * column for column in range(columns)] for row in range(3)],
    )


def characters() -> List[Case]:
    text = "a:BIGINT t:TEXT"
    return [
        Case(
            "nul_byte.csv",
            "NUL is a character like any other",
            "a,t\n1,x\0y\n2,\0\n",
            table(text, [1, "x\0y"], [2, "\0"]),
        ),
        Case(
            "emoji.csv",
            "emoji, flags and families",
            "a,t\n1,🙂\n2,🇩🇪\n3,👩‍👩‍👧\n",
            table(text, [1, "🙂"], [2, "🇩🇪"], [3, "👩‍👩‍👧"]),
        ),
        Case(
            "right_to_left.csv",
            "Hebrew and Arabic, with marks of direction",
            "a,t\n1,שלום\n2,مرحبا\n3,\u200fx\u202e\n",
            table(text, [1, "שלום"], [2, "مرحبا"], [3, "\u200fx\u202e"]),
        ),
        Case(
            "zero_width.csv",
            "blanks of no width, and hard blanks, are data",
            "a,t\n1,x\u200by\n2,\u200b\n3,\ufeffx\n4,\u00a0\n",
            table(text, [1, "x\u200by"], [2, "\u200b"], [3, "\ufeffx"], [4, "\u00a0"]),
        ),
        Case(
            "combining.csv",
            "composed and decomposed letters stay what they are",
            "a,t\n1,é\n2,e\u0301\n",
            table(text, [1, "é"], [2, "e\u0301"]),
        ),
        Case(
            "control.csv",
            "bell, escape, delete, substitute",
            "a,t\n1,\x07\n2,\x1b[31m\n3,\x7f\n4,x\x1ay\n",
            table(text, [1, "\x07"], [2, "\x1b[31m"], [3, "\x7f"], [4, "x\x1ay"]),
        ),
        Case(
            "formulas.csv",
            "texts that a spreadsheet would run",
            "a,t\n1,=1+1\n2,@SUM(A1)\n3,=cmd|' /C calc'!A0\n",
            table(text, [1, "=1+1"], [2, "@SUM(A1)"], [3, "=cmd|' /C calc'!A0"]),
        ),
        Case(
            "null_words.csv",
            "words for nothing are texts",
            "a,t\n1,NULL\n2,NA\n3,None\n4,\\N\n",
            table(text, [1, "NULL"], [2, "NA"], [3, "None"], [4, "\\N"]),
        ),
        Case(
            "null_words_said.csv",
            "words for nothing that were said; quoted they are texts",
            'a,t\n1,NA\nNA,"NA"\n3,-\n',
            table(text, [1, None], [None, "NA"], [3, None]),
            {"null_values": ["NA", "-"]},
        ),
    ]


CASES = [
    *delimiters(),
    *quotes(),
    *line_ends(),
    *other_lines(),
    *ragged_rows(),
    *headers(),
    *shapes(),
    *characters(),
]
