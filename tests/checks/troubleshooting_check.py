#!/usr/bin/env python3
"""What docs/troubleshooting.md names is there: log events, options, metrics, codes, words of messages. Usage: … ROOT."""
import pathlib
import re
import sys


def check(root):
    page = (root / "docs/troubleshooting.md").read_text(encoding="utf-8")
    sources = "\n".join(file.read_text(encoding="utf-8") for folder in ("broker", "actors", "storage", "plugins/host", "plugins/sdk")
                        for file in (root / folder).rglob("*.[ch]pp"))
    options = (root / "docs/configuration.md").read_text(encoding="utf-8") + (root / "docs/jobs.md").read_text(encoding="utf-8")
    metrics = (root / "docs/metrics.md").read_text(encoding="utf-8")
    errors = (root / "broker/core/errors.hpp").read_text(encoding="utf-8")
    closes = (root / "broker/core/close_codes.hpp").read_text(encoding="utf-8")
    for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", page):
        if f'"{name}"' not in sources:
            yield f"nobody logs {name}"
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", page):
        if name.startswith("madang_"):
            if f"`{name}`" not in metrics:
                yield f"there is no metric {name}"
        elif f"`{name}`" not in options and f"{name}" not in sources:
            yield f"there is no option {name}"
    for name in re.findall(r"`(--[a-z-]+)", page):
        if name not in options and f'"{name}"' not in sources:
            yield f"there is no flag {name}"
    for code in re.findall(r"error (\d+)", page):
        if not re.search(rf"X\(\w+, {code}, ", errors):
            yield f"there is no error {code}"
    for row in re.findall(r"^\| (\d{4}(?:, \d{4})*) \|", page, re.M):
        for code in row.split(", "):
            if f" = {code};" not in closes:
                yield f"there is no close code {code}"
    for status in re.findall(r"^\| (\d{3}) \|", page, re.M):
        if not re.search(rf"X\(\w+, \d+, {status}, ", errors) and f"({status}, " not in sources:
            yield f"nobody answers {status}"
    start = page.split("## It does not start")[1].split("\n## ")[0]
    for words in re.findall(r"^\| `([^`]+)`", start, re.M):
        if words not in sources:
            yield f"no message says {words!r}"


if __name__ == "__main__":
    found = list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(found) if found else "all that docs/troubleshooting.md names is there")
    sys.exit(1 if found else 0)
