"""Training: what a family of networks is to it, the learner of both, held-out scores, supervised pretraining.

families.py      what a family owns: model, batches, loss, gradients, optimizer, held-out scores, recipe
tower.py         the family of towers; sparse.py that of sparse networks
recipe.py        how a family is trained unless told otherwise
mixture.py       which positions make up batch k
losses.py        the terms of the loss; heldout.py the scores on positions that no training sees
learner.py       a model, its batches and the trainer of engine.nn, step by step
pretraining.py   supervised training from source_files.py; checkpoint.py its state on disk
"""
