#!/usr/bin/env python3
"""Three servers, Redis with a replica, and a fake vendor on one machine; what a fault of each costs.

    examples/cluster/run.py [--short] [EXECUTABLE]

Needs Python 3.9 and redis-server. EXECUTABLE is target/release/daypass unless given. The script ends by
itself and stops what it started. Its exit code is 0 only if every row of the table is as README.md says.
"""

import argparse
import base64
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
# A guard against a hang, no expectation.
SECONDS = 60
CALLS_AT_A_TIME = 24

Row = collections.namedtuple("Row", "what calls failed references vendor split lost")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, holds):
    """Asks until it holds. Processes tell of these events in no other way."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {SECONDS} s")
        time.sleep(0.02)


class StableAddress:
    """A TCP forwarder in front of Redis, as a load balancer or a virtual address is one."""

    def __init__(self, target):
        self.target = target
        self.connections = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def switch(self, target):
        """New connections go to the target; the old ones are closed."""
        with self.lock:
            self.target = target
            old, self.connections = self.connections, []
        for connection in old:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self.lock:
            self.connections += [near, far]
        try:
            while True:
                readable, _, _ = select.select([near, far], [], [])
                for one in readable:
                    data = one.recv(65536)
                    if not data:
                        return
                    (far if one is near else near).sendall(data)
        except OSError:
            pass
        finally:
            near.close()
            far.close()


class Redis:
    """One Redis process."""

    def __init__(self, cluster, primary=None):
        self.port = free_port()
        follow = ["--replicaof", "127.0.0.1", str(primary.port)] if primary else []
        self.process = cluster.start(
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--repl-diskless-sync-delay", "0", "--dir", cluster.folder, *follow)
        wait_until("redis", self.answers)

    def ask(self, command):
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(command.encode() + b"\r\nQUIT\r\n")
            answer = b""
            while data := connection.recv(65536):
                answer += data
            return answer.decode()

    def answers(self):
        try:
            return "PONG" in self.ask("PING")
        except OSError:
            return False

    def replication(self):
        lines = (line.split(":", 1) for line in self.ask("INFO replication").splitlines() if ":" in line)
        return {key: value for key, value in lines}


class Node:
    """One server."""

    def __init__(self, cluster, name):
        self.name, self.cluster = name, cluster
        self.port, self.admin = free_port(), free_port()
        self.start()

    def start(self):
        with open(os.path.join(self.cluster.folder, f"{self.name}.log"), "ab") as log:
            self.process = self.cluster.start(
                self.cluster.executable, "serve", "--listen", f"127.0.0.1:{self.port}",
                "--admin-listen", f"127.0.0.1:{self.admin}", stderr=log, env={
                    "PATH": os.environ["PATH"],
                    # A killed server leaves its throw-away certificate there.
                    "TMPDIR": self.cluster.folder,
                    "DAYPASS_STORE__URL": f"redis://127.0.0.1:{self.cluster.address.port}",
                    "DAYPASS_STORE__KEY": self.cluster.key,
                    # The default of 15 ms is for servers with processors of their own. A busy machine must not make
                    # Redis look slow.
                    "DAYPASS_STORE__OPERATION_TIMEOUT_MS": "2000",
                    "DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL": self.cluster.stripe,
                    "DAYPASS_POLICY__CLIENT_TOKEN_MAX_SECONDS": "86400",
                })
        wait_until(self.name, self.ready)

    def ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=SECONDS)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def token(self, reference):
        """A token for the reference, or None where the call fails."""
        body = {"merchant_access_token_id": reference, "connector": "STRIPE", "test_mode": True}
        headers = {"content-type": "application/json", "x-connector": "stripe",
                   "x-connector-auth": json.dumps({"Stripe": {"api_key": "sk_test_cluster"}})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("POST", "/ucs.v2.MerchantAuthenticationService/CreateAccessToken", json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
            return answer.get("access_token") if answer.get("status") == "SUCCESS" else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


class Cluster:
    """Everything that runs, and the load."""

    def __init__(self, executable, folder):
        self.executable, self.folder = executable, folder
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.processes = []
        self.rows = []
        self.waiting = 0

    def start(self, *command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=None):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=env)
        self.processes.append(process)
        return process

    def stop(self):
        """Stops what was started, by process."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def up(self):
        self.sandbox = self.start(self.executable, "sandbox", "--port", "0", stdout=subprocess.PIPE)
        for line in self.sandbox.stdout:
            words = line.decode().split()
            if words[:1] == ["stripe"]:
                self.stripe = words[1]
                break
        # The rest of the sandbox's text is read away, so that it is never stopped by a full pipe.
        threading.Thread(target=self.sandbox.stdout.read, daemon=True).start()
        self.primary = Redis(self)
        self.replica = Redis(self, self.primary)
        wait_until("the replica", lambda: self.replica.replication().get("master_link_status") == "up")
        self.address = StableAddress(self.primary.port)
        self.nodes = [Node(self, f"node-{nth}") for nth in (1, 2, 3)]

    def vendor_calls(self):
        host = self.stripe.split("/")[2]
        connection = http.client.HTTPConnection(host, timeout=SECONDS)
        connection.request("GET", "/_sandbox/seen?connector=stripe")
        return json.loads(connection.getresponse().read())["answered"].get("stripe", 0)

    def load(self, references, nodes=None, at_half=None):
        """Each reference on each node, all at once. The tokens by reference, and the failures by node."""
        nodes = nodes or self.nodes
        tokens, failed = collections.defaultdict(set), collections.Counter()
        done, half = 0, len(references) * len(nodes) // 2
        with concurrent.futures.ThreadPoolExecutor(CALLS_AT_A_TIME) as pool:
            calls = {pool.submit(node.token, reference): (reference, node) for reference in references for node in nodes}
            for call in concurrent.futures.as_completed(calls):
                reference, node = calls[call]
                if token := call.result():
                    tokens[reference].add(token)
                else:
                    failed[node.name] += 1
                done += 1
                if done == half and at_half:
                    at_half()
        return tokens, failed

    def row(self, what, references, lost, at_half=None):
        """A phase: its load, as a row of the table."""
        before = self.vendor_calls()
        tokens, failed = self.load(references, at_half=at_half)
        split = sum(len(of_one) > 1 for of_one in tokens.values())
        row = Row(what, len(references) * len(self.nodes), failed, len(references), self.vendor_calls() - before, split, lost)
        self.rows.append(row)
        return row, tokens

    def wait_for_sharing(self):
        """Asks for new references on all nodes until several in a row are shared again. The seconds that it took."""
        begin = time.monotonic()
        in_a_row = 0

        def shared():
            nonlocal in_a_row
            self.waiting += 1
            tokens, failed = self.load([f"waiting-{self.waiting}"])
            whole = not failed and all(len(of_one) == 1 for of_one in tokens.values())
            in_a_row = in_a_row + 1 if whole else 0
            return in_a_row == 3

        wait_until("sharing", shared)
        return time.monotonic() - begin


def expect(condition, what):
    if not condition:
        raise SystemExit(f"not as documented: {what}")


def names(phase, count):
    return [f"{phase}-{nth}" for nth in range(count)]


def faults_of_redis(cluster, count, first):
    """Pause, failover and the loss of all data."""
    cluster.primary.process.send_signal(signal.SIGSTOP)
    row, _ = cluster.row("Redis is paused", names("paused", count), "sharing of new tokens: up to one vendor call for each node")
    expect(not row.failed, f"calls failed while Redis was paused: {row}")
    expect(row.vendor <= 3 * count, f"more vendor calls than nodes and references: {row}")
    cluster.primary.process.send_signal(signal.SIGCONT)
    took = cluster.wait_for_sharing()
    row, _ = cluster.row("Redis goes on", names("resumed", count), f"nothing; shared again after {took:.1f} s")
    expect(not row.failed and row.vendor == count and row.split == 0, f"not shared after the pause: {row}")

    wait_until("the replica to have all", lambda: cluster.primary.replication()["master_repl_offset"]
               == cluster.replica.replication()["slave_repl_offset"])
    cluster.primary.process.kill()
    cluster.primary.process.wait()
    row, _ = cluster.row("Redis is killed, no replacement yet", names("killed", count), "sharing of new tokens")
    expect(not row.failed, f"calls failed while Redis was gone: {row}")
    cluster.replica.ask("REPLICAOF NO ONE")
    cluster.address.switch(cluster.replica.port)
    took = cluster.wait_for_sharing()
    row, again = cluster.row("failover to the replica, earlier references", list(first),
                             f"nothing; shared again after {took:.1f} s")
    expect(not row.failed and row.vendor == 0 and again == first, f"tokens were lost by the failover: {row}")

    cluster.replica.process.kill()
    cluster.replica.process.wait()
    cluster.replica = Redis(cluster)
    cluster.address.switch(cluster.replica.port)
    took = cluster.wait_for_sharing()
    row, _ = cluster.row("Redis comes back empty, earlier references", list(first),
                         f"the earlier tokens, and one call for a reference; shared again after {took:.1f} s")
    expect(sum(row.failed.values()) <= count and row.vendor <= 2 * count and row.split == 0,
           f"more was lost with Redis' data than documented: {row}")
    row, _ = cluster.row("the same references once more", list(first), "nothing")
    expect(not row.failed and row.vendor == 0 and row.split == 0, f"not shared after the loss: {row}")


def fault_of_a_node(cluster, count, first):
    """kill -9 of one node in the middle of the load, and its return."""
    victim = cluster.nodes[2]
    row, _ = cluster.row("a node is killed in the middle", names("node", count), "the calls to that node",
                         at_half=victim.process.kill)
    expect(set(row.failed) <= {victim.name}, f"calls failed on nodes that were not killed: {row}")
    # A call that the killed node had begun may have reached the vendor; another node repeats it.
    expect(row.vendor <= count + CALLS_AT_A_TIME and row.split == 0, f"not shared among the others: {row}")
    victim.process.wait()
    victim.start()
    cluster.wait_for_sharing()
    row, again = cluster.row("the node is back, earlier references", list(first), "nothing: Redis has the tokens")
    expect(not row.failed and row.vendor == 0 and again == first, f"the node does not know the tokens: {row}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--short", action="store_true", help="fewer references")
    arguments.add_argument("executable", nargs="?", default=str(HERE.parent.parent / "target/release/daypass"))
    given = arguments.parse_args()
    executable = shutil.which(given.executable)
    if not executable or not shutil.which("redis-server"):
        sys.exit("needs redis-server (Debian: redis-server), and `cargo build --release` or the path of daypass")
    count = 30 if given.short else 300
    folder = tempfile.mkdtemp(prefix="daypass-cluster-")
    cluster = Cluster(executable, folder)
    try:
        cluster.up()
        row, first = cluster.row("all is well", names("first", count), "nothing")
        expect(not row.failed and row.vendor == count and row.split == 0, f"not one vendor call for one reference: {row}")
        fault_of_a_node(cluster, count, first)
        faults_of_redis(cluster, count, first)
    except BaseException:
        for log in sorted(pathlib.Path(folder).glob("node-*.log")):
            lines = [line for line in log.read_text().splitlines() if '"INFO"' not in line]
            print(f"{log.name}: {len(lines)} lines above info, the last:", *lines[-5:], sep="\n  ", file=sys.stderr)
        raise
    finally:
        cluster.stop()
        shutil.rmtree(folder)
        show(cluster.rows)


def show(rows):
    """The table, as Markdown."""
    print("| what happens | calls | failed | references | vendor calls | with several tokens | what is lost |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for row in rows:
        failed = ", ".join(f"{count} on {name}" for name, count in row.failed.items()) or "0"
        print(f"| {row.what} | {row.calls} | {failed} | {row.references} | {row.vendor} | {row.split} | {row.lost} |")


if __name__ == "__main__":
    main()
