# A página de espera em português. O sentido de cada texto está em en.ftl.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = {$n} à sua frente
title-next = Você é o próximo
title-none = Na fila
title-ready = É a sua vez
title-paused = Em pausa
title-closed = Fechado
title-cookies = Cookies desativados
title-lost = Lugar expirado

in-line = Você está na fila
paused = A fila está em pausa
paused-about = No momento ninguém entra. O seu lugar está guardado, e a fila continua sozinha.
closed = Fechado por enquanto
closed-about = No momento ninguém entra e não há lugares. Esta página continua verificando e segue sozinha.
your-turn = É a sua vez
opening = A página pedida está abrindo.
unsent-yet = O que você digitou ainda não foi enviado. Envie agora; o navegador pode pedir confirmação.
turn-until = Você pode entrar até {$clock}.
cookies-off = Os cookies estão desativados
cookies-about = O seu lugar na fila fica num cookie, e este navegador não o devolveu. Sem ele não dá para saber quando é a sua vez.
cookies-hint = Permita cookies para este site ou saia da navegação privada e tente de novo.
place-ended = O seu lugar expirou
place-ended-about = Este navegador não deu sinal por mais de {$time}, ou a fila começou de novo.
place-ended-unsent = Pegar um novo lugar envia o formulário outra vez; o navegador pode pedir confirmação.

people-ahead = {$count ->
    [one] pessoa à sua frente
   *[other] pessoas à sua frente
}
next = Você é o próximo
next-about = Não há ninguém à sua frente.
finding = Um momento
finding-about = Procurando o seu lugar na fila.
progress = O seu caminho na fila
joined = Na fila desde {$clock}
goal = A sua vez

wait = Espera estimada
wait-unknown = ainda não se sabe
wait-soon = menos de um minuto
wait-minutes = cerca de {$low} a {$high} minutos
wait-minutes-most = {$count ->
    [one] até {$high} minuto
   *[other] até {$high} minutos
}
wait-minutes-even = {$count ->
    [one] cerca de {$high} minuto
   *[other] cerca de {$high} minutos
}
wait-hours = cerca de {$low} a {$high} horas
wait-hours-most = {$count ->
    [one] até {$high} hora
   *[other] até {$high} horas
}
wait-hours-even = {$count ->
    [one] cerca de {$high} hora
   *[other] cerca de {$high} horas
}

last-answer = Última resposta
waiting-all = {$n} na espera
reconnecting = Reconectando …
reconnecting-about = O seu lugar está guardado. Os números são da última resposta.
nothing-sent = Nada foi enviado.
nothing-sent-about = O que você digitou não chegou ao site. Deixe esta aba aberta para enviar quando for a sua vez.
note = Atenção

enter = Entrar agora
send = Enviar agora
try-again = Tentar de novo
new-tab = Abrir em nova aba
new-place = Pegar um novo lugar
check-now = Verificar agora

no-script = Esta página verifica sozinha a cada {$time}.
no-script-unsent = Recarregue esta página de vez em quando: até a sua vez você a verá de novo; depois o que digitou é enviado. O navegador pergunta antes.

at-turn = Na sua vez
at-turn-about = Esta página abre o endereço pedido. Você não precisa fazer nada.
at-turn-unsent = Você poderá enviar o que digitou com um clique. Nada é enviado sem você.
kept = O seu lugar está guardado
kept-about = Recarregar não faz mal. Você pode fechar esta aba ou bloquear o celular por até {$time}: volte neste navegador e o lugar ainda é seu.
kept-unsent = Bloquear o celular ou perder a conexão não faz mal. Você pode ficar fora por até {$time}. Fechar esta aba perde o que você digitou, mas não o seu lugar.
inside = Depois de entrar
inside-about = Você tem {$time} para a sua visita.
inside-renewed = Você tem {$time}. Cada página aberta reinicia esse tempo, até {$most} no total.

hold = Precisa de mais tempo?
hold-about = Deixe outras pessoas passarem por {$time}. O seu lugar está guardado: ao voltar, você estará entre os próximos.
hold-start = Deixar outros passarem
hold-on = Outros podem passar até {$clock}. O seu lugar está guardado.
hold-end = Voltei

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
