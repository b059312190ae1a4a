"""The Debian packages have in them what they say, and the server in them serves the demo with the plugins beside it.

Usage: package_check.py SOURCES BUILD. Nothing is installed: the packages are taken apart (service_check.py installs the server's on
a new machine).
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sources, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
clean = {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}
wrong = []


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, **more).stdout


def expect(good, what):
    if not good:
        wrong.append(what)


def names(package):
    """Its files' names, each with its mode."""
    lines = [line.split(maxsplit=5) for line in run("dpkg-deb", "-c", str(package)).splitlines()]
    expect(all(line[1] == "root/root" for line in lines), f"{package.name}: everything is root's")
    return {line[5].removeprefix("."): line[0] for line in lines if not line[5].endswith("/")}


def serves(root):
    """The server of an extracted package, with its plugins and its demo."""
    madang = root / "usr/bin/madang"
    options = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0", "--data-dir", "none"]
    said = run(str(madang), "check", "--config", str(root / "etc/madang/madang.toml"), *options, env=clean)
    bundled = sorted(each.name for each in (build / "madang-plugins").glob("*.so"))
    loaded = re.findall(r"^plugin \S+ \S+ \((.*)\)$", said, re.M)
    expect(loaded == [str(root / "usr/lib/madang/plugins" / each) for each in bundled], f"madang loads {loaded}")
    server = subprocess.Popen([str(madang), "serve", *options], env=clean, stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(server.stdout.readline, "")
        address = next(found.group(1) for found in (re.match(r"madang: listening on (\S+)", line) for line in lines) if found)
        with urllib.request.urlopen(f"{address}/", timeout=60) as answer:
            expect(answer.read() == (sources / "plugins/demo/site/index.html").read_bytes(), "madang: / is not the demo")
        try:
            status = urllib.request.urlopen(f"{address}/ws/echo/", timeout=60).status
        except urllib.error.HTTPError as refused:
            status = refused.code
        expect(status == 426, f"madang: the echo plugin's address is answered {status}, not \"upgrade\"")
    finally:
        server.terminate()
        expect(server.wait(timeout=60) == 0, f"madang: its exit code is {server.returncode}")


with tempfile.TemporaryDirectory() as where:
    folder = pathlib.Path(where)
    run("cpack", "--config", str(build / "CPackConfig.cmake"), "-B", where)
    version = re.search(r"project\(Madang VERSION ([\d.]+)", (sources / "CMakeLists.txt").read_text()).group(1)
    machine = run("dpkg", "--print-architecture").strip()
    runtime, development = folder / f"madang_{version}_{machine}.deb", folder / f"madang-dev_{version}_all.deb"
    expect(sorted(folder.glob("*.deb")) == sorted([runtime, development]), f"the packages are {list(folder.glob('*.deb'))}")

    files = names(runtime)
    for name, mode in {"/usr/bin/madang": "-rwxr-xr-x", "/usr/lib/madang/plugins/chat.so": "-rw-r--r--",
                       "/usr/share/madang/site/index.html": "-rw-r--r--", "/usr/share/madang/admin/index.html": "-rw-r--r--",
                       "/usr/lib/systemd/system/madang.service": "-rw-r--r--",
                       "/usr/lib/systemd/system/madang.socket": "-rw-r--r--", "/usr/lib/sysusers.d/madang.conf": "-rw-r--r--",
                       "/etc/madang/madang.toml": "-rw-r--r--", "/usr/share/doc/madang/configuration.md": "-rw-r--r--",
                       "/usr/share/doc/madang/nginx.conf": "-rw-r--r--", "/usr/share/doc/madang/copyright": "-rw-r--r--"}.items():
        expect(files.get(name) == mode, f"madang: {name} is {files.get(name, 'missing')}")
    expect(not [each for each in files if "/include/" in each or "/cmake/" in each], "madang: the SDK is madang-dev's")
    expect(not [each for each in files if each.startswith("/etc/systemd")], "madang: a service is started unasked")
    depends = run("dpkg-deb", "-f", str(runtime), "Depends")
    for package in ("libcaf-core0.17", "librocksdb7.8", "libhpdf-2.3.0", "libjemalloc2", "libssl3", "systemd"):
        expect(package in depends, f"madang: it does not depend on {package}")
    control = folder / "control"
    run("dpkg-deb", "-e", str(runtime), str(control))
    expect((control / "conffiles").read_text().split() == [each for each in files if each.startswith("/etc/")],
           "madang: conffiles are what is in /etc")
    for script in ("postinst", "prerm", "postrm"):
        expect(os.access(control / script, os.X_OK), f"madang: {script} cannot be run")
    shared = files.keys() & names(development).keys()
    expect(not shared, f"both packages have {shared}")

    for package in (runtime, development):
        run("dpkg-deb", "-x", str(package), str(folder / "root"))
    serves(folder / "root")
    # The SDK is found where it was put, and a plugin is configured with it.
    run("cmake", "-S", str(sources / "plugins/template"), "-B", str(folder / "plugin"), "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={folder}/root/usr")
    found = re.search(r"^Madang_DIR:PATH=(.*)$", (folder / "plugin/CMakeCache.txt").read_text(), re.M).group(1)
    expect(found == f"{folder}/root/usr/lib/cmake/Madang", f"madang-dev: CMake finds {found}")
for each in wrong:
    print(each)
print(f"{len(wrong)} things are wrong" if wrong else "the packages are as they should be")
sys.exit(1 if wrong else 0)
