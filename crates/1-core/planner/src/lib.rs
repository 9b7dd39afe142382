//! PlanInput to Plan and PlanReport: seeded, deterministic.
