# La pagina d’attesa in italiano. Il senso di ogni testo è spiegato in en.ftl.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = {$n} prima di te
title-next = Tra poco tocca a te
title-none = In fila
title-ready = Tocca a te
title-paused = In pausa
title-closed = Chiuso
title-cookies = Cookie disattivati
title-lost = Posto scaduto

in-line = Sei in fila
paused = La fila è in pausa
paused-about = Al momento non entra nessuno. Il tuo posto resta riservato e la fila riprenderà da sola.
closed = Chiuso per ora
closed-about = Al momento non entra nessuno e non si assegnano posti. Questa pagina continua a controllare e riprenderà da sola.
your-turn = È il tuo turno
opening = Si sta aprendo la pagina richiesta.
unsent-yet = I dati che hai inserito non sono ancora stati inviati. Inviali ora; il browser potrebbe chiedere conferma.
turn-until = Puoi entrare fino alle {$clock}.
cookies-off = I cookie sono disattivati
cookies-about = Il tuo posto in fila è in un cookie, e questo browser non lo ha restituito. Senza di esso non si può sapere quando tocca a te.
cookies-hint = Consenti i cookie per questo sito o esci dalla navigazione privata e riprova.
place-ended = Il tuo posto è scaduto
place-ended-about = Questo browser non ha dato notizie per più di {$time}, oppure la fila è ricominciata.
place-ended-unsent = Prendere un nuovo posto invia di nuovo il modulo; il browser potrebbe chiedere conferma.

people-ahead = {$count ->
    [one] persona prima di te
   *[other] persone prima di te
}
next = Tra poco tocca a te
next-about = Non c’è più nessuno prima di te.
finding = Un momento
finding-about = Sto cercando il tuo posto in fila.
progress = Il tuo avanzamento nella fila
joined = In fila dalle {$clock}
goal = Il tuo turno

wait = Attesa stimata
wait-unknown = non ancora nota
wait-soon = meno di un minuto
wait-minutes = circa {$low}–{$high} minuti
wait-minutes-most = {$count ->
    [one] fino a {$high} minuto
   *[other] fino a {$high} minuti
}
wait-minutes-even = {$count ->
    [one] circa {$high} minuto
   *[other] circa {$high} minuti
}
wait-hours = circa {$low}–{$high} ore
wait-hours-most = {$count ->
    [one] fino a {$high} ora
   *[other] fino a {$high} ore
}
wait-hours-even = {$count ->
    [one] circa {$high} ora
   *[other] circa {$high} ore
}

last-answer = Ultima risposta
waiting-all = {$n} in attesa
reconnecting = Riconnessione …
reconnecting-about = Il tuo posto resta riservato. I numeri sono dell’ultima risposta.
nothing-sent = Non è stato inviato nulla.
nothing-sent-about = I dati che hai inserito non sono arrivati al sito. Tieni aperta questa scheda per inviarli al tuo turno.
note = Nota bene

enter = Entra ora
send = Invia ora
try-again = Riprova
new-tab = Apri in una nuova scheda
new-place = Prendi un nuovo posto
check-now = Controlla ora

no-script = Questa pagina controlla da sola ogni {$time}.
no-script-unsent = Ricarica questa pagina di tanto in tanto: fino al tuo turno la rivedrai; poi i tuoi dati saranno inviati. Il browser te lo chiederà prima.

at-turn = Al tuo turno
at-turn-about = Questa pagina apre l’indirizzo richiesto. Non devi fare nulla.
at-turn-unsent = Potrai inviare i tuoi dati con un clic. Non vengono mai inviati senza di te.
kept = Il tuo posto resta riservato
kept-about = Ricaricare non fa danni. Puoi chiudere questa scheda o bloccare il telefono fino a {$time}: torna con questo browser e il posto è ancora tuo.
kept-unsent = Bloccare il telefono o perdere la connessione non fa danni. Puoi assentarti fino a {$time}. Chiudendo questa scheda perdi i dati inseriti, ma non il posto.
inside = Una volta entrato
inside-about = Hai {$time} per la tua visita.
inside-renewed = Hai {$time}. Ogni pagina che apri fa ripartire il tempo, fino a {$most} in tutto.

hold = Ti serve più tempo?
hold-about = Lascia passare altri per {$time}. Il tuo posto resta riservato: al ritorno sarai tra i prossimi.
hold-start = Lascia passare altri
hold-on = Altri possono passare fino alle {$clock}. Il tuo posto resta riservato.
hold-end = Sono di nuovo qui

seconds = {$count ->
    [one] {$n} secondo
   *[other] {$n} secondi
}
minutes = {$count ->
    [one] {$n} minuto
   *[other] {$n} minuti
}
hours = {$count ->
    [one] {$n} ora
   *[other] {$n} ore
}
