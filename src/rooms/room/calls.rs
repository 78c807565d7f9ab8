//! The calls of a room that do go to the store, each for one visitor or for the settings.

use super::{FinishOutcome, LiveRoom, Unavailable};
use crate::queue::{
    AddressKey, Arrival, Change, Entry, Finished, Life, Newcomer, Renewal, Settings, Standing, Stay, Ticket, Visitor,
};
use crate::rooms::view::Contact;
use crate::store::StoreError;

/// A stay that began so lately began with this call.
const JUST_NOW_MS: u64 = 500;

impl LiveRoom {
    /// Asks the store for a place, or to let in on the spot.
    pub async fn arrive(&self, newcomer: Newcomer) -> Result<Arrival, Unavailable> {
        let defaults = self.defaults.load();
        let mut arrival = self.told(self.store.arrive(self.reference(&defaults), newcomer).await)?;
        match &mut arrival {
            Arrival::Admitted(stay) => self.taken(newcomer.visitor, newcomer.ticket, *stay),
            Arrival::Entered { position } => *position = self.at_least(*position, newcomer.ticket),
            _ => {}
        }
        Ok(arrival)
    }

    /// Comes in with a ticket where nobody waits.
    pub async fn walk_in(&self, visitor: Visitor, ticket: Ticket, address: AddressKey) -> Result<Arrival, Unavailable> {
        self.arrive(Newcomer { visitor, ticket, address, entry: Entry::WalkIn, until: None, met: Life::default() })
            .await
    }

    /// Asks the store where a visitor stands; takes the turn if it came.
    pub async fn claim(&self, visitor: Visitor, ticket: Ticket) -> Result<Standing, Unavailable> {
        // The instance's own machine doesn't know what the store was told before it went away.
        let is_alone = matches!(self.view().contact, Contact::Alone { .. });
        if is_alone && let Some(stay) = self.stays().running(visitor, ticket, self.now()) {
            return Ok(Standing::Ready(stay));
        }
        let defaults = self.defaults.load();
        let mut standing = self.told(self.store.claim(self.reference(&defaults), visitor, ticket).await)?;
        match &mut standing {
            Standing::Ready(stay) => self.taken(visitor, ticket, *stay),
            Standing::Waiting { position } => *position = self.at_least(*position, ticket),
            Standing::Spent | Standing::Unknown => {}
        }
        Ok(standing)
    }

    /// A turn was taken by a call. The next sync tells it again: a store that goes back by less than a sync is not found
    /// out, so what happens between two of them must not stand in one call alone.
    fn taken(&self, visitor: Visitor, ticket: Ticket, stay: Stay) {
        if !self.stays().note(visitor, ticket, stay) {
            return;
        }
        self.pending().renewal(Renewal { visitor, ticket, stay });
        // Where it began longer ago, another instance counted it.
        if self.now().ms_since(stay.since) < JUST_NOW_MS {
            self.metrics.admitted.inc();
        }
    }

    /// While the store is away only a part of the line is counted.
    fn at_least(&self, position: u64, ticket: Ticket) -> u64 {
        let view = self.view();
        if matches!(view.contact, Contact::Alone { .. }) { position.max(view.position(ticket)) } else { position }
    }

    /// Ends a stay: on this instance at once, on the others by their next sync. While the store is away it holds here,
    /// is answered from what the token says (`stay`), and handed in later.
    pub async fn finish(&self, visitor: Visitor, ticket: Ticket, stay: Option<Stay>) -> FinishOutcome {
        if self.is_revoked(visitor, ticket) {
            return FinishOutcome::NotReady;
        }
        let stay = stay.filter(|stay| stay.until > self.now());
        let mut answer = self.finish_in_store(visitor, ticket).await;
        // The token says otherwise: the store forgot the turn, or hasn't heard yet of one that an instance gave alone.
        if let (Ok(Finished::NotReady), Some(stay)) = (answer, stay) {
            let carried_by = self.renew(Renewal { visitor, ticket, stay });
            answer = match self.is_carried(carried_by).await {
                true => self.finish_in_store(visitor, ticket).await,
                false => Err(Unavailable),
            };
        }
        let revoke = || self.revoke(visitor, ticket, self.now().0 * 1000);
        let is_cleared = match answer {
            Ok(Finished::Cleared) => {
                revoke();
                true
            }
            Err(Unavailable) => stay.is_some() && revoke(),
            Ok(Finished::NotReady) => false,
        };
        if !is_cleared {
            return FinishOutcome::NotReady;
        }
        self.metrics.finished.inc();
        // Where the store has it already: as in `taken`.
        self.pending().finish(visitor, ticket);
        FinishOutcome::Cleared
    }

    async fn finish_in_store(&self, visitor: Visitor, ticket: Ticket) -> Result<Finished, Unavailable> {
        let defaults = self.defaults.load();
        self.told(self.store.finish(self.reference(&defaults), visitor, ticket).await)
    }

    /// The settings in force, from the store.
    pub async fn settings(&self) -> Result<Settings, Unavailable> {
        let defaults = self.defaults.load();
        let (_, changed) = self.told(self.store.settings(self.reference(&defaults)).await)?;
        Ok(Settings::with(&defaults, &changed))
    }

    /// Changes what is named: at once here, on the others by their next sync.
    pub async fn change_settings(&self, change: &Change) -> Result<Settings, Unavailable> {
        let defaults = self.defaults.load();
        let (version, changed) = self.told(self.store.put_settings(self.reference(&defaults), change).await)?;
        let settings = Settings::with(&defaults, &changed);
        *self.changed() = (version, changed);
        self.update_view(|view| view.settings = settings.clone());
        Ok(settings)
    }

    /// A failure makes the contact "lost" until the next sync tells otherwise; the store's own layer logs it. An
    /// instance that is on its own knows already.
    fn told<T>(&self, result: Result<T, StoreError>) -> Result<T, Unavailable> {
        result.map_err(|_| {
            if matches!(self.view().contact, Contact::Shared) {
                self.update_view(|view| view.contact = Contact::Lost);
            }
            Unavailable
        })
    }
}
