# 等候頁(繁體中文)。各條文字的含義見 en.ftl。
direction = ltr
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = 前面還有 {$n} 人
title-next = 下一位就是您
title-none = 排隊中
title-ready = 輪到您了
title-paused = 已暫停
title-closed = 已關閉
title-cookies = Cookie 已停用
title-lost = 位置已失效

in-line = 您正在排隊
paused = 隊列已暫停
paused-about = 目前暫停入場。您的位置會保留，恢復後自動繼續。
closed = 暫時關閉
closed-about = 目前暫停入場，也不發放位置。本頁會持續檢查並自動繼續。
your-turn = 輪到您了
opening = 正在開啟您要求的頁面。
unsent-yet = 您填寫的內容尚未送出。請現在送出；瀏覽器可能會要求確認。
turn-until = 請在 {$clock} 前進入。
cookies-off = Cookie 已停用
cookies-about = 您的排隊位置儲存在 Cookie 中，但此瀏覽器沒有送回。沒有它就無法得知是否輪到您。
cookies-hint = 請允許本網站使用 Cookie 或離開無痕瀏覽，然後再試一次。
place-ended = 您的位置已失效
place-ended-about = 此瀏覽器超過 {$time}沒有回應，或隊列已重新開始。
place-ended-unsent = 重新排隊會再次送出表單；瀏覽器可能會要求確認。

people-ahead = 人排在您前面
next = 下一位就是您
next-about = 您前面沒有人了。
finding = 請稍候
finding-about = 正在查詢您的位置。
progress = 您的排隊進度
joined = {$clock} 開始排隊
goal = 輪到您

wait = 預計等候
wait-unknown = 暫時未知
wait-soon = 不到 1 分鐘
wait-minutes = 約 {$low}–{$high} 分鐘
wait-minutes-most = 最多 {$high} 分鐘
wait-minutes-even = 約 {$high} 分鐘
wait-hours = 約 {$low}–{$high} 小時
wait-hours-most = 最多 {$high} 小時
wait-hours-even = 約 {$high} 小時

last-answer = 最近更新
waiting-all = 共 {$n} 人等候
reconnecting = 正在重新連線…
reconnecting-about = 您的位置已保留。顯示的是上次更新的資料。
nothing-sent = 內容尚未送出。
nothing-sent-about = 您填寫的內容沒有送達網站。請保持此分頁開啟，輪到您時再送出。
note = 請注意

enter = 立即進入
send = 立即送出
try-again = 再試一次
new-tab = 在新分頁開啟
new-place = 重新排隊
check-now = 立即檢查

no-script = 本頁每 {$time}自動檢查一次。
no-script-unsent = 請不時重新載入本頁：輪到您之前會一直看到它，之後會送出您填寫的內容。瀏覽器會先詢問您。

at-turn = 輪到您時
at-turn-about = 本頁會自動開啟您要求的網址，無須任何操作。
at-turn-unsent = 您可以一鍵送出填寫的內容。未經您同意絕不會送出。
kept = 您的位置會保留
kept-about = 重新載入沒有影響。您可以關閉此分頁或鎖定手機，最長 {$time}：用同一瀏覽器回來，位置仍是您的。
kept-unsent = 鎖定手機或斷線沒有影響。您最多可以離開 {$time}。關閉此分頁會遺失填寫的內容，但不會遺失位置。
inside = 進入之後
inside-about = 您有 {$time}的瀏覽時間。
inside-renewed = 您有 {$time}。每開啟一個頁面都會重新計時，總共最長 {$most}。

hold = 需要更多時間？
hold-about = 可讓他人先行 {$time}。您的位置會保留：回來後很快就輪到您。
hold-start = 讓他人先行
hold-on = {$clock} 前讓他人先行。您的位置已保留。
hold-end = 我回來了

seconds = {$n} 秒
minutes = {$n} 分鐘
hours = {$n} 小時
