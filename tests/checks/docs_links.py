#!/usr/bin/env python3
"""Every relative link and `path` of the project's Markdown pages leads to something. Usage: docs_links.py [ROOT]."""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
# A path in back-quotes that begins with one of our folders and has no placeholder in it.
PATH = re.compile(r"`((?:broker|storage|monitoring|plugins|actors|tests|docs|cmake)/[\w./-]+)`")


def check(root):
    pages = [p for p in root.rglob("*.md") if not {"node_modules", "build", ".git"} & set(p.relative_to(root).parts)]
    for page in sorted(pages):
        text = page.read_text(encoding="utf-8")
        for target in LINK.findall(text):
            file = target.split("#")[0]
            if file and not re.match(r"[a-z]+:", file) and not (page.parent / file).exists():
                yield f"{page.relative_to(root)}: the link {target} leads nowhere"
        for target in PATH.findall(text):
            if not (root / target).exists() and not (page.parent / target).exists():
                yield f"{page.relative_to(root)}: there is no {target}"


if __name__ == "__main__":
    found = list(check(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])))
    print("\n".join(found) if found else "every link leads somewhere")
    sys.exit(1 if found else 0)
