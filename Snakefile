# The plan of a study as Snakemake rules. `python -m litecast.running.make params/quick.yaml` calls it twice, once per target.
# By hand (a cluster is given chunks of runs instead, see litecast.running.cluster):
#   python -m litecast.running.make params/quick.yaml --plan
#   snakemake --directory reports/quick --cores 2 --keep-going runs; snakemake --directory reports/quick --cores 2 -k late
# What a reference teaches is made between the two, by the first of these commands without --plan: see `_taught` there.
# Digests, not dates, say what is out of date: the planner removes such a done.json, so a file that exists is current.
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))
from litecast.planning import plan as planning

plan = planning.read(Path.cwd().name)
client = shlex.join([sys.executable, "-I", "-S", f"{workflow.basedir}/src/litecast/running/client.py", plan.study])
chunk = shlex.join([sys.executable, "-m", "litecast.running.chunk", plan.study])
client, chunk = (text.replace("{", "{{").replace("}", "}}") for text in (client, chunk))  # of a path: no wildcards


def files(late):
    return [f"{run.dir}/done.json" for run in plan.runs if run.late == late and not run.taught]


def stages(words):
    return "|".join({run.stage for run in plan.runs if run.stage.endswith(words)}) or "none"


def needs(wildcards):
    return [f"{plan.run(need).dir}/done.json" for need in plan.run(f"{wildcards.stage}/{wildcards.of}").needs]


rule runs:
    input: files(late=False)

rule late:
    input: files(late=True)

rule early:
    input: ancient(needs)
    output: "runs/{stage}/{of}/done.json"
    shell: client + " {wildcards.stage}/{wildcards.of}"

# Of a cluster: many runs by one process of one node (litecast.running.cluster writes them down); timing has it alone.
rule chunk:
    output: "chunks/{name}.done"
    threads: 2
    shell: chunk + " {wildcards.name} --jobs {threads} && touch {output}"

rule alone:
    output: "chunks/{name}.alone"
    resources: slurm_extra="'--exclusive'"
    shell: chunk + " {wildcards.name} && touch {output}"

# Late runs take what is done and report what is not, so a run that failed must not hold them up: they have no inputs.
# Each takes all cores, so one runs at a time and alone; priority puts the reference first and the report last.
for place, words in enumerate(planning.LATE):
    rule:
        name: words
        output: f"runs/{{stage,{stages(words)}}}/{{of}}/done.json"
        priority: 10 - place
        threads: 1000  # all that there are
        shell: client + " {wildcards.stage}/{wildcards.of}"

ruleorder: reference > committee > timing > devices > compare > techniques > report > early
