//! A store whose calls are counted and timed by kind: `/metrics` shows that polls and admitted requests make none.

use crate::clock::Clock;
use crate::queue::{Arrival, Change, Finished, Newcomer, Report, Standing, Synced, Ticket, Visitor};
use crate::store::{RoomRef, Store, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::words::{StoreCall, StoreResult};
use async_trait::async_trait;
use std::sync::Arc;

/// Wraps any store.
pub struct CountedStore {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl CountedStore {
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { store, metrics, clock }
    }

    async fn count<T>(
        &self,
        call: StoreCall,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = self.clock.micros();
        let result = work.await;
        let seconds = self.clock.micros().saturating_sub(started) as f64 / 1_000_000.0;
        let outcome = match &result {
            Ok(_) => StoreResult::Ok,
            Err(StoreError::Unavailable(_)) => StoreResult::Unavailable,
            Err(StoreError::Refused(_)) => StoreResult::Refused,
        };
        self.metrics.store.called(call, outcome, seconds);
        self.metrics.store_up.set(i64::from(outcome == StoreResult::Ok));
        result
    }
}

#[async_trait]
impl Store for CountedStore {
    async fn arrive(&self, room: RoomRef<'_>, newcomer: Newcomer) -> Result<Arrival, StoreError> {
        self.count(StoreCall::Arrive, self.store.arrive(room, newcomer)).await
    }

    async fn claim(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Standing, StoreError> {
        self.count(StoreCall::Claim, self.store.claim(room, visitor, ticket)).await
    }

    async fn finish(&self, room: RoomRef<'_>, visitor: Visitor, ticket: Ticket) -> Result<Finished, StoreError> {
        self.count(StoreCall::Finish, self.store.finish(room, visitor, ticket)).await
    }

    async fn sync(&self, room: RoomRef<'_>, report: &Report) -> Result<Synced, StoreError> {
        self.count(StoreCall::Sync, self.store.sync(room, report)).await
    }

    async fn settings(&self, room: RoomRef<'_>) -> Result<(u64, Change), StoreError> {
        self.count(StoreCall::Settings, self.store.settings(room)).await
    }

    async fn put_settings(&self, room: RoomRef<'_>, change: &Change) -> Result<(u64, Change), StoreError> {
        self.count(StoreCall::PutSettings, self.store.put_settings(room, change)).await
    }
}
