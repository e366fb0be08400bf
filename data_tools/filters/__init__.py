"""What decides over whole conversations: language, near duplicates, contamination."""
