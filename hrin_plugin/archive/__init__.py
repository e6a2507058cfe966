"""Many recordings come in, one result for each goes out; finished recordings are skipped.

Which recordings are meant, what is done with each, over how many processes, and how far it is.
"""
