"""Stands for a tenant's service: takes CloudEvents, and counts how often each had its effect.

usage: effects.py ADDRESS PORT        POST / takes an event; GET / answers {"event id": times}
"""

import collections
import http.server
import json
import sys
import threading
import time

# Long enough that a worker that is stopped has something in hand.
WORK_SECONDS = 0.05

effects = collections.Counter()
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(WORK_SECONDS)
        with lock:
            effects[self.headers["ce-id"]] += 1
        self.answer(b"")

    def do_GET(self):
        with lock:
            body = json.dumps(effects).encode()
        self.answer(body)

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
