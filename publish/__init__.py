"""What the course publishes on the web: its site, its slides, and the models that run in a page."""
