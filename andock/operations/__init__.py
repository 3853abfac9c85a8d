"""One folder per noun, one module per family of operations. Declaring an operation here adds the command."""
