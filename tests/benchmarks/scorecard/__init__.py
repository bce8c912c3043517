"""The product against plain rules at equal budgets, on every labelled set of recorded bars."""
