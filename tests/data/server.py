"""A web server on 127.0.0.1 that serves a few files, and can be told to misbehave."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Server:
    """Serves `contents`; `plan[path]` is what the next requests for a path get, one word each, then the file itself.

    "truncate" closes in the middle of a file whose length was announced, "short" announces and sends half, "long" sends
    more, "lie" sends other bytes of the right number, "close" hangs up at once, "delay" is silent for a second, "slow"
    sends eight bytes at a time; a number is that status.
    """

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.plan: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.resting = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/raw/"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.resting.set()
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path).removeprefix("/raw/")
        self.asked[path] += 1
        body = self.contents.get(path)
        words = self.plan.get(path) or self.plan.get("*") or []
        word = words.pop(0) if words else "404" if body is None else "good"
        body = body or b""
        if word == "close":
            return
        if word == "delay":
            self.resting.wait(1.0)
        status = int(word) if word.isdigit() else 200
        sent = {
            "truncate": body[: len(body) // 2],
            "short": body[: len(body) // 2],
            "long": body + b"more",
            "lie": bytes(255 - b for b in body),
        }.get(word, body if status == 200 else b"an error page")
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if word == "truncate" else len(sent)))
        request.end_headers()
        try:
            if word != "slow":
                request.wfile.write(sent)
            for place in range(0, len(sent) if word == "slow" else 0, 8):
                request.wfile.write(sent[place : place + 8])
                request.wfile.flush()
                time.sleep(0.002)
        except (BrokenPipeError, ConnectionResetError):
            pass
