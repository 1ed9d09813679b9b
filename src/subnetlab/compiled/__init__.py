"""Compiled code: how functions are compiled and cached, and the bit patterns and vector sums that they are built from.

No other room imports numba or LLVM, because what stands here leans on numba's private parts.
"""
