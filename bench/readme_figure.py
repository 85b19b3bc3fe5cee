"""The figure of README.md, which is that of the report's first page, of the default study (`make report` first)."""

from litecast import paths
from litecast.figures import fronts, style
from litecast.report import facts, pages
from litecast.report.facts import tables

STUDY = "default"


def main() -> None:
    style.use()
    made = facts.read(STUDY)
    figure = fronts.trade(made.files, pages.rings(tables.answer(made)), made.main)
    target = paths.ROOT / "docs" / "error-against-bytes.svg"
    target.write_text(style.svg(figure), encoding="utf-8")
    print(f"{target.relative_to(paths.ROOT)}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
