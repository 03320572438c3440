"""The labellers: one module each, named on the command line by its file name."""
