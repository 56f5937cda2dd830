"""Files that are no CSV, whatever they are called: JSON, Parquet, Arrow, pictures, and files with nothing in them."""

import base64
import json
import re
import struct
import zlib
from typing import Any, List

from .model import Case, Content, long_table, refused, table
from .storage import packed_gzip

# a: 1, 2; b: x, y. Written once by pyarrow, so that the corpus needs no package.
PARQUET = (
    "c-nQ4zY4-I5XP@1gbrOV80e6tK_M0ubn4<#5FDhVTPp<}v^DkboA@feofoY*dGO^sF275TTg~$^0va?186_Nf1OPsXc^-"
    "Vi@0{)xsz2b(9d~3hokEYdn{Bl(kO8vT?|B7a=)8<!>DmO7ku(}2;$sey2&AIOMXrNIgzhUJ(gBwm81aq_JF<L}naK3|N792|Ry;hxbU+4u)fD"
    "!4u1>>E(+mr1>#Mp{w%yeSHJK%&WGoGh<0g8NR<w*4gzq7c"
)
ARROW_FILE = (
    "c-qZUI}XAy41EddM^%Ol6=Gmu?8?U2o&c!}Gt3+SZp0CK1V%<~122}VR#Dlp<h(q$&-PQ>_5Ja*2R@7kfPfekJaS|xd1Dwy4ziM`(-"
    "W}FR_|}>`C=CJ8?A|yc@gfU7En{4qmYh4=NTJuo9NCm(=!X18OyCckNZA}wQ`TOZtSHqR!;V4Fh)i0W&7yqs$MOo$nZNtf@$3=?iA;JZNjm@%|"
    "hMG`0YOV9_M<x&&6@j`3?v5>{LIf{-xL?bN}U=#{D|^7r!qYBhC"
)
ARROW_STREAM = (
    "c-nPO$qm9V5F8sjiK2b@5g{IV@T82i0&fa{jwpo^=*G;h7A3O6NbB*eJ$uwz>kB}EVuYYW#=sj95;dp>p2<%jG8Vso=;z0*{*&j-"
    "%D9<MmMfU(@6cPt;{8HYo*UoQdJ3bro|<0#o$czIJh>JeePXf7I3%0nf*(d|vFUZEyYCvYBI7?w!);!i&(7PrvC-JkVJ9Cp`te-%R{jDTm=?t"
)

PAIRS = table("a:BIGINT b:TEXT", [1, "x"], [2, "y"])


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


def picture() -> bytes:
    """A red dot."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def nothing() -> List[Case]:
    def case(file: str, about: str, content: Content, **options: Any) -> Case:
        expect = refused("VEL-5007", re.escape(file))
        return Case(file, about, content, expect, options, forgiven=(table([]), table("c0:TEXT")))

    return [
        case("empty.csv", "no bytes at all", b""),
        case("empty_line.csv", "one line end and nothing else", "\n"),
        case("empty_lines.csv", "line ends of all kinds and nothing else", "\r\n\r\n\n\r"),
        case("empty_mark.csv", "a byte order mark and nothing else", b"\xef\xbb\xbf"),
        case("empty_mark16.csv", "a mark of UTF-16 and nothing else", b"\xff\xfe"),
        case("empty_comments.csv", "comments and nothing else", "# nothing\n# here\n", comment="#"),
        case("empty.parquet", "an empty file with another name", b""),
        case("empty.ndjson", "and with another", b""),
    ]


def strangers() -> List[Case]:
    return [
        Case("picture.csv", "a picture", picture, refused("VEL-5008 VEL-5002", r"picture\.csv")),
        Case(
            "picture.parquet", "a picture that is named as a table", picture, refused("VEL-5008", r"picture\.parquet")
        ),
        Case("nul_only.csv", "nothing but NUL", b"\0" * 4096, refused("VEL-5008 VEL-5002 VEL-5007", r"nul_only\.csv")),
        Case("noise.csv", "bytes without any sense", noise, refused("VEL-5008 VEL-5002", r"noise\.csv")),
        Case(
            "page.xlsx",
            "a web page that is named as a workbook",
            "<html><body><table><tr><td>1</td></tr></table></body></html>\n",
            refused("VEL-5008", r"page\.xlsx"),
        ),
        Case(
            "page_commented.csv",
            "a web page behind a mark, blanks and a comment",
            "\ufeff\n<!-- made by a program -->\n<!DOCTYPE HTML>\n<html><body>1,2</body></html>\n",
            refused("VEL-5008", r"page_commented\.csv: the file is an HTML page"),
        ),
        Case(
            "page.json",
            "a web page instead of the JSON that its name says",
            "<html><body>Sign in</body></html>\n",
            refused("VEL-5008", r"page\.json: the file is an HTML page"),
        ),
        Case("parquet.csv", "Parquet that is named CSV", lambda: unpacked(PARQUET), PAIRS),
        Case("parquet_upper.PARQUET", "an ending in capital letters", lambda: unpacked(PARQUET), PAIRS),
        Case("arrow.csv", "an Arrow file that is named CSV", lambda: unpacked(ARROW_FILE), PAIRS),
        Case("arrow_stream.parquet", "an Arrow stream that is named Parquet", lambda: unpacked(ARROW_STREAM), PAIRS),
        Case("arrow_stream.arrow", "an Arrow stream where files are usual", lambda: unpacked(ARROW_STREAM), PAIRS),
        Case(
            "parquet_cut.parquet",
            "Parquet that ends too early",
            lambda: unpacked(PARQUET)[:-40],
            refused("VEL-5008", r"parquet_cut\.parquet"),
        ),
        Case(
            "parquet_text.parquet",
            "CSV that is named Parquet",
            "a,b\n1,x\n2,y\n",
            PAIRS,
            also=(refused("VEL-5008", r"parquet_text\.parquet"),),
        ),
        Case(
            "arrow_cut.arrow",
            "an Arrow file that ends too early",
            lambda: unpacked(ARROW_FILE)[:-40],
            refused("VEL-5008", r"arrow_cut\.arrow"),
        ),
        Case("no_suffix", "CSV without any ending", "a,b\n1,x\n2,y\n", PAIRS),
        Case("blank in name.csv", "a path with blanks", "a,b\n1,x\n2,y\n", PAIRS),
    ]


def noise() -> bytes:
    """Bytes of a counter's hash: the same on every day, and neither text nor any format."""
    state, made = 1, bytearray()
    for _ in range(4096):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        made.append(state >> 16 & 0xFF)
    return bytes(made)


def lines(*objects: Any) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)


def json_files() -> List[Case]:
    pair = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    return [
        Case("lines.ndjson", "one object a line", lines(*pair), PAIRS),
        Case("lines.csv", "objects in a file that is named CSV", lines(*pair), PAIRS),
        Case("lines_mark.ndjson", "with a byte order mark", "\ufeff" + lines(*pair), PAIRS),
        Case(
            "lines_blank.ndjson",
            "with blank lines and CRLF",
            '{"a": 1, "b": "x"}\r\n\r\n{"a": 2, "b": "y"}\r\n\r\n',
            PAIRS,
        ),
        Case("lines_no_last.ndjson", "no line end behind the last object", lines(*pair).rstrip("\n"), PAIRS),
        Case("lines.ndjson.gz", "packed", lambda: packed_gzip(lines(*pair).encode()), PAIRS),
        Case("lines_utf16.ndjson", "UTF-16 with a mark", lines(*pair).encode("utf-16"), PAIRS),
        Case(
            "array_utf16.json.gz",
            "an array in UTF-16, packed",
            lambda: packed_gzip(json.dumps(pair).encode("utf-16")),
            PAIRS,
        ),
        Case("lines_packed", "packed, and no name says what it is", lambda: packed_gzip(lines(*pair).encode()), PAIRS),
        Case(
            "lines_key_missing.ndjson",
            "keys that come and go, in any order",
            lines({"a": 1}, {"b": "y"}, {"b": "z", "a": 3}),
            table("a:BIGINT b:TEXT", [1, None], [None, "y"], [3, "z"]),
        ),
        Case(
            "lines_key_late.ndjson",
            "a key that comes only behind 5,000 objects",
            lambda: (lines({"a": 1}) * 5000 + lines({"a": 2, "b": "x"})).encode(),
            long_table("a:BIGINT b:TEXT", lambda: [[1, None]] * 5000 + [[2, "x"]]),
        ),
        Case(
            "lines_type_late.ndjson",
            "a float behind 5,000 integers",
            lambda: (lines({"a": 1}) * 5000 + lines({"a": 0.5})).encode(),
            long_table("a:DOUBLE", lambda: [[1.0]] * 5000 + [[0.5]]),
        ),
        Case(
            "lines_mixed.ndjson",
            "a number and a text under one key",
            lines({"a": 1}, {"a": "x"}, {"a": None}),
            table("a:TEXT", ["1"], ["x"], [None]),
            also=(refused("VEL-5003 VEL-5008", r"lines_mixed\.ndjson:2\b"),),
            forgiven=(table("a:TEXT", ["1"], ['"x"'], [None]),),
        ),
        Case(
            "lines_nested.ndjson",
            "an object in an object",
            lines({"a": 1, "b": {"x": 1, "y": "z"}}),
            table([("a", "BIGINT"), ("b", 'Struct("x": Int64, "y": Utf8)')], [1, {"x": 1, "y": "z"}]),
            also=(table("a:BIGINT b:TEXT", [1, '{"x": 1, "y": "z"}']),),
        ),
        Case(
            "lines_unicode.ndjson",
            "escapes, surrogates, and a NUL",
            '{"a": "\\u00e9\\ud83d\\ude42\\u0000\\n"}\n{"a": "é🙂"}\n',
            table("a:TEXT", ["é🙂\0\n"], ["é🙂"]),
        ),
        Case(
            "lines_surrogate.ndjson",
            "half of a surrogate is no character",
            '{"a": "x"}\n{"a": "\\ud83d"}\n',
            refused("VEL-5008 VEL-5002", r"lines_surrogate\.ndjson(:2\b)?"),
        ),
        Case(
            "lines_bad.ndjson",
            "a line that is no JSON",
            '{"a": 1}\n{"a": 2}\n{"a": oops}\n{"a": 4}\n',
            refused("VEL-5008", r"lines_bad\.ndjson:3\b"),
        ),
        Case(
            "lines_cut.ndjson",
            "the file was cut in its last object",
            '{"a": 1}\n{"a": 2}\n{"a": ',
            refused("VEL-5008", r"lines_cut\.ndjson:3\b"),
        ),
        Case(
            "lines_scalar.ndjson",
            "a line that is no object",
            '{"a": 1}\n7\n',
            refused("VEL-5008", r"lines_scalar\.ndjson:2\b"),
        ),
        Case(
            "lines_wide.ndjson",
            "an integer above 64 bits keeps its digits",
            '{"a": 1}\n{"a": 99999999999999999999}\n',
            table("a:DECIMAL(38,0)", ["1"], ["99999999999999999999"]),
            also=(
                table("a:TEXT", ["1"], ["99999999999999999999"]),
                refused("VEL-5003 VEL-5004 VEL-5008", r"lines_wide\.ndjson(:2\b)?"),
            ),
        ),
        Case(
            "lines_twice.ndjson",
            "a key that stands twice in an object",
            '{"a": 1, "a": 2}\n',
            refused("VEL-2006 VEL-5008", "a"),
        ),
        Case("array.json", "an array of objects", json.dumps(pair), PAIRS),
        Case("array_pretty.json", "an array over several lines", json.dumps(pair, indent=2) + "\n", PAIRS),
        Case(
            "array_cut.json",
            "an array that is not closed",
            json.dumps(pair)[:-1],
            refused("VEL-5008", r"array_cut\.json"),
        ),
        Case(
            "array_tail.json",
            "something behind the array",
            json.dumps(pair) + "]",
            refused("VEL-5008", r"array_tail\.json"),
        ),
        Case(
            "array_late_key.json",
            "a key of the last object only",
            json.dumps([{"a": 1}, {"a": 2, "b": "x"}]),
            table("a:BIGINT b:TEXT", [1, None], [2, "x"]),
        ),
    ]


CASES = [*nothing(), *strangers(), *json_files()]
