//! Makes metrics: named, registered, and remembered with their meaning.

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
};

/// Name, labels and meaning of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub kind: &'static str,
    pub labels: String,
    pub help: &'static str,
}

/// Makes metrics, registers them and keeps their definitions.
#[derive(Default)]
pub(super) struct Make {
    pub(super) registry: Registry,
    pub(super) definitions: Vec<Definition>,
}

impl Make {
    fn opts(&mut self, kind: &'static str, name: &str, labels: &[&str], help: &'static str) -> Opts {
        let name = format!("gatekeeper_{name}");
        self.definitions.push(Definition { name: name.clone(), kind, labels: labels.join(", "), help });
        Opts::new(name, help)
    }

    fn registered<C: prometheus::core::Collector + Clone + 'static>(&self, metric: C) -> Result<C> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(super) fn counter(&mut self, name: &str, help: &'static str) -> Result<IntCounter> {
        let opts = self.opts("counter", name, &[], help);
        self.registered(IntCounter::with_opts(opts)?)
    }

    pub(super) fn counters(&mut self, name: &str, labels: &[&str], help: &'static str) -> Result<IntCounterVec> {
        let opts = self.opts("counter", name, labels, help);
        self.registered(IntCounterVec::new(opts, labels)?)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &'static str) -> Result<IntGauge> {
        let opts = self.opts("gauge", name, &[], help);
        self.registered(IntGauge::with_opts(opts)?)
    }

    pub(super) fn gauges(&mut self, name: &str, labels: &[&str], help: &'static str) -> Result<IntGaugeVec> {
        let opts = self.opts("gauge", name, labels, help);
        self.registered(IntGaugeVec::new(opts, labels)?)
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        labels: &[&str],
        buckets: &[f64],
        help: &'static str,
    ) -> Result<HistogramVec> {
        let opts = HistogramOpts::from(self.opts("histogram", name, labels, help)).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(opts, labels)?)
    }

    /// The usual `process_*` metrics, which the crate defines.
    pub(super) fn process_metrics(&self) -> Result<()> {
        self.registry.register(Box::new(ProcessCollector::for_self()))
    }
}
