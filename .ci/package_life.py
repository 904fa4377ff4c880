"""Installs, runs, reloads, upgrades, removes and purges the Debian package: package_life.py PACKAGE.deb

The service runs by the command line of its unit, as an unprivileged user with the unit's group, limits and system
calls (unit_exec.py), and with the notification socket and the credentials that systemd would give it. Used by
.ci/package.
"""

import contextlib
import glob
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

UNIT = pathlib.Path("/lib/systemd/system/daypass.service")
CONFIGURATION = pathlib.Path("/etc/daypass/daypass.toml")
CREDENTIALS = pathlib.Path("/run/credentials/daypass.service")
# An id that systemd gives to dynamic users (61184 to 65519) and no package owns.
USER = 65000
# A guard against a hang, no expectation.
SECONDS = 60


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more)


def settings_of_unit(name):
    return [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


def install(package):
    dpkg("--force-confdef", "--force-confold", "-i", package)


def dpkg(*arguments):
    done = subprocess.run(["dpkg", *arguments], text=True, capture_output=True,
                          env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Service:
    """The service as its unit starts it."""

    def __init__(self, folder):
        self.states = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.states.settimeout(SECONDS)
        path = os.path.join(folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.states.bind(path)
        os.chmod(path, 0o777)
        self.log_path = os.path.join(folder, "log")
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, pathlib.Path(__file__).with_name("unit_exec.py"), UNIT, str(USER)],
                env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": path, "CREDENTIALS_DIRECTORY": str(CREDENTIALS)},
                stderr=log)

    def state(self, *expected, besides=()):
        """The next states that the service tells its manager are these, in this order."""
        for name in expected:
            told = None
            while told is None or told in besides:
                try:
                    text = self.states.recv(4096).decode()
                except TimeoutError:
                    raise AssertionError(f"no {name}: {self.log()}") from None
                # RELOADING comes with the time.
                told = text.split("=1", 1)[0]
            assert told == name, (name, text)

    def log(self):
        return pathlib.Path(self.log_path).read_text()

    def reload(self):
        (command,) = settings_of_unit("ExecReload")
        run("sh", "-c", command, env={**os.environ, "MAINPID": str(self.process.pid)})
        self.state("RELOADING", "READY")

    def stop(self):
        self.process.terminate()
        # The service may also have seen by itself that its configuration changed.
        self.state("STOPPING", besides=("RELOADING", "READY"))
        assert self.process.wait(SECONDS) == 0, self.log()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(port, authority, key):
    """The documented call, over TLS, by a caller with this key."""
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=SECONDS)
    connection.request(
        "POST", "/ucs.v2.MerchantAuthenticationService/CreateAccessToken",
        json.dumps({"merchant_access_token_id": "token_001", "connector": "STRIPE", "test_mode": True}),
        {"content-type": "application/json", "authorization": f"Bearer {key}", "x-connector": "stripe",
         "x-connector-auth": json.dumps({"Stripe": {"api_key": "sk_test_package"}})})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def configure(port, admin, sandbox, key):
    """What an administrator writes below the lines of the package."""
    shipped = CONFIGURATION.read_text().split("# Ours\n")[0]
    # Keys without a table stand before the first table.
    head = (f'listen = "127.0.0.1:{port}"\nadmin_listen = "127.0.0.1:{admin}"\n'
            f'tls.certificate_file = "/etc/daypass/server.pem"\n'
            f'tls.private_key_file = "{CREDENTIALS}/secret_server.key"\n')
    tail = (f'# Ours\n[[callers]]\nname = "shop"\nkey_sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n'
            f'[connectors.stripe]\ntest_base_url = "{sandbox}"\n')
    if not shipped.startswith(head.splitlines()[0]):
        shipped = head + shipped
    CONFIGURATION.write_text(shipped + tail)


def certificate(folder):
    """A certificate for 127.0.0.1; its key goes where the unit's credentials come from."""
    key = "/etc/daypass/credentials/server.key"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90",
        "-subj", "/CN=daypass", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
        "-out", "/etc/daypass/server.pem")
    os.chmod("/etc/daypass/server.pem", 0o644)
    (load,) = settings_of_unit("LoadCredential")
    name, source = load.split(":")
    CREDENTIALS.mkdir(parents=True)
    for file in pathlib.Path(source).iterdir():
        copy = CREDENTIALS / f"{name}_{file.name}"
        shutil.copy(file, copy)
        os.chown(copy, USER, USER)
        os.chmod(copy, 0o400)
    os.chown(CREDENTIALS, USER, USER)
    os.chmod(CREDENTIALS, 0o500)
    return shutil.copy("/etc/daypass/server.pem", os.path.join(folder, "authority.pem"))


def start_sandbox():
    sandbox = subprocess.Popen(["/usr/bin/daypass", "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True)
    for line in sandbox.stdout:
        if line.split()[:1] == ["stripe"]:
            return sandbox, line.split()[1]
    raise AssertionError("the sandbox did not start")


def next_version(package, folder):
    """The package as version 0.1.1, with another default configuration, as later versions have one."""
    tree = os.path.join(folder, "tree")
    run("dpkg-deb", "-R", package, tree)
    with open(tree + str(CONFIGURATION), "a", encoding="utf-8") as file:
        file.write("\n# A later version says more.\n")
    control = pathlib.Path(tree, "DEBIAN/control")
    control.write_text(re.sub(r"^Version: .*", "Version: 0.1.1", control.read_text(), flags=re.M))
    changed = os.path.join(folder, "changed.deb")
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, changed)
    return changed


def removed_with_calls(*arguments):
    """dpkg's work on a machine whose calls to systemd are recorded, as there is none here."""
    if os.path.isdir("/run/systemd/system"):
        return dpkg(*arguments), None
    with tempfile.TemporaryDirectory() as folder:
        calls = os.path.join(folder, "calls")
        # The first asks policy-rc.d, which forbids everything in many containers, and then calls the second.
        for name in ("deb-systemd-invoke", "systemctl"):
            recorder = pathlib.Path(folder, name)
            recorder.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n')
            recorder.chmod(0o755)
        os.makedirs("/run/systemd/system")
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{folder}:{path}"
        try:
            said = dpkg(*arguments)
        finally:
            os.environ["PATH"] = path
            os.rmdir("/run/systemd/system")
        return said, pathlib.Path(calls).read_text() if os.path.exists(calls) else ""


def main(package):
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    started = []
    try:
        life(package, folder, started)
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        subprocess.run(["dpkg", "--purge", "daypass"], capture_output=True, check=False)
        shutil.rmtree("/etc/daypass", ignore_errors=True)
        # It stays with the administrator's files, which were ours.
        subprocess.run(["groupdel", "daypass-config"], capture_output=True, check=False)
        shutil.rmtree(CREDENTIALS, ignore_errors=True)
        with contextlib.suppress(OSError):
            CREDENTIALS.parent.rmdir()
        shutil.rmtree(folder)


def life(package, folder, started):
    install(package)
    assert re.search(r"^Version: 0\.1\.0$", run("dpkg", "-s", "daypass").stdout, re.M)
    assert oct(CONFIGURATION.stat().st_mode & 0o777) == "0o640" and CONFIGURATION.group() == "daypass-config"
    for file in ("/usr/share/man/man1/daypass-serve.1.gz", "/usr/share/man/man5/daypass.toml.5.gz", "/usr/share/bash-completion/completions/daypass"):
        assert os.path.exists(file), file
    run("/usr/bin/daypass", "config", "check", "--config", str(CONFIGURATION))

    sandbox, stripe = start_sandbox()
    started.append(sandbox)
    port, admin = free_port(), free_port()
    authority = certificate(folder)
    configure(port, admin, stripe, "key-of-monday")
    service = Service(folder)
    started.append(service.process)
    service.state("READY")
    status, answer = call(port, authority, "key-of-monday")
    assert (status, answer.get("status")) == (200, "SUCCESS"), (status, answer)
    run("/usr/bin/daypass", "healthcheck", "--config", str(CONFIGURATION))
    print("installed, started as its unit says, called")

    configure(port, admin, stripe, "key-of-tuesday")
    service.reload()
    assert call(port, authority, "key-of-monday")[0] == 401
    assert call(port, authority, "key-of-tuesday")[0] == 200
    print("reloaded: the new caller key counts, the old one does not")

    ours = CONFIGURATION.read_text()
    install(next_version(package, folder))
    assert re.search(r"^Version: 0\.1\.1$", run("dpkg", "-s", "daypass").stdout, re.M)
    assert CONFIGURATION.read_text() == ours, "the upgrade replaced the configuration"
    assert oct(CONFIGURATION.stat().st_mode & 0o777) == "0o640" and CONFIGURATION.group() == "daypass-config"
    assert call(port, authority, "key-of-tuesday")[0] == 200, "the running process survives the upgrade"
    service.stop()
    service = Service(folder)
    started.append(service.process)
    service.state("READY")
    assert call(port, authority, "key-of-tuesday")[0] == 200
    service.stop()
    print("upgraded: the configuration stayed, the service stopped cleanly and started again")

    _, calls = removed_with_calls("--remove", "daypass")
    assert calls is None or re.search(r"\bstop\b.*daypass\.service", calls), calls
    assert not os.path.exists("/usr/bin/daypass") and not UNIT.exists() and CONFIGURATION.exists()
    said, _ = removed_with_calls("--purge", "daypass")
    assert not CONFIGURATION.exists() and "they stay" in said, said
    assert os.path.exists("/etc/daypass/credentials/server.key"), "the administrator's key is not the package's"
    assert not glob.glob("/etc/systemd/system/*/daypass.service")
    print("removed: the service is stopped first; purged: only the administrator's own files stay")


main(*sys.argv[1:])
