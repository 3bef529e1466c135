"""Config pages: one a run; its docstring gives command, time and result."""
