from datetime import timedelta
from os import PathLike
from typing import Any, Callable, ClassVar, Dict, List, Mapping, NoReturn, Optional, Protocol, Sequence, Tuple, TypedDict, Union, final

from typing_extensions import CapsuleType, Self, TypeAlias

# Optional packages: their types are `Any` where they are not installed.
import pandas  # type: ignore
import polars  # type: ignore
import pyarrow  # type: ignore

__all__ = [
    "__version__",
    "Session",
    "DataFrame",
    "Schema",
    "StreamingDataFrame",
    "StreamingQuery",
    "RealtimeStreamSource",
    "RealtimeStreamSink",
    "BitableConnection",
    "BitableTable",
    "BitablePages",
    "cli_main",
    "sql",
]

__version__: str

_Path: TypeAlias = Union[str, PathLike[str]]

# `*args`: consumers pass no arguments, so producers may take none, or the optional one of the protocol.
class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, *args: Any, **kwargs: Any) -> Any: ...

class _ArrowArray(Protocol):
    def __arrow_c_array__(self, *args: Any, **kwargs: Any) -> Any: ...

class _NumpyArray(Protocol):
    @property
    def __array_interface__(self) -> Dict[str, Any]: ...

# What a keyword of a reader may be; lists and dicts are passed on as JSON.
_Option: TypeAlias = Union[str, int, float, bool, Sequence[Any], Mapping[str, Any], None]

# What a keyword of a stream query may be: each is an option of docs/streaming.md.
_StreamOption: TypeAlias = Union[str, int, bool, PathLike[str], None]

class _ArrowSchema(Protocol):
    def __arrow_c_schema__(self) -> Any: ...

_Columns: TypeAlias = Union[_ArrowSchema, Mapping[str, str], Sequence[Tuple[str, str]]]

_Table: TypeAlias = Union[_ArrowStream, _ArrowArray, _NumpyArray, Dict[str, Any], List[Any], Tuple[Any, ...]]

# One vector, or many of one length.
_Vector: TypeAlias = Union[Sequence[float], _ArrowStream, _ArrowArray, _NumpyArray]
_Vectors: TypeAlias = Union[_Vector, Sequence[_Vector]]

class _Rows(TypedDict):
    schema: List[str]
    rows: List[List[Any]]

@final
class Session:
    def __new__(
        cls,
        *,
        memory_limit: Optional[Union[int, str]] = None,
        threads: Optional[int] = None,
        temp_dir: Optional[_Path] = None,
        statement_timeout: Optional[Union[float, timedelta]] = None,
        read_only: bool = False,
        allowed_paths: Optional[Sequence[_Path]] = None,
        allow_local_files: bool = True,
        allow_python_scan: bool = True,
    ) -> Self: ...
    def probe(self, path: _Path, **options: object) -> Dict[str, Any]: ...
    def read(self, path: _Path, *, format: Optional[str] = None, **options: _Option) -> DataFrame: ...
    def read_csv(
        self,
        path: _Path,
        delimiter: Optional[str] = None,
        materialization: bool = False,
        materialization_dir: Optional[_Path] = None,
        materialization_format: Optional[str] = None,
        cache_in_memory: bool = False,
        **options: _Option,
    ) -> DataFrame: ...
    def read_parquet(self, path: _Path, **options: _Option) -> DataFrame: ...
    def read_arrow(self, path: _Path, **options: _Option) -> DataFrame: ...
    def read_json(
        self,
        path: _Path,
        columns: Union[Sequence[str], Mapping[str, str], None] = None,
        format: str = "auto",
        **options: _Option,
    ) -> DataFrame: ...
    def read_line_file(
        self,
        path: _Path,
        mappings: Union[Sequence[Tuple[str, int]], Mapping[str, int], str, None] = None,
        mode: str = "split",
        split_delimiter: str = ",",
        regex_pattern: str = "",
        skip_empty_lines: bool = True,
        **options: _Option,
    ) -> DataFrame: ...
    # Options are those of docs/python.md; a list or dict is one of texts. A dict of frames for `sheet="*"`.
    def read_excel(self, path: _Path, **options: Any) -> Any: ...
    def excel_sheets(self, path: _Path) -> List[str]: ...
    def create_dataframe_from_arrow(self, obj: _Table) -> DataFrame: ...
    def create_temp_view(self, name: str, frame: Union[DataFrame, StreamingDataFrame]) -> None: ...
    def create_stream_from_arrow(self, obj: _Table) -> StreamingDataFrame: ...
    def read_stream_csv_dir(self, path: _Path, delimiter: str = ",", **options: _Option) -> StreamingDataFrame: ...
    def read_stream(
        self, path: _Path, format: str = "csv", columns: Optional[_Columns] = None, **options: _Option
    ) -> StreamingDataFrame: ...
    def stream_sql(self, text: str, **options: _StreamOption) -> StreamingDataFrame: ...
    def explain_stream_sql(
        self,
        sql: str,
        trigger_interval_ms: int = 1000,
        checkpoint_path: _Path = ...,
        checkpoint_delivery_mode: str = "at-least-once",
        execution_mode: str = "single-process",
        local_workers: int = 1,
        max_inflight_partitions: int = 0,
        **options: _StreamOption,
    ) -> str: ...
    def start_stream_sql(
        self,
        sql: str,
        trigger_interval_ms: int = 1000,
        checkpoint_path: _Path = ...,
        checkpoint_delivery_mode: str = "at-least-once",
        execution_mode: str = "single-process",
        local_workers: int = 1,
        max_inflight_partitions: int = 0,
        **options: _StreamOption,
    ) -> StreamingQuery: ...
    def create_realtime_stream_source(self, columns: _Columns) -> RealtimeStreamSource: ...
    def read_realtime_stream_source(self, source: RealtimeStreamSource) -> StreamingDataFrame: ...
    def create_stream_sink(self, name: str, sink: RealtimeStreamSink) -> None: ...
    def create_realtime_stream_sink(self) -> RealtimeStreamSink: ...
    def sql(self, text: str, params: Union[Sequence[object], Mapping[str, object], None] = None) -> DataFrame: ...
    def vector_search(
        self,
        table: str,
        vector_column: str,
        query_vector: _Vectors,
        top_k: int = 10,
        metric: str = "cosine",
        *,
        filter: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        acceleration: str = "auto",
    ) -> DataFrame: ...
    def explain_vector_search(
        self,
        table: str,
        vector_column: str,
        query_vector: _Vectors,
        top_k: int = 10,
        metric: str = "cosine",
        *,
        filter: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        acceleration: str = "auto",
    ) -> str: ...
    def hybrid_search(
        self,
        table: str,
        vector_column: str,
        query_vector: _Vector,
        top_k: int = 10,
        metric: str = "cosine",
        score_threshold: Optional[float] = None,
        *,
        filter: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        acceleration: str = "auto",
    ) -> DataFrame: ...
    def explain_hybrid_search(
        self,
        table: str,
        vector_column: str,
        query_vector: _Vector,
        top_k: int = 10,
        metric: str = "cosine",
        score_threshold: Optional[float] = None,
        *,
        filter: Optional[str] = None,
        columns: Optional[Sequence[str]] = None,
        acceleration: str = "auto",
    ) -> str: ...
    def keyword_search(
        self, table: str, text_columns: Sequence[str], query_text: str, top_k: int = 10, *, filter: Optional[str] = None
    ) -> DataFrame: ...
    def fused_search(
        self,
        table: str,
        text_columns: Sequence[str],
        query_text: str,
        vector_column: str,
        query_vector: _Vector,
        top_k: int = 10,
        metric: str = "cosine",
        *,
        filter: Optional[str] = None,
        candidates: Optional[int] = None,
    ) -> DataFrame: ...
    def interrupt(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class DataFrame:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def columns(self) -> List[str]: ...
    def to_rows(self) -> _Rows: ...
    def fetchall(self) -> List[Tuple[Any, ...]]: ...
    def count(self) -> int: ...
    def limit(self, n: int) -> DataFrame: ...
    def show(self, max_rows: int = 20) -> None: ...
    def explain(self) -> str: ...
    def rejects(self) -> DataFrame: ...
    def write_csv(
        self,
        path: _Path,
        *,
        delimiter: str = ",",
        header: bool = True,
        overwrite: bool = False,
        escape_formulas: bool = False,
    ) -> int: ...
    def write_parquet(self, path: _Path, *, overwrite: bool = False) -> int: ...
    def write_arrow(self, path: _Path, *, overwrite: bool = False) -> int: ...
    def write_ndjson(self, path: _Path, *, overwrite: bool = False) -> int: ...
    def write_json(self, path: _Path, *, overwrite: bool = False) -> int: ...
    def to_arrow(self) -> pyarrow.Table: ...
    def to_pandas(self) -> pandas.DataFrame: ...
    def to_polars(self) -> polars.DataFrame: ...
    def __arrow_c_stream__(self, requested_schema: Optional[CapsuleType] = None) -> CapsuleType: ...
    def __arrow_c_array__(self, requested_schema: Optional[CapsuleType] = None) -> Tuple[CapsuleType, CapsuleType]: ...
    def __arrow_c_schema__(self) -> CapsuleType: ...
    def _repr_html_(self) -> str: ...

@final
class StreamingDataFrame:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def columns(self) -> List[str]: ...
    def select(self, columns: Sequence[str]) -> StreamingDataFrame: ...
    def filter(self, column: str, op: str, value: object) -> StreamingDataFrame: ...
    def with_column(self, name: str, source_column: str) -> StreamingDataFrame: ...
    def drop(self, column: str) -> StreamingDataFrame: ...
    def limit(self, n: int) -> StreamingDataFrame: ...
    def window(
        self, time_column: str, window_ms: int, output_column: str = "window_start", slide_ms: int = 0
    ) -> StreamingDataFrame: ...
    def group_sum(
        self, keys: Sequence[str], value_column: str, stateful: bool = False, output_column: str = "sum"
    ) -> StreamingDataFrame: ...
    def group_count(
        self, keys: Sequence[str], stateful: bool = False, output_column: str = "count"
    ) -> StreamingDataFrame: ...
    def write_stream_csv(
        self,
        path: _Path,
        delimiter: str = ",",
        trigger_interval_ms: int = 1000,
        checkpoint_path: _Path = ...,
        **options: _StreamOption,
    ) -> StreamingQuery: ...
    def write_stream_console(
        self, trigger_interval_ms: int = 1000, checkpoint_path: _Path = ..., **options: _StreamOption
    ) -> StreamingQuery: ...
    def write_stream_queue_sink(
        self,
        sink: RealtimeStreamSink,
        trigger_interval_ms: int = 1000,
        checkpoint_path: _Path = ...,
        checkpoint_delivery_mode: str = "at-least-once",
        execution_mode: str = "single-process",
        local_workers: int = 1,
        max_inflight_partitions: int = 0,
        **options: _StreamOption,
    ) -> StreamingQuery: ...
    def explain(self, **options: _StreamOption) -> str: ...

@final
class StreamingQuery:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...
    def start(self) -> Self: ...
    def await_termination(
        self, max_batches: int = 0, timeout: Optional[Union[float, timedelta]] = None
    ) -> int: ...
    def stop(self) -> None: ...
    def progress(self) -> Dict[str, Any]: ...
    def snapshot_json(self) -> str: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class RealtimeStreamSource:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def schema(self) -> Schema: ...
    def push_arrow(self, obj: _Table) -> None: ...
    def push_rows(self, rows: Sequence[Union[Mapping[str, object], Sequence[object]]]) -> None: ...
    def close(self) -> None: ...

@final
class RealtimeStreamSink:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    def poll(self) -> Optional[DataFrame]: ...
    def poll_arrow(self) -> Optional[pyarrow.Table]: ...
    def closed(self) -> bool: ...

@final
class Schema:
    def __new__(cls, *args: object, **kwargs: object) -> NoReturn: ...
    @property
    def names(self) -> List[str]: ...
    @property
    def types(self) -> List[str]: ...
    def __arrow_c_schema__(self) -> CapsuleType: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: int, /) -> Tuple[str, str]: ...
    def __eq__(self, value: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

# What velaria.bitable is made of. Queries, settings and bodies are JSON text.
@final
class BitableConnection:
    def __new__(
        cls,
        app_id: str,
        app_secret: str,
        user_access_token: Optional[str],
        base_url: Optional[str],
        request_timeout_seconds: Union[float, timedelta],
        retry_seconds: Optional[Union[float, timedelta]],
        requests_per_second: float,
    ) -> Self: ...
    def request(self, method: str, url: str, body: Optional[str]) -> str: ...

_BitableWay: TypeAlias = Union[BitableConnection, Callable[[str, str, Optional[str]], str]]

@final
class BitableTable:
    @staticmethod
    def of_url(url: str, connection: Optional[BitableConnection]) -> BitableTable: ...
    @staticmethod
    def of_ids(
        app_token: str, table_id: str, view_id: Optional[str], connection: Optional[BitableConnection]
    ) -> BitableTable: ...
    @property
    def ids(self) -> Tuple[str, str, Optional[str]]: ...
    @property
    def node_request(self) -> Optional[str]: ...
    def in_base(self, reply: str) -> BitableTable: ...
    def read(self, session: Session, way: _BitableWay, query: str) -> DataFrame: ...
    def stream(self, session: Session, way: _BitableWay, query: str, settings: str) -> StreamingDataFrame: ...

@final
class BitablePages:
    def __new__(cls, table: BitableTable, query: str) -> Self: ...
    def request(self) -> Optional[Tuple[str, str]]: ...
    def accept(self, reply: Dict[str, Any]) -> Tuple[Optional[int], List[Any]]: ...
    def warning(self) -> Optional[str]: ...

def sql(text: str, params: Union[Sequence[object], Mapping[str, object], None] = None) -> DataFrame: ...
def cli_main(argv: Sequence[str]) -> int: ...
