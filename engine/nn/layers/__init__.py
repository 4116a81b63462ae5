"""All layers, one short file each or for a small family. Importing this package registers every
layer.
"""

from engine.nn.layers.activations import ACTIVATIONS, Activation, activation_function
from engine.nn.layers.attend import attend
from engine.nn.layers.attention import CrossAttention, SelfAttention
from engine.nn.layers.branches import Add, Concatenate
from engine.nn.layers.cells import GRU, LSTM, RNN, Bidirectional
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.layers.conv import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D
from engine.nn.layers.decoder import DecoderLayer
from engine.nn.layers.dense import Dense
from engine.nn.layers.dropout import Dropout
from engine.nn.layers.embedding import Embedding, PositionEmbedding
from engine.nn.layers.encoder import Encoder, EncoderLayer
from engine.nn.layers.feed_forward import FeedForward
from engine.nn.layers.normalisation import BatchNorm, GroupNorm, LayerNorm, PlaceGate, RMSNorm
from engine.nn.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool1D,
    MaxPool2D,
)
from engine.nn.layers.prelu import PReLU
from engine.nn.layers.reshape import Flatten, Reshape, Transpose
from engine.nn.layers.residual import Residual, SqueezeExcitation
from engine.nn.layers.smolgen import Smolgen
from engine.nn.layers.softmax import Softmax, softmax
from engine.nn.layers.upsample import Upsample

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "AveragePool1D",
    "AveragePool2D",
    "BatchNorm",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "CrossAttention",
    "DecoderLayer",
    "Dense",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "Flatten",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNorm",
    "LayerNorm",
    "MaxPool1D",
    "MaxPool2D",
    "MultiHead",
    "PReLU",
    "PlaceGate",
    "PositionEmbedding",
    "RMSNorm",
    "Reshape",
    "Residual",
    "SelfAttention",
    "Sequential",
    "Smolgen",
    "Softmax",
    "SqueezeExcitation",
    "Transpose",
    "Upsample",
    "activation_function",
    "attend",
    "softmax",
]  # fmt: skip
