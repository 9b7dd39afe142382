//! The runbooks that Refit ships, for `refit pack init --runbook`: the folder `runbooks` of the source, inside the program.

use super::example::{ExampleFile, manifest_of};
use clap::{ValueEnum, builder::PossibleValue};
use refit_names::ProductName;

/// A shipped runbook, by its folder's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shipped {
    /// Samba and CUPS, by Debian packages
    FilePrint,
    /// A web application whose data lie in PostgreSQL, side by side
    WebPostgresql,
    /// A PostgreSQL primary and its replica behind HAProxy, by Debian packages
    PostgresqlPair,
    /// A service pack of Debian
    OperatingSystem,
    /// A service with files and databases of its own, and nothing special
    PlainService,
}

macro_rules! file {
    ($($path:expr),*) => {
        include_str!(concat!("../../../../../../runbooks/", $($path),*))
    };
}
macro_rules! programs {
    ($runbook:literal: $($name:literal),*) => {
        vec![$((concat!("payload/bin/", $name), file!($runbook, "/payload/bin/", $name))),*]
    };
}

impl Shipped {
    /// The files of a pack's folder that begins with this runbook.
    pub(super) fn files(self, product: &ProductName) -> Vec<ExampleFile> {
        let (runbook, programs) = self.texts();
        let manifest = match self {
            Self::WebPostgresql => manifest_of(product)
                .replace("  # databases:", "  databases:")
                .replace("  #   main: { engine: postgres", "    main: { engine: postgres"),
            _ => manifest_of(product),
        };
        let mut files = vec![
            ExampleFile { path: "pack.yaml", text: manifest, is_program: false },
            ExampleFile { path: "runbook.yaml", text: runbook.to_owned(), is_program: false },
        ];
        let program = |(path, text): (&'static str, &str)| ExampleFile {
            path,
            text: text.to_owned(),
            is_program: true,
        };
        files.extend(programs.into_iter().map(program));
        files
    }

    /// What the author still has to do.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::FilePrint | Self::PostgresqlPair | Self::OperatingSystem => {
                "put the .deb files into payload/debs; "
            }
            Self::WebPostgresql => {
                "put the application into payload, and its own words into bin/migrate and bin/client-test; "
            }
            Self::PlainService => "put the service's files into payload; ",
        }
    }

    fn texts(self) -> (&'static str, Vec<(&'static str, &'static str)>) {
        match self {
            Self::FilePrint => (
                file!("file-print/runbook.yaml"),
                programs!("file-print": "backup-proof", "is-up", "packages-are-whole", "recovery-sheet"),
            ),
            Self::WebPostgresql => (
                file!("web-postgresql/runbook.yaml"),
                programs!("web-postgresql": "client-test", "gate", "migrate", "prepare", "wait-up"),
            ),
            Self::PostgresqlPair => (
                file!("postgresql-pair/runbook.yaml"),
                programs!("postgresql-pair": "backup-proof", "balancer", "minor-only", "packages-are-whole", "replication"),
            ),
            Self::OperatingSystem => (
                file!("operating-system/runbook.yaml"),
                programs!("operating-system": "backup-proof", "dpkg-is-whole", "is-up", "mark-reboot", "owners-tests", "packages-are-whole", "recovery-sheet"),
            ),
            Self::PlainService => (file!("plain-service/runbook.yaml"), vec![]),
        }
    }
}

/// The text of a shipped runbook by its name.
pub(super) fn runbook_text(name: &str) -> Option<&'static str> {
    Shipped::from_str(name, false).ok().map(|shipped| shipped.texts().0)
}

/// Names of the shipped runbooks, and what each is for.
pub(super) fn runbooks() -> Vec<(String, String)> {
    let all = Shipped::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let told = |value: PossibleValue| {
        let text = value.get_help().map(ToString::to_string).unwrap_or_default();
        (value.get_name().to_owned(), text)
    };
    all.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    fn folder(shipped: Shipped) -> PathBuf {
        let name = shipped.to_possible_value().unwrap().get_name().to_owned();
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../runbooks").join(name)
    }

    fn parsed(shipped: Shipped) -> refit_packs::runbook::Runbook {
        refit_packs::runbook::parse(shipped.texts().0).unwrap()
    }

    #[test]
    fn every_folder_is_shipped() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../runbooks");
        let folders =
            fs::read_dir(top).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        assert_eq!(folders.count(), Shipped::value_variants().len());
    }

    #[test]
    fn every_shipped_runbook_is_lawful_and_says_its_way_back() {
        for shipped in Shipped::value_variants() {
            let runbook = parsed(*shipped);
            assert!(folder(*shipped).ends_with(runbook.name.as_str()), "{}", runbook.name);
            let back = &runbook.rollback;
            assert!(!back.trigger.is_empty() && back.deadline_ms > 0, "{}", runbook.name);
            assert!(back.tested.is_some(), "{}: was its way back rehearsed?", runbook.name);
        }
    }

    #[test]
    fn every_program_of_the_folder_is_carried_and_every_called_one_is_there() {
        for shipped in Shipped::value_variants() {
            let carried: BTreeSet<String> =
                shipped.texts().1.iter().map(|(path, _)| (*path).to_owned()).collect();
            let listed = fs::read_dir(folder(*shipped).join("payload/bin")).into_iter().flatten();
            let name = |entry: fs::DirEntry| entry.file_name().to_str().unwrap().to_owned();
            let there: BTreeSet<String> =
                listed.map(|entry| format!("payload/bin/{}", name(entry.unwrap()))).collect();
            assert_eq!(carried, there, "{shipped:?}");
            for command in parsed(*shipped).steps.iter().flat_map(|step| step.kind.commands()) {
                let program = &command.0[0];
                let carried = carried.contains(&format!("payload/{program}"));
                assert!(carried || !program.contains('/'), "{shipped:?} calls {program}");
            }
        }
    }

    #[test]
    fn every_runbook_has_a_page_that_names_its_parameters_and_steps() {
        for shipped in Shipped::value_variants() {
            let page = fs::read_to_string(folder(*shipped).join("README.md")).unwrap();
            let runbook = parsed(*shipped);
            let ids = runbook.steps.iter().map(|step| step.id.as_str());
            let names = runbook.parameters.keys().map(refit_names::ParameterName::as_str);
            let lacks: Vec<&str> =
                ids.chain(names).filter(|word| !page.contains(&format!("`{word}`"))).collect();
            assert!(lacks.is_empty(), "{shipped:?}: its page lacks {lacks:?}");
        }
    }

    #[test]
    fn plain_service_is_the_default() {
        let ours = refit_packs::runbook::default_for_plain_service();
        let mut file = parsed(Shipped::PlainService);
        file.rollback.tested.clone_from(&ours.rollback.tested);
        assert_eq!(file, ours);
    }
}
