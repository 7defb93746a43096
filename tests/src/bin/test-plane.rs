//! A plane on a folder: `test-plane DATA-DIR PORT [NAME=MS]... [public_url=URL]`, where the names are those of `Timings`.
//! Its first line of output is its address.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use control_plane::{Config, Limits, SecretReaders, Timings};
use executor_api::{ExecutorPlugin, ExecutorRegistry};
use executor_terraform as _;
use hello_executor as _;
use system_tests as _;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let data_dir = args.next().context("a data folder")?.into();
    let port = args.next().context("a port")?.parse()?;
    let (mut timings, mut public_url) = (Timings::default(), None);
    for arg in args {
        match arg.strip_prefix("public_url=") {
            Some(url) => public_url = Some(url.parse()?),
            None => set(&mut timings, &arg)?,
        }
    }
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    // A runner of the seed's contract brings none.
    let kinds = ExecutorRegistry::from_linked()?.iter().map(ExecutorPlugin::info).collect();
    let config = Config {
        listen,
        data_dir,
        kinds,
        timings,
        limits: Limits::default(),
        secret_readers: SecretReaders::default(),
        public_url,
        runner_image: None,
    };
    let plane = control_plane::start(config).await?;
    println!("http://{}", plane.address());
    plane.run(CancellationToken::new()).await
}

fn set(timings: &mut Timings, arg: &str) -> anyhow::Result<()> {
    let (name, ms) = arg.split_once('=').context("timings are NAME=MS")?;
    let time = match name {
        "online" => &mut timings.online,
        "lease" => &mut timings.lease,
        "silence" => &mut timings.silence,
        "unacknowledged" => &mut timings.unacknowledged,
        "reap_every" => &mut timings.reap_every,
        "claim_wait" => &mut timings.claim_wait,
        _ => anyhow::bail!("there is no timing {name}"),
    };
    *time = Duration::from_millis(ms.parse()?);
    Ok(())
}
