"""What Snakemake starts for a run: asks the warm runner to fork a child for it and exits with its code.

`python -I -S client.py STUDY RUN`. Standard library only, no site packages: it starts in 10 ms. Without a runner
(LITECAST_SOCKET unset: on a cluster, by hand) it becomes `python -m litecast.running.one STUDY RUN`, which takes
seconds.
"""

import os
import socket
import sys

study, run = sys.argv[1:3]
if "LITECAST_SOCKET" not in os.environ:
    os.execv(sys.executable, [sys.executable, "-m", "litecast.running.one", study, run])
with socket.socket(socket.AF_UNIX) as runner:
    runner.connect(os.environ["LITECAST_SOCKET"])
    runner.sendall(f"{run}\n".encode())
    sys.exit(int(runner.recv(16) or 1))  # nothing: the runner went away
