//! The API for people and programs, below `/api/v1`: one table says which route needs which right.

mod acknowledgements;
mod answers;
mod auth;
mod backups;
mod decisions;
mod enrolment;
mod events;
mod fleet;
mod health;
mod hosts;
mod notifications;
mod packs;
mod papers;
mod quarantine;
mod questions;
mod repository;
mod risk;
mod rollouts;
mod runbook_tests;
mod signoff;
mod updates;
mod users;
mod windows;

pub(crate) use auth::person_of;
pub(crate) use health::router as health;
pub(crate) use notifications::newest;
pub(crate) use updates::{available, installed};

use crate::app::App;
use auth::Needs;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    middleware,
    routing::{MethodRouter, get, post},
};
use refit_protocol::v1::{PREFIX, Right};

/// Bytes of a body: an import of 50,000 hosts fits.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// One route with what it needs.
struct Route {
    method: Method,
    path: &'static str,
    needs: Needs,
    handler: MethodRouter<App>,
}

/// The one table: no route exists that is not in it, so none is without a rule.
fn routes() -> Vec<Route> {
    use Right::{
        Administrator, ApplicationOwner, Approver, Authoriser, Configurer, Deployer, Planner,
        Preparer,
    };
    let read = |path, handler| Route { method: Method::GET, path, needs: Needs::Anyone, handler };
    let act = |path, rights, handler| Route {
        method: Method::POST,
        path,
        needs: Needs::OneOf(rights),
        handler,
    };
    vec![
        read("/whoami", get(users::whoami)),
        Route {
            method: Method::GET,
            path: "/users",
            needs: Needs::OneOf(&[Administrator]),
            handler: get(users::list),
        },
        act("/users", &[Administrator], post(users::add)),
        act("/enrolment-tokens", &[Administrator], post(enrolment::add)),
        read("/hosts", get(hosts::list)),
        read("/hosts/{host}", get(hosts::one)),
        act("/hosts/import", &[Planner], post(hosts::import)),
        read("/hosts/page", get(fleet::page)),
        act("/hosts/{host}/set", &[Planner], post(fleet::set)),
        act("/hosts/{host}/retire", &[Planner], post(fleet::retire)),
        act("/hosts/{host}/unretire", &[Planner], post(fleet::unretire)),
        act("/hosts/{host}/clear-quarantine", &[Deployer], post(quarantine::clear)),
        read("/hosts/{host}/changes", get(fleet::changes)),
        read("/hosts/{host}/risk", get(risk::of_host)),
        act("/fleet/import", &[Planner], post(fleet::import)),
        read("/fleet/records", get(fleet::records)),
        act("/fleet/sites/{name}/remove", &[Planner], post(fleet::remove_site)),
        act("/fleet/clusters/{name}/remove", &[Planner], post(fleet::remove_cluster)),
        act("/fleet/engineers/{name}/remove", &[Planner], post(fleet::remove_engineer)),
        read("/risk", get(risk::list)),
        read("/risk/entries", get(risk::entries)),
        act("/risk/entries", &[Planner, ApplicationOwner], post(risk::add)),
        act("/risk/entries/{id}", &[Planner, ApplicationOwner], post(risk::act)),
        read("/risk/weights", get(risk::weights)),
        act("/risk/weights", &[Planner], post(risk::set_weights)),
        read("/windows", get(windows::list)),
        act("/windows", &[Planner], post(windows::put)),
        act("/windows/{window}/remove", &[Planner], post(windows::remove)),
        read("/windows/{window}/openings", get(windows::openings)),
        read("/freezes", get(windows::freezes)),
        act("/freezes", &[Planner], post(windows::add_freeze)),
        act("/freezes/{freeze}/remove", &[Planner], post(windows::remove_freeze)),
        Route {
            method: Method::GET,
            path: "/windows.ics",
            needs: Needs::AnyoneOrFeed,
            handler: get(windows::feed),
        },
        read("/feeds", get(windows::feeds)),
        Route {
            method: Method::POST,
            path: "/feeds",
            needs: Needs::Anyone,
            handler: post(windows::add_feed),
        },
        Route {
            method: Method::POST,
            path: "/feeds/{id}/remove",
            needs: Needs::Anyone,
            handler: post(windows::remove_feed),
        },
        read("/repository", get(repository::view)),
        act("/repository/refresh", &[Planner], post(repository::refresh)),
        read("/packs/{product}/{build}", get(packs::one)),
        read("/updates", get(updates::list)),
        read("/updates/path", get(updates::path)),
        read("/updates/graph", get(updates::graph)),
        act("/updates/check", &[Planner], post(updates::check)),
        read("/notifications/channels", get(notifications::channels)),
        act("/notifications/channels", &[Administrator], post(notifications::add)),
        act("/notifications/channels/{id}/remove", &[Administrator], post(notifications::remove)),
        act("/notifications/channels/{id}/test", &[Administrator], post(notifications::test)),
        read("/notifications/events", get(notifications::events)),
        read("/rollouts", get(rollouts::list)),
        act("/rollouts", &[Planner], post(rollouts::add)),
        read("/rollouts/{name}", get(rollouts::one)),
        read("/rollouts/{name}/plan", get(rollouts::plan)),
        act("/rollouts/{name}/plan", &[Planner], post(rollouts::make_plan)),
        read("/rollouts/{name}/plans", get(rollouts::plans)),
        read("/rollouts/{name}/plans/{generation}", get(rollouts::plan_of_generation)),
        read("/rollouts/{name}/rollback/{wave}", get(rollouts::rollback)),
        act("/rollouts/{name}/agree", &[Approver, ApplicationOwner], post(decisions::agree)),
        act("/rollouts/{name}/prepare", &[Preparer], post(decisions::prepare)),
        act("/rollouts/{name}/authorise", &[Authoriser], post(decisions::authorise)),
        act("/rollouts/{name}/configure", &[Configurer], post(decisions::configure)),
        act("/rollouts/{name}/deploy", &[Deployer], post(decisions::deploy)),
        act("/rollouts/{name}/pause", &[Deployer], post(decisions::pause)),
        act("/rollouts/{name}/resume", &[Deployer], post(decisions::resume)),
        act("/rollouts/{name}/cancel", &[Deployer], post(decisions::cancel)),
        act("/rollouts/{name}/advance", &[Deployer], post(decisions::advance)),
        act("/rollouts/{name}/hosts/{host}/ignore", &[Deployer], post(decisions::ignore)),
        act(
            "/rollouts/{name}/hosts/{host}/steps/{step}/acknowledge",
            &[Deployer, ApplicationOwner],
            post(acknowledgements::acknowledge),
        ),
        read("/rollouts/{name}/hosts/{host}/why", get(rollouts::why)),
        read("/rollouts/{name}/events", get(events::stream)),
        act(
            "/rollouts/{name}/hosts/{host}/sign",
            &[ApplicationOwner, Deployer],
            post(signoff::sign),
        ),
        read("/rollouts/{name}/certificates", get(signoff::list)),
        read("/rollouts/{name}/hosts/{host}/certificate", get(signoff::envelope)),
        read("/rollouts/{name}/hosts/{host}/certificate.pdf", get(signoff::pages)),
        read("/rollouts/{name}/rehearsal", get(papers::rehearsal)),
        read("/rollouts/{name}/approach.pdf", get(papers::approach_pdf)),
        read("/rollouts/{name}/approach.html", get(papers::approach_html)),
        read("/rollouts/{name}/project-plan.pdf", get(papers::project_plan_pdf)),
        read("/rollouts/{name}/project-plan.html", get(papers::project_plan_html)),
        read("/rollouts/{name}/export.xlsx", get(papers::xlsx)),
        read("/rollouts/{name}/export.csv", get(papers::csv)),
        read("/rollouts/{name}/export.ics", get(papers::ics)),
        read("/questions", get(questions::list)),
        act(
            "/rollouts/{name}/hosts/{host}/steps/{step}/answer",
            &[ApplicationOwner, Deployer, Planner, Approver, Authoriser, Configurer],
            post(questions::answer),
        ),
        read("/uploads/{digest}", get(questions::uploaded)),
        read("/backups", get(backups::all)),
        read("/hosts/{host}/backups", get(backups::one)),
        act("/hosts/{host}/backups", &[Deployer], post(backups::ask)),
        act("/hosts/{host}/runbook-tests", &[Planner, Deployer], post(runbook_tests::ask)),
        read("/runbook-tests/{id}", get(runbook_tests::one)),
        read("/backup-schedules", get(backups::schedules)),
        act("/backup-schedules", &[Planner], post(backups::set_schedule)),
        act("/backup-schedules/{name}/remove", &[Planner], post(backups::remove_schedule)),
        read("/signing-key", get(signoff::key)),
    ]
}

/// Each route of the API: method, path below the prefix, and the rights of which one is needed; none means any token.
#[must_use]
pub fn access_table() -> Vec<(String, &'static str, &'static [Right])> {
    let row = |route: Route| {
        let rights = match route.needs {
            Needs::Anyone | Needs::AnyoneOrFeed => &[][..],
            Needs::OneOf(rights) => rights,
        };
        (route.method.to_string(), route.path, rights)
    };
    routes().into_iter().map(row).collect()
}

/// All routes of the table.
pub(crate) fn router(app: &App) -> Router<App> {
    let mut router = Router::new();
    for route in routes() {
        let guard = middleware::from_fn_with_state((app.clone(), route.needs), auth::guard);
        router = router.route(&format!("{PREFIX}{}", route.path), route.handler.layer(guard));
    }
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
