"""TensorFlow's advice that does not apply to many models in one process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def _is_other_advice(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


@contextmanager
def without_retracing_advice() -> Iterator[None]:
    """Leave out the warning that a function is traced too often.

    TensorFlow counts by line of code, not by model, so every search warns that Keras
    traces its functions anew, once for each model as it has to.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_other_advice)
    try:
        yield
    finally:
        logger.removeFilter(_is_other_advice)
