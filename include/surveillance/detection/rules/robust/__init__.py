"""The rules in their robust form, one file each: held against a profile of the symbol."""
