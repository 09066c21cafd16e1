"""Plain manifests from the chart, for those without Helm: ``python deploy/render.py`` writes ``deploy/manifests``.

The chart is the one source; Helm's own engine (a development dependency) renders it, with ``values-example.yaml``, so
that what is applied by hand is what a chart installs. A test holds the files equal to what is rendered now.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import yaml

HERE = Path(__file__).parent
CHART = HERE / "chart" / "leadtime"
EXAMPLE = HERE / "values-example.yaml"
PLACE = HERE / "manifests" / "leadtime.yaml"
NAMESPACE = "leadtime"
HEAD = """\
# Rendered from deploy/chart/leadtime with deploy/values-example.yaml by: python deploy/render.py
# Apply deploy/crds first. The namespaces leadtime and llm must be there.
"""


def templates(values: dict[str, Any], name: str = "leadtime", namespace: str = NAMESPACE) -> dict[str, str]:
    """What Helm makes of each template that is about objects; raises ``HelmError`` as Helm does."""
    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name=name, namespace=namespace)
    return {Path(path).name: text for path, text in sorted(rendered.items()) if path.endswith(".yaml") and text.strip()}


def documents(values: dict[str, Any], **where: str) -> list[dict[str, Any]]:
    """Every object that the chart makes of these values."""
    texts = templates(values, **where).values()
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def example() -> dict[str, Any]:
    """The values of the walk-through."""
    return dict(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


def text() -> str:
    """The file: as Helm writes it, less blank lines."""
    bodies = []
    for body in templates(example()).values():
        lines = [line.rstrip() for line in body.splitlines() if line.strip()]
        bodies.append("\n".join(lines).removeprefix("---\n"))
    return HEAD + "---\n" + "\n---\n".join(bodies) + "\n"


def main() -> None:
    """Write the file."""
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
