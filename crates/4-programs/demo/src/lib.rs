//! the main job on one machine, and its own check.
