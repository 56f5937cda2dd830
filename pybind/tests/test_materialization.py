"""Sources that are kept for the next session: the environment variables, arguments and files of the contract."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

import velaria
from support import WATCHDOG_SECONDS
from velaria import errors

QUERY = "SELECT COUNT(*) AS row_count, SUM(amount) AS total_amount FROM source_input WHERE id > 15000"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DIR", "FORMAT", "MAX_BYTES"):
        monkeypatch.delenv("VELARIA_MATERIALIZATION_" + name, raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.csv"
    lines = ("{},{}".format(number, number * 1.25) for number in range(1, 20001))
    path.write_text("id,amount\n" + "\n".join(lines) + "\n")
    return path


def files(cache: Path) -> List[str]:
    """The names of all files beneath the cache but its lock."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != ".lock")


def meta(cache: Path) -> Dict[str, str]:
    (path,) = cache.rglob("meta.txt")
    pairs: Iterator[Tuple[str, ...]] = (tuple(line.split("=", 1)) for line in path.read_text().splitlines())
    return {pair[0]: pair[1] for pair in pairs}


@pytest.mark.parametrize(
    ("word", "name"),
    [("binary", "table.bin"), ("binary_row_batch", "table.bin"), ("nanoarrow", "table.nanoarrow"), ("nanoarrow_ipc", "table.nanoarrow"), ("arrow", "table.arrow"), ("parquet", "table.parquet")],
)
def test_the_environment_asks_for_a_cache(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, name: str) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("VELARIA_MATERIALIZATION_DIR", str(cache))
    monkeypatch.setenv("VELARIA_MATERIALIZATION_FORMAT", word)
    times: List[Any] = []
    for _ in range(2):
        with velaria.Session() as session:
            session.create_temp_view("source_input", session.read_csv(str(source)))
            assert files(cache) == ["meta.txt", name], "read_csv writes it"
            times.append([path.stat().st_mtime_ns for path in sorted(cache.rglob("*.*")) if path.name != ".lock"])
            assert session.sql(QUERY).to_rows()["rows"] == [[5000, 109378125.0]]
            session.create_temp_view("source_input", session.read_csv(str(source)))
            assert session.sql(QUERY).to_rows()["rows"] == [[5000, 109378125.0]]
    assert times[0] == times[1], "the second session writes nothing"


def test_the_description_is_that_of_the_contract(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    velaria.Session().read_csv(source, materialization_dir=cache)
    found = meta(cache)
    expected = 0xCBF29CE484222325
    for byte in "csv\0delimiter=,\0{}".format(source).encode():
        expected = ((expected ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    status = source.stat()
    assert found["source_id"] == "{:016x}".format(expected) == next(cache.glob("????????????????")).name
    assert found["data_format"] == "binary_row_batch" and found["source_format"] == "csv"
    assert found["source_options"] == "delimiter=," and found["abs_path"] == str(source)
    assert found["file_size"] == str(status.st_size) and found["mtime_ns"] == str(status.st_mtime_ns)


def test_an_argument_asks_for_a_cache_too(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    default = tmp_path / "velaria_source_materialization_cache"
    session = velaria.Session()
    session.read_csv(source)
    assert not default.exists(), "nothing is kept unless somebody asks"
    assert session.read_csv(source, materialization=True).count() == 20000
    assert files(default) == ["meta.txt", "table.bin"]
    session.read_csv(source, materialization_format="nanoarrow_ipc")
    assert files(default) == ["meta.txt", "table.nanoarrow"]
    session.read_csv(source, materialization_dir=tmp_path / "own", materialization_format="parquet")
    assert files(tmp_path / "own") == ["meta.txt", "table.parquet"]


def test_an_argument_goes_before_the_environment(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VELARIA_MATERIALIZATION_DIR", str(tmp_path / "environment"))
    velaria.Session().read_csv(source, materialization_dir=tmp_path / "argument", materialization_format="arrow")
    assert not (tmp_path / "environment").exists()
    velaria.Session().read_csv(source, materialization_format="arrow")
    assert files(tmp_path / "environment") == files(tmp_path / "argument") == ["meta.txt", "table.arrow"]


def test_words_that_are_no_format(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.UsageError, match="unknown materialization_format: avro"):
        velaria.Session().read_csv(source, materialization_format="avro")
    monkeypatch.setenv("VELARIA_MATERIALIZATION_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("VELARIA_MATERIALIZATION_FORMAT", "avro")
    velaria.Session().read_csv(source)
    assert files(tmp_path / "cache") == ["meta.txt", "table.bin"], "the environment is passed over, as in the original"
    monkeypatch.setenv("VELARIA_MATERIALIZATION_MAX_BYTES", "much")
    with pytest.raises(errors.UsageError, match="not a number of bytes: much"):
        velaria.Session().read_csv(source)


def test_a_changed_file_is_read_again(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def amount() -> Any:
        session = velaria.Session()
        session.create_temp_view("t", session.read_csv(source, materialization_dir=cache))
        return session.sql("SELECT sum(amount) AS s FROM t").fetchall()[0][0]

    source.write_text("id,amount\n1,5\n")
    for digit in "123456789":
        # As long as before and written at once: only the times of the file tell.
        with source.open("r+") as file:
            file.seek(len("id,amount\n1,"))
            file.write(digit)
        assert amount() == amount() == int(digit)
    status = source.stat()
    source.write_text("id,amount\n1,0\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert amount() == 0, "with the size and the time of modification of the file before"


def test_other_options_are_another_source(tmp_path: Path) -> None:
    cache, path = tmp_path / "cache", tmp_path / "a.csv"
    path.write_text("a;b\n1;2\n")
    session = velaria.Session()
    assert session.read_csv(path, ";", materialization_dir=cache).fetchall() == [(1, 2)]
    assert session.read_csv(path, ",", materialization_dir=cache).columns == ["a;b"]
    assert session.read_csv(path, ";", materialization_dir=cache).fetchall() == [(1, 2)]
    assert files(cache) == ["meta.txt", "meta.txt", "table.bin", "table.bin"]


@pytest.mark.parametrize("name", ["table.bin", "meta.txt"])
def test_a_damaged_cache_is_written_anew(source: Path, tmp_path: Path, name: str) -> None:
    cache = tmp_path / "cache"
    velaria.Session().read_csv(source, materialization_dir=cache)
    (path,) = cache.rglob(name)
    whole = path.read_bytes()
    for damaged in (b"", b"x" * len(whole), whole[:-1], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        path.write_bytes(damaged)
        frame = velaria.Session().read_csv(source, materialization_dir=cache)
        assert frame.count() == 20000 and path.read_bytes() == whole


def test_types_and_nulls_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('b,i,f,s,d,t\ntrue,1,1.5,x,2024-01-31,2024-01-31T10:00:00\n,,,,,\nfalse,-9,0.25,"a ""b""\n,c",1999-12-31,2000-01-01T00:00:00\n')
    plain = velaria.Session().read_csv(path)
    for word in ("binary", "nanoarrow", "arrow", "parquet"):
        for _ in range(2):
            kept = velaria.Session().read_csv(path, materialization_dir=tmp_path / word, materialization_format=word)
            assert kept.schema == plain.schema and kept.fetchall() == plain.fetchall()


def test_bad_rows_are_an_error_and_leave_nothing(tmp_path: Path) -> None:
    cache, path = tmp_path / "cache", tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 5000 + "1\n")
    with pytest.raises(errors.DataError) as raised:
        velaria.Session().read_csv(path, materialization_dir=cache)
    assert raised.value.code == "VEL-5001"
    assert files(cache) == []


def test_rows_are_kept_in_memory(source: Path, tmp_path: Path) -> None:
    session = velaria.Session()
    frame = session.read_csv(source, cache_in_memory=True)
    source.unlink()
    assert frame.count() == 20000 and frame.limit(1).fetchall() == [(1, 1.25)]


def test_a_missing_source_is_missing_although_it_was_kept(source: Path, tmp_path: Path) -> None:
    velaria.Session().read_csv(source, materialization_dir=tmp_path / "cache")
    source.unlink()
    with pytest.raises(FileNotFoundError, match="cannot stat source file"):
        velaria.Session().read_csv(source, materialization_dir=tmp_path / "cache")


def test_sessions_with_limits(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with velaria.Session(read_only=True) as session:
        assert session.read_csv(source, materialization_dir=cache).count() == 20000
    assert not cache.exists(), "a read-only session writes nothing"
    (tmp_path / "data").mkdir()
    inside = tmp_path / "data" / "a.csv"
    inside.write_text("a\n1\n")
    with velaria.Session(allowed_paths=[tmp_path / "data"]) as session:
        assert session.read_csv(inside, materialization_dir=cache).count() == 1
        assert not cache.exists(), "nor one that may not open the directory"
        velaria.Session().read_csv(source, materialization_dir=cache)
        with pytest.raises(PermissionError):
            session.read_csv(source, materialization_dir=cache)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_directory_that_others_may_write_to_is_refused(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(PermissionError, match="other users may write into it") as raised:
        velaria.Session().read_csv(source, materialization_dir=cache)
    assert raised.value.code == "VEL-6004"
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="it is a symbolic link"):
        velaria.Session().read_csv(source, materialization_dir=tmp_path / "link")


def test_the_bound_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("VELARIA_MATERIALIZATION_DIR", str(cache))
    monkeypatch.setenv("VELARIA_MATERIALIZATION_MAX_BYTES", "100 KB")
    for number in range(12):
        path = tmp_path / "{}.csv".format(number)
        path.write_text("a\n" + "1\n" * 3000)
        assert velaria.Session().read_csv(path).count() == 3000
        assert sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) <= 100_000
    assert files(cache).count("table.bin") >= 2
    large = tmp_path / "large.csv"
    large.write_text("a\n" + "1\n" * 30000)
    before = files(cache)
    assert velaria.Session().read_csv(large).count() == 30000
    assert files(cache) == before, "one that alone is too large is used as it is"


def test_processes_at_the_same_time(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code = (
        "import sys, velaria\n"
        "for _ in range(15):\n"
        "    frame = velaria.Session().read_csv(sys.argv[1], materialization_dir=sys.argv[2])\n"
        "    assert frame.count() == 20000\n"
        "    assert frame.limit(1).fetchall() == [(1, 1.25)]\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(source), str(cache)]) for _ in range(4)]
    while any(process.poll() is None for process in running):
        (tmp_path / "damaged").write_bytes(b"damaged")
        try:
            for path in cache.rglob("table.bin"):
                (tmp_path / "damaged").replace(path)
        except OSError:
            pass  # The folder was just removed, because it was damaged.
        try:
            running[0].wait(0.05)
        except subprocess.TimeoutExpired:
            pass
    assert [process.wait(WATCHDOG_SECONDS) for process in running] == [0] * 4
    assert velaria.Session().read_csv(source, materialization_dir=cache).count() == 20000
    assert files(cache) == ["meta.txt", "table.bin"]
