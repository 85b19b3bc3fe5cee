"""`python -m litecast.service.onepage FOLDER`: the page as one file, FOLDER/index.html, with the bundles of the folder
inside. It opens by a double click and needs no server; a bundle's own folder makes a page of it alone."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path

from ..errors import LitecastError
from ..files import read_json, replacing
from .command import printed
from .served import INDEX

PAGE = Path(__file__).parent / "page"
NAME, BUNDLE, SCRIPT, VECTORS = "index.html", "bundle.json", "forecast.js", "vectors.json"
SAMPLES = 6  # of a bundle's 20 windows


def write(folder: Path) -> Path:
    """Raises LitecastError where no bundle with a forecast.js is in it."""
    folder = Path(folder)
    index = read_json(folder / INDEX).get("models", {})
    places = [folder] if (folder / BUNDLE).is_file() else sorted(path.parent for path in folder.glob(f"*/{BUNDLE}"))
    shelf = [_model(place, index.get(place.name, {})) for place in places if (place / SCRIPT).is_file()]
    if not shelf:
        raise LitecastError(f"{folder} holds no bundle with a {SCRIPT}: make one by `python -m litecast.bundle FILE "
                            f"{folder}/NAME`")
    with replacing(folder / NAME) as temporary:
        temporary.write_text(text(shelf), encoding="utf-8")
    return folder / NAME


def _model(place: Path, about: dict) -> dict:
    windows = read_json(place / VECTORS).get("windows", [])[:SAMPLES]
    return {"name": place.resolve().name, "budgets": about.get("budgets_kb", []), "bundle": read_json(place / BUNDLE),
            "reads": (place / BUNDLE).stat().st_size,
            "script": (place / SCRIPT).read_text(encoding="utf-8"), "windows": windows}  # fmt: skip


def text(shelf: list[dict]) -> str:
    """The page with its style, its script, its icon and these models in it."""
    page, style, script = ((PAGE / name).read_text(encoding="utf-8") for name in (NAME, "page.css", "page.js"))
    icon = base64.b64encode((PAGE / "favicon.ico").read_bytes()).decode()
    models = json.dumps(shelf, ensure_ascii=False).replace("<", "\\u003c")  # no </script> in a name
    parts = {'<link rel="icon" href="favicon.ico">': f'<link rel="icon" href="data:image/x-icon;base64,{icon}">',
             '<link rel="stylesheet" href="page.css">': f"<style>{style}</style>",
             '<script src="page.js" defer></script>': "",
             "</body>": f'<script type="application/json" id="shelf">{models}</script><script>{script}</script></body>'}
    for old, new in parts.items():
        page = page.replace(old, new)
    return page


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m litecast.service.onepage", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of bundles, or a bundle's own")
    asked = parser.parse_args()
    return printed(lambda: write(asked.folder))


if __name__ == "__main__":
    sys.exit(main())
