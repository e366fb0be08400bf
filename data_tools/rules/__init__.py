"""What cleaning does to a turn's text and to a conversation's roles: small rules, named, versioned, counted."""
