"""Cloud KMS on one machine: symmetric keys over the v1 gRPC API, for tests and trials.

It differs from the service on purpose in three ways. Keys live in memory and end with the process:
nothing that is to stay should be sealed with them. Only keys for encryption and decryption in
software are served. A change of a key holds at once everywhere.
"""
