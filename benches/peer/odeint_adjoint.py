"""One training step by `torchdiffeq.odeint_adjoint` on whole networks, beside the reverse-time gradient of `anode`.

Usage: odeint_adjoint.py EXPORT..., each written by `cargo run --release --example peer -- gradient ...`: parameters,
batch, running statistics before the step, gradient, and running statistics after it, without and with updates in the
reverse pass. The precision is that of the export. PyTorch's modules are in training mode, all parameters are
differentiated, and the solver takes fixed steps of 1/Nt both ways.
"""

import argparse
import json

import torch
import torchdiffeq
from torch import nn

from exchange import load, norms, read, statistics_of
from nets import NETS, OdeBlock


class Field(nn.Module):
    """f(t, z) for torchdiffeq, counting its evaluations."""

    def __init__(self, field):
        super().__init__()
        self.field, self.calls = field, 0

    def forward(self, _, z):
        self.calls += 1
        return self.field(z)


class Adjoint(nn.Module):
    """An ODE block whose gradient is that of `odeint_adjoint`."""

    def __init__(self, block):
        super().__init__()
        self.field, self.steps, self.solver = Field(block.field), block.steps, block.solver

    def forward(self, z):
        options = {"step_size": 1 / self.steps}
        times = torch.tensor([0.0, 1.0])
        return torchdiffeq.odeint_adjoint(self.field, z, times, method=self.solver, options=options)[-1]


def with_adjoints(model):
    layers = [Adjoint(layer) if isinstance(layer, OdeBlock) else layer for layer in model]
    return nn.Sequential(*layers)


def relative(found, expected):
    return float((found - expected).double().norm() / expected.double().norm())


def compare(path):
    arrays, metadata = read(path)
    about = json.loads(metadata["about"])
    theta = arrays["theta"]
    torch.set_default_dtype(torch.float64 if theta.dtype.itemsize == 8 else torch.float32)
    ode = {"steps": about["steps"], "solver": about["solver"]}
    model = NETS[about["net"]](about["width"], about["classes"], ode)
    load(model, theta, arrays["statistics"])
    model = with_adjoints(model).train()
    images = torch.from_numpy(arrays["images"]).reshape(-1, 3, 32, 32)
    labels = torch.from_numpy(arrays["labels"]).long()
    loss = nn.functional.cross_entropy(model(images), labels)
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    ours = {name: torch.from_numpy(arrays[name]) for name in ("gradient", "exact", "after", "after_reverse")}
    fields = [module for module in model.modules() if isinstance(module, Field)]
    found = statistics_of(model).double()
    in_blocks = sum((norms(field)[0:] for field in fields), [])
    print(f"{about['net']}, {about['solver']}, Nt = {about['steps']}, batch {len(labels)}, {theta.dtype}:")
    print(f"  loss: anode {about['loss']:.12f}, torch {float(loss.detach()):.12f}")
    print(f"  gradient, reverse-time against odeint_adjoint: {relative(ours['gradient'], gradient):.1e}")
    print(f"  gradient, exact against odeint_adjoint: {relative(ours['exact'], gradient):.1e}")
    print(f"  running statistics, reverse pass updates them: {relative(ours['after_reverse'], found):.1e}")
    print(f"  running statistics, forward sweep only: {relative(ours['after'], found):.1e}")
    calls, updates = [field.calls for field in fields], sorted({int(norm.num_batches_tracked) for norm in in_blocks})
    print(f"  evaluations of f per block: {calls}; updates of each norm inside blocks: {updates}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("exports", nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, torchdiffeq {torchdiffeq.__version__}")
    for path in arguments.exports:
        compare(path)


if __name__ == "__main__":
    main()
