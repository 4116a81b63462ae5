"""Experiments to run and read: `python -m examples.nn.NAME`, each with --help, --seed and --plot
FILE.

    vanishing           what deep stacks of sigmoids do to a gradient
    linear_regression   two numbers found by descent, against least squares
    projection          a 4x4 matrix with and without momentum
    sine                sin(x) by 1-16-16-1
    pass_fail           2-16-16-2, sigmoid against LeakyReLU
    object_neurons      one object per neuron against one array per layer
    digits              a convolutional net on digits, drawn by the example or handwritten
    sentiment           film reviews by TF-IDF, shallow against deep
    sequence            a GRU and a plain RNN that must remember two numbers
    move_gpt            a tiny GPT over chess moves as text, pretrained, then fine-tuned on one opening
    flat_spatial        a flat against a spatial move predictor of the same size

Data is found by its path on the command line or in the folder that AINO_TEST_DATA names.
"""
