#!/usr/bin/env python3
"""Runs a program on Warren, waits for its verdict, and prints it. Needs Python 3.8, nothing else.

    submit.py PROGRAM [INPUT EXPECTED]...

Each pair of INPUT and EXPECTED is a test case. The exit status is 0 if the program succeeded and passed
them all, 1 if it did not, 2 if Warren could not run it. WARREN_SERVER names the server (default:
http://127.0.0.1:5000), WARREN_KEY is an API key.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

SERVER = os.environ.get("WARREN_SERVER", "http://127.0.0.1:5000")
LANGUAGES = {".py": "python", ".js": "javascript"}
ATTEMPTS = 5


def ask(method, path, body=None, headers=None):
    """Sends one request. Returns status, headers and the decoded body; an error status is no exception."""
    request = urllib.request.Request(SERVER + path, method=method, headers=dict(headers or {}))
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if "WARREN_KEY" in os.environ:
        request.add_header("X-API-Key", os.environ["WARREN_KEY"])
    try:
        with urllib.request.urlopen(request, timeout=70) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


def run(submission):
    """Submits, and retries while Warren asks for that. Returns the result."""
    # With a key, a request that is sent again never runs the program twice.
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for attempt in range(1, ATTEMPTS + 1):
        status, answered, body = ask("POST", "/api/rooms/examples/execute", submission, headers)
        if status == 200:
            return body
        error = body["error"]
        if status == 504 and "resultUrl" in (error.get("details") or {}):
            # The job goes on; its result will be there.
            return later(error["details"]["resultUrl"])
        if status not in (429, 503) or attempt == ATTEMPTS:
            raise SystemExit(f"{status} {error['code']}: {error['message']}")
        time.sleep(int(answered.get("Retry-After", 1)))


def later(url):
    """Waits for the end of a job that took longer than its caller waited."""
    for _ in range(ATTEMPTS):
        status, _, body = ask("GET", f"{url}?wait=30")
        if status == 200 and body["state"] == "finished":
            if body.get("result"):
                return body["result"]
            raise SystemExit(f"the job ended without a result: {body['status']}")
    raise SystemExit(f"no result at {url}")


def main(arguments):
    if not arguments or len(arguments) % 2 == 0:
        raise SystemExit(__doc__)
    program, cases = arguments[0], arguments[1:]
    with open(program, encoding="utf-8") as file:
        code = file.read()
    submission = {"language": LANGUAGES[os.path.splitext(program)[1]], "code": code}
    if cases:
        pairs = zip(cases[::2], cases[1::2])
        submission["testCases"] = [{"input": i, "expectedOutput": e} for i, e in pairs]
    result = run(submission)
    sys.stdout.write(result["stdout"])
    sys.stderr.write(result["stderr"])
    for number, case in enumerate(result.get("testResults") or [], 1):
        print(f"case {number}: {case['status']}", file=sys.stderr)
    print(f"{result['status']} in {result['durationMs']:.0f} ms", file=sys.stderr)
    return 0 if result["success"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            sys.exit(2)
        raise
    except (OSError, KeyError, ValueError) as error:
        print(f"cannot run the program: {error!r}", file=sys.stderr)
        sys.exit(2)
