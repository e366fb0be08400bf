"""What the chat page keeps: conversations, branches, votes and share links, in SQLite or any database by URL."""
