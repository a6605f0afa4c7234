"""Networks in files from before 0.1.0, which are rejected with advice."""

from typing import Any


class FrozenNetwork:
    """Network stored by an unreleased version."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise ValueError(
            "This file contains a network that was stored by an unreleased malariafuse "
            f"{state.get('malariafuse')} with Keras {state.get('keras')}, whose files "
            "are no longer supported. Load it with the version that stored it, or "
            "train again."
        )
