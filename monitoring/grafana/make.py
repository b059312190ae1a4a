#!/usr/bin/env python3
"""Makes dashboards/*.json from contents.py: make.py --write | --check. A test says when they are stale."""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
from contents import DASHBOARDS
from forms import dashboard

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"

if __name__ == "__main__":
    if sys.argv[1:] not in (["--write"], ["--check"]):
        sys.exit(__doc__)
    texts = {f"{name}.json": json.dumps(dashboard(f"madang-{name}", title, says, rows), indent=1, ensure_ascii=False) + "\n"
             for name, title, says, rows in DASHBOARDS}
    if sys.argv[1] == "--write":
        for name, text in texts.items():
            (FOLDER / name).write_text(text)
        sys.exit()
    there = {file.name: file.read_text() for file in FOLDER.glob("*.json")}
    stale = sorted(name for name in texts.keys() | there.keys() if texts.get(name) != there.get(name))
    if stale:
        sys.exit(f"stale: {', '.join(stale)}; run monitoring/grafana/make.py --write")
