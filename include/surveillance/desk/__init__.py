"""What people do with alerts: reviews, silences, cases, and the chain of what they did. Touches nothing."""
