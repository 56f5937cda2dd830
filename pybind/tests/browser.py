"""Chromium without a window: pictures of a page, and its elements after everything in it has run."""

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import List, NamedTuple, Optional, Set, Tuple

from support import WATCHDOG_SECONDS

CHROMIUM: Optional[str] = (
    os.environ.get("VELARIA_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)

# What Chromium calls the colour schemes that a person can prefer.
SCHEMES = {"dark": 0, "light": 1}

Colour = Tuple[int, ...]


class Picture(NamedTuple):
    """A screenshot."""

    width: int
    height: int
    rows: List[bytes]
    """The bytes of each line, `channels` for each pixel."""
    channels: int

    def pixel(self, x: int, y: int) -> Colour:
        return tuple(self.rows[y][x * self.channels : x * self.channels + 3])

    def colours(self) -> Set[Colour]:
        """The colours of every third pixel of every third line."""
        return {self.pixel(x, y) for y in range(0, self.height, 3) for x in range(0, self.width, 3)}


def screenshot(url: str, folder: Path, scheme: str, size: Tuple[int, int] = (900, 1100)) -> Picture:
    """The page at `url` as somebody sees it who prefers `scheme`."""
    path = folder / "{}.png".format(scheme)
    chromium(url, folder, scheme, "--screenshot={}".format(path), "--hide-scrollbars", "--window-size={},{}".format(*size))
    return picture(path.read_bytes())


def elements(url: str, folder: Path) -> str:
    """The page at `url` as HTML, after its scripts have run."""
    return chromium(url, folder, "light", "--dump-dom")


def chromium(url: str, folder: Path, scheme: str, *args: str) -> str:
    """Opens one page in a browser that has never been used, and returns what it prints."""
    assert CHROMIUM is not None
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--user-data-dir={}".format(folder / "profile"),
        "--blink-settings=preferredColorScheme={}".format(SCHEMES[scheme]),
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, *args, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def picture(png: bytes) -> Picture:
    """A PNG file of eight bits a channel, as Chromium writes it."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    channels = {2: 3, 6: 4}[kind]
    assert depth == 8
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return Picture(width, height, unfiltered(zlib.decompress(data), width * channels, channels), channels)


def unfiltered(data: bytes, length: int, channels: int) -> List[bytes]:
    """The lines of a PNG file: each says how it differs from what is left of it and above it."""
    lines: List[bytes] = []
    above = bytes(length)
    for begin in range(0, len(data), length + 1):
        above = line(data[begin], data[begin + 1 : begin + 1 + length], above, channels)
        lines.append(above)
    return lines


def line(kind: int, given: bytes, above: bytes, channels: int) -> bytes:
    """One line, with the filter `kind`."""
    if kind == 0:
        return given
    if kind == 2:
        return bytes((one + up) % 256 for one, up in zip(given, above))
    done = bytearray(channels)
    corners = bytes(channels) + above
    for at, one in enumerate(given):
        left, up = done[at], above[at]
        expected = left if kind == 1 else (left + up) // 2 if kind == 3 else nearest(left, up, corners[at])
        done.append((one + expected) % 256)
    return bytes(done[channels:])


def nearest(left: int, up: int, corner: int) -> int:
    """The one of the three that is nearest to their plane: what PNG calls Paeth."""
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner
