"""Files that a bundle does not need at run time, in named sets: `bytecode`, `tests`, `headers`, `stubs`,
`extensions`.

Whatever can be imported today must work afterwards; in doubt, a file stays.
"""

from hatch_lambda.bundle.prune.decide import Pruned, decide

__all__ = ["Pruned", "decide"]
