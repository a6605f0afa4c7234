"""Train, store and apply Keras networks: arrays and settings in, a network out.

Nothing here knows an estimator. `_training` is the way in; `_stored` and `_inference`
hold what comes out.
"""

from malariafuse._extras import needed_for

with needed_for("Networks"):
    import keras as keras

# Here, since it is too late after the first computation.
from malariafuse._engine._threads import limit_tensorflow

limit_tensorflow()
