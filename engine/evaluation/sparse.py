"""The evaluator that runs a sparse network, in batches like every evaluator or inside the search's
own kernel.
"""

from types import MappingProxyType

from engine.evaluation.in_kernel import ModelEvaluator, register_family
from engine.network.sparse import sparse_play as kernels
from engine.network.sparse.sparse_play import SparseModel, SparseNet, TwoTrunkModel

# By games (docs/what-was-tried.md).
SEARCH = MappingProxyType(
    {
        "cpuct_deviation": 0.7,
        "tempo": 0.09,
        "fpu_linear": True,
        "fading_endings": True,
        "butterfly": 2.0,
    }
)

register_family(SparseModel, kernels.evaluate_leaf, kernels.evaluate_value, kernels.write_policy)
register_family(
    TwoTrunkModel,
    kernels.evaluate_leaf_by_trunks,
    kernels.evaluate_value_by_trunks,
    kernels.evaluate_policy_by_trunk,
)


class SparseEvaluator(ModelEvaluator):
    """Evaluator `sparse`: about seven microseconds per leaf, half of them for quiescence search.

    A net with a value trunk takes one microsecond more for a calm position.
    """

    name = "sparse"
    round_size = 64
    search = SEARCH

    def __init__(self, net: SparseNet, threads: int = 1) -> None:
        super().__init__(threads)
        self.net = net
        self.kernels = self.name
        if net.config.value is not None:
            self.kernels += " with a value trunk"

    def new_model(self) -> SparseModel | TwoTrunkModel:
        """Make the model of the kernels for one more thread, with shared weights and its own
        scratch.
        """
        return self.net.new_model()
