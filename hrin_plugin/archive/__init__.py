"""Many recordings come in, one result for each goes out; finished recordings are skipped.

Collection of the recordings, detection jobs, process pools and progress.
"""
