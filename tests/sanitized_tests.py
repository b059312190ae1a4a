"""Prints a test preset's tests as ctest's own language has them, each named PRESET.NAME, for tests/suite.cmake.

usage: sanitized_tests.py PRESET

What the preset says is kept: which labels it takes (ctest itself tells) and its environment. They run without address
space randomisation where that may be switched off: g++ 12's ThreadSanitizer does not know all the places that a kernel
with vm.mmap_rnd_bits above 28 gives a program, and ends at random.
"""

import json
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def quoted(word):
    return f"[====[{word}]====]"


def value(of):
    return quoted(";".join(map(str, of)) if isinstance(of, list) else of)


def main(preset):
    presets = json.loads((root / "CMakePresets.json").read_text())["testPresets"]
    environment = next(p for p in presets if p["name"] == preset).get("environment", {})
    environment = [f"{name}={text.replace('${sourceDir}', str(root))}" for name, text in environment.items()]
    fixed = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0 else []

    told = subprocess.run(["ctest", "--preset", preset, "--show-only=json-v1"], cwd=root, stdout=subprocess.PIPE, check=True)
    tests = json.loads(told.stdout)["tests"]
    if not tests:
        sys.exit(f"the preset {preset} has no tests: is build/{preset} built?")
    for test in tests:
        name = quoted(f"{preset}.{test['name']}")
        properties = {p["name"]: p["value"] for p in test["properties"]}
        properties["LABELS"] = preset
        properties["ENVIRONMENT"] = properties.get("ENVIRONMENT", []) + environment
        # ctest starts what costs most first: a test of more than one case must not be the last that runs.
        if not any(word.startswith("--gtest_filter") for word in test["command"]):
            properties["COST"] = 100
        print(f"add_test({name} {' '.join(quoted(word) for word in fixed + test['command'])})")
        print(f"set_tests_properties({name} PROPERTIES {' '.join(f'{k} {value(v)}' for k, v in properties.items())})")


main(sys.argv[1])
