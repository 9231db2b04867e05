work=$results/shards/$profile
# A task that was queued again this often is getting nowhere.
most_restarts=50

# Submits one job of this script and prints its number.
submit() {
    # Slurm reads % in the name of a log as a pattern.
    local log=${work//%/%%}/$1
    shift
    sbatch --parsable --chdir="$here" --open-mode=append --output="$log" "${sbatch_options[@]}" "$@" | cut -d ';' -f 1
}

# Runs a shard in a results folder of its own. Shortly before the time limit Slurm sends USR1: the program stops where
# it can go on, and the task goes back into the queue. A task that is cancelled or moved gets TERM and only stops.
run_shard() {
    local task=$1 late=no gone=no code=138 program
    "$anode" reproduce "${selection[@]}" "${options[@]}" --results "$work/$task-of-$shards" \
        --shard "$task/$shards" --plan-digest "$plan" --threads "$cpus" --yes &
    program=$!
    trap 'late=yes; kill -TERM "$program" 2>/dev/null || true' USR1
    trap 'kill -TERM "$program" 2>/dev/null || true' TERM
    # `wait` returns 128 + the number of a trapped signal (USR1, TERM) while the program still goes on.
    while [[ $gone == no && ($code == 138 || $code == 143) ]]; do
        kill -0 "$program" 2>/dev/null || gone=yes
        code=0
        wait "$program" || code=$?
    done
    if [[ $late == yes && $code == 130 && ${SLURM_RESTART_COUNT:-0} -lt $most_restarts ]]; then
        echo "time limit reached; queued again"
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$task"
        # Slurm ends this task now.
        sleep 60
    fi
    return "$code"
}

case ${1:-submit} in
submit)
    script=$(realpath -- "${BASH_SOURCE[0]}")
    cd -- "$here"
    mkdir -p -- "$work"
    asks=(--time="$time" --mem="$mem" --cpus-per-task="$cpus")
    tasks=$(submit "%a-of-$shards.log" --job-name="anode-$profile" --array="1-$shards" --requeue --signal=B:USR1@120 \
        "${asks[@]}" "$script" shard)
    # Not afterok: what the other shards found is reported even where one failed.
    last=$(submit report.log --job-name="anode-$profile-report" --dependency="afterany:$tasks" "${asks[@]}" \
        "$script" report)
    echo "submitted $shards tasks as job $tasks and the report as job $last; logs: $work"
    ;;
shard)
    run_shard "$SLURM_ARRAY_TASK_ID"
    ;;
report)
    found=("$work"/*-of-"$shards"/runs)
    "$anode" merge --results "$results" "${found[@]%/runs}"
    "$anode" report --profile "$profile" "${options[@]}" --results "$results"
    ;;
*)
    echo "usage: bash ${BASH_SOURCE[0]} [submit]" >&2
    exit 2
    ;;
esac
