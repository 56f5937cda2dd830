"""Chromium without a window, told what to do over its pipe: messages are JSON, and each ends with a zero byte."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Optional

from browser import CHROMIUM
from support import WATCHDOG_SECONDS

# What Chromium reads from and writes to.
COMMANDS, ANSWERS = 3, 4


class Browser:
    """A browser that has never been used, with one page."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        theirs_in, self._commands = os.pipe()
        self._answers, theirs_out = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        flags += ["--disable-component-update", "--disable-sync", "--user-data-dir={}".format(profile)]

        def connect() -> None:
            # Copies elsewhere first: one of the two may have the number of the other.
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            high_in, high_out = os.dup(first), os.dup(second)
            os.dup2(high_in, COMMANDS)
            os.dup2(high_out, ANSWERS)

        self._process = subprocess.Popen(
            [CHROMIUM, *flags, "--remote-debugging-pipe", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=connect,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._number = 0
        self._page: Optional[str] = None

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, url: str) -> None:
        """Opens the page at `url`."""
        target = self._ask("Target.createTarget", url=url)["targetId"]
        self._page = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """What `expression` is in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, (expression, answer)
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Waits until `expression` is true in the page, or in the one that it goes on to."""
        end = time.monotonic() + WATCHDOG_SECONDS
        while True:
            answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
            if answer.get("result", {}).get("value") is True:
                return
            assert time.monotonic() < end, (expression, answer)
            time.sleep(0.05)

    def _ask(self, method: str, **parameters: Any) -> Dict[str, Any]:
        self._number += 1
        message: Dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._page is not None:
            message["sessionId"] = self._page
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                result: Dict[str, Any] = answer.get("result", {})
                return result

    def _read(self) -> Dict[str, Any]:
        while b"\0" not in self._buffer:
            read = os.read(self._answers, 1 << 16)
            assert read, "the browser has ended"
            self._buffer += read
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: Dict[str, Any] = json.loads(text)
        return message
