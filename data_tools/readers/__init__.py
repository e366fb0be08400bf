"""Dumps in: one file for each kind of dump, all giving raw records as a stream."""
