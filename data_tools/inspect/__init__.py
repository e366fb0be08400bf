"""`chaku data inspect`: a prepared directory as one page, with the tokens that the trainer reads."""
