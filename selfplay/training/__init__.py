"""Training: network families, the learner they share, held-out scores, supervised pretraining.

family.py        what a family owns: model, batches, gradients, optimizer, held-out scores, recipe
families.py      the families by name
tower.py         the tower family; sparse.py is the sparse family
recipe.py        default training settings of each family
mixture.py       which positions make up batch k
losses.py        terms of the loss
learner.py       a model, its batches and the trainer of engine.nn, step by step
pretraining.py   supervised training from source_files.py
"""
