"""People who use the site while it is deployed to. Every request that is not answered as it should be is told.

    visitors.py DOMAIN PORT ROOT EMAIL PASSWORD FILE

They trust nobody but the authority whose certificate is in the file ROOT. They log in through the door at 127.0.0.1:PORT, look
at pages, write notes and read them again, over connections that stay open, until the file FILE is gone. Then one line tells
what happened, and the exit code is 1 if anything failed. With `check` in the place of FILE it is only looked whether all
notes whose titles come on standard input are there.
"""

import collections
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time

DOMAIN, PORT, ROOT, EMAIL, PASSWORD, FILE = sys.argv[1:]
VISITORS = 4
TLS = ssl.create_default_context(cafile=ROOT)


class Visitor:
    def __init__(self):
        self.connection = http.client.HTTPSConnection(DOMAIN, 443, context=TLS, timeout=30)
        self.connection._create_connection = lambda *_, **__: socket.create_connection(("127.0.0.1", int(PORT)), 30)
        self.cookies = {}

    def ask(self, method, path, body=None):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if "__Host-vestibule_csrf" in self.cookies:
            headers["X-CSRF-Token"] = self.cookies["__Host-vestibule_csrf"]
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, text

    def log_in(self):
        status, text = self.ask("POST", "/api/auth/log-in", {"email": EMAIL, "password": PASSWORD})
        if status != 200:
            sys.exit(f"visitors: log-in answered {status}: {text[:300]}")

    def all_titles(self):
        titles, cursor = set(), ""
        while cursor is not None:
            status, text = self.ask("GET", f"/api/notes?limit=100{cursor and '&cursor='}{cursor}")
            if status != 200:
                sys.exit(f"visitors: the notes answered {status}: {text[:300]}")
            page = json.loads(text)
            titles.update(note["title"] for note in page["notes"])
            cursor = page["next_cursor"]
        return titles


answered, failures, written, slowest = collections.Counter(), [], [], [0.0]


def visit(number):
    visitor = Visitor()
    visitor.log_in()
    turn = 0
    while os.path.exists(FILE):
        turn += 1
        title = f"{number} {turn} {time.time()}"
        for method, path, body, expected in [
            ("GET", "/", None, 200),
            ("GET", "/api/auth/session", None, 200),
            ("POST", "/api/notes", {"title": title, "body": "written during a release"}, 201),
            ("GET", "/notes", None, 200),
        ]:
            began = time.monotonic()
            try:
                status, text = visitor.ask(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                status, text = type(error).__name__, str(error).encode()
                visitor.connection.close()
            slowest[0] = max(slowest[0], time.monotonic() - began)
            answered[status] += 1
            if status != expected:
                failures.append(f"{method} {path}: {status} {text[:200]}")
            elif method == "POST":
                written.append(title)
        time.sleep(0.05)


if FILE == "check":
    visitor = Visitor()
    visitor.log_in()
    expected = set(sys.stdin.read().splitlines())
    missing = expected - visitor.all_titles()
    print(f"   {len(expected)} notes were to be there, {len(missing)} are missing", file=sys.stderr)
    sys.exit(1 if missing else 0)

visitors = [threading.Thread(target=visit, args=(number,)) for number in range(VISITORS)]
for thread in visitors:
    thread.start()
for thread in visitors:
    thread.join()
for failure in failures[:10]:
    print(f"   failed request: {failure}", file=sys.stderr)
total = sum(answered.values())
print(f"   {total} requests during it, {len(failures)} failed, the slowest took {slowest[0]:.2f} s", file=sys.stderr)
print("\n".join(written))
sys.exit(1 if failures or total < 20 else 0)
