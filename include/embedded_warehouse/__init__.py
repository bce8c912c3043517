"""The embedded warehouse: Snowflake's dialect and wire protocol emulated on DuckDB, for development and CI.

It is not Snowflake. A run against it shows that the pipeline works, not that Snowflake accepts every statement;
the contract tests beside this package can be pointed at a real account to see the difference.

The server is fakesnow (pinned, see ``versions``) kept on disk; each module here mends one concern that fakesnow
leaves open, by wrapping one of its functions, and ``launcher`` puts them together.
"""
