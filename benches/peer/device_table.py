"""Compares the times of benches/device/step.rs with those of device_times.py. Prints a table; writes JSON to a file.

Usage: device_table.py OURS.jsonl PYTORCH.jsonl OUT.json

Each row of ours is compared with PyTorch's rows of the same network, batch size, gradient method and precision: with
eager NCHW, and with the fastest of eager and CUDA graph, NCHW and channels_last. Ratios are ours divided by PyTorch's:
below 1, ours is faster or uses less memory.
"""

import json
import sys

METHODS = {"anode": "checkpointed", "full": "plain"}
PRECISIONS = {"cuda-own": "f32", "cuda-cudnn": "f32", "cuda-tf32": "tf32", "cuda-fast": "tf32"}
SHORT = {"nchw": "nchw", "channels_last": "nhwc"}


def read(path):
    """The objects in a file of JSON lines; a last line that was cut short is left out."""
    found = []
    for line in open(path):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"not JSON, left out: {line[:80].strip()}")
    return found


def ratio(a, b):
    return a / b if a and b else None


def compare(ours, peers):
    rows = []
    for row in ours:
        if "net" not in row or "median_s" not in row:
            continue
        device, precision = row["device"], PRECISIONS.get(row["device"])
        wanted = (row["net"], row["batch"], METHODS.get(row["method"]), precision)
        same = [p for p in peers if (p.get("net"), p.get("batch"), p.get("method"), p.get("precision")) == wanted]
        same = [p for p in same if "median_s" in p]
        eager = next((p for p in same if (p["mode"], p["layout"]) == ("eager", "nchw")), {})
        best = min(same, key=lambda p: p["median_s"], default={})
        rows.append(
            {
                "net": row["net"], "batch": row["batch"], "method": row["method"],
                "device": device, "precision": precision,
                "median_s": row["median_s"], "eager_median_s": eager.get("median_s"),
                "ratio": ratio(row["median_s"], eager.get("median_s")),
                "best": f"{best['mode']} {best['layout']}" if best else None, "best_median_s": best.get("median_s"),
                "best_ratio": ratio(row["median_s"], best.get("median_s")),
                "peak_bytes": row.get("peak_bytes"), "eager_peak_bytes": eager.get("peak_bytes"),
                "peak_ratio": ratio(row.get("peak_bytes"), eager.get("peak_bytes")),
            }
        )  # fmt: skip
    return rows


def number(value, scale=1.0, digits=2):
    return "-" if value is None else f"{value * scale:.{digits}f}"


def main():
    ours, peers = read(sys.argv[1]), read(sys.argv[2])
    rows = compare(ours, peers)
    left_out = {why: [row for row in ours + peers if why in row] for why in ("skipped", "failed")}
    with open(sys.argv[3], "w") as file:
        about = [row for row in ours + peers if "words" in row]
        json.dump({"about": about, "rows": rows, **left_out}, file, indent=1)
        file.write("\n")
    mib = 1 / (1 << 20)
    print("ms per step (median), peak memory in MiB; ratios are ours / PyTorch's")
    print(f"{'net':9}{'batch':>5}  {'method':7}{'device':11}{'ours':>8}{'eager':>8}{'ratio':>7}{'best':>8}{'ratio':>7}"
          f"  {'best is':12}{'peak':>7}{'eager':>7}{'ratio':>6}")  # fmt: skip
    order = list(dict.fromkeys((row["net"], row["batch"], row["method"]) for row in rows))
    for row in sorted(rows, key=lambda row: order.index((row["net"], row["batch"], row["method"]))):
        best = "-"
        if row["best"]:
            mode, layout = row["best"].split()
            best = f"{mode} {SHORT[layout]}"
        print(
            f"{row['net']:9}{row['batch']:>5}  {row['method']:7}{row['device']:11}"
            f"{number(row['median_s'], 1e3):>8}{number(row['eager_median_s'], 1e3):>8}{number(row['ratio']):>7}"
            f"{number(row['best_median_s'], 1e3):>8}{number(row['best_ratio']):>7}  {best:12}"
            f"{number(row['peak_bytes'], mib, 0):>7}{number(row['eager_peak_bytes'], mib, 0):>7}"
            f"{number(row['peak_ratio']):>6}"
        )
    for why, lacking in left_out.items():
        if lacking:
            print(f"rows {why}: {len(lacking)}, the first: {json.dumps(lacking[0])[:130]}")


main()
