"""Names that other libraries use, and what stands for them here: for the errors of a first hour."""

# Of classes and functions. Activations need no row: their names in lower case are known.
CLASSES = {
    "Linear": "Dense(inputs, outputs, rng)",
    "Conv1d": "Conv1D(inputs, outputs, size, rng)",
    "Conv2d": "Conv2D(inputs, outputs, size, rng)",
    "ConvTranspose2d": "ConvTranspose2D(inputs, outputs, size, rng)",
    "Conv2DTranspose": "ConvTranspose2D(inputs, outputs, size, rng)",
    "BatchNorm1d": "BatchNorm(channels)",
    "BatchNorm2d": "BatchNorm(channels)",
    "BatchNormalization": "BatchNorm(channels)",
    "LayerNormalization": "LayerNorm(features)",
    "InstanceNorm2d": "GroupNorm(channels, channels)",
    "MaxPool2d": "MaxPool2D(window)",
    "MaxPooling2D": "MaxPool2D(window)",
    "AvgPool2d": "AveragePool2D(window)",
    "AdaptiveAvgPool2d": "GlobalAveragePool()",
    "GlobalAveragePooling2D": "GlobalAveragePool()",
    "MultiheadAttention": "SelfAttention(features, heads, rng) or CrossAttention",
    "TransformerEncoderLayer": "EncoderLayer(features, heads, hidden, rng)",
    "TransformerDecoderLayer": "DecoderLayer(features, heads, hidden, rng)",
    "LeakyReLU": 'Activation("leaky_relu")',
    "SiLU": 'Activation("swish")',
    "Module": "Layer",
    "Model": "Layer, or Sequential",
    "ModuleList": "a list of layers in an attribute",
    "ModuleDict": "a dict of layers in an attribute",
    "Parameter": 'an array in self.params["name"]',
    "CrossEntropyLoss": "softmax_cross_entropy",
    "BCEWithLogitsLoss": "sigmoid_binary_cross_entropy",
    "MSELoss": "mse",
    "L1Loss": "mae",
    "HuberLoss": "huber",
    "DataLoader": "Loader(inputs, targets), or Data for arrays",
    "EarlyStopping": "TrainerSettings(patience=3)",
}
_TRAINING = "Trainer(model, loss, Adam(), 0.001).fit(Data(inputs, targets), epochs=5)"
# Of methods and attributes of layers.
MEMBERS = {
    "fit": _TRAINING,
    "compile": _TRAINING,
    "train": "forward(x, training=True)",
    "eval": "model(x), which is inference",
    "parameters": "named_parameters()",
    "state_dict": "named_parameters() and named_buffers(), or dit.save(path, model)",
    "load_state_dict": "load_parameters(arrays), or dit.load(path)",
    "save": "dit.save(path, model)",
    "weight": 'params["weight"]',
    "bias": 'params["bias"]',
    "requires_grad_": 'Trainer(..., rates={"NAME.": 0})',
    "cuda": 'to("cupy"), which returns a copy',
}


def other_name(owner: str, name: str, here: dict[str, str]) -> AttributeError:
    """Return the error for a name that `owner` has not, with the name here if it is known."""
    sentence = f"{owner} has no {name!r}"
    if name in here:
        sentence += f"; here it is {here[name]}"
    return AttributeError(sentence)
