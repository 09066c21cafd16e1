"""Who may do what through the API, and how they show who they are."""
