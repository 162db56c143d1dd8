"""What the user wrote, and what the project requires."""
