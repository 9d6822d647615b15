"""One proxy for all of these stories: what is given to the package ends with it."""
