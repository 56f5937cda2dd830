"""Coroutines: what they give, that the event loop goes on meanwhile, and that cancelling stops the work."""

import asyncio
import gc
import os
import threading
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, List

import pytest

import velaria
from support import need, run_code
from velaria import errors

ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9"
ENDLESS_JOIN = "SELECT COUNT(*) AS n FROM range(10000000) AS a(v), range(10000000) AS b(w) WHERE (v * w) % 7 = 9"


def cpu_is_idle() -> bool:
    """Whether this process computes nothing: a query that goes on would use a whole core."""
    begun, used = time.monotonic(), time.process_time()
    time.sleep(0.2)
    return time.process_time() - used < 0.5 * (time.monotonic() - begun)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "nothing came of it"


def test_coroutines_give_what_the_methods_give(session: velaria.Session) -> None:
    frame = session.sql("SELECT v, CAST(v AS STRING) AS t FROM range(5) AS r(v) ORDER BY v")

    async def main() -> List[Any]:
        return [await frame.fetchall_async(), await frame.to_rows_async(), await frame.count_async()]

    assert asyncio.run(main()) == [frame.fetchall(), frame.to_rows(), 5]


@pytest.mark.parametrize("name", ["arrow", "pandas", "polars"])
def test_coroutines_give_frames_of_other_libraries(session: velaria.Session, name: str) -> None:
    need("polars" if name == "polars" else "pyarrow")
    if name == "pandas":
        need("pandas")
    for text in ("SELECT v FROM range(100000) AS r(v) ORDER BY v", "SELECT 1 AS a WHERE false", "SELECT [1.5, NULL] AS v"):
        frame = session.sql(text)
        expected = getattr(frame, "to_" + name)()
        found = asyncio.run(getattr(frame, "to_{}_async".format(name))())
        assert type(found) is type(expected)
        assert found.equals(expected), text


def test_a_coroutine_begins_when_it_is_awaited(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t (a BIGINT)")

    async def main() -> None:
        insert = session.sql_async("INSERT INTO t VALUES (1)")
        rows = session.sql("SELECT * FROM t").fetchall_async()
        await asyncio.sleep(0)
        assert session.sql("SELECT * FROM t").fetchall() == []
        assert (await insert).affected_rows == 1
        assert await rows == [(1,)]

    asyncio.run(main())


def test_statements_take_parameters_and_variables_of_the_caller(session: velaria.Session) -> None:
    async def main() -> List[Any]:
        people = {"id": [1, 2], "name": ["Ada", "Bo"]}
        pending = session.sql_async("SELECT name FROM people WHERE id = :id", {"id": 2})
        people = {"id": [], "name": []}
        assert people
        return await (await pending).fetchall_async()

    # What the variable held when the statement was given.
    assert asyncio.run(main()) == [("Bo",)]


def test_long_statements_read_variables_as_well(session: velaria.Session) -> None:
    async def main() -> List[Any]:
        numbers = {"v": [1, 2, 3]}
        assert numbers
        text = "SELECT v FROM numbers WHERE v IN ({})".format(", ".join(str(value) for value in range(2, 3000)))
        return await (await session.sql_async(text)).fetchall_async()

    assert asyncio.run(main()) == [(2,), (3,)]


def test_a_session_may_refuse_variables() -> None:
    session = velaria.Session(allow_python_scan=False)

    async def main() -> None:
        numbers = {"v": [1]}
        assert numbers
        with pytest.raises(errors.CatalogError, match="allow_python_scan"):
            await session.sql_async("SELECT v FROM numbers")

    asyncio.run(main())


def test_errors_come_from_the_await(session: velaria.Session) -> None:
    closed = velaria.Session()
    closed.close()

    async def main() -> List[BaseException]:
        pending: List[Awaitable[Any]] = [
            session.sql_async("SELECT (1"),
            session.sql_async("SELECT missing"),
            session.sql_async("SELECT ?"),
            session.sql_async("SELECT 1", params=3),  # type: ignore[arg-type]
            session.sql("SELECT CAST(v AS BIGINT) AS n FROM (VALUES ('x')) AS t(v)").fetchall_async(),
            closed.sql_async("SELECT 1"),
        ]
        return [error for error in await asyncio.gather(*pending, return_exceptions=True) if isinstance(error, BaseException)]

    kinds = [type(error) for error in asyncio.run(main())]
    assert kinds == [
        errors.ParseError,
        errors.PlanError,
        errors.UsageError,
        errors.ArgumentTypeError,
        errors.DataError,
        errors.UsageError,
    ]


def test_a_coroutine_without_a_loop_is_a_clear_error(session: velaria.Session) -> None:
    pending = session.sql("SELECT 1").fetchall_async()
    with pytest.raises(RuntimeError, match="no running event loop"):
        pending.send(None)


def test_fifty_at_once(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t AS SELECT v FROM range(1000) AS r(v)")

    async def one(number: int) -> List[Any]:
        frame = await session.sql_async("SELECT SUM(v) AS s, ? AS n FROM t WHERE v < ?", [number, number])
        return await frame.fetchall_async()

    async def main() -> List[Any]:
        return list(await asyncio.gather(*(one(number) for number in range(1, 51))))

    assert asyncio.run(main()) == [[(number * (number - 1) // 2, number)] for number in range(1, 51)]


def test_the_event_loop_goes_on_while_a_query_computes(session: velaria.Session) -> None:
    async def main() -> int:
        query = asyncio.create_task(session.sql(ENDLESS).fetchall_async())
        ticks = 0
        for _ in range(20):
            await asyncio.sleep(0.005)
            ticks += 1
        assert not query.done()
        query.cancel()
        await asyncio.gather(query, return_exceptions=True)
        return ticks

    assert asyncio.run(main()) == 20


@pytest.mark.parametrize("text", [ENDLESS, ENDLESS_JOIN], ids=["scan", "join"])
@pytest.mark.parametrize("method", ["fetchall_async", "count_async", "to_arrow_async", "batches", "statement"])
def test_cancelling_the_task_stops_the_work(session: velaria.Session, method: str, text: str) -> None:
    if method in ("to_arrow_async", "batches"):
        need("pyarrow")
    session.sql("CREATE TABLE counted (n BIGINT)")
    # The number of rows of an aggregate is known without running it.
    frame = session.sql(text.replace("COUNT(*)", "v") if method == "count_async" else text)

    async def pull() -> None:
        async for _ in frame:
            raise AssertionError("a batch came")

    async def main() -> None:
        if method == "batches":
            task: "asyncio.Task[Any]" = asyncio.create_task(pull())
        elif method == "statement":
            task = asyncio.create_task(session.sql_async("INSERT INTO counted " + text))
        else:
            task = asyncio.create_task(getattr(frame, method)())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_until(cpu_is_idle)
    assert session.sql("SELECT COUNT(*) AS n FROM counted").fetchall() == [(0,)]


def test_a_timeout_of_asyncio_stops_the_work(session: velaria.Session) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.sql(ENDLESS).fetchall_async(), 0.1)

    asyncio.run(main())
    wait_until(cpu_is_idle)


def test_a_coroutine_that_is_closed_stops_the_work(session: velaria.Session) -> None:
    async def main() -> None:
        pending = session.sql(ENDLESS).fetchall_async()
        pending.send(None)
        await asyncio.sleep(0.05)
        pending.close()

    asyncio.run(main())
    wait_until(cpu_is_idle)


def test_an_interrupt_of_the_session_is_an_error_of_the_await(session: velaria.Session) -> None:
    async def main() -> None:
        query = asyncio.create_task(session.sql(ENDLESS_JOIN).fetchall_async())
        while not query.done():
            await asyncio.sleep(0.05)
            session.interrupt()
        with pytest.raises(errors.CancelledError):
            await query

    asyncio.run(main())


def test_the_time_limit_of_the_session_holds() -> None:
    session = velaria.Session(statement_timeout=0.2)

    async def main() -> None:
        for text in (ENDLESS, ENDLESS_JOIN):
            with pytest.raises(errors.TimeoutError):
                await session.sql(text).fetchall_async()

    asyncio.run(main())
    wait_until(cpu_is_idle)


def test_batches_come_while_the_query_runs(session: velaria.Session) -> None:
    need("pyarrow")
    frame = session.sql("SELECT v FROM range(1000000000000) AS r(v)")

    async def main() -> int:
        rows = 0
        async for batch in frame:
            assert batch.schema.names == ["v"]
            rows += batch.num_rows
            if rows > 100_000:
                break
        return rows

    assert asyncio.run(main()) > 100_000
    gc.collect()
    wait_until(cpu_is_idle)


def test_batches_are_the_rows_and_no_row_twice(session: velaria.Session) -> None:
    pyarrow = need("pyarrow")
    frame = session.sql("SELECT v, v * 2 AS w FROM range(300000) AS r(v)")

    async def main() -> Any:
        return pyarrow.Table.from_batches([batch async for batch in frame])

    for _ in range(2):
        table = asyncio.run(main())
        assert sorted(table["v"].to_pylist()) == list(range(300000))


def test_a_query_without_rows_has_no_batches(session: velaria.Session) -> None:
    need("pyarrow")
    frame = session.sql("SELECT 1 AS a WHERE false")

    async def main() -> int:
        return sum([batch.num_rows async for batch in frame])

    assert asyncio.run(main()) == 0


def test_an_error_in_the_rows_comes_after_the_rows_before_it(session: velaria.Session) -> None:
    need("pyarrow")
    frame = session.sql("SELECT 10 / (v - 250000) AS q FROM range(300000) AS r(v)")

    async def main() -> int:
        rows = 0
        with pytest.raises(errors.DataError):
            async for batch in frame:
                rows += batch.num_rows
        return rows

    # Several threads compute: rows from behind the wrong one may come first, those of its own batch never do.
    assert asyncio.run(main()) < 300000


def test_batches_share_their_memory_with_the_engine(session: velaria.Session) -> None:
    pyarrow = need("pyarrow")
    column = pyarrow.array(range(1000), pyarrow.int64())
    frame = session.create_dataframe_from_arrow(pyarrow.table({"v": column}))

    async def main() -> List[Any]:
        return [batch async for batch in frame]

    (batch,) = asyncio.run(main())
    assert batch.column(0).buffers()[1].address == column.buffers()[1].address


def test_an_iterator_goes_on_after_its_end_with_nothing(session: velaria.Session) -> None:
    need("pyarrow")
    batches = session.sql("SELECT 1 AS a").__aiter__()

    async def main() -> None:
        assert (await batches.__anext__()).num_rows == 1
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await batches.__anext__()

    asyncio.run(main())


def test_notices_are_warnings_of_the_await(session: velaria.Session, tmp_path: Any) -> None:
    path = tmp_path / "late.csv"
    path.write_text("v\n" + "1000000\n" * 30000 + "x\n" + "1000000\n" * 30000)
    frame = session.read_csv(path)

    async def main() -> int:
        with pytest.warns(errors.Warning, match="late.csv"):
            return len(await frame.fetchall_async())

    assert asyncio.run(main()) == 60001


def test_several_loops_in_several_threads(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t AS SELECT v FROM range(1000) AS r(v)")
    sums: List[Any] = []

    def work() -> None:
        async def main() -> List[Any]:
            frame = session.sql("SELECT SUM(v) AS s FROM t")
            return list(await asyncio.gather(*(frame.fetchall_async() for _ in range(10))))

        sums.extend(asyncio.run(main()))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [[(499500,)]] * 80


def test_ctrl_c_ends_a_loop_and_its_query() -> None:
    code = """
import asyncio, os, signal, threading, velaria
session = velaria.Session()
frame = session.sql("{}")
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    asyncio.run(frame.fetchall_async())
except KeyboardInterrupt:
    print("interrupted", session.sql("SELECT 1 AS a").fetchall())
""".format(ENDLESS)
    assert run_code(code) == "interrupted [(1,)]\n"


@pytest.mark.parametrize("_", range(5))
def test_the_interpreter_ends_right_after_an_answer(_: int) -> None:
    code = "import asyncio, velaria; print(asyncio.run(velaria.sql('SELECT 1 AS a').fetchall_async()))"
    assert run_code(code) == "[(1,)]\n"


def test_the_interpreter_ends_while_a_query_is_awaited() -> None:
    code = """
import asyncio, velaria
async def main():
    task = asyncio.ensure_future(velaria.Session().sql("{}").fetchall_async())
    await asyncio.sleep(0.05)
    return task
loop = asyncio.new_event_loop()
kept = loop.run_until_complete(main())
kept._log_destroy_pending = False
print("done")
""".format(ENDLESS)
    assert run_code(code) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_refused() -> None:
    code = """
import asyncio, os, warnings, velaria
warnings.simplefilter("ignore")
session = velaria.Session()
frame = session.sql("SELECT 1 AS a")
asyncio.run(frame.fetchall_async())
child = os.fork()
if child == 0:
    try:
        asyncio.run(frame.fetchall_async())
    except velaria.Error as error:
        print(error.code, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    assert run_code(code) == "VEL-7002\n"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted there")
def test_many_cancelled_queries_leave_no_threads_behind() -> None:
    code = """
import asyncio, os, time, velaria
session = velaria.Session(threads=2)
def threads():
    return len(os.listdir("/proc/self/task"))
async def cancelled():
    task = asyncio.create_task(session.sql("{}").fetchall_async())
    await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
async def main(count):
    for _ in range(count):
        await cancelled()
asyncio.run(main(20))
before = threads()
asyncio.run(main(200))
# A busy machine may leave threads to a query that took long to stop: they go once it has.
deadline = time.monotonic() + 30
while threads() - before > 4 and time.monotonic() < deadline:
    time.sleep(0.2)
    session.sql("SELECT 1").count()
    asyncio.run(session.sql("SELECT COUNT(*) AS n FROM range(100000) AS r(v)").fetchall_async())
print(threads() - before <= 4)
""".format(ENDLESS)
    assert run_code(code) == "True\n"


def test_an_iteration_that_was_cancelled_does_not_go_on_behind_lost_rows(session: velaria.Session) -> None:
    need("pyarrow")
    batches = session.sql(ENDLESS).__aiter__()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(batches.__anext__(), 0.1)
        with pytest.raises(errors.CancelledError) as caught:
            await batches.__anext__()
        assert caught.value.code == "VEL-8002"

    asyncio.run(main())
