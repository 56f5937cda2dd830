"""What runs on the threads that a stream query has for code of the program.

The loops stand here and not in the extension, so that nothing but Python is beneath the code of the program: a thread that is
in a call which does not come back ends with the interpreter.
"""

import itertools
import json
import logging
from typing import Any, List, Tuple

_LOG = logging.getLogger("velaria.stream")


def pull(inlet: Any, source: Any, head: List[Any], place: Tuple[Any, ...]) -> None:
    """Puts the items of ``source``, after those in ``head``, into a stream until there are no more or none are wanted.

    ``place`` is empty, or has the offset to go on after, for a source that has offsets.
    """
    try:
        _pull(inlet, source, head, place)
    except BaseException as error:
        if not inlet.fail(error):
            _LOG.warning("a stream source raised an exception after its query had ended", exc_info=True)
    else:
        inlet.finish()


def _pull(inlet: Any, source: Any, head: List[Any], place: Tuple[Any, ...]) -> None:
    if place:
        source.seek(*place)
    iterator = iter(source)
    try:
        if place:
            offset = source.offset
            for item in iterator:
                if not inlet.push(item, (offset(),)):
                    return
        else:
            push = inlet.push
            for item in itertools.chain(head, iterator):
                if not push(item):
                    return
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()


def drain(outlet: Any, sink: Any) -> None:
    """Gives what a query emits to ``sink`` until there is nothing more."""
    try:
        write = getattr(sink, "write_batch", sink)
        flush = getattr(sink, "flush", None)
        wait_seconds = getattr(sink, "wait_seconds", None)
        _drain(outlet, write, flush, wait_seconds)
        close = getattr(sink, "close", None)
        if close is not None:
            close()
    except BaseException as error:
        if not outlet.fail(error):
            _LOG.warning("a stream sink raised an exception after its query had ended", exc_info=True)
    finally:
        outlet.leave()


def _drain(outlet: Any, write: Any, flush: Any, wait_seconds: Any) -> None:
    failed = False
    while True:
        taken = outlet.take(None if wait_seconds is None or failed else wait_seconds())
        if taken is False:
            return
        try:
            if taken is not None:
                write(taken[0])
            if flush is not None and (taken is None or taken[1]):
                flush()
        except BaseException as error:
            failed = True
            if not outlet.fail(error):
                _LOG.warning("a stream sink raised an exception after its query was stopped", exc_info=True)
        else:
            if taken is not None:
                outlet.done()


def report(watch: Any, query_id: str) -> None:
    """Tells callbacks the progress of a query until it has ended."""
    try:
        while True:
            progress = watch.next()
            if progress is None:
                return
            for callback in watch.callbacks():
                try:
                    callback(json.loads(progress))
                except Exception:
                    _LOG.exception("a progress callback of %s raised an exception", query_id)
    finally:
        watch.leave()
