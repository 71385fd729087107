"""The top floor: the command line, the one place that wires everything, the sandbox and the demonstration."""
