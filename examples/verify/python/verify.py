"""Verifies the access tokens of a Vestibule site. Needs Python 3.9 or newer and `pip install 'PyJWT[crypto]'`.

In a program: keep one Verifier for its whole life, as it holds the copy of the keys.

    verifier = Verifier("https://example.com")   # the site's VESTIBULE_PUBLIC_URL
    claims = verifier.verify(token)              # quick; sees no log-out until the token is over
    who = verifier.ask(token)                    # asks the site; a log-out holds at once

With a service key (`service-key add NAME --scope revocations:read`) it sees a log-out within ten seconds, and stays quick:

    verifier = Verifier("https://example.com", service_key=key)

By hand, with a token on each line: python verify.py https://example.com [token|session|cookies]
The service key is then taken from VESTIBULE_SERVICE_KEY, where that is set.
"""

import datetime
import http.client
import json
import os
import queue
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import jwt

# The site says of its keys: max-age=300, stale-if-error=300.
FRESH_SECONDS = 300
KEPT_SECONDS = 600
# Anybody can write a token that names a key nobody has. Between two looks for new keys passes this time.
PAUSE_SECONDS = 10
# Who brings such a token waits for the keys for so long at most, where there is a copy: strangers shall not keep the threads waiting.
UNKNOWN_KEY_SECONDS = 1
# For one answer of the site, and for who waits for it.
TIMEOUT_SECONDS = 3
MAX_ANSWER_BYTES = 512 * 1024
# With a service key a log-out is seen within so many seconds. After half of them the site is asked again, after all of them its answer
# is waited for, and where there is none, nobody is let in.
REVOKED_WITHIN_SECONDS = 10
# Between two questions of which the first failed passes this time.
REVOCATIONS_PAUSE_SECONDS = 1
# A token has about a third of this.
MAX_TOKEN_LENGTH = 2048
# Three parts of base64url without padding (RFC 7515). The library would also read plain base64.
TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# How far the site's clock may be ahead of this one. `exp` has no leeway, as at the site itself.
IAT_LEEWAY_SECONDS = 30


class Refused(Exception):
    """The token or the session is not good: answer 401."""


class Unavailable(Exception):
    """The site cannot be asked, so nobody can tell: answer 503, and let nobody in."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another place."""

    def redirect_request(self, *_):
        return None


class Verifier:
    def __init__(self, public_url, service_key=None):
        self._url = public_url.rstrip("/")
        self._service_key = service_key
        self._http = urllib.request.build_opener(_NoRedirect)
        self._lock = threading.Lock()
        self._keys = {}
        self._fetched_at = self._tried_at = float("-inf")
        # Set where nobody fetches.
        self._fetched = threading.Event()
        # Set where nobody asks.
        self._followed = threading.Event()
        self._followed.set()
        self._revoked = {}
        self._all_at = float("-inf")
        self._cursor = None
        self._followed_at = self._follow_tried_at = float("-inf")

    def verify(self, token):
        """The claims of a good token. Raises Refused or Unavailable."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH or not TOKEN.fullmatch(token):
            raise Refused("no token")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "EdDSA" or header.get("typ") != "at+jwt":
                raise Refused("not an access token of this kind")
            claims = jwt.decode(
                token,
                self._key(header.get("kid")),
                # Never the algorithm that the token names.
                algorithms=["EdDSA"],
                issuer=self._url,
                audience=self._url,
                options={"require": ["iss", "aud", "sub", "sid", "iat", "exp"], "strict_aud": True, "verify_iat": False},
            )
        # A header can be nested deeper than Python counts; older releases of the library let that through.
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Refused(str(error)) from error
        # The library would also take a text for a number.
        if not all(isinstance(claims[name], int) for name in ("iat", "exp")):
            raise Refused("its times are no numbers")
        if claims["iat"] > time.time() + IAT_LEEWAY_SECONDS:
            raise Refused("issued in the future")
        if self._service_key and self._is_revoked(claims):
            raise Refused("the session has ended, or its user has changed")
        return claims

    def ask(self, token):
        """The user and the session of a token, told by the site. Raises Refused or Unavailable."""
        return self._ask("Authorization", f"Bearer {token}")

    def ask_with_cookies(self, cookies):
        """The same for the `Cookie` header of a browser, for programs behind the site's own host name."""
        return self._ask("Cookie", cookies)

    def _is_revoked(self, claims):
        """Whether the session of a token ended, or its user changed, after the token was issued."""
        age = time.monotonic() - self._followed_at
        if age >= REVOKED_WITHIN_SECONDS / 2:
            followed = self._follow_unless_just_tried()
            # Who knows enough waits for no answer, and nobody waits for many pages of it.
            if age >= REVOKED_WITHIN_SECONDS:
                followed.wait(TIMEOUT_SECONDS)
        if time.monotonic() - self._followed_at >= REVOKED_WITHIN_SECONDS:
            raise Unavailable("the site does not tell which sessions ended")
        return claims["iat"] <= max(self._all_at, self._revoked.get(claims["sid"], float("-inf")))

    def _follow_unless_just_tried(self):
        """Says when it is done. One at a time: the next goes on where this one ends."""
        with self._lock:
            now = time.monotonic()
            if self._followed.is_set() and now - self._follow_tried_at >= REVOCATIONS_PAUSE_SECONDS:
                followed = threading.Event()
                threading.Thread(target=self._follow, args=(now, followed), daemon=True).start()
                self._followed = followed
            return self._followed

    def _follow(self, now, followed):
        """`now` is the moment of the first page: what comes to light between two pages may be told the next time only."""
        headers = {"Authorization": f"Bearer {self._service_key}"}
        revoked, all_at, cursor, more = dict(self._revoked), self._all_at, self._cursor, True
        try:
            while more:
                query = "" if cursor is None else "?since=" + urllib.parse.quote(cursor)
                told = self._get("/api/auth/revocations" + query, headers)
                if told["all_at"] is not None:
                    all_at = max(all_at, _seconds(told["all_at"]))
                for one in told["revocations"]:
                    revoked[one["sid"]] = max(_seconds(one["at"]), revoked.get(one["sid"], float("-inf")))
                cursor, more, over = told["next"], told["more"], time.time() - told["keep_for"]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            pass  # What is known is good for a while longer, and what was begun is asked again.
        else:
            self._revoked = {sid: at for sid, at in revoked.items() if at >= over}
            self._all_at, self._cursor, self._followed_at = all_at, cursor, now
        finally:
            self._follow_tried_at = time.monotonic()
            followed.set()

    def _key(self, kid):
        """A key of the site, by its name."""
        found, age = self._keys.get(kid), time.monotonic() - self._fetched_at
        if found and age < FRESH_SECONDS:
            return found
        fetched = self._fetch_unless_just_tried()
        # Who has a key that may still be used waits for no answer.
        if age >= KEPT_SECONDS:
            fetched.wait(TIMEOUT_SECONDS)
        elif not found:
            fetched.wait(self._tried_at + UNKNOWN_KEY_SECONDS - time.monotonic())
        is_fetched = fetched.is_set()
        if time.monotonic() - self._fetched_at >= KEPT_SECONDS:
            raise Unavailable("the site's keys cannot be fetched")
        found = self._keys.get(kid)
        if not found and not is_fetched:
            raise Unavailable("the site takes long to tell its keys, and this may be a new one")
        if not found:
            raise Refused("signed with a key that the site does not have")
        return found

    def _fetch_unless_just_tried(self):
        """Says when it is done, within TIMEOUT_SECONDS."""
        with self._lock:
            now = time.monotonic()
            if now - self._tried_at >= PAUSE_SECONDS:
                self._tried_at = now
                self._fetched = threading.Event()
                threading.Thread(target=self._fetch, args=(now, self._fetched), daemon=True).start()
            return self._fetched

    def _fetch(self, now, fetched):
        try:
            listed = self._get("/.well-known/jwks.json")["keys"]
            keys = {jwk["kid"]: jwt.PyJWK(jwk, "EdDSA") for jwk in listed if jwk.get("crv") == "Ed25519"}
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, jwt.PyJWTError):
            pass  # The copy is good for a while longer.
        else:
            self._keys, self._fetched_at = keys, now
        finally:
            fetched.set()

    def _ask(self, name, value):
        if not value.isascii() or not value.isprintable():
            raise Refused("not the text of a header")
        try:
            return self._get("/api/auth/session", {name: value})
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise Refused("the site refuses this session") from error
            raise Unavailable(f"the site answers {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(str(error)) from error

    def _get(self, path, headers=None):
        """An answer within TIMEOUT_SECONDS. The library's own limit is one for each piece of it, however many there are."""
        answers = queue.SimpleQueue()
        request = urllib.request.Request(self._url + path, headers=headers or {})
        threading.Thread(target=self._get_into, args=(answers, request), daemon=True).start()
        try:
            answer, error = answers.get(timeout=TIMEOUT_SECONDS)
        except queue.Empty:
            raise TimeoutError("the site takes too long") from None
        if error:
            raise error
        return answer

    def _get_into(self, answers, request):
        try:
            with self._http.open(request, timeout=TIMEOUT_SECONDS) as answer:
                answers.put((json.loads(answer.read(MAX_ANSWER_BYTES)), None))
        except Exception as error:  # The one who waits tells it.
            answers.put((None, error))


def _seconds(moment):
    return datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["token"], ["session"], ["cookies"]):
        sys.exit("usage: verify.py PUBLIC_URL [token|session|cookies], with one on each line of the standard input")
    verifier = Verifier(sys.argv[1], service_key=os.environ.get("VESTIBULE_SERVICE_KEY"))
    checks = {"token": verifier.verify, "session": verifier.ask, "cookies": verifier.ask_with_cookies}
    check = checks[(sys.argv[2:] or ["token"])[0]]
    good = bad = 0
    for line in sys.stdin:
        try:
            print(json.dumps(check(line.strip())), flush=True)
            good += 1
        except (Refused, Unavailable) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            bad += 1
    sys.exit(0 if good and not bad else 1)


if __name__ == "__main__":
    main()
