"""All layers, one short file each or for a small family. Importing this package registers every
layer.
"""

from __future__ import annotations

from engine.nn.layers.activations import ACTIVATIONS, Activation, activation_function
from engine.nn.layers.attend import attend
from engine.nn.layers.attention import CrossAttention, SelfAttention
from engine.nn.layers.cells import GRU, LSTM, RNN, Bidirectional
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.layers.conv import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D
from engine.nn.layers.dense import Dense
from engine.nn.layers.dropout import Dropout
from engine.nn.layers.embedding import Embedding, PositionEmbedding
from engine.nn.layers.encoder import Encoder, EncoderLayer, FeedForward
from engine.nn.layers.normalisation import BatchNorm, LayerNorm, PlaceGate
from engine.nn.layers.pooling import (
    AveragePool1D,
    AveragePool2D,
    GlobalAveragePool,
    MaxPool1D,
    MaxPool2D,
)
from engine.nn.layers.reshape import Flatten, Reshape
from engine.nn.layers.residual import Residual, SqueezeExcitation
from engine.nn.layers.smolgen import Smolgen

__all__ = [
    "ACTIVATIONS", "Activation", "AveragePool1D", "AveragePool2D", "BatchNorm", "Bidirectional", "Conv1D", "Conv2D", "ConvTranspose1D", "ConvTranspose2D", "CrossAttention", "Dense", "Dropout", "Embedding", "Encoder", "EncoderLayer", "FeedForward", "Flatten", "GRU", "GlobalAveragePool", "LSTM", "LayerNorm", "MaxPool1D", "MaxPool2D", "MultiHead", "PlaceGate", "PositionEmbedding", "RNN", "Reshape", "Residual", "SelfAttention", "Sequential", "Smolgen", "SqueezeExcitation", "activation_function", "attend",
]  # fmt: skip
