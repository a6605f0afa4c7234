"""What every part that works on a Keras network needs."""
