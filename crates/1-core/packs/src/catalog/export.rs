//! The build graph for other programs: our own JSON, Cincinnati's, and Graphviz.

use super::graph::Graph;
use super::{Catalog, PackSummary};
use crate::manifest::IssueAction;
use refit_names::{BuildId, ByteSize, Digest, ProductName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Every build and every published edge of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildGraph {
    /// The product.
    pub product: ProductName,
    /// Builds in the order of their names; an edge names places in this list.
    pub builds: Vec<BuildId>,
    /// All edges, also those that must not be used.
    pub edges: Vec<Edge>,
    /// Builds that were replaced, with the one that replaces them.
    pub superseded: BTreeMap<BuildId, BuildId>,
}

/// A pack seen from one of its builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Where it starts.
    pub from: BuildId,
    /// Where it leads.
    pub to: BuildId,
    /// One line for people.
    pub title: String,
    /// Bytes, compressed.
    pub size: ByteSize,
    /// SHA-256 of the pack's record.
    pub record: Digest,
    /// What stands in the way: withdrawn, blocked, below a floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// The JSON of the Cincinnati protocol, as `/v1/graph` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cincinnati {
    /// Releases.
    pub nodes: Vec<Node>,
    /// Transitions that may be taken: places in `nodes`.
    pub edges: Vec<[usize; 2]>,
    /// Transitions that are published and not recommended, each with its risks.
    #[serde(rename = "conditionalEdges")]
    pub conditional_edges: Vec<ConditionalEdge>,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its build.
    pub version: BuildId,
    /// The target with the pack's record, and its digest; empty for a build that no pack leads to.
    pub payload: String,
    /// For people and programs.
    pub metadata: BTreeMap<String, String>,
}

/// Transitions that share their risks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConditionalEdge {
    /// Which.
    pub edges: Vec<EdgeName>,
    /// Why not.
    pub risks: Vec<Risk>,
}

/// A transition by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeName {
    /// Where it starts.
    pub from: BuildId,
    /// Where it leads.
    pub to: BuildId,
}

/// Why a transition is not recommended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// Where to read more.
    pub url: String,
    /// One word.
    pub name: String,
    /// For people.
    pub message: String,
    /// Whom it concerns.
    #[serde(rename = "matchingRules")]
    pub matching_rules: Vec<MatchingRule>,
}

/// Whom a risk concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type")]
pub enum MatchingRule {
    /// Everybody.
    Always,
}

impl Catalog {
    /// All builds and edges of a product; empty when it has none.
    #[must_use]
    pub fn graph(&self, product: &ProductName) -> BuildGraph {
        let graph = Graph::of(self, product);
        let builds: Vec<BuildId> = graph.builds().into_iter().cloned().collect();
        let edges = graph.packs.iter().flat_map(|pack| {
            pack.from.iter().map(|from| Edge {
                from: from.clone(),
                to: pack.to.clone(),
                title: pack.title.clone(),
                size: pack.size,
                record: pack.record_digest,
                obstacle: graph.obstacle(from, pack).map(|obstacle| obstacle.to_string()),
            })
        });
        let superseded = builds
            .iter()
            .filter_map(|build| Some((build.clone(), graph.replaced_by(build)?.clone())));
        BuildGraph {
            product: product.clone(),
            edges: edges.collect(),
            superseded: superseded.collect(),
            builds,
        }
    }

    /// The same in the form of the Cincinnati protocol. What must not be taken is no edge there but a conditional one with its reason.
    #[must_use]
    pub fn cincinnati(&self, product: &ProductName) -> Cincinnati {
        let graph = Graph::of(self, product);
        let builds: Vec<&BuildId> = graph.builds().into_iter().collect();
        let place: BTreeMap<&BuildId, usize> =
            builds.iter().enumerate().map(|(at, build)| (*build, at)).collect();
        let (mut edges, mut conditional_edges) = (Vec::new(), Vec::new());
        for pack in &graph.packs {
            for from in &pack.from {
                let risks = risks(&graph, from, pack);
                if risks.is_empty() {
                    edges.push([place[from], place[&pack.to]]);
                } else {
                    let name = EdgeName { from: from.clone(), to: pack.to.clone() };
                    conditional_edges.push(ConditionalEdge { edges: vec![name], risks });
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let nodes = builds.into_iter().map(|build| node(&graph, build)).collect();
        Cincinnati { nodes, edges, conditional_edges }
    }
}

fn node(graph: &Graph<'_>, build: &BuildId) -> Node {
    let mut metadata = BTreeMap::new();
    let mut note = |key: &str, value: String| metadata.insert(format!("refit.{key}"), value);
    let pack = graph.packs.iter().find(|pack| pack.to == *build);
    if let Some(newer) = graph.replaced_by(build) {
        note("superseded-by", newer.to_string());
    }
    if let Some(pack) = pack {
        note("title", pack.title.clone());
        note("size", pack.size.0.to_string());
        if let Some(reason) = &pack.withdrawn {
            note("withdrawn", reason.clone());
        }
        for issue in &pack.known_issues {
            note(&format!("known-issue.{}", issue.id), issue.text.clone());
        }
    }
    let payload = pack.map_or_else(String::new, |pack| {
        format!("{}@sha256:{}", pack.record, pack.record_digest.to_hex())
    });
    Node { version: build.clone(), payload, metadata }
}

/// What stands in the way for everybody, and known issues that hold every server.
fn risks(graph: &Graph<'_>, from: &BuildId, pack: &PackSummary) -> Vec<Risk> {
    let always = |name: &str, message: String| Risk {
        // There is no page on the web for it: the record is where it can be read.
        url: pack.record.to_string(),
        name: name.to_owned(),
        message,
        matching_rules: vec![MatchingRule::Always],
    };
    let obstacle = graph.obstacle(from, pack).map(|obstacle| {
        let name = match &obstacle {
            super::Obstacle::Withdrawn { .. } => "Withdrawn",
            super::Obstacle::Blocked { .. } => "Blocked",
            super::Obstacle::BelowFloor { .. } => "BelowFloor",
        };
        always(name, obstacle.to_string())
    });
    // An issue of some roles holds some servers: the edge stays, and its node's metadata tells of it.
    let everybody = |issue: &&crate::manifest::KnownIssue| {
        issue.action == IssueAction::Hold && issue.roles.is_empty()
    };
    let held = pack.known_issues.iter().filter(everybody);
    obstacle.into_iter().chain(held.map(|issue| always(&issue.id, issue.text.clone()))).collect()
}

impl BuildGraph {
    /// For Graphviz: `dot -Tsvg`.
    #[must_use]
    pub fn dot(&self) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut text = format!("digraph {} {{\n  rankdir=LR;\n", quoted(self.product.as_str()));
        for build in &self.builds {
            let style = if self.superseded.contains_key(build) { " [style=dashed]" } else { "" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {}{style};", quoted(build.as_str()));
        }
        for edge in &self.edges {
            let (from, to) = (quoted(edge.from.as_str()), quoted(edge.to.as_str()));
            let look = match &edge.obstacle {
                None => format!("label={}", quoted(&edge.size.to_string())),
                Some(obstacle) => format!("style=dotted, color=red, label={}", quoted(obstacle)),
            };
            let _ = writeln!(text, "  {from} -> {to} [{look}];");
        }
        text.push_str("}\n");
        text
    }
}
