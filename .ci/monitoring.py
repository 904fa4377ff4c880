"""Alert rules, dashboard and metrics, checked with promtool and with a Prometheus that scrapes the service.

    monitoring.py <executable>

Needs prometheus and promtool (Debian's package `prometheus`). No Grafana runs here: the dashboard is checked by
its queries, which Prometheus evaluates, and not by its looks.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy/prometheus/alerts.yml"
TESTS = ROOT / "deploy/prometheus/alerts_test.yml"
DASHBOARD = ROOT / "deploy/grafana/daypass.json"
REFERENCE = ROOT / "docs/reference/metrics.md"
# A guard against hanging, and no expectation.
HANGS = 60
CALL = "/ucs.v2.MerchantAuthenticationService/CreateAccessToken"


def listed_series():
    """Names of all series that the reference page allows, each with its labels."""
    series = {"up": {"job", "instance"}}
    for row in REFERENCE.read_text().splitlines():
        match = re.match(r"\| `(\w+)` \| (counter|gauge|histogram) \|.*\| (.*) \|$", row)
        if not match:
            continue
        name, kind, labels = match.groups()
        labels = set(re.findall(r"(?:^|; )`(\w+)`:", labels)) | {"job", "instance"}
        if kind == "histogram":
            series |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": labels | {"le"}}
        else:
            series[name] = labels
    assert len(series) > 20, "the reference page is not understood"
    return series


def check_names(expression, series):
    """Each series of the expression exists, and has the labels that select it.

    >>> check_names('rate(no_such_total[5m])', {})
    Traceback (most recent call last):
    AssertionError: no_such_total is no metric of docs/reference/metrics.md: rate(no_such_total[5m])
    >>> check_names('sum(daypass_x{a="1", b=~"2"})', {"daypass_x": {"a"}})
    Traceback (most recent call last):
    AssertionError: daypass_x has no label b: sum(daypass_x{a="1", b=~"2"})
    """
    bare = re.sub(r'"[^"]*"', '""', expression)
    for name, selector in re.findall(r"\b([a-z]\w*_\w+|up)\b(?!\s*\()(\{[^}]*\})?", re.sub(r"\$\w+", "", bare)):
        assert name in series, f"{name} is no metric of docs/reference/metrics.md: {expression}"
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            assert label in series[name], f"{name} has no label {label}: {expression}"


def rules():
    """The name and the expression of each rule."""
    text = "\n".join(line for line in RULES.read_text().splitlines() if not line.lstrip().startswith("#"))
    found = []
    for block in text.split("- alert: ")[1:]:
        expression = re.search(r"expr: (?:\|\n((?:          .*\n)+)|(.*))", block)
        found.append((block.split("\n")[0], expression.group(1) or expression.group(2)))
    return found


def queries():
    """The queries of the dashboard, with a value for each variable."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    texts = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    values = {"$__rate_interval": "10s", "$instance": ".*", "$connector": ".*", "$job": "daypass"}
    for variable, value in values.items():
        texts = [text.replace(variable, value) for text in texts]
    assert not any("$" in text for text in texts), "a variable of the dashboard has no value here"
    return texts


def check_files():
    series = listed_series()
    for name, expression in rules():
        check_names(expression, series)
        tests = TESTS.read_text()
        assert re.search(rf"alertname: {name}}}", tests), f"no test sees {name} silent"
        assert re.search(rf"alertname: {name}\n\s+exp_alerts:\n\s+- exp_labels", tests), f"no test sees {name} fire"
    for query in queries():
        check_names(query, series)
    subprocess.run(["promtool", "check", "rules", RULES], check=True)
    subprocess.run(["promtool", "test", "rules", TESTS.name], cwd=TESTS.parent, check=True)
    print(f"{len(rules())} alerts and {len(queries())} queries name metrics that exist")


def get(url):
    with urllib.request.urlopen(url, timeout=HANGS) as reply:
        return reply.read().decode()


def started(command, mark, pattern):
    """A process, and what the pattern finds in the line of its standard error with this mark."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    found = {}
    for line in process.stderr:
        for name in [name for name in mark if name not in found and re.search(pattern[name], line)]:
            found[name] = re.search(pattern[name], line).group(1)
        if len(found) == len(mark):
            # A pipe that nobody reads fills up.
            threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
            return process, found
    raise SystemExit(f"{command[0]} ends before it says {mark}: {process.wait()}")


def call(address, connector, credentials, reference, **body):
    body = {"merchant_access_token_id": reference, "connector": connector.upper(), "test_mode": True, **body}
    request = urllib.request.Request(f"http://{address}{CALL}", json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    request.add_header("x-connector", connector)
    request.add_header("x-connector-auth", json.dumps({connector.capitalize(): credentials}))
    try:
        with urllib.request.urlopen(request, timeout=HANGS) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def calls(address):
    """A token, the same again, and a mistake."""
    stripe, adyen = {"api_key": "sk_test_monitoring"}, {"api_key": "AQEtest", "merchant_account": "ShopECOM"}
    assert call(address, "stripe", stripe, "token_001") == 200
    assert call(address, "stripe", stripe, "token_001") == 200
    assert call(address, "adyen", adyen, "token_002", connector_feature_data={"no_such_input": 1}) == 400


def is_ready(prometheus):
    try:
        return bool(get(f"http://{prometheus}/-/ready"))
    except urllib.error.HTTPError:
        return False


def query(prometheus, text):
    reply = json.loads(get(f"http://{prometheus}/api/v1/query?query={urllib.parse.quote(text)}"))
    assert reply["status"] == "success", (text, reply)
    return reply["data"]["result"]


def evaluated(prometheus):
    """The rules that Prometheus evaluates without an error."""
    groups = json.loads(get(f"http://{prometheus}/api/v1/rules"))["data"]["groups"]
    return [rule for group in groups for rule in group["rules"] if rule["health"] == "ok"]


def until(what, holds):
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < HANGS, f"this does not come to hold: {what}"
        time.sleep(0.2)


def check_scrape(address, admin, folder):
    """A Prometheus scrapes the service, evaluates all rules and answers all queries of the dashboard."""
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{RULES}']\n"
        f"scrape_configs: [{{job_name: daypass, static_configs: [{{targets: ['{admin}']}}]}}]\n"
    )
    process, found = started(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         "--web.listen-address=127.0.0.1:0", "--log.level=info"],
        ["prometheus"],
        {"prometheus": r"[Ll]istening on.*address=(127\.0\.0\.1:\d+)"},
    )
    try:
        prometheus = found["prometheus"]
        success = 'daypass_calls_total{connector="stripe", outcome="SUCCESS"}'
        until("Prometheus is ready", lambda: is_ready(prometheus))
        until("the series is scraped", lambda: query(prometheus, success))
        first = float(query(prometheus, success)[0]["value"][1])
        calls(address)
        until("two more calls are counted", lambda: float(query(prometheus, success)[0]["value"][1]) == first + 2)
        until("a rate has two samples", lambda: query(prometheus, "rate(daypass_call_seconds_count[10s])"))
        until("all rules are evaluated", lambda: len(evaluated(prometheus)) == len(rules()))
        firing = [rule["name"] for rule in evaluated(prometheus) if rule["state"] == "firing"]
        assert not firing, f"alerts of a healthy service: {firing}"
        empty = [text for text in queries() if not query(prometheus, text)]
        # Without a shared store, a reload, a certificate file or a sick host there is nothing to show.
        absent = ("store_operation", "store_refusals", "reloads", "certificate", "breakers")
        unexpected = [text for text in empty if not any(name in text for name in absent)]
        assert not unexpected, f"the dashboard shows nothing for {unexpected}"
        series = query(prometheus, '{__name__=~"daypass_.*|process_.*"}')
        allowed = listed_series()
        for one in series:
            assert one["metric"]["__name__"] in allowed, one
        print(f"Prometheus has {len(series)} series, evaluates {len(rules())} rules, and answers "
              f"{len(queries()) - len(empty)} of {len(queries())} queries with data")
    finally:
        process.terminate()
        process.wait(HANGS)


def main(executable):
    check_files()
    server, found = started(
        [executable, "serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        ["address", "admin"],
        {"address": r"JSON on ([\d.:]+\d),", "admin": r"http://([\d.:]+\d)/metrics"},
    )
    try:
        calls(found["address"])
        export = get(f"http://{found['admin']}/metrics")
        subprocess.run(["promtool", "check", "metrics"], input=export, text=True, check=True)
        with tempfile.TemporaryDirectory() as folder:
            check_scrape(found["address"], found["admin"], pathlib.Path(folder))
    finally:
        server.terminate()
        server.wait(HANGS)


if __name__ == "__main__":
    main(sys.argv[1])
