"""detect: bars, news and watermarks in log order + parameters + state -> metrics, alerts, new state."""
