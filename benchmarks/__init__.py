"""What a token, a turn and a stream cost, beside what a plain relay of the same bytes costs in the same run."""
