"""The rules in their literal form, one file each: as the customer wrote them."""
