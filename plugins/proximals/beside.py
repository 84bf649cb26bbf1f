"""What proximal policies beside the one that decided have in common."""

from __future__ import annotations


class Beside:
    """See `interfaces.Proximal`: the record of what decided is needed for the weights alone."""

    needs = ("log_prob",)
    decoupled = True
    sees_within: int | None = None
