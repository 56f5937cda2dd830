"""Streams from rows of a program, and sinks that call it.

A query of this engine is fed lazily, by :meth:`velaria.Session.read_custom_stream`; any other object with
``create_stream_from_arrow`` gets a list of tables. pyarrow is needed where tables are made.

>>> import velaria
>>> session = velaria.Session()
>>> stream = create_stream_from_custom_source(session, ({"v": v} for v in range(3)))
>>> stream.columns
['v']
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable, Iterable, Iterator, List, Optional, Union

from velaria._failure import failure
from velaria._velaria import Session
from velaria.errors import DataError

__all__ = [
    "CustomArrowStreamSink",
    "CustomArrowStreamSource",
    "CustomStreamEmitOptions",
    "RowType",
    "consume_arrow_batches_with_custom_sink",
    "create_stream_from_custom_source",
]

# A row: values by name, or values in the order of the columns. Text is a sequence too, and no row.
RowType = Union["Mapping[str, Any]", "Sequence[Any]"]


@dataclass
class CustomStreamEmitOptions:
    """When rows become a batch: after so many seconds, or when there are so many.

    >>> CustomStreamEmitOptions(emit_rows=100)
    CustomStreamEmitOptions(emit_interval_seconds=1.0, emit_rows=100)
    """

    emit_interval_seconds: float = 1.0
    emit_rows: int = 1024

    def validate(self) -> None:
        """Raises ``ValueError`` for options that cannot be.

        >>> CustomStreamEmitOptions(emit_rows=0).validate()
        Traceback (most recent call last):
            ...
        ValueError: emit_rows must be > 0
        """
        if not self.emit_interval_seconds > 0:
            raise ValueError("emit_interval_seconds must be > 0")
        if not self.emit_rows > 0:
            raise ValueError("emit_rows must be > 0")


class CustomArrowStreamSource:
    """Makes batches of rows.

    ``schema`` is a ``pyarrow.Schema``; without it the types of a batch are those of its values, and rows have to be mappings.

    >>> source = CustomArrowStreamSource(emit_rows=2)
    >>> [table.num_rows for table in source.to_arrow_batches({"v": v} for v in range(5))]
    [2, 2, 1]
    """

    def __init__(
        self, schema: Optional[Any] = None, *, emit_interval_seconds: float = 1.0, emit_rows: int = 1024
    ) -> None:
        self.schema = schema
        self.options = CustomStreamEmitOptions(emit_interval_seconds, emit_rows)
        self.options.validate()

    def iter_arrow_batches(self, rows: Iterable[RowType]) -> Iterator[Any]:
        """The batches of ``rows`` as ``pyarrow.Table``, one after the other. Time is looked at when a row comes.

        >>> next(source.iter_arrow_batches({"v": v} for v in range(5))).to_pylist()
        [{'v': 0}, {'v': 1}]
        """
        waiting: List[RowType] = []
        begun = time.monotonic()
        for row in rows:
            waiting.append(row)
            if len(waiting) >= self.options.emit_rows or self._is_late(begun):
                yield self._table(waiting)
                waiting = []
                begun = time.monotonic()
        if waiting:
            yield self._table(waiting)

    def to_arrow_batches(self, rows: Iterable[RowType]) -> List[Any]:
        """All batches of ``rows``: this takes the rows to their end.

        >>> [table.to_pylist() for table in source.to_arrow_batches([{"v": 1}, {"v": 2}, {"v": 3}])]
        [[{'v': 1}, {'v': 2}], [{'v': 3}]]
        """
        return list(self.iter_arrow_batches(rows))

    def to_stream_dataframe(self, session: Any, rows: Iterable[RowType]) -> Any:
        """The stream of ``rows``.

        A :class:`velaria.Session` takes rows when its queries want them, and emits them in time also when no further row
        comes. A list or tuple without a schema is looked at as a whole, if pyarrow is there: a column has the type that all of
        its values have in common, and is text when it has none. Any other ``session`` gets all batches at once.

        >>> source.to_stream_dataframe(velaria.Session(), [{"v": 1}, {"v": 2}]).columns
        ['v']
        """
        # The type counts: what stands in for a session may say that it is one.
        if not issubclass(type(session), Session):
            return session.create_stream_from_arrow(self.to_arrow_batches(rows))
        if self.schema is None and _are_there(rows):
            return session.create_stream_from_arrow(self._tables_of_one_schema(rows))
        return session.read_custom_stream(
            rows,
            self.schema,
            emit_interval_seconds=self.options.emit_interval_seconds,
            emit_rows=self.options.emit_rows,
        )

    def _is_late(self, begun: float) -> bool:
        return time.monotonic() - begun >= self.options.emit_interval_seconds

    def _tables_of_one_schema(self, rows: Iterable[RowType]) -> List[Any]:
        if not rows:
            return []
        pyarrow = import_module("pyarrow")

        try:
            return _alike(self.to_arrow_batches(rows))
        except pyarrow.ArrowException as error:
            message = "rows have values of no common type: {}".format(error)
            raise failure(DataError, message, "VEL-5006", "pass schema") from error

    def _table(self, rows: List[RowType]) -> Any:
        pyarrow = import_module("pyarrow")

        if isinstance(rows[0], Mapping):
            if not all(isinstance(row, Mapping) for row in rows):
                raise ValueError("mixed row types are not supported")
            return self._table_of_mappings(rows)
        if not _is_sequence(rows[0]):
            raise ValueError("rows must be mappings or sequences")
        if self.schema is None:
            raise ValueError("schema is required when rows are sequence-based")
        for row in rows:
            if not _is_sequence(row):
                raise ValueError("mixed row types are not supported")
            if len(row) != len(self.schema):
                raise ValueError("row width does not match schema")
        columns = [
            pyarrow.array([row[place] for row in rows], type=field.type)  # type: ignore[index]
            for place, field in enumerate(self.schema)
        ]
        return pyarrow.Table.from_arrays(columns, schema=self.schema)

    def _table_of_mappings(self, rows: List[Any]) -> Any:
        pyarrow = import_module("pyarrow")

        if self.schema is not None:
            return pyarrow.Table.from_pylist(rows, schema=self.schema)
        # Left to itself, pyarrow would take the names of the first row alone.
        names = dict.fromkeys(name for row in rows for name in row)
        if not names:
            # Rows count although they have no columns yet.
            return pyarrow.table({"": pyarrow.nulls(len(rows))}).select([])
        return pyarrow.table({name: [row.get(name) for row in rows] for name in names})


def _are_there(rows: Iterable[RowType]) -> bool:
    """Whether ``rows`` can be looked at before the stream starts. Arrow data among them has its types already."""
    if not isinstance(rows, (list, tuple)):
        return False
    if any(hasattr(row, "__arrow_c_stream__") or hasattr(row, "__arrow_c_array__") for row in rows):
        return False
    return not rows or find_spec("pyarrow") is not None


def _alike(tables: List[Any]) -> List[Any]:
    """The same tables with the columns and types of all of them."""
    pyarrow = import_module("pyarrow")

    common = pyarrow.unify_schemas([table.schema for table in tables], promote_options="permissive")
    # A column without a value is text.
    schema = pyarrow.schema(
        [field.with_type(pyarrow.string()) if field.type == pyarrow.null() else field for field in common]
    )
    return [_promoted(table, schema) for table in tables]


def _promoted(table: Any, schema: Any) -> Any:
    pyarrow = import_module("pyarrow")

    known = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in known else pyarrow.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pyarrow.Table.from_arrays(columns, schema=schema)


def _is_sequence(row: object) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, (str, bytes, bytearray))


class CustomArrowStreamSink:
    """Collects batches and gives them to ``on_emit`` as one ``pyarrow.Table``.

    It is emitted when enough rows wait, or when the first of them has waited long enough and another batch comes. As the sink of
    a query (:meth:`velaria.StreamingDataFrame.write_stream_custom`) it is emitted in time also when nothing comes, before each
    commit when the query has a checkpoint, and when the query ends.

    >>> import pyarrow as pa
    >>> sink = CustomArrowStreamSink(lambda table: print(table.num_rows), emit_rows=3)
    >>> sink.write_batch(pa.table({"v": [1, 2]}))
    >>> sink.write_batch(pa.table({"v": [3]}))
    3
    >>> sink.close()
    """

    def __init__(
        self, on_emit: Callable[[Any], None], *, emit_interval_seconds: float = 1.0, emit_rows: int = 1024
    ) -> None:
        if not callable(on_emit):
            raise ValueError("on_emit must be callable")
        self.on_emit = on_emit
        self.options = CustomStreamEmitOptions(emit_interval_seconds, emit_rows)
        self.options.validate()
        self._pending: List[Any] = []
        self._rows = 0
        self._since = 0.0

    def write_batch(self, table: Any) -> None:
        """Takes a ``pyarrow.Table``, or anything that gives Arrow data. When ``on_emit`` raises, the rows stay.

        >>> sink.write_batch(velaria.sql("SELECT v FROM range(3) AS t(v)"))
        3
        """
        pyarrow = import_module("pyarrow")

        if not isinstance(table, pyarrow.Table):
            table = pyarrow.table(table)
        if not self._pending:
            self._since = time.monotonic()
        self._pending.append(table)
        self._rows += table.num_rows
        if self._rows >= self.options.emit_rows or self._seconds_left() <= 0:
            self._emit()

    def flush(self) -> None:
        """Emits the rows that wait, if there are any.

        >>> sink.write_batch(pa.table({"v": [4]}))
        >>> sink.flush()
        1
        >>> sink.flush()
        """
        if self._rows > 0:
            self._emit()

    def close(self) -> None:
        """Emits the rows that wait, if there are any, and forgets the rest.

        >>> sink.write_batch(pa.table({"v": [4, 5]}))
        >>> sink.close()
        2
        """
        self.flush()
        self._pending = []

    def wait_seconds(self) -> Optional[float]:
        """How long the rows that wait may still wait; ``None`` when none do.

        >>> sink.wait_seconds() is None
        True
        >>> sink.write_batch(pa.table({"v": [4]}))
        >>> 0.0 <= sink.wait_seconds() <= 1.0
        True
        """
        return max(self._seconds_left(), 0.0) if self._rows > 0 else None

    def _seconds_left(self) -> float:
        return self.options.emit_interval_seconds - (time.monotonic() - self._since)

    def _emit(self) -> None:
        pyarrow = import_module("pyarrow")

        self.on_emit(pyarrow.concat_tables(self._pending, promote_options="none"))
        self._pending = []
        self._rows = 0


def create_stream_from_custom_source(
    session: Any,
    rows: Iterable[RowType],
    *,
    schema: Optional[Any] = None,
    emit_interval_seconds: float = 1.0,
    emit_rows: int = 1024,
) -> Any:
    """The stream of ``rows``: :meth:`CustomArrowStreamSource.to_stream_dataframe` in one call.

    >>> import velaria
    >>> create_stream_from_custom_source(velaria.Session(), [{"name": "ada", "score": 9.5}]).columns
    ['name', 'score']
    """
    source = CustomArrowStreamSource(schema, emit_interval_seconds=emit_interval_seconds, emit_rows=emit_rows)
    return source.to_stream_dataframe(session, rows)


def consume_arrow_batches_with_custom_sink(batches: Iterable[Any], sink: CustomArrowStreamSink) -> None:
    """Writes every batch to ``sink``, and then closes it. When a write raises, the sink stays open.

    >>> import pyarrow as pa
    >>> seen = []
    >>> consume_arrow_batches_with_custom_sink([pa.table({"v": [1]})] * 2, CustomArrowStreamSink(seen.append))
    >>> [table.num_rows for table in seen]
    [2]
    """
    for batch in batches:
        sink.write_batch(batch)
    sink.close()
