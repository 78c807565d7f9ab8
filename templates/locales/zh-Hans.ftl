# 等候页(简体中文)。各条文字的含义见 en.ftl。
direction = ltr
number-sample = 1,234,567

title = {$state} – {$room}
title-ahead = 前面还有 {$n} 人
title-next = 下一位就是您
title-none = 排队中
title-ready = 轮到您了
title-paused = 已暂停
title-closed = 已关闭
title-cookies = Cookie 已关闭
title-lost = 位置已失效

in-line = 您正在排队
paused = 队列已暂停
paused-about = 目前暂停入场。您的位置会保留，恢复后自动继续。
closed = 暂时关闭
closed-about = 目前暂停入场，也不发放位置。本页会持续检查并自动继续。
your-turn = 轮到您了
opening = 正在打开您请求的页面。
unsent-yet = 您填写的内容尚未发送。请现在发送；浏览器可能会要求确认。
turn-until = 请在 {$clock} 前进入。
cookies-off = Cookie 已关闭
cookies-about = 您的排队位置保存在 Cookie 中，但此浏览器没有送回。没有它就无法知道是否轮到您。
cookies-hint = 请允许本网站使用 Cookie 或退出无痕浏览，然后重试。
place-ended = 您的位置已失效
place-ended-about = 此浏览器超过 {$time}没有响应，或队列已重新开始。
place-ended-unsent = 重新排队会再次发送表单；浏览器可能会要求确认。

people-ahead = 人排在您前面
next = 下一位就是您
next-about = 您前面没有人了。
finding = 请稍候
finding-about = 正在查询您的位置。
progress = 您的排队进度
joined = {$clock} 开始排队
goal = 轮到您

wait = 预计等候
wait-unknown = 暂时未知
wait-soon = 不到 1 分钟
wait-minutes = 约 {$low}–{$high} 分钟
wait-minutes-most = 最多 {$high} 分钟
wait-minutes-even = 约 {$high} 分钟
wait-hours = 约 {$low}–{$high} 小时
wait-hours-most = 最多 {$high} 小时
wait-hours-even = 约 {$high} 小时

last-answer = 最近更新
waiting-all = 共 {$n} 人等候
reconnecting = 正在重新连接…
reconnecting-about = 您的位置已保留。显示的是上次更新的数据。
nothing-sent = 内容尚未发送。
nothing-sent-about = 您填写的内容没有送达网站。请保持此标签页打开，轮到您时再发送。
note = 请注意

enter = 立即进入
send = 立即发送
try-again = 重试
new-tab = 在新标签页中打开
new-place = 重新排队
check-now = 立即检查

no-script = 本页每 {$time}自动检查一次。
no-script-unsent = 请不时重新加载本页：轮到您之前会一直看到它，之后会发送您填写的内容。浏览器会先询问您。

at-turn = 轮到您时
at-turn-about = 本页会自动打开您请求的网址，无需任何操作。
at-turn-unsent = 您可以一键发送填写的内容。未经您同意绝不会发送。
kept = 您的位置会保留
kept-about = 重新加载没有影响。您可以关闭此标签页或锁屏，最长 {$time}：用同一浏览器回来，位置仍是您的。
kept-unsent = 锁屏或断网没有影响。您最多可以离开 {$time}。关闭此标签页会丢失填写的内容，但不会丢失位置。
inside = 进入之后
inside-about = 您有 {$time}的访问时间。
inside-renewed = 您有 {$time}。每打开一个页面都会重新计时，总共最长 {$most}。

hold = 需要更多时间？
hold-about = 可让他人先行 {$time}。您的位置会保留：回来后很快就轮到您。
hold-start = 让他人先行
hold-on = {$clock} 前让他人先行。您的位置已保留。
hold-end = 我回来了

seconds = {$n} 秒
minutes = {$n} 分钟
hours = {$n} 小时
