"""A tiny study in chunks: with Snakemake's own executor always, and on a real one-node Slurm where there is one."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from test_orchestration import ALL, LATE, ROUTED, TAUGHT, House, wait_for

from litecast.errors import RunError
from litecast.planning.plan import Plan, Planned
from litecast.running import cluster

LOCAL = "executor: local\ncores: 2\n"
# The profile that is shipped, but for what a machine of two cores lacks.
SHIPPED = (cluster.PROFILES / "slurm" / "config.yaml").read_text(encoding="utf-8")
SLURM = SHIPPED.replace("chunk: 4", "chunk: 2").replace("checks: 5", "checks: 1").replace("cpu: 2000", "cpu: 200")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
OURS = "# of litecast's tests\n"
DAEMONS = ("munged", "slurmctld", "slurmd")


@pytest.fixture
def house(tmp_path) -> House:
    made = House(tmp_path / "house")
    (made.root / "profile").mkdir()
    (made.root / "profile" / "config.yaml").write_text(LOCAL)
    return made


def planned(name: str, needs=(), model: str = "net", late: bool = False) -> Planned:
    return Planned(name, name.partition("/")[0], "", {"dataset": "toy", "model": model}, {}, name, list(needs), late)


# ---- chunks

def test_a_chunk_holds_what_needs_each_other_and_other_models_go_beside(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    runs = [planned("210/a"), planned("300/a", ["210/a"]), planned("210/b", model="wise"),
            planned("330/a", ["300/a", "210/b"])]  # fmt: skip
    made = Plan("toy", "", runs)
    assert named(cluster.parts(made, runs, {})) == [["210/a", "300/a"], ["210/b"]]
    done(made, *runs[:3])
    assert named(cluster.parts(made, runs, {})) == [["330/a"]]


def test_a_full_chunk_ends_and_what_needs_it_waits(tmp_path, monkeypatch):
    monkeypatch.setenv("LITECAST_REPORTS", str(tmp_path))
    runs = [planned("210/a"), *(planned(f"300/{n}", ["210/a"]) for n in range(4))]
    made, seconds = Plan("toy", "", runs), {"210/a": 600.0, "300/0": 500.0}
    assert named(cluster.parts(made, runs, seconds)) == [["210/a", "300/0", "300/1"]]  # 300/1 as long as its stage
    done(made, *runs[:3])
    assert named(cluster.parts(made, runs, seconds, limit=400)) == [["300/2"], ["300/3"]]
    assert named(cluster.parts(made, runs, seconds, limit=501)) == [["300/2", "300/3"]]


def named(found: list) -> list[list[str]]:
    return [[run.id for run in part] for part in found]


def done(made: Plan, *runs: Planned) -> None:
    for run in runs:
        (made.folder / run.dir).mkdir(parents=True)
        (made.folder / run.dir / "done.json").write_text('{"digest": ""}')


def test_an_executor_that_is_not_there_is_refused_with_what_is(house):
    assert cluster.profile("slurm").name == "slurm"
    with pytest.raises(RunError, match="no executor 'slrum'; did you mean 'slurm'"):
        cluster.profile("slrum")
    started, output = house.make("--executor", "nowhere", expected=2)
    assert started == [] and "there is no executor 'nowhere'" in output


# ---- any executor

def test_in_chunks_the_same_runs_are_made_once(house):
    started, output = house.make("--executor", "profile")
    assert started == sorted(ALL), output
    assert house.started()[-len(LATE):] == LATE and "12 of 12 runs are done" in output
    told = [(int(done), int(of)) for done, of in re.findall(r"\[ *(\d+)/(\d+)\]", output)]
    assert [done for done, _ in told] == [*range(1, 13)] and {of for _, of in told} == {12}, "whatever goes out beside"
    assert len(list((house.reports / "chunks").glob("0-*.json"))) == 1 + 1, "one of the network, one of the data alone"
    assert house.make("--executor", "profile")[0] == [] == house.make()[0]


def test_a_failure_in_a_chunk_is_that_of_one_machine(house):
    switches = [house.switch("fail-300_shrink"), house.switch("crash-200_classical")]
    started, output = house.make("--executor", "profile", expected=1)
    assert started == sorted(ALL)
    assert "failed: 300_shrink/dataset=toy,model=net,seed=0: ValueError: switched off" in output
    assert "failed: 200_classical/dataset=toy: RunError: its process was ended by SIGSEGV" in output
    for switch in switches:
        switch.unlink()
    assert house.make("--executor", "profile")[0] == sorted(["200_classical", "250_reference", "300_shrink", *LATE])


def test_what_needs_a_run_that_failed_is_not_started(house):
    house.study.write_text(ROUTED)
    house.switch("fail-300_shrink")
    started, output = house.make("--executor", "profile", expected=1)
    assert "310_squeeze" not in started and "320_melt" not in started
    assert "because of 300_shrink/dataset=toy,model=net,seed=0" in output


def test_what_a_reference_teaches_goes_out_after_it(house):
    house.study.write_text(TAUGHT.replace("[wise, net]", "[reference]"))
    house.make("--executor", "profile")
    order = house.started()
    assert order.index("250_reference") < order.index("320_melt") < order.index("500_timing")
    assert order.count("250_reference") == order.count("320_melt") == 1


# ---- Slurm

def _lacking() -> str:
    gone = [name for name in (*DAEMONS, "sbatch") if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
    if gone or os.geteuid():
        return f"no {', '.join(gone) or 'root'} here: `apt-get install slurm-wlm munge` (Debian), and run as root"
    if CONFIGURATION.exists() and not CONFIGURATION.read_text(encoding="utf-8").startswith(OURS):
        return f"{CONFIGURATION} is somebody's own"
    try:
        import snakemake_executor_plugin_slurm  # noqa: F401
    except ImportError:
        return "no Slurm executor here: pip install -e '.[slurm]'"
    return ""


@pytest.fixture(scope="module")
def slurm():
    """munged, slurmctld and slurmd of one node, this machine. The executor reads the configuration at its usual place.
    """
    if why := _lacking():
        pytest.skip(why)
    key, state = Path("/etc/munge/munge.key"), Path("/var/spool/litecast-slurm")
    state.mkdir(parents=True, exist_ok=True)
    if not key.exists():
        key.write_bytes(os.urandom(1024))
    for folder in ("/run/munge", "/var/log/munge", "/var/lib/munge", "/etc/munge"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "-R", "munge:munge", folder], check=True)
    key.chmod(0o400)
    Path("/run/munge").chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    CONFIGURATION.write_text(OURS + f"""ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=20
BatchStartTimeout=1
AuthInfo=cred_expire=10
MinJobAge=86400
StateSaveLocation={state}
SlurmdSpoolDir={state}
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={min(2, os.cpu_count())} RealMemory=1500 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
""", encoding="utf-8")
    os.environ["PATH"] += ":/usr/sbin"
    subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "munged"], check=False)
    subprocess.run(["slurmctld", "-c"], check=True)
    subprocess.run(["slurmd"], check=True)
    wait_for(lambda: subprocess.run(["srun", "-t1", "true"], capture_output=True, timeout=20).returncode == 0)
    yield
    for name in DAEMONS[::-1]:
        subprocess.run(["pkill", "-x", name], check=False)
    CONFIGURATION.unlink()


@pytest.fixture
def spread(house, slurm) -> House:
    (house.root / "profile" / "config.yaml").write_text(SLURM)
    return house


def test_slurm_makes_what_one_machine_makes(spread, tmp_path):
    alone = House(tmp_path / "alone")
    alone.make()
    began = time.monotonic()
    started, output = spread.make("--executor", "profile")
    assert started == sorted(ALL), output
    assert told(spread) == told(alone)
    print(f"{time.monotonic() - began:.0f} s in {len(list((spread.reports / 'chunks').glob('*.json')))} chunks")
    assert spread.make("--executor", "profile")[0] == []


def test_a_node_that_is_lost_costs_its_chunk_only(spread):
    switch = spread.switch("wait-310_squeeze")
    process = spread.start("--executor", "profile")
    wait_for(lambda: "310_squeeze" in spread.started() and spread.runs("300_shrink"), 60)
    subprocess.run(["pkill", "-x", "slurmd"], check=True)
    for step in subprocess.run(["pgrep", "-x", "slurmstepd"], capture_output=True, text=True).stdout.split():
        os.kill(int(step), signal.SIGKILL)  # the node is gone, and what ran there
    subprocess.run(["pkill", "-f", f"litecast.running.chunk {spread.reports.name}"], check=False)
    switch.unlink()
    subprocess.run(["slurmd"], check=True)
    process.communicate(timeout=400)  # Slurm starts the chunk again, or it is missing at the end
    spread.make("--executor", "profile")
    order = spread.started()
    assert order.count("310_squeeze") == 2 and order.count("300_shrink") == order.count("210_deep") == 1, order
    assert order.count("100_collect_traffic") == 1 and told(spread)["700_report"]


def told(house: House) -> dict[str, list]:
    """What every run said, times aside."""
    return {stage: house.outputs(stage) for stage in sorted(ALL)}
