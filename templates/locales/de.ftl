# Die Warteseite auf Deutsch. Was die Texte bedeuten, steht in en.ftl.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = Noch {$n} vor Ihnen
title-next = Gleich sind Sie dran
title-none = In der Warteschlange
title-ready = Sie sind dran
title-paused = Angehalten
title-closed = Geschlossen
title-cookies = Cookies sind aus
title-lost = Platz abgelaufen

in-line = Sie stehen in der Warteschlange
paused = Die Warteschlange ist angehalten
paused-about = Im Moment wird niemand eingelassen. Ihr Platz bleibt erhalten, und es geht von selbst weiter.
closed = Zurzeit geschlossen
closed-about = Im Moment wird niemand eingelassen, und es gibt keine Plätze. Diese Seite fragt weiter nach und geht von selbst weiter.
your-turn = Sie sind dran
opening = Die gewünschte Seite wird geöffnet.
unsent-yet = Ihre Eingaben wurden noch nicht gesendet. Senden Sie sie jetzt; Ihr Browser fragt vielleicht noch einmal nach.
turn-until = Sie können bis {$clock} hinein.
cookies-off = Cookies sind ausgeschaltet
cookies-about = Ihr Platz steht in einem Cookie, und dieser Browser hat es nicht zurückgeschickt. Ohne das Cookie ist nicht zu erkennen, wann Sie dran sind.
cookies-hint = Erlauben Sie Cookies für diese Website oder verlassen Sie den privaten Modus und versuchen Sie es noch einmal.
place-ended = Ihr Platz ist abgelaufen
place-ended-about = Von diesem Browser kam länger als {$time} kein Zeichen, oder die Warteschlange wurde neu begonnen.
place-ended-unsent = Mit einem neuen Platz wird Ihr Formular noch einmal gesendet; Ihr Browser fragt vielleicht nach.

people-ahead = {$count ->
    [one] Person vor Ihnen
   *[other] Personen vor Ihnen
}
next = Gleich sind Sie dran
next-about = Niemand ist mehr vor Ihnen.
finding = Einen Moment
finding-about = Ihr Platz wird nachgesehen.
progress = Ihr Weg durch die Warteschlange
joined = Angestellt um {$clock}
goal = Sie sind dran

wait = Voraussichtliche Wartezeit
wait-unknown = noch nicht bekannt
wait-soon = weniger als eine Minute
wait-minutes = etwa {$low} bis {$high} Minuten
wait-minutes-most = {$count ->
    [one] bis zu {$high} Minute
   *[other] bis zu {$high} Minuten
}
wait-minutes-even = {$count ->
    [one] etwa {$high} Minute
   *[other] etwa {$high} Minuten
}
wait-hours = etwa {$low} bis {$high} Stunden
wait-hours-most = {$count ->
    [one] bis zu {$high} Stunde
   *[other] bis zu {$high} Stunden
}
wait-hours-even = {$count ->
    [one] etwa {$high} Stunde
   *[other] etwa {$high} Stunden
}

last-answer = Letzte Antwort
waiting-all = {$count ->
    [one] {$n} Person wartet
   *[other] {$n} Personen warten
}
reconnecting = Verbindung wird wiederhergestellt …
reconnecting-about = Ihr Platz bleibt erhalten. Die Angaben stammen von der letzten Antwort.
nothing-sent = Es wurde nichts gesendet.
nothing-sent-about = Ihre Eingaben sind noch nicht angekommen. Lassen Sie diesen Tab offen, um sie zu senden, wenn Sie dran sind.
note = Bitte beachten

enter = Jetzt hineingehen
send = Jetzt senden
try-again = Noch einmal versuchen
new-tab = In neuem Tab öffnen
new-place = Neuen Platz nehmen
check-now = Jetzt nachsehen

no-script = Diese Seite sieht alle {$time} von selbst nach.
no-script-unsent = Laden Sie diese Seite ab und zu neu: Bis Sie dran sind, sehen Sie sie wieder; danach werden Ihre Eingaben gesendet. Ihr Browser fragt vorher.

at-turn = Wenn Sie dran sind
at-turn-about = Diese Seite öffnet die gewünschte Adresse. Sie müssen nichts tun.
at-turn-unsent = Dann senden Sie Ihre Eingaben mit einem Klick. Ohne Sie wird nie etwas gesendet.
kept = Ihr Platz bleibt erhalten
kept-about = Neu laden schadet nicht. Sie dürfen diesen Tab schließen oder das Handy sperren, bis zu {$time}: Kommen Sie in diesem Browser zurück, und der Platz gehört noch Ihnen.
kept-unsent = Das Handy zu sperren oder die Verbindung zu verlieren schadet nicht. Sie dürfen bis zu {$time} weg sein. Schließen Sie diesen Tab, gehen Ihre Eingaben verloren, nicht aber Ihr Platz.
inside = Wenn Sie drin sind
inside-about = Sie haben {$time} für Ihren Besuch.
inside-renewed = Sie haben {$time}. Jede Seite, die Sie öffnen, lässt diese Zeit neu beginnen, insgesamt bis zu {$most}.

hold = Brauchen Sie mehr Zeit?
hold-about = Lassen Sie andere vor, {$time} lang. Ihr Platz bleibt erhalten: Wenn Sie zurück sind, gehören Sie zu den Nächsten.
hold-start = Andere vorlassen
hold-on = Andere dürfen vor, bis {$clock}. Ihr Platz bleibt erhalten.
hold-end = Ich bin wieder da

seconds = {$count ->
    [one] {$n} Sekunde
   *[other] {$n} Sekunden
}
minutes = {$count ->
    [one] {$n} Minute
   *[other] {$n} Minuten
}
hours = {$count ->
    [one] {$n} Stunde
   *[other] {$n} Stunden
}
