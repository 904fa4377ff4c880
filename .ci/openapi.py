"""The description of the JSON path: valid, and true of the running service.

Used by .ci/run, with the executable as its only argument. openapi-spec-validator validates /openapi.json; schemathesis
makes calls from it to `daypass serve --sandbox`, and holds each answer against it. The log then has no defect."""

import collections
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"
# Outcomes that no request may cause.
DEFECTS = {"INTERNAL", "BAD_REPLY"}


def main(executable):
    server = subprocess.Popen(
        [executable, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"on (127\.0\.0\.1:\d+)", server.stderr.readline()).group(1)
        log = []
        reader = threading.Thread(target=lambda: log.extend(iter(server.stderr.readline, "")), daemon=True)
        reader.start()
        with urllib.request.urlopen(f"http://{address}/openapi.json", timeout=10) as answer:
            OpenAPIV31SpecValidator(json.load(answer)).validate()
        began = time.monotonic()
        done = subprocess.run(
            [sys.prefix + "/bin/schemathesis", "run",
             f"http://{address}/openapi.json", "--url", f"http://{address}", "--checks", CHECKS, "--max-examples", "100",
             "--seed", "1", "--suppress-health-check", "all", "--no-color", "--phases", "examples,coverage,fuzzing"],
            capture_output=True, text=True, timeout=300, cwd=tempfile.mkdtemp(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0, "the server did not stop cleanly"
    reader.join(timeout=30)
    entries = [json.loads(line) for line in log]
    outcomes = collections.Counter(entry["outcome"] for entry in entries if "outcome" in entry)
    assert outcomes["SUCCESS"] and not DEFECTS & outcomes.keys(), outcomes
    print(f"openapi: valid; {sum(outcomes.values())} calls in {time.monotonic() - began:.0f} s, each answer as described:",
          ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))


main(sys.argv[1])
