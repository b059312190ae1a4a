#!/usr/bin/env python3
"""Holds the Dockerfile's list of runtime packages equal to what the server and its bundled plugins link.

Usage: docker_check.py ROOT BINARY. The plugins are the *.so files in `madang-plugins` beside the binary.
"""
import pathlib
import re
import subprocess
import sys

IN_EVERY_IMAGE = {"libc6", "libgcc-s1"}
# What TLS verifies peers with; the time zones of schedules; what the report plugin writes titles with.
NOT_LINKED = {"ca-certificates", "fonts-nanum", "tzdata"}


def runtime_packages(dockerfile):
    """The packages of the last stage's apt-get install."""
    stage = dockerfile[dockerfile.rindex("\nFROM "):].replace("\\\n", " ")
    words = re.search(r"apt-get install (.*?)&&", stage, re.DOTALL).group(1).split()
    return {word for word in words if not word.startswith("-")}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def linked_packages(binary):
    """The packages of the libraries that `binary` names itself; their own dependencies are apt's business."""
    named = re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", str(binary)))
    found = dict(re.findall(r"(\S+) => (\S+)", output("ldd", str(binary))))
    packages = set()
    for library in named:
        path = found.get(library)
        if path is None:  # the loader itself, which ldd prints without an arrow
            continue
        if path == "not":
            raise SystemExit(f"{binary}: {library} is not installed")
        # dpkg knows a file by the name it was packed under, with or without /usr.
        for name in (path, "/usr" + path, path.removeprefix("/usr")):
            search = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
            if search.returncode == 0:
                packages.add(search.stdout.split(":")[0])
                break
        else:
            raise SystemExit(f"{binary}: {path} belongs to no package")
    return packages


def check(root, binary):
    dockerfile = (root / "Dockerfile").read_text()
    listed = runtime_packages(dockerfile) - NOT_LINKED
    linked = set()
    for file in [binary, *sorted((binary.parent / "madang-plugins").rglob("*.so"))]:
        linked |= linked_packages(file)
    linked -= IN_EVERY_IMAGE
    for package in sorted(linked - listed):
        yield f"Dockerfile: {package} is linked and not installed"
    for package in sorted(listed - linked):
        yield f"Dockerfile: {package} is installed and not linked"
    options = (root / "docs/configuration.md").read_text()
    for name in re.findall(r"\bMADANG_[A-Z_]+", dockerfile):
        if name not in options:
            yield f"Dockerfile: {name} is no option of docs/configuration.md"


if __name__ == "__main__":
    found = list(check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
    print("\n".join(found) if found else "the Dockerfile installs what is linked")
    sys.exit(1 if found else 0)
