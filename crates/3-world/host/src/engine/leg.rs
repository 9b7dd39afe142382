//! One leg with its values and its service.

use super::EngineInput;
use crate::service::{self, Service, product_values};
use refit_journal::LegSteps;
use refit_names::{BuildId, ParameterName};
use refit_packs::{manifest::repeatable_migrations, record::PackRecord};
use refit_plan::Leg;
use std::collections::BTreeMap;

/// One leg, ready to run.
pub(crate) struct LegInput {
    pub(crate) from: BuildId,
    pub(crate) to: BuildId,
    pub(crate) record: PackRecord,
    /// The order's values before the host's own before the runbook's defaults.
    pub(crate) values: BTreeMap<ParameterName, String>,
    /// Values that are never shown.
    pub(crate) secrets: Vec<String>,
    pub(crate) service: Box<dyn Service>,
}

impl LegInput {
    pub(super) fn new(leg: &Leg, record: &PackRecord, input: &EngineInput) -> Self {
        let declared = record.runbook.parameters.iter();
        let mut values: BTreeMap<ParameterName, String> = declared
            .filter_map(|(name, parameter)| Some((name.clone(), parameter.default.clone()?)))
            .collect();
        values.extend(product_values(&input.product));
        values.extend(input.order.parameters.clone());
        let secret = |name: &ParameterName| {
            let declared = record.runbook.parameters.get(name).is_some_and(|p| p.secret);
            declared || input.product.secrets.contains_key(name)
        };
        let secrets = values.iter().filter(|(name, _)| secret(name)).map(|(_, v)| v.clone());
        let secrets = secrets.collect();
        let service = service::open_with(&input.product, &input.state, &values);
        let (from, to) = (leg.from.clone(), leg.pack.to.clone());
        Self { from, to, record: record.clone(), values, secrets, service }
    }

    pub(super) fn steps(&self) -> LegSteps {
        let PackRecord { manifest, runbook, .. } = &self.record;
        LegSteps {
            from: self.from.clone(),
            to: self.to.clone(),
            steps: runbook.steps.clone(),
            repeatable: repeatable_migrations(manifest, runbook),
        }
    }
}
