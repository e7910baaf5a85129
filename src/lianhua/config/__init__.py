"""What the operator has set, read once, and the address of the store."""
