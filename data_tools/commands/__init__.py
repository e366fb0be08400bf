"""The data commands, one file each: its options, and what it prints."""
