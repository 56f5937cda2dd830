"""The bytes below the text: encodings, byte order marks, compression."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
from typing import List

from .model import Case, refused, table, undecodable

PEOPLE = "id,name,city\n1,Zoë,Köln\n2,Søren,Århus\n3,Łukasz,Łódź\n4,Ирина,Москва\n5,李雷,北京\n6,🙂,Ελλάδα\n"
PEOPLE_TABLE = table(
    "id:BIGINT name:TEXT city:TEXT",
    [1, "Zoë", "Köln"],
    [2, "Søren", "Århus"],
    [3, "Łukasz", "Łódź"],
    [4, "Ирина", "Москва"],
    [5, "李雷", "北京"],
    [6, "🙂", "Ελλάδα"],
)
PLAIN = "a,b\n1,x\n2,y\n"
PLAIN_TABLE = table("a:BIGINT b:TEXT", [1, "x"], [2, "y"])

# Enough letters of one language that its encoding can be told.
SENTENCES = {
    "chinese": [
        "中华人民共和国的首都是北京，人口超过两千万",
        "他每天早上都去公园里散步，然后回家吃早饭",
        "这本书讲的是一个小村庄里三代人的故事",
        "我们公司的年度报告已经在网站上公布了",
    ],
    "taiwan": [
        "臺灣的首都是臺北，人口大約兩百六十萬",
        "他每天早上都去公園裡散步，然後回家吃早飯",
        "這本書講的是一個小村莊裡三代人的故事",
        "我們公司的年度報告已經在網站上公布了",
    ],
    "japanese": [
        "東京は日本の首都であり、人口は千三百万人を超えます",
        "彼は毎朝公園を散歩してから家に帰って朝ご飯を食べます",
        "この本は小さな村に住む三世代の家族の物語です",
        "カタカナとひらがなの両方を使います",
    ],
    "korean": [
        "서울은 대한민국의 수도이며 인구는 약 천만 명이다",
        "그는 매일 아침 공원을 산책하고 집에 돌아와 아침을 먹는다",
        "이 책은 작은 마을에 사는 세 세대의 이야기이다",
        "우리 회사의 연간 보고서가 공개되었다",
    ],
    "polish": [
        "Stolicą Polski jest Warszawa, a największą rzeką jest Wisła",
        "Codziennie rano chodził na spacer, a później jadł śniadanie",
        "Książka opowiada o trzech pokoleniach żyjących w małej wsi",
        "Zażółć gęślą jaźń, proszę państwa",
    ],
    "russian": [
        "Столица России - Москва, а самая длинная река - Лена",
        "Каждое утро он гулял в парке, а потом возвращался домой",
        "Эта книга рассказывает о трёх поколениях одной семьи",
        "Годовой отчёт нашей компании опубликован на сайте",
    ],
    "french": [
        "L’été dernier, nous étions à la plage près de Hyères",
        "Le garçon a reçu un très beau cadeau pour Noël – à 20 €",
        "Où êtes-vous né, et où habitez-vous désormais ?",
        "Les élèves préfèrent généralement les cours d’été",
    ],
    "german": [
        "Die Straße führt über die Brücke zum schönen Schloß",
        "Jeden Morgen geht er spazieren und frühstückt später",
        "Das Buch erzählt die Geschichte dreier Generationen",
        "Größere Mengen müssen frühzeitig angekündigt werden",
    ],
}


def foreign(name: str, codec: str, language: str, **more: object) -> Case:
    """Sentences of a language in one of its encodings."""
    sentences = SENTENCES[language]
    content = "nr;satz\n" + "".join("{};{}\n".format(number, text) for number, text in enumerate(sentences, 1))
    rows = [[number, text] for number, text in enumerate(sentences, 1)]
    about = "{} in {}".format(language.capitalize(), codec)
    return Case(
        "encoding_{}.csv".format(name), about, content.encode(codec), table("nr:BIGINT satz:TEXT", *rows), **more
    )  # type: ignore[arg-type]


def encodings() -> List[Case]:
    gb18030 = "id;t\n" + "".join(
        "{};{}𠀀ß\n".format(number, text) for number, text in enumerate(SENTENCES["chinese"], 1)
    )
    return [
        Case("encoding_utf8.csv", "UTF-8", PEOPLE, PEOPLE_TABLE),
        Case("encoding_utf8_mark.csv", "UTF-8 with a byte order mark", PEOPLE.encode("utf-8-sig"), PEOPLE_TABLE),
        Case(
            "encoding_utf8_mark_quoted.csv",
            "a byte order mark before a quoted name",
            '\ufeff"id","t"\n1,x\n',
            table("id:BIGINT t:TEXT", [1, "x"]),
        ),
        Case(
            "encoding_utf16le_mark.csv",
            "UTF-16, little end first, with a mark",
            b"\xff\xfe" + PEOPLE.encode("utf-16-le"),
            PEOPLE_TABLE,
        ),
        Case(
            "encoding_utf16be_mark.csv",
            "UTF-16, big end first, with a mark",
            b"\xfe\xff" + PEOPLE.encode("utf-16-be"),
            PEOPLE_TABLE,
        ),
        Case(
            "encoding_utf16le.csv", "UTF-16, little end first, without a mark", PEOPLE.encode("utf-16-le"), PEOPLE_TABLE
        ),
        Case("encoding_utf16be.csv", "UTF-16, big end first, without a mark", PEOPLE.encode("utf-16-be"), PEOPLE_TABLE),
        Case(
            "encoding_utf16_crlf.csv",
            "UTF-16 as a spreadsheet saves it: tabs and CRLF",
            "\ufeffa\tb\r\n1\tx\r\n2\tü\r\n".encode("utf-16-le"),
            table("a:BIGINT b:TEXT", [1, "x"], [2, "ü"]),
        ),
        Case(
            "encoding_utf16_half.csv",
            "UTF-16 that ends in the middle of a character",
            b"\xff\xfe" + PEOPLE.encode("utf-16-le") + b"7",
            refused("VEL-5002"),
        ),
        Case(
            "encoding_gb18030.csv",
            "Chinese in GB18030, with characters of four bytes",
            gb18030.encode("gb18030"),
            table("id:BIGINT t:TEXT", *([number, text + "𠀀ß"] for number, text in enumerate(SENTENCES["chinese"], 1))),
        ),
        foreign("gbk", "gbk", "chinese"),
        foreign("big5", "big5", "taiwan"),
        foreign("shift_jis", "shift_jis", "japanese"),
        foreign("euc_kr", "euc_kr", "korean"),
        foreign("cp1250", "cp1250", "polish"),
        foreign("cp1251", "cp1251", "russian"),
        foreign("cp1252", "cp1252", "french"),
        foreign("latin1", "latin-1", "german"),
        foreign("koi8r_said", "koi8-r", "russian", options={"encoding": "koi8-r"}),
        foreign("cp1251_said", "cp1251", "russian", options={"encoding": "windows-1251"}),
        Case(
            "encoding_latin1_said.csv",
            "one letter in Latin-1, and it is said",
            "a,b\n1,caf\u00e9\n".encode("latin-1"),
            table("a:BIGINT b:TEXT", [1, "café"]),
            {"encoding": "latin1"},
        ),
        Case(
            "encoding_one_letter.csv",
            "one letter, which is another one in Russia: nobody can say",
            "a,b\n1,M\u00fcller\n".encode("latin-1"),
            refused("VEL-7003 VEL-5002", r"(?i)encoding"),
            also=(table("a:BIGINT b:TEXT", [1, "Müller"]),),
        ),
        Case(
            "encoding_unknown_said.csv",
            "an encoding that does not exist",
            PLAIN,
            refused("VEL-7001", "(?i)encoding"),
            {"encoding": "utf-99"},
        ),
        Case(
            "encoding_utf8_said_wrong.csv",
            "Latin-1 that is said to be UTF-8",
            "a,b\n1,x\n2,caf\u00e9\n".encode("latin-1"),
            undecodable("encoding_utf8_said_wrong.csv", 3, 13),
            {"encoding": "utf-8"},
        ),
        Case(
            "encoding_utf8_cut.csv",
            "UTF-8 that ends in the middle of a character",
            (PEOPLE + "7,x,Ł").encode("utf-8")[:-1],
            undecodable("encoding_utf8_cut.csv", 8, len(PEOPLE.encode()) + 4),
        ),
        Case(
            "encoding_utf8_damaged.csv",
            "one bad byte behind 20,000 records of UTF-8",
            lambda: "a,b\n".encode() + "1,Łódź\n".encode() * 20000 + b"2,\xff\n" + b"1,x\n" * 100,
            undecodable("encoding_utf8_damaged.csv", 20002, 4 + 20000 * len("1,Łódź\n".encode()) + 2),
        ),
        Case(
            "encoding_latin1_late.csv",
            "one letter in Latin-1 behind 200,000 records of ASCII",
            lambda: b"a,b\n" + b"1,cafe\n" * 200000 + b"2,caf\xe9\n",
            undecodable("encoding_latin1_late.csv", 200002, 4 + 200000 * 7 + 5),
        ),
    ]


def compressions() -> List[Case]:
    plain = PLAIN.encode()
    return [
        Case("packed.csv.gz", "gzip", lambda: packed_gzip(plain), PLAIN_TABLE),
        Case("packed.csv.bz2", "bzip2", lambda: bz2.compress(plain), PLAIN_TABLE),
        Case("packed.csv.xz", "xz", lambda: lzma.compress(plain), PLAIN_TABLE),
        Case("packed.csv.zst", "zstandard", lambda: packed_zstandard(plain), PLAIN_TABLE),
        Case("packed.csv.zip", "a zip archive of one file", lambda: packed_zip({"data.csv": plain}), PLAIN_TABLE),
        Case("packed_gzip.csv", "gzip that is named as if it were plain", lambda: packed_gzip(plain), PLAIN_TABLE),
        Case("packed_bzip2.csv", "bzip2 that is named as if it were plain", lambda: bz2.compress(plain), PLAIN_TABLE),
        Case("packed_xz.csv", "xz that is named as if it were plain", lambda: lzma.compress(plain), PLAIN_TABLE),
        Case(
            "packed_zstandard.csv",
            "zstandard that is named as if it were plain",
            lambda: packed_zstandard(plain),
            PLAIN_TABLE,
        ),
        Case(
            "packed_zip.csv",
            "a zip archive that is named as if it were plain",
            lambda: packed_zip({"data.csv": plain}),
            PLAIN_TABLE,
        ),
        Case("packed_xz.csv.gz", "xz that is named gzip", lambda: lzma.compress(plain), PLAIN_TABLE),
        Case("packed_not.csv.gz", "plain text that is named gzip", PLAIN, PLAIN_TABLE),
        Case(
            "packed_members.csv.gz",
            "gzip of several members, cut inside a record",
            lambda: packed_gzip(b"a,b\n1,") + packed_gzip(b"") + packed_gzip(b"x\n2,y\n"),
            PLAIN_TABLE,
        ),
        Case(
            "packed_streams.csv.bz2",
            "bzip2 of two streams",
            lambda: bz2.compress(plain[:6]) + bz2.compress(plain[6:]),
            PLAIN_TABLE,
        ),
        Case(
            "packed_streams.csv.xz",
            "xz of two streams",
            lambda: lzma.compress(plain[:6]) + lzma.compress(plain[6:]),
            PLAIN_TABLE,
        ),
        Case(
            "packed_frames.csv.zst",
            "zstandard of two frames",
            lambda: packed_zstandard(plain[:6]) + packed_zstandard(plain[6:]),
            PLAIN_TABLE,
        ),
        Case(
            "packed_utf16.csv.gz",
            "UTF-16 inside of gzip",
            lambda: packed_gzip(b"\xff\xfe" + PEOPLE.encode("utf-16-le")),
            PEOPLE_TABLE,
        ),
        Case(
            "packed_cut.csv.gz",
            "gzip that ends too early",
            lambda: packed_gzip(long_lines())[:-200],
            refused("VEL-5008", r"packed_cut\.csv\.gz"),
        ),
        Case(
            "packed_damaged.csv.gz",
            "gzip whose checksum is wrong",
            lambda: damaged(packed_gzip(plain)),
            refused("VEL-5008", r"packed_damaged\.csv\.gz"),
        ),
        Case(
            "packed_cut.csv.bz2",
            "bzip2 that ends too early",
            lambda: bz2.compress(long_lines())[:-20],
            refused("VEL-5008", r"packed_cut\.csv\.bz2"),
        ),
        Case(
            "packed_cut.csv.xz",
            "xz that ends too early",
            lambda: lzma.compress(long_lines())[:-40],
            refused("VEL-5008", r"packed_cut\.csv\.xz"),
        ),
        Case(
            "packed_tail.csv.gz",
            "text behind the gzip",
            lambda: packed_gzip(plain) + b"3,z\n",
            refused("VEL-5008", r"packed_tail\.csv\.gz"),
        ),
        Case(
            "packed_two.csv.zip",
            "a zip archive of two files",
            lambda: packed_zip({"one.csv": plain, "two.csv": plain}),
            refused("VEL-5008 VEL-7001 VEL-3001", r"(?s)packed_two\.csv\.zip.*\b(two|2)\b"),
        ),
        Case(
            "packed_none.csv.zip",
            "a zip archive of nothing",
            lambda: packed_zip({}),
            refused("VEL-5007 VEL-5008", r"packed_none\.csv\.zip"),
        ),
        Case(
            "packed_empty.csv.gz",
            "gzip of nothing",
            lambda: packed_gzip(b""),
            refused("VEL-5007", r"packed_empty\.csv\.gz"),
        ),
    ]


def long_lines() -> bytes:
    """Text that does not pack well, so that a cut tears data and not only the end."""
    state, lines = 1, ["a,b"]
    for number in range(5000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        lines.append("{},{:x}".format(number, state))
    return ("\n".join(lines) + "\n").encode()


def packed_gzip(content: bytes) -> bytes:
    """A gzip member without a time; `gzip.compress` writes another header in every version of Python."""
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as packer:
        packer.write(content)
    return target.getvalue()


def damaged(gzipped: bytes) -> bytes:
    return gzipped[:-8] + bytes(byte ^ 0xFF for byte in gzipped[-8:-4]) + gzipped[-4:]


def packed_zstandard(content: bytes) -> bytes:
    """A frame with one raw block: the standard library cannot write any other, and a reader must take this one too."""
    header = struct.pack("<IBI", 0xFD2FB528, 0b1010_0000, len(content))
    block = len(content) << 3 | 1
    return header + block.to_bytes(3, "little") + content


def packed_zip(members: "dict[str, bytes]") -> bytes:
    """A zip archive that is the same bytes on every day."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


CASES = [*encodings(), *compressions()]
