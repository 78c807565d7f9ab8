# La page d’attente en français. Le sens de chaque texte est expliqué dans en.ftl.
direction = ltr
number-sample = 1 234 567

title = {$state} – {$room}
title-ahead = {$n} avant vous
title-next = C’est bientôt à vous
title-none = File d’attente
title-ready = C’est à vous
title-paused = En pause
title-closed = Fermé
title-cookies = Cookies désactivés
title-lost = Place expirée

in-line = Vous êtes dans la file d’attente
paused = La file d’attente est en pause
paused-about = Personne n’entre pour le moment. Votre place est gardée, et la file repartira d’elle-même.
closed = Fermé pour le moment
closed-about = Personne n’entre pour le moment et aucune place n’est distribuée. Cette page continue de vérifier et reprendra d’elle-même.
your-turn = C’est votre tour
opening = La page demandée s’ouvre.
unsent-yet = Votre saisie n’a pas encore été envoyée. Envoyez-la maintenant ; votre navigateur demandera peut-être une confirmation.
turn-until = Vous pouvez entrer jusqu’à {$clock}.
cookies-off = Les cookies sont désactivés
cookies-about = Votre place est gardée dans un cookie, et ce navigateur ne l’a pas renvoyé. Sans lui, impossible de savoir que c’est votre tour.
cookies-hint = Autorisez les cookies pour ce site ou quittez la navigation privée, puis réessayez.
place-ended = Votre place a expiré
place-ended-about = Ce navigateur n’a pas donné signe pendant plus de {$time}, ou la file a été recommencée.
place-ended-unsent = Prendre une nouvelle place renvoie votre formulaire ; votre navigateur demandera peut-être une confirmation.

people-ahead = {$count ->
    [one] personne avant vous
   *[other] personnes avant vous
}
next = Vous êtes le prochain
next-about = Il n’y a plus personne avant vous.
finding = Un instant
finding-about = Recherche de votre place dans la file.
progress = Votre avancée dans la file
joined = Arrivée à {$clock}
goal = Votre tour

wait = Attente estimée
wait-unknown = pas encore connue
wait-soon = moins d’une minute
wait-minutes = environ {$low} à {$high} minutes
wait-minutes-most = {$count ->
    [one] jusqu’à {$high} minute
   *[other] jusqu’à {$high} minutes
}
wait-minutes-even = {$count ->
    [one] environ {$high} minute
   *[other] environ {$high} minutes
}
wait-hours = environ {$low} à {$high} heures
wait-hours-most = {$count ->
    [one] jusqu’à {$high} heure
   *[other] jusqu’à {$high} heures
}
wait-hours-even = {$count ->
    [one] environ {$high} heure
   *[other] environ {$high} heures
}

last-answer = Dernière réponse
waiting-all = {$n} en attente
reconnecting = Reconnexion …
reconnecting-about = Votre place est gardée. Les chiffres datent de la dernière réponse.
nothing-sent = Rien n’a été envoyé.
nothing-sent-about = Votre saisie n’est pas parvenue au site. Gardez cet onglet ouvert pour l’envoyer à votre tour.
note = À noter

enter = Entrer maintenant
send = Envoyer maintenant
try-again = Réessayer
new-tab = Ouvrir dans un nouvel onglet
new-place = Prendre une nouvelle place
check-now = Vérifier maintenant

no-script = Cette page vérifie d’elle-même toutes les {$time}.
no-script-unsent = Rechargez cette page de temps en temps : jusqu’à votre tour, vous la reverrez ; ensuite votre saisie sera envoyée. Votre navigateur vous demandera d’abord.

at-turn = À votre tour
at-turn-about = Cette page ouvre l’adresse demandée. Vous n’avez rien à faire.
at-turn-unsent = Vous pourrez alors envoyer votre saisie d’un clic. Rien n’est jamais envoyé sans vous.
kept = Votre place est gardée
kept-about = Recharger la page ne change rien. Vous pouvez fermer cet onglet ou verrouiller votre téléphone jusqu’à {$time} : revenez dans ce navigateur, et la place est encore à vous.
kept-unsent = Verrouiller le téléphone ou perdre la connexion ne change rien. Vous pouvez vous absenter jusqu’à {$time}. Fermer cet onglet fait perdre votre saisie, mais pas votre place.
inside = Une fois entré
inside-about = Vous disposez de {$time} pour votre visite.
inside-renewed = Vous disposez de {$time}. Chaque page ouverte fait repartir ce temps, jusqu’à {$most} en tout.

hold = Besoin de plus de temps ?
hold-about = Laissez passer d’autres personnes pendant {$time}. Votre place est gardée : à votre retour, vous serez parmi les prochains.
hold-start = Laisser passer
hold-on = D’autres peuvent passer jusqu’à {$clock}. Votre place est gardée.
hold-end = Je suis de retour

seconds = {$count ->
    [one] {$n} seconde
   *[other] {$n} secondes
}
minutes = {$count ->
    [one] {$n} minute
   *[other] {$n} minutes
}
hours = {$count ->
    [one] {$n} heure
   *[other] {$n} heures
}
