#!/usr/bin/env bash
# Tries the sweep and the ranks on a real Slurm whose only node is this machine. Not one of the
# tests: it needs root, and Slurm and munge, for example from Debian's or Ubuntu's packages:
#
#   apt-get install -y slurmctld slurmd slurm-client munge
#   pip install snakemake-executor-plugin-slurm
#   bash sweep/try_slurm.sh          (with the environment's python first on the PATH)
#
# All daemons run from a temporary folder and end with the script, and so does the one file that is
# made elsewhere, /etc/slurm/slurm.conf (jobs look for it there): where there is one already, the
# script refuses to run. The work is done in a copy of the tree, on digits, in some minutes.
set -euo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
host=$(hostname -s)
conf=/etc/slurm/slurm.conf

finish() {
  local daemon
  for daemon in slurmd slurmctld munged; do
    [ -f "$top/$daemon.pid" ] && kill "$(cat "$top/$daemon.pid")" 2>/dev/null
  done
  rm -f "$conf"
  if [ "$1" -eq 0 ]; then
    sleep 2 # the daemons write their last words
    rm -rf "$top"
  else
    echo "FAILED; logs are in $top" >&2
  fi
}

say() { printf '\n== %s\n' "$*"; }

for program in munged slurmctld slurmd sbatch srun python; do
  command -v "$program" >/dev/null || { echo "$program is needed, see above" >&2; exit 2; }
done
[ "$(id -u)" -eq 0 ] || { echo "root is needed, to run slurmd" >&2; exit 2; }
python -c 'import snakemake_executor_plugin_slurm' || exit 2
[ ! -e "$conf" ] || { echo "$conf: this machine has a Slurm of its own" >&2; exit 2; }

top=$(mktemp -d -t try-slurm-XXXXXX)
trap 'finish $?' EXIT
say "A Slurm of one node in $top"
chmod 755 "$top"
mkdir -m 700 "$top/munge"
mkdir "$top/state" "$top/spool"
dd if=/dev/urandom of="$top/munge/key" bs=1024 count=1 status=none
chmod 400 "$top/munge/key"
munged --force --key-file="$top/munge/key" --socket="$top/munge.socket" \
  --pid-file="$top/munged.pid" --log-file="$top/munged.log" --seed-file="$top/munge/seed"

mkdir -p "$(dirname "$conf")"
cat >"$conf" <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$top/munge.socket
CredType=cred/munge
StateSaveLocation=$top/state
SlurmdSpoolDir=$top/spool
SlurmctldPidFile=$top/slurmctld.pid
SlurmdPidFile=$top/slurmd.pid
SlurmctldLogFile=$top/slurmctld.log
SlurmdLogFile=$top/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(free -m | awk '/^Mem/ {print $7}')
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
for _ in $(seq 30); do
  sinfo -h -o %T 2>/dev/null | grep -q idle && break
  sleep 1
done
sinfo

say "A copy of the tree, with a small record to make"
copy=$top/tree
mkdir "$copy"
tar -C "$tree" --exclude=./.git --exclude=./_build --exclude=./.venv --exclude=./.snakemake -c . |
  tar -C "$copy" -x
cd "$copy"
export PYTHONPATH=$copy/src${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=1
cat >notebooks/parameters/try-slurm.yml <<'YAML'
# As small as can be.
#   unlearning record 03 -f notebooks/parameters/try-slurm.yml
n_train: 60
epochs: 2
seeds: [1, 2, 3]
YAML
printf -- '- chapter: "03"\n  file: try-slurm.yml\n' >sweep/try.yml

say "The sweep, one Slurm job for each seed"
python -m snakemake -s sweep/Snakefile --config file=sweep/try.yml --executor slurm --jobs 2 \
  --latency-wait 20 --slurm-status-command squeue --slurm-no-account \
  --default-resources slurm_partition=main mem_mb=1000 runtime=10
python - <<'PYTHON'
from unlearning.companion import record

made = record.load("affine-recursion-try-slurm")
print(record.describe(made))
print("seeds:", [run["seed"] for run in made["runs"]], "rows:", len(made["values"]))
PYTHON

say "torchrun in two tasks of one Slurm job"
sbatch --wait --ntasks 2 --partition main --output recollect.log sweep/recollect.sbatch \
  problems/digits-logistic.yml store || { cat recollect.log; exit 1; }
cat recollect.log
ls store
python -m unlearning.companion.cli recollect problems/digits-logistic.yml --folder alone
python - <<'PYTHON'
import unlearning as ul

parts, alone = (ul.open_approximators(folder).vectors[:] for folder in ("store", "alone"))
print(f"largest difference to one process: {float((parts - alone).abs().max()):.1e},",
      f"largest entry: {float(alone.abs().max()):.1e}")
assert parts.shape == alone.shape and float((parts - alone).abs().max()) < 1e-6
PYTHON
say "All of it worked."
