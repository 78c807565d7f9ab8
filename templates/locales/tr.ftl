# Bekleme sayfası, Türkçe. Metinlerin anlamı en.ftl dosyasında açıklanır.
direction = ltr
number-sample = 1.234.567

title = {$state} – {$room}
title-ahead = Önünüzde {$n} kişi
title-next = Sıradaki sizsiniz
title-none = Sırada
title-ready = Sıra sizde
title-paused = Duraklatıldı
title-closed = Kapalı
title-cookies = Çerezler kapalı
title-lost = Yeriniz sona erdi

in-line = Sıradasınız
paused = Sıra duraklatıldı
paused-about = Şu anda kimse içeri alınmıyor. Yeriniz korunuyor, sıra kendiliğinden ilerleyecek.
closed = Şimdilik kapalı
closed-about = Şu anda kimse içeri alınmıyor ve yer verilmiyor. Bu sayfa denetlemeyi sürdürür ve kendiliğinden devam eder.
your-turn = Sıra sizde
opening = İstediğiniz sayfa açılıyor.
unsent-yet = Girdiğiniz bilgiler henüz gönderilmedi. Şimdi gönderin; tarayıcınız onay isteyebilir.
turn-until = Giriş için son saat: {$clock}.
cookies-off = Çerezler kapalı
cookies-about = Sıradaki yeriniz bir çerezde tutulur ve bu tarayıcı onu geri göndermedi. O olmadan sıranın size geldiği bilinemez.
cookies-hint = Bu site için çerezlere izin verin ya da gizli pencereden çıkıp yeniden deneyin.
place-ended = Yeriniz sona erdi
place-ended-about = Bu tarayıcıdan uzun süre ({$time}) haber alınamadı ya da sıra baştan başlatıldı.
place-ended-unsent = Yeni yer almak formunuzu yeniden gönderir; tarayıcınız onay isteyebilir.

people-ahead = kişi önünüzde
next = Sıradaki sizsiniz
next-about = Önünüzde kimse yok.
finding = Bir dakika
finding-about = Sıradaki yeriniz aranıyor.
progress = Sıradaki ilerlemeniz
joined = Sıraya giriş: {$clock}
goal = Sizin sıranız

wait = Tahmini bekleme
wait-unknown = henüz bilinmiyor
wait-soon = bir dakikadan az
wait-minutes = yaklaşık {$low}–{$high} dakika
wait-minutes-most = en fazla {$high} dakika
wait-minutes-even = yaklaşık {$high} dakika
wait-hours = yaklaşık {$low}–{$high} saat
wait-hours-most = en fazla {$high} saat
wait-hours-even = yaklaşık {$high} saat

last-answer = Son yanıt
waiting-all = {$n} kişi bekliyor
reconnecting = Yeniden bağlanılıyor …
reconnecting-about = Yeriniz korunuyor. Sayılar son yanıttan.
nothing-sent = Hiçbir şey gönderilmedi.
nothing-sent-about = Girdiğiniz bilgiler siteye ulaşmadı. Sıra size geldiğinde göndermek için bu sekmeyi açık tutun.
note = Lütfen dikkat

enter = Şimdi gir
send = Şimdi gönder
try-again = Yeniden dene
new-tab = Yeni sekmede aç
new-place = Yeni yer al
check-now = Şimdi denetle

no-script = Bu sayfa kendiliğinden denetler; aralık: {$time}.
no-script-unsent = Bu sayfayı ara sıra yenileyin: sıra size gelene dek onu yeniden görürsünüz; sonra bilgileriniz gönderilir. Tarayıcınız önce sorar.

at-turn = Sıra size geldiğinde
at-turn-about = Bu sayfa istediğiniz adresi açar. Bir şey yapmanız gerekmez.
at-turn-unsent = Girdiklerinizi tek tıkla gönderebilirsiniz. Siz olmadan hiç gönderilmez.
kept = Yeriniz korunuyor
kept-about = Yenilemenin zararı yok. Bu sekmeyi kapatabilir ya da telefonu kilitleyebilirsiniz (en fazla {$time}): bu tarayıcıyla dönün, yer hâlâ sizindir.
kept-unsent = Telefonu kilitlemenin ya da bağlantının kopmasının zararı yok. En fazla {$time} uzak kalabilirsiniz. Bu sekmeyi kapatmak girdiklerinizi siler, yerinizi değil.
inside = İçeri girince
inside-about = Ziyaretiniz için {$time} süreniz var.
inside-renewed = {$time} süreniz var. Açtığınız her sayfa bu süreyi yeniden başlatır; toplam en fazla {$most}.

hold = Daha fazla zaman mı gerekiyor?
hold-about = Başkalarına yol verin: {$time}. Yeriniz korunur; döndüğünüzde sıradakiler arasında olursunuz.
hold-start = Başkalarına yol ver
hold-on = Başkaları geçebilir; bitiş: {$clock}. Yeriniz korunuyor.
hold-end = Geri döndüm

seconds = {$n} saniye
minutes = {$n} dakika
hours = {$n} saat
