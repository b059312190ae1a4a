"""What the checks that work in a Debian of their own have in common."""
import ctypes
import pathlib
import re
import signal
import subprocess
import sys


def run(*command, **more):
    """What it prints; the check ends where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **{"timeout": 900, **more})
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def expect(good, what):
    if not good:
        sys.exit(f"it is not so: {what}")


def new_debian(target, include, *hooks, keeps_packages=False):
    """Packages from where this machine has them, in the way it asks for them. `target`: a folder, or a .tar.

    `hooks`: mmdebstrap's --customize-hook; what they download is kept, if asked for.
    """
    apt = pathlib.Path("/etc/apt")
    mirrors = [each for each in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
               if each.suffix in (".list", ".sources") and each.is_file()]
    asked = re.findall(r'^(Acquire::(?:Check-|https?::)\S+ "[^"]+";)$', run("apt-config", "dump"), re.M)
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(include)}", *(f"--aptopt={each}" for each in asked),
        *(f"--customize-hook={each}" for each in hooks),
        *(["--skip=cleanup/apt"] if keeps_packages else []), "bookworm", str(target), *map(str, mirrors))
