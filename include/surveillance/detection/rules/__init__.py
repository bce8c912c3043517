"""The rules: of bars and of news, each in a literal and a robust form, and of the feed."""
