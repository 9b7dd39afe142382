//! `check.disk`: room on every volume for the product's folder again, the pack's peak, the way back and the backup.

use super::measure::Measure;
use crate::{
    context::Context,
    error::StepError,
    finding::Finding,
    preflight::pack_volumes,
    volume::{self, Need},
};
use refit_names::ByteSize;
use refit_packs::runbook::FreeSpace;

pub(super) struct CheckDisk<'a> {
    pub(super) percent_of_product: u32,
    pub(super) extra: ByteSize,
    pub(super) volumes: &'a [FreeSpace],
}

impl Measure for CheckDisk<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let (root, size) = (context.layout.root(), context.layout.size()?.0);
        let manifest = &context.record.manifest;
        let share = size.saturating_mul(u64::from(self.percent_of_product)) / 100;
        let mut needs = vec![
            Need::new(
                root,
                format!("for {} % of the product's {}", self.percent_of_product, ByteSize(size)),
                share,
            ),
            Need::new(root, "that the step asks for", self.extra.0),
            Need::new(root, "for the pack", manifest.requirements.disk.0),
            Need::new(context.state, "for the backup", size),
        ];
        needs.extend(pack_volumes(root, &[&manifest.requirements]));
        for one in self.volumes {
            let folder = root.join(context.text(&one.path)?);
            needs.push(Need::new(&folder, format!("in {}", folder.display()), one.free.0));
        }
        volume::judge(needs)
    }
}
