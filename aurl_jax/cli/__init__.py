"""`aurl`: one verb a file; flags only, the work is done in `experiment`."""
