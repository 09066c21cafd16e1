"""The image's recipe, as far as it can be checked where none can be built."""

from __future__ import annotations

import re
import tomllib

import yaml

from app.manifests.agent import PORT
from app.manifests.engine import Engine
from tests.deploy.charts import ROOT, documents, pods

RECIPE = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
AGENT = (ROOT / "deploy" / "Containerfile.agent").read_text(encoding="utf-8")
STAGES = re.split(r"^FROM ", RECIPE, flags=re.MULTILINE)[1:]
LAST = STAGES[-1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_it_takes_every_package_of_the_wheel() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = re.findall(r"^COPY (\w+) \1$", RECIPE, flags=re.MULTILINE)
    assert sorted(copied) == sorted(packages)


def test_the_context_has_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    sources = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", RECIPE, flags=re.MULTILINE) for name in line.split()
    }
    assert allowed == sources and "*" in lines
    assert all((ROOT / name).exists() for name in sources)


def test_docker_which_reads_another_file_is_told_the_same() -> None:
    beside = (ROOT / "deploy" / "Containerfile.dockerignore").read_text(encoding="utf-8")
    assert beside == (ROOT / ".containerignore").read_text(encoding="utf-8")


def test_the_last_stage_builds_nothing_and_runs_as_nobody_in_particular() -> None:
    assert len(STAGES) == 2 and "COPY --from=build /opt/leadtime /opt/leadtime" in LAST
    assert "pip install" not in LAST and "apt-get" not in LAST
    assert "USER 10001:10001" in LAST and 'ENTRYPOINT ["leadtime"]' in LAST
    pod = pods(documents({}))["daemon"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 10001


def test_ports_are_those_of_the_chart() -> None:
    exposed = {int(port) for port in re.search(r"EXPOSE (.+)", LAST).group(1).split()}  # type: ignore[union-attr]
    made = pods(documents({"router": {"enabled": True}}))
    assert exposed == {pod["spec"]["containers"][0]["ports"][0]["containerPort"] for pod in made.values()}


def test_both_architectures_are_built_the_same_way() -> None:
    assert not re.search(r"amd64|x86_64|arm64|aarch64", re.sub(r"^#.*$", "", RECIPE, flags=re.MULTILINE))


def test_its_version_is_the_charts() -> None:
    chart = yaml.safe_load((ROOT / "deploy" / "chart" / "leadtime" / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == PROJECT["project"]["version"] and f"leadtime:{chart['appVersion']}" in RECIPE


def test_the_agents_image_has_the_same_packages_and_the_engine_that_manifests_start() -> None:
    copied = re.compile(r"^COPY (?!--from)(.+) \S+$", flags=re.MULTILINE)
    assert copied.findall(AGENT) == copied.findall(RECIPE)
    engine = Engine("chat", "chat", "m").image
    assert f"FROM docker.io/{engine.partition(':')[0]}:" in AGENT and f"ARG VLLM={engine.partition(':')[2]}" in AGENT
    assert f"EXPOSE {PORT}" in AGENT and "/usr/local/bin/leadtime" in AGENT


def test_the_agents_image_leaves_vllms_packages_as_they_are() -> None:
    installed = [line.strip(" &\\") for line in AGENT.splitlines() if "pip install" in line]
    assert all("/opt/leadtime/bin/pip" in line or "--target /opt/virtualenv" in line for line in installed)
