"""Which minutes were watched, on a market whose feeds were switched off."""
