"""Everything that speaks to Valkey or Redis."""
