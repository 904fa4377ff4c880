"""Checks the files in deploy/ for containers as far as that goes without a container engine or a cluster:
deploy_check.py EXECUTABLE COMPOSE_SCHEMA

Kubernetes: schemas, references between the objects, and a server with the configuration of the config map, asked
as the probes ask it. Compose: schema, and the servers' configuration. Dockerfile: its instructions.
"""

import copy
import http.client
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time

import grpc
import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.30"
# A guard against a hang, no expectation.
SECONDS = 60


def load(path):
    return list(yaml.safe_load_all(pathlib.Path(path).read_text(encoding="utf-8")))


def patched(target, patch):
    """Kubernetes' strategic merge, as far as our patches use it: null removes, lists merge by name."""
    if isinstance(target, dict) and isinstance(patch, dict):
        merged = dict(target)
        for key, value in patch.items():
            if value is None:
                assert key in merged, f"the patch removes {key}, which is not there"
                del merged[key]
            else:
                merged[key] = patched(merged[key], value) if key in merged else value
        return merged
    if isinstance(target, list) and isinstance(patch, list):
        named = {item["name"]: item for item in patch}
        assert named.keys() <= {item["name"] for item in target}, "the patch names what is not there"
        return [patched(item, named[item["name"]]) if item["name"] in named else item for item in target]
    return patch


def kubernetes():
    objects = {item["kind"]: item for item in load("deploy/kubernetes/daypass.yaml")}
    (patch,) = load("deploy/kubernetes/grpc_probes.yaml")
    with_grpc = patched(copy.deepcopy(objects["Deployment"]), patch)
    for item in [*objects.values(), with_grpc]:
        kubernetes_validate.validate(item, KUBERNETES, strict=True)

    pod = objects["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    labels = pod["metadata"]["labels"].items()
    for kind, selector in [("Service", objects["Service"]["spec"]["selector"]),
                           *((kind, objects[kind]["spec"][key]["matchLabels"]) for kind, key in
                             [("Deployment", "selector"), ("PodDisruptionBudget", "selector"),
                              ("NetworkPolicy", "podSelector")])]:
        assert selector.items() <= labels, f"{kind} selects other pods"
    for port in objects["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"], port
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
        (grpc_container,) = with_grpc["spec"]["template"]["spec"]["containers"]
        assert grpc_container[probe]["grpc"]["port"] == ports["grpc"]
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert volumes == {mount["name"] for mount in container["volumeMounts"]}
    budget = objects["PodDisruptionBudget"]["spec"]["minAvailable"]
    assert budget < objects["Deployment"]["spec"]["replicas"], "no node could ever be drained"
    (monitor,) = load("deploy/kubernetes/servicemonitor.yaml")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= objects["Service"]["metadata"]["labels"].items()
    assert {point["port"] for point in monitor["spec"]["endpoints"]} <= {
        port["name"] for port in objects["Service"]["spec"]["ports"]}
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    assert grace >= container["lifecycle"]["preStop"]["sleep"]["seconds"] + 35, "the kubelet kills during the drain"
    return objects["ConfigMap"]["data"]["daypass.toml"], container, grpc_container


class Server:
    """A server with a configuration; its admin port is asked as the kubelet asks it."""

    def __init__(self, executable, file, environment):
        self.ports = [free_port(), free_port()]
        self.process = subprocess.Popen(
            [executable, "serve", "--config", file, "--listen", f"127.0.0.1:{self.ports[0]}",
             "--admin-listen", f"127.0.0.1:{self.ports[1]}"],
            env=environment, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0

    def get(self, path):
        deadline = time.monotonic() + SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[1], timeout=SECONDS)
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except ConnectionRefusedError:
                assert self.process.poll() is None and time.monotonic() < deadline, "the server does not start"
                # It is not up yet; what it does next is not observable from here.
                time.sleep(0.05)
            finally:
                connection.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serving(port, service):
    """The answer of grpc.health.v1 Check, with the two messages written by hand: one text, one number."""
    name = service.encode()
    request = b"\x0a" + bytes([len(name)]) + name if name else b""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=None, response_deserializer=None)
        return check(request, timeout=SECONDS) == b"\x08\x01"


def start_as_in_kubernetes(executable, text, container, grpc_container, folder):
    """The server with the config map's text, its secrets as files."""
    secrets = pathlib.Path(folder, "run")
    (secrets / "tls").mkdir(parents=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "90", "-subj", "/CN=daypass", "-addext", "subjectAltName=DNS:daypass",
                    "-keyout", secrets / "tls/tls.key", "-out", secrets / "tls/tls.crt"], check=True, capture_output=True)
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    for path in re.findall(r'"(/[^"]+)"', text):
        assert any(path.startswith(mount + "/") for mount in mounts), f"{path} is on no volume"
    file = pathlib.Path(folder, "daypass.toml")
    file.write_text(text.replace("/run/daypass", str(secrets)))
    given = {"key": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "url": "redis://127.0.0.1:1"}
    environment = {"PATH": os.environ["PATH"], **{
        variable["name"]: given[variable["valueFrom"]["secretKeyRef"]["key"]] for variable in container["env"]}}
    subprocess.run([executable, "config", "check", "--config", file], check=True, env=environment, capture_output=True)
    with Server(executable, file, environment) as server:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            assert server.get(path) == 200, path
    with Server(executable, file, {**environment, "DAYPASS_ALLOW_PLAINTEXT_BEYOND_LOOPBACK": "true"}) as server:
        server.get("/readyz")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert serving(server.ports[0], grpc_container[probe]["grpc"].get("service", "")), probe


def compose(executable, schema, folder):
    (file,) = load("deploy/compose/compose.yaml")
    jsonschema.validate(file, json.loads(pathlib.Path(schema).read_text(encoding="utf-8")))
    given = {"KEY_SHA256": "ab" * 32, "STORE_KEY": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="}
    servers = {name: service for name, service in file["services"].items() if name.startswith("daypass-")}
    assert len(servers) == 3
    for service in servers.values():
        assert service["depends_on"].keys() <= file["services"].keys()
        environment = {"PATH": os.environ["PATH"], **service["environment"]}
        for name, value in environment.items():
            environment[name] = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda variable: given[variable[1]], value)
        subprocess.run([executable, "config", "check"], check=True, env=environment, cwd=folder, capture_output=True)
    (scrape,) = load("deploy/compose/prometheus.yml")
    targets = scrape["scrape_configs"][0]["static_configs"][0]["targets"]
    assert {target.rsplit(":", 1)[0] for target in targets} == servers.keys()


def dockerfile():
    text = pathlib.Path("deploy/docker/Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    instructions = [line.split(None, 1) for line in lines]
    known = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions} <= known
    stages = [nth for nth, (name, _) in enumerate(instructions) if name == "FROM"]
    assert instructions[stages[-1]][1] == "scratch", "the image has nothing but the executable"
    final = instructions[stages[-1]:]
    for name, arguments in instructions:
        if name == "COPY" and not arguments.startswith("--from"):
            for source in arguments.split()[:-1]:
                assert os.path.exists(source), f"COPY {source}"
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", arguments], check=True)
    (user,) = [arguments for name, arguments in final if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number that is not root's"
    (health,) = [arguments for name, arguments in final if name == "HEALTHCHECK"]
    assert json.loads(health.split("CMD ", 1)[1]) == ["/daypass", "healthcheck"]
    builds = [shlex.split(part)[3:] for name, arguments in instructions if name == "RUN"
              for part in arguments.split("&&") if part.strip().startswith("cargo build")]
    assert len(builds) == 1 and "cargo build --release --locked -p daypass-server --target" in text


def main(executable, schema):
    executable = os.path.abspath(executable)
    with tempfile.TemporaryDirectory() as folder:
        text, container, grpc_container = kubernetes()
        start_as_in_kubernetes(executable, text, container, grpc_container, folder)
        print(f"kubernetes {KUBERNETES}: schemas, references and probes (HTTP and gRPC)")
        compose(executable, schema, folder)
        print("compose: schema and configuration of three servers")
        dockerfile()
        print("Dockerfile: instructions; the image is not built, as there is no container engine")


main(*sys.argv[1:])
