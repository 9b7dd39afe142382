mod any_text;

use super::{Mapping, Source, ansible, csv, document, encoding, said};
use crate::commands::fleet::export;
use refit_inventory::{HostField, HostRecord, Said};
use refit_protocol::v1::FleetRecords;

/// Written by `ansible-inventory --list` of ansible-core 2.19.14 from an INI file.
const ANSIBLE: &str = include_str!("../../../../tests/data/ansible-inventory-2.19.json");

fn words() -> Said {
    said().unwrap()
}

fn faults(mut source: Source) -> Vec<String> {
    source.faults.sort();
    source.faults.into_iter().map(|(_, text)| text).collect()
}

fn of_csv(text: &str) -> Source {
    csv::read(text, &words()).unwrap()
}

fn mapped(arguments: &[&str]) -> Mapping {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        mapping: Mapping,
    }
    let program = std::iter::once("import").chain(arguments.iter().copied());
    <Only as clap::Parser>::parse_from(program).mapping
}

fn texts(hosts: &[HostRecord], fields: &[HostField]) -> Vec<String> {
    let line = |host: &HostRecord| {
        fields.iter().map(|field| host.field(*field)).collect::<Vec<_>>().join(" | ")
    };
    hosts.iter().map(line).collect()
}

#[test]
fn every_wrong_row_is_named_with_its_field() {
    let source = of_csv(
        "name,site,role,criticality\nweb-1,north,app,high\nweb 2,north,app,\nweb-3,,app,huge\nweb-1,north,app,\nweb-4,\"north\nweb-5,north\nweb-6,north,app,low,x\n",
    );
    let names = texts(&source.hosts, &[HostField::Name]);
    assert_eq!(names, ["web-1"], "only whole rows, and each name once");
    assert!(source.assumed.contains(&"web-5".parse().unwrap()), "others may wait for it");
    assert_eq!(
        faults(source),
        [
            "row 3, name: host name `web 2` has the character ' ', expected letters, digits, `.`, `_` and `-`, the first a letter or digit",
            "row 4, criticality: `huge` is no criticality; expected one of low, medium, high, critical",
            "row 4, site: site name is empty, expected 1 to 253 characters",
            "row 5, name: host web-1 stands in row 2 too",
            "row 6: a quote is opened and not closed in this row",
            "row 7: 2 fields, expected 4: it ends before `role`",
            "row 8: 5 fields, expected 4; put quotes around a value with a separator in it",
        ]
    );
}

#[test]
fn header_is_checked_as_a_whole() {
    let wrong = csv::read("name,plce,sit,name\nweb-1,north,x,y", &words()).unwrap_err();
    for part in [
        "row 1, column 2: `plce` is not known",
        "row 1, column 3: `sit` is not known; did you mean `site`?",
        "row 1, column 4: `name` comes twice",
        "row 1: column `role` is missing",
    ] {
        assert!(wrong.contains(part), "{wrong}");
    }
    assert!(csv::read("", &words()).is_err());
    assert!(csv::read("name,site,role\n\n", &words()).is_err());
}

#[test]
fn column_that_is_not_known_hides_no_fault_of_a_row() {
    let source = of_csv("name,site,role,color,criticality\nweb-1,north,app,red,hgih\n");
    let faults = faults(source);
    assert!(faults[0].starts_with("row 1, column 4: `color` is not known"), "{faults:?}");
    assert!(faults[1].starts_with("row 2, criticality: `hgih` is no criticality"), "{faults:?}");
    assert_eq!(faults.len(), 2);
}

#[test]
fn semicolons_quotes_blank_rows_and_windows_line_ends_are_read() {
    let source = of_csv(
        "Name;Site;Role;Time Class;Cluster\r\nweb-1;north;app;weekend;\"a; \"\"b\"\"\"\r\n\r\n;;;;\r\nweb-2;north;app;;\r\n",
    );
    assert_eq!(
        texts(&source.hosts, &[HostField::Name, HostField::TimeClass, HostField::Cluster]),
        ["web-1 | weekend | a; \"b\"", "web-2 |  | "]
    );
    assert_eq!(faults(source), Vec::<String>::new());
}

#[test]
fn quote_that_swallows_rows_is_a_fault_of_its_row_only() {
    let source = of_csv(
        "name,site,role,cluster\nweb-1,north,app,a\"b\nweb-2,north,app,\"c\nweb-3,north,app,d\n",
    );
    assert_eq!(texts(&source.hosts, &[HostField::Name]), ["web-3"]);
    assert_eq!(faults(source).len(), 2);
}

#[test]
fn other_encodings_are_refused_with_the_place_and_what_to_do() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let cases: [(Vec<u8>, &str); 5] = [
        (b"name,site\nweb-1,M\xfcnchen\n".to_vec(), "byte 17 (row 2) is 0xfc, which is not UTF-8"),
        (
            [b"\xff\xfe".to_vec(), utf16("name")].concat(),
            "it is UTF-16, expected UTF-8: convert it with `iconv -f UTF-16 -t UTF-8`",
        ),
        (utf16("name,site"), "it is UTF-16LE"),
        (b"\xfe\xff\0n\0a".to_vec(), "it is UTF-16"),
        (b"name,si\0te\n".to_vec(), "byte 7 is 0"),
    ];
    for (bytes, said) in cases {
        let wrong = encoding::decode(bytes).unwrap_err();
        assert!(wrong.contains(said), "{wrong}");
    }
    assert_eq!(encoding::decode("\u{feff}name".into()), Ok("name".to_owned()));
    assert_eq!(encoding::decode("städte".into()), Ok("städte".to_owned()));
}

#[test]
fn real_inventory_of_ansible_gives_hosts_with_fields_from_variables_and_groups() {
    let arguments = [
        "--site-groups",
        "site_",
        "--cluster-groups",
        "cluster_",
        "--group-tags",
        "--var",
        "owner=app_owner",
    ];
    let source = ansible::read(ANSIBLE, &mapped(&arguments), &words()).unwrap();
    let fields = [
        HostField::Name,
        HostField::Site,
        HostField::Role,
        HostField::Cluster,
        HostField::Tags,
        HostField::Owner,
        HostField::After,
        HostField::Products,
    ];
    assert_eq!(
        texts(&source.hosts, &fields),
        [
            "db-1 | north | database | pg | databases |  | dc-1 | ledger=1100",
            "db-2 | default | databases | pg |  |  |  | ",
            "dc-1 | west | domain_controllers |  |  |  |  | ",
            "web-1 | north | web |  | eu pci |  |  | ",
            "web-2 | south | web |  |  | owner |  | ",
        ]
    );
    assert_eq!(faults(source), Vec::<String>::new());
}

#[test]
fn wrong_variables_of_an_inventory_are_all_named() {
    let text = r#"{"_meta":{"hostvars":{"a":{"refit_criticallity":"high","refit_tier":[1,{}],"refit_role":"web"},"b c":{}}},
        "all":{"children":["web"]},"web":{"hosts":["a"]}}"#;
    let source = ansible::read(text, &Mapping::default(), &words()).unwrap();
    let found = faults(source);
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(found[0].starts_with(
        "host a, refit_criticallity: `criticallity` is no field; did you mean `criticality`?"
    ));
    assert!(ansible::read("[]", &Mapping::default(), &words()).is_err());
    assert!(ansible::read("{\"all\":{}}", &Mapping::default(), &words()).is_err());
}

const DOCUMENT: &str = r#"
sites:
  - { name: north, zone: Europe/Berlin, bandwidth: 20 MiB }
clusters:
  - { name: db, down_at_once: 1, order: [db-2] }
engineers:
  - { name: engineer, skills: [database], available: [nights] }
hosts:
  - { name: db-1, site: north, role: database, cluster: db, tags: [eu, pci], tier: 2, products: { ledger: "1100" } }
  - { name: db-2, site: north, role: database, cluster: db, retired: sold }
"#;

fn records(source: Source) -> FleetRecords {
    let Source { sites, clusters, engineers, hosts, .. } = source;
    FleetRecords { sites, clusters, engineers, hosts }
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let source = document::read(DOCUMENT, &words()).unwrap();
    assert_eq!(source.faults, []);
    let first = records(source);
    let json = export::document(&first).to_string();
    let again = records(document::read(&json, &words()).unwrap());
    assert_eq!(again, first);
    assert_eq!(export::document(&again).to_string(), json);

    let sheet = export::csv(&first.hosts).unwrap();
    let of_sheet = of_csv(&sheet).hosts;
    assert_eq!(of_sheet, first.hosts);
    assert_eq!(export::csv(&of_sheet).unwrap(), sheet);

    let inventory = export::ansible(&first.hosts).to_string();
    let of_inventory = ansible::read(&inventory, &Mapping::default(), &words()).unwrap();
    assert_eq!(of_inventory.hosts, first.hosts);
}

#[test]
fn every_wrong_field_of_a_document_is_named() {
    let text = r"
sites:
  - { name: north, zon: Europe/Berlin, down_at_once: many }
  - { zone: UTC }
cluster: []
engineers:
  - { name: engineer, hosts_at_once: 2 }
  - { name: engineer, skills: database }
hosts:
  - { name: db-1, site: north, role: database, teir: 2 }
  - { name: db-1, site: north }
  - not-a-host
";
    let source = document::read(text, &words()).unwrap();
    let found = faults(source);
    for part in [
        "cluster: is not known; did you mean `clusters`?",
        "sites[0] (north), down_at_once: ",
        "sites[0] (north), zon: ",
        "sites[0] (north), zone: is missing",
        "sites[1], name: is missing",
        "engineers[1] (engineer), name: engineer engineer stands in engineers[0] (engineer) too",
        "engineers[1] (engineer), skills: ",
        "hosts[0] (db-1), `teir` is not known; did you mean `tier`?",
        "hosts[1] (db-1), role: is missing",
        "hosts[1] (db-1), name: host db-1 stands in hosts[0] (db-1) too",
        "hosts[2]: is no host with fields",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(part)), "{part}: {found:#?}");
    }
    assert!(document::read("- a list", &words()).is_err());
    assert!(document::read("sites: [", &words()).is_err());
    assert!(document::read("{}", &words()).is_err());
}

#[test]
fn a_change_reads_like_what_people_write() {
    use refit_inventory::{ChangeKind, FieldChange, RecordChange, RecordKind};
    let field = |field: &str, before, after| FieldChange { field: field.to_owned(), before, after };
    let fields = vec![
        field("lifecycle", "active".into(), "retired".into()),
        field("owner", "".into(), "owner".into()),
        field(
            "retired",
            serde_json::Value::Null,
            serde_json::json!({ "by": "planner", "reason": "replaced" }),
        ),
        field("tags", serde_json::json!(["eu"]), serde_json::json!(["eu", "pci"])),
    ];
    let what = ChangeKind::Updated { fields };
    let change = RecordChange { kind: RecordKind::Host, name: "web-1".to_owned(), what };
    let [_, _, text] = super::change_row(&change);
    assert_eq!(
        text,
        "owner: – → owner, retired: – → by planner; reason replaced, tags: eu → eu pci"
    );
}
