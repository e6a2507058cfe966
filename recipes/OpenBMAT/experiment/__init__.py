"""Running many trainings: what is selected, what is done, where it runs, and what it costs."""
