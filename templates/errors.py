class InputError(Exception):
    """Bad input from a person: a file, a record, a name or a flag. The command prints it and exits with 2.

    The message is one line that names the file, record or flag and ends with the next step, for instance
    ``dump.json: not JSON (line 3, column 9: Expecting ','). Check that the download is complete.``
    """
