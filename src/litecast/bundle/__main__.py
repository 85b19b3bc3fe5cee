"""`python -m litecast.bundle FILE OUT`: what a user deploys of a model file, in one folder."""

import argparse
import sys

from litecast import bundle
from litecast.errors import LitecastError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m litecast.bundle", description=__doc__.partition(": ")[2])
    parser.add_argument("file", help="a model file of a study (.safetensors)")
    parser.add_argument("out", help="folder to be made; a bundle that lies there is replaced")
    args = parser.parse_args(argv)
    try:
        said = bundle.write(args.file, args.out)
    except LitecastError as error:
        print(f"litecast: {error}", file=sys.stderr)
        return 2
    for name, size in said["bytes"].items():
        print(f"{size:>9,}  {name}")
    for name, reason in said["left_out"].items() | ({("program", said["reason"])} if not said["program"] else set()):
        print(f"left out: {name}: {reason}")
    if not said["bands"]:
        print("no bands: there is no bands.parquet beside the file that knows of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
