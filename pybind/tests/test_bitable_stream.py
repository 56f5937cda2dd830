"""Tables of the service as streams: everything that is there, then what is modified, through trouble and restarts."""

import time
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

import velaria
from fake_bitable import APP_ID, APP_SECRET, DAY_MS, MODIFIED, NUMBER, FakeBitable, Reply, refusal, rows_of
from support import WATCHDOG_SECONDS
from velaria.bitable import BitableClient

NOW = 1_774_785_600_000


@pytest.fixture
def fake() -> Iterator[FakeBitable]:
    with FakeBitable() as served:
        served.field("n", NUMBER)
        served.field("changed", MODIFIED)
        yield served


def put(fake: FakeBitable, id: str, n: int, modified_ms: int) -> None:
    """A new record, or a new version of one."""
    record = {"record_id": id, "fields": {"n": n, "changed": modified_ms}, "last_modified_time": modified_ms}
    fake.records = [old for old in fake.records if old["record_id"] != id] + [record]


def stream(fake: FakeBitable, session: velaria.Session, **options: Any) -> velaria.StreamingDataFrame:
    client = BitableClient(APP_ID, APP_SECRET, 5, requests_per_second=1000, retry_seconds=5, base_url=fake.url)
    return client.read_stream_from_url(session, fake.address(), **{"columns": ["n"], "poll_interval_ms": 10, **options})


class Reading:
    """A query that runs, and the rows that it has given."""

    def __init__(self, fake: FakeBitable, session: velaria.Session, checkpoint: str = "", **options: Any):
        self.sink = session.create_realtime_stream_sink()
        frame = stream(fake, session, **options)
        self.query = frame.write_stream_queue_sink(self.sink, trigger_interval_ms=0, checkpoint_path=checkpoint).start()

    def rows(self, count: int) -> List[Tuple[Any, ...]]:
        """The next rows, as many."""
        rows: List[Tuple[Any, ...]] = []
        patience = time.monotonic() + WATCHDOG_SECONDS
        while len(rows) < count:
            batch = self.sink.poll()
            if batch is not None:
                rows += batch.fetchall()
            else:
                assert time.monotonic() < patience, rows
                time.sleep(0.002)
        return rows

    def asked(self, fake: FakeBitable, times: int) -> None:
        """Waits until the table was asked so often again."""
        patience = time.monotonic() + WATCHDOG_SECONDS
        before = len(fake.searches)
        while len(fake.searches) < before + times:
            assert time.monotonic() < patience
            time.sleep(0.002)

    def stop(self) -> None:
        self.query.stop()
        self.query.await_termination(timeout=WATCHDOG_SECONDS)


def test_a_bounded_stream_gives_everything_and_ends(fake: FakeBitable, session: velaria.Session) -> None:
    for n in range(5):
        put(fake, "rec{}".format(n), n, NOW + n)
    reading = Reading(fake, session, bounded=True, page_size=2)
    assert reading.query.await_termination(timeout=WATCHDOG_SECONDS) == 3
    assert sorted(reading.rows(5)) == [("rec{}".format(n), float(n)) for n in range(5)]
    assert reading.sink.poll() is None


def test_what_is_modified_comes_again_and_nothing_else(fake: FakeBitable, session: velaria.Session) -> None:
    put(fake, "a", 1, NOW)
    put(fake, "b", 2, NOW)
    reading = Reading(fake, session)
    assert sorted(reading.rows(2)) == [("a", 1.0), ("b", 2.0)]
    put(fake, "a", 3, NOW + 5)
    assert reading.rows(1) == [("a", 3.0)]
    # A record of the same millisecond, and one that is older than the newest, are within the overlap.
    put(fake, "c", 4, NOW + 5)
    assert reading.rows(1) == [("c", 4.0)]
    put(fake, "d", 5, NOW - 30_000)
    assert reading.rows(1) == [("d", 5.0)]
    reading.asked(fake, 3)
    assert reading.sink.poll() is None
    reading.stop()


def test_the_service_is_asked_for_what_is_new(fake: FakeBitable, session: velaria.Session) -> None:
    for n in range(100):
        put(fake, "old{}".format(n), n, NOW - (100 - n) * DAY_MS)
    put(fake, "new", 1, NOW)
    reading = Reading(fake, session)
    reading.rows(101)
    reading.asked(fake, 2)
    reading.stop()
    first, *_, last = fake.searches
    assert "filter" not in first.body
    condition = last.body["filter"]["conditions"][0]
    assert (condition["field_name"], condition["operator"], condition["value"][0]) == ("changed", "isGreater", "ExactDate")
    # Days are compared in a time zone that nobody knows: two of them are asked for again.
    assert int(condition["value"][1]) == NOW - 60_000 - 2 * DAY_MS


def test_a_table_without_a_time_field_is_asked_for_all(session: velaria.Session) -> None:
    with FakeBitable() as fake:
        fake.field("n", NUMBER)
        fake.add(NOW, n=1)
        reading = Reading(fake, session)
        assert reading.rows(1) == [("rec0", 1.0)]
        fake.add(NOW + 1, n=2)
        assert reading.rows(1) == [("rec1", 2.0)]
        assert fake.searches[-1].body.get("automatic_fields") is True
        reading.stop()


def test_a_torn_snapshot_is_read_again(fake: FakeBitable, session: velaria.Session) -> None:
    for n in range(4):
        put(fake, "rec{}".format(n), n, NOW + n)
    hidden = fake.records.pop(0)

    def appears(_: Any) -> None:
        # Between two pages, a record comes to where the reading has been.
        fake.records.insert(0, hidden)

    fake.trouble = [lambda _: None, lambda _: None, appears]
    reading = Reading(fake, session, bounded=True, page_size=2, overlap_ms=0)
    reading.query.await_termination(timeout=WATCHDOG_SECONDS)
    assert sorted(reading.rows(4)) == [("rec{}".format(n), float(n)) for n in range(4)]


def test_a_restart_goes_on_where_the_query_was(fake: FakeBitable, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "checkpoint")
    fake.records, _ = rows_of(0)
    for n in range(10):
        put(fake, "rec{}".format(n), n, NOW + n)
    with velaria.Session() as session:
        reading = Reading(fake, session, checkpoint, page_size=3)
        assert len(reading.rows(10)) == 10
        reading.asked(fake, 2)
        reading.stop()
    put(fake, "rec3", 33, NOW + 100)
    put(fake, "new", 44, NOW + 101)
    with velaria.Session() as session:
        reading = Reading(fake, session, checkpoint, page_size=3)
        assert reading.rows(2) == [("rec3", 33.0), ("new", 44.0)]
        reading.asked(fake, 2)
        assert reading.sink.poll() is None
        reading.stop()


def test_trouble_is_overcome_and_a_refusal_fails_the_query(fake: FakeBitable, session: velaria.Session) -> None:
    put(fake, "a", 1, NOW)
    fake.trouble = [lambda _: None, lambda _: Reply(429, {}, {"Retry-After": "0"}), lambda _: refusal(99991663, "expired", 400)]
    reading = Reading(fake, session)
    assert reading.rows(1) == [("a", 1.0)]
    fake.trouble = [lambda _: refusal(1254302, "Permission denied")]
    with pytest.raises(velaria.errors.RemoteError, match="list records failed: code=1254302") as caught:
        reading.query.await_termination(timeout=WATCHDOG_SECONDS)
    assert "add it to the document" in str(caught.value.hint)


def test_a_value_of_another_kind_fails_the_query_with_its_place(fake: FakeBitable, session: velaria.Session) -> None:
    put(fake, "a", 1, NOW)
    fake.records[0]["fields"]["n"] = "many"
    reading = Reading(fake, session)
    with pytest.raises(velaria.errors.DataError, match='the field n of record a is no Float64: "many"') as caught:
        reading.query.await_termination(timeout=WATCHDOG_SECONDS)
    assert caught.value.hint == 'json_columns=["n"] reads its values as JSON text'
    reading = Reading(fake, session, json_columns=["n"], bounded=True)
    assert reading.rows(1) == [("a", '"many"')]


def test_stream_sql_over_a_table(fake: FakeBitable, session: velaria.Session) -> None:
    for n in range(6):
        put(fake, "rec{}".format(n), n, NOW + n)
    session.create_temp_view("records", stream(fake, session, bounded=True, columns=None))
    sink = session.create_realtime_stream_sink()
    session.create_stream_sink("totals", sink)
    sql = "INSERT INTO totals SELECT CAST(n % 2 AS BIGINT) AS odd, SUM(n) AS total FROM records GROUP BY CAST(n % 2 AS BIGINT)"
    session.start_stream_sql(sql, trigger_interval_ms=0).await_termination(timeout=WATCHDOG_SECONDS)
    totals = sink.poll()
    assert totals is not None and sorted(totals.fetchall()) == [(0, 6.0), (1, 9.0)]


def test_stopping_is_quick_while_the_service_says_nothing(fake: FakeBitable, session: velaria.Session) -> None:
    put(fake, "a", 1, NOW)
    reading = Reading(fake, session, poll_interval_ms=3_600_000)
    reading.rows(1)
    reading.stop()
    assert reading.query.progress()["status"] == "stopped"


def test_what_a_stream_cannot_do_is_refused(fake: FakeBitable, session: velaria.Session) -> None:
    with pytest.raises(ValueError, match="options of a Bitable stream"):
        stream(fake, session, poll_interval_ms=-1)
    frame = stream(fake, session)
    sink = session.create_realtime_stream_sink()
    with pytest.raises(velaria.Error, match="exactly-once"):
        frame.write_stream_queue_sink(sink, checkpoint_path="/tmp/x", checkpoint_delivery_mode="exactly-once").start()


def test_an_override_feeds_a_stream(session: velaria.Session) -> None:
    class Client(BitableClient):
        asked = 0

        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            if method == "GET":
                return {"code": 0, "data": {"items": [{"field_name": "n", "type": 2}]}}
            self.asked += 1
            if self.asked > 2:
                raise KeyError("mine")
            return {"code": 0, "data": {"items": [{"record_id": "a", "fields": {"n": self.asked}, "last_modified_time": self.asked}]}}

    sink = session.create_realtime_stream_sink()
    frame = Client("a", "b").read_stream(session, "b", "t", poll_interval_ms=1)
    query = frame.write_stream_queue_sink(sink, trigger_interval_ms=0).start()
    with pytest.raises((velaria.Error, KeyError), match="mine"):
        query.await_termination(timeout=WATCHDOG_SECONDS)
    rows = []
    while (batch := sink.poll()) is not None:
        rows += batch.fetchall()
    # What was read right before the error may not have been written any more.
    assert rows == [("a", 1.0), ("a", 2.0)][: len(rows)]
