"""What an export takes along to be run: plain files, of numpy at most."""
