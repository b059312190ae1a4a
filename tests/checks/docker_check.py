#!/usr/bin/env python3
"""Holds the Dockerfile's lists of packages equal to what the server and its bundled plugins link, and to what plugins are built with.

Usage: docker_check.py ROOT BINARY. The plugins are the *.so files in `madang-plugins` beside the binary.
"""
import pathlib
import re
import subprocess
import sys

IN_EVERY_IMAGE = {"libc6", "libgcc-s1"}
# What TLS verifies peers with; the time zones of schedules; what the report plugin writes titles with.
NOT_LINKED = {"ca-certificates", "fonts-nanum", "tzdata"}
# What madang_add_plugin and madang_add_plugin_test need, besides what the SDK's headers include.
BUILDS_PLUGINS = {"cmake", "g++", "libgtest-dev", "ninja-build"}


def stages(dockerfile):
    """Each stage's text by its name; the last one's is ""."""
    texts = re.split(r"^FROM \S+(?: AS (\w+))?\n", dockerfile.replace("\\\n", " "), flags=re.M)[1:]
    return {name or "": text for name, text in zip(texts[::2], texts[1::2])}


def installed_packages(stage):
    words = re.search(r"apt-get install (.*?)&&", stage, re.DOTALL).group(1).split()
    return {word for word in words if not word.startswith("-")}


def included_packages(sdk):
    """The packages of the libraries that the SDK's headers include."""
    folders = set()
    for header in sdk.rglob("*.h*"):
        folders |= set(re.findall(r"^\s*#include <(\w+)/", header.read_text(), re.M))
    folders -= {"madang", "sys"}
    return {output("dpkg", "-S", f"/usr/include/{each}").split(":")[0] for each in folders}


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
    parts = stages(dockerfile)
    listed = installed_packages(parts[""]) - NOT_LINKED
    linked = set()
    for file in [binary, *sorted((binary.parent / "madang-plugins").rglob("*.so"))]:
        linked |= linked_packages(file)
    linked -= IN_EVERY_IMAGE
    for package in sorted(linked - listed):
        yield f"Dockerfile: {package} is linked and not installed"
    for package in sorted(listed - linked):
        yield f"Dockerfile: {package} is installed and not linked"
    needed = included_packages(root / "plugins/sdk/include") | BUILDS_PLUGINS
    if needed != installed_packages(parts["sdk"]):
        yield f"Dockerfile: plugins are built with {sorted(needed)}"
    components = " ".join(file.read_text() for folder in ("broker", "plugins") for file in (root / folder).rglob("CMakeLists.txt"))
    components += (root / "plugins/sdk/cmake/MadangPlugin.cmake").read_text()
    for name in re.findall(r"--component (\w+)", parts["builder"]):
        if f"COMPONENT {name}" not in components:
            yield f"Dockerfile: there is no component {name}"
    for name, part in parts.items():
        for source in re.findall(r"^COPY --from=builder (\S+)", part, re.M):
            if source not in re.findall(r"--prefix (\S+)", parts["builder"]):
                yield f"Dockerfile: {name or 'the server'} copies {source}, where nothing was installed"
    options = (root / "docs/configuration.md").read_text()
    for name in re.findall(r"\bMADANG_[A-Z_]+", dockerfile):
        if name not in options:
            yield f"Dockerfile: {name} is no option of docs/configuration.md"


if __name__ == "__main__":
    found = list(check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
    print("\n".join(found) if found else "the Dockerfile installs what is linked")
    sys.exit(1 if found else 0)
