"""Studies of a design: from a command line to launched runs, round by round."""
