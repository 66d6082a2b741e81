"""The Flask application: JSON API and dashboard."""
