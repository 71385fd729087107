"""Commands by family; `table` says which function serves which command."""
