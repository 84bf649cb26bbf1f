"""What a trainer saved, as numbers to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import safetensors.numpy

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_FILES = cast("Any", safetensors.numpy)  # its types are not complete


def saved_state(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a checkpoint of the model `tiny` as `file/name`.

    After one step the first moment of the optimizer is a tenth of the gradient; there is none of
    a critic that no loss is about.
    """
    state = {
        f"{path.stem}/{name}": tensor
        for path in folder.glob("*.safetensors")
        for name, tensor in _FILES.load_file(path).items()
    }
    assert len(state) in (5, 8)
    return state
