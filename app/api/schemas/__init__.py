"""What the API says, as types: the contract between daemon, console, CLI and anyone's scripts; a file a noun."""
