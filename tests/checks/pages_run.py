#!/usr/bin/env python3
"""What a page tells its reader to type is typed, in a folder of its own, and says what the page shows.

Usage: pages_run.py PAGE BUILD_TREE WORK_FOLDER [PROGRAM...]. From the page's top to its end:

- A block that is preceded by a line `<!-- file: NAME -->` is written to that file; a second one of the name is added.
- A `python` block must be Python.
- A `console` block's lines behind `$ ` are given to one bash, in Madang's clone (as far as WORK_FOLDER/madang is one: it
  has build/release), with `madang` in the PATH. Each must succeed, and say the lines that follow, where `…` is anything.
  `madang serve … &` gets free ports: where the page says 127.0.0.1:8000 and :8001 they are meant, and of its log only the lines `madang: …` count.

What a page does not show its reader stands in a comment. All that was started ends with the script.
"""
import ast
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

BLOCK = re.compile(r"(?:<!-- file: (\S+)(?: -->)?\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PATIENCE = 60  # seconds
LISTENERS = {"listening": "127.0.0.1:8000", "internal": "127.0.0.1:8001"}


def steps(text):
    """(command, the lines that it is to say) of a console block."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0] + "\n" + line, [])
        elif found:
            found[-1][1].append(line)
    return found


def fits(wanted, said):
    pattern = r"\n".join(".*".join(re.escape(part) for part in line.split("…")) for line in wanted)
    return not wanted or re.fullmatch(pattern, said.strip("\n"), re.DOTALL)


class Session:
    def __init__(self, tree, work):
        self.work, self.addresses, self.servers, self.files = work, {}, 0, {}
        (work / "madang/build").mkdir(parents=True)
        (work / "madang/build/release").symlink_to(tree)
        (work / "bin").mkdir()
        (work / "bin/madang").symlink_to(tree / "madang")
        known = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
        known.setdefault("CCACHE_DIR", os.path.expanduser("~/.cache/ccache"))
        known.update(HOME=str(work), PATH=f"{work / 'bin'}:{os.environ['PATH']}", LC_ALL="C.UTF-8",
                     MADANG_LISTEN="127.0.0.1:0", MADANG_INTERNAL_LISTEN="127.0.0.1:0", NO_PROXY="127.0.0.1")
        self.bash = subprocess.Popen(["bash", "--norc"], cwd=work / "madang", env=known, stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, start_new_session=True, text=True)
        # Killed, we close bash's input: then what it started ends with it, too.
        self.bash.stdin.write("trap 'kill -KILL 0' EXIT\n")
        self.count = 0

    def folder(self):
        return pathlib.Path(os.readlink(f"/proc/{self.bash.pid}/cwd"))

    def type(self, command):
        """Gives it to bash; (exit code, what it said) when it is done."""
        self.count += 1
        said, code = self.work / f"said.{self.count}", self.work / f"code.{self.count}"
        self.bash.stdin.write(f"{{ {command}\n}} >{said} 2>&1 </dev/null\necho $? >{code}.new; mv {code}.new {code}\n")
        self.bash.stdin.flush()
        self.wait(code.exists, command, lambda: said.read_text() if said.exists() else "")
        return int(code.read_text()), said.read_text()

    def wait(self, is_so, command, words):
        until = time.monotonic() + PATIENCE * 4
        while not is_so():
            if time.monotonic() > until or self.bash.poll() is not None:
                sys.exit(f"$ {command}\n{words()}\nhas not come to its end")
            time.sleep(0.02)

    def serve(self, command):
        self.servers += 1
        log = self.work / f"server.{self.servers}"
        self.type(f"{command.removesuffix('&').rstrip()} >{log} 2>&1 &")
        lines = lambda: dict(re.findall(r"^madang: (listening|internal) on https?://(\S+)$", log.read_text(), re.M))
        self.wait(lambda: log.exists() and (len(lines()) == 2 or re.search(" error |^madang: error", log.read_text(), re.M)),
                  command, log.read_text)
        if len(lines()) != 2:
            return 1, log.read_text()
        for name, address in lines().items():
            self.addresses[LISTENERS[name]] = address
        self.type(f"export MADANG_API_URL=http://{lines()['internal']}")
        for file, text in self.files.items():
            file.write_text(self.here(text), encoding="utf-8")
        return 0, "\n".join(line for line in log.read_text().splitlines() if line.startswith("madang: "))

    def here(self, text):
        for known, real in self.addresses.items():
            text = text.replace(known, real)
        return text

    def write(self, name, text):
        file = self.folder() / name
        self.files[file] = self.files.get(file, "") + text
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.here(self.files[file]), encoding="utf-8")

    def run(self, command, wanted):
        command = self.here(command)
        code, said = self.serve(command) if re.search(r"madang serve.*&$", command) else self.type(command)
        for known, real in self.addresses.items():
            said = said.replace(real, known)
        if code != 0 or not fits(wanted, said):
            sys.exit(f"$ {command}\n{said}\nexit code {code}; the page says\n" + "\n".join(wanted))

    def end(self):
        os.killpg(self.bash.pid, signal.SIGKILL)  # what it started is of its group
        self.bash.wait()


def main(page, tree, work, programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        sys.exit(f"needs {', '.join(missing)}: ./dev install")
    shutil.rmtree(work, ignore_errors=True)
    session = Session(tree, work)
    commands = 0
    try:
        for name, language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if language == "python":
                ast.parse(text, str(page))
            if name:
                session.write(name, text)
            elif language == "console":
                for command, wanted in steps(text):
                    session.run(command, wanted)
                    commands += 1
    finally:
        session.end()
    if commands == 0:
        sys.exit(f"{page}: shows no command")
    print(f"{page.name}: wrote {len(session.files)} files, ran {commands} commands")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and what it started with it
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4:])
