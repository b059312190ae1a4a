"""What monitoring/ shows and alerts of is there, well formed and explained. Usage: monitoring_check.py SOURCES

Prometheus' own promtool judges expressions, rules and configuration, and runs the rules' tests.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

sources = pathlib.Path(sys.argv[1])
monitoring = sources / "monitoring"
METRIC = re.compile(r"\b(?:madang|process)_[a-z0-9_]+\b(?!\()")
# Prometheus' own.
BUILT_IN = {"up", "ALERTS"}
wrong = []


def expect(good, what):
    if not good:
        wrong.append(what)
    return good


def promtool(*arguments, folder=monitoring):
    answer = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=folder)
    expect(answer.returncode == 0, f"promtool {' '.join(map(str, arguments))}:\n{answer.stdout}{answer.stderr}")


def known_metrics():
    known = set()
    for name, kind in re.findall(r"^\| `(\w+)` \| (\w+) \|", (sources / "docs/metrics.md").read_text(), re.M):
        known |= {name + part for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return known


def expect_known(expression, where):
    unknown = sorted(set(METRIC.findall(expression)) - known)
    expect(not unknown, f"{where}: {', '.join(unknown)} is not in docs/metrics.md")
    expect(METRIC.search(expression) or any(name in expression for name in BUILT_IN), f"{where}: {expression} asks for nothing")


def overlap(one, other):
    a, b = one["gridPos"], other["gridPos"]
    return a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]


def look_at_dashboard(file):
    """Returns its expressions."""
    board, found = json.loads(file.read_text()), []
    name, panels = file.name, board["panels"]
    expect(board["uid"] == f"madang-{file.stem}", f"{name}: its uid is {board['uid']}")
    expect([each["name"] for each in board["templating"]["list"]] == ["datasource", "job", "instance"], f"{name}: its variables")
    expect(any(link["type"] == "dashboards" and link["tags"] == board["tags"] for link in board["links"]), f"{name}: no links to the others")
    ids = [each["id"] for each in panels]
    expect(len(set(ids)) == len(ids), f"{name}: an id stands twice")
    shown = [each for each in panels if each["type"] != "row"]
    expect(6 <= len(shown) <= 14, f"{name}: {len(shown)} panels")
    for i, panel in enumerate(panels):
        place = panel["gridPos"]
        expect(place["x"] + place["w"] <= 24, f"{name}: {panel['title']} is beyond the right edge")
        for other in panels[i + 1:]:
            expect(not overlap(panel, other), f"{name}: {panel['title']} and {other['title']} overlap")
    for panel in shown:
        where = f"{name}, {panel['title']}"
        expect(len(panel["description"]) > 20, f"{where}: no description")
        expect(panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["unit"], f"{where}: no unit")
        for target in panel["targets"]:
            expect(target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}", f"{where}: a data source of its own")
            expect(panel["type"] == "stat" or target["legendFormat"], f"{where}: no legend")
            expect_known(target["expr"], where)
            found.append(target["expr"])
    refs = re.findall(r"alerts\.md, (Madang\w+)", file.read_text())
    expect(all(each in sections for each in refs), f"{name}: names a section that docs/alerts.md has not")
    return found


def look_at_dashboards(folder):
    made = subprocess.run([sys.executable, monitoring / "grafana/make.py", "--check"], capture_output=True, text=True, timeout=60)
    expect(made.returncode == 0, made.stderr)
    files = sorted((monitoring / "grafana/dashboards").glob("*.json"))
    expect(len(files) == 7, f"{len(files)} dashboards")
    expressions = [each for file in files for each in look_at_dashboard(file)]
    # promtool has no check for an expression alone.
    rules = [{"record": f"panel:{i}", "expr": each.replace("$__rate_interval", "1m").replace("$", "")} for i, each in enumerate(expressions)]
    (folder / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", folder / "panels.yml")


def look_at_rules():
    promtool("check", "rules", "alerts/madang.yml")
    promtool("test", "rules", "madang_test.yml", folder=monitoring / "alerts")
    rules = [each for group in yaml.safe_load((monitoring / "alerts/madang.yml").read_text())["groups"] for each in group["rules"]]
    recorded = {each["record"] for each in rules if "record" in each}
    alerts = {each["alert"]: each for each in rules if "alert" in each}
    for each in rules:
        for name in re.findall(r"madang:\w+(?::\w+)*", each["expr"]):
            expect(name in recorded, f"{each.get('alert')}: {name} is not recorded")
        expect_known(re.sub(r"madang:(\w+)(?::\w+)*", "up", each["expr"]), each.get("alert", each.get("record")))
    for name, each in alerts.items():
        said = each["annotations"]
        expect(each["labels"]["severity"] in ("critical", "warning"), f"{name}: its severity")
        expect(said["summary"] and said["description"], f"{name}: no summary or description")
        expect(said["runbook"] == f"docs/alerts.md#{name.lower()}", f"{name}: its runbook is {said['runbook']}")
    expect(list(alerts) == sections, f"docs/alerts.md and the rules differ in: {set(alerts) ^ set(sections) or 'their order'}")
    tests = [each["name"] for each in yaml.safe_load((monitoring / "alerts/madang_test.yml").read_text())["tests"]]
    expect(tests == list(alerts), f"madang_test.yml and the rules differ in: {set(alerts) ^ set(tests) or 'their order'}")


def look_at_compose():
    services = yaml.safe_load((monitoring / "compose.yaml").read_text())["services"]
    inside = {}
    for name, service in services.items():
        expect(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"compose.yaml: {name}'s image has no version")
        expect(all(each.startswith("127.0.0.1:") for each in service["ports"]), f"compose.yaml: {name} listens beyond loopback")
        for mount in service["volumes"]:
            here, there = mount.split(":")[:2]
            if here.startswith("./") and expect((monitoring / here).exists(), f"compose.yaml: there is no {here}"):
                inside[there] = monitoring / here
    config = yaml.safe_load((monitoring / "prometheus.yml").read_text())
    expect(config["rule_files"] == ["alerts/madang.yml"] and inside.get("/etc/prometheus/alerts") == monitoring / "alerts", "prometheus.yml: rules")
    promtool("check", "config", "prometheus.yml")
    boards = yaml.safe_load((monitoring / "grafana/provisioning/dashboards/madang.yaml").read_text())["providers"]
    for each in boards:
        expect(inside.get(each["options"]["path"]) == monitoring / "grafana/dashboards", f"provisioning: {each['options']['path']}")
    home = pathlib.PurePosixPath(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    expect((inside[str(home.parent)] / home.name).exists(), f"compose.yaml: there is no {home}")
    source = yaml.safe_load((monitoring / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    expect(source["url"] == "http://prometheus:9090" and "prometheus" in services, f"provisioning: {source['url']}")


known = known_metrics()
sections = re.findall(r"^## (Madang\w+)$", (sources / "docs/alerts.md").read_text(), re.M)
expect(not [name for name, n in collections.Counter(sections).items() if n > 1], "docs/alerts.md: a section stands twice")
with tempfile.TemporaryDirectory() as where:
    look_at_dashboards(pathlib.Path(where))
look_at_rules()
look_at_compose()
for each in wrong:
    print(each)
print(f"{len(wrong)} things are wrong" if wrong else "monitoring/ is as it says")
sys.exit(1 if wrong else 0)
