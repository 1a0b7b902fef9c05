"""A store that speaks S3, as much of it as backups need.

    store.py PORT KEY_ID FOLDER

An object is a file in FOLDER, below its bucket. Only requests that are signed for KEY_ID are answered; whether the signature is right
is held by tests of the program.
"""

import http.server
import pathlib
import sys
import urllib.parse
from xml.sax.saxutils import escape

PORT, KEY_ID, FOLDER = int(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])


class Store(http.server.BaseHTTPRequestHandler):
    def asked(self):
        """The file and the query; none of both where the request is not signed or leads elsewhere."""
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        is_signed = query.get("X-Amz-Credential", "").startswith(f"{KEY_ID}/") and "X-Amz-Signature" in query
        path = urllib.parse.unquote(address.path)
        if not is_signed or ".." in path:
            self.answer(403, "<Error><Code>AccessDenied</Code></Error>")
            return None, None
        return FOLDER / path.strip("/"), query

    def answer(self, status, body=b""):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        file, _ = self.asked()
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200)

    def do_GET(self):
        file, query = self.asked()
        if file and "list-type" in query:
            keys = sorted(str(one.relative_to(file)) for one in file.rglob("*") if one.is_file())
            found = [f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys if key.startswith(query.get("prefix", ""))]
            self.answer(200, f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(found)}</ListBucketResult>')
        elif file and file.is_file():
            self.answer(200, file.read_bytes())
        elif file:
            self.answer(404, "<Error><Code>NoSuchKey</Code></Error>")

    def do_DELETE(self):
        file, _ = self.asked()
        if file:
            file.unlink(missing_ok=True)
            self.answer(204)


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Store).serve_forever()
