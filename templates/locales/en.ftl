# The waiting page in English, and the list of all texts: what a text may use ($count, $n …) is what it uses here.
#
# $count   chooses the plural form, by the words of the language's rules (zero, one, two, few, many, other)
# $n, $low, $high   the number, written as the language writes numbers
# $time    a length of time, made of `seconds`, `minutes` and `hours`; $most: the longest one
# $clock   a time of day, written by the browser
# $state   one of the short titles; $room: what the operator calls the room

# How the language runs (ltr or rtl), and how it writes a number: the page takes the separators from the sample.
direction = ltr
number-sample = 1,234,567

# Titles of the tab: short, the important word first.
title = {$state} – {$room}
title-ahead = {$count ->
    [one] {$n} ahead
   *[other] {$n} ahead
}
title-next = You are next
title-none = In line
title-ready = Your turn
title-paused = Paused
title-closed = Closed
title-cookies = Cookies are off
title-lost = Place ended

# Headlines, and what is said below them.
in-line = You are in line
paused = The line is paused
paused-about = Nobody is let in at the moment. Your place is kept, and the line goes on by itself.
closed = Closed for now
closed-about = Nobody is let in at the moment, and there are no places to take. This page keeps checking and goes on by itself.
your-turn = It is your turn
opening = The page you asked for is opening.
unsent-yet = What you entered has not been sent yet. Send it now; your browser may ask you to confirm.
turn-until = Your turn is open until {$clock}.
cookies-off = Cookies are off
cookies-about = Your place in line is kept in a cookie, and this browser did not send it back. Without it nobody can know that it is your turn.
cookies-hint = Allow cookies for this site, or leave private browsing, and try again.
place-ended = Your place has ended
place-ended-about = Nothing was heard from this browser for more than {$time}, or the line was started anew.
place-ended-unsent = Taking a new place sends your form again; your browser may ask you to confirm.

# The number, and the way.
people-ahead = {$count ->
    [one] person ahead of you
   *[other] people ahead of you
}
next = You are next
next-about = Nobody is ahead of you.
finding = One moment
finding-about = Looking up your place in line.
progress = Your way through the line
joined = Joined {$clock}
goal = Your turn

# The estimate. The plural is that of the higher number.
wait = Estimated wait
wait-unknown = not known yet
wait-soon = less than a minute
wait-minutes = {$count ->
    [one] about {$low} to {$high} minutes
   *[other] about {$low} to {$high} minutes
}
wait-minutes-most = {$count ->
    [one] up to {$high} minute
   *[other] up to {$high} minutes
}
wait-minutes-even = {$count ->
    [one] about {$high} minute
   *[other] about {$high} minutes
}
wait-hours = {$count ->
    [one] about {$low} to {$high} hours
   *[other] about {$low} to {$high} hours
}
wait-hours-most = {$count ->
    [one] up to {$high} hour
   *[other] up to {$high} hours
}
wait-hours-even = {$count ->
    [one] about {$high} hour
   *[other] about {$high} hours
}

# How it goes.
last-answer = Last answer
waiting-all = {$count ->
    [one] {$n} waiting
   *[other] {$n} waiting
}
reconnecting = Reconnecting …
reconnecting-about = Your place is kept. The numbers are from the last answer.
nothing-sent = Nothing was sent.
nothing-sent-about = What you entered has not reached the site. Keep this tab open to send it at your turn.
note = Please note

# Buttons.
enter = Go in now
send = Send it now
try-again = Try again
new-tab = Open in a new tab
new-place = Take a new place
check-now = Check now

# Where scripts are off.
no-script = This page checks by itself every {$time}.
no-script-unsent = Reload this page now and then: until your turn comes you see it again; then what you entered is sent. Your browser asks you first.

# What to know.
at-turn = At your turn
at-turn-about = This page opens the address you asked for. You need not do anything.
at-turn-unsent = Then you can send what you entered, with one click. It is never sent without you.
kept = Your place is kept
kept-about = Reloading does no harm. You may close this tab or lock your phone for up to {$time}: come back in this browser, and the place is still yours.
kept-unsent = Locking your phone or losing the connection does no harm. You may be away for up to {$time}. Closing this tab loses what you entered, but not your place.
inside = Once you are inside
inside-about = You have {$time} for your visit.
inside-renewed = You have {$time}. Each page you open starts that time anew, up to {$most} in all.

# A visitor who needs a moment.
hold = Need more time?
hold-about = Let others pass for {$time}. Your place is kept: when you are back, you are among the next to go in.
hold-start = Let others pass
hold-on = Others may pass until {$clock}. Your place is kept.
hold-end = I am back

# Lengths of time, as they stand in the sentences above.
seconds = {$count ->
    [one] {$n} second
   *[other] {$n} seconds
}
minutes = {$count ->
    [one] {$n} minute
   *[other] {$n} minutes
}
hours = {$count ->
    [one] {$n} hour
   *[other] {$n} hours
}
