"""Training, storage and application of Keras networks, from arrays and settings.

The engine is independent of estimators. `_training` is the entry point. `_stored` and
`_inference` have the trained networks.
"""

from malariafuse._extras import needed_for
from malariafuse._quiet import quiet_tensorflow

with needed_for("Networks"), quiet_tensorflow():
    import keras as keras

# Here, since it is too late after the first computation.
from malariafuse._engine._threads import limit_tensorflow

limit_tensorflow()
