"""From the journal to the viewers: group commit, live turns, what runs in other processes."""
