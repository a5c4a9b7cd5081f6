"""The trip-duration model: features, training, artifact, and the reference set that windows are compared with."""
