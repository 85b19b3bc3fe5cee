"""Write requirements.lock: what pip resolves from pyproject.toml with its extra [dev], versions without hashes.

Run by `make lock` in a throw-away environment. Nothing is installed: pip only reports what it would install.
Left out are the packages that torch's own wheel names for one platform (CUDA libraries): torch pins them itself.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLATFORM = ("nvidia-", "cuda-", "triton")
HEAD = "# Made by `make lock` from pyproject.toml with Python {}.{}. No hashes: torch's wheel differs by platform.\n"


def resolve() -> dict[str, str]:
    """Name -> version of everything the project, its extra [dev] and its build need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
    wanted += project["project"]["optional-dependencies"]["dev"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run",
                        "--ignore-installed", "--report", str(report), *wanted], check=True)
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"].partition("+")[0] for item in found}


def main() -> None:
    versions = {name: v for name, v in resolve().items() if not name.startswith(PLATFORM)}
    lines = [f"{name}=={versions[name]}\n" for name in sorted(versions)]
    (ROOT / "requirements.lock").write_text(HEAD.format(*sys.version_info) + "".join(lines), encoding="utf-8")
    print(f"requirements.lock: {len(lines)} packages")


if __name__ == "__main__":
    main()
