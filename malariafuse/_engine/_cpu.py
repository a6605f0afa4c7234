"""What this CPU can do, and what TensorFlow leaves undone on it."""

import logging
import os
from functools import cache
from pathlib import Path

# TensorFlow computes by oneDNN, unasked, where it finds one of these.
_NEURAL = frozenset(
    {"amx_bf16", "amx_int8", "amx_tile", "avx512_bf16", "avx512_vnni", "avx_vnni"}
)


@cache
def cpu_flags() -> frozenset[str]:
    """Return the names of the instruction sets, or nothing where they are unknown."""
    # Linux alone gives them without privileges.
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return frozenset()
    return frozenset(cpuinfo.read_text(encoding="utf-8").split())


def onednn_is_left_off() -> bool:
    """Whether TensorFlow leaves oneDNN off on this CPU, and no setting decides it."""
    flags = cpu_flags()
    return (
        "TF_ENABLE_ONEDNN_OPTS" not in os.environ
        and "avx2" in flags
        and not flags & _NEURAL
    )


@cache
def advise_onednn() -> None:
    """Tell once in a process how TensorFlow trains faster, where it can.

    It is left to the user, because it is decided for a whole process, before TensorFlow
    is imported, and changes the last digits of what all of it computes.
    """
    # Imported here, as the rest serves other backends of Keras, too.
    import tensorflow as tf

    if onednn_is_left_off() and not tf.config.list_physical_devices("GPU"):
        logging.getLogger("malariafuse").warning(
            "TensorFlow leaves the faster kernels of oneDNN off on this CPU. With the "
            "environment variable TF_ENABLE_ONEDNN_OPTS=1, set before TensorFlow is "
            "imported, training takes about a third of the time; set to 0, it only "
            "ends this advice."
        )
