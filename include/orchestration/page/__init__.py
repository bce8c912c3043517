"""The page "Market surveillance": the newest alerts, straight from the application's database."""
