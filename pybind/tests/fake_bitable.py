"""A stand-in for the service of Feishu and Lark that is as strict as the service.

It refuses what the service refuses: a wrong or missing token, a page token in a body, a page size out of range, fields
and views that are not there. Trouble is put into ``FakeBitable.trouble``: each entry answers one request and is gone.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

APP_ID = "cli_fake"
APP_SECRET = "secret-of-the-application"
DAY_MS = 86_400_000

# What the service calls its types.
TEXT, NUMBER, SELECT, MULTI, DATE, CHECKBOX, PERSON, MODIFIED = 1, 2, 3, 4, 5, 7, 11, 1002


class Reply:
    """An answer that is given instead of the right one."""

    def __init__(self, status: int = 200, body: Any = None, headers: Optional[Dict[str, str]] = None, raw: Optional[bytes] = None):
        self.status = status
        self.raw = json.dumps({} if body is None else body).encode() if raw is None else raw
        self.headers = headers or {}


Trouble = Callable[["Request"], Optional[Reply]]


class Request:
    """What was asked."""

    def __init__(self, method: str, target: str, headers: Dict[str, str], body: bytes):
        parts = urlsplit(target)
        self.method = method
        self.path = parts.path
        self.query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.headers = headers
        self.raw = body
        self.body: Dict[str, Any] = json.loads(body) if body else {}

    @property
    def is_search(self) -> bool:
        return self.path.endswith("/records/search")


def refusal(code: int, message: str, status: int = 200) -> Reply:
    return Reply(status, {"code": code, "msg": message}, {"X-Tt-Logid": "log-of-the-fake"})


def success(data: Dict[str, Any]) -> Reply:
    return Reply(200, {"code": 0, "msg": "success", "data": data})


class FakeBitable:
    """One Base with one table. Used as a context manager; ``url`` is where it is."""

    def __init__(self) -> None:
        self.app_token = "bascnFAKE"
        self.table_id = "tblFAKE"
        self.view_id = "vewFAKE"
        self.wiki_node = "wikcnFAKE"
        self.fields: List[Dict[str, Any]] = []
        self.records: List[Dict[str, Any]] = []
        self.trouble: List[Trouble] = []
        self.requests: List[Request] = []
        self.tokens_made = 0
        self.token_expire = 7200
        self.user_token: Optional[str] = None
        self.may_read_views = True
        # The total that a page says, when it is not the truth.
        self.total: Callable[[int], int] = lambda total: total
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return "http://127.0.0.1:{}".format(self._server.server_address[1])

    @property
    def token(self) -> str:
        """The only token that counts now."""
        return "t-fake-{}".format(self.tokens_made)

    @property
    def searches(self) -> List[Request]:
        return [request for request in self.requests if request.is_search]

    def address(self, view: bool = False, wiki: bool = False) -> str:
        place = "wiki/" + self.wiki_node if wiki else "base/" + self.app_token
        return "https://team.feishu.cn/{}?table={}{}".format(place, self.table_id, "&view=" + self.view_id if view else "")

    def field(self, name: str, number: int, **property: Any) -> None:
        id = "fld{}".format(len(self.fields))
        self.fields.append({"field_id": id, "field_name": name, "type": number, "property": property or None})

    def add(self, modified_ms: int = 0, **fields: Any) -> str:
        id = "rec{}".format(len(self.records))
        self.records.append({"record_id": id, "fields": fields, "last_modified_time": modified_ms})
        return id

    def __enter__(self) -> "FakeBitable":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            # Several may be at work at once, and each trouble is for one of them.
            trouble = self.trouble.pop(0) if self.trouble and not request.path.endswith("/internal") else None
        own = trouble(request) if trouble is not None else None
        return own or self._truth(request)

    def _truth(self, request: Request) -> Reply:
        if request.path == "/open-apis/auth/v3/tenant_access_token/internal":
            return self._make_token(request)
        if request.path.startswith("/open-apis/auth/"):
            return refusal(99991663, "this kind of token cannot read records", 400)
        if request.headers.get("authorization") not in ("Bearer " + self.token, "Bearer {}".format(self.user_token)):
            return refusal(99991663, "Invalid access token for authorization", 400)
        if request.path == "/open-apis/wiki/v2/spaces/get_node":
            return self._node(request)
        base = "/open-apis/bitable/v1/apps/"
        if not request.path.startswith(base + self.app_token + "/"):
            return refusal(1254040, "BaseTokenNotFound", 404)
        table = "{}{}/tables/{}/".format(base, self.app_token, self.table_id)
        if not request.path.startswith(table):
            return refusal(1254041, "TableIdNotFound")
        return self._table(request, request.path[len(table) :])

    def _make_token(self, request: Request) -> Reply:
        assert "authorization" not in request.headers, "an old token is sent to where new ones are made"
        if request.body != {"app_id": APP_ID, "app_secret": APP_SECRET}:
            # The service repeats what it was given.
            return refusal(10014, "app secret invalid: {}".format(request.body.get("app_secret")))
        with self._lock:
            self.tokens_made += 1
        return Reply(200, {"code": 0, "msg": "ok", "tenant_access_token": self.token, "expire": self.token_expire})

    def _node(self, request: Request) -> Reply:
        if request.query.get("token") != self.wiki_node:
            return refusal(131005, "not found: node")
        return success({"node": {"node_token": self.wiki_node, "obj_type": "bitable", "obj_token": self.app_token}})

    def _table(self, request: Request, what: str) -> Reply:
        if (request.method, what) == ("GET", "fields"):
            return self._page(request, self.fields, 100)
        if request.method == "GET" and what.startswith("views/"):
            if not self.may_read_views:
                return refusal(99991672, "Access denied. One of the following scopes is required: [base:view:read]", 400)
            return success({"view": {}}) if what == "views/" + self.view_id else refusal(1254042, "ViewIdNotFound")
        if (request.method, what) != ("POST", "records/search"):
            return refusal(404, "page not found", 404)
        return self._search(request)

    def _search(self, request: Request) -> Reply:
        allowed = {"view_id", "field_names", "sort", "filter", "automatic_fields"}
        if not set(request.body) <= allowed:
            return refusal(1254000, "WrongRequestJson: {}".format(sorted(set(request.body) - allowed)))
        if request.body.get("view_id", self.view_id) != self.view_id:
            return refusal(1254042, "ViewIdNotFound")
        names = {field["field_name"] for field in self.fields}
        asked = request.body.get("field_names", sorted(names))
        if not set(asked) <= names:
            return refusal(1254045, "FieldNameNotFound")
        filter = request.body.get("filter")
        records = list(self.records) if filter is None else [record for record in self.records if self._passes(record, filter)]
        for order in request.body.get("sort", []):
            records.sort(key=lambda record: record["fields"].get(order["field_name"]) or 0, reverse=order.get("desc", False))
        return self._page(request, records, 500, lambda record: self._shown(record, asked, request))

    def _shown(self, record: Dict[str, Any], asked: List[str], request: Request) -> Dict[str, Any]:
        fields = {name: value for name, value in record["fields"].items() if name in asked}
        row = {"record_id": record["record_id"], "fields": fields}
        if request.body.get("automatic_fields"):
            row["last_modified_time"] = record["last_modified_time"]
        return row

    def _passes(self, record: Dict[str, Any], filter: Dict[str, Any]) -> bool:
        for condition in filter["conditions"]:
            value = record["fields"].get(condition["field_name"])
            if condition["operator"] == "isGreater" and condition["value"][0] == "ExactDate":
                # The service compares days: what is later on the same day is not greater.
                if value is None or value // DAY_MS <= int(condition["value"][1]) // DAY_MS:
                    return False
            elif condition["operator"] != "is" or [value] != condition["value"]:
                return False
        return True

    def _page(
        self, request: Request, rows: List[Dict[str, Any]], most: int, shown: Callable[[Dict[str, Any]], Any] = lambda row: row
    ) -> Reply:
        size = int(request.query.get("page_size", "20"))
        if not 1 <= size <= most:
            return refusal(99992402, "field validation failed: page_size", 400)
        start = int(request.query.get("page_token", "at-0")[3:])
        page = [shown(row) for row in rows[start : start + size]]
        has_more = start + size < len(rows)
        data: Dict[str, Any] = {"items": page, "has_more": has_more, "total": self.total(len(rows))}
        if has_more:
            data["page_token"] = "at-{}".format(start + size)
        return success(data)

    def _handler(fake: "FakeBitable") -> type:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer in two pieces would wait for the other side's acknowledgement.
            wbufsize = -1

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = fake.answer(Request(self.command, self.path, headers, body))
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.raw)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(reply.raw)
                    self.wfile.flush()
                except OSError:
                    # Whoever asked has gone.
                    self.close_connection = True

            do_GET = do_POST = _serve

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def always(reply: Reply) -> Iterator[Trouble]:
    """The same trouble for ever."""
    while True:
        yield lambda _: reply


def rows_of(count: int) -> Tuple[List[Dict[str, Any]], int]:
    """So many records, and the sum of their numbers."""
    records = [{"record_id": "rec{}".format(n), "fields": {"n": n}, "last_modified_time": n} for n in range(count)]
    return records, count * (count - 1) // 2
