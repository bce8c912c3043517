"""What people do with alerts: reviews, silences, cases, reports, and the chain of what they did. Touches nothing."""
