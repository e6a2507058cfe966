"""A page on this machine to hear results and correct them: results and recordings in, corrections out."""
