//! Why a request was refused, and how every error becomes a problem on the wire.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use refit_inventory::FleetFault;
use refit_names::ErrorClass;
use refit_names::{Coded, Digest, HostName, PersonName, RolloutName, chain};
use refit_protocol::{Problem, problem::PROBLEM_JSON, v1::Right};
use refit_store::{StoreError, enrolment::RedeemError};
use std::collections::BTreeSet;

/// Why the server does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("request has no bearer token")]
    TokenMissing,
    #[error("bearer token belongs to nobody")]
    TokenUnknown,
    #[error("`{person}` has the rights {}, expected one of {}", names(found), names(expected))]
    RightMissing { person: PersonName, expected: Vec<Right>, found: BTreeSet<Right> },
    #[error("there is no {method} {path}")]
    NoRoute { method: String, path: String },
    #[error("{path} does not take {method}")]
    MethodNotAllowed { method: String, path: String },
    #[error("body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("request was not understood: {what}")]
    NotUnderstood { what: String },
    #[error("request took longer than {seconds} s")]
    TooSlow { seconds: u64 },
    #[error("request hit a bug in the server; its log says more")]
    Bug,
    #[error("{what} `{key}` does not exist")]
    NotFound { what: &'static str, key: String },
    #[error("{what} `{key}` does not exist{meant}")]
    Misnamed { what: &'static str, key: String, meant: String },
    #[error("call carries no certificate of a host")]
    NoCertificate,
    #[error("host `{host}` is not known to this server")]
    HostUnknown { host: HostName },
    #[error("host `{host}` is retired")]
    HostRetired { host: HostName },
    #[error("agent speaks protocol {found}, expected {expected}")]
    Protocol { found: u32, expected: u32 },
    #[error("rollout `{rollout}` has no plan")]
    NoPlan { rollout: RolloutName },
    #[error("plan {plan} has findings: {}", findings.join("; "))]
    Findings { plan: Digest, findings: Vec<String> },
    #[error(
        "plan rests on builds that are only stated, expected agents that saw the same: {}",
        first(hosts)
    )]
    OnlyStated { hosts: Vec<String> },
    #[error(
        "server has no repository, expected one from `--repository-metadata` and `--repository-targets`"
    )]
    NoRepository,
    #[error("channel cannot be used: {what}")]
    Channel { what: String },
    #[error("repository was not refreshed with success yet")]
    RepositoryEmpty,
    #[error("host `{host}` of rollout `{rollout}` has not finished: {standing}")]
    NotFinished { rollout: RolloutName, host: HostName, standing: String },
    #[error("certificate needs the signatures of {}, found {found}", names(expected))]
    PartyNotAsked { expected: BTreeSet<Right>, found: Right },
    #[error("application of host `{host}` is owned by `{expected}`, found `{found}`")]
    NotOwner { host: HostName, expected: PersonName, found: PersonName },
    #[error("party {party} signed for host `{host}` already")]
    SignedAlready { host: HostName, party: Right },
    #[error("configuration is not allowed: {what}")]
    Configuration { what: String },
    #[error("`{field}` is out of range: expected {expected}, found {found}")]
    OutOfRange { field: &'static str, expected: String, found: String },
    #[error("{}, nothing was changed: {}", refit_names::counted(faults.len(), "fault"), first(faults))]
    FleetFaults { faults: Vec<FleetFault> },
    #[error("weights are wrong, nothing was changed: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Weights { errors: Vec<refit_risk::WeightError> },
    #[error("window `{window}` is named by {count} hosts and people, such as {}; expected none", users.join(", "))]
    WindowInUse { window: refit_names::WindowName, count: usize, users: Vec<String> },
    #[error("certificate signing request of host `{host}` cannot be signed")]
    Csr { host: HostName, source: crate::authority::RequestError },
}

/// Rights by the names that people write.
fn names<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    rights.into_iter().map(Right::to_string).collect::<Vec<_>>().join(", ")
}

/// Faults that fit into one line.
fn first(faults: &[impl ToString]) -> String {
    let shown = faults.iter().take(3).map(ToString::to_string);
    let more = if faults.len() > 3 { "; …" } else { "" };
    shown.collect::<Vec<_>>().join("; ") + more
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::TokenMissing | Self::TokenUnknown | Self::NoCertificate => {
                StatusCode::UNAUTHORIZED
            }
            Self::RightMissing { .. }
            | Self::HostUnknown { .. }
            | Self::HostRetired { .. }
            | Self::NotOwner { .. } => StatusCode::FORBIDDEN,
            Self::NoRoute { .. } | Self::NotFound { .. } | Self::Misnamed { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotUnderstood { .. } | Self::Protocol { .. } | Self::Csr { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::OutOfRange { .. }
            | Self::Channel { .. }
            | Self::Configuration { .. }
            | Self::FleetFaults { .. }
            | Self::Weights { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooSlow { .. } | Self::NoRepository | Self::RepositoryEmpty => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Bug => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoPlan { .. }
            | Self::Findings { .. }
            | Self::OnlyStated { .. }
            | Self::WindowInUse { .. }
            | Self::NotFinished { .. }
            | Self::PartyNotAsked { .. }
            | Self::SignedAlready { .. } => StatusCode::CONFLICT,
        }
    }
}

impl Coded for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "auth.token-missing",
            Self::TokenUnknown => "auth.token-unknown",
            Self::RightMissing { .. } => "auth.right-missing",
            Self::NoRoute { .. } => "http.no-such-route",
            Self::MethodNotAllowed { .. } => "http.method-not-allowed",
            Self::BodyTooLarge { .. } => "http.body-too-large",
            Self::NotUnderstood { .. } => "http.not-understood",
            Self::TooSlow { .. } => "http.too-slow",
            Self::Bug => "http.bug",
            Self::NotFound { .. } | Self::Misnamed { .. } => "api.not-found",
            Self::NoCertificate => "agent.no-certificate",
            Self::HostUnknown { .. } => "agent.host-unknown",
            Self::HostRetired { .. } => "agent.host-retired",
            Self::Protocol { .. } => "agent.protocol-version",
            Self::NoPlan { .. } => "rollout.no-plan",
            Self::Findings { .. } => "rollout.plan-has-findings",
            Self::OnlyStated { .. } => "rollout.only-stated",
            Self::NoRepository => "server.no-repository",
            Self::RepositoryEmpty => "server.repository-empty",
            Self::Channel { .. } => "notify.unfit-channel",
            Self::NotFinished { .. } => "signoff.not-finished",
            Self::PartyNotAsked { .. } => "signoff.party-not-asked",
            Self::NotOwner { .. } => "signoff.not-owner",
            Self::SignedAlready { .. } => "signoff.signed-already",
            Self::Configuration { .. } => "rollout.configuration",
            Self::OutOfRange { .. } => "api.out-of-range",
            Self::FleetFaults { .. } => "fleet.faults",
            Self::Weights { .. } => "risk.weights",
            Self::WindowInUse { .. } => "window.in-use",
            Self::Csr { .. } => "enrol.bad-request",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::TooSlow { .. } | Self::RepositoryEmpty => ErrorClass::Retry,
            Self::Bug | Self::SignedAlready { .. } => ErrorClass::Permanent,
            _ => ErrorClass::NeedsOperator,
        }
    }
}

/// A problem on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiError(Problem);

/// What handlers return.
pub(crate) type Answer<T> = Result<T, ApiError>;

impl ApiError {
    /// Makes a problem of any error that has a code.
    pub(crate) fn of(status: StatusCode, error: &(impl Coded + 'static)) -> Self {
        let detail = chain(error);
        if status.is_server_error() {
            tracing::error!(code = error.code(), detail, "request failed");
        }
        Self(Problem::new(error.code(), status.as_u16(), &error.to_string(), detail))
    }
}

impl From<Refusal> for ApiError {
    fn from(error: Refusal) -> Self {
        let mut made = Self::of(error.status(), &error);
        if let Refusal::FleetFaults { faults } = error {
            made.0.faults = faults;
        }
        made
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Exists { .. }
            | StoreError::Conflict { .. }
            | StoreError::Gap { .. }
            | StoreError::ChainBroken { .. } => StatusCode::CONFLICT,
            StoreError::Missing { .. } => StatusCode::NOT_FOUND,
            StoreError::Database { .. } => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::Url { .. } | StoreError::Damaged { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::of(status, &error)
    }
}

impl From<refit_rollout::IllegalMove> for ApiError {
    fn from(error: refit_rollout::IllegalMove) -> Self {
        let status = match &error {
            refit_rollout::IllegalMove::Author { .. } => StatusCode::FORBIDDEN,
            refit_rollout::IllegalMove::UnknownHost { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self::of(status, &error)
    }
}

impl From<refit_planner::PlanError> for ApiError {
    fn from(error: refit_planner::PlanError) -> Self {
        use refit_planner::{Fault, PlanError};
        let status = match &error {
            PlanError::Faults(faults) => match &faults[..] {
                [
                    Fault::UnknownHosts { .. }
                    | Fault::UnknownTarget { .. }
                    | Fault::UnknownProduct { .. },
                ] => StatusCode::NOT_FOUND,
                // The request is lawful; it is the state of the fleet that forbids it.
                [Fault::Circle { .. }] => StatusCode::CONFLICT,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            },
            PlanError::Nobody { .. } | PlanError::DoesNotFit { .. } => StatusCode::CONFLICT,
        };
        Self::of(status, &error)
    }
}

impl From<refit_calendar::CalendarErrors> for ApiError {
    fn from(errors: refit_calendar::CalendarErrors) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, &errors)
    }
}

impl From<refit_calendar::UnknownWindow> for ApiError {
    fn from(error: refit_calendar::UnknownWindow) -> Self {
        Self::of(StatusCode::NOT_FOUND, &error)
    }
}

impl From<refit_expression::ExpressionError> for ApiError {
    fn from(error: refit_expression::ExpressionError) -> Self {
        let status = match &error {
            refit_expression::ExpressionError::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::of(status, &error)
    }
}

impl From<refit_packs::catalog::PathError> for ApiError {
    fn from(error: refit_packs::catalog::PathError) -> Self {
        let status = match &error {
            refit_packs::catalog::PathError::UnknownProduct { .. }
            | refit_packs::catalog::PathError::UnknownBuild { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Self::of(status, &error)
    }
}

impl From<refit_repository::RepositoryError> for ApiError {
    fn from(error: refit_repository::RepositoryError) -> Self {
        Self::of(StatusCode::BAD_GATEWAY, &error)
    }
}

impl From<refit_content::ContentError> for ApiError {
    fn from(error: refit_content::ContentError) -> Self {
        Self::of(StatusCode::BAD_GATEWAY, &error)
    }
}

impl From<refit_documents::CertificateError> for ApiError {
    fn from(error: refit_documents::CertificateError) -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, &error)
    }
}

impl From<refit_documents::PdfError> for ApiError {
    fn from(error: refit_documents::PdfError) -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, &error)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        error.0
    }
}

impl From<RedeemError> for ApiError {
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Store(error) => error.into(),
            error => Self::of(StatusCode::FORBIDDEN, &error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))];
        (status, kind, body).into_response()
    }
}
