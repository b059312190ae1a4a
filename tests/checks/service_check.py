"""docs/service.md on a machine: the Debian package is installed in a new Debian, which systemd boots, and does there what the page says.

Usage: service_check.py SOURCES BUILD. The machine is a container with a network of its own (systemd-nspawn), made by mmdebstrap
from this machine's package sources, and ends with the check. Where no container boots, say without root, the exit code is 77.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from debian import end_with_parent, expect, new_debian, run

sources, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
page = (sources / "docs/service.md").read_text()
patience = 120  # seconds, for whatever is waited for
skipped = 77
key = "a-key-of-this-check-that-is-long-enough"


class Machine:
    """A booted Debian. Its first process is our child's child; commands enter its namespaces."""

    def __init__(self, root, log):
        self.root, self.log = root, log
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--directory", str(root), "--boot", "--private-network", "--register=no", "--keep-unit",
             "--console=pipe"], stdin=subprocess.DEVNULL, stdout=log.open("w"), stderr=subprocess.STDOUT,
            preexec_fn=end_with_parent)
        self.first = None

    def booted(self):
        """Whether it did: what happens on it then is ours to answer for."""
        end = time.monotonic() + patience
        while time.monotonic() < end and self.nspawn.poll() is None:
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            self.first = children[0] if children else None
            if self.first and self.ask("systemctl is-system-running", wrong_is_well=True) == "running":
                return True
            time.sleep(0.2)
        return False

    def ask(self, command, wrong_is_well=False):
        """What a shell on it prints for `command`, as root."""
        done = subprocess.run(["nsenter", "--target", self.first, "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                               "LANG=C.UTF-8",
                               f"MADANG_API_KEY={key}", "/bin/bash", "-c", command], capture_output=True, text=True, timeout=300)
        if done.returncode and not wrong_is_well:
            sys.exit(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}\n"
                     + self.ask("systemctl status --no-pager --lines 40 madang madang.socket", wrong_is_well=True))
        return done.stdout.strip()

    def told(self, command):
        """`ask` of a command that docs/service.md has."""
        if not re.search(rf"^{re.escape(command)}(\s|$)", page, re.M):
            sys.exit(f"docs/service.md does not have: {command}")
        return self.ask(command)

    def does(self, verb):
        """`systemctl VERB`, as the page's table has it."""
        expect(f"\n| `systemctl {verb}` |" in page, f"docs/service.md tells of `systemctl {verb}`")
        self.ask(f"systemctl {verb} madang")

    def show(self, what, unit="madang"):
        return self.ask(f"systemctl show --value --property {what} {unit}")

    def until(self, what, holds):
        end = time.monotonic() + patience
        while not holds():
            if time.monotonic() > end:
                sys.exit(f"not within {patience} s: {what}\n" + self.ask("systemctl status --no-pager --lines 40 madang"))
            time.sleep(0.1)

    def drop_in(self, unit, text):
        """What `systemctl edit UNIT` would keep."""
        folder = self.root / f"etc/systemd/system/{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / "override.conf").write_text(text)
        self.ask("systemctl daemon-reload")

    def end(self):
        self.nspawn.terminate()  # to nspawn: have the machine shut down
        try:
            self.nspawn.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()


def ini(first_line):
    """The page's ini block that begins with these lines."""
    found = re.search(rf"^```ini\n({re.escape(first_line)}.*?)^```", page, re.M | re.S)
    return found.group(1) if found else sys.exit(f"docs/service.md has no ini block with {first_line!r}")


def check_start(machine):
    expect(machine.ask("systemctl is-enabled madang", wrong_is_well=True) == "disabled", "installing enables nothing")
    expect(machine.ask("systemctl is-active madang", wrong_is_well=True) == "inactive", "installing starts nothing")
    (machine.root / "etc/madang/madang.env").write_text(f"MADANG_API_KEYS=check:all:{key}\n")
    machine.told("systemctl enable --now madang")
    expect(machine.ask("curl -sS http://127.0.0.1:8001/readyz") == "ready", "a start returns when the server is ready")
    machine.ask("curl -sS http://127.0.0.1:8000/ | cmp - /usr/share/madang/site/index.html")
    machine.ask("curl -sS http://127.0.0.1:8001/admin/ | cmp - /usr/share/madang/admin/index.html")
    expect(machine.show("StatusText") == "listening on http://127.0.0.1:8000", "the status says where it listens")
    exposure = float(re.search(r"^→ Overall exposure level for madang.service: ([\d.]+)",
                               machine.ask("systemd-analyze --no-pager security madang"), re.M).group(1))
    expect(exposure <= 2.0 and f"says {exposure} (" in page, f"an exposure of {exposure}")
    mode = machine.ask("stat --format '%a %U' /var/lib/madang; stat --format '%a %U:%G' /etc/madang/madang.toml")
    expect(mode == "700 madang\n640 root:madang", f"who may read: {mode}")


def check_sandbox(machine):
    """A worker makes a report in it, and writes nowhere but where it may."""
    order = json.dumps({"title": "Within bounds", "pages": 2})
    jar = "--cookie /tmp/jar --cookie-jar /tmp/jar"
    taken = json.loads(machine.ask(f"curl -sS {jar} --json '{order}' http://127.0.0.1:8000/api/reports/"))
    report = {}

    def made():
        report.update(json.loads(machine.ask(f"curl -sS {jar} http://127.0.0.1:8000{taken['status_url']}")))
        return report["state"] in ("SUCCESS", "FAILURE")
    machine.until("the report is made", made)
    expect(report["state"] == "SUCCESS", f"the report is {report}")

    def writes(where):
        inside = f"nsenter --target {machine.show('MainPID')} --mount touch {where}/tried"
        return machine.ask(f"{inside} 2>&1 && echo yes", wrong_is_well=True).endswith("yes")
    machine.ask("mkdir -p /srv/reports")
    expect(writes("/var/lib/madang") and not writes("/srv/reports") and not writes("/etc/madang"), "it writes its data only")
    machine.drop_in("madang.service", ini("[Service]\nReadWritePaths="))
    machine.ask("systemctl restart madang")
    expect(writes("/srv/reports") and not writes("/etc/madang"), "it writes where ReadWritePaths= says")


def check_reload(machine):
    options = machine.root / "etc/madang/madang.toml"
    before = options.read_text()
    first = machine.show("MainPID")
    options.write_text('log_level = "debug"\nloops = 1\n' + before)
    machine.does("reload")
    for line in ("config.taken_up changed=log_level", "config.restart_needed changed=loops"):
        machine.until(f"the log has {line}", lambda line=line: line in machine.ask("journalctl --unit madang --output cat --no-pager"))
    options.write_text("what is this?\n")
    machine.does("reload")
    expect("not reloaded: /etc/madang/madang.toml:1: " in machine.show("StatusText"), "the status says why a reload failed")
    expect('madang_reloads_total{outcome="failed"} 1' in machine.ask("curl -sS http://127.0.0.1:8001/metrics"), "it is counted")
    options.write_text(before)
    machine.ask("systemctl reload madang")
    expect(machine.show("StatusText") == "listening on http://127.0.0.1:8000", "a mended file is taken")
    expect(machine.show("MainPID") == first, "no reload restarts it")


def check_faults(machine):
    """What systemd does when the process dies or stands still, and that nothing acknowledged is lost by it."""
    job = machine.ask("madang job enqueue reports.tidy --countdown 1h --json")
    id = json.loads(job)["jobs"][0]["id"]

    def starts_anew(what, how):
        was = machine.show("NRestarts")
        machine.ask(f"kill -{how} {machine.show('MainPID')}")
        machine.until(what, lambda: machine.show("NRestarts") != was and machine.show("SubState") == "running")
        expect(id in machine.ask(f"madang job show {id} --json"), "what was acknowledged is there")
    starts_anew("a dead server is started anew", "KILL")
    machine.drop_in("madang.service", "[Service]\nWatchdogSec=2\n")
    machine.ask("systemctl restart madang")
    # Loops that turn keep the watchdog quiet.
    machine.ask("sleep 5")
    expect(machine.show("NRestarts") == "0", "a server that turns is left alone")
    starts_anew("a server that stands still is started anew", "STOP")
    expect(machine.ask("journalctl --unit madang --no-pager --grep 'Watchdog timeout'"), "it was the watchdog")
    machine.drop_in("madang.service", "")
    machine.ask("systemctl restart madang")


def check_stop(machine):
    machine.does("stop")
    expect(machine.show("Result") == "success" and machine.show("ExecMainStatus") == "0", "it stops well")
    expect(not machine.ask("pgrep --exact madang", wrong_is_well=True), "its workers end with it")


def check_socket(machine):
    """Port 80 without a right to it; who connects during a restart waits."""
    machine.drop_in("madang.socket", ini("[Socket]\nListenStream="))
    machine.told("systemctl stop madang && systemctl enable --now madang.socket && systemctl start madang")
    machine.ask("curl -sSf --output /dev/null http://127.0.0.1/")
    machine.ask("(for i in $(seq 40); do curl -sSf --output /dev/null http://127.0.0.1/ || exit 1; sleep 0.05; done) & asking=$!\n"
                "systemctl restart madang && systemctl restart madang && wait $asking")
    machine.ask("systemctl disable --now madang.socket && systemctl restart madang")


def check_package(machine, package):
    (machine.root / "etc/madang/madang.toml").write_text('log_level = "warn"\n')
    first = machine.show("MainPID")
    machine.ask(f"dpkg --install {package}")
    machine.until("it is started again", lambda: machine.show("SubState") == "running" and machine.show("MainPID") != first)
    expect(machine.ask("cat /etc/madang/madang.toml") == 'log_level = "warn"', "a newer package keeps the configuration")
    machine.ask("apt-get remove --yes madang")
    expect(machine.ask("systemctl is-active madang", wrong_is_well=True) == "inactive", "removing it stops it")
    machine.ask("apt-get purge --yes madang")
    expect(machine.ask("ls /etc/madang") == "madang.env", "its configuration goes with a purge")
    expect(machine.ask("id --name --user madang; ls /var/lib/madang/db/CURRENT").endswith("CURRENT"), "the data and the user stay")


def check_by_hand(machine):
    """The page's way without the package, from a clone."""
    run("cmake", "--install", str(build), "--prefix", "/usr", "--strip", env={**os.environ, "DESTDIR": str(machine.root)})
    run("cp", "-a", str(sources / "deploy"), str(machine.root / "root"))
    block = re.search(r"^```sh\ncmake --install build/release --prefix /usr --strip .*?\n(.*?)^```", page, re.M | re.S).group(1)
    machine.ask(f"cd /root && set -e\n{block}")
    machine.ask("curl -sS http://127.0.0.1:8000/ | cmp - /usr/share/madang/site/index.html")


def main():
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where)
        root = folder / "root"
        if os.geteuid() != 0:
            print("no container without root")
            return skipped
        run("cpack", "--config", str(build / "CPackConfig.cmake"), "-B", where)
        package = next(folder.glob("madang_*.deb"))
        new_debian(root, ["systemd-sysv", "dbus", "curl", "procps", "fonts-nanum"], f"copy-in {package} /root",
                   f'chroot "$1" apt-get install --yes --no-install-recommends /root/{package.name}')
        machine = Machine(root, folder / "console")
        try:
            if not machine.booted():
                print("no container boots here:", machine.log.read_text()[-2000:])
                return skipped
            check_start(machine)
            check_sandbox(machine)
            check_reload(machine)
            check_faults(machine)
            check_stop(machine)
            machine.does("start")
            check_socket(machine)
            check_package(machine, f"/root/{package.name}")
            check_by_hand(machine)
        finally:
            machine.end()
    print("the service is as docs/service.md says")
    return 0


sys.exit(main())
