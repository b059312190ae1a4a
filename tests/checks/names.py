#!/usr/bin/env python3
"""Holds the conventions that let a reader guess where a thing is. Usage: names.py [ROOT].

- Source files are snake_case, `.hpp` and `.cpp`; a header has an include guard.
- Every .cpp is named by a CMakeLists.txt of its folder or above (or matched by a glob there): none is left unbuilt.
- No unit test waits for time to pass: a clock is injected.
"""
import fnmatch
import pathlib
import re
import sys

TOPS = ("broker", "storage", "monitoring", "plugins", "actors", "tests")
SOURCES = {".hpp", ".cpp", ".h", ".c"}
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(")


def files(root):
    for top in TOPS:
        for file in sorted((root / top).rglob("*")):
            path = file.relative_to(root)
            if file.is_file() and "node_modules" not in path.parts:
                yield path


def is_built(root, path):
    """Whether a CMakeLists.txt in a folder from the file's up to the root names the file or globs it."""
    for folder in path.parents:
        lists = root / folder / "CMakeLists.txt"
        if not lists.exists():
            continue
        text = lists.read_text()
        inside = path.relative_to(folder).as_posix()
        for word in re.findall(r"[^\s()\"]+", text):
            word = re.sub(r"^\$\{[A-Z_]*SOURCE_DIR\}/", "", word)
            if word in (inside, path.as_posix()) or ("*" in word and fnmatch.fnmatch(inside, word)):
                return True
        # foreach(name …) add_executable(${name} ${name}.cpp): the stem stands in the list.
        if re.search(r"\$\{\w+\}[\w.]*\.cpp", text) and re.search(rf"\b{re.escape(strip(path.stem))}\b", text):
            return True
    for module in (root / "cmake").glob("*.cmake"):
        if path.as_posix() in module.read_text():
            return True
    return False


def strip(stem):
    return re.sub(r"_(test|fuzz|bench)$", "", stem)


def check(root):
    root = pathlib.Path(root)
    for path in files(root):
        if path.suffix not in SOURCES:
            continue
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        if not re.fullmatch(r"[a-z0-9_]+", path.stem):
            yield f"{path}: file names are snake_case"
        if path.suffix == ".hpp" and "#pragma once" not in text:
            yield f"{path}: has no #pragma once"
        if path.suffix == ".h" and not re.search(r"^#ifndef \w+_H\n#define \w+_H$", text, re.MULTILINE):
            yield f"{path}: has no include guard"
        if path.parts[:2] == ("tests", "unit"):
            if SLEEP.search(text):
                yield f"{path}: sleeps; inject the time, or wait for the event itself"
        if path.suffix == ".cpp" and not is_built(root, path):
            yield f"{path}: no CMakeLists.txt builds it"


if __name__ == "__main__":
    found = list(check(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]))
    print("\n".join(found) if found else "every name is as it should be")
    sys.exit(1 if found else 0)
