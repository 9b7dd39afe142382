//! Scenario `postgresql-pair`: a primary and its streaming replica behind HAProxy, replica first, while a writer and a reader never stop.

use crate::{
    control::Control,
    debs::Wanted,
    image,
    lab::Lab,
    machine::Machine,
    masters::psql,
    network::{OUTSIDE, PREFIX},
    packages::{PROOF, Packaged, usual_backup},
    process::until,
    scenario::{Campaign, Scenario},
    snapshot,
    talk::say,
    tally::Tally,
    walk,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SHORT: Duration = Duration::from_secs(60);
const PRODUCT: Packaged = Packaged {
    product: "postgresql",
    runbook: "postgresql-pair",
    first: "15-main",
    target: "15-security",
    data: "data",
    recipe: &image::SERVER,
    wanted: Wanted::Of(&["postgresql-15", "postgresql-common"]),
};
const FLEET: &str = "\
pg1,lab,database,application-owner,high,,pg
pg2,lab,database,application-owner,medium,,pg
";
const UNIT: &str = "postgresql@15-main.service";
/// Ports of the balancer: who writes, who reads, who administrates.
const WRITE: u16 = 6432;
const READ: u16 = 6433;
const ADMIN: u16 = 9999;

/// Writes one row after the other through the balancer; what was acknowledged is noted on this host.
const WRITER: &str = "\
#!/bin/sh
export PGCONNECT_TIMEOUT=3
n=0
while :; do
  n=$((n + 1))
  if psql -X -q -h 127.0.0.1 -p 6432 -U app -d app -c \"insert into entries values ($n)\" 2>/dev/null; then echo $n >>/srv/acknowledged; fi
  sleep 0.1
done
";
/// Reads through the balancer; what was refused is noted.
const READER: &str = "\
#!/bin/sh
export PGCONNECT_TIMEOUT=5
while :; do
  if psql -X -q -A -t -h 127.0.0.1 -p 6433 -U app -d app -c 'select count(*) from entries' >>/srv/read 2>/tmp/why; then :; else cat /tmp/why >>/srv/refused; fi
  sleep 0.1
done
";

/// The scenario.
pub(crate) struct Pair {
    primary: Machine,
    replica: Machine,
    /// Balancer and clients.
    proxy: Machine,
}

impl Pair {
    pub(crate) fn new(folder: &Path) -> Self {
        let host = |name, last_byte| Machine::new(folder, &image::SERVER, name, last_byte);
        Self { primary: host("pg1", 31), replica: host("pg2", 32), proxy: host("px1", 33) }
    }

    fn balancer(&self) -> String {
        let pool = |name: &str, port: u16, servers: &str| {
            format!(
                "listen {name}\n bind 127.0.0.1:{port}\n option pgsql-check user balancer\n{servers}"
            )
        };
        let server = |host: &Machine| {
            format!(" server {} {}:5432 check inter 300ms fall 2 rise 1\n", host.name, host.address)
        };
        let (one, two) = (server(&self.primary), server(&self.replica));
        format!(
            "global\n stats socket ipv4@{}:{ADMIN} level admin\ndefaults\n mode tcp\n timeout connect 3s\n timeout client 30s\n timeout server 30s\n{}{}",
            self.proxy.address,
            pool("write", WRITE, &one),
            pool("read", READ, &format!("{one}{two}"))
        )
    }

    fn servers(&self) -> [&Machine; 2] {
        [&self.primary, &self.replica]
    }
}

impl Scenario for Pair {
    fn name(&self) -> &'static str {
        "postgresql-pair"
    }

    fn role(&self) -> &'static str {
        "database"
    }

    fn hosts(&self) -> Vec<&Machine> {
        vec![&self.proxy, &self.replica, &self.primary]
    }

    fn campaign(&self) -> Campaign {
        Campaign {
            rollout: "postgresql-minor",
            product: PRODUCT.product,
            first: PRODUCT.first,
            target: PRODUCT.target,
            shape: &[
                "--share",
                "50",
                "--share",
                "50",
                "--goal",
                "100",
                "--soak",
                "1s",
                "--parallel",
                "1",
            ],
        }
    }

    fn lay_out(&self, _: &Lab) -> Result<()> {
        for host in self.servers() {
            host.mask("haproxy.service")?;
            PRODUCT.lay_out(host)?;
            host.write("srv/postgresql/data/note", "kept\n")?;
            let folder = "etc/postgresql/15/main";
            let rules = format!(
                "local all postgres peer\nhost all all 127.0.0.1/32 trust\nhost all app,balancer {OUTSIDE}/{PREFIX} trust\nhost replication replicator {OUTSIDE}/{PREFIX} trust\n"
            );
            host.write(&format!("{folder}/pg_hba.conf"), &rules)?;
            host.write(&format!("{folder}/conf.d/lab.conf"), "listen_addresses = '*'\n")?;
        }
        self.proxy.mask("postgresql.service")?;
        self.proxy.write("etc/haproxy/haproxy.cfg", &self.balancer())?;
        for (name, text) in [("writer", WRITER), ("reader", READER)] {
            self.proxy.write(&format!("usr/local/bin/{name}"), text)?;
            let unit = format!("[Service]\nExecStart=/bin/sh /usr/local/bin/{name}\n");
            self.proxy.write(&format!("etc/systemd/system/{name}.service"), &unit)?;
        }
        Ok(())
    }

    fn install(&self, _: &Lab) -> Result<()> {
        until("PostgreSQL answers on pg1", SHORT, || {
            Ok(psql(&self.primary, "postgres", "select 1").ok())
        })?;
        for query in [
            "create role replicator login replication",
            "create role balancer login",
            "create role app login",
            "create database app owner app",
            "select pg_create_physical_replication_slot('pg2')",
        ] {
            psql(&self.primary, "postgres", query)?;
        }
        psql(&self.primary, "app", "set role app; create table entries (n bigint primary key)")?;
        let copy = format!(
            "set -eu; systemctl stop {UNIT}; rm -rf /var/lib/postgresql/15/main; \
             su postgres -s /bin/sh -c 'cd / && pg_basebackup -h {} -U replicator -D /var/lib/postgresql/15/main -X stream -S pg2 -R -c fast'; \
             systemctl start {UNIT}",
            self.primary.address
        );
        self.replica.done(&["sh", "-c", &copy], SHORT)?;
        for host in self.servers() {
            usual_backup(host, "/etc/postgresql", "\"databases\"")?;
        }
        self.proxy.done(&["systemctl", "restart", "haproxy.service"], SHORT)?;
        until("the replica streams", SHORT, || {
            let streams = psql(
                &self.primary,
                "postgres",
                "select count(*) from pg_stat_replication where state = 'streaming'",
            )?;
            Ok((streams == "1").then_some(()))
        })?;
        say("pg2 streams from pg1; px1 balances");
        Ok(())
    }

    fn packs(&self, lab: &Lab) -> Result<Vec<PathBuf>> {
        Ok(vec![PRODUCT.pack(lab)?])
    }

    fn agent(&self, _: &Lab, host: &Machine) -> Option<String> {
        let pools = match host.name {
            "pg1" => "write read",
            "pg2" => "read",
            _ => return None,
        };
        let product = PRODUCT.agent(&[UNIT]);
        Some(format!(
            "{product}[product.parameters]\nbalancer = \"{}:{ADMIN}\"\nnode = \"{}\"\npools = \"{pools}\"\nbackup-proof = \"{PROOF}\"\n\n\
             [product.secrets]\ndatabase-url = \"postgresql://app@127.0.0.1/app\"\n",
            self.proxy.address, host.name
        ))
    }

    fn fleet(&self) -> &'static str {
        FLEET
    }

    fn arrange(&self, _: &Lab, control: &Control) -> Result<()> {
        control.json(
            "planner",
            &[
                "fleet",
                "cluster",
                "set",
                "pg",
                "--down-at-once",
                "1",
                "--order",
                "pg2",
                "--order",
                "pg1",
            ],
        )?;
        self.proxy.done(&["systemctl", "start", "writer.service", "reader.service"], SHORT)?;
        until("the writer's rows are acknowledged", SHORT, || {
            Ok((lines(&self.proxy, "srv/acknowledged").len() > 5).then_some(()))
        })
    }

    fn check(&self, lab: &Lab, view: &Value, tally: &Tally) {
        for host in self.servers() {
            let name = host.name;
            let told = walk::told(view, name).map(|(state, _)| state);
            tally.same(
                &format!("{name}: the server says succeeded"),
                &"succeeded".to_owned(),
                told,
            );
            let disk = snapshot::disk(host).unwrap_or_default();
            let carried = snapshot::carried_are_there(&PRODUCT.carried(lab), &disk).map(drop);
            tally.check(&format!("{name}: PostgreSQL's packages are those of the pack"), carried);
            let running = psql(host, "postgres", "show server_version");
            let wanted =
                snapshot::versions(&disk).get("postgresql-15").cloned().unwrap_or_default();
            let outcome = running.and_then(|running| {
                let first = running.split(' ').next().unwrap_or_default();
                ensure!(wanted.starts_with(first), "{running} runs, {wanted} is installed");
                Ok(())
            });
            tally.check(&format!("{name}: the newer server runs"), outcome);
        }
        let roles = self
            .servers()
            .map(|host| psql(host, "postgres", "select pg_is_in_recovery()").unwrap_or_default());
        tally.same(
            "the primary is primary, the replica a replica",
            &["f".to_owned(), "t".to_owned()],
            Ok(roles),
        );
        tally.check("what the writer was acknowledged is on both servers", self.rows_are_there());
        let (read, refused) =
            (lines(&self.proxy, "srv/read").len(), lines(&self.proxy, "srv/refused"));
        tally.same(
            &format!("the reader was never refused, {read} reads"),
            &Vec::new(),
            Ok(refused),
        );
        let order = order_is_right(view);
        tally.check("the replica was done before the primary began", order);
    }
}

impl Pair {
    fn rows_are_there(&self) -> Result<()> {
        self.proxy.done(&["systemctl", "stop", "writer.service", "reader.service"], SHORT)?;
        let acknowledged: BTreeSet<String> =
            lines(&self.proxy, "srv/acknowledged").into_iter().collect();
        ensure!(acknowledged.len() > 20, "only {} rows were acknowledged", acknowledged.len());
        for host in self.servers() {
            until(&format!("all rows on {}", host.name), SHORT, || {
                let found: BTreeSet<String> = psql(host, "app", "select n from entries")?
                    .lines()
                    .map(str::to_owned)
                    .collect();
                let missing: Vec<&String> = acknowledged.difference(&found).take(5).collect();
                ensure!(missing.is_empty(), "{} lacks {missing:?}", host.name);
                Ok(Some(()))
            })?;
        }
        say(&format!("{} acknowledged rows are on both servers", acknowledged.len()));
        Ok(())
    }
}

fn lines(host: &Machine, path: &str) -> Vec<String> {
    let text = fs::read_to_string(host.root().join(path)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waves run one after the other: the replica's must come first.
fn order_is_right(view: &Value) -> Result<()> {
    let names: Vec<&str> = walk::hosts(view).filter_map(|host| host["host"].as_str()).collect();
    let place = |name: &str| {
        names.iter().position(|found| *found == name).with_context(|| format!("no {name}"))
    };
    ensure!(place("pg2")? < place("pg1")?, "the order is {names:?}");
    Ok(())
}
