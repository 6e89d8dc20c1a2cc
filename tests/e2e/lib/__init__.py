#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What all end-to-end tests share: the daemon as a fixture, clients, and ways to wait."""

from lib.client import Client, RpcError, Raw, encode, request, spoilt
from lib.server import (CAIRND, ROOT, NotReady, Server, TestCase, environment, memory_slack, quick,
                        run_cairnd, sanitized, soon, until)
from lib.ops import operations

__all__ = ["CAIRND", "ROOT", "Client", "NotReady", "Raw", "RpcError", "Server", "TestCase",
           "encode", "environment", "memory_slack", "operations", "quick", "request", "run_cairnd",
           "sanitized", "soon", "spoilt", "until"]
