"""Trials of the rules that follow a scenario: what each finds and raises on real bars, ``make scenarios``."""
