"""Create `.venv` from requirements.lock, then run a command in it. Needs only the standard library.

    python bootstrap.py                      set up, if `.venv` is missing or out of date
    python bootstrap.py smsroi run FILE      set up, then run

`make` calls this; on Windows, without make, call it yourself.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "made-from"
OLDEST, NEWEST = (3, 11), (3, 14)


def find_python() -> str:
    """The interpreter for `.venv`: this one if it is new enough, else a python3.x on the PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    here = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"This needs Python {OLDEST[0]}.{OLDEST[1]} or newer; {sys.executable} is {here}. Install one and retry.")


def wanted_stamp(python: str) -> str:
    """Digest of everything that `.venv` depends on: the lock, the package's metadata and the interpreter."""
    digest = hashlib.sha256(python.encode())
    for name in ("requirements.lock", "pyproject.toml", "bootstrap.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def set_up() -> None:
    """Create or update `.venv`; does nothing if it is up to date."""
    python = find_python()
    stamp = wanted_stamp(python)
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp:
        return
    print("Setting up .venv from requirements.lock (once; one to five minutes) …", flush=True)
    lock = str(ROOT / "requirements.lock")
    project = ["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    try:
        if uv := shutil.which("uv"):
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, str(VENV)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
        else:
            subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
            install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--require-hashes", "-r", lock], check=True)
        subprocess.run([*install, *project], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Setting up failed (exit code {error.returncode}); the error is printed above.")
    STAMP.write_text(stamp)


def main() -> int:
    """Set up, then run the command on the command line."""
    set_up()
    if not (command := sys.argv[1:]):
        return 0
    program = shutil.which(command[0], path=str(BIN)) or command[0]
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    if os.name != "nt":
        os.execve(program, command, environment)
    return subprocess.run([program, *command[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
