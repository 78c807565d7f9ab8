# صفحة الانتظار بالعربية. معنى كل نص موضح في en.ftl.
direction = rtl
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = أمامك {$n}
title-next = أنت التالي
title-none = في الطابور
title-ready = حان دورك
title-paused = متوقف مؤقتًا
title-closed = مغلق
title-cookies = ملفات الارتباط معطّلة
title-lost = انتهى مكانك

in-line = أنت في الطابور
paused = الطابور متوقف مؤقتًا
paused-about = لا يُسمح لأحد بالدخول حاليًا. مكانك محفوظ، وسيتابع الطابور تلقائيًا.
closed = مغلق حاليًا
closed-about = لا يُسمح لأحد بالدخول حاليًا ولا توجد أماكن. تواصل هذه الصفحة التحقق وتتابع تلقائيًا.
your-turn = حان دورك
opening = يجري فتح الصفحة التي طلبتها.
unsent-yet = لم يُرسل ما أدخلته بعد. أرسله الآن؛ قد يطلب المتصفح التأكيد.
turn-until = يمكنك الدخول حتى {$clock}.
cookies-off = ملفات الارتباط معطّلة
cookies-about = يُحفظ مكانك في ملف ارتباط (كوكي)، ولم يُعده هذا المتصفح. من دونه لا يمكن معرفة أن دورك قد حان.
cookies-hint = اسمح بملفات الارتباط لهذا الموقع أو غادر التصفح الخاص، ثم حاول مرة أخرى.
place-ended = انتهى مكانك
place-ended-about = لم يصل شيء من هذا المتصفح لأكثر من {$time}، أو بدأ الطابور من جديد.
place-ended-unsent = أخذ مكان جديد يرسل النموذج مرة أخرى؛ قد يطلب المتصفح التأكيد.

people-ahead = {$count ->
    [zero] شخص أمامك
    [one] شخص أمامك
    [two] شخصان أمامك
    [few] أشخاص أمامك
    [many] شخصًا أمامك
   *[other] شخص أمامك
}
next = أنت التالي
next-about = لا أحد أمامك.
finding = لحظة واحدة
finding-about = يجري البحث عن مكانك في الطابور.
progress = تقدّمك في الطابور
joined = انضممت في {$clock}
goal = دورك

wait = الانتظار المتوقع
wait-unknown = غير معروف بعد
wait-soon = أقل من دقيقة
wait-minutes = {$count ->
    [few] نحو {$low} إلى {$high} دقائق
   *[other] نحو {$low} إلى {$high} دقيقة
}
wait-minutes-most = {$count ->
    [two] حتى دقيقتين
    [few] حتى {$high} دقائق
   *[other] حتى {$high} دقيقة
}
wait-minutes-even = {$count ->
    [two] نحو دقيقتين
    [few] نحو {$high} دقائق
   *[other] نحو {$high} دقيقة
}
wait-hours = {$count ->
    [few] نحو {$low} إلى {$high} ساعات
   *[other] نحو {$low} إلى {$high} ساعة
}
wait-hours-most = {$count ->
    [two] حتى ساعتين
    [few] حتى {$high} ساعات
   *[other] حتى {$high} ساعة
}
wait-hours-even = {$count ->
    [two] نحو ساعتين
    [few] نحو {$high} ساعات
   *[other] نحو {$high} ساعة
}

last-answer = آخر رد
waiting-all = في الانتظار: {$n}
reconnecting = إعادة الاتصال …
reconnecting-about = مكانك محفوظ. الأرقام من آخر رد.
nothing-sent = لم يُرسل أي شيء.
nothing-sent-about = لم يصل ما أدخلته إلى الموقع. اترك هذا التبويب مفتوحًا لإرساله عندما يحين دورك.
note = يرجى الانتباه

enter = ادخل الآن
send = أرسل الآن
try-again = حاول مرة أخرى
new-tab = افتح في تبويب جديد
new-place = خذ مكانًا جديدًا
check-now = تحقق الآن

no-script = تتحقق هذه الصفحة تلقائيًا كل {$time}.
no-script-unsent = أعد تحميل هذه الصفحة بين حين وآخر: ستراها مجددًا حتى يحين دورك، ثم يُرسل ما أدخلته. سيسألك المتصفح أولًا.

at-turn = عندما يحين دورك
at-turn-about = تفتح هذه الصفحة العنوان الذي طلبته. لا يلزمك فعل شيء.
at-turn-unsent = عندها يمكنك إرسال ما أدخلته بنقرة واحدة. لا يُرسل أبدًا من دونك.
kept = مكانك محفوظ
kept-about = إعادة التحميل لا تضر. يمكنك إغلاق هذا التبويب أو قفل هاتفك مدة تصل إلى {$time}: عد بهذا المتصفح ويبقى المكان لك.
kept-unsent = قفل الهاتف أو انقطاع الاتصال لا يضر. يمكنك الغياب مدة تصل إلى {$time}. إغلاق هذا التبويب يفقدك ما أدخلته، لا مكانك.
inside = بعد الدخول
inside-about = لديك {$time} لزيارتك.
inside-renewed = لديك {$time}. كل صفحة تفتحها تبدأ هذه المدة من جديد، حتى {$most} إجمالًا.

hold = هل تحتاج إلى وقت أطول؟
hold-about = دع الآخرين يمرون مدة {$time}. مكانك محفوظ: عند عودتك تكون من بين التالين.
hold-start = دع الآخرين يمرون
hold-on = يمكن للآخرين المرور حتى {$clock}. مكانك محفوظ.
hold-end = لقد عدت

seconds = {$count ->
    [one] ثانية واحدة
    [two] ثانيتين
    [few] {$n} ثوانٍ
   *[other] {$n} ثانية
}
minutes = {$count ->
    [one] دقيقة واحدة
    [two] دقيقتين
    [few] {$n} دقائق
   *[other] {$n} دقيقة
}
hours = {$count ->
    [one] ساعة واحدة
    [two] ساعتين
    [few] {$n} ساعات
   *[other] {$n} ساعة
}
