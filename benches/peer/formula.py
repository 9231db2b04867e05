"""Numbers that the tests in Rust and the scripts that make their fixtures both compute."""

import numpy as np
import torch


def numbers(seed, shape, scale):
    """Uniform on +-scale, rounded to single precision: one step of a 64-bit mixer (splitmix64) per number."""
    start = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & ((1 << 64) - 1)
    x = np.arange(np.prod(shape), dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03) + np.uint64(start)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    uniform = (x >> np.uint64(11)).astype(np.float64) / (1 << 53) * 2 - 1
    return torch.from_numpy(uniform * scale).reshape(shape).float().double()
