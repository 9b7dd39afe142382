//! benchmarks against peers, ratios in one run.
