"""Instruction sets of the CPU, and their use by TensorFlow."""

import logging
import os
from functools import cache
from pathlib import Path

# TensorFlow uses oneDNN by default if the CPU has one of these.
_NEURAL = frozenset(
    {"amx_bf16", "amx_int8", "amx_tile", "avx512_bf16", "avx512_vnni", "avx_vnni"}
)


@cache
def cpu_flags() -> frozenset[str]:
    """Return the names of the instruction sets, empty if unknown."""
    # Available without privileges only on Linux.
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return frozenset()
    return frozenset(cpuinfo.read_text(encoding="utf-8").split())


def onednn_is_left_off() -> bool:
    """Return whether TensorFlow does not use oneDNN on this CPU by default."""
    flags = cpu_flags()
    return (
        "TF_ENABLE_ONEDNN_OPTS" not in os.environ
        and "avx2" in flags
        and not flags & _NEURAL
    )


@cache
def advise_onednn() -> None:
    """Advise once per process how TensorFlow can train faster.

    It is only advice, because the setting applies to the whole process, must be made
    before TensorFlow is imported, and changes the last digits of all results.
    """
    # Imported here, because other backends of Keras do not need it.
    import tensorflow as tf

    if onednn_is_left_off() and not tf.config.list_physical_devices("GPU"):
        logging.getLogger("malariafuse").warning(
            "TensorFlow does not use the faster kernels of oneDNN on this CPU. Set the "
            "environment variable TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is "
            "imported to train in about a third of the time, or set it to 0 to silence "
            "this message."
        )
