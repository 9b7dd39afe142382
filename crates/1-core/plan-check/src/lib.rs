//! second judge of plans; shares no code with the planner.
