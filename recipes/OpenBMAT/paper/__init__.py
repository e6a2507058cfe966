"""The paper's tables: the published numbers, ours from the runs on disk, and how they are shown."""
