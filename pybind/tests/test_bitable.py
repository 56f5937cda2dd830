"""``velaria.bitable`` as the original has it: records as dicts, groups, addresses; and what the service does to a client."""

import json
import logging
import os
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

import velaria
import velaria.bitable
from fake_bitable import APP_ID, APP_SECRET, NUMBER, FakeBitable, Reply, Request, refusal, rows_of
from support import ROOT, run, run_code
from velaria.bitable import BitableClient, BitableClientError, parse_bitable_url

SEARCH = "/open-apis/bitable/v1/apps/bascnFAKE/tables/tblFAKE/records/search"


RECORDS = "/open-apis/bitable/v1/apps/bascnFAKE/tables/tblFAKE/records"


@pytest.fixture
def fake() -> Iterator[FakeBitable]:
    with FakeBitable() as served:
        served.field("n", NUMBER)
        yield served


def client_of(fake: FakeBitable, **options: Any) -> BitableClient:
    options = {"requests_per_second": 1000, "retry_seconds": 5, "base_url": fake.url, **options}
    return BitableClient(APP_ID, APP_SECRET, 5, **options)


def listed(fake: FakeBitable, client: Optional[BitableClient] = None, **options: Any) -> List[Dict[str, Any]]:
    return (client or client_of(fake)).list_records(fake.app_token, fake.table_id, **options)


class TwoPages(BitableClient):
    """A program that answers the requests itself, as those written for the original do."""

    def __init__(self) -> None:
        super().__init__("app", "secret")
        self.calls: List[Any] = []

    def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
        self.calls.append((method, url, body))
        if body.get("page_token") == "second":
            return {"code": 0, "data": {"has_more": False, "items": [{"fields": {"name": "c"}}]}}
        items = [{"record_id": "r1", "fields": {"name": "a"}}, {"record_id": "r2", "fields": {"name": "b"}}]
        return {"code": 0, "data": {"has_more": True, "page_token": "second", "items": items}}


def test_an_overridden_request_is_called_once_for_each_page() -> None:
    client = TwoPages()
    rows = client.list_records("appX", "tblY", view_id="vewZ", page_size=2)
    assert rows == [{"name": "a"}, {"name": "b"}, {"name": "c"}]
    where = "https://open.feishu.cn/open-apis/bitable/v1/apps/appX/tables/tblY/records/search?page_size=2"
    assert client.calls == [
        ("POST", where, {"page_size": 2, "view_id": "vewZ"}),
        ("POST", where + "&page_token=second", {"page_size": 2, "view_id": "vewZ", "page_token": "second"}),
    ]
    assert client.list_records_from_url("https://x.feishu.cn/base/appX/tables/tblY", page_size=2) == rows


def test_an_override_without_the_constructor_and_one_on_the_instance_work() -> None:
    class Bare(TwoPages):
        def __init__(self) -> None:
            self.calls = []

    assert len(Bare().list_records("a", "t")) == 3
    client = BitableClient("app", "secret")
    client._request_with_token = TwoPages()._request_with_token  # type: ignore[method-assign]
    assert len(client.list_records("a", "t")) == 3


def test_rows_are_what_the_answer_holds_and_keep_their_objects() -> None:
    marker = object()

    class Item:
        fields = {"kept": marker}

    class Client(TwoPages):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            return {"code": 0, "data": {"items": [{"fields": {"a": marker}}, Item(), {"fields": None}, {}, "odd"]}}

    rows = Client().list_records("a", "t")
    assert rows == [{"a": marker}, {"kept": marker}, {}, {}, {}]


def test_records_inside_of_what_is_listed_are_rows() -> None:
    class Record:
        fields = {"n": 2}
        record_id = "r2"

    class Item:
        fields = None
        record = Record

    class Client(TwoPages):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            nested = {"record": {"fields": {"n": 1}, "record_id": "r1"}}
            items = [nested, Item(), {"record": None}, {"fields": {"n": 3}, "record": {"fields": {"n": 4}}}]
            return {"code": 0, "data": {"items": items}}

    assert Client().list_records("a", "t") == [{"n": 1}, {"n": 2}, {}, {"n": 3}]
    rows = Client().list_records("a", "t", with_record_id=True, max_rows=2)
    assert rows == [{"n": 1, "record_id": "r1"}, {"n": 2, "record_id": "r2"}]


def test_an_answer_with_records_needs_no_code() -> None:
    class Client(TwoPages):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            if method == "GET":
                return {"data": {"items": [{"field_id": "f1", "field_name": "n", "type": NUMBER}]}}
            return {"code": None, "data": {"items": [{"record_id": "r1", "fields": {"n": 1}}]}}

    assert Client().list_records("a", "t") == [{"n": 1}]
    with velaria.Session() as session:
        assert Client().to_dataframe(session, "a", "t").fetchall() == [("r1", 1)]


def test_refusals_have_the_words_of_the_original() -> None:
    def raised(reply: Any) -> BitableClientError:
        class Client(TwoPages):
            def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
                return reply

        with pytest.raises(BitableClientError) as caught:
            Client().list_records("a", "t")
        return caught.value

    assert raised({"code": 7, "msg": "no"}).message == "list records failed: code=7 msg=no"
    assert raised({}).message == "list records failed: code=None msg=None"
    error = raised({"code": 0, "data": {"items": "many"}})
    assert (error.message, error.code) == ("unexpected data format: items is not list", "VEL-6303")
    assert isinstance(error, RuntimeError) and isinstance(error, velaria.errors.RemoteError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_exception_of_an_override_is_passed_on() -> None:
    class Client(TwoPages):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Client().list_records("a", "t")
    with velaria.Session() as session, pytest.raises(KeyError, match="mine"):
        Client().to_dataframe(session, "a", "t")


def test_addresses() -> None:
    assert parse_bitable_url("https://x.feishu.cn/base/appX/tables/tblY?view=vewZ") == ("appX", "tblY", "vewZ")
    assert parse_bitable_url("https://x.feishu.cn/base/appX/tables/tblY") == ("appX", "tblY", None)
    assert parse_bitable_url("https://x.larksuite.com/wiki/node?table=tblY&view=vewZ") == ("node", "tblY", "vewZ")
    for url in ("https://x.feishu.cn/docx/appX", "https://x.feishu.cn/base/appX", "", "base"):
        with pytest.raises(ValueError) as caught:
            parse_bitable_url(url)
        assert "Unsupported Bitable URL format: " + url in str(caught.value)


def test_groups() -> None:
    rows: List[Dict[str, Any]] = [
        {"f": "a"},
        {"f": ["a", "b"]},
        {"f": ("a",)},
        {"f": None},
        {},
        {"f": []},
        {"f": [1, 2]},
        {"f": {"name": "a", "id": 1}},
        {"f": {"b": 2, "a": "ü"}},
        {"f": [{"name": "a", "id": "ou_1"}]},
        {"f": [{"type": "text", "text": "a"}, {"type": "url", "text": "!"}]},
        {"f": 3.5},
        {"f": True},
    ]
    groups = velaria.group_rows_by_field(rows, "f")
    assert {key: len(group) for key, group in groups.items()} == velaria.group_rows_count_by_field(rows, "f")
    assert velaria.group_rows_count_by_field(rows, "f") == {
        "a": 5, "": 2, "[]": 1, "1": 1, '{"a":"ü","b":2}': 1, "a!": 1, "3.5": 1, "True": 1,
    }  # fmt: skip
    assert groups[""] == [{"f": None}, {}]
    assert groups["a"][0] is rows[0]


def test_pages_are_asked_for_as_the_service_wants_it(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(3)
    assert listed(fake, page_size=2, view_id=fake.view_id) == [{"n": 0}, {"n": 1}, {"n": 2}]
    token, *searches = fake.requests
    assert token.path == "/open-apis/auth/v3/tenant_access_token/internal"
    assert [(request.method, request.path, request.query, request.body) for request in searches] == [
        ("POST", SEARCH, {"page_size": "2"}, {"view_id": fake.view_id}),
        ("POST", SEARCH, {"page_size": "2", "page_token": "at-2"}, {"view_id": fake.view_id}),
    ]
    assert all(request.headers["authorization"] == "Bearer t-fake-1" for request in searches)


def test_a_place_in_the_body_alone_is_sent_in_the_query(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(3)
    reply = client_of(fake)._request_with_token("POST", fake.url + SEARCH, {"page_token": "at-2", "page_size": 1})
    assert [item["record_id"] for item in reply["data"]["items"]] == ["rec2"]


def test_fifty_thousand_records_are_a_hundred_pages(fake: FakeBitable) -> None:
    fake.records, total = rows_of(50_000)
    rows = listed(fake, page_size=500)
    assert sum(row["n"] for row in rows) == total
    assert len(fake.searches) == 100
    assert fake.tokens_made == 1


def test_pages_come_one_by_one_and_are_told(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(5)
    client = client_of(fake)
    pages = client.iter_record_pages_from_url(fake.address(), page_size=2)
    assert next(pages) == [{"n": 0}, {"n": 1}]
    assert len(fake.searches) == 1
    assert [len(page) for page in pages] == [2, 1]
    told: List[Any] = []
    rows = listed(fake, client, page_size=2, max_rows=3, with_record_id=True, on_page=lambda *page: told.append(page))
    assert rows == [{"n": n, "record_id": "rec{}".format(n)} for n in range(3)]
    assert told == [(5, rows[:2]), (5, rows[2:])]


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(429, {}, {"x-ogw-ratelimit-reset": "0"}),
        Reply(429, raw=b"slow down", headers={"Retry-After": "0"}),
        Reply(400, {"code": 99991400, "msg": "request trigger frequency limit"}),
        refusal(1254290, "TooManyRequest"),
        refusal(1254607, "Data not ready, please try again later"),
        Reply(502, raw=b"<html>"),
    ],
    ids=["429 reset", "429 retry-after", "99991400", "1254290", "1254607", "502"],
)
def test_what_is_put_off_is_asked_again(fake: FakeBitable, trouble: Reply) -> None:
    fake.records, _ = rows_of(3)
    fake.trouble = [lambda _: None, lambda _: trouble]
    assert len(listed(fake, page_size=2)) == 3
    assert [request.query.get("page_token") for request in fake.searches] == [None, "at-2", "at-2"]


@pytest.mark.parametrize("reply", [Reply(502, raw=b"<html>"), Reply(504), refusal(1255040, "Request timeout", 504)])
def test_a_write_that_may_have_been_done_is_not_sent_again(fake: FakeBitable, reply: Reply) -> None:
    fake.trouble = [lambda _: reply]
    with pytest.raises(BitableClientError, match="HTTP request failed"):
        client_of(fake)._request_with_token("POST", fake.url + RECORDS, {"fields": {"n": 1}})
    assert [request.path for request in fake.requests].count(RECORDS) == 1


def test_a_write_is_sent_again_when_it_was_turned_away(fake: FakeBitable) -> None:
    at_once = {"x-ogw-ratelimit-reset": "0"}
    fake.trouble = [
        lambda _: Reply(429, {}, at_once),
        lambda _: Reply(400, {"code": 99991400}, at_once),
        lambda _: Reply(200, {"code": 1254290}, at_once),
        lambda _: Reply(200, {"code": 1255040}, at_once),
    ]
    # A time-out inside of the service is an answer, and whoever asked decides.
    reply = client_of(fake)._request_with_token("POST", fake.url + RECORDS, {"fields": {"n": 1}})
    assert reply["code"] == 1255040
    assert [request.path for request in fake.requests].count(RECORDS) == 4


def test_the_service_says_how_long_to_wait(fake: FakeBitable) -> None:
    fake.trouble = [lambda _: Reply(429, {}, {"x-ogw-ratelimit-reset": "1"})]
    began = time.monotonic()
    listed(fake)
    assert time.monotonic() - began >= 1


def test_patience_ends(fake: FakeBitable) -> None:
    fake.trouble = [lambda _: Reply(429, raw=b"slow down", headers={"Retry-After": "3600"})] * 9
    with pytest.raises(BitableClientError, match=r"HTTP request failed \(429\): slow down") as caught:
        listed(fake)
    assert "the service asks to wait 3600 s" in str(caught.value.hint)
    fake.trouble = [lambda _: refusal(1254290, "TooManyRequest")] * 9
    with pytest.raises(BitableClientError, match="list records failed: code=1254290 msg=TooManyRequest"):
        listed(fake, client_of(fake, retry_seconds=0))
    assert len(fake.searches) == 2


@pytest.mark.parametrize("code, status", [(99991663, 400), (99991661, 401), (99991677, 200)])
def test_a_token_that_ends_between_pages_is_renewed_once(fake: FakeBitable, code: int, status: int) -> None:
    fake.records, _ = rows_of(3)
    fake.trouble = [lambda _: None, lambda _: refusal(code, "token expired", status)]
    assert len(listed(fake, page_size=2)) == 3
    assert fake.tokens_made == 2
    assert [request.headers["authorization"][-1] for request in fake.searches] == ["1", "1", "2"]
    fake.trouble = [lambda _: refusal(code, "token expired", status)] * 9
    with pytest.raises(BitableClientError):
        listed(fake)
    assert len(fake.searches) == 5


def test_a_token_is_asked_for_again_before_it_ends(fake: FakeBitable) -> None:
    fake.token_expire = 0
    client = client_of(fake)
    listed(fake, client), listed(fake, client)
    assert fake.tokens_made == 2


def test_threads_share_one_token(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(7)
    client = client_of(fake)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: len(listed(fake, client)), range(32))) == [7] * 32
    assert fake.tokens_made == 1


def test_a_person_s_token_is_used_and_never_renewed(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(1)
    fake.user_token = "u-of-ada"
    client = BitableClient(user_access_token="u-of-ada", base_url=fake.url)
    assert listed(fake, client) == [{"n": 0}]
    fake.user_token = "another"
    with pytest.raises(BitableClientError, match="99991663"):
        listed(fake, client)
    assert fake.tokens_made == 0
    assert "u-of-ada" not in repr(client)


def test_a_wrong_secret_is_refused_and_not_repeated(fake: FakeBitable) -> None:
    wrong = "wrong-secret-of-mine"
    with pytest.raises(BitableClientError, match="token request failed: code=10014 msg=app secret invalid") as caught:
        listed(fake, BitableClient(APP_ID, wrong, base_url=fake.url))
    error = caught.value
    assert wrong not in str(error) and wrong not in repr(vars(error)) and "***" in error.message
    assert error.code == "VEL-6301" and "log-of-the-fake" in str(error.hint)


def test_secrets_are_printed_nowhere(fake: FakeBitable, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(fake)
    fake.trouble = [lambda request: refusal(5, "you sent " + request.headers["authorization"], 403)]
    with pytest.raises(BitableClientError) as caught:
        listed(fake, client)
    fake.trouble = [lambda request: refusal(5, "you sent " + request.headers["authorization"])]
    with pytest.raises(BitableClientError) as second:
        listed(fake, client)
    texts = [repr(client), repr(vars(client)), str(caught.value), str(second.value), caplog.text]
    for secret in (APP_SECRET, "t-fake-"):
        assert not any(secret in text for text in texts)
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_credentials_do_not_follow_a_redirect(fake: FakeBitable) -> None:
    with FakeBitable() as trap:
        for status in (301, 302, 307, 308):
            fake.trouble = [lambda _: Reply(status, headers={"Location": trap.url + SEARCH})]
            with pytest.raises(BitableClientError, match=r"HTTP request failed \({}\): the service redirects to".format(status)):
                listed(fake)
        assert trap.requests == []


def test_credentials_go_to_no_other_host(fake: FakeBitable) -> None:
    client = client_of(fake)
    for url in ("http://127.0.0.1:1/x", "https://open.feishu.cn.example.com/", "https://example.com/", "file:///etc/passwd", "/x"):
        with pytest.raises(ValueError):
            client._request_with_token("GET", url)
    for base_url in ("http://example.com", "https://a/b", "ftp://a", ""):
        with pytest.raises(ValueError, match="not a base url of the service"):
            BitableClient("a", "b", base_url=base_url)
    with pytest.raises(ValueError):
        client.list_records("../../x", "t")
    assert fake.requests == []


def test_lark_has_its_own_host() -> None:
    class Asked(TwoPages):
        def _request_with_token(self, method, url, body=None):  # type: ignore[no-untyped-def]
            self.calls.append(url)
            return {"code": 0, "data": {"node": {"obj_type": "bitable", "obj_token": "b"}}}

    client = Asked()
    client.list_records_from_url("https://x.larksuite.com/wiki/node?table=t")
    client.list_records_from_url("https://x.feishu.cn/base/b?table=t")
    search = "/open-apis/bitable/v1/apps/b/tables/t/records/search?page_size=100"
    assert client.calls == [
        "https://open.larksuite.com/open-apis/wiki/v2/spaces/get_node?token=node",
        "https://open.larksuite.com" + search,
        "https://open.feishu.cn" + search,
    ]
    lark = BitableClient("a", "b", lark=True)
    asked: List[str] = []
    lark._request_with_token = lambda method, url, body=None: asked.append(url) or {"code": 0}  # type: ignore
    lark.list_records("b", "t")
    assert asked == ["https://open.larksuite.com" + search]


def test_a_wiki_page_leads_to_its_base(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(1)
    assert client_of(fake).list_records_from_url(fake.address(wiki=True)) == [{"n": 0}]


def test_a_page_token_that_comes_again_ends_the_reading(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(5)
    again = Reply(200, {"code": 0, "data": {"items": [], "has_more": True, "page_token": "at-2"}})
    fake.trouble = [lambda _: None, lambda _: again]
    with pytest.raises(BitableClientError, match="for the second time"):
        listed(fake, page_size=2)


def test_pages_without_end_end(fake: FakeBitable) -> None:
    places = iter(range(10_000))
    fake.trouble = [
        lambda _: Reply(200, {"code": 0, "data": {"items": [{"record_id": "r"}], "has_more": True, "page_token": str(next(places))}})
    ] * 100
    with pytest.raises(BitableClientError, match="no new record"):
        listed(fake)


def test_a_table_that_changes_while_it_is_read_is_told(fake: FakeBitable) -> None:
    fake.records, _ = rows_of(5)
    totals = iter([5, 6, 6])
    fake.total = lambda total: next(totals)
    with pytest.warns(velaria.errors.Warning, match="5 records at the beginning, 6 at the end, 5 were read"):
        assert len(listed(fake, page_size=2)) == 5


@pytest.mark.parametrize(
    "reply, message",
    [
        (Reply(200, raw=b"<html>not json"), "no JSON object"),
        (Reply(200, raw=b'{"code": 0, "data": ' + b"[" * 100_000), "no JSON object"),
        (Reply(200, raw=b""), "no JSON object"),
        (Reply(200, raw=b"\xff\xfe"), "no text"),
        (Reply(200, raw=b"x" * (65 << 20)), "larger than 64 MiB"),
        (Reply(200, {"code": 0, "data": {"items": [], "has_more": True, "page_token": "p" * 100_000}}), "page token has 100000 bytes"),
        (Reply(404, raw=b"a\x00b\nc" * 9999), r"HTTP request failed \(404\): a b c"),
        (Reply(200, {"code": 10**40, "msg": ["odd"]}), "list records failed"),
    ],
    ids=["html", "deep", "empty", "bytes", "huge", "token", "flood", "code"],
)
def test_hostile_answers_are_errors(fake: FakeBitable, reply: Reply, message: str) -> None:
    fake.trouble = [lambda _: reply]
    with pytest.raises(BitableClientError, match=message) as caught:
        listed(fake)
    assert len(str(caught.value)) < 2000


def test_a_compressed_answer_that_explodes_is_an_error(fake: FakeBitable) -> None:
    import gzip

    bomb = gzip.compress(b" " * (256 << 20), 9)
    fake.trouble = [lambda _: Reply(200, raw=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(BitableClientError, match="larger than 64 MiB"):
        listed(fake)


def test_a_service_that_is_not_there_or_says_nothing_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = "http://127.0.0.1:{}".format(taken.getsockname()[1])
        with pytest.raises(BitableClientError, match="cannot reach " + address) as caught:
            BitableClient("a", "b", base_url=address, retry_seconds=0).list_records("a", "t")
        assert caught.value.code == "VEL-6302"
        taken.listen()
        with pytest.raises(BitableClientError, match="did not answer within 0.2 s"):
            BitableClient("a", "b", 0.2, base_url=address, retry_seconds=0).list_records("a", "t")


def test_arguments_that_cannot_be_are_refused() -> None:
    for options in ({"request_timeout_seconds": 0}, {"request_timeout_seconds": -1}, {"requests_per_second": 0}, {"requests_per_second": float("nan")}):
        with pytest.raises(ValueError):
            BitableClient("a", "b", **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="app_id and app_secret must not be empty"):
        BitableClient().list_records("a", "t")
    for size in (0, -1, 501):
        with pytest.raises(ValueError):
            TwoPages().list_records("a", "t", page_size=size)


INTERRUPTED = """
import signal, sys, threading, time
from velaria.bitable import BitableClient
client = BitableClient("a", "b", 60, base_url=sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)
print("ready", flush=True)
try:
    client.list_records("a", "t")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_request() -> None:
    import signal
    import subprocess
    import sys

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = "http://127.0.0.1:{}".format(silent.getsockname()[1])
        child = subprocess.Popen([sys.executable, "-c", INTERRUPTED, address], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            # The request is on its way once somebody has connected.
            connection, _ = silent.accept()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert child.wait(30) == 0
            connection.close()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEISHU_BITABLE_APP_ID", raising=False)
    monkeypatch.setenv("FEISHU_BITABLE_APP_SECRET", "x")
    with pytest.raises(RuntimeError, match="FEISHU_BITABLE_APP_ID$"):
        BitableClient.from_env()
    monkeypatch.setenv("FEISHU_BITABLE_APP_ID", "cli_env")
    assert repr(BitableClient.from_env(lark=True)) == "<velaria.BitableClient: app cli_env>"

def test_the_example_groups_by_owner(fake: FakeBitable) -> None:
    example = str(ROOT / "pybind" / "examples" / "demo_bitable_group_by_owner.py")
    names = ("FEISHU_BITABLE_APP_ID", "FEISHU_BITABLE_APP_SECRET", "FEISHU_BITABLE_BASE_URL", "FEISHU_BITABLE_OWNER_FIELD")
    missing = run([example], env={name: "" for name in names})
    assert missing.returncode == 1 and "RuntimeError: missing environment variables: " + names[0] in missing.stderr
    fake.field("owner", 11)
    for owner in ([{"name": "Bo"}], [{"name": "Ada"}, {"name": "Bo"}], [{"name": "Bo"}], None):
        fake.add(owner=owner)
    env = dict(zip(names, (APP_ID, APP_SECRET, fake.address(), "owner")))
    done = run([example, "--service", fake.url], env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ": 1\nAda: 1\nBo: 2\n"
