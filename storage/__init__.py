"""Postgres: connections, retries, error explanations, migrations, roles, and the chunks that hold rows.

The only package that imports psycopg, apart from the board's connection pool.
"""
