"""The papers' networks in PyTorch, as an independent implementation to compare with.

Layouts: ANODE (arXiv 1902.10298), the released code's ResNet-18 and SqueezeNext; ANODEV2 (arXiv 1906.04596), AlexNet,
ResNet-4 and ResNet-10. Parameters come in the order in which `anode` keeps them.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


# Explicit Runge-Kutta methods: rows of A, and b.
TABLEAUS = {
    "euler": ([[]], [1.0]),
    "midpoint": ([[], [0.5]], [0.0, 1.0]),
    "heun": ([[], [1.0]], [0.5, 0.5]),
    "ralston": ([[], [2 / 3]], [0.25, 0.75]),
    "rk4": ([[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
}


class OdeBlock(nn.Module):
    """z(1) from z(0) under dz/dt = f(z) by explicit Runge-Kutta steps of equal size."""

    def __init__(self, field, steps, checkpointed=False, solver="euler"):
        super().__init__()
        self.field, self.steps, self.checkpointed, self.solver = field, steps, checkpointed, solver
        self.a, self.b = TABLEAUS[solver]
        # Called before each evaluation of f with its step and stage.
        self.before = None

    def evaluate(self, z, step, stage):
        if self.before is not None:
            self.before(step, stage)
        return self.field(z)

    def integrate(self, z):
        for step in range(self.steps):
            slopes = []
            for stage, row in enumerate(self.a):
                inner = z
                for weight, slope in zip(row, slopes):
                    if weight != 0.0:
                        inner = inner + weight / self.steps * slope
                slopes.append(self.evaluate(inner, step, stage))
            for weight, slope in zip(self.b, slopes):
                if weight != 0.0:
                    z = z + weight / self.steps * slope
        return z

    def forward(self, z):
        if self.checkpointed and torch.is_grad_enabled():
            # No layer draws random numbers; to save their state costs time and cannot be captured in a CUDA graph.
            return checkpoint(self.integrate, z, use_reentrant=False, preserve_rng_state=False)
        return self.integrate(z)


class Residual(nn.Module):
    """relu(main(x) + shortcut(x))."""

    def __init__(self, main, shortcut):
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def conv(inputs, outputs, kernel, stride=1, bias=False):
    height, width = kernel
    return nn.Conv2d(inputs, outputs, kernel, stride, (height // 2, width // 2), bias=bias)


def conv_norm_relu(inputs, outputs, kernel, stride=1, bias=False):
    return [conv(inputs, outputs, kernel, stride, bias), nn.BatchNorm2d(outputs), nn.ReLU()]


def basic_block(inputs, outputs, stride):
    main = conv_norm_relu(inputs, outputs, (3, 3), stride)
    main += [conv(outputs, outputs, (3, 3)), nn.BatchNorm2d(outputs)]
    shortcut = []
    if stride != 1 or inputs != outputs:
        shortcut = [conv(inputs, outputs, (1, 1), stride), nn.BatchNorm2d(outputs)]
    return Residual(nn.Sequential(*main), nn.Sequential(*shortcut))


def ode_block(channels, ode):
    field = conv_norm_relu(channels, channels, (3, 3)) + conv_norm_relu(channels, channels, (3, 3))
    return OdeBlock(nn.Sequential(*field), **ode)


def same_shape(channels, ode):
    return basic_block(channels, channels, 1) if ode is None else ode_block(channels, ode)


def resnet4(width, classes, ode):
    stem = conv_norm_relu(3, width, (3, 3))
    return nn.Sequential(
        *stem, same_shape(width, ode), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16 * width, classes)
    )


def resnet10(width, classes, ode):
    return nn.Sequential(
        *conv_norm_relu(3, width, (3, 3)),
        basic_block(width, width, 1),
        same_shape(width, ode),
        basic_block(width, 2 * width, 2),
        same_shape(2 * width, ode),
        nn.AvgPool2d(8),
        nn.Flatten(),
        nn.Linear(8 * width, classes),
    )


def resnet18(width, classes, ode):
    layers = conv_norm_relu(3, width, (3, 3))
    inputs = width
    for outputs, stride in [(width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)]:
        layers += [basic_block(inputs, outputs, stride), same_shape(outputs, ode)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(inputs, classes))


def bottleneck(inputs, squeezed, outputs, stride):
    shapes = [
        (inputs, squeezed, (1, 1), stride),
        (squeezed, squeezed // 2, (1, 1), 1),
        (squeezed // 2, squeezed, (1, 3), 1),
        (squeezed, squeezed, (3, 1), 1),
        (squeezed, outputs, (1, 1), 1),
    ]
    return nn.Sequential(*[layer for shape in shapes for layer in conv_norm_relu(*shape, bias=True)])


def squeezed_block(inputs, outputs, stride):
    squeezed = inputs if stride == 2 else inputs // 4 if inputs > outputs else inputs // 2
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(*conv_norm_relu(inputs, outputs, (1, 1), stride, bias=True))
    else:
        shortcut = nn.ReLU()
    return Residual(bottleneck(inputs, squeezed, outputs, stride), shortcut)


def sqnxt(width, classes, ode):
    layers = conv_norm_relu(3, width, (3, 3), bias=True)
    inputs = width
    for outputs, stride in [(width // 2, 1), (width, 2), (2 * width, 2), (4 * width, 2)]:
        layers.append(squeezed_block(inputs, outputs, stride))
        if ode is None:
            layers.append(squeezed_block(outputs, outputs, 1))
        else:
            layers.append(OdeBlock(bottleneck(outputs, outputs // 2, outputs, 1), **ode))
        inputs = outputs
    layers += conv_norm_relu(inputs, 2 * width, (1, 1), bias=True)
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(2 * width, classes))


def alexnet(width, classes, ode):
    second = nn.Sequential(*conv_norm_relu(width, width, (5, 5), bias=True))
    return nn.Sequential(
        *conv_norm_relu(3, width, (5, 5), bias=True),
        nn.MaxPool2d(2),
        second if ode is None else OdeBlock(second, **ode),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * width, 6 * width),
        nn.ReLU(),
        nn.Linear(6 * width, 3 * width),
        nn.ReLU(),
        nn.Linear(3 * width, classes),
    )


NETS = {"resnet4": resnet4, "resnet10": resnet10, "resnet18": resnet18, "sqnxt": sqnxt, "alexnet": alexnet}
WIDTHS = {"resnet4": 16, "resnet10": 16, "resnet18": 64, "sqnxt": 64, "alexnet": 64}
