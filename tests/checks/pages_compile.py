#!/usr/bin/env python3
"""The code that a page shows is built, as its reader would: alone, against an installed SDK.

Usage: pages_compile.py PAGE BUILD_TREE WORK_FOLDER. A block of the page that is preceded by a line
`<!-- file: NAME -->` becomes that file; together they are a project of their own, which is configured, built, and must
yield at least one plugin that exports madang_plugin_entry.
"""
import pathlib
import re
import shutil
import subprocess
import sys

BLOCK = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)


def run(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def main(page, tree, work):
    files = BLOCK.findall(page.read_text(encoding="utf-8"))
    if not files:
        sys.exit(f"{page}: shows no file (<!-- file: NAME -->)")
    shutil.rmtree(work, ignore_errors=True)
    for name, text in files:
        (work / "source").mkdir(parents=True, exist_ok=True)
        (work / "source" / name).write_text(text, encoding="utf-8")
    run("cmake", "--install", tree, "--component", "sdk", "--prefix", work / "prefix")
    run("cmake", "-S", work / "source", "-B", work / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={work / 'prefix'}")
    run("cmake", "--build", work / "build")
    plugins = list((work / "build").rglob("*.so"))
    if not plugins:
        sys.exit(f"{page}: its project builds no plugin")
    for plugin in plugins:
        if " T madang_plugin_entry" not in run("nm", "-D", "--defined-only", plugin):
            sys.exit(f"{plugin.name} does not export madang_plugin_entry")
    print(f"{page.name}: {', '.join(name for name, _ in files)} built {', '.join(p.name for p in plugins)}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve())
