"""Many recordings come in, each recording's result goes out; what was finished is not done again.

Which recordings are meant, what is done with each, over how many processes, and how far it is.
"""
