#!/usr/bin/env python3
"""Receives Warren's callbacks and verifies their signatures. Needs Python 3.8, nothing else.

    WARREN_WEBHOOK_SECRET=whsec_… webhook_receiver.py [PORT]

The secret is the one that Warren has; several are separated by spaces, for the time of a change. The
receiver prints one line for each callback and listens on 127.0.0.1 alone: Warren reaches it if its
WARREN_CALLBACK_ALLOW has 127.0.0.0/8. In production, put it behind a server that speaks TLS.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Warren leaves the result out of a body that would be over 1 MiB.
MAX_BODY = 2 << 20
# Seconds that a signature is good for, either way: an old request that somebody recorded is refused.
TOLERANCE = 5 * 60
# Ids to remember, since a callback may come more than once.
MAX_SEEN = 10_000


def keys(text):
    """Decodes secrets: `whsec_` and base64, separated by spaces."""
    found = []
    for secret in text.split():
        if not secret.startswith("whsec_"):
            raise ValueError("a secret begins with whsec_")
        found.append(base64.b64decode(secret[len("whsec_") :], validate=True))
    if not found:
        raise ValueError("there is no secret")
    return found


def is_signed(secrets, headers, body, now):
    """Verifies a request as Standard Webhooks has it: any secret's signature will do."""
    identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identity or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(now - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{identity}.{timestamp}.".encode() + body
    good = [hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets]
    for word in headers.get("webhook-signature", "").split():
        version, _, signature = word.partition(",")
        try:
            offered = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            continue
        # compare_digest takes as long for a wrong signature as for a right one.
        if version == "v1" and any(hmac.compare_digest(offered, each) for each in good):
            return True
    return False


class Seen:
    """Ids of callbacks that were processed, the oldest forgotten first."""

    def __init__(self):
        self._ids = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, identity):
        with self._lock:
            if identity in self._ids:
                return False
            self._ids[identity] = True
            if len(self._ids) > MAX_SEEN:
                self._ids.popitem(last=False)
            return True


class Receiver(BaseHTTPRequestHandler):
    timeout = 10
    secrets = ()
    seen = Seen()

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        # The bytes are verified as they came. Only then are they parsed.
        if not is_signed(self.secrets, self.headers, body, time.time()):
            return self.answer(401)
        execution = json.loads(body)["data"]
        line = f"{execution['jobId']} {execution['status']}"
        if self.seen.is_new(self.headers["webhook-id"]):
            print(line, flush=True)
        # Any 2xx ends the retries; a receiver that fails answers 500 and gets it again.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        """Logs nothing of each request."""


def main(arguments):
    try:
        Receiver.secrets = keys(os.environ.get("WARREN_WEBHOOK_SECRET", ""))
        port = int(arguments[0]) if arguments else 8080
    except ValueError as error:
        sys.exit(f"cannot start: {error}\n\n{__doc__}")
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
