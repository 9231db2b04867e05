"""Times and peak memory of training steps in PyTorch on one device, one JSON object per line.

Usage: device_times.py [--device cuda] [--seconds 150] [--times 15] [--batch N] [--nets resnet4,sqnxt]

A step is forward pass, loss, backward pass and SGD with momentum and weight decay, on images that are already on the
device. ODE blocks take two Euler steps, as in benches/device/step.rs. Rows vary
  method     plain, or checkpointed: each ODE block by torch.utils.checkpoint
  precision  f32 (TF32 off everywhere), or tf32 (on for matrix products and convolutions)
  layout     nchw or channels_last
  mode       eager, or graph: the whole step captured in a CUDA graph
The most important rows come first; rows for which no time is left are counted in the last line.
"""

import argparse
import gc
import itertools
import json
import statistics
import time

import torch

from nets import NETS, WIDTHS

STEPS = 2
WARM_UP = 4
SIZES = [("resnet18", 256), ("sqnxt", 64), ("resnet4", 256), ("resnet10", 256), ("alexnet", 256), ("sqnxt", 256)]


def rows():
    """All rows, the important ones first."""
    for mode, layout in [("eager", "nchw"), ("graph", "nchw"), ("eager", "channels_last"), ("graph", "channels_last")]:
        for precision, method in itertools.product(["f32", "tf32"], ["checkpointed", "plain"]):
            for net, batch in SIZES:
                yield net, batch, method, precision, layout, mode


class Step:
    """A training step of one network."""

    def __init__(self, net, batch, method, layout, device):
        torch.manual_seed(0)
        form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        model = NETS[net](WIDTHS[net], 10, {"steps": STEPS, "checkpointed": method == "checkpointed"})
        self.model = model.to(device).to(memory_format=form)
        self.images = torch.randn(batch, 3, 32, 32).to(device).to(memory_format=form)
        self.labels = (torch.arange(batch) % 10).to(device)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.loss = None

    def __call__(self):
        self.optimiser.zero_grad(set_to_none=True)
        self.loss = torch.nn.functional.cross_entropy(self.model(self.images), self.labels)
        self.loss.backward()
        self.optimiser.step()


def capture(step):
    """Captures the step in a CUDA graph. Momentum buffers and cuDNN's choices are made on a side stream before."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    step.optimiser.zero_grad(set_to_none=True)
    step.loss = None
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def measure(net, batch, method, precision, layout, mode, device, times):
    """Median and minimum of the seconds per step, peak memory in bytes, and the last loss."""
    cuda = device.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    wait = torch.cuda.synchronize if cuda else lambda: None
    step = Step(net, batch, method, layout, device)
    run = capture(step).replay if mode == "graph" else step
    for _ in range(WARM_UP):
        run()
    wait()
    # Workspaces that cuDNN tries out in the first steps do not belong to the peak.
    if cuda and mode == "eager":
        torch.cuda.reset_peak_memory_stats()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        wait()
        taken.append(time.perf_counter() - start)
    return {
        "median_s": statistics.median(taken),
        "least_s": min(taken),
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "loss": float(step.loss.detach()),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=150, help="time after which no further row is started")
    parser.add_argument("--times", type=int, default=15, help="timed steps per row")
    parser.add_argument("--batch", type=int, help="replaces the batch sizes")
    parser.add_argument("--nets", help="only these networks, separated by commas")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    device = torch.device(arguments.device)
    cuda = device.type == "cuda"
    torch.backends.cudnn.benchmark = True
    words = {"device": "pytorch", "torch": torch.__version__}
    if cuda:
        words |= {"words": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
        words["cudnn"] = torch.backends.cudnn.version()
    print(json.dumps(words), flush=True)
    chosen = [row for row in rows() if cuda or (row[3], row[5]) == ("f32", "eager")]
    if arguments.nets:
        chosen = [row for row in chosen if row[0] in arguments.nets.split(",")]
    if arguments.batch:
        chosen = list(dict.fromkeys((row[0], arguments.batch, *row[2:]) for row in chosen))
    left = 0
    for net, batch, method, precision, layout, mode in chosen:
        if time.monotonic() > end:
            left += 1
            continue
        row = {"device": "pytorch", "net": net, "method": method, "steps": STEPS, "batch": batch}
        row |= {"precision": precision, "layout": layout, "mode": mode}
        try:
            row |= measure(net, batch, method, precision, layout, mode, device, arguments.times)
        except Exception as error:  # A row that cannot be measured must not cost the others.
            row["skipped"] = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps(row), flush=True)
        gc.collect()
        if cuda:
            torch.cuda.empty_cache()
    print(json.dumps({"device": "pytorch", "rows_without_time": left}), flush=True)


main()
