"""Runs every client of this folder: python3 examples/clients/run.py target/release/daypass [--all]

First against the sandbox: each client gets a token, and reads which field of a faulty request is at fault. Then against a
connector that answers 503: each client makes four calls. A language that is not installed is left out, and named; with
--all it is an error. Build folders and stubs go to --work (default: a temporary folder).
"""

import argparse
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PORTABLE = HERE.parent / "proto"
FILES = [f"ucs/v2/{name}.proto" for name in ("codes", "connector", "merchant_authentication", "payment_context", "session_data")]
ATTEMPTS = 4


def sh(*command, cwd=ROOT, **environment):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=dict(os.environ, **environment), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def python(work):
    folder, stubs = work / "python", work / "python-stubs"
    venv.create(folder, with_pip=True)
    sh(folder / "bin/pip", "install", "--quiet", "-r", HERE / "python/requirements.txt")
    stubs.mkdir()
    sh(folder / "bin/python", "-m", "grpc_tools.protoc", f"-I{ROOT}/proto", f"--python_out={stubs}", f"--grpc_python_out={stubs}", *FILES)
    run = [folder / "bin/python"]
    environment = {"PYTHONPATH": str(stubs)}
    return {name: ([*run, HERE / "python" / f"{name}.py"], environment) for name in ("grpc_client", "connect_client")}


def node(work):
    # Modules are looked for beside the program.
    folder = work / "node"
    shutil.copytree(HERE / "node", folder / "clients/node", ignore=shutil.ignore_patterns("node_modules", "gen"))
    shutil.copy(HERE / "service_config.json", folder / "clients")
    shutil.copytree(PORTABLE, folder / "proto")
    programs = folder / "clients/node"
    sh("npm", "install", "--silent", "--no-fund", "--no-audit", cwd=programs)
    sh("npx", "buf", "generate", "--template", "buf.gen.yaml", ROOT / "proto", cwd=programs)
    return {name: (["node", programs / f"{name}.js"], {}) for name in ("grpc_client", "connect_client")}


def go(work):
    path = work / "go"
    (path / "bin").mkdir(parents=True)
    (path / "src").mkdir()
    environment = {"GO111MODULE": "off", "GOPATH": f"{path}:/usr/share/gocode", "GOCACHE": str(path / "cache")}
    plugin, client = path / "bin/protoc-gen-go", path / "bin/client"
    sh("go", "build", "-o", plugin, "google.golang.org/protobuf/cmd/protoc-gen-go", **environment)
    sh("protoc", f"-I{PORTABLE}", f"--plugin={plugin}", f"--go_out={path / 'src'}", *FILES)
    sh("go", "build", "-o", client, HERE / "go/client.go", **environment)
    return {"client": ([client], {"GRPC_GO_RETRY": "on"})}


def ruby(work):
    stubs = work / "ruby"
    stubs.mkdir()
    sh("grpc_tools_ruby_protoc", f"-I{PORTABLE}", f"--ruby_out={stubs}", f"--grpc_out={stubs}", *FILES)
    return {"client": (["ruby", "-I", stubs, HERE / "ruby/client.rb"], {})}


def cpp(work):
    sh("make", "--silent", f"BUILD={work / 'cpp'}", cwd=HERE / "cpp")
    return {"client": ([work / "cpp/client"], {})}


def php(_):
    return {"client": (["php", HERE / "php/client.php"], {})}


def curl(_):
    return {"mint": (["bash", HERE / "curl/mint.sh"], {})}


def rust(_):
    sh("cargo", "build", "--quiet", "--locked", "-p", "daypass-server", "--example", "client")
    return {"client": ([ROOT / "target/debug/examples/client"], {})}


# Each language: the commands that it needs, and how its clients are built.
LANGUAGES = {
    "curl": (["curl", "python3"], curl),
    "python": (["python3"], python),
    "node": (["node", "npm"], node),
    "php": (["php"], php),
    "ruby": (["ruby", "grpc_tools_ruby_protoc"], ruby),
    "go": (["go", "protoc"], go),
    "cpp": (["make", "g++", "pkg-config", "protoc", "grpc_cpp_plugin"], cpp),
    "rust": (["cargo"], rust),
}


class Down(http.server.BaseHTTPRequestHandler):
    """A connector that is out of order."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    """A running `daypass serve`, and the lines of its log."""

    def __init__(self, executable, *arguments, **environment):
        self.process = subprocess.Popen(
            [executable, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *arguments],
            env=dict(os.environ, **environment), stderr=subprocess.PIPE, text=True,
        )
        self.address = re.search(r"on (127\.0\.0\.1:\d+)", self.process.stderr.readline()).group(1)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(iter(self.process.stderr.readline, "")), daemon=True).start()

    def calls(self, expected):
        """The number of UNAVAILABLE calls in the log, once it has as many as expected, or after five seconds."""
        count = lambda: sum('"outcome":"UNAVAILABLE"' in line for line in list(self.lines))
        until = time.monotonic() + 5
        while count() < expected and time.monotonic() < until:
            time.sleep(0.02)
        return count()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, "the server did not stop cleanly"


def run(command, environment, address):
    environment = dict(environment, TOKEN_SERVICE_ADDRESS=address, STRIPE_API_KEY="sk_test_example",
                       SERVICE_CONFIG=str(HERE / "service_config.json"))
    done = subprocess.run([str(part) for part in command], env=dict(os.environ, **environment),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.splitlines()


def check(name, command, environment, sandboxed, down):
    token, error = run(command, environment, sandboxed.address)
    assert re.fullmatch(r"token: CLIENT, checkout_session_setup, 3[0-9]{3} s, 1[0-9]{2} characters", token), (name, token)
    assert "INVALID_REQUEST" in error and "connector_feature_data.custommer" in error, (name, error)
    before = len([line for line in down.lines if '"outcome":"UNAVAILABLE"' in line])
    unavailable, _ = run(command, environment, down.address)
    attempts = down.calls(before + ATTEMPTS) - before
    assert unavailable.startswith("error: ") and attempts == ATTEMPTS, (name, unavailable, attempts)
    print(f"{name}: a token, a fault by its field, {attempts} attempts at an outage")


def check_shop(address):
    """The shop's page gets one day pass for its order, and nothing of the key."""
    environment = dict(os.environ, TOKEN_SERVICE_ADDRESS=address, STRIPE_API_KEY="sk_test_shop_canary", SHOP_PORT="0")
    shop = subprocess.Popen([sys.executable, HERE.parent / "shop/shop.py"], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        home = re.search(r"http://\S+", shop.stdout.readline()).group()
        get = lambda path, data=None: urllib.request.urlopen(home + path, data, timeout=30).read().decode()
        page, first, second = get("/"), get("/day-pass", b""), get("/day-pass", b"")
        tokens = [json.loads(answer)["access_token"] for answer in (first, second)]
        assert tokens[0] == tokens[1] and tokens[0].startswith("cs_test_"), tokens
        assert "canary" not in page + first + second and "server_parameters" not in first
        print("shop: one day pass for one order, and the key in none of its answers")
    finally:
        shop.terminate()
        shop.wait(timeout=30)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("executable")
    parser.add_argument("--all", action="store_true", help="a language that is not installed is an error")
    parser.add_argument("--only", help="languages, separated by commas")
    options = parser.parse_args()
    connector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Down)
    threading.Thread(target=connector.serve_forever, daemon=True).start()
    executable = str(pathlib.Path(options.executable).resolve())
    sandboxed = Server(executable, "--sandbox")
    down = Server(executable, DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL=f"http://127.0.0.1:{connector.server_port}")
    work = pathlib.Path(tempfile.mkdtemp(prefix="daypass-clients-"))
    try:
        for language, (needs, build) in LANGUAGES.items():
            if options.only and language not in options.only.split(","):
                continue
            missing = [command for command in needs if not shutil.which(command)]
            if missing:
                assert not options.all, f"{language} needs {', '.join(missing)}"
                print(f"{language}: not run, {', '.join(missing)} is not installed")
                continue
            for program, (command, environment) in build(work).items():
                check(f"{language}/{program}", command, environment, sandboxed, down)
        # The shortest program: a token with Python's own library.
        environment = {"TOKEN_SERVICE_URL": f"http://{sandboxed.address}"}
        (line,) = run(["python3", HERE / "python/mint.py"], environment, sandboxed.address)
        assert line.startswith("SUCCESS CLIENT cs_test_"), line
        print("python/mint: a token")
        check_shop(sandboxed.address)
    finally:
        sandboxed.stop()
        down.stop()
        connector.shutdown()
        shutil.rmtree(work, ignore_errors=True)


main()
