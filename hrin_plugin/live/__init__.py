"""Sound that is still coming: streams of radio stations, and folders that recordings are put into.

A stream is read by ffmpeg, which reaches only the hosts and protocols that the user names. Its samples get
the time of the clock. What is certain of them goes into files by the hour that never change once closed.
"""
