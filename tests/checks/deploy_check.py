"""What deploy/ says is what `madang`, nginx and systemd take. Usage: deploy_check.py SOURCES MADANG"""
import ipaddress
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

sources, madang = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
deploy = sources / "deploy"
wrong = []
os.environ["PATH"] = f"{madang.parent}:{os.environ['PATH']}:/usr/sbin"
clean = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def expect(good, what):
    if not good:
        wrong.append(what)


def checked(what, arguments, environment):
    """`madang check` takes all of it, and every name is an option's."""
    answer = run(str(madang), "check", *arguments, env=clean | environment)
    expect(answer.returncode == 0 and "no such option" not in answer.stderr, f"{what}: madang check says\n{answer.stderr}")


def compose(folder):
    file = yaml.safe_load((deploy / "compose.yaml").read_text())
    services = file["services"]
    certificates = folder / "certificates"
    script = services["certificates"]["command"][0].replace("$$", "$").replace("/certificates", str(certificates))
    script = "".join(line for line in script.splitlines(True) if not line.startswith("chown"))  # to a user of the image
    made = run("sh", "-ec", script)
    expect(made.returncode == 0, f"compose.yaml: the certificates: {made.stderr}")
    nodes = {name: service for name, service in services.items() if "MADANG_NODE_NAME" in service.get("environment", {})}
    expect(len(nodes) == 3, f"compose.yaml: three nodes, not {sorted(nodes)}")
    yard = ipaddress.ip_network(file["networks"]["yard"]["ipam"]["config"][0]["subnet"])
    joined = set()
    reports_dir = re.search(r'"reports_dir", "([^"]+)"', (sources / "plugins/report/report.hpp").read_text()).group(1)
    for name, service in nodes.items():
        environment = dict(service["environment"])
        joined.add(environment["MADANG_CLUSTER_JOIN"])
        expect(environment["MADANG_NODE_NAME"] == name == service["hostname"], f"compose.yaml: {name} has one name")
        expect(environment["MADANG_CLUSTER_ADVERTISE"] == f"{name}:7000", f"compose.yaml: {name} is reached by its name")
        expect(ipaddress.ip_address(service["networks"]["yard"]["ipv4_address"]) in yard, f"compose.yaml: {name} has an address of its own")
        mounts = {mount.split(":")[1] for mount in service["volumes"]}
        expect(f"reports:/var/lib/madang/{reports_dir}" in service["volumes"], f"compose.yaml: {name} shares the reports")
        for path in [value for value in environment.values() if value.startswith("/")]:
            expect(any(path.startswith(mount) for mount in mounts), f"compose.yaml: {name}: {path} is in no volume")
        here = {key: value.replace("/certificates", str(certificates)).replace("/var/lib/madang", str(folder / name))
                for key, value in environment.items()}
        (folder / name).mkdir()
        checked(f"compose.yaml: {name}", [], here)
    expect(joined == {",".join(f"{name}:7000" for name in sorted(nodes))}, f"compose.yaml: the nodes join {joined}")
    expect(int(services["a"]["environment"]["MADANG_CLUSTER_SIZE"]) == len(nodes), "compose.yaml: MADANG_CLUSTER_SIZE")

    front = (deploy / "nginx.conf").read_text()
    upstreams = re.findall(r"^\s+server ([a-z]+):(\d+)\b", front, re.M)
    expect(sorted(name for name, _ in upstreams) == sorted(nodes), f"nginx.conf: its upstreams are {upstreams}")
    expect({port for _, port in upstreams} == {"8000"}, "nginx.conf: the nodes' public port is 8000")
    listens = re.search(r"listen (\d+);", front).group(1)
    expect(all(each.endswith(f":{listens}") for each in services["front"]["ports"]), "compose.yaml: nginx's port")
    inner = re.compile(r"location / \{.*?\n    \}", re.S)
    expect(inner.search(front).group() == inner.search((sources / "docs/nginx.conf").read_text()).group(),
           "nginx.conf: its location is that of docs/nginx.conf")
    placed = re.sub(r"server [a-c]:8000", "server 127.0.0.1:8000", front).replace(f"listen {listens}", "listen 127.0.0.1:1")
    (folder / "nginx.conf").write_text(f"pid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{placed}}}\n")
    tried = run("nginx", "-e", "stderr", "-t", "-p", str(folder), "-c", str(folder / "nginx.conf"))
    expect("syntax is ok" in tried.stderr, f"nginx.conf: {tried.stderr}")


def unit(folder):
    home = deploy / "systemd"
    text = (home / "madang.service").read_text()
    start = re.search(r"^ExecStart=/usr/bin/madang serve (.*)$", text, re.M).group(1)
    (folder / "state").mkdir()
    start = start.replace("/etc/madang", str(home)).replace("/var/lib/madang", str(folder / "state"))
    checked("madang.service", start.split(), {})
    # Its example's lines are options, each by itself and with a value that is taken.
    example = re.sub(r"^#(?=[a-z_]+ = |\[)", "", (home / "madang.toml").read_text(), flags=re.M)
    example = re.sub(r'^(plugin_dir|site) = .*\n', "", example, flags=re.M)
    (folder / "madang.toml").write_text(example)
    checked("madang.toml", ["--config", str(folder / "madang.toml"), "--data-dir", "none"], {})
    placed = folder / "madang.service"
    placed.write_text(text.replace("/usr/bin/madang", str(madang)))
    socket = folder / "madang.socket"
    socket.write_text((home / "madang.socket").read_text())
    tried = run("systemd-analyze", "verify", str(placed), str(socket))
    ours = [line for line in tried.stderr.splitlines() if "madang." in line]
    expect(not ours, "deploy/systemd: " + "\n".join(ours))
    seen = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", str(placed))
    expect(seen.returncode == 0, f"madang.service: its exposure is above 2.0:\n{seen.stdout[-200:]}{seen.stderr}")
    user = re.search(r"^User=(.*)$", text, re.M).group(1)
    (folder / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={folder}", str(home / "madang.sysusers"))
    passwd = folder / "etc/passwd"
    expect(passwd.exists() and f"{user}:x:" in passwd.read_text(), f"madang.sysusers: no user {user}: {made.stderr}")


def kubernetes(folder):
    home = deploy / "kubernetes"
    kustomization = yaml.safe_load((home / "kustomization.yaml").read_text())
    things = [each for name in kustomization["resources"] for each in yaml.safe_load_all((home / name).read_text())]
    of = {(each["kind"], each["metadata"]["name"]): each["spec"] for each in things}
    nodes, peers, clients = of["StatefulSet", "madang"], of["Service", "madang-nodes"], of["Service", "madang"]
    pod = nodes["template"]["spec"]
    container, labels = pod["containers"][0], nodes["template"]["metadata"]["labels"]
    budget = of["PodDisruptionBudget", "madang"]
    for what, selector in (("the nodes'", nodes["selector"]["matchLabels"]), ("madang-nodes'", peers["selector"]),
                           ("madang's", clients["selector"]), ("the budget's", budget["selector"]["matchLabels"])):
        expect(selector == labels, f"kubernetes: {what} selector is {selector}")
    expect(nodes["serviceName"] == "madang-nodes" and peers["clusterIP"] == "None" and peers["publishNotReadyAddresses"],
           "kubernetes: nodes find each other by a headless service, before they are ready")
    expect(nodes["podManagementPolicy"] == "Parallel", "kubernetes: a node alone is never ready")
    expect(pod["enableServiceLinks"] is False, "kubernetes: service links look like options")
    expect(budget["minAvailable"] > nodes["replicas"] // 2, "kubernetes: the budget leaves a majority")
    given = {name for each in kustomization["configMapGenerator"] for name in each["files"] + [each["name"]]}
    volumes = {each["name"]: each for each in pod["volumes"]} | {
        each["metadata"]["name"]: each for each in nodes["volumeClaimTemplates"]}
    expect(volumes["config"]["configMap"]["name"] in given, "kubernetes: the configuration is no ConfigMap's")
    expect({each["name"] for each in container["volumeMounts"]} == set(volumes), "kubernetes: volumes and mounts differ")
    image = re.search(r"useradd --uid (\d+)", (sources / "Dockerfile").read_text()).group(1)
    expect(str(pod["securityContext"]["runAsUser"]) == image, f"kubernetes: the image's user is {image}")

    secret = folder / "certificates"
    first = f"madang-{nodes['replicas'] - 1}"
    for command in (["init-ca", str(secret)], ["issue", first, str(secret)]):
        made = run(str(madang), "cluster", *command)
        expect(made.returncode == 0, f"kubernetes: cluster {command[0]}: {made.stderr}")
    places = {"/var/lib/madang": str(folder), "/etc/madang": str(home), "/certificates": str(secret)}

    def here(text):
        for there, place in places.items():
            text = re.sub(f"^{there}(?=/)", place, text)
        return text.replace("$(MADANG_NODE_NAME)", first)

    environment = {each["name"]: here(each.get("value", first)) for each in container["env"]}
    expect(container["env"][0]["name"] == "MADANG_NODE_NAME", "kubernetes: $(MADANG_NODE_NAME) is known only to what follows")
    expect(environment["MADANG_CLUSTER_SIZE"] == str(nodes["replicas"]), "kubernetes: MADANG_CLUSTER_SIZE")
    ports = {each["name"]: str(each["containerPort"]) for each in container["ports"]}
    for name, listen in (("public", "MADANG_LISTEN"), ("cluster", "MADANG_CLUSTER_LISTEN")):
        expect(environment[listen].endswith(":" + ports[name]), f"kubernetes: the port {name} is {listen}'s")
    expect(environment["MADANG_CLUSTER_JOIN"] == f"madang-nodes:{ports['cluster']}", "kubernetes: MADANG_CLUSTER_JOIN")
    for probe in ("livenessProbe", "readinessProbe"):
        expect(container[probe]["httpGet"]["port"] == "public", f"kubernetes: {probe}: the internal listener is on loopback")
    checked("kubernetes", [here(each) for each in container["args"][1:]], environment)


with tempfile.TemporaryDirectory() as where:
    compose(pathlib.Path(where))
with tempfile.TemporaryDirectory() as where:
    unit(pathlib.Path(where))
with tempfile.TemporaryDirectory() as where:
    kubernetes(pathlib.Path(where))
for each in wrong:
    print(each)
print(f"{len(wrong)} things are wrong" if wrong else "deploy/ is as it says")
sys.exit(1 if wrong else 0)
