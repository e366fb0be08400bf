"""Chat dumps in, packed windows with loss masks out; nothing is lost without a name."""
