"""The networks in files from before 0.1.0, which are refused with advice."""

from typing import Any


class FrozenNetwork:
    """A network that was stored by an unreleased version."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise ValueError(
            "This file holds a network that was stored by an unreleased malariafuse "
            f"{state.get('malariafuse')}, with Keras {state.get('keras')}, whose files "
            "are no longer read. Load it with the version that stored it, or train "
            "again."
        )
