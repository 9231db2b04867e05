"""Evaluates a network with four choices of batch-norm statistics in PyTorch and compares the results with `anode`.

Usage: evaluate_modes.py EXPORT [--double], where EXPORT is written by
`cargo run --release --example peer -- modes ...` and holds the parameters, the running statistics, the decoded images
and what `anode` found. The modes:

- running: the running statistics, as trained;
- test-batch: the statistics of each test batch of 250 images;
- recalibrated: estimated again from training images in batches of 250 (PyTorch's cumulative average, momentum None),
  shared by all evaluations of an ODE block;
- per-evaluation: the same with separate statistics for each evaluation of f in an ODE block.
"""

import argparse
import copy
import json

import torch
from torch import nn

from exchange import load, normalised, norms, read
from nets import NETS, OdeBlock

MODES = ("running", "test-batch", "recalibrated", "per-evaluation")
BATCH = 250
STAGES = {"euler": 1, "midpoint": 2}


class PerEvaluation(nn.Module):
    """A batch norm of an ODE block with separate statistics for each evaluation; calls take them in turn."""

    def __init__(self, norm, evaluations):
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(norm) for _ in range(evaluations))
        self.calls = 0

    def forward(self, x):
        norm = self.copies[self.calls % len(self.copies)]
        self.calls += 1
        return norm(x)


def separate(model):
    """Replaces every batch norm inside an ODE block by a `PerEvaluation`."""
    for block in [module for module in model.modules() if isinstance(module, OdeBlock)]:
        for name, child in list(block.field.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(block.field, name, PerEvaluation(child, block.steps * STAGES[block.solver]))


def batches(images):
    return images.split(BATCH)


def recalibrate(model, images):
    for norm in norms(model):
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for batch in batches(images):
            model(batch)


def evaluate(model, mode, training_images, images, labels):
    """Mean cross-entropy and accuracy on the test images; `model` stays as it is."""
    model = copy.deepcopy(model)
    if mode == "per-evaluation":
        separate(model)
    if mode in ("recalibrated", "per-evaluation"):
        recalibrate(model, training_images)
    model.train(mode == "test-batch")
    with torch.no_grad():
        logits = torch.cat([model(batch) for batch in batches(images)])
    loss = nn.functional.cross_entropy(logits.double(), labels)
    return float(loss), float((logits.argmax(1) == labels).double().mean())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export")
    parser.add_argument("--double", action="store_true", help="compute in double precision")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_default_dtype(torch.float64 if arguments.double else torch.float32)
    arrays, metadata = read(arguments.export)
    about = json.loads(metadata["about"])
    ode = {"steps": about["steps"], "solver": about["solver"]}
    model = NETS[about["net"]](about["width"], about["classes"], ode if about["form"] == "ode" else None)
    load(model, arrays["theta"], arrays["statistics"])
    training = normalised(arrays["train_pixels"], about["mean"], about["deviation"])
    test = normalised(arrays["test_pixels"], about["mean"], about["deviation"])
    labels = torch.from_numpy(arrays["test_labels"]).long()
    print(f"{len(test)} test images, {len(training)} training images for the statistics, PyTorch {torch.__version__}")
    heads = [f"{head:>12}" for head in ("loss, anode", "loss, torch", "relative", "acc., anode", "acc., torch")]
    print(f"{'mode':<15} {' '.join(heads)}")
    for mode in MODES:
        loss, accuracy = evaluate(model, mode, training, test, labels)
        ours, our_accuracy = about["found"][mode]
        relative = abs(ours - loss) / loss
        losses = f"{ours:>12.7f} {loss:>12.7f} {relative:>12.1e}"
        print(f"{mode:<15} {losses} {our_accuracy:>12.4f} {accuracy:>12.4f}", flush=True)


if __name__ == "__main__":
    main()
