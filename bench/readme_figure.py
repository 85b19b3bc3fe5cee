"""The figure of README.md: error against file size on Seoul traffic, from the default study (`make report` first)."""

from litecast import paths, results
from litecast.figures import fronts, style

STUDY, DATASET = "default", "seoul-traffic"


def main() -> None:
    rows = results.collect(STUDY)
    figure = fronts.error_against(results.own(rows), x="bytes", dataset=DATASET)
    target = paths.ROOT / "docs" / "error-against-bytes.svg"
    target.write_text(style.svg(figure), encoding="utf-8")
    print(f"{target.relative_to(paths.ROOT)}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
