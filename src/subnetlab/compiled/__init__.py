"""Compiled code: how functions are compiled and cached, and the bit patterns and vector sums that they are built from.

This code depends on private parts of numba, so no other room imports numba or LLVM.
"""
