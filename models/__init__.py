"""Models: artifacts and their cards, the reference that windows are compared with, columns as models take them."""
