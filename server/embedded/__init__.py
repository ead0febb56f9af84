"""PostgreSQL and S3 from Python wheels in one data folder, and the supervisor of the whole server."""
