"""A served model -> figures that say what it does."""
