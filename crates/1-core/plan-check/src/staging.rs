//! Can content be at each site in time, and does the plan say when it must set out?

use crate::{Case, Finding, Rule, find, ms};
use refit_names::SiteName;
use std::collections::BTreeMap;

pub(crate) fn lines(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut hosts: BTreeMap<&SiteName, Vec<(i64, u128)>> = BTreeMap::new();
    for (_, host, slot) in case.slots() {
        let bytes = host.legs.iter().map(|leg| u128::from(leg.pack.size.0)).sum();
        hosts.entry(&host.site).or_default().push((ms(slot.starts_at), bytes));
    }
    for (site, mut hosts) in hosts {
        let Some(line) = case.sites.get(site).and_then(|site| site.bandwidth) else { continue };
        hosts.sort_unstable();
        let per_second = u128::from(line.0.max(1));
        let (mut sum, mut latest) = (0, i128::MAX);
        for (start, bytes) in hosts {
            sum += bytes;
            let takes = (sum * 1000).div_ceil(per_second);
            latest = latest.min(i128::from(start) - i128::try_from(takes).unwrap_or(i128::MAX));
        }
        if latest < i128::from(ms(case.plan.made_at)) {
            let text = format!(
                "content for site {site} had to set out {} ms before the plan was made at {}",
                i128::from(ms(case.plan.made_at)) - latest,
                case.plan.made_at
            );
            find(findings, Rule::Staging, text);
        }
        let said = case.plan.staging.iter().find(|staging| staging.site == *site);
        if said.is_none_or(|staging| i128::from(ms(staging.start_by)) > latest) {
            let said = said.map_or("nothing".to_owned(), |staging| staging.start_by.to_string());
            let text = format!(
                "plan says {said} of when content for site {site} must set out, expected {latest} ms since 1970 or earlier"
            );
            find(findings, Rule::Staging, text);
        }
    }
}
