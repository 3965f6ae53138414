"""One step of the model for one sequence: runner and sampling."""
