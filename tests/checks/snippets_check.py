#!/usr/bin/env python3
"""What the pages quote is there: the JSON and TOML of their blocks can be read, their shell is shell, and every verb and
option of `madang` and `./dev` that a page names is one.

Usage: snippets_check.py SOURCES MADANG. Pages that run as a whole are pages_run.py's.
"""
import functools
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$", re.MULTILINE)
OPTION = re.compile(r"--[a-z][a-z0-9-]*")


@functools.cache
def help_of(madang, verbs):
    done = subprocess.run([madang, *verbs, "--help"], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else ""


@functools.cache
def verbs_below(madang, verbs):
    """The names in the indented lists behind the options: `  serve    Run the server`."""
    text = help_of(madang, verbs).partition("Options:")[2]
    return frozenset(re.findall(r"^  ([a-z][a-z-]*)(?=\s|$)", text, re.MULTILINE))


def every_verb(madang, above):
    yield above
    for verb in sorted(verbs_below(madang, above)):
        yield from every_verb(madang, (*above, verb))


@functools.cache
def help_of_all(madang):
    return "".join(help_of(madang, verbs) for verbs in every_verb(madang, ()))


def names(text, option):
    return re.search(re.escape(option) + r"(?![a-z0-9-])", text)


def wrong_in_command(madang, words):
    """What is wrong with the words behind `madang`."""
    verbs = ()
    for word in words:
        if OPTION.match(word):
            option = OPTION.match(word).group()
            above = "".join(help_of(madang, verbs[:depth]) for depth in range(len(verbs) + 1))  # of the verb, or of those above it
            if not names(above, option):
                yield f"madang {' '.join(verbs)} has no option {option}"
        elif below := verbs_below(madang, verbs):
            if word in below:
                verbs += (word,)
            elif re.fullmatch(r"[a-z][a-z-]*", word) and not verbs:
                yield f"madang has no verb {word}"


def commands_of(shell):
    """The words behind each `madang` that stands where a command does."""
    for line in COMMENT.sub("", shell).replace("\\\n", " ").splitlines():
        line = line.removeprefix("$ ")
        for part in re.split(r"\|\||&&|[|;&](?=\s|$)", line):
            try:
                words = shlex.split(part)
            except ValueError:  # a quotation over several lines: not one of ours
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*|sudo|exec|\$", words[0]):
                words.pop(0)
            if words and words[0] in ("madang", "build/release/madang"):
                yield words[1:]


def documents(text):
    """A block of JSON is one document, or one per line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def wrong_in_block(madang, keys, language, text):
    try:
        if language == "json":
            documents(text)
        elif language == "toml":
            for key in tomllib.loads(text):
                if key not in keys:
                    yield f"the configuration file has no {key}"
    except ValueError as error:
        yield f"a block is not {language}: {error}"
    if language in ("sh", "console", ""):
        for words in commands_of(text):
            yield from wrong_in_command(madang, words)
    if language == "sh":
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            yield f"a block is not shell: {done.stderr.strip()}"


def wrong_in_page(madang, keys, text, dev_verbs):
    for language, block in BLOCK.findall(text):
        yield from wrong_in_block(madang, keys, language, block)
    prose = BLOCK.sub("", text)
    for command in re.findall(r"`madang ((?:[^`]|\n)+)`", prose):
        for words in commands_of("madang " + command.replace("\n", " ")):
            yield from wrong_in_command(madang, words)
    for option in set(re.findall(r"`(--[a-z][a-z0-9-]+)", prose)):
        if not names(help_of_all(madang), option):
            yield f"nothing has the option {option}"
    for verb in re.findall(r"(?:^|[`\s])\./dev ([a-z]+)", text):
        if verb not in dev_verbs:
            yield f"./dev has no verb {verb}"


def main():
    sources, madang = pathlib.Path(sys.argv[1]), sys.argv[2]
    # The verbs that `./dev` itself knows, from the one line that tells them apart.
    dev_verbs = set(re.search(r"^    (run \| .*)\)$", (sources / "dev").read_text(), re.MULTILINE)[1].split(" | ")) | {"help"}
    assert "serve" in verbs_below(madang, ()) and "adopt" in verbs_below(madang, ("cluster",)), "the help is not understood"
    # The options' names in the file, and its tables' (docs/configuration.md is made from the options table).
    configuration = (sources / "docs/configuration.md").read_text()
    keys = set(re.findall(r"\| `([a-z][a-z0-9_]+)` \|", configuration)) | set(re.findall(r"`?\[([a-z]+)\.", configuration))
    pages = [*sources.glob("*.md"), *sources.glob("docs/**/*.md"), *sources.glob("plugins/*/*.md"), *sources.glob("deploy/**/*.md"),
             *sources.glob("monitoring/**/*.md")]
    failures = [f"{page.relative_to(sources)}: {what}" for page in sorted(pages)
                for what in wrong_in_page(madang, keys, page.read_text(), dev_verbs)]
    print("\n".join(failures) or f"{len(pages)} pages")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
