//! The folder that `refit pack init` writes: it builds as it is, and says what to change.

use refit_names::ProductName;

/// One file of the example.
pub(super) struct ExampleFile {
    pub(super) path: &'static str,
    pub(super) text: String,
    pub(super) is_program: bool,
}

/// The files, for a product of this name.
pub(super) fn files(product: &ProductName) -> Vec<ExampleFile> {
    let text = |path, template: &str| ExampleFile {
        path,
        text: template.replace("PRODUCT", product.as_str()),
        is_program: false,
    };
    vec![
        text("pack.yaml", MANIFEST),
        text("README.md", README),
        text("runbook.yaml", RUNBOOK),
        text("web/index.html", WEB),
        ExampleFile { path: "payload/bin/serve", text: SERVE.to_owned(), is_program: true },
    ]
}

/// The commented manifest, for a product of this name.
pub(super) fn manifest_of(product: &ProductName) -> String {
    MANIFEST.replace("PRODUCT", product.as_str())
}

/// The read-me with its headings, and the page for the console.
pub(super) fn pages(product: &ProductName) -> Vec<ExampleFile> {
    let page = |path, template: &str| ExampleFile {
        path,
        text: template.replace("PRODUCT", product.as_str()),
        is_program: false,
    };
    vec![page("README.md", README), page("web/index.html", WEB)]
}

const MANIFEST: &str = r#"# What this pack is. `refit pack build` tells the line of everything that does not fit.
format: refit.pack/1
product: PRODUCT
# Builds are names, not numbers: only what stands here says which build can follow which.
from: ["1000"]
to: "1100"
# minor, service-pack or feature
kind: service-pack
title: PRODUCT 1100
readme: README.md
# This folder becomes ROOT/releases/1100 on each host, and ROOT/current points to it.
payload: payload
# Static pages, shown in the console.
web: web
# Without this line the default for a plain service is used: stop, save, switch, start.
runbook: runbook.yaml
# What is saved and restored together, below ROOT and outside of the releases.
unit:
  data: [data]
  # databases:
  #   main: { engine: sqlite, path: data/PRODUCT.db }
  #   main: { engine: postgres, url: database-url }   # the parameter that holds the connection string
requirements:
  os: [linux]
# Builds that must not take it, each with the reason:
# blocked: { "1000": "loses the index, take 1050 first" }
estimate: { p50_ms: 20000, p95_ms: 60000, undo_p95_ms: 60000 }
"#;

const README: &str = "# PRODUCT 1100\n\n## What changes\n\nWhat users will notice.\n\n## What to know before\n\nWhat must be ready.\n\n## Whom to ask\n\nAnd how to go back.\n";

const RUNBOOK: &str = r#"# What is done on each host, in this order. Phases: stage (no downtime), before, protect, install, after, finish.
format: refit.runbook/1
name: PRODUCT
version: 1
# Values that differ per host; commands get them as REFIT_PARAM_NAME, never by substitution.
parameters:
  port: { type: port, about: "where PRODUCT listens", default: "8080" }
steps:
  - { id: disk, phase: stage, do: { check.disk: {} } }
  - { id: stage, phase: stage, do: { install.stage: {} } }
  - { id: build, phase: before, do: { check.build: {} } }
  - { id: stop, phase: protect, do: { service.stop: {} } }
  - { id: gone, phase: protect, do: { check.processes-gone: {} } }
  - { id: backup, phase: protect, do: { backup.take: {} } }
  - { id: backup-verified, phase: protect, do: { backup.verify: {} } }
  - { id: switch, phase: install, do: { install.switch: {} } }
  # - { id: migrate, phase: install, do: { database.migrate: { run: [bin/migrate] } } }
  - { id: start, phase: after, do: { service.start: {} } }
  - { id: answers, phase: after, retries: 10, do: { test: { name: answers, probe: { tcp: { port: { param: port } } } } } }
# Mandatory: the way back. Files and databases always return together.
rollback:
  method: switch-and-restore
  trigger: a mandatory step fails
  deadline_ms: 300000
  owner: operations
"#;

const WEB: &str = "<!doctype html>\n<title>PRODUCT 1100</title>\n<h1>PRODUCT 1100</h1>\n<p>What users will notice.</p>\n";

const SERVE: &str = "#!/bin/sh\n# Put your service's files here instead; this one answers on REFIT_PARAM_PORT.\nexec python3 -m http.server --bind 127.0.0.1 \"${REFIT_PARAM_PORT:-8080}\"\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_lawful() {
        let files = files(&ProductName::parse("hello").unwrap());
        let text = |path: &str| files.iter().find(|file| file.path == path).unwrap().text.clone();
        refit_packs::manifest::parse(&text("pack.yaml")).unwrap();
        refit_packs::runbook::parse(&text("runbook.yaml")).unwrap();
    }
}
