"""What a change of the dbt project does to the tables: ``make dbt-ci BASE=main``, on an embedded warehouse."""
