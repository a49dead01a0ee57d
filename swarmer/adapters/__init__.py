"""Adapters: one outside tool per module. Each one translates its tool's exceptions."""
