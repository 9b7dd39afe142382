//! What people see, what nobody may see, and what cannot break out of a page.

mod sample;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use futures_util::StreamExt as _;
use refit_ambient::{Ambient, Boxed, Clock};
use refit_journal::OrderOutcome;
use refit_names::Digest;
use sample::{HOSTILE, Sample, TOKEN};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tower::ServiceExt as _;

/// A clock that stands until it is set; sleeping is real, so that streams go on.
struct StandingClock(AtomicI64);

impl Clock for StandingClock {
    fn now(&self) -> jiff::Timestamp {
        sample::at(self.0.load(Ordering::SeqCst))
    }
    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Bench {
    router: Router,
    source: Arc<Sample>,
    clock: Arc<StandingClock>,
    cookie: String,
}

fn bench() -> Bench {
    let clock = Arc::new(StandingClock(AtomicI64::new(10)));
    let ambient = Ambient { clock: clock.clone(), entropy: Ambient::system().entropy };
    let source = Arc::new(Sample::new());
    let router = refit_console::router(source.clone(), ambient);
    Bench { router, source, clock, cookie: String::new() }
}

impl Bench {
    async fn logged_in() -> Self {
        let mut bench = bench();
        let answer = bench.get(&format!("/login?token={TOKEN}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        assert!(!cookie.contains(TOKEN), "the cookie holds the token");
        bench.cookie = cookie.split(';').next().unwrap().to_owned();
        bench
    }

    async fn get(&self, path: &str) -> Response<Body> {
        let request = Request::get(path).header(COOKIE, &self.cookie).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn post(&self, path: &str, body: String) -> Response<Body> {
        let request =
            Request::post(path).header(COOKIE, &self.cookie).body(Body::from(body)).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("script-src 'unsafe"),
            "{policy}"
        );
        text(answer).await
    }
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

fn pages() -> Vec<String> {
    let pack = format!("/packs/{}", Digest::of(b"1200").to_hex());
    let fixed = [
        "/rollouts",
        "/rollouts/ledger-1200",
        "/rollouts/ledger-1200/hosts/web-01",
        "/rollouts/ledger-1200/hosts/web-03",
        "/fleet",
        "/fleet/web-01",
        "/risk",
        "/updates",
        "/windows",
        "/certificates",
    ];
    fixed.into_iter().map(str::to_owned).chain([pack]).collect()
}

#[tokio::test]
async fn nothing_is_seen_without_a_session() {
    let bench = bench();
    let files = [
        "/",
        "/rollouts/ledger-1200/events",
        "/rollouts/ledger-1200/hosts/web-01/certificate.pdf",
        "/rollouts/ledger-1200/papers/approach.pdf",
        "/signoff.pub.pem",
    ];
    for path in pages().iter().map(String::as_str).chain(files) {
        let answer = bench.get(path).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers()[LOCATION], "/login", "{path}");
    }
    let record = Digest::of(b"1200").to_hex();
    let answer = bench.get(&format!("/pack-pages/guessed/{record}/index.html")).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_token_is_refused_and_right_one_opens_a_session() {
    let bench = bench();
    let refused = bench.post("/login", "token=rfu1.wrong".to_owned()).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers().get(SET_COOKIE).is_none());
    assert!(text(refused).await.contains("the token is not known"));
    let entered = bench.post("/login", format!("token={TOKEN}")).await;
    assert!(entered.headers().get(SET_COOKIE).is_some());
    let huge = bench.post("/login", format!("token={}", "x".repeat(100_000))).await;
    assert_eq!(huge.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn session_ends_by_logout_by_age_and_when_the_token_is_taken_back() {
    let bench = Bench::logged_in().await;
    assert_eq!(bench.get("/fleet").await.status(), StatusCode::OK);
    bench.post("/logout", String::new()).await;
    assert_eq!(bench.get("/fleet").await.status(), StatusCode::SEE_OTHER);

    let bench = Bench::logged_in().await;
    bench.clock.0.store(13 * 3_600, Ordering::SeqCst);
    assert_eq!(bench.get("/fleet").await.status(), StatusCode::SEE_OTHER);

    let bench = Bench::logged_in().await;
    *bench.source.token_counts.lock().unwrap() = false;
    assert_eq!(bench.get("/fleet").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn no_text_becomes_markup_and_nothing_comes_from_elsewhere() {
    let bench = Bench::logged_in().await;
    for path in pages() {
        let page = bench.text(&path).await;
        assert!(!page.contains(HOSTILE), "{path} has unescaped text");
        assert!(!page.contains("<script>"), "{path} has a script in it");
        assert!(!page.contains(" style="), "{path} has a style in it");
        for line in page.lines().filter(|line| line.contains("src=") || line.contains("href=")) {
            assert!(!line.contains("=\"http") && !line.contains("=\"//"), "{path}: {line}");
        }
    }
}

#[tokio::test]
async fn rollout_says_what_it_waits_for_and_how_far_each_host_is() {
    let bench = Bench::logged_in().await;
    let page = bench.text("/rollouts/ledger-1200").await;
    for expected in [
        "Wave 2 runs",
        "leg 2/2 · install · migrate",
        "4.2 s of 9 s",
        "value=\"68\"",
        "6.0 MiB of 78.2 MiB",
        "approver, owner",
        "1 to acknowledge",
    ] {
        assert!(page.contains(expected), "no `{expected}`");
    }
    let page = bench.text("/rollouts/ledger-1200/hosts/web-01").await;
    for expected in [
        "<code>memory</code></td><td class=\"any\">96 MiB available",
        "owner, ",
        "refit rollout acknowledge ledger-1200 web-01 memory-again --reason",
    ] {
        assert!(page.contains(expected), "no `{expected}`");
    }
    let why = bench.text("/rollouts/ledger-1200/hosts/db-01").await;
    assert!(why.contains("wave 2 reaches its goal of 80 %"));
}

#[tokio::test]
async fn what_does_not_exist_is_a_page_with_its_code() {
    let bench = Bench::logged_in().await;
    for path in [
        "/rollouts/other",
        "/rollouts/-x",
        "/rollouts/ledger-1200/hosts/other",
        "/packs/xyz",
        "/nothing",
    ] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(answer).await.contains("not-found"), "{path}");
    }
}

#[tokio::test]
async fn pages_of_packs_are_sandboxed_and_need_the_sessions_key() {
    let bench = Bench::logged_in().await;
    let record = Digest::of(b"1200").to_hex();
    let page = bench.text(&format!("/packs/{record}")).await;
    let start = page.find("/pack-pages/").unwrap();
    let address: String = page[start..].chars().take_while(|c| *c != '"').collect();
    assert!(page.contains("<iframe sandbox "));
    let request = Request::get(&address).body(Body::empty()).unwrap();
    let answer = bench.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("sandbox;") && !policy.contains("script-src"), "{policy}");
    let outside = address.replace("index.html", "..%2f..%2fetc%2fpasswd");
    assert_eq!(bench.get(&outside).await.status(), StatusCode::NOT_FOUND);
    bench.post("/logout", String::new()).await;
    assert_eq!(bench.get(&address).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn certificates_are_files_with_their_names() {
    let bench = Bench::logged_in().await;
    let answer = bench.get("/rollouts/ledger-1200/hosts/web-01/certificate.pdf").await;
    assert_eq!(
        answer.headers()["content-disposition"],
        "attachment; filename=\"north - web-01 - 2026-09-21.pdf\""
    );
    let list = bench.text("/certificates").await;
    assert!(list.contains("north - web-02 - 2026-09-21") && list.contains("draft"));
}

#[tokio::test]
async fn a_plan_has_its_documents_as_files_and_no_others() {
    let bench = Bench::logged_in().await;
    let page = bench.text("/rollouts/ledger-1200").await;
    for file in ["approach.pdf", "project-plan.html", "plan.xlsx", "plan.csv", "plan.ics"] {
        let path = format!("/rollouts/ledger-1200/papers/{file}");
        assert!(page.contains(&format!("href=\"{path}\"")), "{file} is not linked");
        let answer = bench.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let name = format!("attachment; filename=\"ledger-1200 - {file}\"");
        assert_eq!(answer.headers()["content-disposition"], name.as_str());
    }
    let answer = bench.get("/rollouts/ledger-1200/papers/plan.exe").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_bring_only_what_changed_and_end_with_the_rollout() {
    let bench = Bench::logged_in().await;
    let answer = bench.get("/rollouts/ledger-1200/events").await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.into_body().into_data_stream();
    let mut next = async || {
        let limit = Duration::from_secs(20);
        let bytes =
            tokio::time::timeout(limit, stream.next()).await.expect("no event in time")?.unwrap();
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    };
    let first = next().await.unwrap();
    assert!(first.contains("host-web-01") && first.contains("host-db-02"));
    {
        let mut view = bench.source.view.lock().unwrap_or_else(PoisonError::into_inner);
        sample::finish(&mut view, OrderOutcome::Succeeded { build: "1200".parse().unwrap() });
    }
    bench.source.news.notify_waiters();
    let second = next().await.unwrap();
    assert!(second.contains("host-web-04") && second.contains("succeeded"));
    assert!(!second.contains("host-web-01"), "sent again what had not changed");
    bench.source.view.lock().unwrap().state = refit_rollout::RolloutState::Completed;
    bench.source.news.notify_waiters();
    let mut last = next().await.unwrap();
    while !last.contains("event: over") {
        last = next().await.unwrap();
    }
    assert!(next().await.is_none(), "the stream goes on after the rollout is over");
}

#[tokio::test]
async fn expression_stays_in_its_box_and_what_is_wrong_with_it_is_said_there() {
    let bench = Bench::logged_in().await;
    let right = bench.text("/fleet?where=risk%20%3E%201").await;
    assert!(right.contains("value=\"risk &#62; 1\"") && right.contains("web-01"), "{right}");
    let wrong = bench.text("/fleet?where=rsk%20%3E%20%22%3Cscript%3E%22").await;
    assert!(wrong.contains("expression names `rsk` at character 1"), "{wrong}");
    assert!(!wrong.contains("<script>") && !wrong.contains("There is no host yet"), "{wrong}");
}

#[tokio::test]
async fn risk_page_shows_where_a_risk_stands_and_what_its_mitigation_changed() {
    let bench = Bench::logged_in().await;
    let page = bench.text("/risk").await;
    for part in ["#7 db-03", "1 × 3 = 3, was 20", "62 → 45", "mitigated", "2026-06-30"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let host = bench.text("/fleet/db-03").await;
    assert!(host.contains("Stated risks") && host.contains("battery is replaced"), "{host}");
}
