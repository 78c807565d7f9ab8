# De wachtpagina in het Nederlands. Wat de teksten betekenen, staat in en.ftl.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = Nog {$n} voor u
title-next = U bent zo aan de beurt
title-none = In de wachtrij
title-ready = U bent aan de beurt
title-paused = Gepauzeerd
title-closed = Gesloten
title-cookies = Cookies staan uit
title-lost = Plaats verlopen

in-line = U staat in de wachtrij
paused = De wachtrij is gepauzeerd
paused-about = Er wordt nu niemand binnengelaten. Uw plaats blijft bewaard en de rij gaat vanzelf verder.
closed = Voorlopig gesloten
closed-about = Er wordt nu niemand binnengelaten en er zijn geen plaatsen. Deze pagina blijft kijken en gaat vanzelf verder.
your-turn = U bent aan de beurt
opening = De gevraagde pagina wordt geopend.
unsent-yet = Wat u invulde is nog niet verzonden. Verzend het nu; uw browser vraagt misschien om bevestiging.
turn-until = U kunt naar binnen tot {$clock}.
cookies-off = Cookies staan uit
cookies-about = Uw plaats in de rij staat in een cookie, en deze browser stuurde het niet terug. Zonder dat cookie kan niemand weten dat u aan de beurt bent.
cookies-hint = Sta cookies toe voor deze site of verlaat de privémodus, en probeer het opnieuw.
place-ended = Uw plaats is verlopen
place-ended-about = Van deze browser is langer dan {$time} niets gehoord, of de rij is opnieuw begonnen.
place-ended-unsent = Met een nieuwe plaats wordt uw formulier opnieuw verzonden; uw browser vraagt misschien om bevestiging.

people-ahead = {$count ->
    [one] persoon voor u
   *[other] personen voor u
}
next = U bent zo aan de beurt
next-about = Er is niemand meer voor u.
finding = Een ogenblik
finding-about = Uw plaats in de rij wordt opgezocht.
progress = Uw weg door de wachtrij
joined = In de rij sinds {$clock}
goal = Uw beurt

wait = Geschatte wachttijd
wait-unknown = nog niet bekend
wait-soon = minder dan een minuut
wait-minutes = ongeveer {$low} tot {$high} minuten
wait-minutes-most = {$count ->
    [one] hoogstens {$high} minuut
   *[other] hoogstens {$high} minuten
}
wait-minutes-even = {$count ->
    [one] ongeveer {$high} minuut
   *[other] ongeveer {$high} minuten
}
wait-hours = ongeveer {$low} tot {$high} uur
wait-hours-most = hoogstens {$high} uur
wait-hours-even = ongeveer {$high} uur

last-answer = Laatste antwoord
waiting-all = {$n} wachtend
reconnecting = Opnieuw verbinden …
reconnecting-about = Uw plaats blijft bewaard. De cijfers zijn van het laatste antwoord.
nothing-sent = Er is niets verzonden.
nothing-sent-about = Wat u invulde is niet bij de site aangekomen. Houd dit tabblad open om het te verzenden als u aan de beurt bent.
note = Let op

enter = Nu naar binnen
send = Nu verzenden
try-again = Opnieuw proberen
new-tab = In een nieuw tabblad openen
new-place = Nieuwe plaats nemen
check-now = Nu kijken

no-script = Deze pagina kijkt vanzelf elke {$time}.
no-script-unsent = Laad deze pagina af en toe opnieuw: tot uw beurt ziet u haar weer; daarna wordt verzonden wat u invulde. Uw browser vraagt het eerst.

at-turn = Als u aan de beurt bent
at-turn-about = Deze pagina opent het gevraagde adres. U hoeft niets te doen.
at-turn-unsent = Dan verzendt u met één klik wat u invulde. Het gaat nooit weg zonder u.
kept = Uw plaats blijft bewaard
kept-about = Opnieuw laden kan geen kwaad. U mag dit tabblad sluiten of uw telefoon vergrendelen, tot {$time} lang: kom in deze browser terug en de plaats is nog van u.
kept-unsent = Uw telefoon vergrendelen of de verbinding verliezen kan geen kwaad. U mag tot {$time} weg zijn. Sluit u dit tabblad, dan verliest u wat u invulde, maar niet uw plaats.
inside = Als u binnen bent
inside-about = U hebt {$time} voor uw bezoek.
inside-renewed = U hebt {$time}. Elke pagina die u opent laat die tijd opnieuw beginnen, tot {$most} in totaal.

hold = Meer tijd nodig?
hold-about = Laat {$time} lang anderen voorgaan. Uw plaats blijft bewaard: als u terug bent, hoort u bij de eersten.
hold-start = Anderen laten voorgaan
hold-on = Anderen mogen voorgaan tot {$clock}. Uw plaats blijft bewaard.
hold-end = Ik ben er weer

seconds = {$count ->
    [one] {$n} seconde
   *[other] {$n} seconden
}
minutes = {$count ->
    [one] {$n} minuut
   *[other] {$n} minuten
}
hours = {$n} uur
