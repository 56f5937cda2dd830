"""How far a query is: :class:`Progress`, and the bar that shows it on a terminal.

>>> import velaria
>>> with velaria.Session() as session:
...     seen = []
...     session.on_progress(seen.append)
...     session.sql("SELECT count(*) AS n FROM range(1000) AS t(v)").fetchall()
[(1000,)]
>>> seen[-1].rows, seen[-1].finished
(1000, True)
"""

import os
import shutil
import sys
import threading
from typing import Any, Callable, NamedTuple, Optional, Union

from velaria import errors
from velaria._failure import failure

__all__ = ["Progress", "ProgressBar"]


class Progress(NamedTuple):
    """What a running query has read so far.

    >>> from velaria.progress import Progress
    >>> Progress(rows=50, bytes=400, rows_total=200, seconds=0.5, finished=False).fraction
    0.25
    """

    rows: int
    """The rows that its scans have handed out."""
    bytes: int
    """What these rows take in memory."""
    rows_total: Optional[int]
    """The rows of all that it scans, where that is known without reading."""
    seconds: float
    """The time since it began."""
    finished: bool
    """Whether it has ended; nothing more is said about it."""

    @property
    def fraction(self) -> Optional[float]:
        """How much of what it scans it has read, from 0 to 1, where that is known.

        >>> Progress(rows=1, bytes=8, rows_total=None, seconds=0.5, finished=False).fraction is None
        True
        """
        if not self.rows_total:
            return None
        return min(1.0, self.rows / self.rows_total)


class ProgressBar:
    """One line on a terminal, which goes when the query ends. Where standard error is no terminal nothing is written.

    ``velaria.Session(progress=True)`` has one; ``stream`` is for a terminal other than standard error.

    >>> from velaria.progress import Progress, ProgressBar
    >>> ProgressBar.line(Progress(rows=50, bytes=4096, rows_total=200, seconds=2.0, finished=False), 60)
    '[======                  ]  25%  50 rows  4.0 KiB  25 rows/s'
    """

    #: A query that is done sooner shows nothing.
    DELAY_SECONDS = 0.5

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        stream = sys.stderr if self._stream is None else self._stream
        if not _is_terminal(stream):
            return
        # A second query that waits for its turn to draw is worth less than the query.
        if not self._lock.acquire(blocking=progress.finished):
            return
        try:
            self._draw(stream, progress)
        finally:
            self._lock.release()

    def _draw(self, stream: Any, progress: Progress) -> None:
        if progress.finished:
            if self._drawn:
                self._drawn = False
                stream.write("\r\x1b[K")
                stream.flush()
        elif progress.seconds >= self.DELAY_SECONDS:
            self._drawn = True
            # The last column stays free: a full line would wrap.
            stream.write("\r" + self.line(progress, shutil.get_terminal_size().columns - 1) + "\x1b[K")
            stream.flush()

    @staticmethod
    def line(progress: Progress, width: int) -> str:
        """What is shown in ``width`` columns.

        >>> ProgressBar.line(Progress(rows=1200, bytes=9600, rows_total=None, seconds=2.0, finished=False), 60)
        '1.2k rows  9.4 KiB  600 rows/s'
        """
        seconds = max(progress.seconds, 1e-3)
        words = "{}  {}  {}/s".format(_rows(progress.rows), _bytes(progress.bytes), _rows(int(progress.rows / seconds)))
        fraction = progress.fraction
        if fraction is not None:
            words = "{:4.0%}  {}".format(fraction, words)
            bar = min(40, width - len(words) - 3)
            if bar >= 10:
                words = "[{}] {}".format(("=" * int(fraction * bar)).ljust(bar), words)
        return words[: max(width, 0)]


def _rows(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return "{:.1f}{} rows".format(count / size, unit)
    return "{} rows".format(count)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return "{:.0f} {}".format(size, unit) if unit == "B" else "{:.1f} {}".format(size, unit)
        size /= 1024
    return "{:.1f} TiB".format(size)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):
        # There is no such stream, or it is closed.
        return False


_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


def chosen(progress: Union[None, bool, Callable[[Progress], object]]) -> Optional[Callable[[Progress], object]]:
    """Who is told, for the argument ``progress`` of a session; without it the environment says."""
    if progress is None:
        word = os.environ.get("VELARIA_PROGRESS", "").strip().lower()
        if word not in _TRUE + _FALSE:
            raise failure(errors.UsageError, "not a value of VELARIA_PROGRESS: " + word, "VEL-7001", "set it to 1 or to 0")
        progress = word in _TRUE
    if progress is True:
        # Off a terminal nothing is even counted.
        return ProgressBar() if _is_terminal(sys.stderr) else None
    if progress is False:
        return None
    if callable(progress):
        return progress
    raise failure(errors.ArgumentTypeError, "progress must be True, False or a function", "VEL-7001")
