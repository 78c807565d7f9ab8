//! What a template of the waiting page may use: [`PageContext`], every field of it, and a sample for every state.
//!
//! To add a field: document it here with its unit, give it at least two values among the samples (a test insists: a page
//! is checked with the samples, so what never varies is never checked), and use it in `templates/waiting.html`.

use serde::Serialize;

use super::address::LocalUrl;

/// What the page says. The template gets the name in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PageState {
    /// In line.
    #[default]
    Waiting,
    /// In line, and nobody is let in.
    Paused,
    /// Nobody is let in and no places are given out.
    Closed,
    /// The turn has come. A page reaches it by script; nobody is shown a page while ready, except as a preview.
    Ready,
    /// In line, but nothing is known at the moment. A page reaches it by script when its polls fail.
    Reconnecting,
}

/// An estimate of the wait; the page rounds it outwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PageEta {
    /// Seconds, if all goes well.
    pub low_seconds: u64,
    /// Seconds, at least `low_seconds`.
    pub high_seconds: u64,
}

/// Everything that a template may use. Text is plain text: the template escapes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct PageContext {
    /// The room's name in the configuration. The page keys what it remembers by it; visitors don't see it.
    pub room: String,
    /// What the operator calls the room, as visitors read it.
    pub title: String,
    /// What the page says first; the script goes on from there.
    pub state: PageState,
    /// The place in line, 1 at its head; none where it isn't known (yet). Set it by [`PageContext::at`].
    pub position: Option<u64>,
    /// How many people are ahead: one less than `position`, none exactly where that is none.
    pub ahead: Option<u64>,
    /// How many people are in the line altogether, if known.
    pub waiting: Option<u64>,
    /// The estimate; none where it can't be computed.
    pub eta: Option<PageEta>,
    /// When this place was taken, milliseconds since the Unix epoch; none where there is none. By it a page knows an
    /// old place's progress from a new one's.
    pub joined_ms: Option<u64>,
    /// The operator's message, up to 500 characters with line breaks; empty: none.
    pub message: String,
    /// The request had a body (a form's POST) that was not forwarded. Such a page never sends it again by itself.
    pub nothing_sent: bool,
    /// The second contact without a cookie: the page explains, and neither polls nor reloads.
    pub cookies_missing: bool,
    /// Where to poll, e.g. `/.gatekeeper/queue/status?room=checkout`.
    pub status_url: LocalUrl,
    /// Where a script may ask for a place, e.g. `/.gatekeeper/queue/enqueue?room=checkout`. Given only where this answer
    /// could set no cookie (a cross-site POST); the page then asks once, if its first poll finds no place.
    pub enqueue_url: Option<LocalUrl>,
    /// The requested address without its fragment: what the reload without scripts goes to.
    pub reload_url: LocalUrl,
    /// How often to poll where an answer doesn't say, milliseconds. The reload without scripts is never faster.
    pub poll_after_ms: u64,
    /// How long the place is kept while nothing is heard from the visitor, seconds.
    pub retention_seconds: u64,
    /// How long a turn lasts, seconds.
    pub ready_ttl_seconds: u64,
    /// Whether each page opened starts that time anew …
    pub ready_renews: bool,
    /// … up to so many seconds in all.
    pub ready_max_seconds: u64,
}

impl PageContext {
    /// A page of this room, which holds no place yet and has the default settings.
    pub fn new(room: &str, title: &str) -> Self {
        Self {
            room: room.to_owned(),
            title: title.to_owned(),
            state: PageState::default(),
            position: None,
            ahead: None,
            waiting: None,
            eta: None,
            joined_ms: None,
            message: String::new(),
            nothing_sent: false,
            cookies_missing: false,
            status_url: LocalUrl::new("/.gatekeeper/queue/status"),
            enqueue_url: None,
            reload_url: LocalUrl::new("/"),
            poll_after_ms: 5000,
            retention_seconds: 1800,
            ready_ttl_seconds: 600,
            ready_renews: true,
            ready_max_seconds: 7200,
        }
    }

    /// The same page at this place in line, 1 at its head.
    #[must_use]
    pub fn at(mut self, position: Option<u64>) -> Self {
        self.position = position.map(|place| place.max(1));
        self.ahead = self.position.map(|place| place - 1);
        self
    }

    /// One page for every state and condition that a template has to cope with, by name. No two agree in everything
    /// that a visitor or an operator can change.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let first = Self::new("checkout", "Harbour Hall Tickets").at(Some(342));
        let waiting = Self {
            waiting: Some(1284),
            eta: Some(PageEta { low_seconds: 480, high_seconds: 700 }),
            joined_ms: Some(1_760_000_000_000),
            status_url: LocalUrl::new("/.gatekeeper/queue/status?room=checkout"),
            reload_url: LocalUrl::new("/book?seat=14&row=C"),
            ..first
        };
        let message = "Tonight's show starts at 20:30.\nThere are seats left for everybody who is in line now.";
        vec![
            ("waiting", waiting.clone()),
            ("message", Self { message: message.to_owned(), poll_after_ms: 2000, ..waiting.clone() }),
            ("next", Self { eta: Some(PageEta { low_seconds: 5, high_seconds: 40 }), ..waiting.clone().at(Some(1)) }),
            ("one_ahead", waiting.clone().at(Some(2))),
            ("far", Self { eta: None, waiting: Some(1_204_118), ..waiting.clone().at(Some(1_000_000)) }),
            ("first_contact", Self { joined_ms: None, eta: None, waiting: None, ..waiting.clone().at(None) }),
            ("paused", Self { state: PageState::Paused, eta: None, ..waiting.clone() }),
            ("closed", Self { message: "We open again on Monday.".to_owned(), ..Self::sample_closed() }),
            ("reconnecting", Self { state: PageState::Reconnecting, ..waiting.clone() }),
            ("ready", Self { state: PageState::Ready, ready_renews: false, ..waiting.clone().at(None) }),
            ("nothing_sent", Self { nothing_sent: true, ready_ttl_seconds: 60, ..waiting.clone() }),
            ("nothing_sent_ready", Self::sample_unsent_turn(&waiting)),
            ("cookies_missing", Self { cookies_missing: true, ..waiting.at(None) }),
        ]
    }

    fn sample_closed() -> Self {
        Self {
            state: PageState::Closed,
            waiting: Some(0),
            retention_seconds: 5400,
            ..Self::new("book", "Stadtbücherei")
        }
    }

    fn sample_unsent_turn(waiting: &Self) -> Self {
        Self {
            state: PageState::Ready,
            nothing_sent: true,
            ready_max_seconds: 3600,
            enqueue_url: Some(LocalUrl::new("/.gatekeeper/queue/enqueue?room=checkout")),
            ..waiting.clone().at(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_field_varies_among_the_samples() {
        let mut values: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
        for (_, sample) in PageContext::samples() {
            let fields = serde_json::to_value(&sample).unwrap();
            for (name, value) in fields.as_object().unwrap() {
                let seen = values.entry(name.clone()).or_default();
                if !seen.contains(value) {
                    seen.push(value.clone());
                }
            }
        }
        for (name, seen) in values {
            assert!(seen.len() > 1, "{name} is always {}", seen[0]);
        }
    }

    #[test]
    fn ahead_follows_position() {
        let page = PageContext::new("a", "A");
        assert_eq!(page.clone().at(Some(1)).ahead, Some(0));
        assert_eq!(page.clone().at(Some(0)).position, Some(1));
        assert_eq!(page.clone().at(Some(7)).at(None).ahead, None);
        assert_eq!(page.at(Some(43)).ahead, Some(42));
    }
}
