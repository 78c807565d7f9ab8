# La página de espera en español. El sentido de cada texto se explica en en.ftl.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = {$n} por delante
title-next = Ya casi te toca
title-none = En la cola
title-ready = Es tu turno
title-paused = En pausa
title-closed = Cerrado
title-cookies = Cookies desactivadas
title-lost = Puesto caducado

in-line = Estás en la cola
paused = La cola está en pausa
paused-about = De momento no entra nadie. Tu puesto se guarda y la cola seguirá sola.
closed = Cerrado por ahora
closed-about = De momento no entra nadie y no se dan puestos. Esta página sigue comprobando y continuará sola.
your-turn = Es tu turno
opening = Se está abriendo la página que pediste.
unsent-yet = Lo que escribiste aún no se ha enviado. Envíalo ahora; puede que el navegador te pida confirmación.
turn-until = Puedes entrar hasta las {$clock}.
cookies-off = Las cookies están desactivadas
cookies-about = Tu puesto en la cola se guarda en una cookie, y este navegador no la ha devuelto. Sin ella no se puede saber cuándo te toca.
cookies-hint = Permite las cookies de este sitio o sal de la navegación privada e inténtalo de nuevo.
place-ended = Tu puesto ha caducado
place-ended-about = No se supo nada de este navegador durante más de {$time}, o la cola empezó de nuevo.
place-ended-unsent = Al tomar un puesto nuevo se vuelve a enviar el formulario; puede que el navegador te pida confirmación.

people-ahead = {$count ->
    [one] persona por delante
   *[other] personas por delante
}
next = Ya casi te toca
next-about = No hay nadie por delante.
finding = Un momento
finding-about = Buscando tu puesto en la cola.
progress = Tu avance en la cola
joined = Llegada: {$clock}
goal = Tu turno

wait = Espera estimada
wait-unknown = aún no se sabe
wait-soon = menos de un minuto
wait-minutes = entre {$low} y {$high} minutos
wait-minutes-most = {$count ->
    [one] hasta {$high} minuto
   *[other] hasta {$high} minutos
}
wait-minutes-even = {$count ->
    [one] alrededor de {$high} minuto
   *[other] alrededor de {$high} minutos
}
wait-hours = entre {$low} y {$high} horas
wait-hours-most = {$count ->
    [one] hasta {$high} hora
   *[other] hasta {$high} horas
}
wait-hours-even = {$count ->
    [one] alrededor de {$high} hora
   *[other] alrededor de {$high} horas
}

last-answer = Última respuesta
waiting-all = {$n} en espera
reconnecting = Reconectando …
reconnecting-about = Tu puesto se guarda. Los datos son de la última respuesta.
nothing-sent = No se ha enviado nada.
nothing-sent-about = Lo que escribiste no ha llegado al sitio. Deja abierta esta pestaña para enviarlo cuando te toque.
note = Ten en cuenta

enter = Entrar ahora
send = Enviar ahora
try-again = Intentar de nuevo
new-tab = Abrir en otra pestaña
new-place = Tomar un puesto nuevo
check-now = Comprobar ahora

no-script = Esta página comprueba sola cada {$time}.
no-script-unsent = Recarga esta página de vez en cuando: hasta que te toque la verás de nuevo; después se enviará lo que escribiste. El navegador te preguntará antes.

at-turn = Cuando te toque
at-turn-about = Esta página abre la dirección que pediste. No tienes que hacer nada.
at-turn-unsent = Entonces podrás enviar lo que escribiste con un clic. Nunca se envía sin ti.
kept = Tu puesto se guarda
kept-about = Recargar no hace daño. Puedes cerrar esta pestaña o bloquear el teléfono hasta {$time}: vuelve en este navegador y el puesto seguirá siendo tuyo.
kept-unsent = Bloquear el teléfono o perder la conexión no hace daño. Puedes ausentarte hasta {$time}. Si cierras esta pestaña pierdes lo que escribiste, pero no tu puesto.
inside = Una vez dentro
inside-about = Tienes {$time} para tu visita.
inside-renewed = Tienes {$time}. Cada página que abras reinicia ese tiempo, hasta {$most} en total.

hold = ¿Necesitas más tiempo?
hold-about = Deja pasar a otros durante {$time}. Tu puesto se guarda: cuando vuelvas, estarás entre los siguientes.
hold-start = Dejar pasar a otros
hold-on = Otros pueden pasar hasta las {$clock}. Tu puesto se guarda.
hold-end = Ya estoy aquí

seconds = {$count ->
    [one] {$n} segundo
   *[other] {$n} segundos
}
minutes = {$count ->
    [one] {$n} minuto
   *[other] {$n} minutos
}
hours = {$count ->
    [one] {$n} hora
   *[other] {$n} horas
}
