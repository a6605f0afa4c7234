"""Image files to arrays of images."""
