"""docs/containers.md: the image, a plugin in it, deploy/compose.yaml and deploy/kubernetes, built, started, used, stopped and killed.

Usage: image_check.py SOURCES BUILD. The page's commands are typed as they stand there, on other ports. The Dockerfile's stage that
compiles is replaced by what BUILD has already, that of the SDK by this machine; the Debian below is made by mmdebstrap. An engine of
this check's own (dockerd) runs the containers, and ends with it; it lives in a network of its own, since browsers (those of other
tests) reload when the machine's changes. Where none runs, say without root, the exit code is 77. No Kubernetes runs here: the pods
are containers with what nodes.yaml says of theirs.
"""
import ctypes
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

import yaml

from debian import end_with_parent, expect, new_debian, run
from docker_check import installed_packages, stages

sources, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
page = (sources / "docs/containers.md").read_text()
patience = 120  # seconds, for whatever is waited for
skipped = 77


def leave_network():
    """From here on this process and its children have one with themselves only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        return False
    run("ip", "link", "set", "lo", "up")
    return True


def until(what, holds):
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            names = docker("ps", "--all", "--format", "{{.Names}}").split()
            sys.exit(f"not within {patience} s: {what}\n" + "\n".join(f"-- {each}\n" + "\n".join(logs(each)[-20:]) for each in names))
        time.sleep(0.2)


class Engine:
    def __init__(self, folder):
        self.namespaces = folder / "exec/netns"
        self.log = folder / "dockerd.log"
        os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        self.process = subprocess.Popen(
            [shutil.which("dockerd"), "--host", os.environ["DOCKER_HOST"], "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
             "--pidfile", str(folder / "pid")],
            stdin=subprocess.DEVNULL, stdout=self.log.open("w"), stderr=subprocess.STDOUT, preexec_fn=end_with_parent)

    def runs(self):
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            if subprocess.run(["docker", "info"], capture_output=True).returncode == 0:
                return True
            time.sleep(0.2)
        return False

    def end(self):
        containers = subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, text=True).stdout.split()
        if containers:
            subprocess.run(["docker", "rm", "--force", "--volumes", *containers], capture_output=True)
        subprocess.run(["docker", "network", "prune", "--force"], capture_output=True)
        self.process.terminate()
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for each in self.namespaces.glob("*"):  # it leaves one mounted
            subprocess.run(["umount", str(each)], capture_output=True)


def docker(*arguments, **more):
    return run("docker", *arguments, **more).strip()


def block(first, language="sh"):
    """The page's block that begins so."""
    found = re.search(rf"^```{language}\n({re.escape(first)}.*?)^```", page, re.M | re.S)
    return found.group(1) if found else sys.exit(f"docs/containers.md has no block with {first!r}")


def type_in(text, folder=None):
    return run("bash", "-euc", text, cwd=folder)


def inspect(container, what):
    return docker("inspect", "--format", "{{" + what + "}}", container)


def image_of(tag, dockerfile, *trees):
    """Built from `dockerfile`'s text; `trees`: folders that it copies, by their names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile.encode())
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
        for each in trees:
            tar.add(each, each.name)
    done = subprocess.run(["docker", "build", "--network", "none", "--tag", tag, "-"], input=packed.getvalue(),
                          capture_output=True, timeout=900)
    expect(done.returncode == 0, f"{tag}: {done.stdout[-3000:].decode()}{done.stderr[-2000:].decode()}")


def make_debian(folder):
    """With the packages at hand that the images ask for."""
    wanted = {"nginx-light", *installed_packages(stages((sources / "Dockerfile").read_text())[""])}
    new_debian(folder / "debian.tar", ["ca-certificates"],
               f'chroot "$1" apt-get install --download-only --yes --no-install-recommends {" ".join(sorted(wanted))}', keeps_packages=True)


def make_images(folder):
    docker("import", str(folder / "debian.tar"), "debian:12-slim")
    trees = {}
    for name, components in (("madang", ("server", "plugins")), ("madang-sdk", ("sdk",))):
        trees[name] = folder / name
        for component in components:
            run("cmake", "--install", str(build), "--component", component, "--prefix", str(trees[name]), "--strip")
    dockerfile = (sources / "Dockerfile").read_text()
    compiled = re.search(r"^FROM debian:12 AS builder\n.*?(?=^# What plugins are built with)", dockerfile, re.M | re.S).group()
    dockerfile = dockerfile.replace(compiled, "FROM scratch AS builder\nCOPY madang /opt/madang\nCOPY madang-sdk /opt/madang-sdk\n\n")
    # Not the SDK's stage, which installs a compiler.
    dockerfile = re.sub(r"^FROM debian:12-slim AS sdk\n.*?(?=^FROM )", "", dockerfile, flags=re.M | re.S)
    image_of("madang", dockerfile, *trees.values())
    plugin = folder / "plugin"
    run("cmake", "-S", str(sources / "plugins/template"), "-B", str(plugin / "build"), "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={trees['madang-sdk']}")
    run("cmake", "--build", str(plugin / "build"), "--target", "hello_plugin")
    (plugin / "build").rename(folder / "built")
    (plugin / "build").mkdir()
    (folder / "built/hello.so").rename(plugin / "build/hello.so")
    compiled = re.search(r"^FROM madang-sdk AS plugin\n.*?(?=^FROM )", block("FROM madang-sdk", "dockerfile"), re.M | re.S).group()
    image_of("with-hello", block("FROM madang-sdk", "dockerfile").replace(compiled, "FROM scratch AS plugin\nCOPY plugin /plugin\n"), plugin)
    image_of("nginx:stable", "FROM debian:12-slim\n"
             "RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm /etc/nginx/sites-enabled/default\n"
             'CMD ["nginx", "-g", "daemon off;"]\n')


def get(url, body=None, cookie=""):
    """Status, body and cookies."""
    asked = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers={"Cookie": cookie})
    try:
        with urllib.request.urlopen(asked, timeout=patience) as answer:
            return answer.status, answer.read(), "; ".join(each.split(";")[0] for each in answer.headers.get_all("Set-Cookie", []))
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read(), ""
    except OSError as broken:
        return 0, str(broken).encode(), ""


def logs(container):
    return subprocess.run(["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.splitlines()


def all_up(container):
    """That node sees three, as it is now."""
    views = [each for each in logs(container) if "cluster.view" in each]
    return views and re.search(r'nodes="\S+=up \S+=up \S+=up"$', views[-1])


def check_alone():
    start, *others = block("docker build").replace("127.0.0.1:8000:8000", "127.0.0.1::8000").splitlines()[1:]
    type_in(start)
    until("the image is healthy", lambda: inspect("madang", ".State.Health.Status") == "healthy")
    expect(docker("exec", "madang", "id", "-u") == "10001", "it is not root's")
    expect(docker("exec", "madang", "stat", "-c", "%a %U", "/var/lib/madang") == "700 madang", "its data are its own")
    for each in others:
        type_in(each)
    expect(inspect("madang", ".State.ExitCode") == "0", "it stops well")
    kept = inspect("madang", '(index .Mounts 0).Name'), inspect("madang", '(index .Mounts 0).Destination')
    expect(kept == ("madang", "/var/lib/madang"), f"its data are in a volume: {kept}")
    docker("run", "--detach", "--name", "greets", "--publish", "127.0.0.1::8000", "--volume", "madang:/var/lib/madang", "with-hello")
    until("it is healthy", lambda: inspect("greets", ".State.Health.Status") == "healthy")
    site = "http://" + docker("port", "greets", "8000")
    expect(get(f"{site}/hello/yard", {})[0] == 202, "a plugin in its folder is served")
    docker("stop", "--time", "30", "greets")


def check_compose(folder):
    """As its users do, but for the port of this machine, which is any."""
    there = folder / "deploy"
    there.mkdir()
    (there / "nginx.conf").write_text((sources / "deploy/nginx.conf").read_text())
    (there / "compose.yaml").write_text((sources / "deploy/compose.yaml").read_text().replace("127.0.0.1:8080:8080", "127.0.0.1::8080"))
    run("docker-compose", "--project-name", "yard", "--file", str(there / "compose.yaml"), "up", "--detach", "--no-build")
    a, b, c, front = (f"yard_{each}_1" for each in ("a", "b", "c", "front"))
    until("three nodes are one", lambda: all(all_up(each) for each in (a, b, c)))
    until("all are healthy", lambda: all(inspect(each, ".State.Health.Status") == "healthy" for each in (a, b, c)))
    site = "http://" + docker("port", front, "8080")

    def answers():
        return all(get(f"{site}/readyz")[0] == 200 for _ in range(6))
    until("nginx passes on to all of them", answers)
    expect(b"<title>" in get(f"{site}/")[1], "the demo is there")
    status, taken, visitor = get(f"{site}/api/reports/", {"title": "From three nodes", "pages": 2})
    expect(status == 202, f"a report is ordered: {status} {taken}")
    report = {}

    def made():
        report.update(json.loads(get(site + json.loads(taken)["status_url"], cookie=visitor)[1]))
        return report["state"] in ("SUCCESS", "FAILURE")
    until("the report is made", made)
    expect(all(get(site + report["url"])[1].startswith(b"%PDF") for _ in range(6)), "whoever is asked has the report")

    docker("stop", "--time", "30", b)
    expect(inspect(b, ".State.ExitCode") == "0", "a node stops well")
    expect(answers(), "nobody notices that a node went")
    docker("start", b)
    until("it is back", lambda: all_up(a))
    docker("kill", c)
    until("the two that are left serve", answers)
    docker("start", c)
    until("all are back", lambda: all_up(a) and answers())
    run("docker-compose", "--project-name", "yard", "--file", str(there / "compose.yaml"), "down", "--volumes")


def check_kubernetes(folder):
    """Pods as containers: users, rights, folders and variables of nodes.yaml, names as the headless service gives them."""
    home = sources / "deploy/kubernetes"
    nodes = yaml.safe_load((home / "nodes.yaml").read_text())
    pod = nodes["spec"]["template"]["spec"]
    container, rights = pod["containers"][0], pod["securityContext"]
    user, group = str(rights["runAsUser"]), rights["fsGroup"]
    replicas, service = nodes["spec"]["replicas"], nodes["spec"]["serviceName"]
    secret = folder / "certificates"
    type_in("".join(each for each in block("madang cluster init-ca").splitlines(True) if not each.startswith("kubectl")), folder)
    secret.chmod(0o755)
    for each in secret.iterdir():  # a Secret's defaultMode, with fsGroup
        os.chown(each, 0, group)
        each.chmod(0o440)
    docker("network", "create", "pods")
    names = [f"madang-{i}" for i in range(replicas)]

    def start(name):
        data = folder / f"data-{name}"
        if not data.exists():
            data.mkdir()
            os.chown(data, 0, group)
            data.chmod(0o2775)
        places = {"data": [f"{data}:/var/lib/madang"], "config": [f"{home}:/etc/madang:ro"],
                  "certificates": [f"{secret}:/certificates:ro"]}
        mounts = [word for each in container["volumeMounts"] for place in places.get(each["name"], []) for word in ("--volume", place)]
        empty = [word for each in container["volumeMounts"] if each["name"] not in places for word in ("--tmpfs", each["mountPath"])]
        variables = [word for each in container["env"]
                     for word in ("--env", f"{each['name']}={each.get('value', name).replace('$(MADANG_NODE_NAME)', name)}")]
        security = container["securityContext"]
        docker("run", "--detach", "--name", name, "--network", "pods", "--network-alias", f"{name}.{service}", "--network-alias", service,
               "--user", f"{user}:{rights['runAsGroup']}", "--group-add", str(group),
               *(["--read-only"] if security["readOnlyRootFilesystem"] else []),
               *(f"--cap-drop={each}" for each in security["capabilities"]["drop"]),
               *(["--security-opt", "no-new-privileges"] if not security["allowPrivilegeEscalation"] else []),
               *mounts, *empty, *variables, "madang", *container["args"])

    def probe(name, which):
        port = next(each["containerPort"] for each in container["ports"] if each["name"] == container[which]["httpGet"]["port"])
        address = inspect(name, ".NetworkSettings.Networks.pods.IPAddress")
        return get(f"http://{address}:{port}{container[which]['httpGet']['path']}")[0] == 200
    for name in names:
        start(name)
    until("every pod is ready", lambda: all(probe(each, "readinessProbe") and probe(each, "livenessProbe") for each in names))
    until("every pod sees all", lambda: all(all_up(each) for each in names))
    # A pod that is deleted drains, and comes back with its folder and another address.
    docker("stop", "--time", str(pod["terminationGracePeriodSeconds"]), names[-1])
    expect(inspect(names[-1], ".State.ExitCode") == "0", "a pod drains")
    expect(all(probe(each, "readinessProbe") for each in names[:-1]), "the others stay ready")
    docker("rm", names[-1])
    start(names[-1])
    until("it is one of them again", lambda: all(all_up(each) and probe(each, "readinessProbe") for each in names))


def main():
    os.environ["PATH"] = f"{build}:/usr/sbin:/usr/bin:{os.environ['PATH']}"
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        print("no containers without root and an engine")
        return skipped
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where)
        make_debian(folder)
        if not leave_network():
            print("no network of its own is to be had here")
            return skipped
        engine = Engine(folder)
        try:
            if not engine.runs():
                print("no engine runs here:", engine.log.read_text()[-2000:])
                return skipped
            make_images(folder)
            check_alone()
            check_compose(folder)
            check_kubernetes(folder)
        finally:
            engine.end()
    print("the image and deploy/ work in containers")
    return 0


sys.exit(main())
