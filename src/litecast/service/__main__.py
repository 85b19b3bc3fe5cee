"""`python -m litecast.service FOLDER`: serve the bundles of a folder on 127.0.0.1."""

import argparse
import logging
import sys
from pathlib import Path

from ..errors import LitecastError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def config(folder: Path, host: str = "127.0.0.1", port: int = 8000, names: tuple[str, ...] = (), limits=None):
    """uvicorn's, with our connection. names: further ones in a Host header; on loopback others are turned away, so that
    a page elsewhere whose name was made to point here (DNS rebinding) cannot read answers."""
    import uvicorn

    from .app import create
    from .connection import limited
    from .limits import Limits

    limits = limits or Limits()
    hosts = frozenset((*LOOPBACK, *names) if names or host in LOOPBACK else ())
    return uvicorn.Config(create(folder, limits, hosts), host, port, http=limited(limits.connections), ws="none",
                          access_log=False, server_header=False, timeout_keep_alive=limits.idle,
                          h11_max_incomplete_event_size=16384, timeout_graceful_shutdown=int(limits.seconds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m litecast.service", description=__doc__)
    parser.add_argument("folder", type=Path, help="of bundles, e.g. reports/default/served")
    parser.add_argument("--host", default="127.0.0.1", help="there is no login: beyond 127.0.0.1 put a proxy before it")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--name", action="append", default=[], help="a name that the Host header may have")
    asked = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    try:
        import uvicorn

        uvicorn.Server(config(asked.folder, asked.host, asked.port, tuple(asked.name))).run()
    except LitecastError as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette"):
            raise
        print("The service needs the extra [service]: .venv/bin/python -m pip install -e '.[service]'", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
