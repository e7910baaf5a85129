"""The values and rules of a conversation: messages, turns, prompts, personas. Pure, no I/O."""
