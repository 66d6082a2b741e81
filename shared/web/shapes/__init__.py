"""What the API answers: one shape a thing, from which the docs are made.

The shapes cost nothing at start-up and nothing a request; that answers keep to them, tests prove.
"""
