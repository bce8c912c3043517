"""The whole stack under its usual load for hours: what it uses is sampled, and must stay flat.

Time is compressed for what is kept for days: ``maintain_platform`` runs every few minutes and keeps minutes, so that
an hour shows whether it bounds tables and folders.
"""
