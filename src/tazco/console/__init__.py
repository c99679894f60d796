"""The operators' console: server-rendered pages that read through the stores and act through the API's own routes."""
