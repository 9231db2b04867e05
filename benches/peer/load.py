"""Committed trained networks in PyTorch: loss and accuracy on the images that `anode` decoded, beside what `anode`
finds.

Usage: load.py [FILE ...] [--data DIR] [--statistics MODE ...] [--missing] [--anode PROGRAM] [--csv FILE]; without
files, all of results/models. Updates results/peer/models.csv, which the report prints, after each evaluation. Needs a
release build of `anode`, PyTorch, numpy and safetensors.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from safetensors import safe_open
from torch import nn

from nets import NETS, TABLEAUS, WIDTHS, OdeBlock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLASSES = {"cifar100": 100}
BATCH = 250
RECORDED = ["running", "test-batch", "recalibrated", "per-evaluation"]
MODES = [*RECORDED, "recalibrated-augmented", "per-evaluation-augmented"]
# The running means and variances of later evaluations in ODE blocks, in the order of steps, stages and layers, where a
# network was trained with statistics for each evaluation; the first evaluation's are those of the layers.
LATER = "later_evaluations.statistics"
# A loss may differ by this much, relatively, and by so many images in the accuracy.
LOSS, IMAGES = 1e-5, 3


class Norms(nn.Module):
    """A batch norm with one set of scale, shift and statistics for each evaluation that has its own."""

    def __init__(self, first):
        super().__init__()
        self.first, self.others, self.place = first, nn.ModuleDict(), None

    def forward(self, x):
        return self.others[self.place](x) if self.place in self.others else self.first(x)


def built(settings, classes):
    """The network of a run, with parameters that are not those of the run yet."""
    form = settings.get("form", "ode")
    if form not in ("ode", "baseline"):
        raise NotImplementedError(f"the form {form} has no implementation in PyTorch here")
    if settings.get("steps") is None or settings["solver"] not in TABLEAUS:
        raise NotImplementedError("only fixed steps of " + ", ".join(TABLEAUS))
    ode = {"steps": settings["steps"], "checkpointed": False, "solver": settings["solver"]}
    net = settings["net"]
    return NETS[net](settings.get("width") or WIDTHS[net], classes, None if form == "baseline" else ode)


def natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def loaded(path):
    """A committed network as a PyTorch module, with its metadata."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    later = tensors.pop(LATER, None)
    settings = json.loads(metadata["settings"])
    classes = CLASSES.get(metadata["data"], 10)
    model = built(settings, classes)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))]
    names = {name.rsplit(".", 1)[0] for name in tensors}
    shared = sorted((name for name in names if ".step" not in name), key=natural)
    assert len(layers) == len(shared), f"{len(layers)} layers with parameters, {len(shared)} in the file"
    by_name = dict(zip(shared, layers))
    fill(by_name, tensors)
    own = {name: nn.BatchNorm2d(by_name[re.sub(r"\.step\d+", "", name)].num_features) for name in names - set(shared)}
    fill(own, tensors)
    replace(model, by_name, own)
    return model.eval(), metadata, later


def fill(layers, tensors):
    for name, layer in layers.items():
        state = {key: tensors[f"{name}.{key}"] for key in layer.state_dict() if f"{name}.{key}" in tensors}
        missing = set(layer.state_dict()) - set(state) - {"num_batches_tracked"}
        assert not missing, f"{name}: {missing}"
        for key, value in state.items():
            assert value.shape == layer.state_dict()[key].shape, f"{name}.{key}"
        layer.load_state_dict(state, strict=False)


def replace(model, by_name, own):
    """Lets each step of an ODE block use its own batch norms, the last ones from there on."""
    for block in (m for m in model.modules() if isinstance(m, OdeBlock)):
        norms = []
        for i, layer in enumerate(block.field):
            if isinstance(layer, nn.BatchNorm2d):
                base = next(name for name, known in by_name.items() if known is layer)
                norm = Norms(layer)
                for name, other in own.items():
                    found = re.fullmatch(re.escape(base).replace(r"\.layer", r"\.step(\d+)\.layer"), name)
                    if found:
                        norm.others[found[1]] = other
                block.field[i] = norm
                norms.append(norm)
        last = max((int(step) for norm in norms for step in norm.others), default=0)

        def before(step, _stage, norms=norms, last=last):
            for norm in norms:
                norm.place = str(min(step, last))

        block.before = before


def fill_later(model, later):
    """Sets the statistics of each evaluation after the first, in a model that has passed `per_evaluation`."""
    at = 0
    for block in (m for m in model.modules() if isinstance(m, OdeBlock)):
        norms = [layer for layer in block.field if isinstance(layer, Norms)]
        for step in range(block.steps):
            for stage in range(len(block.a)):
                for norm in norms:
                    own = norm.others[f"{step}_{stage}"]
                    if (step, stage) == (0, 0):
                        own.running_mean, own.running_var = norm.first.running_mean, norm.first.running_var
                        continue
                    channels = own.num_features
                    own.running_mean = later[at : at + channels].float()
                    own.running_var = later[at + channels : at + 2 * channels].float()
                    at += 2 * channels
    assert at == len(later), f"{len(later)} numbers of later evaluations, {at} used"


def per_evaluation(model):
    """Gives each evaluation of an ODE block statistics of its own; scale and shift stay shared."""
    for block in (m for m in model.modules() if isinstance(m, OdeBlock)):
        norms = [layer for layer in block.field if isinstance(layer, Norms)]
        copies = {}
        for step in range(block.steps):
            for stage in range(len(block.a)):
                block.before(step, stage)
                for i, norm in enumerate(norms):
                    source = norm.others[norm.place] if norm.place in norm.others else norm.first
                    copy = nn.BatchNorm2d(source.num_features)
                    copy.weight, copy.bias = source.weight, source.bias
                    copies[i, f"{step}_{stage}"] = copy
        for (i, place), copy in copies.items():
            norms[i].others[place] = copy

        def before(step, stage, norms=norms):
            for norm in norms:
                norm.place = f"{step}_{stage}"

        block.before = before


def batches(images, metadata):
    pixels, labels = images
    per_channel = (torch.tensor(metadata[name], dtype=torch.float64) for name in ("mean", "deviation"))
    mean, deviation = (numbers[:, None, None] for numbers in per_channel)
    for start in range(0, len(labels), BATCH):
        part = torch.from_numpy(pixels[start : start + BATCH].copy()).double() / 255
        yield ((part - mean) / deviation).float(), torch.from_numpy(labels[start : start + BATCH].astype(numpy.int64))


def read(path):
    """Images in the binary layout of CIFAR-10: a label, then 3 x 32 x 32 bytes."""
    records = numpy.fromfile(path, dtype=numpy.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def estimates(mode):
    """Whether a mode estimates statistics again from training images."""
    return mode.startswith(("recalibrated", "per-evaluation"))


def set_statistics(model, mode, images, metadata):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if mode.startswith("per-evaluation"):
        per_evaluation(model)
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if estimates(mode):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        for part, _ in batches(images, metadata):
            model(part)
        model.eval()
    if mode == "test-batch":
        for norm in norms:
            norm.momentum = 0.0
            norm.train()


@torch.no_grad()
def evaluate(path, mode, folder, found):
    model, metadata, later = loaded(path)
    if later is not None and mode == "running":
        per_evaluation(model)
        fill_later(model, later)
        # The copies start in training mode.
        model.eval()
    train = read(folder / "train.bin") if estimates(mode) else None
    set_statistics(model, mode, train, found)
    loss, right, count = 0.0, 0, 0
    for images, labels in batches(read(folder / "test.bin"), found):
        logits = model(images).double()
        loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    return loss / count, right / count, metadata


def compare(path, mode, data, program):
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--json", "evaluate", str(path), "--statistics", mode]
        command += ["--images", folder] + (["--data", data] if data else [])
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)["data"]
        loss, accuracy, metadata = evaluate(path, mode, Path(folder), found)
    return {
        "experiment": path.name.split(".")[0],
        "run": metadata["run"],
        "net": metadata["net"],
        "form": metadata["form"],
        "method": metadata["method"],
        "data": metadata["data"],
        "statistics": mode,
        "images": found["images"],
        "loss": found["loss"],
        "loss_pytorch": loss,
        "difference": abs(loss - found["loss"]) / abs(found["loss"]),
        "accuracy": found["accuracy"],
        "accuracy_pytorch": accuracy,
        "images_apart": round(abs(accuracy - found["accuracy"]) * found["images"]),
    }


def key(row):
    """What a row is about."""
    return row["run"], row["statistics"]


def write(path, rows):
    """Writes the table after each evaluation, so that an interruption loses only the last."""
    rows = sorted(rows, key=lambda row: (row["experiment"], row["run"], MODES.index(row["statistics"])))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--data", help="folder of data sets")
    parser.add_argument("--statistics", nargs="*", choices=MODES, default=RECORDED)
    parser.add_argument("--missing", action="store_true", help="only evaluations that the table lacks")
    parser.add_argument("--anode", default=str(ROOT / "target/release/anode"), help="the program")
    parser.add_argument("--csv", type=Path, default=ROOT / "results/peer/models.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    rows, apart = {}, 0
    if arguments.csv.exists():
        with arguments.csv.open(newline="") as file:
            rows = {key(row): row for row in csv.DictReader(file)}
    files = arguments.files or sorted((ROOT / "results/models").glob("*.safetensors"))
    # Two experiments may share a run: its network is evaluated once.
    for path in {path.name.split(".")[1]: path for path in reversed(files)}.values():
        for mode in arguments.statistics:
            if arguments.missing and (path.name.split(".")[1], mode) in rows:
                continue
            try:
                row = compare(path.resolve(), mode, arguments.data, arguments.anode)
            except NotImplementedError as why:
                print(f"{path.name}: left out: {why}", file=sys.stderr)
                break
            rows[key(row)] = row
            write(arguments.csv, rows.values())
            agrees = row["difference"] <= LOSS and row["images_apart"] <= IMAGES
            apart += not agrees
            print(
                f"{path.name} {mode}: loss {row['loss']:.9f}, PyTorch {row['loss_pytorch']:.9f}, relative difference "
                f"{row['difference']:.1e}; accuracy {row['accuracy']}, PyTorch {row['accuracy_pytorch']}"
                f"{'' if agrees else ' DISAGREES'}",
                flush=True,
            )
    sys.exit(1 if apart else 0)


main()
