"""Arrow C streams that break the rules, made with ctypes: ``python hostile.py CASE`` imports one and prints the outcome.

Each case runs in a process of its own, because what is tested is that it ends with an error and not with a signal. The
outcome is one line: ``rows [...]`` or ``ExceptionName CODE``, and after a bar the message.
"""

import ctypes as c
import sys
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
}


def outcome(case: str) -> str:
    try:
        frame = velaria.Session().create_dataframe_from_arrow(CASES[case]())
        return "rows " + str(frame.to_rows()["rows"])
    except Exception as error:
        return "{} {} | {}".format(type(error).__name__, getattr(error, "code", None), error)


if __name__ == "__main__":
    print(outcome(sys.argv[1]), flush=True)
