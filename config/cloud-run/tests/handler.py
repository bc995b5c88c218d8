"""A service that events are posted to. It fails while the file BROKEN is there, and notes in HANDLED the key of each event
that it handled. It prints its port.

    handler.py BROKEN HANDLED
"""

import http.server
import pathlib
import sys

BROKEN, HANDLED = (pathlib.Path(one) for one in sys.argv[1:])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        broken = BROKEN.exists()
        if not broken:
            with HANDLED.open("a") as handled:
                print(self.headers["ce-tenantid"], self.headers["ce-idempotencykey"], file=handled)
        self.send_response(500 if broken else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
