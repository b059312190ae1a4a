#!/usr/bin/env python3
"""Holds the arrows of ARCHITECTURE.md: which folder may include which, and where each big library lives.

Usage: include_edges.py [ROOT]. Prints one line per forbidden include and exits 1 when there is one.
"""
import pathlib
import re
import sys

# Folder -> the folders it may include besides itself. The longest matching folder counts.
ALLOWED = {
    "broker/core": [],
    "storage": ["broker/core", "monitoring"],
    "monitoring": ["broker/core"],
    "plugins/sdk": [],
    "plugins/host": ["plugins/sdk", "broker/core", "broker/jobs", "monitoring"],
    "broker/protocol": ["broker/core"],
    "broker/auth": ["broker/core", "monitoring"],
    "broker/jobs": ["broker/core", "broker/protocol"],
    "broker/cluster": ["broker/core"],
    "broker/worker": ["broker/core", "broker/jobs", "monitoring", "plugins/sdk", "plugins/host"],
    "actors": ["broker/jobs", "broker/cluster", "broker/core", "storage", "monitoring", "plugins/sdk", "plugins/host", "broker/protocol",
               "broker/auth"],
    "broker/net": ["actors", "broker/jobs", "broker/cluster", "broker/core", "monitoring", "plugins/sdk", "plugins/host", "broker/protocol",
                   "broker/auth"],
    # The load client of `madang bench`: it knows no server code, but must know whose a group is.
    "broker/bench": ["broker/core", "broker/cluster"],
    "broker/app": ["*"],
    "tests": ["*"],
    "plugins": [],  # a bundled plugin: the installed SDK and its own folder
}

# Library -> (how its includes begin, the folders that may). tests/ may use anything. The SDK's test kit loads a plugin by
# dlopen, as the host does.
LIBRARIES = {
    "Beast": (r"boost/beast", ["broker/net"]),
    "Asio": (r"boost/asio", ["broker/net", "actors", "broker/app", "broker/bench"]),
    "CAF": (r"caf/", ["actors", "broker/app"]),
    "RocksDB": (r"rocksdb/", ["storage"]),
    "libcurl": (r"curl/", ["broker/net", "broker/app"]),
    "prometheus-cpp": (r"prometheus/", ["monitoring"]),
    "dlfcn": (r"dlfcn\.h", ["plugins/host", "plugins/sdk"]),
    "zlib": (r"zlib\.h", ["broker/protocol", "broker/auth"]),
}

# Kept out of headers, since everybody who includes the header would pay for them. A header that is an implementation
# in all but name (`*_impl.hpp`, or in a folder `detail`) is included by .cpp files only and may; others are named here,
# each with its reason.
HEAVY = r"(boost/beast|caf|rocksdb|curl)/"
HEAVY_HEADERS = {}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
SOURCES = {".hpp", ".cpp", ".h", ".c"}


def folder_of(path, folders):
    fits = [f for f in folders if path == f or path.startswith(f + "/")]
    return max(fits, key=len) if fits else None


def is_implementation(path):
    return path.endswith("_impl.hpp") or "/detail/" in path


def check_file(root, path):
    """Yields a sentence for each include of `path` (relative to root) that the tables forbid."""
    folder = folder_of(path, ALLOWED)
    if folder is None:
        yield f"{path}: is in no folder that tests/checks/include_edges.py knows"
        return
    # A plugin is its own folder: plugins/chat may not look into plugins/ping.
    own = "/".join(path.split("/")[:2]) if folder == "plugins" else folder
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    for match in INCLUDE.finditer(text):
        quote, target = match.groups()
        where = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}"
        for library, (pattern, homes) in LIBRARIES.items():
            if re.match(pattern, target) and folder not in homes and folder != "tests":
                yield f"{where}: {library} ({target}) is used in {', '.join(homes)} only"
        if (path.endswith((".hpp", ".h")) and re.match(HEAVY, target) and folder != "tests"
                and not is_implementation(path) and path not in HEAVY_HEADERS):
            yield f"{where}: a header includes {target}; move it to the .cpp or a *_impl.hpp"
        if target.startswith("madang/"):
            if folder_of("plugins/sdk", ALLOWED[folder]) is None and folder not in ("plugins", "plugins/sdk") \
                    and ALLOWED[folder] != ["*"]:
                yield f"{where}: {folder} does not know the SDK"
            continue
        if quote == "<":
            # The project's own folders are included with quotes; what is left is the system's.
            if folder_of(target, [f for f in ALLOWED if f not in ("tests", "plugins")]):
                yield f"{where}: include our own {target} with quotes"
            continue
        if is_implementation(target) and path.endswith((".hpp", ".h")) and not is_implementation(path):
            yield f"{where}: a header includes the implementation {target}"
        if folder == "plugins":
            beside = (root / path).parent / target
            if not target.startswith(own + "/") and not beside.exists():
                yield f"{where}: a plugin includes <madang/…>, the standard library and its own files, not {target}"
            continue
        to = folder_of(target, ALLOWED)
        if to is None or not (root / target).exists():
            # Generated headers and the test framework's sources have no file below the root.
            if not (to is not None or folder == "tests"):
                yield f"{where}: include by the path from the root, not {target}"
            if to is None:
                continue
        if to != folder and ALLOWED[folder] != ["*"] and to not in ALLOWED[folder]:
            yield f"{where}: {folder} may not include {to} ({target})"


def check(root):
    root = pathlib.Path(root)
    problems = []
    for top in ("broker", "storage", "monitoring", "plugins", "actors", "tests"):
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in SOURCES and file.is_file() and "/node_modules/" not in path:
                problems.extend(check_file(root, path))
    return problems


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    print("\n".join(found) if found else "every include is allowed")
    sys.exit(1 if found else 0)
