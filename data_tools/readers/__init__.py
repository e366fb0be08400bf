"""Dumps in: any kind of file as a stream of raw records, and each raw record as conversations.

`opening` finds the files and unpacks them, `reading` goes through them, `formats` knows which format a value has, and
each format is a file of its own.
"""

from data_tools.readers.formats import parse
from data_tools.readers.opening import input_files
from data_tools.readers.reading import read_records

__all__ = ["input_files", "parse", "read_records"]
