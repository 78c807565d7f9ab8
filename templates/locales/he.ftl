# דף ההמתנה בעברית. משמעות הטקסטים מוסברת ב-en.ftl.
direction = rtl
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = עוד {$n} לפניך
title-next = הבא בתור: תורך
title-none = בתור
title-ready = הגיע תורך
title-paused = מושהה
title-closed = סגור
title-cookies = קובצי Cookie כבויים
title-lost = המקום פג

in-line = המקום שלך בתור שמור
paused = התור מושהה
paused-about = כרגע אין כניסה. המקום שלך נשמר, והתור ימשיך מעצמו.
closed = סגור לעת עתה
closed-about = כרגע אין כניסה ואין מקומות פנויים. הדף ממשיך לבדוק וימשיך מעצמו.
your-turn = הגיע תורך
opening = הדף שביקשת נפתח.
unsent-yet = מה שהזנת עדיין לא נשלח. אפשר לשלוח עכשיו; ייתכן שהדפדפן יבקש אישור.
turn-until = אפשר להיכנס עד {$clock}.
cookies-off = קובצי Cookie כבויים
cookies-about = המקום בתור נשמר בקובץ Cookie, והדפדפן הזה לא החזיר אותו. בלעדיו אי אפשר לדעת שהגיע תורך.
cookies-hint = יש לאפשר קובצי Cookie לאתר זה או לצאת מגלישה פרטית, ולנסות שוב.
place-ended = המקום שלך פג
place-ended-about = לא התקבל דבר מהדפדפן הזה במשך יותר מ־{$time}, או שהתור התחיל מחדש.
place-ended-unsent = לקיחת מקום חדש שולחת את הטופס שוב; ייתכן שהדפדפן יבקש אישור.

people-ahead = {$count ->
    [one] אדם לפניך
   *[other] אנשים לפניך
}
next = תורך הבא
next-about = אין אף אחד לפניך.
finding = רק רגע
finding-about = מחפשים את מקומך בתור.
progress = ההתקדמות שלך בתור
joined = בתור מאז {$clock}
goal = תורך

wait = זמן המתנה משוער
wait-unknown = עדיין לא ידוע
wait-soon = פחות מדקה
wait-minutes = בין {$low} ל־{$high} דקות בערך
wait-minutes-most = עד {$high} דקות
wait-minutes-even = בערך {$high} דקות
wait-hours = בין {$low} ל־{$high} שעות בערך
wait-hours-most = עד {$high} שעות
wait-hours-even = בערך {$high} שעות

last-answer = תשובה אחרונה
waiting-all = ממתינים: {$n}
reconnecting = מתחבר מחדש …
reconnecting-about = המקום שלך נשמר. המספרים הם מהתשובה האחרונה.
nothing-sent = לא נשלח דבר.
nothing-sent-about = מה שהזנת לא הגיע לאתר. יש להשאיר את הכרטיסייה פתוחה כדי לשלוח כשיגיע תורך.
note = לתשומת לבך

enter = כניסה עכשיו
send = שליחה עכשיו
try-again = ניסיון נוסף
new-tab = פתיחה בכרטיסייה חדשה
new-place = לקיחת מקום חדש
check-now = בדיקה עכשיו

no-script = הדף בודק מעצמו כל {$time}.
no-script-unsent = יש לרענן את הדף מדי פעם: עד שיגיע תורך הוא יוצג שוב; אחר כך יישלח מה שהזנת. הדפדפן ישאל קודם.

at-turn = כשיגיע תורך
at-turn-about = הדף יפתח את הכתובת שביקשת. אין צורך לעשות דבר.
at-turn-unsent = אז אפשר לשלוח את מה שהזנת בלחיצה אחת. דבר אינו נשלח בלעדיך.
kept = המקום שלך נשמר
kept-about = רענון אינו מזיק. אפשר לסגור את הכרטיסייה או לנעול את הטלפון עד {$time}: בחזרה בדפדפן הזה המקום עדיין שלך.
kept-unsent = נעילת הטלפון או ניתוק אינם מזיקים. אפשר להיעדר עד {$time}. סגירת הכרטיסייה מוחקת את מה שהזנת, אך לא את המקום.
inside = אחרי הכניסה
inside-about = יש לך {$time} לביקור.
inside-renewed = יש לך {$time}. כל דף שנפתח מתחיל את הזמן מחדש, עד {$most} בסך הכול.

hold = צריך עוד זמן?
hold-about = אפשר לתת לאחרים לעבור במשך {$time}. המקום שלך נשמר: עם חזרתך תורך בין הבאים.
hold-start = לתת לאחרים לעבור
hold-on = אחרים יכולים לעבור עד {$clock}. המקום שלך נשמר.
hold-end = חזרתי

seconds = {$count ->
    [one] שנייה אחת
   *[other] {$n} שניות
}
minutes = {$count ->
    [one] דקה אחת
   *[other] {$n} דקות
}
hours = {$count ->
    [one] שעה אחת
    [two] שעתיים
   *[other] {$n} שעות
}
