"""Training steps of `anode` and of PyTorch in turn, on the same machine in the same minutes.

Usage: compare.py [--rounds N] [--only NET] [--json FILE]; `just bench-peer` builds what it needs and calls it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CASES = [("resnet4", 256, 0.5), ("sqnxt", 64, 0.6), ("resnet18", 64, 0.75)]
STEPS = 2


def start(command):
    environment = dict(os.environ, RAYON_NUM_THREADS="2", OMP_NUM_THREADS="2")
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    )
    word, before = process.stdout.readline().split()
    assert word == "ready"
    return process, float(before)


def step(process):
    process.stdin.write("step\n")
    process.stdin.flush()
    seconds, peak, _ = process.stdout.readline().split()
    return float(seconds), float(peak)


def compare(net, batch, rounds):
    rust = [str(ROOT / "target/release/examples/training_step"), net, str(batch), str(STEPS), "anode"]
    torch = [sys.executable, str(HERE / "torch_step.py"), net, str(batch), str(STEPS)]
    names = ["anode", "torch checkpointed", "torch plain"]
    processes = [start(rust), start([*torch, "checkpointed"]), start([*torch, "plain"])]
    times, peaks = [[] for _ in names], [0.0] * len(names)
    for round_number in range(rounds + 2):
        for i, (process, _) in enumerate(processes):
            seconds, peaks[i] = step(process)
            if round_number >= 2:
                times[i].append(seconds)
    for process, _ in processes:
        process.stdin.close()
        process.wait()
    rows = []
    for name, (_, before), seconds, peak in zip(names, processes, times, peaks):
        rows.append(
            {
                "net": net,
                "batch": batch,
                "steps": STEPS,
                "who": name,
                "median_seconds": statistics.median(seconds),
                "fastest_seconds": min(seconds),
                "peak_mib": peak / 1024,
                "rise_mib": (peak - before) / 1024,
            }
        )
    return rows


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=[case[0] for case in CASES])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch

    versions = f"{machine()}, 2 threads each, PyTorch {torch.__version__}"
    print(f"{date.today()}, {versions}, {arguments.rounds} rounds in turn")
    times = f"{'who':<19} {'median s':>9} {'ratio':>6}"
    print(f"{'net':<9} {'batch':>5}  {times} {'peak MiB':>9} {'rise MiB':>9} {'ratio':>6}")
    everything = []
    for net, batch, _ in CASES:
        if arguments.only not in (None, net):
            continue
        rows = compare(net, batch, arguments.rounds)
        reference = rows[1]
        for row in rows:
            row["time_ratio"] = row["median_seconds"] / reference["median_seconds"]
            row["rise_ratio"] = row["rise_mib"] / reference["rise_mib"]
            print(
                f"{net:<9} {batch:>5}  {row['who']:<19} {row['median_seconds']:>9.3f} {row['time_ratio']:>6.2f} "
                f"{row['peak_mib']:>9.0f} {row['rise_mib']:>9.0f} {row['rise_ratio']:>6.2f}"
            )
        everything += rows
    if arguments.json:
        text = {"date": str(date.today()), "machine": machine(), "torch": torch.__version__, "rows": everything}
        arguments.json.write_text(json.dumps(text, indent=2) + "\n")


main()
