//! The seam to the outside that every program gets as an argument: time and randomness.
//!
//! Here: two traits with their real providers; `lab/testkit` provides the simulated ones.
//! Deliberately not here: the network (each client takes its address and its connector as arguments).
//! Called by: agent, server, client, host.
//!
//! Invariant: nothing above floor 1 asks the operating system for time or randomness except through this.

use jiff::Timestamp;
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// A future that is held behind a trait object.
pub type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Tells and waits for time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, duration: Duration) -> Boxed<'_>;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// Both, as programs pass them around.
#[derive(Clone)]
pub struct Ambient {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Ambient {
    /// Those of the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// A random token of 256 bits as 64 hexadecimal digits.
    #[must_use]
    pub fn token(&self) -> String {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The machine's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The machine's randomness.
struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The provider reads the kernel's generator; it fails only on a machine without one, where no key could be made either.
        if aws_lc_rs::rand::fill(bytes).is_err() {
            std::process::abort();
        }
    }
}
