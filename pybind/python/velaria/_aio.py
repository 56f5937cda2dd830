"""The coroutines of ``*_async`` and ``async for``: the engine works on its own threads, and the event loop goes on."""

import asyncio
import warnings
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Protocol

from velaria import errors
from velaria._failure import failure

_Done = Callable[[Any, List[str], Optional[BaseException]], None]


class _Job(Protocol):
    def start(self, done: _Done) -> None: ...

    def stop(self) -> None: ...


class _BatchSource(Protocol):
    def pull(self) -> _Job: ...


async def wait(job: _Job) -> Any:
    """Runs ``job``. Cancelling the task that awaits this stops the engine's work, and not only the wait for it."""
    loop = asyncio.get_running_loop()
    answer: "asyncio.Future[Any]" = loop.create_future()
    notices: List[str] = []

    def settle(value: Any, said: List[str], error: Optional[BaseException]) -> None:
        if answer.done():
            return
        notices.extend(said)
        if error is None:
            answer.set_result(value)
        else:
            answer.set_exception(error)

    def done(value: Any, said: List[str], error: Optional[BaseException]) -> None:
        try:
            loop.call_soon_threadsafe(settle, value, said, error)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            pass

    job.start(done)
    try:
        value = await answer
    finally:
        job.stop()
    for notice in notices:
        warnings.warn(notice, errors.Warning, stacklevel=2)
    return value


async def failed(error: BaseException) -> Any:
    """Raises what was wrong with a call when it is awaited."""
    raise error


class Batches:
    """The batches of a running query, each a ``pyarrow.RecordBatch``. Dropping the iterator stops the query."""

    def __init__(self, source: _BatchSource) -> None:
        self._source = source
        self._ready: Deque[Any] = deque()
        self._cancelled = False

    def __aiter__(self) -> "Batches":
        return self

    async def __anext__(self) -> Any:
        if not self._ready:
            if self._cancelled:
                raise failure(errors.CancelledError, "the iteration was cancelled", "VEL-8002", "begin it again")
            try:
                self._ready.extend(await wait(self._source.pull()))
            except asyncio.CancelledError:
                # Batches may have been on their way: going on behind them would lose rows without a word.
                self._cancelled = True
                raise
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()
