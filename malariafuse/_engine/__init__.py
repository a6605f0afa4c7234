"""Training, storage and application of Keras networks, from arrays and settings.

The engine is independent of estimators. `_training` is the entry point. `_stored` and
`_inference` have the trained networks.
"""

from malariafuse._extras import needed_for

with needed_for("Networks"):
    import keras as keras

# Here, since it is too late after the first computation.
from malariafuse._engine._threads import limit_tensorflow

limit_tensorflow()
