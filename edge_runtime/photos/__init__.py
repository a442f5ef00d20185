"""Photos of digits become MNIST's own form. Imports numpy and this package alone."""
