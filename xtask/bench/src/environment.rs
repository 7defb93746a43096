//! An environment on the AWS that moto plays, as jobs of the product plan and deploy it: with the real terraform and the
//! real provider, and the state in S3.

use serde_json::{Value, json};
use wire::Job;

use crate::clock;
use crate::figures::Bench;
use crate::moto::{self, Moto};
use crate::programs::Running;
use crate::system::System;
use crate::tool_clock::{Call, ToolClock};

const SNAPSHOT: &str = include_str!("../../../examples/environments/shop.json");
/// Where the product keeps states.
const STATES: &str = "spec-terraform-state";

/// A plane with a runner that can reach it.
pub(crate) struct Environment {
    /// Ends before those it speaks to.
    _runner: Running,
    system: System,
    tool_clock: ToolClock,
    snapshot: Value,
    _moto: Moto,
}

/// A job that succeeded.
pub(crate) struct Timed {
    /// When it was submitted, as of [`clock::now_ns`].
    begun_ns: i64,
    /// From submit to the end of its live log.
    pub(crate) total_ms: f64,
    /// Each call of terraform in it.
    pub(crate) calls: Vec<Call>,
    /// As the plane has it.
    pub(crate) job: Job,
}

impl Timed {
    /// What terraform took of it.
    pub(crate) fn tools_ms(&self) -> f64 {
        self.calls.iter().map(Call::ms).sum()
    }

    /// What terraform took beyond `by_hand`: what somebody who does the same without the product calls, each once.
    pub(crate) fn beyond_ms(&self, by_hand: &[&str]) -> f64 {
        let first = |verb: &&str| self.calls.iter().find(|call| call.verb == *verb);
        self.tools_ms() - by_hand.iter().filter_map(first).map(Call::ms).sum::<f64>()
    }

    /// What everything else took, the starts of what stamps among it.
    pub(crate) fn own_ms(&self) -> f64 {
        self.total_ms - self.tools_ms()
    }

    /// For the raw samples.
    pub(crate) fn raw(&self) -> Value {
        let call = |call: &Call| {
            let at = clock::ms_between(self.begun_ns, call.begun_ns);
            json!({"verb": call.verb, "at_ms": at, "ms": call.ms()})
        };
        let calls: Vec<_> = self.calls.iter().map(call).collect();
        json!({"total_ms": self.total_ms, "own_ms": self.own_ms(), "terraform": calls})
    }
}

impl Environment {
    /// Nothing of it is there yet.
    pub(crate) async fn start(bench: &Bench) -> anyhow::Result<Self> {
        let mirror = bench.provider_mirror()?.display().to_string();
        let moto = Moto::start(bench.brought.moto_python.as_deref()).await?;
        moto.make_bucket(STATES).await?;
        let system = System::start(&bench.programs, &bench.scratch).await?;
        let tool_clock = ToolClock::install(&bench.programs, system.folder().join("first"))?;
        let (endpoint, path) = (format!("http://{}", moto.host_port), tool_clock.path()?);
        let more = [
            ("PATH", path.as_str()),
            ("ALETHIA_PROVIDER_MIRROR", &mirror),
            // A job that is nobody at AWS: who the runner is must do, so no time goes into asking for more.
            ("ALETHIA_JOB_ENV", "AWS_*"),
            ("SUPABASE_S3_ENDPOINT", &endpoint),
            ("SUPABASE_S3_REGION", "eu-north-1"),
            ("SUPABASE_STORAGE_KEY_ID", "AKIASTATES"),
            ("SUPABASE_STORAGE_SECRET_KEY", "states"),
        ];
        let runner = system.register("environment").await?;
        let running = system.product_runner_in(&runner, &[&moto::environment(&endpoint)[..], &more[..]].concat())?;
        system.online(&runner).await?;
        let snapshot = serde_json::from_str(SNAPSHOT)?;
        Ok(Self { _runner: running, system, tool_clock, snapshot, _moto: moto })
    }

    /// Runs a job of a kind to its end.
    pub(crate) async fn run(&self, kind: &str) -> anyhow::Result<Timed> {
        let begun = clock::now_ns();
        let job = self.system.client.submit(kind, self.snapshot.clone()).await?;
        let ended = self.system.client.follow(&job).await?.ended_ns;
        let calls = self.tool_clock.calls(begun, ended)?;
        let job = self.system.client.job(job.id.as_str()).await?;
        Ok(Timed { begun_ns: begun, total_ms: clock::ms_between(begun, ended), calls, job })
    }
}
