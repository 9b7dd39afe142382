//! Asking and telling dpkg and apt; apt sees nothing but what is installed and what the pack carries.

use crate::{
    command::{Ended, Run, last_lines},
    context::Context,
    error::StepError,
    holders::{Held, holders, list},
    process::ORDER_MARK,
};
use refit_packs::runbook::{ConfigFiles, Packages};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Looking takes seconds, also on a host with thousands of packages.
const LOOK_LIMIT: Duration = Duration::from_secs(120);
/// apt's own timers hold the lock for a moment now and then.
const LOCK_WAIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const LOCKS: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
/// Names that an error has.
const NAMED_MAX: usize = 20;

/// dpkg and apt, for the packages of one release.
pub(crate) struct Apt<'a> {
    pub(crate) terms: &'a Packages,
    /// The release's folder.
    pub(crate) release: PathBuf,
    /// An empty folder that stands for apt's lists.
    pub(crate) nothing: PathBuf,
    /// Marks what is started, so that it is found after a crash.
    pub(crate) mark: String,
}

/// A carried package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deb {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
}

/// What is to be installed, of all that is carried.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chosen {
    pub(crate) debs: Vec<Deb>,
    there: usize,
    left_out: usize,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { debs, there, left_out } = self;
        write!(f, "{} packages to install, {there} are as new already", debs.len())?;
        if *left_out > 0 { write!(f, ", {left_out} are not installed here") } else { Ok(()) }
    }
}

/// An installed package, as dpkg knows it.
#[derive(Debug, Clone)]
struct Known {
    version: String,
    installed: bool,
}

impl<'a> Apt<'a> {
    pub(crate) fn of(context: &Context<'_>, terms: &'a Packages) -> Self {
        Self {
            terms,
            release: context.layout.release(context.to),
            nothing: context.state.join("packages").join("nothing"),
            mark: context.mark.to_owned(),
        }
    }

    /// Of a release, outside of a step: only for looking.
    pub(crate) fn look(state: &Path, release: PathBuf, terms: &'a Packages) -> Self {
        let nothing = state.join("packages").join("nothing");
        Self { terms, release, nothing, mark: String::new() }
    }

    fn run(&self, argv: &[&str], limit: Duration) -> Result<Ended, StepError> {
        let mut environment: BTreeMap<String, String> = [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBIAN_PRIORITY", "critical"),
            ("NEEDRESTART_SUSPEND", "1"),
            ("NEEDRESTART_MODE", "l"),
            ("APT_LISTCHANGES_FRONTEND", "none"),
            ("HOME", "/root"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let ucf = match self.terms.config_files {
            ConfigFiles::KeepLocal => "UCF_FORCE_CONFFOLD",
            ConfigFiles::TakeNew => "UCF_FORCE_CONFFNEW",
        };
        environment.insert(ucf.to_owned(), "1".to_owned());
        environment.insert(ORDER_MARK.to_owned(), self.mark.clone());
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let (folder, below, secrets) = ("/".into(), "/".into(), vec![]);
        Run { argv, folder, below, environment, user: None, secrets }.end(limit)
    }

    fn well(&self, argv: &[&str], limit: Duration) -> Result<String, StepError> {
        let ended = self.run(argv, limit)?;
        if ended.code == Some(0) {
            return Ok(ended.output);
        }
        let (command, said) = (argv.join(" "), last_lines(&ended.output));
        Err(StepError::Command { command, status: ended.status, said })
    }

    /// What the pack carries, by file name.
    fn carried(&self) -> Result<Vec<Deb>, StepError> {
        let folder = self.release.join(self.terms.debs.as_str());
        let entries = fs::read_dir(&folder).map_err(StepError::io("list", &folder))?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "deb"));
        files.sort();
        if files.is_empty() {
            let found = format!("no .deb in {}", folder.display());
            return Err(StepError::PackagesUnfit { found });
        }
        files.into_iter().map(|file| self.read(file)).collect()
    }

    fn read(&self, file: PathBuf) -> Result<Deb, StepError> {
        let text = file.display().to_string();
        let form = "--showformat=${Package}\\t${Version}\\t${Architecture}";
        let said = self.well(&["dpkg-deb", "--show", form, &text], LOOK_LIMIT)?;
        let mut fields = said.trim().split('\t').map(str::to_owned);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(name), Some(version), Some(arch)) => Ok(Deb { file, name, version, arch }),
            _ => Err(StepError::PackagesUnfit { found: format!("{text} says `{}`", said.trim()) }),
        }
    }

    /// All that dpkg knows, by name and architecture.
    fn known(&self) -> Result<BTreeMap<(String, String), Known>, StepError> {
        let form =
            "--showformat=${db:Status-Abbrev}\\t${Package}\\t${Architecture}\\t${Version}\\n";
        let said = self.query(form)?;
        let mut known = BTreeMap::new();
        let mut broken = vec![];
        for line in said.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [state, name, arch, version] = fields[..] else { continue };
            let is = |at: usize| state.chars().nth(at).unwrap_or(' ');
            if matches!(is(1), 'H' | 'U' | 'F' | 'W' | 't') || is(2) == 'R' {
                broken.push(format!("{name} {version} ({})", state_name(is(1))));
            }
            let installed = is(1) == 'i';
            let key = (name.to_owned(), arch.to_owned());
            known.insert(key, Known { version: version.to_owned(), installed });
        }
        if broken.is_empty() {
            return Ok(known);
        }
        let (count, list) = (broken.len(), broken[..broken.len().min(NAMED_MAX)].join(", "));
        Err(StepError::PackagesBroken { count, list })
    }

    fn query(&self, form: &str) -> Result<String, StepError> {
        // More than a command's output is kept for people: it goes through a file.
        let file = self.nothing.with_file_name("known");
        let folder = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
        let script = "dpkg-query --show \"$0\" > \"$1\"";
        self.well(&["sh", "-c", script, form, &file.display().to_string()], LOOK_LIMIT)?;
        fs::read_to_string(&file).map_err(StepError::io("read", &file))
    }

    fn newer(&self, found: &str, than: &str) -> Result<bool, StepError> {
        let ended = self.run(&["dpkg", "--compare-versions", found, "gt", than], LOOK_LIMIT)?;
        Ok(ended.code == Some(0))
    }

    /// What of the carried packages is to be installed here; refuses what can never work.
    ///
    /// # Errors
    /// [`StepError::PackagesBroken`] when an earlier installation was not brought to its end,
    /// [`StepError::PackagesUnfit`] when an architecture or a dependency does not fit.
    pub(crate) fn choose(&self) -> Result<Chosen, StepError> {
        let known = self.known()?;
        let archs = self.architectures()?;
        let (mut chosen, mut foreign) = (Chosen::default(), vec![]);
        for deb in self.carried()? {
            let same_name =
                known.iter().filter(|((name, _), known)| *name == deb.name && known.installed);
            let mut same_arch = same_name
                .filter(|((_, arch), _)| *arch == deb.arch || *arch == "all" || deb.arch == "all");
            match same_arch.next() {
                None if self.terms.only_installed => chosen.left_out += 1,
                None if !archs.contains(&deb.arch) => {
                    foreign.push(format!("{} {} is of {}", deb.name, deb.version, deb.arch));
                }
                Some((_, there))
                    if there.version == deb.version
                        || self.newer(&there.version, &deb.version)? =>
                {
                    chosen.there += 1;
                }
                _ => chosen.debs.push(deb),
            }
        }
        if !foreign.is_empty() {
            let archs: Vec<&str> = archs.iter().map(String::as_str).collect();
            let (list, archs) = (foreign.join(", "), archs.join(" or "));
            return Err(StepError::PackagesUnfit { found: format!("{list}, expected {archs}") });
        }
        if !chosen.debs.is_empty() {
            self.simulate(&chosen)?;
        }
        Ok(chosen)
    }

    fn architectures(&self) -> Result<BTreeSet<String>, StepError> {
        let own = self.well(&["dpkg", "--print-architecture"], LOOK_LIMIT)?;
        let foreign = self.well(&["dpkg", "--print-foreign-architectures"], LOOK_LIMIT)?;
        let all = own.split_whitespace().chain(foreign.split_whitespace()).chain(["all"]);
        Ok(all.map(str::to_owned).collect())
    }

    /// Nothing is fetched, removed or made older: apt knows of no other package than those that are here.
    fn words(&self, chosen: &Chosen, more: &[&str]) -> Result<Vec<String>, StepError> {
        fs::create_dir_all(self.nothing.join("partial"))
            .map_err(StepError::io("make folder", &self.nothing))?;
        let (first, second) = match self.terms.config_files {
            ConfigFiles::KeepLocal => ("--force-confdef", "--force-confold"),
            ConfigFiles::TakeNew => ("--force-confnew", "--force-confmiss"),
        };
        let settings = [
            format!("Dir::State::Lists={}", self.nothing.display()),
            "Dir::Etc::SourceList=/dev/null".to_owned(),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Dir::Cache::pkgcache=".to_owned(),
            "Dir::Cache::srcpkgcache=".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "DPkg::Use-Pty=0".to_owned(),
            format!("DPkg::Lock::Timeout={}", LOCK_WAIT.as_secs()),
            format!("Dpkg::Options::={first}"),
            format!("Dpkg::Options::={second}"),
        ];
        let mut words = vec!["apt-get".to_owned()];
        words.extend(settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]));
        words.extend(["--yes", "--no-remove", "--no-install-recommends"].map(str::to_owned));
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push("install".to_owned());
        words.extend(chosen.debs.iter().map(|deb| deb.file.display().to_string()));
        Ok(words)
    }

    fn simulate(&self, chosen: &Chosen) -> Result<(), StepError> {
        let words = self.words(chosen, &["--simulate"])?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = self.run(&words, LOOK_LIMIT)?;
        if ended.code == Some(0) {
            return Ok(());
        }
        let found = format!("apt says: {}", last_lines(&ended.output));
        Err(StepError::PackagesUnfit { found })
    }

    /// Installs them.
    pub(crate) fn install(&self, chosen: &Chosen, limit: Duration) -> Result<(), StepError> {
        if chosen.debs.is_empty() {
            return Ok(());
        }
        let words = self.words(chosen, &[])?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.well(&words, limit).map(drop)
    }

    /// Goes on where a kill cut dpkg off.
    pub(crate) fn repair(&self, limit: Duration) -> Result<(), StepError> {
        let old = match self.terms.config_files {
            ConfigFiles::KeepLocal => "--force-confold",
            ConfigFiles::TakeNew => "--force-confnew",
        };
        self.well(&["dpkg", "--force-confdef", old, "--configure", "--pending"], limit).map(drop)
    }

    /// Every path that the chosen packages have now or will have, folders included.
    pub(crate) fn files(&self, chosen: &Chosen) -> Result<BTreeSet<PathBuf>, StepError> {
        let list = self.nothing.with_file_name("files");
        let mut found = BTreeSet::new();
        for deb in &chosen.debs {
            let script = "{ dpkg-query --listfiles \"$0\" 2>/dev/null || dpkg-query --listfiles \"$1\" 2>/dev/null; \
                dpkg-deb --fsys-tarfile \"$2\" | tar --list --quoting-style=literal --file=-; } > \"$3\"";
            let (arch, file) =
                (format!("{}:{}", deb.name, deb.arch), deb.file.display().to_string());
            let to = list.display().to_string();
            self.well(&["sh", "-c", script, &arch, &deb.name, &file, &to], LOOK_LIMIT)?;
            let text = fs::read(&list).map_err(StepError::io("read", &list))?;
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            found.extend(lines.filter_map(resolved));
        }
        Ok(found)
    }

    /// Refuses when one of them is not installed as carried.
    pub(crate) fn are_there(&self) -> Result<usize, StepError> {
        let chosen = self.choose()?;
        if chosen.debs.is_empty() {
            return Ok(chosen.there);
        }
        let missing = chosen.debs.iter().map(|deb| format!("{} {}", deb.name, deb.version));
        let missing = missing.collect::<Vec<_>>().join(", ");
        Err(StepError::PackagesUnfit { found: format!("not installed: {missing}") })
    }
}

fn state_name(letter: char) -> &'static str {
    match letter {
        'H' => "half installed",
        'U' => "unpacked, not configured",
        'F' => "half configured",
        'W' | 't' => "triggers not run",
        _ => "to be installed again",
    }
}

/// An absolute path as the file system has it: `/lib/x` lies in `/usr/lib` where the two are one.
fn resolved(line: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(line));
    let mut whole = PathBuf::from("/");
    for part in path.components() {
        if let std::path::Component::Normal(name) = part {
            // Only folders above are resolved: a link of a package is itself.
            whole = whole.canonicalize().unwrap_or(whole).join(name);
        }
    }
    (whole != Path::new("/")).then_some(whole)
}

/// Refuses while another program has dpkg's locks; waits a moment for it.
///
/// # Errors
/// [`StepError::PackagesLocked`] names process, command and user.
pub(crate) fn lock_is_free(limit: Duration) -> Result<(), StepError> {
    let deadline = Instant::now() + limit.min(LOCK_WAIT);
    loop {
        let Some(path) = LOCKS.iter().map(Path::new).find(|path| is_locked(path)) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            let found = holders(&Held::files([path]).without_readers())?;
            let list =
                if found.is_empty() { "nobody that is seen".to_owned() } else { list(&found) };
            return Err(StepError::PackagesLocked { path: path.to_owned(), list });
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn is_locked(path: &Path) -> bool {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let Ok(file) = fs::File::options().read(true).write(true).open(path) else { return false };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            let _ = fcntl_lock(&file, FlockOperation::Unlock);
            false
        }
        Err(error) => matches!(
            io::Error::from(error).kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied
        ),
    }
}

/// The version of an installed package, read from dpkg's own file; none when it is not installed.
///
/// # Errors
/// [`StepError::Io`] when there is no such file.
pub(crate) fn version_of(package: &str) -> Result<Option<String>, StepError> {
    let path = Path::new("/var/lib/dpkg/status");
    let text = fs::read(path).map_err(StepError::io("read", path))?;
    let text = String::from_utf8_lossy(&text);
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let own = text.split("\n\n").find(|stanza| {
        field(stanza, "Package:").as_deref() == Some(package)
            && field(stanza, "Status:").is_some_and(|state| state.ends_with(" installed"))
    });
    Ok(own.and_then(|stanza| field(stanza, "Version:")))
}
