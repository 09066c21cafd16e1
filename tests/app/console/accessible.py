"""Whether a page of the console can be read: axe-core over all of it, and the words of its charts, which axe skips.

Nothing is excluded but the pictures inside tiles: Streamlit draws them with nameless marks that no page can name or
hide, and says what they show in the value and the note beside them. Cells of tables are drawn on a canvas, which no
tool reads; their colours are the theme's, which ``test_options`` holds to the same bound.
"""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")
TILE_PICTURES = "[data-testid='stMetricChart']"
CONTRAST = ("color-contrast",)

FAINT_WORDS = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const back = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
  const light = (rgb) => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const painted = (...colours) => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return light([...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3));
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const words = [...document.querySelectorAll(".stVegaLiteChart :is([class*=role-axis], [class*=role-legend]) text")];
  return words.filter(each => each.textContent.trim())
    .map(each => [each.textContent, ratio(painted(back, getComputedStyle(each).fill), painted(back))])
    .filter(([, found]) => found < 4.5)
    .map(([text, found]) => `chart word '${text}' has a contrast of ${found.toFixed(2)}, below 4.5`);
}
"""
"""Axis and legend words of all charts against the page, by the contrast of WCAG 2.2, 1.4.3."""


def findings(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """Serious findings: rule, what is wrong, and the first place; of all rules, or of those named."""
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = Axe().run(page, context={"exclude": [[TILE_PICTURES]]}, options=options).response["violations"]
    told = [
        f"{each['id']}: {each['help']} ({each['nodes'][0]['html'][:200]})"
        for each in found
        if each["impact"] in SERIOUS
    ]
    faint: list[str] = page.evaluate(FAINT_WORDS)
    return told + faint
