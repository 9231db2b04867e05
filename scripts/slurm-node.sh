#!/usr/bin/env bash
# A Slurm of one node for tests, in a folder of its own and as whoever calls: no root, no service, no trace elsewhere.
#   scripts/slurm-node.sh start DIR    then: export SLURM_CONF=DIR/slurm.conf
#   scripts/slurm-node.sh stop DIR
# Needs Debian's slurm-wlm, which brings munge. Without it: exit code 77.
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin

start() {
    local dir=$1 host ports
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null || { echo "$program is not installed (Debian: slurm-wlm)" >&2; exit 77; }
    done
    mkdir -p "$dir"/{state,spool,log}
    # Munge wants folders that nobody else can write.
    chmod 755 "$dir"
    (umask 077; head -c 128 /dev/urandom > "$dir/munge.key")
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge.seed" 2>/dev/null
    host=$(hostname -s)
    ports=$((20000 + $$ % 20000))
    cat > "$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ports
SlurmdPort=$((ports + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
# A job that is queued again waits until its old credential is gone.
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmctldTimeout=60
SlurmdTimeout=60
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$dir/slurm.conf
    slurmctld -f "$SLURM_CONF" >/dev/null
    slurmd -f "$SLURM_CONF" >/dev/null
    for _ in {1..100}; do
        [[ $(sinfo --noheader --format=%T 2>/dev/null) == idle ]] && exit 0
        sleep 0.3
    done
    echo "the node did not come up; see $dir/log" >&2
    stop "$dir"
    exit 1
}

# Each daemon by its own number, the node before the one that leads it.
stop() {
    local dir=$1 pid
    for name in slurmd slurmctld munged; do
        [[ -s $dir/$name.pid ]] || continue
        pid=$(<"$dir/$name.pid")
        kill "$pid" 2>/dev/null || continue
        for _ in {1..50}; do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
}

case ${1:-} in
start | stop) "$1" "$(realpath -m -- "${2:?a folder}")" ;;
*) sed -n '2,5s/^# *//p' "$0"; exit 2 ;;
esac
