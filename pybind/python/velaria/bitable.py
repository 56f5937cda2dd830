"""Tables of Feishu and Lark Bases ("Bitable").

:class:`BitableClient` reads records as dicts, as frames with types, and as streams. Token, pace, retries and pages are
the engine's; a subclass may say how requests travel by overriding ``_request_with_token``.

>>> parse_bitable_url("https://team.feishu.cn/base/bascn1?table=tbl1&view=vew1")
('bascn1', 'tbl1', 'vew1')
>>> group_rows_count_by_field([{"owner": [{"name": "Ada"}]}, {"owner": None}], "owner")
{'Ada': 1, '': 1}
"""

import json
import os
import warnings
from datetime import timedelta
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from velaria._velaria import BitableConnection, BitablePages, BitableTable, DataFrame, Session, StreamingDataFrame
from velaria._failure import failure
from velaria.errors import ArgumentTypeError, BitableClientError, Warning

__all__ = [
    "BitableClient",
    "BitableClientError",
    "group_rows_by_field",
    "group_rows_count_by_field",
    "parse_bitable_url",
    "read_bitable",
]

Row = Dict[str, Any]
_Seconds = Union[float, timedelta]
_OnPage = Callable[[Optional[int], List[Row]], object]

_LARK = "https://open.larksuite.com"


def parse_bitable_url(url: str) -> Tuple[str, str, Optional[str]]:
    """The app token, the table and the view that an address names; an address of a wiki page has the page's token.

    >>> from velaria.bitable import parse_bitable_url
    >>> parse_bitable_url("https://team.feishu.cn/base/bascn1/tables/tbl1")
    ('bascn1', 'tbl1', None)
    """
    return BitableTable.of_url(url, None).ids


class BitableClient:
    """A client of the service, for an application or, with ``user_access_token``, for a person.

    It asks for access tokens when it needs them, sends at most ``requests_per_second``, and repeats for ``retry_seconds``
    what the service puts off. ``lark`` and ``base_url`` say where the service is when addresses do not.

    >>> BitableClient("cli_a1", "secret of the application")
    <velaria.BitableClient: app cli_a1>
    """

    # For subclasses that bring their own requests and do not call the constructor.
    _connection: Optional[BitableConnection] = None

    def __init__(
        self,
        app_id: str = "",
        app_secret: str = "",
        request_timeout_seconds: _Seconds = 10,
        *,
        user_access_token: Optional[str] = None,
        lark: bool = False,
        base_url: Optional[str] = None,
        requests_per_second: float = 15,
        retry_seconds: _Seconds = 120,
    ) -> None:
        self._connection = BitableConnection(
            app_id,
            app_secret,
            user_access_token,
            _LARK if lark and base_url is None else base_url,
            request_timeout_seconds,
            # Nothing is repeated within no time.
            retry_seconds or None,
            requests_per_second,
        )

    @classmethod
    def from_env(cls, **options: Any) -> "BitableClient":
        """A client for the application that ``FEISHU_BITABLE_APP_ID`` and ``FEISHU_BITABLE_APP_SECRET`` name.

        >>> import os
        >>> os.environ.update(FEISHU_BITABLE_APP_ID="cli_a1", FEISHU_BITABLE_APP_SECRET="the secret")
        >>> BitableClient.from_env(request_timeout_seconds=30)
        <velaria.BitableClient: app cli_a1>
        """
        names = ("FEISHU_BITABLE_APP_ID", "FEISHU_BITABLE_APP_SECRET")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise RuntimeError("missing environment variables: " + ", ".join(missing))
        app_id, app_secret = (os.environ[name] for name in names)
        return cls(app_id, app_secret, **options)

    @staticmethod
    def parse_bitable_url(url: str) -> Tuple[str, str, Optional[str]]:
        """The function of this module of the same name.

        >>> BitableClient.parse_bitable_url("https://team.feishu.cn/base/bascn1?table=tbl1")
        ('bascn1', 'tbl1', None)
        """
        return parse_bitable_url(url)

    def __repr__(self) -> str:
        return repr(self._connection) if self._connection is not None else "<velaria.BitableClient>"

    def _request_with_token(self, method: str, url: str, body: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        """The answer of the service to one request. All requests pass here, so a subclass may answer them itself."""
        if self._connection is None:
            raise RuntimeError("the constructor of BitableClient was not called")
        reply: Dict[str, Any] = json.loads(
            self._connection.request(method, url, None if body is None else json.dumps(body))
        )
        return reply

    def list_records(
        self,
        app_token: str,
        table_id: str,
        *,
        view_id: Optional[str] = None,
        page_size: int = 100,
        on_page: Optional[_OnPage] = None,
        max_rows: Optional[int] = None,
        with_record_id: bool = False,
    ) -> List[Row]:
        """The fields of all records, in the shapes of the service.

        ``on_page`` is called with the number of all records and the rows of each page, ``with_record_id`` adds the ids.

        >>> client.list_records("bascn1", "tbl1", max_rows=1, with_record_id=True)
        [{'task': 'write', 'owner': [{'name': 'Ada'}], 'record_id': 'rec1'}]
        """
        table = self._table(app_token, table_id, view_id)
        pages = self._pages(table, page_size, max_rows, with_record_id, on_page)
        return [row for page in pages for row in page]

    def list_records_from_url(
        self,
        url: str,
        *,
        page_size: int = 100,
        on_page: Optional[_OnPage] = None,
        max_rows: Optional[int] = None,
        with_record_id: bool = False,
    ) -> List[Row]:
        """:meth:`list_records` of the table and view that an address names.

        >>> address
        'https://team.feishu.cn/base/bascn1?table=tbl1&view=vew1'
        >>> [row["task"] for row in client.list_records_from_url(address)]
        ['write', 'read']
        """
        pages = self._pages(self._table_of_url(url), page_size, max_rows, with_record_id, on_page)
        return [row for page in pages for row in page]

    def iter_record_pages(
        self,
        app_token: str,
        table_id: str,
        *,
        view_id: Optional[str] = None,
        page_size: int = 100,
        max_rows: Optional[int] = None,
        with_record_id: bool = False,
    ) -> Iterator[List[Row]]:
        """The rows of :meth:`list_records`, page by page: the next one is asked for when it is wanted.

        >>> for page in client.iter_record_pages("bascn1", "tbl1", page_size=1):
        ...     print(page)
        [{'task': 'write', 'owner': [{'name': 'Ada'}]}]
        [{'task': 'read', 'owner': [{'name': 'Bo'}]}]
        """
        return self._pages(self._table(app_token, table_id, view_id), page_size, max_rows, with_record_id, None)

    def iter_record_pages_from_url(
        self,
        url: str,
        *,
        page_size: int = 100,
        max_rows: Optional[int] = None,
        with_record_id: bool = False,
    ) -> Iterator[List[Row]]:
        """:meth:`iter_record_pages` of the table and view that an address names.

        >>> [len(page) for page in client.iter_record_pages_from_url(address, page_size=1)]
        [1, 1]
        """
        return self._pages(self._table_of_url(url), page_size, max_rows, with_record_id, None)

    def to_dataframe(
        self,
        session: Session,
        app_token: str,
        table_id: str,
        *,
        view_id: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        filter: Optional[Mapping[str, Any]] = None,
        sort: Optional[Sequence[Mapping[str, Any]]] = None,
        max_rows: Optional[int] = None,
        flat: bool = False,
        json_columns: Sequence[str] = (),
        page_size: int = 500,
    ) -> DataFrame:
        """The records as a frame: ``record_id``, and a column for each field, with the type of the field.

        ``filter`` and ``sort`` are those of the service. ``flat`` makes one text of each list and struct: the first element,
        the name of a person. ``json_columns`` are read as JSON text.

        >>> client.to_dataframe(velaria.Session(), "bascn1", "tbl1", flat=True).fetchall()
        [('rec1', 'write', 'Ada'), ('rec2', 'read', 'Bo')]
        """
        table = self._table(app_token, table_id, view_id)
        query = _query(page_size, columns, filter, sort, max_rows, flat, json_columns)
        return table.read(session, self._way(), query)

    def to_dataframe_from_url(
        self,
        session: Session,
        url: str,
        *,
        columns: Optional[Sequence[str]] = None,
        filter: Optional[Mapping[str, Any]] = None,
        sort: Optional[Sequence[Mapping[str, Any]]] = None,
        max_rows: Optional[int] = None,
        flat: bool = False,
        json_columns: Sequence[str] = (),
        page_size: int = 500,
    ) -> DataFrame:
        """:meth:`to_dataframe` of the table and view that an address names.

        >>> client.to_dataframe_from_url(velaria.Session(), address, columns=["task"]).fetchall()
        [('rec1', 'write'), ('rec2', 'read')]
        """
        table = BitableTable.of_url(url, self._connection)
        query = _query(page_size, columns, filter, sort, max_rows, flat, json_columns)
        return table.read(session, self._way(), query)

    def read_stream(
        self,
        session: Session,
        app_token: str,
        table_id: str,
        *,
        view_id: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        flat: bool = False,
        json_columns: Sequence[str] = (),
        page_size: int = 500,
        poll_interval_ms: int = 5000,
        overlap_ms: int = 60000,
        bounded: bool = False,
    ) -> StreamingDataFrame:
        """The records as a stream: all that are there, then again each that is modified.

        The table is asked every ``poll_interval_ms`` for what was modified since, and for ``overlap_ms`` before that; what
        was given already is not given again. ``bounded`` ends the stream when all that is there was given.

        >>> stream = client.read_stream(velaria.Session(), "bascn1", "tbl1", flat=True, bounded=True)
        >>> stream.columns
        ['record_id', 'task', 'owner']
        """
        query = _query(page_size, columns, None, None, None, flat, json_columns)
        settings = {"poll_interval_ms": poll_interval_ms, "overlap_ms": overlap_ms, "bounded": bounded}
        table = self._table(app_token, table_id, view_id)
        return table.stream(session, self._way(), query, json.dumps(settings))

    def read_stream_from_url(
        self,
        session: Session,
        url: str,
        *,
        columns: Optional[Sequence[str]] = None,
        flat: bool = False,
        json_columns: Sequence[str] = (),
        page_size: int = 500,
        poll_interval_ms: int = 5000,
        overlap_ms: int = 60000,
        bounded: bool = False,
    ) -> StreamingDataFrame:
        """:meth:`read_stream` of the table and view that an address names.

        >>> stream = client.read_stream_from_url(velaria.Session(), address, flat=True, bounded=True)
        >>> stream.write_stream_custom(lambda emission: print(emission.fetchall())).await_termination()
        [('rec1', 'write', 'Ada'), ('rec2', 'read', 'Bo')]
        1
        """
        query = _query(page_size, columns, None, None, None, flat, json_columns)
        settings = {"poll_interval_ms": poll_interval_ms, "overlap_ms": overlap_ms, "bounded": bounded}
        table = BitableTable.of_url(url, self._connection)
        return table.stream(session, self._way(), query, json.dumps(settings))

    def _table(self, app_token: str, table_id: str, view_id: Optional[str]) -> BitableTable:
        return BitableTable.of_ids(app_token, table_id, view_id, self._connection)

    def _table_of_url(self, url: str) -> BitableTable:
        table = BitableTable.of_url(url, self._connection)
        node = table.node_request
        return table if node is None else table.in_base(json.dumps(self._request_with_token("GET", node)))

    def _pages(
        self,
        table: BitableTable,
        page_size: int,
        max_rows: Optional[int],
        with_record_id: bool,
        on_page: Optional[_OnPage],
    ) -> Iterator[List[Row]]:
        pages = BitablePages(table, json.dumps({"page_size": page_size, "max_rows": max_rows}))
        while True:
            request = pages.request()
            if request is None:
                break
            url, body = request
            total, items = pages.accept(self._request_with_token("POST", url, json.loads(body)))
            rows = [_row(item, with_record_id) for item in items]
            if on_page is not None:
                on_page(total, rows)
            yield rows
        warning = pages.warning()
        if warning is not None:
            warnings.warn(warning, Warning, stacklevel=3)

    def _way(self) -> Union[BitableConnection, Callable[[str, str, Optional[str]], str]]:
        own = getattr(self._request_with_token, "__func__", None)
        if own is BitableClient._request_with_token and self._connection is not None:
            return self._connection

        def request(method: str, url: str, body: Optional[str]) -> str:
            reply = self._request_with_token(method, url, None if body is None else json.loads(body))
            return json.dumps(reply)

        return request


def read_bitable(
    session: Session,
    url: str,
    *,
    client: Optional[BitableClient] = None,
    app_id: Optional[str] = None,
    app_secret: Optional[str] = None,
    user_access_token: Optional[str] = None,
    **options: Any,
) -> DataFrame:
    """The table that an address names, as a frame.

    Who asks is ``client``, or the application or person that the arguments name, or the application of
    :meth:`BitableClient.from_env`. ``options`` are those of :meth:`BitableClient.to_dataframe`.

    >>> read_bitable(velaria.Session(), address, client=client, flat=True, max_rows=1).fetchall()
    [('rec1', 'write', 'Ada')]
    """
    if client is None:
        if app_id is None and app_secret is None and user_access_token is None:
            client = BitableClient.from_env()
        else:
            client = BitableClient(app_id or "", app_secret or "", user_access_token=user_access_token)
    return client.to_dataframe_from_url(session, url, **options)


def group_rows_by_field(rows: Iterable[Mapping[str, Any]], field: str) -> Dict[str, List[Mapping[str, Any]]]:
    """The rows for each value of a field, in the order in which the values come.

    The value is text: of several, the first; of a person, the name; of nothing, nothing.

    >>> group_rows_by_field([{"owner": "Ada", "n": 1}, {"owner": ["Ada", "Bo"], "n": 2}], "owner")
    {'Ada': [{'owner': 'Ada', 'n': 1}, {'owner': ['Ada', 'Bo'], 'n': 2}]}
    """
    groups: Dict[str, List[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_key(row.get(field)), []).append(row)
    return groups


def group_rows_count_by_field(rows: Iterable[Mapping[str, Any]], field: str) -> Dict[str, int]:
    """The number of rows for each value of a field, by the rules of :func:`group_rows_by_field`.

    >>> group_rows_count_by_field([{"tag": "a"}, {"tag": "b"}, {"tag": "a"}], "tag")
    {'a': 2, 'b': 1}
    """
    return {key: len(group) for key, group in group_rows_by_field(rows, field).items()}


def _key(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)) and value:
        return _first(value)
    if isinstance(value, dict):
        return _name(value, "name")
    return str(value)


def _first(values: Sequence[Any]) -> str:
    # A text with links or mentions comes in runs, and is one text.
    if all(isinstance(run, dict) and "type" in run and isinstance(run.get("text"), str) for run in values):
        return "".join(run["text"] for run in values)
    first = values[0]
    return _name(first, "name", "text") if isinstance(first, dict) else str(first)


def _name(value: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(value.get(name), str):
            return str(value[name])
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _row(item: Any, with_record_id: bool) -> Row:
    # Some programs have the record inside of what they list.
    inside = _member(item, "record")
    fields = next((held for held in (_member(item, "fields"), _member(inside, "fields")) if isinstance(held, Mapping)), {})
    row: Row = dict(fields)
    if with_record_id:
        own = _member(item, "record_id")
        row["record_id"] = _member(inside, "record_id") if own is None else own
    return row


def _member(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else getattr(of, name, None)


def _query(
    page_size: int,
    columns: Optional[Sequence[str]],
    filter: Optional[Mapping[str, Any]],
    sort: Optional[Sequence[Mapping[str, Any]]],
    max_rows: Optional[int],
    flat: bool,
    json_columns: Sequence[str],
) -> str:
    return json.dumps(
        {
            "page_size": page_size,
            "columns": _names("columns", columns or ()),
            "filter": filter,
            "sort": None if sort is None else list(sort),
            "max_rows": max_rows,
            "flat": flat,
            "json_columns": _names("json_columns", json_columns),
        }
    )


def _names(argument: str, names: Sequence[str]) -> List[str]:
    if isinstance(names, str):
        raise failure(ArgumentTypeError, argument + " must be a sequence of names, not a text", "VEL-7001", "pass a list")
    return list(names)
