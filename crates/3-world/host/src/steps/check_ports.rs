//! `check.ports`: somebody listens on ports, nobody on others; who does is named.

use super::measure::Measure;
use crate::{context::Context, error::StepError, finding::Finding, leftovers, ports};
use refit_packs::runbook::{CheckPorts, Value};

pub(super) struct CheckPortsOf<'a>(pub(super) &'a CheckPorts);

impl Measure for CheckPortsOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let CheckPorts { listening, free } = self.0;
        let listening = listening.iter().map(|port| one(context, port, true));
        listening.chain(free.iter().map(|port| one(context, port, false))).collect()
    }
}

fn one(context: &Context<'_>, port: &Value, wanted: bool) -> Result<Finding, StepError> {
    let number = context.port(port)?;
    let seen = ports::listener(number)?;
    let found = match (seen.listens, &seen.holders[..]) {
        (false, _) => "nobody listens".to_owned(),
        (true, []) => "somebody listens whom the agent may not see".to_owned(),
        (true, holders) => leftovers::list(holders),
    };
    let (limit, remedy) = if wanted {
        ("somebody listens", "start the service that serves it")
    } else {
        ("nobody listens", "stop what listens, or choose another port")
    };
    Ok(Finding::new(format!("port {number}"), found, limit).judged(seen.listens == wanted, remedy))
}
