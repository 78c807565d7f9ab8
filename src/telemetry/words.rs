//! The fixed words that stand as label values and in the access log. A label value is one of these or a configured name,
//! so that no visitor can make the number of series grow. To add one: one line in its table.

/// An enum of words, its values in order, and what each is called.
macro_rules! words {
    ($( $(#[$about:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )* } )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// All of them; `self as usize` is the place in here.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }
    )* };
}

words! {
    /// What became of a request.
    Decision {
        /// Went to the origin.
        Pass = "pass",
        /// Got the waiting page or its JSON.
        Wait = "wait",
        /// Got a problem.
        Refuse = "refuse",
        /// Was a call of our own: API, health, documentation.
        Answer = "answer",
    }

    /// Why.
    Reason {
        /// Pass: the path is not protected or bypassed.
        Bypass = "bypass",
        /// Pass: a CORS preflight.
        Preflight = "preflight",
        /// Pass: showed a valid ready token.
        Ready = "ready",
        /// Pass: its turn had come; this request claimed it.
        Claimed = "claimed",
        /// Pass: admitted on the spot.
        WalkIn = "walk_in",
        /// Pass: no navigation, and nobody waits.
        NotBusy = "not_busy",
        /// Pass: the room's mode is `off`.
        Off = "off",
        /// Pass: the room's mode is `observe`.
        Observe = "observe",
        /// Pass: the store is away and `on_store_failure` is `open`.
        StoreOpen = "store_open",
        /// Wait: stands in line.
        InLine = "in_line",
        /// Wait: came without a place and was given a ticket.
        Newcomer = "newcomer",
        /// Wait: no navigation, so no place was given.
        NoPlace = "no_place",
        /// Wait: the turn is used from as many addresses as may use it.
        Shared = "shared",
        /// Wait: the room's mode is `pause`.
        Paused = "paused",
        /// Wait: the room's mode is `closed`.
        Closed = "closed",
        /// Refuse: over a limit.
        Limited = "limited",
        /// Refuse: malformed, too large, or for a host that is not served.
        Invalid = "invalid",
        /// Refuse: no origin answered.
        OriginDown = "origin_down",
        /// Refuse: a fault of ours.
        Fault = "fault",
        /// Answer: a call of our own.
        Own = "own",
    }

    /// A call to the store.
    StoreCall {
        Arrive = "arrive",
        Claim = "claim",
        Finish = "finish",
        Sync = "sync",
        Settings = "settings",
        PutSettings = "put_settings",
        /// A `claim` that `/queue/verify` asked for.
        Verify = "verify",
    }

    /// How a call to the store ended.
    StoreResult {
        Ok = "ok",
        Unavailable = "unavailable",
        Refused = "refused",
    }

    /// What a status call was told.
    PollResult {
        Waiting = "waiting",
        Ready = "ready",
        Paused = "paused",
        Closed = "closed",
        Unknown = "unknown",
        Limited = "limited",
        /// A problem other than the limit.
        Refused = "refused",
    }

    /// How an origin failed.
    OriginError {
        Connect = "connect",
        ConnectTimeout = "connect_timeout",
        ReadTimeout = "read_timeout",
        /// The connection ended before or within the response.
        Closed = "closed",
        /// What came was no HTTP.
        Protocol = "protocol",
        /// None of the site's origins is healthy.
        NoneHealthy = "none_healthy",
    }

    /// Which limit closed a client's connection, or took none.
    Closing {
        /// As many are open as may be, and none of them was idle.
        Full = "full",
        /// The address has as many as it may, and none of them was idle.
        AddressFull = "address_full",
        /// Was idle when a newcomer found no room.
        MadeRoom = "made_room",
        /// Never sent anything.
        Silent = "silent",
        /// Its header was not there in time.
        SlowHeader = "slow_header",
        /// Its header was too large to be read to its end.
        LargeHeader = "large_header",
        /// Its body came too slowly, or stopped.
        SlowBody = "slow_body",
        /// Didn't read its answer.
        SlowReader = "slow_reader",
        /// Was idle for as long as a connection may be.
        Idle = "idle",
        /// The listener speaks the PROXY protocol, and the peer is no trusted proxy.
        UntrustedProxy = "untrusted_proxy",
        /// … is one, and sent no PROXY header, or none in time.
        NoProxyHeader = "no_proxy_header",
        /// … is one, and sent a malformed one.
        BadProxyHeader = "bad_proxy_header",
    }

    /// How a reload of the configuration ended.
    ReloadResult {
        Ok = "ok",
        /// The new one has errors; the old one stays.
        Refused = "refused",
    }
}

impl Reason {
    /// What this is a reason for.
    pub const fn decision(self) -> Decision {
        match self {
            Self::Bypass
            | Self::Preflight
            | Self::Ready
            | Self::Claimed
            | Self::WalkIn
            | Self::NotBusy
            | Self::Off
            | Self::Observe
            | Self::StoreOpen => Decision::Pass,
            Self::InLine | Self::Newcomer | Self::NoPlace | Self::Shared | Self::Paused | Self::Closed => {
                Decision::Wait
            }
            Self::Limited | Self::Invalid | Self::OriginDown | Self::Fault => Decision::Refuse,
            Self::Own => Decision::Answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_words_number_is_its_place() {
        assert!(Reason::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
        assert!(StoreCall::ALL.iter().enumerate().all(|(place, call)| *call as usize == place));
    }

    #[test]
    fn every_decision_has_a_reason() {
        for decision in Decision::ALL {
            assert!(Reason::ALL.iter().any(|reason| reason.decision() == *decision), "{decision:?}");
        }
    }
}
