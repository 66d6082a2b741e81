"""Cloud Tasks on one machine: the v2 gRPC API and its deliveries, for laptops and tests.

It differs from the service on purpose:

- State lives in memory and ends with the process; a change of a queue holds at once.
- The queue-wide slow-down after 429, 503 or many errors is not emulated, nor is `Retry-After`
  considered, nor does a new queue ramp up.
- Redirects are not followed: a 3xx answer is a failed attempt.
- App Engine targets, OAuth tokens, queue-level routing, list filters, IAM, CMEK and locations are
  answered with UNIMPLEMENTED.
"""
