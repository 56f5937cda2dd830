"""Arrow data that breaks the rules, made with ctypes: ``python hostile.py WAY CASE…`` takes it in and prints the outcome.

The cases run in a process of their own, because what is tested is that they end with an error and not with a signal. The
outcome is a line of JSON for each: its name, and ``rows [...]`` or ``ExceptionName CODE``, and after a bar the message. A way is
``table``, which takes everything in at once, or ``stream``, which pulls while rows are asked for.
"""

import ctypes as c
import json
import struct
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar

import velaria


T = TypeVar("T")


class ArrowSchema(c.Structure):
    pass


class ArrowArray(c.Structure):
    pass


class ArrowArrayStream(c.Structure):
    pass


ReleaseSchema = c.CFUNCTYPE(None, c.POINTER(ArrowSchema))
ReleaseArray = c.CFUNCTYPE(None, c.POINTER(ArrowArray))
ReleaseStream = c.CFUNCTYPE(None, c.POINTER(ArrowArrayStream))
GetSchema = c.CFUNCTYPE(c.c_int, c.POINTER(ArrowArrayStream), c.POINTER(ArrowSchema))
GetNext = c.CFUNCTYPE(c.c_int, c.POINTER(ArrowArrayStream), c.POINTER(ArrowArray))
GetLastError = c.CFUNCTYPE(c.c_void_p, c.POINTER(ArrowArrayStream))

ArrowSchema._fields_ = [
    ("format", c.c_char_p),
    ("name", c.c_char_p),
    ("metadata", c.c_char_p),
    ("flags", c.c_int64),
    ("n_children", c.c_int64),
    ("children", c.POINTER(c.POINTER(ArrowSchema))),
    ("dictionary", c.POINTER(ArrowSchema)),
    ("release", ReleaseSchema),
    ("private_data", c.c_void_p),
]
ArrowArray._fields_ = [
    ("length", c.c_int64),
    ("null_count", c.c_int64),
    ("offset", c.c_int64),
    ("n_buffers", c.c_int64),
    ("n_children", c.c_int64),
    ("buffers", c.POINTER(c.c_void_p)),
    ("children", c.POINTER(c.POINTER(ArrowArray))),
    ("dictionary", c.POINTER(ArrowArray)),
    ("release", ReleaseArray),
    ("private_data", c.c_void_p),
]
ArrowArrayStream._fields_ = [
    ("get_schema", GetSchema),
    ("get_next", GetNext),
    ("get_last_error", GetLastError),
    ("release", ReleaseStream),
    ("private_data", c.c_void_p),
]

NULLABLE = 2
EINVAL = 22

# Everything that C can still see; the process ends before any of it would have to go.
ALIVE: List[Any] = []


def keep(value: T) -> T:
    ALIVE.append(value)
    return value


def _release(pointer: Any) -> None:
    # A null function pointer; ctypes takes no None for one.
    c.cast(c.byref(pointer.contents, type(pointer.contents).release.offset), c.POINTER(c.c_void_p))[0] = None


release_schema = keep(ReleaseSchema(_release))
release_array = keep(ReleaseArray(_release))
release_stream = keep(ReleaseStream(_release))


def pointers(kind: Any, items: Sequence[Any]) -> Any:
    if not items:
        return None
    return keep((c.POINTER(kind) * len(items))(*[c.pointer(item) for item in items]))


def schema(format: Optional[bytes], name: Optional[bytes] = b"a", children: Sequence[ArrowSchema] = (), **fields: Any) -> ArrowSchema:
    made = ArrowSchema(format=format, name=name, flags=NULLABLE, n_children=len(children), release=release_schema)
    if children:
        made.children = pointers(ArrowSchema, children)
    for key, value in fields.items():
        setattr(made, key, value)
    return keep(made)


def data(*values: int, kind: Any = c.c_int64) -> int:
    return c.addressof(keep((kind * len(values))(*values)))


def raw(content: bytes) -> int:
    return c.addressof(keep(c.create_string_buffer(content, len(content) + 64)))


def array(length: int, buffers: Sequence[Optional[int]], children: Sequence[ArrowArray] = (), **fields: Any) -> ArrowArray:
    made = ArrowArray(length=length, n_buffers=len(buffers), n_children=len(children), release=release_array)
    if buffers:
        made.buffers = keep((c.c_void_p * len(buffers))(*buffers))
    if children:
        made.children = pointers(ArrowArray, children)
    for key, value in fields.items():
        setattr(made, key, value)
    return keep(made)


def table(column: ArrowArray, length: Optional[int] = None, **fields: Any) -> ArrowArray:
    return array(column.length if length is None else length, [None], [column], **fields)


def integers(**fields: Any) -> ArrowArray:
    return array(3, [None, data(1, 2, 3)], **fields)


class Hostile:
    """An object with ``__arrow_c_stream__`` over one schema and some arrays, where any callback can be another."""

    def __init__(self, columns: ArrowSchema, *arrays: ArrowArray, capsule_name: bytes = b"arrow_array_stream", **callbacks: Any) -> None:
        self.columns = columns
        self.arrays = list(arrays)
        made = {
            "get_schema": GetSchema(self.get_schema),
            "get_next": GetNext(self.get_next),
            "get_last_error": GetLastError(lambda stream: None),
            "release": release_stream,
        }
        made.update(callbacks)
        stream = ArrowArrayStream(**{key: value for key, value in made.items() if value is not None})
        self.stream = keep(stream)
        keep(made)
        keep(self)
        self.capsule = new_capsule(c.addressof(stream), keep(capsule_name), None)

    def get_schema(self, stream: Any, out: Any) -> int:
        c.memmove(out, c.byref(self.columns), c.sizeof(ArrowSchema))
        return 0

    def get_next(self, stream: Any, out: Any) -> int:
        if self.arrays:
            c.memmove(out, c.byref(self.arrays.pop(0)), c.sizeof(ArrowArray))
        else:
            c.memset(out, 0, c.sizeof(ArrowArray))
        return 0

    def __arrow_c_stream__(self) -> Any:
        return self.capsule


new_capsule = c.pythonapi.PyCapsule_New
new_capsule.restype = c.py_object
new_capsule.argtypes = [c.c_void_p, c.c_char_p, c.c_void_p]


class Returns:
    """An object whose ``__arrow_c_stream__`` returns something."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __arrow_c_stream__(self) -> Any:
        return self.value


class Raises:
    def __arrow_c_stream__(self) -> Any:
        raise ZeroDivisionError("mine")


def one(format: bytes, **fields: Any) -> ArrowSchema:
    """The schema of a table with one column ``a``."""
    return schema(b"+s", b"", [schema(format, **fields)])


INT = b"l"
TEXT = b"u"


def text_column(offsets: Sequence[int], content: bytes, length: Optional[int] = None) -> ArrowArray:
    return array(len(offsets) - 1 if length is None else length, [None, data(*offsets, kind=c.c_int32), raw(content)])


def failing(message: Optional[bytes]) -> Dict[str, Any]:
    """Callbacks of a stream that fails at its first array and says ``message``."""
    address = None if message is None else raw(message + b"\0")
    return {
        "get_next": GetNext(lambda stream, out: EINVAL),
        "get_last_error": GetLastError(lambda stream: address),
    }


def fails_after_one() -> Hostile:
    stream: Hostile = Hostile(one(INT), table(integers()))
    plain = stream.get_next
    stream.stream.get_next = keep(GetNext(lambda s, out: plain(s, out) if stream.arrays else EINVAL))
    return stream


def reads_twice() -> Any:
    stream = Hostile(one(INT), table(integers()))
    velaria.Session().create_dataframe_from_arrow(stream)
    return stream


def calls_back() -> Hostile:
    session = velaria.Session()
    stream: Hostile = Hostile(one(INT), table(integers()))
    plain = stream.get_next

    def get_next(s: Any, out: Any) -> int:
        assert session.sql("SELECT 1").fetchall() == [(1,)]
        return plain(s, out)

    stream.stream.get_next = keep(GetNext(get_next))
    return stream


def released_schema() -> Hostile:
    return Hostile(schema(b"+s", b"", [schema(INT)], release=ReleaseSchema()), table(integers()))


def dictionary(indices: Sequence[int]) -> Tuple[ArrowSchema, ArrowArray]:
    column = schema(b"i", dictionary=c.pointer(schema(TEXT)))
    values = text_column([0, 1, 2], b"xy")
    codes = array(len(indices), [None, data(*indices, kind=c.c_int32)], dictionary=c.pointer(values))
    return schema(b"+s", b"", [column]), table(codes)


def null_child_pointer() -> Hostile:
    holder = schema(b"+s", b"", [schema(INT)])
    holder.children[0] = c.POINTER(ArrowSchema)()
    return Hostile(holder, table(integers()))


def null_array_child() -> Hostile:
    batch = table(integers())
    batch.children[0] = c.POINTER(ArrowArray)()
    return Hostile(one(INT), batch)


def vectors(rows: int, items: int) -> Hostile:
    column = schema(b"+w:2", children=[schema(b"f", b"item")])
    child = array(items, [None, data(*range(items), kind=c.c_float)])
    return Hostile(schema(b"+s", b"", [column]), table(array(rows, [None], [child])))


def lists(offsets: Sequence[int]) -> Hostile:
    column = schema(b"+l", children=[schema(INT, b"item")])
    values = array(len(offsets) - 1, [None, data(*offsets, kind=c.c_int32)], [integers()])
    return Hostile(schema(b"+s", b"", [column]), table(values))


def views(first: bytes, lengths: Sequence[int], content: bytes = b"y" * 20, n_buffers: Optional[int] = None) -> Hostile:
    """One value of text as a view of 16 bytes, with one buffer behind it."""
    array_of_one = array(1, [None, raw(first.ljust(16, b"\0")), raw(content), data(*lengths)])
    if n_buffers is not None:
        array_of_one.n_buffers = n_buffers
    return Hostile(one(b"vu"), table(array_of_one))


def long_view(length: int, buffer: int, offset: int, prefix: bytes = b"yyyy") -> bytes:
    return struct.pack("<i4sii", length, prefix, buffer, offset)


def list_views(offsets: Sequence[int], sizes: Sequence[int]) -> Hostile:
    column = schema(b"+vl", children=[schema(INT, b"item")])
    values = array(len(offsets), [None, data(*offsets, kind=c.c_int32), data(*sizes, kind=c.c_int32)], [integers()])
    return Hostile(schema(b"+s", b"", [column]), table(values))


def runs(ends: Sequence[int], length: int, offset: int = 0) -> Hostile:
    column = schema(b"+r", children=[schema(b"i", b"run_ends", flags=0), schema(INT, b"values")])
    children = [array(len(ends), [None, data(*ends, kind=c.c_int32)]), array(len(ends), [None, data(*range(len(ends)))])]
    return Hostile(schema(b"+s", b"", [column]), table(array(length, [], children, offset=offset)))


def union(types: Sequence[int], offsets: Optional[Sequence[int]] = None, format: bytes = b"+us:0,1", children: int = 2) -> Hostile:
    column = schema(format, children=[schema(INT, b"n%d" % index) for index in range(children)])
    buffers = [data(*types, kind=c.c_int8)] + ([] if offsets is None else [data(*offsets, kind=c.c_int32)])
    values = array(len(types), buffers, [integers() for _ in range(children)])
    return Hostile(schema(b"+s", b"", [column]), table(values))


def maps(null_key: bool) -> Hostile:
    entries = schema(b"+s", b"entries", [schema(INT, b"key", flags=0), schema(INT, b"value")], flags=0)
    keys = array(3, [raw(b"\5") if null_key else None, data(1, 2, 3)], null_count=1 if null_key else 0)
    values = array(1, [None, data(0, 3, kind=c.c_int32)], [array(3, [None], [keys, integers()])])
    return Hostile(schema(b"+s", b"", [schema(b"+m", children=[entries])]), table(values))


def contains_itself() -> Hostile:
    inner = schema(b"+l", children=[schema(INT)])
    inner.children[0] = c.pointer(inner)
    return Hostile(schema(b"+s", b"", [inner]), table(integers()))


def dictionary_of_itself() -> Hostile:
    inner = schema(b"i")
    inner.dictionary = c.pointer(inner)
    return Hostile(schema(b"+s", b"", [inner]), table(integers()))


def nested(depth: int) -> Hostile:
    column = schema(INT)
    for _ in range(depth):
        column = schema(b"+l", b"item", [column])
    return Hostile(schema(b"+s", b"", [column]))


def shared_children() -> Hostile:
    """Thirty structs, each of which is in the next one twice: a billion fields in a few hundred bytes."""
    column = schema(INT)
    for _ in range(30):
        column = schema(b"+s", b"s", [column, column])
    return Hostile(schema(b"+s", b"", [column]))


def metadata(content: bytes) -> Hostile:
    return Hostile(one(INT, metadata=c.cast(raw(content), c.c_char_p)), table(integers()))


def released_child() -> Hostile:
    return Hostile(one(INT), table(integers(release=ReleaseArray())))


def released_child_schema() -> Hostile:
    return Hostile(schema(b"+s", b"", [schema(INT, release=ReleaseSchema())]), table(integers()))


def misaligned_text() -> Hostile:
    offsets = struct.pack("<iii", 0, 1, 3)
    return Hostile(one(TEXT), table(array(2, [None, raw(b"\0" + offsets) + 1, raw(b"xyz")])))


def other_schema_each_time() -> Hostile:
    """A stream that is asked for its schema once, and would say something else the second time."""
    stream: Hostile = Hostile(one(INT), table(integers()))

    def get_schema(s: Any, out: Any) -> int:
        stream.get_schema(s, out)
        stream.columns = one(TEXT)
        return 0

    stream.stream.get_schema = keep(GetSchema(get_schema))
    return stream


def never_ending_zero_rows() -> Hostile:
    """Ten thousand batches without rows before the end."""
    return Hostile(one(INT), *[table(array(0, [None, None])) for _ in range(10_000)])


def positive_errno() -> Hostile:
    return Hostile(one(INT), get_next=GetNext(lambda stream, out: 2**31 - 1))


def interrupted() -> Hostile:
    """ctypes prints what a callback raises and returns 0, so that this is the end of the stream."""
    return Hostile(one(INT), table(integers()), **failing(b"KeyboardInterrupt"))


def releases_elsewhere() -> Any:
    """The rows are let go of by another thread than the one that took them."""
    batch = table(integers())
    frame = velaria.Session().create_dataframe_from_arrow(Hostile(one(INT), batch))
    held = [frame]
    del frame
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert not held
    return Hostile(one(INT), table(integers()))


def closes_the_session() -> Hostile:
    session = velaria.Session()
    stream: Hostile = Hostile(one(INT), table(integers()))
    plain = stream.get_next

    def get_next(s: Any, out: Any) -> int:
        session.close()
        return plain(s, out)

    stream.stream.get_next = keep(GetNext(get_next))
    return stream


def list_of_itself() -> Any:
    values: List[Any] = []
    values.append(values)
    return values


def list_in_lists(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


class Pair:
    """An object whose ``__arrow_c_array__`` returns something."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.value


def pair(columns: ArrowSchema, values: ArrowArray, names: Tuple[bytes, bytes] = (b"arrow_schema", b"arrow_array")) -> Pair:
    capsules = tuple(new_capsule(c.addressof(part), keep(name), None) for part, name in zip((columns, values), names))
    return Pair(capsules)


def pair_twice() -> Pair:
    taken = pair(one(INT), table(integers()))
    velaria.Session().create_dataframe_from_arrow(taken)
    return taken


CASES: Dict[str, Callable[[], Any]] = {
    "well_formed": lambda: Hostile(one(INT), table(integers())),
    "no_batches": lambda: Hostile(one(INT)),
    "sliced": lambda: Hostile(one(INT), table(array(2, [None, data(1, 2, 3)], offset=1))),
    "well_formed_text": lambda: Hostile(one(TEXT), table(text_column([0, 1, 3], b"xyz"))),
    "well_formed_dictionary": lambda: Hostile(*dictionary([0, 1, 0])),
    "well_formed_vectors": lambda: vectors(2, 4),
    "misaligned": lambda: Hostile(one(INT), table(array(2, [None, raw(b"\0" + b"\1\0\0\0\0\0\0\0" * 2) + 1]))),
    "calls_back_into_velaria": calls_back,
    # The stream.
    "get_schema_missing": lambda: Hostile(one(INT), get_schema=None),
    "get_next_missing": lambda: Hostile(one(INT), get_next=None),
    "every_callback_missing": lambda: Hostile(one(INT), get_schema=None, get_next=None, get_last_error=None),
    "get_last_error_missing": lambda: Hostile(one(INT), **{**failing(None), "get_last_error": None}),
    "error_with_text": lambda: Hostile(one(INT), **failing(b"out of paper")),
    "error_without_text": lambda: Hostile(one(INT), **failing(None)),
    "error_text_not_utf8": lambda: Hostile(one(INT), **failing(b"caf\xe9")),
    "error_in_mid_stream": fails_after_one,
    "schema_error": lambda: Hostile(one(INT), get_schema=GetSchema(lambda stream, out: EINVAL)),
    "released_stream": lambda: Hostile(one(INT), release=None),
    "consumed_twice": reads_twice,
    "capsule_name": lambda: Hostile(one(INT), capsule_name=b"arrow_schema"),
    "returns_int": lambda: Returns(3),
    "returns_none": lambda: Returns(None),
    "raises": Raises,
    # The schema.
    "released_schema": released_schema,
    "format_missing": lambda: Hostile(schema(None)),
    "format_unknown": lambda: Hostile(one(b"zz"), table(integers())),
    "format_not_utf8": lambda: Hostile(one(b"\xff\xfe"), table(integers())),
    "format_negative_width": lambda: Hostile(schema(b"+s", b"", [schema(b"+w:-1", children=[schema(INT)])]), table(integers())),
    "name_missing": lambda: Hostile(one(INT, name=None), table(integers())),
    "name_not_utf8": lambda: Hostile(one(INT, name=b"\xff"), table(integers())),
    "not_a_struct": lambda: Hostile(schema(INT), integers()),
    "schema_children_missing": lambda: Hostile(schema(b"+s", n_children=1), table(integers())),
    "schema_children_negative": lambda: Hostile(schema(b"+s", n_children=-1), table(integers())),
    "schema_child_null": null_child_pointer,
    "list_without_child": lambda: Hostile(schema(b"+s", b"", [schema(b"+l")]), table(integers())),
    # The arrays.
    "length_negative": lambda: Hostile(one(INT), table(array(-1, [None, data(1)]), length=-1)),
    "child_length_negative": lambda: Hostile(one(INT), table(array(-1, [None, data(1)]), length=1)),
    "offset_negative": lambda: Hostile(one(INT), table(integers(offset=-1))),
    "child_too_short": lambda: Hostile(one(INT), table(integers(), length=4)),
    "child_missing": lambda: Hostile(one(INT), array(3, [None])),
    "child_null": null_array_child,
    "children_negative": lambda: Hostile(one(INT), table(integers(), n_children=-1)),
    "buffers_missing": lambda: Hostile(one(INT), table(array(3, [], n_buffers=2))),
    "buffers_too_few": lambda: Hostile(one(INT), table(array(3, [None]))),
    "buffers_too_few_text": lambda: Hostile(one(TEXT), table(array(1, [None, data(0, 1, kind=c.c_int32)]))),
    "buffers_negative": lambda: Hostile(one(INT), table(integers(n_buffers=-1))),
    "values_null": lambda: Hostile(one(INT), table(array(3, [None, None]))),
    "offsets_null": lambda: Hostile(one(TEXT), table(array(1, [None, None, raw(b"x")]))),
    "text_null": lambda: Hostile(one(TEXT), table(array(1, [None, data(0, 1, kind=c.c_int32), None]))),
    "null_count_without_bitmap": lambda: Hostile(one(INT), table(integers(null_count=2))),
    "null_count_too_large": lambda: Hostile(one(INT), table(array(3, [raw(b"\x07"), data(1, 2, 3)], null_count=7))),
    "null_count_zero_with_nulls": lambda: Hostile(one(INT), table(array(3, [raw(b"\x05"), data(1, 2, 3)], null_count=0))),
    "null_count_unknown": lambda: Hostile(one(INT), table(array(3, [raw(b"\x05"), data(1, 2, 3)], null_count=-1))),
    "not_nullable_with_nulls": lambda: Hostile(one(INT, flags=0), table(array(3, [raw(b"\x05"), data(1, 2, 3)], null_count=1))),
    "struct_with_nulls": lambda: Hostile(one(INT), array(3, [raw(b"\x05")], [integers()], null_count=1)),
    "text_not_utf8": lambda: Hostile(one(TEXT), table(text_column([0, 2], b"\xff\xfe"))),
    "text_cut_inside_a_character": lambda: Hostile(one(TEXT), table(text_column([0, 1, 2], "é".encode()))),
    "offsets_decreasing": lambda: Hostile(one(TEXT), table(text_column([0, 3, 1], b"xyz"))),
    "offsets_negative": lambda: Hostile(one(TEXT), table(text_column([-1, 1], b"xyz"))),
    "list_offsets_decreasing": lambda: lists([0, 3, 1]),
    "list_offsets_beyond_the_items": lambda: lists([0, 9]),
    "vectors_too_short": lambda: vectors(2, 3),
    "dictionary_index_too_large": lambda: Hostile(*dictionary([0, 2])),
    "dictionary_index_negative": lambda: Hostile(*dictionary([0, -1])),
    "dictionary_missing": lambda: Hostile(dictionary([0])[0], table(array(1, [None, data(0, kind=c.c_int32)]))),
    "dictionary_where_none_belongs": lambda: Hostile(one(INT), table(integers(dictionary=c.pointer(text_column([0, 1], b"x"))))),
    "dictionary_key_is_text": lambda: Hostile(schema(b"+s", b"", [schema(TEXT, dictionary=c.pointer(schema(TEXT)))]), table(text_column([0, 1], b"x", 1))),
    # Numbers that no memory has.
    "length_2_62": lambda: Hostile(one(INT), table(array(2**62, [None, data(1)]))),
    "length_2_62_nulls": lambda: Hostile(one(b"n"), table(array(2**62, []))),
    "length_2_62_runs": lambda: runs([2], 2**62),
    "length_2_62_no_columns": lambda: Hostile(schema(b"+s", b""), array(2**62, [None])),
    "length_max": lambda: Hostile(one(TEXT), table(array(2**63 - 1, [None, data(0), raw(b"")]))),
    "offset_2_62": lambda: Hostile(one(INT), table(array(1, [None, data(1)], offset=2**62))),
    "offset_beyond_the_child": lambda: Hostile(one(INT), array(2, [None], [integers()], offset=2)),
    "offset_and_length_overflow": lambda: Hostile(one(b"w:16"), table(array(2**40, [None, data(1)], offset=2**40 - 1))),
    "width_of_two_gigabytes": lambda: Hostile(one(b"w:2147483647"), table(array(2**30, [None, data(1)]))),
    "children_2_62": lambda: Hostile(one(INT), table(integers(), n_children=2**62)),
    "schema_children_2_62": lambda: Hostile(schema(b"+s", b"", [schema(INT)], n_children=2**62), table(integers())),
    "buffers_2_62": lambda: Hostile(one(INT), table(integers(n_buffers=2**62))),
    "buffers_too_many": lambda: Hostile(one(INT), table(array(3, [None, data(1, 2, 3), data(1)]))),
    "null_count_below_minus_one": lambda: Hostile(one(INT), table(integers(null_count=-2))),
    # Types.
    "type_contains_itself": contains_itself,
    "dictionary_of_itself": dictionary_of_itself,
    "type_nested_1000_deep": lambda: nested(1000),
    "type_nested_30_deep": lambda: nested(30),
    "type_with_a_billion_fields": shared_children,
    "metadata_entries_negative": lambda: metadata(struct.pack("<i", -1)),
    "metadata_entries_2_31": lambda: metadata(struct.pack("<i", 2**31 - 1)),
    "metadata_length_2_31": lambda: metadata(struct.pack("<ii", 1, 2**31 - 1)),
    "metadata_not_utf8": lambda: metadata(struct.pack("<ii", 1, 1) + b"\xff" + struct.pack("<i", 0)),
    "decimal_of_200_digits": lambda: Hostile(one(b"d:200,5"), table(array(1, [None, data(1, 0)]))),
    "decimal_of_0_digits": lambda: Hostile(one(b"d:0,0"), table(array(1, [None, data(1, 0)]))),
    "decimal_without_digits": lambda: Hostile(one(b"d:"), table(array(1, [None, data(1, 0)]))),
    "binary_of_negative_width": lambda: Hostile(one(b"w:-3"), table(array(1, [None, data(1)]))),
    "timestamp_without_a_colon": lambda: Hostile(one(b"tsu"), table(integers())),
    "map_of_numbers": lambda: Hostile(schema(b"+s", b"", [schema(b"+m", children=[schema(INT)])]), table(integers())),
    "union_with_a_type_twice": lambda: union([0, 0], format=b"+us:0,0"),
    "union_with_too_few_types": lambda: union([0, 0], format=b"+us:0"),
    "union_with_a_type_of_300": lambda: union([0, 0], format=b"+us:0,300"),
    "empty_format": lambda: Hostile(one(b""), table(integers())),
    "released_child_schema": released_child_schema,
    # Layouts beyond those above.
    "well_formed_views": lambda: views(long_view(20, 0, 0), [20]),
    "well_formed_short_view": lambda: views(struct.pack("<i", 2) + b"xy", [20]),
    "view_of_a_buffer_that_is_not_there": lambda: views(long_view(20, 7, 0), [20]),
    "view_beyond_its_buffer": lambda: views(long_view(20, 0, 1), [20]),
    "view_of_negative_length": lambda: views(long_view(-1, 0, 0), [20]),
    "view_with_another_prefix": lambda: views(long_view(20, 0, 0, b"abcd"), [20]),
    "view_not_utf8": lambda: views(long_view(20, 0, 0, b"\xff" * 4), [20], b"\xff" * 20),
    "view_lengths_negative": lambda: views(long_view(20, 0, 0), [-20]),
    "view_lengths_2_62": lambda: views(long_view(20, 0, 0), [2**62]),
    "view_buffers_too_few": lambda: views(long_view(20, 0, 0), [20], n_buffers=2),
    "view_lengths_missing": lambda: Hostile(one(b"vu"), table(array(1, [None, raw(long_view(20, 0, 0)), raw(b"y" * 20), None]))),
    "well_formed_list_views": lambda: list_views([1, 0], [2, 1]),
    "list_view_beyond_the_items": lambda: list_views([1], [3]),
    "list_view_of_negative_size": lambda: list_views([1], [-1]),
    "well_formed_runs": lambda: runs([2, 3], 3),
    "runs_too_short": lambda: runs([2], 3),
    "runs_not_rising": lambda: runs([2, 2], 2),
    "runs_of_zero": lambda: runs([0, 3], 3),
    "runs_negative": lambda: runs([-1, 3], 3),
    "runs_of_none": lambda: runs([], 3),
    "runs_with_an_offset_beyond": lambda: runs([2, 3], 2, offset=2),
    "well_formed_union": lambda: union([0, 1, 0]),
    "union_of_an_unknown_type": lambda: union([0, 5, 0]),
    "union_of_a_negative_type": lambda: union([0, -1, 0]),
    "union_child_too_short": lambda: union([0, 1, 0, 1]),
    "well_formed_dense_union": lambda: union([0, 1, 0], [0, 0, 1], b"+ud:0,1"),
    "dense_union_offset_beyond_the_child": lambda: union([0, 1, 0], [0, 3, 1], b"+ud:0,1"),
    "dense_union_offset_negative": lambda: union([0, 1, 0], [0, -1, 1], b"+ud:0,1"),
    "well_formed_map": lambda: maps(False),
    "map_with_a_null_key": lambda: maps(True),
    "list_offsets_negative": lambda: lists([-1, 2]),
    "list_offset_2_31": lambda: lists([0, 2**31 - 1]),
    "text_offset_2_31_without_text": lambda: Hostile(one(TEXT), table(array(1, [None, data(0, 2**31 - 1, kind=c.c_int32), None]))),
    "misaligned_text": misaligned_text,
    "misaligned_wide_numbers": lambda: Hostile(one(b"d:38,0"), table(array(1, [None, raw(b"\0" + b"\7" + b"\0" * 15) + 1]))),
    "empty_text_without_buffers": lambda: Hostile(one(TEXT), table(array(0, [None, None, None]))),
    "booleans_null": lambda: Hostile(one(b"b"), table(array(3, [None, None]))),
    "released_child": released_child,
    # The life of a stream.
    "asked_for_its_schema_once": other_schema_each_time,
    "ten_thousand_empty_batches": never_ending_zero_rows,
    "largest_errno": positive_errno,
    "released_by_another_thread": releases_elsewhere,
    "closes_the_session_meanwhile": closes_the_session,
    "interrupt_in_the_error_text": interrupted,
    "returns_text": lambda: Returns("no capsule"),
    # Arrays without a stream.
    "pair": lambda: pair(one(INT), table(integers())),
    "pair_taken_twice": pair_twice,
    "pair_in_the_wrong_order": lambda: pair(one(INT), table(integers()), (b"arrow_array", b"arrow_schema")),
    "pair_of_one": lambda: Pair((1,)),
    "pair_that_is_none": lambda: Pair(None),
    "pair_with_struct_nulls": lambda: pair(one(INT), array(3, [raw(b"\5")], [integers()], null_count=1)),
    "pair_length_2_62": lambda: pair(one(INT), table(array(2**62, [None, data(1)]))),
    # Python objects.
    "list_of_itself": list_of_itself,
    "column_of_itself": lambda: {"a": list_of_itself()},
    "list_nested_100000_deep": lambda: list_in_lists(100_000, []),
    "column_nested_100000_deep": lambda: {"a": list_in_lists(100_000, 1)},
}


def outcome(case: str, way: str) -> str:
    """What becomes of a case when it is taken in at once (``table``), or while its rows are asked for (``stream``)."""
    session = velaria.Session()
    take = session.create_dataframe_from_arrow if way == "table" else session.read_arrow_stream
    try:
        return "rows " + str(take(CASES[case]()).to_rows()["rows"])
    except BaseException as error:
        return "{} {} | {}".format(type(error).__name__, getattr(error, "code", None), error)


if __name__ == "__main__":
    for case in sys.argv[2:]:
        print(json.dumps([case, outcome(case, sys.argv[1])]), flush=True)
