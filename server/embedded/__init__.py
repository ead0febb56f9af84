"""PostgreSQL and S3 from Python wheels, kept in one data folder, and the supervisor that runs the whole server on it."""
