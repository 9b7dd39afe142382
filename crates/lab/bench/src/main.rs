//! Entry point of `refit-bench`.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    refit_bench::command::run().await
}
