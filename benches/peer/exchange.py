"""Files exchanged with `anode`: safetensors with one-dimensional tensors, and images as bytes."""

import json
import struct

import numpy as np
import torch

DTYPES = {"F64": np.float64, "F32": np.float32, "U64": np.uint64, "U8": np.uint8}


def read(path):
    """Tensors and metadata of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        body = file.read()
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(body[start:end], DTYPES[entry["dtype"]]).copy()
    return arrays, metadata


def normalised(pixels, mean, deviation):
    """Images `[n, 3, 32, 32]` from bytes, rounded to single precision as `anode` does, in the default precision."""
    pixels = torch.from_numpy(np.asarray(pixels).reshape(-1, 3, 32, 32)).double()
    mean, deviation = (torch.tensor(x, dtype=torch.float64).reshape(1, 3, 1, 1) for x in (mean, deviation))
    return ((pixels / 255 - mean) / deviation).float().to(torch.get_default_dtype())


def norms(model):
    """The batch norms of a network, in the order in which `anode` keeps their statistics."""
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def load(model, theta, statistics):
    """Sets parameters and running statistics (for each norm its means, then its variances)."""
    place = 0
    for parameter in model.parameters():
        part = torch.from_numpy(theta[place : place + parameter.numel()].copy())
        parameter.data = part.reshape(parameter.shape).to(torch.get_default_dtype())
        place += parameter.numel()
    assert place == len(theta), (place, len(theta))
    place = 0
    for norm in norms(model):
        for buffer in (norm.running_mean, norm.running_var):
            buffer.copy_(torch.from_numpy(statistics[place : place + len(buffer)].copy()))
            place += len(buffer)
    assert place == len(statistics), (place, len(statistics))


def statistics_of(model):
    return torch.cat([buffer for norm in norms(model) for buffer in (norm.running_mean, norm.running_var)])
