"""One training step at a time in PyTorch: reads a line, takes a step, prints its seconds.

Usage: torch_step.py NET BATCH NT checkpointed|plain
"""

import resource
import sys
import time

import torch

from nets import NETS, WIDTHS


def main():
    net, batch, steps, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = NETS[net](WIDTHS[net], 10, {"steps": steps, "checkpointed": how == "checkpointed"})
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = torch.randn(batch, 3, 32, 32), torch.arange(batch) % 10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("ready", before, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(seconds, peak, float(loss.detach()), flush=True)


main()
