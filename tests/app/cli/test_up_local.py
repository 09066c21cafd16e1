"""What a machine is found to be, and the fleet file that follows from it."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from app.agenttokens import read
from app.cli import up_local
from app.cli.up_local import Machine, interpreter, load_format, local_settings, product, this_machine
from app.errors import UserError
from app.fleets import local_spec
from app.settings import Settings

HERE = Path(sys.executable)


def tool(folder: Path, name: str, says: str, code: int = 0) -> None:
    """A command of that name."""
    file = folder / name
    file.write_text(f"#!/bin/sh\nprintf '{says}'\nexit {code}\n")
    file.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that commands are found in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 PCIe", "H100-PCIE"),
        ("NVIDIA H200", "H200-SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GB200", "GB200"),
    ],
)
def test_gpus_are_known_by_the_catalogue_s_names(name: str, known: str) -> None:
    from runtime.catalog.hardware import gpu

    assert product(name) == known == gpu(known).name


def test_a_machine_without_a_driver_has_cores(path: Path) -> None:
    assert this_machine() == Machine()


def test_a_machine_s_gpus_are_counted(path: Path) -> None:
    tool(path, "nvidia-smi", "0, NVIDIA L4\\n1, NVIDIA L4\\n")
    assert this_machine() == Machine(("0", "1"), "L4")


@pytest.mark.parametrize(
    ("says", "code", "why"),
    [
        ("0, NVIDIA L4\\n1, NVIDIA H200\\n", 0, "unlike GPUs .NVIDIA H200, NVIDIA L4."),
        ("Failed to initialize NVML", 9, "Failed to initialize NVML; mend the driver"),
    ],
)
def test_a_machine_that_cannot_be_used_is_told(path: Path, says: str, code: int, why: str) -> None:
    tool(path, "nvidia-smi", says, code)
    with pytest.raises(UserError, match=why):
        this_machine()


def test_without_a_model_a_tiny_one_is_served_on_the_cores(path: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate(local_settings(tmp_path, None, 3, HERE, 0.5))
    (service,) = settings.services
    assert (service.name, service.policy.replicas.max, service.pool.price_usd_per_gpu_hour) == ("tiny-model", 3, 0.5)
    spec = local_spec(settings)
    assert len(spec.slots) == 3 and spec.engines[0].load_format == "dummy"
    assert Path(spec.engines[0].model, "config.json").is_file()
    secret = settings.fleet.token_file
    assert secret is not None and stat.S_IMODE(secret.stat().st_mode) == 0o600
    (token,) = read(secret)
    assert len(token) > 30


def test_gpus_get_a_law_from_the_catalogue(path: Path, tmp_path: Path) -> None:
    tool(path, "nvidia-smi", "0, NVIDIA H200\\n1, NVIDIA H200\\n")
    settings = Settings.model_validate(local_settings(tmp_path, "meta-llama/Llama-3.1-8B", 2, HERE, 3.0))
    assert settings.services[0].name == "Llama-3.1-8B"
    assert settings.services[0].pool.gpu == "H200-SXM"
    assert [slot.devices for slot in local_spec(settings).slots] == [("0",), ("1",)]


def test_what_a_machine_cannot_do_is_one_line(path: Path, tmp_path: Path) -> None:
    tool(path, "nvidia-smi", "0, NVIDIA H200\\n")
    with pytest.raises(UserError, match="--max-replicas 2: this machine has 1 GPUs"):
        local_settings(tmp_path, "meta-llama/Llama-3.1-8B", 2, HERE, 3.0)
    with pytest.raises(UserError, match=r"nobody/knows-it.*--config"):
        local_settings(tmp_path, "nobody/knows-it", 1, HERE, 3.0)


def test_weights_that_are_there_are_loaded(tmp_path: Path) -> None:
    assert load_format(str(tmp_path)) == "dummy"
    (tmp_path / "model-00001.safetensors").touch()
    assert load_format(str(tmp_path)) == "auto"
    assert load_format("meta-llama/Llama-3.1-8B") == "auto"


def test_the_interpreter_is_the_given_one_or_one_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(up_local.PYTHON_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert interpreter(HERE) == HERE
    with pytest.raises(UserError, match="no such interpreter"):
        interpreter(tmp_path / "python")
    with pytest.raises(UserError, match="run make vllm"):
        interpreter(None)
    monkeypatch.setenv(up_local.PYTHON_VARIABLE, str(HERE))
    assert interpreter(None) == HERE
