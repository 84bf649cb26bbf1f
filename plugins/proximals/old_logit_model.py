"""The proximal policy is a resident second model that trails the trainer by one version.

The second exact route of arXiv 2605.12070: it has the weights that decided, like `snapshot`, in
memory that does not grow with staleness. Before the resident model moves on, it scores what its
weights have decided and what waits for a later batch; rollouts only pause until the last of that
is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Training

COPIES = 2
"""Of what scores, and of what it moves on to."""


@dataclass(frozen=True, kw_only=True)
class OldLogitModel(Beside):
    """Score each decision at most one version late: one forward pass, two copies of what is
    trained."""

    sees_within = 1

    def follow(self, training: Training, name: str) -> Follower:
        """Return what trails the training and scores rows when they are seen first."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.snapshot import Kept
        from rlvla.plugins.proximals.weights import Scorer

        kept = Kept(training.policy.module, min(COPIES, training.max_staleness + 1))
        return Scored(name, Scorer(training.policy, training.micro_batch_size), kept)
