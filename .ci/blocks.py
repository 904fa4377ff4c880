"""Runs the shell blocks of the pages against the service with its sandbox: blocks.py <executable>

A block that does not run here says why, after `sh` at its fence:

    sh in-ci: <words of .ci/run>    a step of CI runs it; the words must stand in .ci/run
    sh not-run: <reason>            nothing runs it

`daypass serve` in a block is started, waited for and stopped. The configuration file of a block is the page's own
`toml` block. The blocks of docs/connectors are generated: a test of the service makes their calls.

>>> page = '''
... ```sh
... ls
... ```
... ```sh not-run: takes an hour
... sleep 3600
... ```
... ```bash
... ls
... ```
... '''
>>> [(block.line, block.mark, block.text) for block in blocks(page)]
[(2, '', 'ls\\n'), (5, 'not-run: takes an hour', 'sleep 3600\\n')]
>>> list(faults(page, ""))
['line 8: a shell block is called sh']
>>> list(faults("```sh in-ci: make all\\n```\\n```sh later\\n```\\n", "make some"))
['line 1: .ci/run has no "make all"', 'line 3: unknown mark "later"']
"""

import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What a reader replaces.
EXAMPLES = {"sk_test_…": "sk_test_blocks", "<old>": "0" * 64, "<new>": "1" * 64}
# A guard against hanging, and no expectation.
HANGS = 60

Block = collections.namedtuple("Block", "line mark text")


def fences(page):
    for found in FENCE.finditer(page):
        yield found[1], Block(page.count("\n", 0, found.start()) + 1, found[2].strip(), found[3])


def blocks(page):
    return [block for language, block in fences(page) if language == "sh"]


def faults(page, ci):
    for language, block in fences(page):
        kind, _, words = block.mark.partition(": ")
        if language in ("bash", "shell", "console", "zsh"):
            yield f"line {block.line}: a shell block is called sh"
        elif language != "sh" or not block.mark:
            continue
        elif kind not in ("in-ci", "not-run") or not words:
            yield f'line {block.line}: unknown mark "{block.mark}"'
        elif kind == "in-ci" and words not in ci:
            yield f'line {block.line}: .ci/run has no "{words}"'


def configuration(page):
    """The first `toml` block of a page, with values for what the reader replaces."""
    return filled(next((block.text for language, block in fences(page) if language == "toml"), ""))


def filled(text):
    for name, example in EXAMPLES.items():
        text = text.replace(name, example)
    return text


class Server:
    """A `daypass serve`, and where it listens."""

    def __init__(self, command, folder, environment):
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"on (127\.0\.0\.1:\d+)", line):
                self.address = found[1]
                return
        raise SystemExit(f"{command} did not start:\n{''.join(said)}")

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        return self.process.wait(timeout=HANGS)


def run(block, folder, environment, address):
    """Runs the block; None, or what went wrong."""
    lines = filled(block.text).replace("localhost:8080", address).splitlines()
    servers = [Server(line, folder, environment) for line in lines if line.startswith("daypass serve")]
    # For the programs of examples/.
    environment = environment | {"TOKEN_SERVICE_ADDRESS": address, "TOKEN_SERVICE_URL": f"http://{address}"}
    script = "\n".join(["set -eu", *(line for line in lines if not line.startswith("daypass serve"))])
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=HANGS, check=False
        )
    finally:
        codes = [server.stop() for server in servers]
    if done.returncode or any(codes):
        return f"{done.stdout}{done.stderr}ended with {done.returncode}, its servers with {codes}"
    if '"status"' in done.stdout and '"SUCCESS"' not in done.stdout:
        return f"no success: {done.stdout}"
    return None


def main(executable):
    ci = (ROOT / ".ci/run").read_text()
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    pages = {name: (ROOT / name).read_text() for name in listed.split() if not name.startswith("docs/connectors/")}
    wrong = [f"{name}: {fault}" for name, page in pages.items() for fault in faults(page, ci)]
    ran = marked = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for entry in ROOT.iterdir():
            (folder / entry.name).symlink_to(entry)
        (folder / "bin").mkdir()
        (folder / "bin/daypass").symlink_to(pathlib.Path(executable).resolve())
        # An answer of an error is an error of curl.
        (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
        environment = os.environ | {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "CURL_HOME": str(folder),
            "STRIPE_API_KEY": "sk_test_blocks",
            "DAYPASS_LISTEN": "127.0.0.1:0",
            "DAYPASS_ADMIN_LISTEN": "127.0.0.1:0",
        }
        sandbox = Server("daypass serve --sandbox", folder, environment)
        try:
            for name, page in pages.items():
                (folder / "daypass.toml").write_text(configuration(page))
                for block in blocks(page):
                    if block.mark:
                        marked += 1
                        continue
                    ran += 1
                    if fault := run(block, folder, environment, sandbox.address):
                        wrong.append(f"{name}: line {block.line}: {fault}")
        finally:
            code = sandbox.stop()
    if code:
        wrong.append(f"the sandbox ended with {code}")
    print("\n".join(wrong) or f"{ran} shell blocks ran, {marked} are marked")
    return bool(wrong) or ran < 6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
