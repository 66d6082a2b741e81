"""Cloud Scheduler on one machine: the v1 gRPC API and its HTTP calls, for laptops and tests.

It differs from the service on purpose in four ways. State lives in memory and ends with the
process. Only schedules in unix-cron form are served, not English ones. Only HTTP targets are
served, with OIDC tokens or none. A retry that waits may hold back the next execution, which is
then skipped rather than delayed, as the service's guide has it.
"""
