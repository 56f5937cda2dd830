"""Tables of the service as frames: the types of their fields, and what is done with values that are not of them."""

import datetime
import logging
from typing import Any, Dict, Iterator, List, Tuple

import pytest

import velaria
from fake_bitable import (
    APP_ID, APP_SECRET, CHECKBOX, DATE, MODIFIED, MULTI, NUMBER, PERSON, SELECT, TEXT, FakeBitable, Reply, refusal, rows_of,
)  # fmt: skip
from velaria.bitable import BitableClient, BitableClientError, read_bitable

UTC = datetime.timezone.utc
NOON = datetime.datetime(2026, 3, 29, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


@pytest.fixture
def fake() -> Iterator[FakeBitable]:
    with FakeBitable() as served:
        yield served


def client_of(fake: FakeBitable) -> BitableClient:
    return BitableClient(APP_ID, APP_SECRET, 5, requests_per_second=1000, retry_seconds=5, base_url=fake.url)


def read(fake: FakeBitable, session: velaria.Session, **options: Any) -> velaria.DataFrame:
    return client_of(fake).to_dataframe(session, fake.app_token, fake.table_id, **options)


def types(frame: velaria.DataFrame) -> Dict[str, str]:
    return dict(zip(frame.schema.names, frame.schema.types))


def test_every_type_of_field_is_a_column(fake: FakeBitable, session: velaria.Session) -> None:
    cells: List[Tuple[str, int, Any, Any]] = [
        ("text", TEXT, [{"text": "a ", "type": "text"}, {"text": "b", "type": "url", "link": "u"}], "a b"),
        ("number", NUMBER, 1.5, 1.5),
        ("choice", SELECT, "open", "open"),
        ("choices", MULTI, ["a", "b"], ["a", "b"]),
        ("day", DATE, NOON_MS, NOON),
        ("done", CHECKBOX, True, True),
        ("owner", PERSON, [{"id": "ou", "name": "Ada", "email": "a@b"}], [{"id": "ou", "name": "Ada", "en_name": None, "email": "a@b"}]),
        ("phone", 13, "+49", "+49"),
        ("link", 15, {"text": "t", "link": "l"}, {"text": "t", "link": "l"}),
        ("files", 17, [{"file_token": "b", "name": "n", "size": 7}], [{"file_token": "b", "name": "n", "size": 7, "type": None, "url": None}]),
        ("one_way", 18, {"link_record_ids": ["recA"]}, ["recA"]),
        ("both_ways", 21, {"link_record_ids": ["recA", "recB"]}, ["recA", "recB"]),
        ("chat", 23, [{"id": "oc", "name": "g", "avatar_url": "u"}], [{"id": "oc", "name": "g", "avatar_url": "u"}]),
        ("made", 1001, NOON_MS, NOON),
        ("changed", MODIFIED, NOON_MS, NOON),
        ("maker", 1003, [{"id": "ou"}], [{"id": "ou", "name": None, "en_name": None, "email": None}]),
        ("serial", 1005, "NO.1", "NO.1"),
        ("odd", 4711, {"a": [1]}, '{"a":[1]}'),
    ]
    for name, number, _, _ in cells:
        fake.field(name, number)
    fake.add(**{name: value for name, _, value, _ in cells})
    fake.add()
    frame = read(fake, session)
    assert frame.columns == ["record_id", *(name for name, _, _, _ in cells)]
    first, second = frame.fetchall()
    assert first == ("rec0", *(value for _, _, _, value in cells))
    assert second == ("rec1", *(None for _ in cells))


def test_places_formulas_and_lookups(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("where", 22)
    fake.field("sum", 20, type={"data_type": NUMBER})
    fake.field("words", 20, type={"data_type": TEXT})
    fake.field("numbers", 19, type={"data_type": NUMBER})
    fake.field("untold", 20)
    fake.add(
        where={"location": "1,2", "full_address": "x"},
        sum={"type": 2, "value": [3.5]},
        words={"type": 1, "value": [{"text": "a"}, {"text": "b"}]},
        numbers={"type": 2, "value": [1, 2]},
        untold={"type": 2, "value": [1]},
    )
    row = read(fake, session).fetchall()[0]
    assert (row[1]["location"], row[1]["full_address"], row[1]["cityname"]) == ("1,2", "x", None)
    assert row[2:] == (3.5, "ab", [1.0, 2.0], '{"type":2,"value":[1]}')


def test_integers_are_integers_where_all_values_are(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("whole", NUMBER, formatter="0")
    fake.field("mixed", NUMBER, formatter="0")
    fake.field("shown", NUMBER, formatter="0.0")
    fake.add(whole=3.0, mixed=1, shown=1)
    fake.add(whole=None, mixed=1.5, shown=2)
    frame = read(fake, session)
    assert types(frame) == {"record_id": "Utf8", "whole": "Int64", "mixed": "Float64", "shown": "Float64"}


def test_flat_columns_hold_one_value(fake: FakeBitable, session: velaria.Session) -> None:
    for name, number in (("owner", PERSON), ("tags", MULTI), ("n", NUMBER), ("link", 15), ("day", DATE)):
        fake.field(name, number)
    fake.add(owner=[{"name": "Ada"}, {"name": "Bo"}], tags=["x", "y"], n=2, link={"text": "t", "link": "l"}, day=NOON_MS)
    assert read(fake, session, flat=True).fetchall() == [("rec0", "Ada", "x", 2.0, "t", NOON)]
    session.create_temp_view("items", read(fake, session, flat=True))
    assert session.sql("SELECT owner, COUNT(*) FROM items GROUP BY owner").fetchall() == [("Ada", 1)]


def test_values_of_another_kind_are_kept_as_text_and_told(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    fake.add(n=1.5)
    fake.add(n=[{"odd": True}])
    with pytest.warns(velaria.errors.Warning, match=r'the field n has values that are no Float64, such as \[\{"odd":true\}\]'):
        frame = read(fake, session)
    assert frame.fetchall() == [("rec0", "1.5"), ("rec1", '[{"odd":true}]')]
    assert read(fake, session, json_columns=["n"]).fetchall() == frame.fetchall()


def test_names_that_are_taken_and_names_that_are_not_there(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("record_id", TEXT)
    fake.field("n", NUMBER)
    fake.add(record_id="mine", n=1)
    assert read(fake, session).columns == ["_record_id", "record_id", "n"]
    assert read(fake, session, columns=["n"]).columns == ["record_id", "n"]
    assert fake.searches[-1].body["field_names"] == ["n"]
    with pytest.raises(velaria.errors.PlanError, match="the table has no field m") as caught:
        read(fake, session, columns=["m"])
    assert caught.value.hint == "its fields are record_id, n"


def test_filter_sort_and_a_number_of_rows_are_the_service_s(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    for n in (1, 3, 2, 3):
        fake.add(n=n)
    sort = [{"field_name": "n", "desc": True}]
    assert [row[1] for row in read(fake, session, sort=sort, max_rows=3).fetchall()] == [3.0, 3.0, 2.0]
    condition = {"field_name": "n", "operator": "is", "value": [2]}
    frame = read(fake, session, filter={"conjunction": "and", "conditions": [condition]})
    assert frame.fetchall() == [("rec2", 2.0)]


def test_many_fields_come_in_pages(fake: FakeBitable, session: velaria.Session) -> None:
    for n in range(250):
        fake.field("f{}".format(n), TEXT)
    assert len(read(fake, session).columns) == 251
    assert sum(request.path.endswith("/fields") for request in fake.requests) == 3


def test_an_empty_table_has_columns(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    frame = read(fake, session)
    assert (frame.columns, frame.fetchall()) == (["record_id", "n"], [])
    assert read_bitable(session, fake.address(wiki=True), client=client_of(fake)).columns == ["record_id", "n"]


def test_fifty_thousand_records_are_a_hundred_pages_and_come_once(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    fake.records, total = rows_of(50_000)
    session.create_temp_view("t", read(fake, session))
    assert session.sql("SELECT COUNT(*), COUNT(DISTINCT record_id), CAST(SUM(n) AS BIGINT) FROM t").fetchall() == [(50_000, 50_000, total)]
    assert len(fake.searches) == 100


def test_a_record_that_moves_between_pages_is_there_once(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    fake.records, _ = rows_of(4)

    def shift(_: Any) -> None:
        # Somebody adds a record at the beginning: the last of page one is the first of page two.
        fake.records.insert(0, {"record_id": "new", "fields": {"n": 9}, "last_modified_time": 9})

    fake.trouble = [lambda _: None, lambda _: None, shift]
    with pytest.warns(velaria.errors.Warning, match="the table was changed while it was read"):
        frame = read(fake, session, page_size=2)
    assert [row[0] for row in frame.fetchall()] == ["rec0", "rec1", "rec2", "rec3"]


def test_a_view_is_looked_at_first(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    assert read(fake, session, view_id=fake.view_id).fetchall() == []
    with pytest.raises(BitableClientError, match="read view failed: code=1254042") as caught:
        read(fake, session, view_id="vewOTHER")
    assert str(caught.value.hint).startswith("there is no view of this id")
    fake.may_read_views = False
    with pytest.warns(velaria.errors.Warning, match="base:view:read"):
        read(fake, session, view_id=fake.view_id)


def test_trouble_at_any_request_is_overcome(fake: FakeBitable, session: velaria.Session) -> None:
    fake.field("n", NUMBER)
    fake.records, _ = rows_of(5)
    slow, expired = Reply(429, {}, {"Retry-After": "0"}), refusal(99991663, "expired", 400)
    fake.trouble = [lambda _: slow, lambda _: expired, lambda _: None, lambda _: None, lambda _: expired, lambda _: slow]
    assert len(read(fake, session, page_size=2).fetchall()) == 5


def test_refusals_name_the_table_and_the_base(fake: FakeBitable, session: velaria.Session) -> None:
    client = client_of(fake)
    with pytest.raises(BitableClientError, match="code=1254041") as caught:
        client.to_dataframe(session, fake.app_token, "tblOTHER")
    assert "there is no table of this id" in str(caught.value.hint) and "log-of-the-fake" in str(caught.value.hint)
    with pytest.raises(BitableClientError, match=r"HTTP request failed \(404\)"):
        client.to_dataframe(session, "bascnOTHER", fake.table_id)


def test_an_override_serves_frames_as_well(session: velaria.Session) -> None:
    class Client(BitableClient):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            if method == "GET":
                return {"code": 0, "data": {"items": [{"field_name": "n", "type": 2}]}}
            if body.get("page_token") == "p":
                return {"code": 0, "data": {"items": [{"record_id": "b", "fields": {"n": 2}}]}}
            items = [{"record_id": "a", "fields": {"n": 1}}]
            return {"code": 0, "data": {"items": items, "has_more": True, "page_token": "p"}}

    assert Client("a", "b").to_dataframe(session, "b", "t").fetchall() == [("a", 1.0), ("b", 2.0)]


def test_read_bitable_takes_whoever_asks(fake: FakeBitable, session: velaria.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEISHU_BITABLE_APP_ID", raising=False)
    with pytest.raises(RuntimeError, match="missing environment variables"):
        read_bitable(session, fake.address())
    with pytest.raises(ValueError, match="Unsupported Bitable URL format"):
        read_bitable(session, "https://x.feishu.cn/docx/1", app_id="a", app_secret="b")


def test_secrets_are_in_no_explain_and_no_log(fake: FakeBitable, session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake.field("n", NUMBER)
    frame = read(fake, session)
    session.create_temp_view("t", frame)
    texts = [frame.explain(), repr(frame), str(frame._repr_html_()), str(session.sql("EXPLAIN SELECT * FROM t").fetchall()), caplog.text]
    assert not any(APP_SECRET in text or "t-fake" in text for text in texts)


def test_a_closed_session_and_other_objects_are_refused(fake: FakeBitable) -> None:
    closed = velaria.Session()
    closed.close()
    with pytest.raises(velaria.Error, match="the session is closed"):
        read(fake, closed)
    with pytest.raises(TypeError):
        read(fake, object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="options of a Bitable"):
        client_of(fake).to_dataframe(velaria.Session(), "a", "t", max_rows=-1)
