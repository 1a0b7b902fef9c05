"""The real program, on a database of its own in a folder of its own, with the development mailbox."""

import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import httpx

PROGRAM = Path(os.environ.get("VESTIBULE_TEST_SITE", Path(__file__).parent / "../../target/debug/site")).resolve()
START_SECONDS = 30
MAIL_SECONDS = 10
COMMAND_SECONDS = 30


class House:
    """A running site. Ends with `close`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vestibule-generated-client-")
        self.url = f"http://localhost:{_free_port()}"
        foreign = ("VESTIBULE_", "DATABASE_URL")
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # All of it comes from one address, and faster than people are.
        self._env |= {"VESTIBULE_LISTEN": self.url.removeprefix("http://").replace("localhost", "127.0.0.1")}
        self._env |= {"VESTIBULE_RATE_LIMIT": "off", "RUST_LOG": "warn"}
        self._log: IO[str] = open(Path(self._folder.name) / "log", "w+", encoding="utf-8")
        self._program = subprocess.Popen(
            [PROGRAM], cwd=self._folder.name, env=self._env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        try:
            self._wait_until_it_serves()
        except BaseException:
            self.close()
            raise

    def mailed_token(self, to: str, words: str) -> str:
        """The token of the link in the newest mail to somebody that has some words in it."""
        ends = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < ends:
            for mail in httpx.get(f"{self.url}/dev/mailbox.json").json():
                link = re.search(r"token=(\S+)", mail["text"])
                if mail["to"] == to and words in mail["text"] and link:
                    return link[1]
            time.sleep(0.05)
        raise AssertionError(f"no mail to {to} has the words {words!r}")

    def service_key(self, name: str, *scopes: str) -> str:
        """A new service key, made by a command of the program beside the server."""
        command = [str(PROGRAM), "service-key", "add", name, *(word for scope in scopes for word in ("--scope", scope))]
        made = subprocess.run(
            command,
            cwd=self._folder.name,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_SECONDS,
        )
        if made.returncode != 0:
            raise RuntimeError(f"service-key add: {made.stderr}")
        return made.stdout.strip()

    def close(self) -> None:
        self._program.kill()
        self._program.wait()
        self._log.close()
        self._folder.cleanup()

    def _wait_until_it_serves(self) -> None:
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and self._program.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self._log.seek(0)
        raise RuntimeError(f"the site does not start: {self._log.read()}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
