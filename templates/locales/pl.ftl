# Strona oczekiwania po polsku. Znaczenie tekstów opisuje en.ftl.
direction = ltr
number-sample = 1 234 567

title = {$state} – {$room}
title-ahead = {$n} przed Tobą
title-next = Zaraz Twoja kolej
title-none = W kolejce
title-ready = Twoja kolej
title-paused = Wstrzymano
title-closed = Zamknięte
title-cookies = Pliki cookie wyłączone
title-lost = Miejsce wygasło

in-line = Jesteś w kolejce
paused = Kolejka jest wstrzymana
paused-about = W tej chwili nikt nie wchodzi. Twoje miejsce jest zachowane, a kolejka ruszy sama.
closed = Na razie zamknięte
closed-about = W tej chwili nikt nie wchodzi i nie ma wolnych miejsc. Ta strona sprawdza dalej i ruszy sama.
your-turn = Twoja kolej
opening = Otwiera się wybrana strona.
unsent-yet = Wpisane dane nie zostały jeszcze wysłane. Wyślij je teraz; przeglądarka może poprosić o potwierdzenie.
turn-until = Możesz wejść do {$clock}.
cookies-off = Pliki cookie są wyłączone
cookies-about = Twoje miejsce w kolejce zapisano w pliku cookie, a ta przeglądarka go nie odesłała. Bez niego nie wiadomo, kiedy przyjdzie Twoja kolej.
cookies-hint = Zezwól tej stronie na pliki cookie lub wyjdź z trybu prywatnego i spróbuj ponownie.
place-ended = Twoje miejsce wygasło
place-ended-about = Ta przeglądarka nie odzywała się zbyt długo (limit: {$time}) albo kolejka zaczęła się od nowa.
place-ended-unsent = Zajęcie nowego miejsca wyśle formularz jeszcze raz; przeglądarka może poprosić o potwierdzenie.

people-ahead = {$count ->
    [one] osoba przed Tobą
    [few] osoby przed Tobą
    [many] osób przed Tobą
   *[other] osoby przed Tobą
}
next = Zaraz Twoja kolej
next-about = Nie ma już nikogo przed Tobą.
finding = Chwileczkę
finding-about = Sprawdzamy Twoje miejsce w kolejce.
progress = Twoja droga przez kolejkę
joined = W kolejce od {$clock}
goal = Twoja kolej

wait = Szacowany czas oczekiwania
wait-unknown = jeszcze nieznany
wait-soon = mniej niż minuta
wait-minutes = około {$low}–{$high} min
wait-minutes-most = do {$high} min
wait-minutes-even = około {$high} min
wait-hours = około {$low}–{$high} godz.
wait-hours-most = do {$high} godz.
wait-hours-even = około {$high} godz.

last-answer = Ostatnia odpowiedź
waiting-all = {$count ->
    [one] {$n} osoba czeka
    [few] {$n} osoby czekają
    [many] {$n} osób czeka
   *[other] {$n} osoby czeka
}
reconnecting = Ponowne łączenie …
reconnecting-about = Twoje miejsce jest zachowane. Dane pochodzą z ostatniej odpowiedzi.
nothing-sent = Nic nie wysłano.
nothing-sent-about = Wpisane dane nie dotarły do serwisu. Zostaw tę kartę otwartą, aby je wysłać, gdy przyjdzie Twoja kolej.
note = Uwaga

enter = Wejdź teraz
send = Wyślij teraz
try-again = Spróbuj ponownie
new-tab = Otwórz w nowej karcie
new-place = Zajmij nowe miejsce
check-now = Sprawdź teraz

no-script = Ta strona sama sprawdza co {$time}.
no-script-unsent = Odświeżaj tę stronę co jakiś czas: zobaczysz ją, dopóki nie przyjdzie Twoja kolej; potem dane zostaną wysłane. Przeglądarka najpierw zapyta.

at-turn = Gdy przyjdzie Twoja kolej
at-turn-about = Ta strona otworzy wybrany adres. Nie musisz nic robić.
at-turn-unsent = Wyślesz wtedy wpisane dane jednym kliknięciem. Bez Ciebie nic nie zostanie wysłane.
kept = Twoje miejsce jest zachowane
kept-about = Odświeżanie nie szkodzi. Możesz zamknąć tę kartę lub zablokować telefon na czas do {$time}: wróć w tej przeglądarce, a miejsce nadal będzie Twoje.
kept-unsent = Blokada telefonu ani utrata połączenia nie szkodzi. Możesz zniknąć na czas do {$time}. Zamknięcie karty usunie wpisane dane, ale nie Twoje miejsce.
inside = Gdy już wejdziesz
inside-about = Czas na wizytę: {$time}.
inside-renewed = Masz {$time}. Każda otwarta strona liczy ten czas od nowa, łącznie do {$most}.

hold = Potrzebujesz więcej czasu?
hold-about = Przepuść innych przez {$time}. Twoje miejsce jest zachowane: po powrocie wejdziesz jako jedna z następnych osób.
hold-start = Przepuść innych
hold-on = Inni mogą wchodzić do {$clock}. Twoje miejsce jest zachowane.
hold-end = Już jestem

# Skróty nie odmieniają się, więc pasują do każdego zdania.
seconds = {$n} s
minutes = {$n} min
hours = {$n} godz.
