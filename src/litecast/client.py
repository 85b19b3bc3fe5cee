"""What Snakemake starts for a run: asks the warm runner to fork a child for it and waits for its exit code.

`python -I -S client.py STUDY RUN`. Standard library only, no site packages: it starts in 10 ms. Without a runner
(LITECAST_SOCKET unset: on a cluster, by hand) it becomes `python -m litecast.engine STUDY RUN`, which takes seconds.
"""

import os
import socket
import sys


def main(study: str, run: str) -> int:
    """Exit code of the run; 1 if the runner went away."""
    address = os.environ.get("LITECAST_SOCKET")
    if not address:
        os.execv(sys.executable, [sys.executable, "-m", "litecast.engine", study, run])
    with socket.socket(socket.AF_UNIX) as runner:
        runner.connect(address)
        runner.sendall(f"{run}\n".encode())
        answer = runner.recv(16)
    return int(answer) if answer else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
