"""Every public name has a docstring with an example, and every example is true.

The names are those of ``__all__`` of the package and of each of its modules, and the public methods and attributes of
their classes. An example has the names of its module, and ``velaria``; that of a class is run before those of its methods,
which go on from its variables. Files are written into an empty folder. ``client`` is a :class:`velaria.BitableClient` that
answers itself what it asks about the table of ``address``.
"""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

import pytest

import velaria
from velaria.bitable import BitableClient

# Output of a kind that no example can show: it stands for the rest of a line or of a message.
FLAGS = doctest.ELLIPSIS

# Names whose examples are still to be written, each with the reason. A prefix stands for all names below it.
WAITING: Dict[str, str] = {}

# Examples that need an optional package.
NEEDED = {
    "velaria.DataFrame.to_arrow": "pyarrow",
    "velaria.DataFrame.to_pandas": "pandas",
    "velaria.DataFrame.to_polars": "polars",
    "velaria.DataFrame.to_arrow_async": "pyarrow",
    "velaria.DataFrame.to_pandas_async": "pandas",
    "velaria.DataFrame.to_polars_async": "polars",
    "velaria.RealtimeStreamSink.poll_arrow": "pyarrow",
    "velaria.Emission.to_arrow": "pyarrow",
    "velaria.consume_arrow_batches_with_custom_sink": "pyarrow",
}

# Modules and classes whose examples need an optional package.
NEEDED_BY_OWNER = {
    "velaria.CustomArrowStreamSink": "pyarrow",
    "velaria.CustomArrowStreamSource": "pyarrow",
    "velaria.bitable": "pyarrow",
    "velaria.custom_stream": "pyarrow",
}

ADDRESS = "https://team.feishu.cn/base/bascn1?table=tbl1&view=vew1"
FIELDS = [{"field_name": "task", "type": 1}, {"field_name": "owner", "type": 11}]
RECORDS = [
    {"record_id": "rec1", "last_modified_time": 1767225600000, "fields": {"task": "write", "owner": [{"name": "Ada"}]}},
    {"record_id": "rec2", "last_modified_time": 1767225601000, "fields": {"task": "read", "owner": [{"name": "Bo"}]}},
]


class OfflineClient(BitableClient):
    """Answers instead of the service, which has the one table of `ADDRESS`."""

    def _request_with_token(self, method: str, url: str, body: Any = None) -> Dict[str, Any]:
        asked = urlsplit(url)
        if "/bascn1/tables/tbl1/" not in asked.path:
            return {"code": 1254041, "msg": "TableIdNotFound"}
        if asked.path.endswith("/fields"):
            return {"code": 0, "data": {"items": FIELDS}}
        if asked.path.endswith("/views/vew1"):
            return {"code": 0, "data": {"view": {"view_id": "vew1"}}}
        page = parse_qs(asked.query)
        start = int(page.get("page_token", ["0"])[0])
        end = start + int(page["page_size"][0])
        data = {"items": RECORDS[start:end], "has_more": end < len(RECORDS), "page_token": str(end), "total": len(RECORDS)}
        return {"code": 0, "data": data}


class Name(NamedTuple):
    """A public name with its documentation."""

    path: str
    module: Any
    doc: Optional[str]
    owner: Optional[str]
    """The documentation of the class that it belongs to."""


def modules() -> Iterator[Any]:
    """The package and its public modules."""
    yield velaria
    for found in pkgutil.walk_packages(velaria.__path__, "velaria."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            try:
                yield importlib.import_module(found.name)
            except ImportError as error:
                # A module may need an optional package, never one of our own.
                assert not str(error.name).startswith("velaria"), error
    # The module of the command line, which lies beside the package.
    if importlib.util.find_spec("velaria_cli"):
        yield importlib.import_module("velaria_cli")


def is_ours(value: Any) -> bool:
    """Whether a value is a function or class of ours: other values have no docstring, and `datetime.date` has its own."""
    return callable(value) and str(getattr(value, "__module__", None) or "velaria").startswith("velaria")


def members(path: str, module: Any, owner: Any) -> Iterator[Name]:
    """What a class offers, without what it inherits."""
    for name, value in vars(owner).items():
        value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        is_documented = callable(value) or isinstance(value, property) or inspect.isgetsetdescriptor(value)
        if not name.startswith("_") and is_documented and not isinstance(value, type):
            yield Name("{}.{}".format(path, name), module, value.__doc__, owner.__doc__)


def public_names() -> List[Name]:
    """Every public name once, by the shortest of its paths."""
    names: List[Name] = []
    seen: List[Any] = []
    for module in modules():
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if not is_ours(value) or any(value is other for other in seen):
                continue
            seen.append(value)
            path = "{}.{}".format(module.__name__, name)
            names.append(Name(path, module, value.__doc__, None))
            if inspect.isclass(value):
                names += members(path, module, value)
    return names


NAMES = public_names()


def is_waiting(path: str) -> bool:
    return any(path == prefix or path.startswith(prefix + ".") for prefix in WAITING)


def examples(doc: Optional[str], path: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(inspect.cleandoc(doc or ""), {"velaria": velaria}, path, None, 0)


def run(test: doctest.DocTest, variables: Dict[str, Any]) -> str:
    """Runs the examples with variables, which they change, and returns what is to be said about those that are wrong."""
    test.globs = variables
    said: List[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    return "".join(said)


def names_of(module: Any) -> Dict[str, Any]:
    """What a module has imported and defined, as `doctest` gives it to its examples."""
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


def needed_package(path: str) -> Optional[str]:
    of_owners = (package for owner, package in NEEDED_BY_OWNER.items() if (path + ".").startswith(owner + "."))
    return NEEDED.get(path) or next(of_owners, None)


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VELARIA_HOME", str(tmp_path / "home"))
    for name in ("FEISHU_BITABLE_APP_ID", "FEISHU_BITABLE_APP_SECRET"):
        # An example sets it; this takes it away again afterwards.
        monkeypatch.setenv(name, "")
    client = OfflineClient("cli_a1", "the secret of the application")
    return {"velaria": velaria, "__name__": "__main__", "client": client, "address": ADDRESS}


@pytest.mark.parametrize("name", NAMES, ids=[name.path for name in NAMES])
def test_the_example_of_a_name_is_true(name: Name, variables: Dict[str, Any]) -> None:
    if is_waiting(name.path):
        pytest.skip("no example yet")
    package = needed_package(name.path)
    if package:
        pytest.importorskip(package, exc_type=ImportError)
    variables.update(names_of(name.module))
    test = examples(name.doc, name.path)
    assert test.examples, "{} has no example in its docstring".format(name.path)
    if name.owner:
        # What its class shows is another test; here it only sets the variables.
        run(examples(name.owner, name.path), variables)
    assert run(test, variables) == ""


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: str(module.__name__))
def test_the_example_of_a_module_is_true(module: Any, variables: Dict[str, Any]) -> None:
    variables.update(names_of(module))
    assert module.__doc__, "{} has no docstring".format(module.__name__)
    assert run(examples(module.__doc__, module.__name__), variables) == ""


def test_every_reason_to_wait_is_about_a_name() -> None:
    for prefix, reason in WAITING.items():
        assert reason
        assert any(name.path == prefix or name.path.startswith(prefix + ".") for name in NAMES), prefix


def test_a_wrong_example_is_found(variables: Dict[str, Any]) -> None:
    assert "Expected:\n    3\nGot:\n    2" in run(examples(">>> 1 + 1\n3", "wrong"), variables)
    assert not examples("No example.", "none").examples


def test_the_names_are_those_that_programs_use() -> None:
    paths = {name.path for name in NAMES}
    assert {"velaria.sql", "velaria.Session.sql", "velaria.DataFrame.fetchall", "velaria.errors.ParseError"} <= paths
    assert len(paths) == len(NAMES)
