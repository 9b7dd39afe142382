//! Sites, clusters and engineers: what hosts stand in, and who changes them.

use super::import::summary;
use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_inventory::{ClusterRecord, EngineerRecord, SiteRecord};
use refit_names::{ByteSize, HostName, PersonName, RoleName, SiteName, WindowName};
use refit_protocol::v1::{FleetImport, FleetImported};

/// Verbs of `refit fleet site`.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteVerb {
    /// Lists sites
    List,
    /// Makes a site or changes one; what is not said stays
    #[command(
        after_help = "Example:\n  refit fleet site set north --zone Europe/Berlin --bandwidth 20MiB --down-at-once 10"
    )]
    Set {
        /// The site
        name: SiteName,
        /// Its IANA time zone; a new site needs one
        #[arg(long)]
        zone: Option<String>,
        /// Bytes per second that deliveries to all its hosts may take together
        #[arg(long, value_parser = size)]
        bandwidth: Option<ByteSize>,
        /// Hosts that may be down at the same time
        #[arg(long)]
        down_at_once: Option<u32>,
        #[command(flatten)]
        how: How,
    },
    /// Removes a site that no host names
    Remove {
        /// The site
        name: SiteName,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Verbs of `refit fleet cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterVerb {
    /// Lists clusters
    List,
    /// Makes a cluster or changes one; what is not said stays
    #[command(
        after_help = "Example:\n  refit fleet cluster set db --down-at-once 1 --members-max 4 --order db-2,db-1"
    )]
    Set {
        /// The cluster, as its hosts name it
        name: String,
        /// Members that may be down at the same time [default of a new one: 1]
        #[arg(long)]
        down_at_once: Option<u32>,
        /// Members that it may have at most
        #[arg(long)]
        members_max: Option<u32>,
        /// Members that go first, in this order
        #[arg(long = "order", value_name = "HOST", value_delimiter = ',')]
        order: Vec<HostName>,
        #[command(flatten)]
        how: How,
    },
    /// Removes a cluster that no host names
    Remove {
        /// The cluster
        name: String,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Verbs of `refit fleet engineer`.
#[derive(Debug, Subcommand)]
pub(crate) enum EngineerVerb {
    /// Lists engineers
    List,
    /// Makes an engineer or changes one; what is not said stays
    #[command(
        after_help = "Example:\n  refit fleet engineer set engineer-1 --skill web,database --site north --available nights --hosts-at-once 3"
    )]
    Set {
        /// The engineer
        name: PersonName,
        /// Roles of hosts that they know; none means all
        #[arg(long = "skill", value_name = "ROLE", value_delimiter = ',')]
        skills: Vec<RoleName>,
        /// Sites where they can be; none means all
        #[arg(long = "site", value_name = "SITE", value_delimiter = ',')]
        sites: Vec<SiteName>,
        /// Windows in which they work; none means at any time
        #[arg(long = "available", value_name = "WINDOW", value_delimiter = ',')]
        available: Vec<WindowName>,
        /// Hosts that they can look after at the same time [default of a new one: 1]
        #[arg(long)]
        hosts_at_once: Option<u32>,
        #[command(flatten)]
        how: How,
    },
    /// Removes an engineer
    Remove {
        /// The engineer
        name: PersonName,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Whether it is only tried.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Shows what would change and changes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Whether it is asked before.
#[derive(Debug, Args)]
pub(crate) struct Sure {
    /// Does not ask
    #[arg(long)]
    yes: bool,
}

impl Sure {
    pub(super) fn check(&self, context: &Context, what: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if !context.output.can_ask() {
            return Err(CliError::usage(format!("{what} needs --yes where nobody can be asked")));
        }
        match context.output.ask(&format!("{what}?"))? {
            true => Ok(()),
            false => Err(CliError::new("cli.declined", Exit::Failed, format!("{what}: declined"))),
        }
    }
}

fn size(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text).map_err(|error| error.to_string())
}

/// Runs a verb of `refit fleet site`.
pub(super) async fn site(verb: SiteVerb, context: &Context) -> Result<Exit, CliError> {
    match verb {
        SiteVerb::List => {
            let sites = context.api()?.fleet_records().await?.sites;
            context.output.data(&sites, |sites| {
                let row = |site: &SiteRecord| {
                    let bandwidth = site.bandwidth.map(|bytes| format!("{bytes}/s"));
                    let down = site.down_at_once.map(|count| count.to_string());
                    [
                        site.name.to_string(),
                        site.zone.clone(),
                        bandwidth.unwrap_or_default(),
                        down.unwrap_or_default(),
                    ]
                };
                table(
                    ["site", "zone", "bandwidth", "down at once"],
                    sites.iter().map(row).collect(),
                )
            })?;
            Ok(Exit::Done)
        }
        SiteVerb::Set { name, zone, bandwidth, down_at_once, how } => {
            let known = context.api()?.fleet_records().await?.sites;
            let before = known.into_iter().find(|site| site.name == name);
            let zone = zone.or_else(|| before.as_ref().map(|site| site.zone.clone()));
            let zone = zone.ok_or_else(|| {
                CliError::usage(format!(
                    "site {name} is new and needs --zone, such as Europe/Berlin"
                ))
            })?;
            let before = before.unwrap_or(SiteRecord {
                name,
                zone: String::new(),
                bandwidth: None,
                down_at_once: None,
            });
            let site = SiteRecord {
                zone,
                bandwidth: bandwidth.or(before.bandwidth),
                down_at_once: down_at_once.or(before.down_at_once),
                name: before.name,
            };
            put(FleetImport { sites: vec![site], ..FleetImport::default() }, &how, context).await
        }
        SiteVerb::Remove { name, sure } => {
            sure.check(context, &format!("remove site {name}"))?;
            done(&context.api()?.remove_site(&name).await?, context)
        }
    }
}

/// Runs a verb of `refit fleet cluster`.
pub(super) async fn cluster(verb: ClusterVerb, context: &Context) -> Result<Exit, CliError> {
    match verb {
        ClusterVerb::List => {
            let clusters = context.api()?.fleet_records().await?.clusters;
            context.output.data(&clusters, |clusters| {
                let row = |cluster: &ClusterRecord| {
                    let most = cluster.members_max.map(|count| count.to_string());
                    let order: Vec<String> =
                        cluster.order.iter().map(ToString::to_string).collect();
                    [
                        cluster.name.clone(),
                        cluster.down_at_once.to_string(),
                        most.unwrap_or_default(),
                        order.join(" "),
                    ]
                };
                table(
                    ["cluster", "down at once", "members at most", "first"],
                    clusters.iter().map(row).collect(),
                )
            })?;
            Ok(Exit::Done)
        }
        ClusterVerb::Set { name, down_at_once, members_max, order, how } => {
            let known = context.api()?.fleet_records().await?.clusters;
            let before = known.into_iter().find(|cluster| cluster.name == name);
            let before = before.unwrap_or(ClusterRecord {
                name,
                down_at_once: 1,
                members_max: None,
                order: Vec::new(),
            });
            let cluster = ClusterRecord {
                down_at_once: down_at_once.unwrap_or(before.down_at_once),
                members_max: members_max.or(before.members_max),
                order: if order.is_empty() { before.order } else { order },
                name: before.name,
            };
            put(FleetImport { clusters: vec![cluster], ..FleetImport::default() }, &how, context)
                .await
        }
        ClusterVerb::Remove { name, sure } => {
            sure.check(context, &format!("remove cluster {name}"))?;
            done(&context.api()?.remove_cluster(&name).await?, context)
        }
    }
}

/// Runs a verb of `refit fleet engineer`.
pub(super) async fn engineer(verb: EngineerVerb, context: &Context) -> Result<Exit, CliError> {
    match verb {
        EngineerVerb::List => {
            let engineers = context.api()?.fleet_records().await?.engineers;
            context.output.data(&engineers, |engineers| {
                let row = |one: &EngineerRecord| {
                    [
                        one.name.to_string(),
                        all_or(&one.skills),
                        all_or(&one.sites),
                        all_or(&one.available),
                        one.hosts_at_once.to_string(),
                    ]
                };
                table(
                    ["engineer", "skills", "sites", "available", "hosts at once"],
                    engineers.iter().map(row).collect(),
                )
            })?;
            Ok(Exit::Done)
        }
        EngineerVerb::Set { name, skills, sites, available, hosts_at_once, how } => {
            let known = context.api()?.fleet_records().await?.engineers;
            let before = known.into_iter().find(|engineer| engineer.name == name);
            let new = || EngineerRecord {
                name,
                skills: [].into(),
                sites: [].into(),
                available: [].into(),
                hosts_at_once: 1,
            };
            let before = before.unwrap_or_else(new);
            let engineer = EngineerRecord {
                skills: if skills.is_empty() {
                    before.skills
                } else {
                    skills.into_iter().collect()
                },
                sites: if sites.is_empty() { before.sites } else { sites.into_iter().collect() },
                available: if available.is_empty() {
                    before.available
                } else {
                    available.into_iter().collect()
                },
                hosts_at_once: hosts_at_once.unwrap_or(before.hosts_at_once),
                name: before.name,
            };
            put(FleetImport { engineers: vec![engineer], ..FleetImport::default() }, &how, context)
                .await
        }
        EngineerVerb::Remove { name, sure } => {
            sure.check(context, &format!("remove engineer {name}"))?;
            done(&context.api()?.remove_engineer(&name).await?, context)
        }
    }
}

fn all_or<T: ToString>(names: &std::collections::BTreeSet<T>) -> String {
    if names.is_empty() {
        return "all".to_owned();
    }
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

async fn put(mut import: FleetImport, how: &How, context: &Context) -> Result<Exit, CliError> {
    import.dry_run = how.dry_run;
    let answer = context.api()?.import_fleet(&import).await.map_err(super::faults)?;
    context.output.data(&answer, |answer| summary(answer, how.dry_run))?;
    let pending = how.dry_run && !answer.changes.is_empty();
    Ok(if pending { Exit::ChangesPending } else { Exit::Done })
}

fn done(answer: &FleetImported, context: &Context) -> Result<Exit, CliError> {
    context.output.data(answer, |_| "removed".to_owned())?;
    Ok(Exit::Done)
}
