"""Neural tangent kernels of the shallow network: infinite, finite, masked (Section 4)."""
