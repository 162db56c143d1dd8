"""pip as a process: started, listened to, and made to resolve for the target."""
