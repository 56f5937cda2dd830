"""Speaks the line protocol of the conformance runner for the installed `velaria` package.

One JSON object a line comes in on stdin, one JSON line goes out on stdout. Cells are the typed values that a Python
user gets from `to_rows`, written in the same JSON as the command line writes them; nothing is asked of pyarrow.

    {"reset": true}                        a new session
    {"read_csv": path, "table": name}      a view on a file; also read_json, read_parquet
    {"sql": text}                          a statement
    {"stream": verb, "argument": …, "options": {name: text}, "sql": text}
                                           what a record asks of streams; see sqllogic/README.md
"""

import datetime
import decimal
import json
import math
import re
import struct
import sys

import velaria

READERS = ("read_csv", "read_json", "read_parquet")


def main():
    # A velaria that is not the installed one would prove nothing; `-I` already keeps the working folder out.
    session = velaria.Session()
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if request.get("reset"):
            session.close()
            session = velaria.Session()
            answer = {"ok": True}
        else:
            answer = answer_to(session, request)
        out.write(json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n")
        out.flush()


def answer_to(session, request):
    try:
        for reader in READERS:
            if reader in request:
                session.create_temp_view(request["table"], getattr(session, reader)(request[reader]))
                return {"ok": True, "schema": [], "types": [], "rows": []}
        if "stream" in request:
            return STREAM[request["stream"]](session, request["sql"], request["argument"], options_of(request))
        return result_of(session.sql(request["sql"]))
    except velaria.Error as error:
        return {"ok": False, "report": str(error)}
    except Exception as error:  # noqa: BLE001 - any other exception is a finding, to be compared and shown
        return {"ok": False, "report": f"{type(error).__module__}.{type(error).__qualname__}: {error}"}


def result_of(frame):
    return result_of_frames(frame.schema, [frame])


def result_of_frames(schema, frames):
    types = [str(of) for of in schema.types]
    writers = [writer(of) for of in types]
    rows = [[write(cell) for write, cell in zip(writers, row)] for frame in frames for row in frame.to_rows()["rows"]]
    return {"ok": True, "schema": list(schema.names), "types": types, "rows": rows}


def options_of(request):
    """Keywords: numbers and bools are what a user would write."""
    options = {"trigger_interval_ms": 0}
    for name, text in request["options"].items():
        options[name] = int(text) if re.fullmatch(r"-?[0-9]+", text) else {"true": True, "false": False}.get(text, text)
    return options


class OneBatch:
    """All rows of a frame as one micro-batch, also when there are none."""

    def __init__(self, frame):
        self.frame = frame

    def __arrow_c_array__(self, requested_schema=None):
        return self.frame.__arrow_c_array__(requested_schema)


def create_stream(session, sql, name, _options):
    rows = session.sql(sql)
    assert rows.columns[0] == "batch", "the first column of a stream is batch"
    columns = ", ".join('"' + column.replace('"', '""') + '"' for column in rows.columns[1:])
    last = max(cells[0] for cells in rows.fetchall())
    batches = [OneBatch(session.sql(f"SELECT {columns} FROM rows WHERE batch = {number}")) for number in range(1, last + 1)]
    session.create_temp_view(name, session.create_stream_from_arrow(batches))
    return {"ok": True, "schema": [], "types": [], "rows": []}


def emitted(session, sql, options):
    """The query, which is done, and what it has emitted."""
    frame = session.stream_sql(sql, **options)
    sink = session.create_realtime_stream_sink()
    query = frame.write_stream_queue_sink(sink, **options).start()
    frames = []
    while True:
        try:
            # The sink may hold the query back, so that it is emptied meanwhile.
            query.await_termination(timeout=0.02)
            break
        except TimeoutError:
            frames.extend(iter(sink.poll, None))
    frames.extend(iter(sink.poll, None))
    return query, frames[0].schema if frames else frame.schema, frames


def run(session, sql, _argument, options):
    _, schema, frames = emitted(session, sql, options)
    return result_of_frames(schema, frames)


def last(session, sql, _argument, options):
    _, schema, frames = emitted(session, sql, options)
    return result_of_frames(schema, frames[-1:])


def progress(session, sql, fields, options):
    values = emitted(session, sql, options)[0].progress()
    cells = [values[field] for field in fields]
    row = [cell if cell is None or isinstance(cell, str) else json.dumps(cell) for cell in cells]
    return {"ok": True, "schema": fields, "types": ["Utf8"] * len(fields), "rows": [row]}


def explain(session, sql, _argument, options):
    lines = session.explain_stream_sql(sql, **options).splitlines()
    return {"ok": True, "schema": ["explain"], "types": ["Utf8"], "rows": [[line] for line in lines]}


def start(session, sql, _argument, options):
    batches = session.start_stream_sql(sql, **options).await_termination()
    return {"ok": True, "schema": ["batches"], "types": ["UInt64"], "rows": [[batches]]}


STREAM = {"stream": create_stream, "run": run, "last": last, "progress": progress, "explain": explain, "start": start}


def writer(type_text):
    """The function that writes a value of an Arrow type; only the narrow floats need the type."""
    narrow = "Float32" in type_text or "Float16" in type_text
    return lambda value: to_json(value, narrow)


def to_json(value, narrow):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float_to_json(value, narrow)
    if isinstance(value, tuple) and len(value) == 3:
        return interval_text(*value)
    # The entries of a map are tuples of two.
    if isinstance(value, (list, tuple)):
        return [to_json(item, narrow) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item, narrow) for key, item in value.items()}
    return text_of(value)


def float_to_json(value, narrow):
    if not math.isfinite(value):
        return None
    return shortest_float32(value) if narrow else value


def shortest_float32(value):
    """The shortest text that reads back as the same four bytes; a float64 beside it in a struct stays as it is."""
    try:
        wanted = struct.pack("<f", value)
    except OverflowError:
        return value
    if struct.unpack("<f", wanted)[0] != value:
        return value
    shorts = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((short for short in shorts if struct.pack("<f", short) == wanted), value)


def text_of(value):
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return timestamp_text(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M:%S") + fraction_text(value.microsecond)
    if isinstance(value, datetime.timedelta):
        return duration_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    raise TypeError(f"no JSON for {type(value).__qualname__}")


def fraction_text(microseconds):
    if microseconds == 0:
        return ""
    if microseconds % 1000 == 0:
        return f".{microseconds // 1000:03}"
    return f".{microseconds:06}"


def timestamp_text(value):
    # strftime does not pad early years on every platform.
    text = f"{value.year:04}-{value.month:02}-{value.day:02}T{value.hour:02}:{value.minute:02}:{value.second:02}"
    text += fraction_text(value.microsecond)
    offset = value.utcoffset()
    if offset is None:
        return text
    if not offset:
        return text + "Z"
    return text + re.search(r"[+-]\d\d:\d\d", value.isoformat()[19:]).group()


def duration_text(value):
    """ISO 8601 as Arrow prints it: seconds only, and no zeros at the end of a fraction."""
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    if not microseconds:
        return "P0D"
    sign = "-" if microseconds < 0 else ""
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    if not rest:
        return f"{sign}PT{seconds}S"
    return f"{sign}PT{seconds}.{rest:06}".rstrip("0") + "S"


def interval_text(months, days, nanoseconds):
    """As Arrow prints it: parts that are zero are left out, the sign stands at each part."""
    sign = -1 if nanoseconds < 0 else 1
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    wholes = ((months, "mons"), (days, "days"), (sign * hours, "hours"), (sign * minutes, "mins"))
    parts = [f"{number} {unit}" for number, unit in wholes if number]
    if seconds or rest:
        parts.append(f"{'-' if sign < 0 else ''}{seconds}.{rest:09} secs")
    return " ".join(parts) or "0 secs"


if __name__ == "__main__":
    main()
