"""All layers, one short file each or for a small family. Importing this package registers every layer."""

from __future__ import annotations

from engine.nn.layers.activations import ACTIVATIONS, Activation, activation_function
from engine.nn.layers.attention import CrossAttention, SelfAttention, attend
from engine.nn.layers.batchnorm import BatchNorm
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.layers.conv import Conv2D
from engine.nn.layers.dense import Dense
from engine.nn.layers.dropout import Dropout
from engine.nn.layers.embedding import Embedding, PositionEmbedding
from engine.nn.layers.layernorm import LayerNorm
from engine.nn.layers.list_network import ListNetwork
from engine.nn.layers.pooling import AveragePool2D, GlobalAveragePool, MaxPool2D
from engine.nn.layers.recurrent import GRU, LSTM, RNN
from engine.nn.layers.reshape import Flatten, Reshape
from engine.nn.layers.residual import Residual
from engine.nn.layers.scored_rows import ScoredRows
from engine.nn.layers.sparse_dense import SparseDense
from engine.nn.layers.squeeze_excitation import SqueezeExcitation
from engine.nn.layers.views import ChosenDense, ChosenSequential, PairProduct, TwoViews
