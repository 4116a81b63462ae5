"""The rows of `benchmarks.layer_shapes`: layers, losses and models, each with the sides of its input.

A layer or a loss is a call in the words of this library: a name, numbers and options.
"""

from typing import Any

Part = str | list[Any]  # calls; or a list: a body whose input is added to its output, or joined

LAYERS = """
    Conv2D 1 6 5: 32 1 28 28
    Conv2D 1 32 3: 32 1 28 28
    Conv2D 1 32 3 padding=0: 32 1 28 28
    Conv2D 3 16 3: 32 3 32 32
    Conv2D 3 16 5: 32 3 32 32
    Conv2D 3 32 3: 32 3 32 32
    Conv2D 3 64 7 stride=2: 4 3 96 96
    Conv2D 3 192 16 stride=16 padding=0: 4 3 96 96
    Conv2D 6 16 5 padding=0: 32 6 14 14
    Conv2D 16 16 3: 32 16 28 28
    Conv2D 16 32 3 stride=2: 32 16 28 28
    Conv2D 20 50 5 padding=0: 32 20 12 12
    Conv2D 32 64 3: 32 32 14 14
    Conv2D 32 64 3 padding=0: 32 32 26 26
    Conv2D 64 64 3: 128 64 8 8
    Conv2D 64 64 3 padding=0: 32 64 14 14
    Conv2D 64 64 3 dilation=2 padding=2: 32 64 14 14
    Conv2D 64 128 3: 32 64 7 7
    Conv2D 64 128 3 stride=2: 16 64 16 16
    Conv2D 64 64 1: 32 64 14 14
    Conv2D 64 128 1 stride=2 padding=0: 16 64 16 16
    Conv2D 32 32 3 groups=32: 32 32 28 28
    Conv2D 64 64 3 groups=64 stride=2: 32 64 28 28
    Conv2D 96 96 5 groups=96: 16 96 14 14
    Conv2D 256 256 3 groups=256: 16 256 7 7
    Conv2D 32 64 3 groups=4: 16 32 14 14
    Conv2D 64 64 3 groups=16: 16 64 14 14
    Conv2D 128 128 3 groups=4 stride=2: 16 128 14 14
    ConvTranspose2D 64 32 2 stride=2 padding=0: 16 64 14 14
    ConvTranspose2D 64 32 4 stride=2 padding=1: 16 64 7 7
    ConvTranspose2D 32 3 4 stride=2 padding=1: 16 32 16 16
    ConvTranspose2D 32 16 3 padding=1: 16 32 14 14
    Conv1D 1 16 7: 32 1 128
    Conv1D 16 32 5: 32 16 100
    Conv1D 64 64 3: 32 64 100
    Conv1D 64 64 3 dilation=4 padding=4: 32 64 100
    Conv1D 64 64 7 groups=64: 32 64 100
    Conv1D 128 128 3 stride=2: 32 128 64
    Dense 784 128: 64 784
    Dense 64 64: 32 64
    Dense 128 10: 128 128
    Dense 512 512: 16 32 512
    Activation relu: 128 512
    Activation relu6: 128 512
    Activation leaky_relu: 128 512
    Activation elu: 128 512
    Activation celu: 128 512
    Activation selu: 128 512
    Activation sigmoid: 128 512
    Activation hard_sigmoid: 128 512
    Activation hard_swish: 128 512
    Activation softsign: 128 512
    Activation tanh: 128 512
    Activation softplus: 128 512
    Activation swish: 128 512
    Activation gelu: 128 512
    Activation exact_gelu: 128 512
    Activation mish: 128 512
    LayerNorm 100: 32 64 100
    LayerNorm 768: 512 768
    GroupNorm 8 32: 32 32 14 14
    GroupNorm 32 64: 16 64 28 28
    BatchNorm 100: 128 100
    BatchNorm 16: 32 16 28 28
    BatchNorm 20: 32 20 12 12
    BatchNorm 64: 16 64 32 32
    MaxPool2D 2: 32 16 28 28
    AveragePool2D 2: 32 16 28 28
    LSTM 64 100: 32 32 64
    LSTM 32 64: 1 64 32
    GRU 64 64: 32 32 64
    RNN 32 64: 32 32 32
    SelfAttention 128 4: 16 64 128
"""
LOSSES = """
    softmax_cross_entropy: 12 64 100
    softmax_cross_entropy: 128 10
    softmax_cross_entropy: 64 1858
    softmax_cross_entropy class_weights: 128 10
    softmax_cross_entropy class_weights: 12 64 100
    softmax_cross_entropy label_smoothing=0.1: 128 100
    softmax_cross_entropy reduction=none: 128 100
    sigmoid_binary_cross_entropy: 128 1
    sigmoid_binary_cross_entropy: 64 784
    mse: 128 64
"""


def separable(inputs: int, outputs: int, stride: int) -> str:
    """Return a depthwise and a pointwise convolution, as in MobileNet."""
    depthwise = f"Conv2D {inputs} {inputs} 3 groups={inputs} stride={stride} bias=false"
    pointwise = f"Conv2D {inputs} {outputs} 1 bias=false"
    return f"{depthwise}, {normed(inputs)}, {pointwise}, {normed(outputs)}"


def normed(channels: int) -> str:
    """Return what follows a convolution."""
    return f"BatchNorm {channels}, Activation relu"


def residual(channels: int) -> list[Part]:
    """Return two blocks of ResNet."""
    conv = f"Conv2D {channels} {channels} 3 bias=false"
    body = ["Add", f"{conv}, {normed(channels)}, {conv}, BatchNorm {channels}"]
    return [body, "Activation relu", body, "Activation relu"]


def double(inputs: int, outputs: int) -> str:
    """Return two convolutions, as in U-Net."""
    first, second = f"Conv2D {inputs} {outputs} 3", f"Conv2D {outputs} {outputs} 3"
    return f"{first}, Activation relu, {second}, Activation relu"


MODELS: dict[str, list[Part]] = {
    "LeNet: 32 1 28 28": [
        "Conv2D 1 6 5, Activation tanh, AveragePool2D 2",
        "Conv2D 6 16 5 padding=0, Activation tanh, AveragePool2D 2, Flatten",
        "Dense 400 120, Activation tanh, Dense 120 84, Activation tanh, Dense 84 10",
    ],
    "digit CNN: 32 1 28 28": [
        "Conv2D 1 32 3 padding=0, Activation relu",
        "Conv2D 32 64 3 padding=0, Activation relu, MaxPool2D 2, Flatten",
        "Dense 9216 128, Activation relu, Dense 128 10",
    ],
    "VAE: 128 784": [
        "Dense 784 400, Activation relu, Dense 400 40",
        "Dense 40 400, Activation relu, Dense 400 784",
    ],
    "MobileNet: 16 3 64 64": [
        "Conv2D 3 32 3 stride=2 bias=false",
        normed(32),
        separable(32, 64, 1),
        separable(64, 128, 2),
        separable(128, 128, 1),
        separable(128, 256, 2),
        separable(256, 256, 1),
        "GlobalAveragePool, Dense 256 10",
    ],
    "ResNet: 16 3 32 32": [
        "Conv2D 3 16 3 bias=false",
        normed(16),
        *residual(16),
        "Conv2D 16 32 3 stride=2 bias=false",
        normed(32),
        *residual(32),
        "Conv2D 32 64 3 stride=2 bias=false",
        normed(64),
        *residual(64),
        "GlobalAveragePool, Dense 64 10",
    ],
    "tower 64x6: 256 112 8 8": [
        "Conv2D 112 64 3 bias=false",
        normed(64),
        *[part for block in range(6) for part in residual(64)],
        "GlobalAveragePool, Dense 64 10",
    ],
    "U-Net: 8 1 64 64": [
        double(1, 16),
        [
            "Concatenate",
            "MaxPool2D 2",
            double(16, 32),
            [
                "Concatenate",
                "MaxPool2D 2",
                double(32, 64),
                "ConvTranspose2D 64 32 2 stride=2",
            ],
            double(64, 32),
            "ConvTranspose2D 32 16 2 stride=2",
        ],
        double(32, 16),
        "Conv2D 16 1 1",
    ],
}
