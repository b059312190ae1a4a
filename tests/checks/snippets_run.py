#!/usr/bin/env python3
"""Every block of the pages is run, or it says here why not.

Usage: snippets_run.py SOURCES BUILD_TREE WORK_FOLDER [PAGE...]. Each page has a folder and a bash of its own, as with pages_run.py:

- `sh`: its commands are typed one after the other, and each must succeed. A line `# …` below a command is what it says (`…` is
  anything); of JSON the members' names, and what its values are is put for the page's in the commands that follow.
- `toml`: `madang check` takes it.
- what a page does not show its reader stands in a comment: a `console` block, which pages_run.py runs, too; `<!-- file: NAME -->`.
- everything else is sent by a function of snippets_sent.py, is in ELSEWHERE, or fails the check.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import snippets_sent
from pages_run import BLOCK, Session, fits, steps

# What a page writes, and what it is here; PORT and a letter are a port that is free. A page's 127.0.0.1:8000 and :8001 are its last server's.
SWAPS = {
    "docs/cluster-links.md": {"0.0.0.0:7000": "127.0.0.1:PORTa", "node-1.example:7000": "127.0.0.1:PORTa", "node-2.example:7000": "127.0.0.1:PORTb"},
    "docs/cluster.md": {"127.0.0.1:7001": "127.0.0.1:PORTa", "127.0.0.1:7002": "127.0.0.1:PORTb", "127.0.0.1:8010": "127.0.0.1:0",
                        "127.0.0.1:8011": "127.0.0.1:PORTd", "10.0.0.1:8001": "127.0.0.1:PORTc", "10.0.0.2:8001": "127.0.0.1:PORTd",
                        "MADANG_API_KEY=…": "MADANG_API_KEY=of-the-test", "systemctl stop madang": "kill %2 && wait %2", "/mnt/old-a/data": "madang-data"},
    "docs/monitoring.md": {"0.0.0.0:8001": "127.0.0.1:0"},
    "docs/plugin-guide.md": {"/opt/madang": "~/madang-sdk"},
    "docs/service.md": {"/etc/madang/": ""},
    "docs/tracing.md": {"127.0.0.1:4318": "127.0.0.1:PORTa"},
    "docs/workers.md": {"b.example:7000": "127.0.0.1:PORTa", "c.example:7000": "127.0.0.1:PORTb"},
}

# Commands that no test can run as they stand: how they begin, and why.
NOT_RUN = [
    ("README.md", "./dev run", "installs packages, builds the tree and serves until it is stopped"),
    ("README.md", "./dev test", "is the run that this check is part of"),
    ("CONTRIBUTING.md", "./dev build ", "builds a tree"),
    ("CONTRIBUTING.md", "ctest --preset dev ", "needs the tree build/dev"),
    ("CONTRIBUTING.md", "./dev test GroupCore", "builds a tree"),
    ("CONTRIBUTING.md", "./dev fuzz http_head 300", "runs for five minutes, with another compiler"),
    ("CONTRIBUTING.md", "./dev format && ./dev lint", "changes the sources that are tested"),
    ("docs/monitoring.md", "docker compose ", "needs a container engine; checks.monitoring and e2e.prometheus read its files"),
]

# Blocks that another test runs, reads, or says the same in its own words: page, language, how they begin, the test's file.
ELSEWHERE = [
    ("README.md", "cpp", "", "tests/checks/pages_compile.py"),
    ("README.md", "cmake", "", "tests/checks/pages_compile.py"),
    ("README.md", "sh", "cmake --install", "tests/checks/pages_compile.py"),
    ("docs/admin.md", "", "admin.action key=", "tests/integration/server/admin_test.cpp"),
    ("docs/containers.md", "sh", "docker ", "tests/checks/image_check.py"),
    ("docs/containers.md", "sh", "madang cluster init-ca ", "tests/checks/image_check.py"),
    ("docs/containers.md", "dockerfile", "", "tests/checks/image_check.py"),
    ("docs/jobs.md", "json", "", "tests/unit/jobs/jobs_page_test.cpp"),
    ("docs/plugin-guide.md", "cpp", "", "tests/unit/sdk/CMakeLists.txt"),
    ("docs/plugin-guide.md", "cmake", "", "plugins/template/CMakeLists.txt"),
    ("docs/plugin-guide.md", "sh", "cmake --install", "plugins/sdk/CMakeLists.txt"),
    ("docs/plugin-guide.md", "json", '{"error": [{"field"', "tests/unit/sdk/schema_test.cpp"),
    ("docs/protocol.md", "json", '{"error": [{"field"', "tests/unit/sdk/schema_test.cpp"),
    ("docs/server-api.md", "", "api ", "tests/unit/protocol/api_methods_test.cpp"),
    ("docs/server-api.md", "", "POST /api/cluster/remove", "tests/e2e/cluster_operate.test.mjs"),
    ("docs/service.md", "", "config.taken_up", "tests/integration/server/reload_test.cpp"),
    ("docs/service.md", "ini", "", "tests/checks/service_check.py"),
    ("docs/service.md", "sh", "./dev package", "tests/checks/service_check.py"),
    ("docs/service.md", "sh", "cmake --install", "tests/checks/service_check.py"),
    ("docs/service.md", "sh", "systemctl edit", "tests/checks/service_check.py"),
    ("ARCHITECTURE.md", "", " ", "tests/checks/include_edges.py"),  # drawings
]

COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)


def commands_of(shell):
    """(command, the lines below it that say what it says)."""
    return [(COMMENT.sub("", command), [line.removeprefix("# ") for line in said])
            for command, said in steps(re.sub(r"^(?=[^\s#])", "$ ", shell, flags=re.MULTILINE))]


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class Page(Session):
    def __init__(self, name, tree, work):
        super().__init__(tree, work)
        self.name, self.ports, self.tree = name, {}, tree
        self.swaps = {shown: re.sub(r"PORT[a-z]", lambda port: str(self.ports.setdefault(port[0], free_port())), real)
                      for shown, real in SWAPS.get(name, {}).items()}
        (work / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")

    def here(self, text):
        for shown in sorted(self.swaps, key=len, reverse=True):
            text = text.replace(shown, self.swaps[shown])
        return super().here(text)

    def tell(self, command, wanted):
        command = self.here(command)
        if re.match(r"(\w+=\S+ )*madang (serve|worker)\b", command):
            code, said = (self.serve if " serve" in command else self.work_for)(command)
        else:
            code, said = self.type(command)
        answer = re.sub(r"^\d{3} (?=\{)", "", "\n".join(wanted))
        if answer.startswith("{"):
            wrong = list(snippets_sent.alike(json.loads(answer), json.loads(said), self.swaps)) if code == 0 else []
        else:
            wrong = [] if fits([self.here(line) for line in wanted], said) else [f"the page says {answer}"]
        if code != 0 or wrong:
            sys.exit(f"{self.name}: {command}\n{said}\nexit code {code}; " + "; ".join(wrong))

    def work_for(self, command):
        """A worker, which has come to its server."""
        self.count += 1
        log = self.work / f"worker.{self.count}"
        self.type(f"{command} >{log} 2>&1 &")
        self.wait(lambda: log.exists() and re.search("worker.connected| error |^madang: ", log.read_text(), re.M), command, log.read_text)
        return (0 if "worker.connected" in log.read_text() else 1), log.read_text()

    def check(self, text):
        file = self.work / "checked.toml"
        # Of the file only its options count: the page's addresses and folders are not this machine's.
        file.write_text(self.here(text))
        done = subprocess.run([self.tree / "madang", "check", "--config", file, "--data-dir", "none", "--listen", "127.0.0.1:0",
                               "--internal-listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})
        if done.returncode != 0 or re.search("warn", done.stdout + done.stderr):
            sys.exit(f"{self.name}: madang check does not take\n{text}{done.stdout}{done.stderr}")


def run_page(sources, tree, work, name, used):
    """How many blocks were run."""
    text = (sources / name).read_text(encoding="utf-8")
    typed = re.findall(r"^madang_page\((\w+)", (sources / "tests/checks/CMakeLists.txt").read_text(), re.MULTILINE)
    whole = name in [f"docs/{each}.md" for each in typed]
    blocks = [block for block in BLOCK.findall(text) if not (whole and (block[0] or block[1] in ("console", "python")))]
    if not blocks:
        return 0
    page = None
    ran = 0
    try:
        for file, language, block in blocks:
            row = next((row for row in ELSEWHERE if row[0] == name and row[1] == language and block.startswith(row[2])), None)
            if row:
                used.add(row)
                continue
            page = page or Page(name, tree, work)
            sent = snippets_sent.SENT.get((name, language, block.splitlines()[0]))
            ran += 1
            if file:
                page.write(file, block)
            elif sent:
                sent(page, block)
                used.add((name, language, block.splitlines()[0]))
            elif language == "toml":
                page.check(block)
            elif language == "console":
                for command, wanted in steps(block):
                    page.tell(command, wanted)
            elif language == "sh":
                for command, wanted in commands_of(block):
                    row = next((row for row in NOT_RUN if row[0] == name and command.startswith(row[1])), None)
                    if row:
                        used.add(row)
                    else:
                        page.tell(command, wanted)
            else:
                sys.exit(f"{name}: nothing runs this block of {language or 'no language'}:\n{block}")
    finally:
        if page:
            page.end()
    return ran


def main(sources, tree, work, names):
    missing = [name for name in ("openssl", "curl", "node") if shutil.which(name) is None]
    if missing:
        sys.exit(f"needs {', '.join(missing)}: ./dev install")
    shutil.rmtree(work, ignore_errors=True)
    used, ran = set(), 0
    every = [str(page.relative_to(sources)) for page in [*sorted(sources.glob("*.md")), *sorted(sources.glob("docs/*.md"))]]
    for name in names or every:
        ran += run_page(sources, tree, work / name.replace("/", "-").removesuffix(".md"), name, used)
    for row in [*NOT_RUN, *ELSEWHERE, *snippets_sent.SENT]:
        if row not in used and row[0] in (names or every):
            sys.exit(f"no block is {row}")
    for row in ELSEWHERE:
        if not (sources / row[3]).exists():
            sys.exit(f"there is no {row[3]}")
    print(f"ran {ran} blocks")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and what it started with it
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4:])
