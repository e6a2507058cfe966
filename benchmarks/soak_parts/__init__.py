"""Parts of the soak test: each makes hostile inputs of one kind, and judges what became of them."""
