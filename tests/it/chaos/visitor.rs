//! A visitor: comes as a browser or by the API, waits as told at any instance, uses the site, leaves. Writes down every
//! answer and judges none.

use super::diary::{End, Ms, Note, Story, Told, Watch};
use crate::support::chance::Chance;
use crate::support::client::Answer;
use crate::support::doors::{Doors, Token, Way, token_in};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Before another instance is tried.
const BACK_OFF_MS: (u64, u64) = (100, 500);

/// What visitors share.
#[derive(Clone, Debug)]
pub struct World {
    pub doors: Doors,
    pub watch: Watch,
    /// Nobody waits any longer.
    pub over: Arc<AtomicBool>,
}

struct Visitor<'a> {
    world: &'a World,
    dice: Chance,
    story: Story,
    jwt: String,
}

/// One visit, from the first request to the last. `n` names the visitor and decides, with the seed, what kind they are.
pub async fn visit(world: &World, seed: u64, n: u64) -> Story {
    let mut dice = Chance::of(seed, n, super::STREAMS);
    let way = if dice.percent(50) { Way::Browser } else { Way::Api };
    let story = Story { name: format!("v{n}"), way, notes: Vec::new(), end: End::StillThere, token: None };
    let mut visitor = Visitor { world, dice, story, jwt: String::new() };
    visitor.story.end = visitor.live().await;
    visitor.story.token = (!visitor.jwt.is_empty()).then(|| Token::read(&visitor.jwt));
    visitor.story
}

impl Visitor<'_> {
    async fn live(&mut self) -> End {
        if !self.arrives().await {
            return End::StillThere;
        }
        let gives_up = self.dice.percent(3).then(|| self.dice.within(1, 4));
        // Shorter than presence: nobody loses a turn by it.
        let pauses = self.dice.percent(4).then(|| self.dice.within(8_000, 15_000));
        let mut polls = 0;
        while !self.is_inside() {
            if self.is_over() {
                return End::StillThere;
            }
            if gives_up == Some(polls) {
                return End::GaveUp;
            }
            let told_to = self.polls().await;
            polls += 1;
            if !self.is_inside() {
                self.rests(if polls == 2 { pauses.unwrap_or(told_to) } else { told_to }).await;
            }
        }
        self.uses_the_site().await
    }

    /// True with a ticket in hand.
    async fn arrives(&mut self) -> bool {
        let mut tries = 0;
        while self.jwt.is_empty() {
            if self.is_over() {
                return false;
            }
            let door = self.any_door();
            let asked = self.world.watch.now();
            let (answer, told) = match self.story.way {
                // A call that was cut off may have been heard, and no token is handed out twice: another name.
                Way::Api => {
                    let name = format!("{}-{tries}", self.story.name);
                    let answer = self.world.doors.enqueue(door, &name).await;
                    let told = told(&answer, enqueued);
                    (answer, told)
                }
                Way::Browser => {
                    let answer = self.world.doors.open(door, "/shop/first", None).await;
                    let told = told(&answer, opened);
                    (answer, told)
                }
            };
            tries += 1;
            self.note(asked, door, told);
            match answer.ok().and_then(|answer| token_in(&answer)) {
                Some(jwt) => self.takes(jwt, asked, door),
                None => self.backs_off().await,
            }
        }
        // The page loads.
        let loading = self.dice.within(400, 1200);
        self.rests(loading).await;
        true
    }

    /// Asks once; how long to wait before the next time, in ms.
    async fn polls(&mut self) -> Ms {
        let (door, asked) = (self.any_door(), self.world.watch.now());
        let answer = self.world.doors.status(door, self.story.way, &self.jwt).await;
        let heard = told(&answer, status);
        self.note(asked, door, heard.clone());
        if let Some(jwt) = answer.ok().and_then(|answer| token_in(&answer)) {
            self.takes(jwt, asked, door);
        }
        match heard {
            Told::Waiting { next, .. } => next,
            Told::Ready => 0,
            // The page of the waiting room does the same: it asks again.
            _ => self.dice.within(BACK_OFF_MS.0, BACK_OFF_MS.1),
        }
    }

    async fn uses_the_site(&mut self) -> End {
        for _ in 0..self.dice.within(1, 4) {
            let pause = self.dice.within(200, 1500);
            self.rests(pause).await;
            self.reads(&format!("/shop/{}", self.story.name)).await;
        }
        if self.dice.percent(40) {
            return End::Left;
        }
        for _ in 0..10 {
            let (door, asked) = (self.any_door(), self.world.watch.now());
            let answer = self.world.doors.finish(door, &self.jwt).await;
            let told = told(&answer, finished);
            self.note(asked, door, told.clone());
            if matches!(told, Told::Finished(_)) {
                self.sneaks().await;
                return End::Finished;
            }
            self.backs_off().await;
        }
        End::Left
    }

    /// One page of the site; another instance is tried where one gives no answer, as a browser's user would.
    async fn reads(&mut self, path: &str) {
        for _ in 0..10 {
            let (door, asked) = (self.any_door(), self.world.watch.now());
            let answer = self.world.doors.open(door, path, Some(&self.jwt)).await;
            let told = told(&answer, site);
            self.note(asked, door, told.clone());
            if told == Told::Site {
                if let Some(jwt) = answer.ok().and_then(|answer| token_in(&answer)) {
                    self.takes(jwt, asked, door);
                }
                return;
            }
            self.backs_off().await;
        }
    }

    /// Tries the token again after it was given back. The origin tells whether it opened anything.
    async fn sneaks(&mut self) {
        if self.dice.percent(30) {
            self.rests(1500).await;
            let (door, path) = (self.any_door(), format!("/sneak/{}", self.story.name));
            let _refused = self.world.doors.fetch(door, &path, &self.jwt).await;
        }
    }

    fn takes(&mut self, jwt: String, asked: Ms, door: usize) {
        let ticket = Token::read(&jwt).tkt;
        if self.jwt.is_empty() || Token::read(&self.jwt).tkt != ticket {
            self.note(asked, door, Told::Ticket(ticket));
        }
        self.jwt = jwt;
        // Who walked in has the turn with the first answer.
        if Token::read(&self.jwt).rdy.is_some() && self.story.first_ready().is_none() {
            self.note(asked, door, Told::Ready);
        }
    }

    fn is_inside(&self) -> bool {
        self.story.first_ready().is_some()
    }

    fn is_over(&self) -> bool {
        self.world.over.load(Ordering::Relaxed)
    }

    fn note(&mut self, asked: Ms, door: usize, told: Told) {
        self.story.notes.push(Note { asked, answered: self.world.watch.now(), door, told });
    }

    fn any_door(&mut self) -> usize {
        self.dice.index(self.world.doors.len())
    }

    async fn rests(&mut self, ms: Ms) {
        sleep(Duration::from_millis(ms)).await;
    }

    async fn backs_off(&mut self) {
        let ms = self.dice.within(BACK_OFF_MS.0, BACK_OFF_MS.1);
        self.rests(ms).await;
    }
}

fn told(answer: &reqwest::Result<Answer>, read: impl Fn(&Answer) -> Told) -> Told {
    match answer {
        Ok(answer) => read(answer),
        Err(error) => Told::Cut(words(error)),
    }
}

/// The error with its causes.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        text = format!("{text}{}{error}", if text.is_empty() { "" } else { ": " });
        cause = error.source();
    }
    text
}

fn odd(answer: &Answer) -> Told {
    Told::Odd(format!("{} {}", answer.status, answer.text().chars().take(200).collect::<String>()))
}

fn enqueued(answer: &Answer) -> Told {
    match (answer.status, token_in(answer)) {
        (200, Some(_)) => Told::Entered,
        // Heard of a name whose first call was cut off.
        (200 | 429 | 503, _) => Told::NotNow(answer.status),
        _ => odd(answer),
    }
}

fn opened(answer: &Answer) -> Told {
    match answer.status {
        503 if token_in(answer).is_some() => Told::Page,
        200 if answer.text().starts_with("origin:") => Told::Site,
        429 => Told::NotNow(429),
        502 | 504 => Told::BadGateway(answer.status),
        _ => odd(answer),
    }
}

fn status(answer: &Answer) -> Told {
    match answer.status {
        200 => {
            let told = answer.json();
            match (&told["ready"], told["state"].as_str()) {
                (Value::Bool(true), _) => Told::Ready,
                (_, Some("waiting" | "paused")) => Told::Waiting {
                    position: told["position"].as_u64().unwrap_or(0),
                    next: told["poll_after_ms"].as_u64().unwrap_or(1000),
                },
                (_, Some("unknown")) => Told::Unknown,
                _ => odd(answer),
            }
        }
        429 | 503 => Told::NotNow(answer.status),
        _ => odd(answer),
    }
}

fn site(answer: &Answer) -> Told {
    match answer.status {
        200 if answer.text().starts_with("origin:") => Told::Site,
        502 | 504 => Told::BadGateway(answer.status),
        503 => Told::Page,
        _ => odd(answer),
    }
}

fn finished(answer: &Answer) -> Told {
    match answer.status {
        200 => Told::Finished(answer.json()["status"] == "ready_cleared"),
        429 | 503 => Told::NotNow(answer.status),
        _ => odd(answer),
    }
}
